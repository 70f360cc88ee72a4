//! The future that waits until a context is done.

use core::fmt;
use core::future::Future;
use core::marker::PhantomData;
use core::pin::Pin;
use core::ptr::NonNull;
use core::task::{Context as Task, Poll};

use super::cancel::ContextError;
use super::node::Node;
use crate::g::leaf::{FIRED, Leaf, Prepared};
use crate::inspect::{Location, WaitReason};

/// Waits until a context is done. Made by [`Context::done`](super::Context::done).
///
/// # Cancel safety
/// It can be dropped at any time; nothing is lost.
#[must_use = "futures do nothing unless awaited"]
pub struct Done<'a> {
    leaf: Leaf,
    node: PhantomData<&'a Node>,
}

impl<'a> Done<'a> {
    /// The leaf waits on the node whose state is that of `node`. A context that can never be done waits on
    /// its own.
    pub(super) fn new(node: &'a Node, at: Location) -> Self {
        let node = node.canceller().unwrap_or(node);
        let leaf = Leaf::new(WaitReason::ContextDone, node.anchor_ptr(), at, ());
        Self { leaf, node: PhantomData }
    }

    fn node(&self) -> &'a Node {
        // SAFETY: the anchor is that of a node that the context borrowed for `'a` keeps alive.
        unsafe { self.leaf.anchor().cast::<Node>().as_ref() }
    }

    fn leaf(&self) -> NonNull<Leaf> {
        NonNull::from(&self.leaf)
    }

    fn poll_done(&self, cx: &Task<'_>) -> Poll<ContextError> {
        if self.leaf.traced(cx) {
            return Poll::Pending;
        }
        let node = self.node();
        if self.leaf.state() == FIRED {
            // SAFETY: ours, enlisted when it parked, and out of the queue.
            unsafe { Leaf::settle(self.leaf()) };
            // A leaf is fired after the error was stored.
            return node.error().map_or(Poll::Pending, Poll::Ready);
        }
        if self.leaf.waits_for(cx) {
            return Poll::Pending;
        }
        if self.leaf.is_waiting() {
            // SAFETY: ours, and parked on this node.
            let kept = unsafe { node.adopt(self.leaf(), cx) };
            return if kept { Poll::Pending } else { self.poll_done(cx) };
        }
        if !self.leaf.proceed(cx) {
            return Poll::Pending;
        }
        if let Some(error) = node.error() {
            return Poll::Ready(error);
        }
        let waiter = Prepared::new(self.leaf(), cx);
        // SAFETY: the leaf is idle, and pinned until it was withdrawn; enlisted right after.
        unsafe {
            if !node.park(self.leaf(), waiter) {
                return node.error().map_or(Poll::Pending, Poll::Ready);
            }
            Leaf::enlist(self.leaf());
        }
        Poll::Pending
    }
}

impl Future for Done<'_> {
    type Output = ContextError;

    fn poll(self: Pin<&mut Self>, cx: &mut Task<'_>) -> Poll<ContextError> {
        self.as_ref().get_ref().poll_done(cx)
    }
}

impl Drop for Done<'_> {
    fn drop(&mut self) {
        if self.leaf.is_idle() {
            return;
        }
        // SAFETY: ours, parked on this node, and enlisted when it parked.
        unsafe {
            self.node().withdraw(self.leaf());
            Leaf::settle(self.leaf());
        }
    }
}

impl fmt::Debug for Done<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Done").field("at", &self.leaf.at()).finish_non_exhaustive()
    }
}
