//! Says why a context does not end the goroutine that waits for it, from the tree alone.

use gmp_core::inspect::PrimitiveId;

use super::finding::{ContextFault, ContextNode, Figure, Finding};

/// Why the context that `finding` waits for is not done, or what was found out about it before.
pub(super) fn of(finding: &Finding, roots: &[ContextNode]) -> Option<ContextFault> {
    let waited = finding.waits.iter().find_map(|wait| {
        let primitive = wait.primitive.as_ref()?;
        match primitive.figure {
            Figure::Context { cancel_handles, deadline_in, .. } => {
                Some((primitive.id, cancel_handles, deadline_in))
            }
            _ => None,
        }
    });
    let Some((id, handles, deadline_in)) = waited else { return finding.context.clone() };
    let path = path_to(roots, id);
    let broken = path.iter().find_map(|node| {
        let derive_from = node.broken_from.clone()?;
        Some(ContextFault::OtherRoot { at: node.created_at.clone(), kind: node.kind, derive_from })
    });
    let kind = path.last().map(|node| node.kind);
    Some(match (broken, deadline_in, kind, handles) {
        (Some(broken), ..) => broken,
        (_, Some(due_in), ..) => ContextFault::DeadlinePending { due_in },
        (_, _, Some(kind @ ("background" | "todo")), _) => ContextFault::NeverDone { kind },
        (_, _, _, 0) => ContextFault::HandleDropped,
        (_, _, _, handles) => ContextFault::NotCancelled { handles },
    })
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
