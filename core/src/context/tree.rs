//! What the inspection reads of contexts: a wait for one, and a node as plain data.

use core::ptr::NonNull;
use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::cancel::{ContextError, End};
use super::expiry::Expiry;
use super::node::Node;
use crate::g::leaf::Leaf;
use crate::inspect::{
    Anchor, Capability, ContextInfo, ContextState, ContextView, Figure, Location, Record, WaitInfo,
    WaitReason,
};

/// # Safety
/// As [`Describe`](crate::inspect::anchor::Describe) asks; the anchor is that of a [`Node`].
pub(super) unsafe fn describe(
    anchor: NonNull<Anchor>,
    leaf: NonNull<()>,
    out: &mut dyn FnMut(WaitInfo),
) {
    // SAFETY: as the caller says; every leaf starts with the fields of `Leaf<()>`.
    let (node, leaf) = unsafe { (anchor.cast::<Node>().as_ref(), leaf.cast::<Leaf>().as_ref()) };
    let mut cancel_handles = 0;
    let (mut capabilities, mut complete) = (Vec::new(), true);
    for canceller in node.cancellers() {
        // Relaxed: a figure of the report.
        cancel_handles += canceller.handles().load(Ordering::Relaxed);
        match &canceller.anchor().record {
            Some(record) => capabilities.push((Arc::clone(record), Capability::Release)),
            None => complete = false,
        }
    }
    let due_in = node.cancellers().filter_map(|node| node.expiry()?.due_in()).min();
    out(WaitInfo {
        reason: WaitReason::ContextDone,
        in_select: false,
        at: leaf.at(),
        figure: Figure::Context { cancel_handles, deadline_in: due_in },
        record: node.anchor().record.clone(),
        capabilities,
        due_in,
        complete,
    });
}

impl ContextView for Node {
    fn info(&self, record: &Record) -> ContextInfo {
        let ancestor = self.lineage().skip(1).find_map(|node| node.anchor().record.as_ref());
        ContextInfo {
            id: record.id,
            parent: ancestor.map(|record| record.id),
            kind: self.kind().as_str(),
            created_at: self.at(),
            created_by: record.created_by,
            state: state(self),
            broken_from: self.broken_from(),
        }
    }

    fn node(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }

    fn cancel(&self, at: Location) -> bool {
        let Some(canceller) = self.canceller() else { return false };
        canceller.end(&End::new(ContextError::Canceled, None, Some(at)));
        true
    }

    fn take_functions(&self) -> Option<Box<dyn Any + Send>> {
        let can_end = |node: &Node| {
            let deadline = node.expiry().and_then(Expiry::due_in);
            // Relaxed: read when the scope is frozen; whoever cancels meanwhile is outside and alive.
            node.handles().load(Ordering::Relaxed) > 0 || deadline.is_some()
        };
        if !self.cancellers().any(can_end) {
            return None;
        }
        let functions = self.take_funcs();
        if functions.is_empty() { None } else { Some(Box::new(functions)) }
    }
}

fn state(node: &Node) -> ContextState {
    let canceller = node.canceller();
    match canceller.and_then(Node::error) {
        None => ContextState::Active {
            cancel_handles: node.kind().cancels().then(|| node.handles().load(Ordering::Relaxed)),
            deadline_in: node.expiry().and_then(Expiry::due_in),
        },
        Some(ContextError::DeadlineExceeded) => ContextState::DeadlineExceeded,
        Some(ContextError::Canceled) => {
            // Whoever ends a node with this error says where.
            let at = canceller.and_then(Node::ended_at);
            ContextState::Cancelled { at: at.unwrap_or(node.at()) }
        }
    }
}
