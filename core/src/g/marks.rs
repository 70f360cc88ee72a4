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
use super::state::Snapshot;
use crate::sys::atomic::Ordering;

/// Set by whoever queues the goroutine, cleared by the M that polls it.
const STAMPED: u32 = 1;
/// Set and cleared by the goroutine itself, inside a poll.
const LOCKED: u32 = 2;
const POLL_ONE: u32 = 4;

/// The state word, and the polls that were counted when it was read; the third is whether that is certain.
///
/// Parked in two such looks, with the same polls and both times for certain, it was parked all the time in between:
/// whoever polls counts after having claimed it and before parking it.
pub(super) fn look<S>(polls: impl Fn() -> u32, state: impl FnOnce() -> S) -> (S, u32, bool) {
    // One reading of the polls is not enough on either side: a poll that has been claimed may be counted later.
    let before = polls();
    let state = state();
    let after = polls();
    (state, after, before == after)
}

impl Header {
    /// Polls so far, wrapping.
    fn polls(&self) -> u32 {
        // Acquire: pairs with `note_poll`.
        self.polls.load(Ordering::Acquire) / POLL_ONE
    }

    /// See [`look`].
    pub(crate) fn look(&self) -> (Snapshot, u32, bool) {
        look(|| self.polls(), || self.snapshot())
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

#[cfg(all(test, not(loom)))]
mod tests {
    use core::cell::Cell;

    use super::super::state::{EndPoll, Ready, StartPoll, State};
    use super::look;

    /// How often an inspector reads something, and what others do meanwhile: a thread makes a goroutine ready and
    /// ends; an M polls that, which makes the next one ready.
    const READS: usize = 13;
    const STEPS: usize = 6;

    /// Two goroutines and, for each step of others, how many reads come before it.
    struct World<'a> {
        states: [State; 2],
        polls: [Cell<u32>; 2],
        thread_is_gone: Cell<bool>,
        reads_before: &'a [usize; STEPS],
        reads: Cell<usize>,
        steps: Cell<usize>,
    }

    impl World<'_> {
        fn step(&self, step: usize) {
            let [next, woken] = &self.states;
            match step {
                0 => assert_eq!(woken.ready(), Ready::Enqueue),
                1 => self.thread_is_gone.set(true),
                2 => assert_eq!(woken.start_poll(), StartPoll::Poll),
                3 => self.polls[1].set(1),
                4 => assert_eq!(next.ready(), Ready::Enqueue),
                _ => assert_eq!(woken.end_poll(), EndPoll::Parked),
            }
        }

        /// The inspector reads.
        fn read<R>(&self, read: impl FnOnce() -> R) -> R {
            while self.reads_before.get(self.steps.get()).is_some_and(|n| *n <= self.reads.get()) {
                self.step(self.steps.replace(self.steps.get() + 1));
            }
            self.reads.set(self.reads.get() + 1);
            read()
        }

        /// The polls of each if it is parked, as a `Reading` has them.
        fn readings(&self) -> [Option<u32>; 2] {
            [0, 1].map(|g| {
                let polls = || self.read(|| self.polls[g].get());
                let (state, polls, certain) = look(polls, || self.read(|| self.states[g].load()));
                (certain && state.is_parked()).then_some(polls)
            })
        }
    }

    fn parked() -> State {
        let state = State::new(false);
        assert_eq!((state.start_poll(), state.end_poll()), (StartPoll::Poll, EndPoll::Parked));
        state
    }

    /// In whatever order it all comes: if the thread was gone between two equal looks, they show what came of it.
    #[test]
    fn two_equal_looks_mean_that_nobody_ran_between_them() {
        let mut reads_before = [0; STEPS];
        loop {
            let world = World {
                states: [parked(), parked()],
                polls: [Cell::new(0), Cell::new(0)],
                thread_is_gone: Cell::new(false),
                reads_before: &reads_before,
                reads: Cell::new(0),
                steps: Cell::new(0),
            };
            let first = world.readings();
            let was_gone = world.read(|| world.thread_is_gone.get());
            let is_quiescent = first == world.readings() && first.iter().all(Option::is_some);
            assert!(!(was_gone && is_quiescent), "seen asleep: {reads_before:?}");
            // The next order; the steps are done one after the other.
            let Some(last) = reads_before.iter().rposition(|n| *n < READS) else { return };
            let n = reads_before[last] + 1;
            reads_before[last..].fill(n);
        }
    }
}
