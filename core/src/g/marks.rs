//! What a goroutine's header counts and remembers beside its state word: polls, the last park, and marks
//! that an M looks at before it polls.
//!
//! | bits of `polls` | meaning |
//! |---|---|
//! | 0 | STAMPED: `parked_at` says when it was made ready |
//! | 1 | LOCKED: only one M may poll it, see `sched/locked.rs` |
//! | 2..32 | polls so far, wrapping |

use super::cell::Header;
use super::gref::GRef;
use crate::sys::atomic::Ordering;

/// Set by whoever queues the goroutine, cleared by the M that polls it.
const STAMPED: u32 = 1;
/// Set and cleared by the goroutine itself, inside a poll.
const LOCKED: u32 = 2;
const POLL_ONE: u32 = 4;

impl Header {
    /// Polls so far, wrapping: two equal readings mean that it did not run in between.
    pub(crate) fn polls(&self) -> u32 {
        // Acquire: pairs with `note_poll`.
        self.polls.load(Ordering::Acquire) / POLL_ONE
    }

    /// Whether this is the address of its header.
    pub(crate) fn is_at(&self, address: *const ()) -> bool {
        core::ptr::from_ref(self).cast() == address
    }

    /// When it was parked, in milliseconds of its runtime's clock; `u32::MAX` if it is queued, with a
    /// stamp. Of no use while it runs.
    pub(crate) fn parked_at(&self) -> u32 {
        match self.polls.load(Ordering::Relaxed) & STAMPED {
            0 => self.parked_at.load(Ordering::Relaxed),
            _ => u32::MAX,
        }
    }

    pub(crate) fn set_parked_at(&self, millis: u32) {
        // Relaxed: a figure of the report.
        self.parked_at.store(millis, Ordering::Relaxed);
    }
}

impl GRef {
    /// Counts a poll. Only whoever claimed the goroutine writes: no read-modify-write is needed.
    pub(super) fn note_poll(&self) {
        // Release: pairs with `polls`.
        let polls = self.polls.load(Ordering::Relaxed).wrapping_add(POLL_ONE);
        self.polls.store(polls, Ordering::Release);
    }

    /// Whether it has a mark that [`take_stamp`](Self::take_stamp) takes off.
    #[inline]
    pub(crate) fn is_stamped(&self) -> bool {
        self.polls.load(Ordering::Relaxed) & STAMPED != 0
    }

    /// Whether it is locked to an M.
    #[inline]
    pub(crate) fn is_locked(&self) -> bool {
        self.polls.load(Ordering::Relaxed) & LOCKED != 0
    }

    /// Says that it is locked to the M that polls it, or is no more.
    pub(crate) fn set_locked(&self, locked: bool) {
        let polls = self.polls.load(Ordering::Relaxed) & !LOCKED;
        self.polls.store(polls | if locked { LOCKED } else { 0 }, Ordering::Release);
    }

    /// Remembers when it was made ready. The caller is about to queue it. Should an inspector claim it at
    /// this moment, a poll may go uncounted: it has closed the scope, and compares no more.
    pub(crate) fn stamp(&self, now: u32) {
        self.parked_at.store(now, Ordering::Relaxed);
        self.polls.store(self.polls.load(Ordering::Relaxed) | STAMPED, Ordering::Release);
    }

    /// The stamp of a goroutine that was taken from a queue.
    pub(crate) fn take_stamp(&self) -> u32 {
        self.polls.store(self.polls.load(Ordering::Relaxed) & !STAMPED, Ordering::Release);
        // It was parked at no moment that is still known.
        let at = self.parked_at.load(Ordering::Relaxed);
        self.parked_at.store(u32::MAX, Ordering::Relaxed);
        at
    }
}
