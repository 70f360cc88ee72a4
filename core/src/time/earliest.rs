//! The earliest moment of a heap, for those who have not its lock.

use super::clock::{NEVER, Nanos};
use crate::sys::modelled::atomic::{AtomicU64, Ordering};

/// When the first timer of a heap is due.
pub(crate) struct Earliest(AtomicU64);

impl Earliest {
    /// Of an empty heap.
    pub(crate) fn new() -> Self {
        Self(AtomicU64::new(NEVER))
    }

    /// For whoever must not miss it: an M that goes to sleep fences before it looks, and whoever arms a timer
    /// after he has published it.
    pub(crate) fn get(&self) -> Nanos {
        // SeqCst: who takes stock looks at it between others of its kind.
        self.0.load(Ordering::SeqCst)
    }

    /// For the M whose heap it is, and for others that come back.
    #[inline]
    pub(crate) fn hint(&self) -> Nanos {
        self.0.load(Ordering::Relaxed)
    }

    /// Under the lock of the heap. True if it became earlier.
    pub(crate) fn publish(&self, next: Nanos) -> bool {
        let before = self.0.load(Ordering::Relaxed);
        if next != before {
            // Relaxed: who is told that a timer is earlier fences first; that it is later nobody needs to know.
            self.0.store(next, Ordering::Relaxed);
        }
        next < before
    }
}
