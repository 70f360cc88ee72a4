//! The tree of contexts, with the places where its chain is broken.

use super::page::Page;
use super::style::Ink;
use crate::report::finding::{ContextNode, ContextState, Report};
use crate::report::source::Sources;
use crate::report::words::{LIST_LIMIT, count, duration, list, number, text_columns};

/// The most contexts that are drawn.
const NODES: usize = 40;
/// The deepest level that is drawn.
const DEPTH: usize = 12;

/// Draws the trees of the contexts.
pub(super) fn write(page: &mut Page, report: &Report, sources: &Sources) {
    let roots = report.contexts.as_slice();
    let total = size(roots);
    if total == 0 {
        return;
    }
    page.gap().paint(Ink::Strong, "contexts").end();
    // A large tree shows only what leads to a goroutine or to a break.
    let mut artist =
        Artist { page, sources, drawn: 0, only_telling: total + report.more_contexts > NODES };
    for root in roots {
        artist.node(root, "  ", "  ", 0);
    }
    let left = total - artist.drawn + report.more_contexts;
    if left > 0 {
        let text = format!("  and {}", more_contexts(left));
        page.paint(Ink::Dim, &text).end();
    }
}

fn more_contexts(n: usize) -> String {
    format!("{} more context{}", number(n), if n == 1 { "" } else { "s" })
}

/// The number of nodes. Without recursion: a chain of contexts may be very deep.
fn size(roots: &[ContextNode]) -> usize {
    any_of(roots, |_| false).1
}

/// Whether `wanted` holds for a node, and how many nodes were looked at until then.
fn any_of(roots: &[ContextNode], wanted: impl Fn(&ContextNode) -> bool) -> (bool, usize) {
    let mut open: Vec<&ContextNode> = roots.iter().collect();
    let mut seen = 0;
    while let Some(node) = open.pop() {
        seen += 1;
        if wanted(node) {
            return (true, seen);
        }
        open.extend(&node.children);
    }
    (false, seen)
}

/// Whether a node itself has something to say.
fn tells(node: &ContextNode) -> bool {
    !node.waiting.is_empty() || node.broken_from.is_some()
}

struct Artist<'a> {
    page: &'a mut Page,
    sources: &'a Sources,
    drawn: usize,
    only_telling: bool,
}

impl Artist<'_> {
    /// Draws `node` behind `branch`, and its children behind `indent`.
    fn node(&mut self, node: &ContextNode, branch: &str, indent: &str, depth: usize) {
        let skipped = self.only_telling && !any_of(core::slice::from_ref(node), tells).0;
        if self.drawn == NODES || depth == DEPTH || skipped {
            return;
        }
        self.drawn += 1;
        let bar = if node.children.is_empty() { "   " } else { "│  " };
        let below = format!("{indent}{bar}");
        let at = self.sources.show(&node.created_at);
        let mut head = format!(" {} at {at}", node.id);
        if let Some(by) = node.created_by {
            head.push_str(&format!(" by {by}"));
        }
        let state = format!(", {}", state(&node.state, self.sources));
        let waits = match node.waiting.as_slice() {
            [] => String::new(),
            [id] if node.more_waiting == 0 => format!(" <- {id} waits"),
            all => {
                let waiting = all.len() + node.more_waiting;
                format!(" <- {} wait", list(all, waiting, LIST_LIMIT))
            }
        };
        let hang = text_columns(&below) + 2;
        let pieces = [branch, node.kind, &head, &state, &waits];
        let columns: usize = pieces.into_iter().map(text_columns).sum();
        self.page.paint(Ink::Gutter, branch).paint(Ink::Strong, node.kind).text(&head);
        if columns <= self.page.width() {
            self.page.paint(Ink::Dim, &state).paint(Ink::Alarm, &waits).end();
        } else {
            self.page.wrap(Ink::Dim, hang, &state);
            if !waits.is_empty() {
                self.page.paint(Ink::Gutter, &below).wrap(Ink::Alarm, hang, waits.trim_start());
            }
        }
        if let Some(parent) = &node.broken_from {
            let parent = self.sources.show(parent);
            let text = format!("chain broken here: derive it from the context made at {parent}");
            self.page.paint(Ink::Gutter, &below).wrap(Ink::Alarm, hang, &text);
        }
        for (n, child) in node.children.iter().enumerate() {
            let last = n + 1 == node.children.len();
            let (branch, below) = if last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
            self.node(child, &format!("{indent}{branch}"), &format!("{indent}{below}"), depth + 1);
        }
    }
}

/// The state in words.
fn state(state: &ContextState, sources: &Sources) -> String {
    match state {
        ContextState::Active { cancel_handles, deadline_in } => {
            let mut text = "active".to_owned();
            if let Some(handles) = cancel_handles {
                text = format!("{text}, {}", count(*handles, "cancel handle"));
            }
            if let Some(left) = deadline_in {
                text = format!("{text}, deadline in {}", duration(*left));
            }
            text
        }
        ContextState::Cancelled { at: Some(at) } => format!("cancelled at {}", sources.show(at)),
        ContextState::Cancelled { at: None } => "cancelled".to_owned(),
        ContextState::DeadlineExceeded => "deadline exceeded".to_owned(),
    }
}
