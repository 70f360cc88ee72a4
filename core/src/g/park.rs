//! What leaves of all primitives do alike when they are polled again.

use core::ptr::NonNull;
use core::task::Context;

use super::leaf::{Leaf, Prepared};

impl Leaf {
    /// Ends the registration of a leaf that was released or taken out of the queue: it may be used
    /// again.
    ///
    /// # Safety
    /// Called by the owner, outside the primitive's lock, once for each time it was enlisted.
    pub(crate) unsafe fn settle(this: NonNull<Self>) {
        // SAFETY: as the caller says; the owner keeps the leaf alive.
        unsafe {
            Self::withdraw(this);
            this.as_ref().reset();
        }
    }

    /// Another task polls a parked leaf now: it keeps its place in the queue, which `lock` locks. False if
    /// it was released meanwhile.
    ///
    /// # Safety
    /// Called by the owner of an enlisted leaf that waits, or waited, on the primitive that `lock` locks.
    pub(crate) unsafe fn adopt<G>(
        this: NonNull<Self>,
        cx: &Context<'_>,
        lock: impl FnOnce() -> G,
    ) -> bool {
        let waiter = Prepared::new(this, cx);
        let guard = lock();
        // SAFETY: the owner calls, so the leaf is alive; the swap happens under the lock, while it
        // waits, and what was swapped is relisted outside.
        unsafe {
            if !this.as_ref().is_waiting() {
                drop(guard);
                drop(waiter);
                return false;
            }
            let before = Self::swap_waiter(this, waiter);
            drop(guard);
            Self::relist(this, before);
        }
        true
    }
}
