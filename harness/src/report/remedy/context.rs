//! Advice on contexts that are never done.

use gmp_core::inspect::{PrimitiveId, PrimitiveKind};

use super::Case;
use crate::report::finding::{ContextNode, Figure};
use crate::report::words::duration;

impl Case<'_> {
    pub(super) fn context_done(&self) -> String {
        let figure = self.waits_on(PrimitiveKind::Context).find_map(|wait| {
            let primitive = wait.primitive.as_ref()?;
            match primitive.figure {
                Figure::Context { cancel_handles, deadline_in, .. } => {
                    Some((wait, primitive, cancel_handles, deadline_in))
                }
                _ => None,
            }
        });
        let Some((wait, primitive, cancel_handles, deadline_in)) = figure else {
            return "Derive the context from `gmp::test::context()`, which is cancelled when the body \
                    ends."
                .to_owned();
        };
        let name = self.name(wait);
        let made = self.made_at(primitive);
        let path = path_to(&self.report.contexts, primitive.id);
        if let Some(broken) = path.iter().find(|node| node.broken_from.is_some()) {
            return self.broken_chain(&name, broken);
        }
        if let Some(left) = deadline_in {
            return format!(
                "{name}{made} is done in {} at the latest, after the test. Cancel it when the body \
                 ends, or derive it from `gmp::test::context()`.",
                duration(left)
            );
        }
        match (path.last().map(|node| node.kind), cancel_handles) {
            (Some(kind @ ("background" | "todo")), _) => format!(
                "{name}{made} is a `{kind}()`, which is never done. Derive it from the caller's \
                 context, in tests from `gmp::test::context()`."
            ),
            (_, 0) => format!(
                "The cancel handle of {name}{made} was dropped without a call, and dropping does not \
                 cancel. Keep the handle and call `cancel()`, or derive the context from \
                 `gmp::test::context()`."
            ),
            (_, handles) => {
                let handles = if handles == 1 {
                    "A cancel handle is".to_owned()
                } else {
                    format!("{handles} cancel handles are")
                };
                format!(
                    "{handles} alive for {name}{made}, but nobody calls `cancel()`. Call it when the \
                     work is done, or derive the context from `gmp::test::context()`."
                )
            }
        }
    }

    fn broken_chain(&self, name: &str, broken: &ContextNode) -> String {
        let parent = broken.broken_from.as_ref();
        let parent =
            parent.map_or(String::new(), |at| format!(" made at {}", self.sources.show_line(at)));
        format!(
            "The chain of {name} is broken at {}: `{}` starts anew where a context was at hand. Derive \
             it from the one{parent}, so that cancelling reaches this goroutine.",
            self.sources.show_line(&broken.created_at),
            broken.kind
        )
    }
}

/// The nodes from the root to the context with this id; empty if it is not in the tree.
fn path_to(roots: &[ContextNode], id: PrimitiveId) -> Vec<&ContextNode> {
    // Depth first without recursion: a chain of contexts may be very deep.
    let mut path: Vec<&ContextNode> = Vec::new();
    let mut open: Vec<(usize, &ContextNode)> = roots.iter().rev().map(|root| (0, root)).collect();
    while let Some((depth, node)) = open.pop() {
        path.truncate(depth);
        path.push(node);
        if node.id == id {
            return path;
        }
        open.extend(node.children.iter().rev().map(|child| (depth + 1, child)));
    }
    Vec::new()
}
