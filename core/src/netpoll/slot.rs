//! The leaf of a direction for those who poll a source without a future of their own: the `AsyncRead` and
//! `AsyncWrite` traits. The last who polled is woken.

use core::ptr::NonNull;
use core::task::{Context, Poll};
use std::io;

use super::edges::IoLeaf;
use super::operation::{Attempt, attempt};
use super::source::{Head, Object, Source};
use crate::g::leaf::Leaf;
use crate::inspect::{Anchor, IoWant, Location, WaitReason};
use crate::sys::atomic::{AtomicBool, Ordering};

/// A leaf that belongs to the source.
pub(super) struct Slot {
    /// Whether somebody polls it: that one is its owner.
    busy: AtomicBool,
    leaf: IoLeaf,
}

/// The right to use the leaf of a slot.
struct Owned<'a>(&'a Slot);

impl Slot {
    pub(super) fn new(want: IoWant, at: Location) -> Self {
        // The anchor is set before it parks.
        let leaf = Leaf::new(WaitReason::IoWait, NonNull::<Anchor>::dangling(), at, want);
        Self { busy: AtomicBool::new(false), leaf }
    }

    fn own(&self) -> Option<Owned<'_>> {
        // Acquire: pairs with the release in `Owned::drop`.
        (!self.busy.swap(true, Ordering::Acquire)).then_some(Owned(self))
    }

    /// Ends the registration; nobody polls any more.
    pub(super) fn retire(&self, head: &Head) {
        if !self.leaf.is_idle() {
            // SAFETY: nobody else owns it, as the caller says; it parked on this head.
            unsafe { head.withdraw(NonNull::from(&self.leaf)) };
        }
    }
}

impl Drop for Owned<'_> {
    fn drop(&mut self) {
        self.0.busy.store(false, Ordering::Release);
    }
}

impl<S: Object> Source<S> {
    /// Polls an operation in this direction. If it has to wait, `cx` is woken when it can go on.
    pub(crate) fn poll<T>(
        &self,
        want: IoWant,
        cx: &mut Context<'_>,
        op: impl FnMut(&S) -> io::Result<Attempt<T>>,
    ) -> Poll<io::Result<T>> {
        let slot = &self.head.slots[usize::from(want == IoWant::Write)];
        let Some(owned) = slot.own() else {
            // Another task polls it at this moment.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        };
        let leaf = &owned.0.leaf;
        if leaf.is_idle() {
            leaf.set_anchor(self.head.anchor());
        }
        // SAFETY: owned, and part of the source, which never moves while the leaf is registered and
        // retires it before it goes.
        unsafe { attempt(self, NonNull::from(leaf), cx, op) }
    }
}
