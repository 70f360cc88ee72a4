//! The state word of a goroutine: lifecycle bits, waker clones, references; nothing else.
//!
//! | bits | meaning |
//! |---|---|
//! | 0..8 | lifecycle, the flags below |
//! | 8..32 | live clones of the goroutine's waker: somebody foreign may make it ready |
//! | 32..64 | references: registry, run queue or poll, join and abort handles, boxed leaves |
//!
//! The cell is freed by whoever brings wakers and references both to zero.

use crate::sys::modelled::atomic::{AtomicU64, Ordering};

/// In a run queue, or made ready while it runs. Set by `ready`, cleared when a poll starts.
const SCHEDULED: u64 = 1;
/// Inside a poll. Only the M that set it clears it.
const RUNNING: u64 = 1 << 1;
/// The future is gone. Never cleared.
const COMPLETE: u64 = 1 << 2;
/// Somebody asked for it to be aborted. The next poll drops the future instead.
const ABORT: u64 = 1 << 3;
/// Claimed by a stock-taking: no M may poll it. Set only while parked.
const FROZEN: u64 = 1 << 4;
/// Made ready while frozen, or dispatched in a closed scope.
const WOKEN: u64 = 1 << 5;
/// A join handle exists and wants the output.
const JOIN: u64 = 1 << 6;
/// The output is stored in the cell. Set with COMPLETE, cleared by whoever takes it.
const OUTPUT: u64 = 1 << 7;

const WAKER_ONE: u64 = 1 << 8;
const WAKER_MASK: u64 = (1 << 32) - WAKER_ONE;
const REF_ONE: u64 = 1 << 32;

/// A copy of the word.
#[derive(Clone, Copy)]
pub(crate) struct Snapshot(u64);

impl Snapshot {
    pub(crate) fn is_running(self) -> bool {
        self.0 & RUNNING != 0
    }
    pub(crate) fn is_scheduled(self) -> bool {
        self.0 & SCHEDULED != 0
    }
    pub(crate) fn is_complete(self) -> bool {
        self.0 & COMPLETE != 0
    }
    pub(crate) fn is_frozen(self) -> bool {
        self.0 & FROZEN != 0
    }
    pub(crate) fn was_woken(self) -> bool {
        self.0 & WOKEN != 0
    }
    pub(crate) fn abort_requested(self) -> bool {
        self.0 & ABORT != 0
    }
    pub(crate) fn is_parked(self) -> bool {
        self.0 & (SCHEDULED | RUNNING | COMPLETE) == 0
    }
    pub(crate) fn wakers(self) -> u32 {
        ((self.0 & WAKER_MASK) / WAKER_ONE) as u32
    }
    pub(crate) fn refs(self) -> u32 {
        (self.0 / REF_ONE) as u32
    }
}

/// What the caller of [`State::ready`] has to do.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ready {
    /// Put it into a run queue, with the reference the caller has.
    Enqueue,
    /// Nothing but drop the reference: it is done, queued already, will be queued by the M that
    /// runs it, or is frozen.
    Nothing,
}

/// What an M that took a goroutine from a queue has to do.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum StartPoll {
    /// Poll it.
    Poll,
    /// Drop its future: it was aborted.
    Cancel,
    /// Drop the reference: it is done or frozen.
    Skip,
}

/// What an M has to do with a goroutine whose poll returned `Pending`.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum EndPoll {
    /// It is parked.
    Parked,
    /// It was made ready meanwhile: queue it again.
    Requeue,
    /// It was aborted meanwhile: drop its future. It still counts as running.
    Cancel,
}

/// What whoever drops a join handle has to do.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum DropJoin {
    /// Drop the output, then the reference.
    Output,
    /// Free the cell: the reference, which is dropped already, was the last.
    Last,
    /// Nothing.
    Done,
}

/// The word itself.
pub(crate) struct State(AtomicU64);

impl State {
    /// A new goroutine: scheduled, with references of its registry, of the run queue and, if
    /// `join`, of a join handle.
    #[inline]
    pub(crate) fn new(join: bool) -> Self {
        let handle = if join { REF_ONE | JOIN } else { 0 };
        Self(AtomicU64::new(SCHEDULED | (2 * REF_ONE) | handle))
    }

    /// A goroutine that a thread runs as its own call: running, referenced by registry and thread.
    pub(crate) fn new_running() -> Self {
        Self(AtomicU64::new(RUNNING | (2 * REF_ONE)))
    }

    pub(crate) fn load(&self) -> Snapshot {
        // SeqCst: pairs with `start_poll`, see `Watch::is_closed`.
        Snapshot(self.0.load(Ordering::SeqCst))
    }

    /// Applies `next` until it sticks; `None` leaves the word. Returns what `next` returned last.
    fn update<R>(&self, mut next: impl FnMut(u64) -> (R, Option<u64>)) -> R {
        let mut now = self.0.load(Ordering::Acquire);
        loop {
            let (result, new) = next(now);
            let Some(new) = new else { return result };
            // AcqRel: a poll sees what was written before the wake that caused it, and the next
            // poll sees what this one wrote. SeqCst on success pairs with `Watch::close`.
            match self.0.compare_exchange_weak(now, new, Ordering::SeqCst, Ordering::Acquire) {
                Ok(_) => return result,
                Err(other) => now = other,
            }
        }
    }

    /// Makes the goroutine ready.
    pub(crate) fn ready(&self) -> Ready {
        self.update(|now| match now {
            _ if now & COMPLETE != 0 => (Ready::Nothing, None),
            // Written again as it is: the poll to come has to see what the caller did before.
            _ if now & SCHEDULED != 0 => (Ready::Nothing, Some(now)),
            _ if now & FROZEN != 0 => (Ready::Nothing, Some(now | WOKEN)),
            _ if now & RUNNING != 0 => (Ready::Nothing, Some(now | SCHEDULED)),
            _ => (Ready::Enqueue, Some(now | SCHEDULED)),
        })
    }

    /// Claims a goroutine that was taken from a run queue.
    pub(crate) fn start_poll(&self) -> StartPoll {
        self.update(|now| {
            if now & (COMPLETE | FROZEN | RUNNING) != 0 {
                return (StartPoll::Skip, None);
            }
            let how = if now & ABORT != 0 { StartPoll::Cancel } else { StartPoll::Poll };
            (how, Some((now & !SCHEDULED) | RUNNING))
        })
    }

    /// As [`ready`](Self::ready), by somebody who has no reference to give away: what has to be queued gets
    /// one of its own.
    pub(crate) fn ready_by_ref(&self) -> Ready {
        self.update(|now| match now {
            _ if now & COMPLETE != 0 => (Ready::Nothing, None),
            // As in `ready`.
            _ if now & SCHEDULED != 0 => (Ready::Nothing, Some(now)),
            _ if now & FROZEN != 0 => (Ready::Nothing, Some(now | WOKEN)),
            _ if now & RUNNING != 0 => (Ready::Nothing, Some(now | SCHEDULED)),
            _ => {
                abort_on_overflow(Snapshot(now).refs() == u32::MAX);
                (Ready::Enqueue, Some((now | SCHEDULED) + REF_ONE))
            }
        })
    }

    /// As [`ready_by_ref`](Self::ready_by_ref), if it is parked: true, and the caller has to queue it with the
    /// reference that this made. Else nothing changes.
    ///
    /// From then on nobody but the caller queues it: what the caller writes before that is seen by the poll
    /// to come.
    #[inline]
    pub(crate) fn ready_if_parked(&self) -> bool {
        let now = self.0.load(Ordering::Relaxed);
        if now & (SCHEDULED | RUNNING | COMPLETE | FROZEN) != 0 {
            return false;
        }
        abort_on_overflow(Snapshot(now).refs() == u32::MAX);
        // Orderings as in `update`.
        let new = (now | SCHEDULED) + REF_ONE;
        self.0.compare_exchange(now, new, Ordering::SeqCst, Ordering::Relaxed).is_ok()
    }

    /// Ends a poll of a thread's own call that returned `Pending`.
    pub(crate) fn end_poll(&self) -> EndPoll {
        self.update(|now| match now {
            _ if now & ABORT != 0 => (EndPoll::Cancel, None),
            _ if now & SCHEDULED != 0 => (EndPoll::Requeue, Some(now & !RUNNING)),
            _ => (EndPoll::Parked, Some(now & !RUNNING)),
        })
    }

    /// Ends a poll by an M that returned `Pending`. If the goroutine is parked, the M's reference is given
    /// up with it. `woken`: it made itself ready, which only the M knows so far.
    pub(crate) fn end_own_poll(&self, woken: bool) -> EndPoll {
        let scheduled = if woken { SCHEDULED } else { 0 };
        self.update(|now| match now | scheduled {
            new if new & ABORT != 0 => (EndPoll::Cancel, None),
            new if new & SCHEDULED != 0 => (EndPoll::Requeue, Some(new & !RUNNING)),
            // The registry has a reference: this is not the last one.
            new => (EndPoll::Parked, Some((new & !RUNNING) - REF_ONE)),
        })
    }

    /// Takes back a claim made by [`start_poll`](Self::start_poll) in a closed scope: the goroutine
    /// counts as parked and woken.
    pub(crate) fn refuse_poll(&self) {
        self.update(|now| ((), Some((now & !(RUNNING | SCHEDULED)) | WOKEN)));
    }

    /// Ends the life of the future. Returns whether a join handle wants the output, which is then
    /// marked as stored if there is one.
    pub(crate) fn complete(&self, output: bool) -> bool {
        self.update(|now| {
            let wanted = now & JOIN != 0;
            let stored = if wanted && output { OUTPUT } else { 0 };
            (wanted, Some((now & !(RUNNING | SCHEDULED | FROZEN)) | COMPLETE | stored))
        })
    }

    /// Takes the stored output: true at most once. From then on no output is wanted any more.
    pub(crate) fn take_output(&self) -> bool {
        if let Some(now) = self.alone(1) {
            // Relaxed: nobody else is there.
            self.0.store(now & !(JOIN | OUTPUT), Ordering::Relaxed);
            return now & OUTPUT != 0;
        }
        self.update(|now| {
            (now & OUTPUT != 0, (now & OUTPUT != 0).then_some(now & !(JOIN | OUTPUT)))
        })
    }

    /// The word, if the `n` references of the caller are the last ones and no waker is left. Then nobody else can
    /// reach the cell any more, and what is written need not be one step with what was read.
    #[inline]
    fn alone(&self, n: u32) -> Option<u64> {
        // Acquire: pairs with the decrement by whoever else had a reference or a waker: what they did to the cell
        // happens before it is freed. New ones are made only by who has one, or by the registry, which has its own.
        let now = self.0.load(Ordering::Acquire);
        let word = Snapshot(now);
        (word.refs() == n && word.wakers() == 0).then_some(now)
    }

    /// The join handle goes. Returns whether it left an output behind, which is now the caller's.
    pub(crate) fn drop_join(&self) -> bool {
        self.update(|now| (now & OUTPUT != 0, (now & JOIN != 0).then_some(now & !(JOIN | OUTPUT))))
    }

    /// As [`drop_join`](Self::drop_join), and drops the handle's reference unless there is an output.
    pub(crate) fn drop_join_and_ref(&self) -> DropJoin {
        if let Some(now) = self.alone(1) {
            return if now & OUTPUT != 0 { DropJoin::Output } else { DropJoin::Last };
        }
        self.update(|now| {
            if now & OUTPUT != 0 {
                return (DropJoin::Output, Some(now & !(JOIN | OUTPUT)));
            }
            let new = Snapshot((now & !JOIN) - REF_ONE);
            let last = new.refs() == 0 && new.wakers() == 0;
            (if last { DropJoin::Last } else { DropJoin::Done }, Some(new.0))
        })
    }

    /// Asks for the goroutine to be aborted, and makes it ready so that it happens.
    pub(crate) fn abort(&self) -> Ready {
        self.update(|now| match now | ABORT {
            _ if now & COMPLETE != 0 => (Ready::Nothing, None),
            new if now & FROZEN != 0 => (Ready::Nothing, Some(new | WOKEN)),
            new if now & SCHEDULED != 0 => (Ready::Nothing, Some(new)),
            new if now & RUNNING != 0 => (Ready::Nothing, Some(new | SCHEDULED)),
            new => (Ready::Enqueue, Some(new | SCHEDULED)),
        })
    }

    /// Claims a parked goroutine for a stock-taking.
    pub(crate) fn freeze(&self) -> bool {
        self.update(|now| {
            let parked = now & (SCHEDULED | RUNNING | COMPLETE | FROZEN) == 0;
            (parked, parked.then_some(now | FROZEN))
        })
    }

    /// Freezes a goroutine that nobody runs, queued or not: the M that finds it will skip it.
    pub(crate) fn seize(&self) -> bool {
        self.update(|now| {
            let idle = now & (RUNNING | COMPLETE) == 0;
            (idle, idle.then_some((now & !SCHEDULED) | FROZEN))
        })
    }

    /// A goroutine that was started in a closed scope is never queued: it counts as frozen.
    pub(crate) fn refuse_start(&self) {
        self.update(|now| ((), Some((now & !SCHEDULED) | FROZEN)));
    }

    /// Gives a frozen goroutine back. If it was made ready meanwhile it has to be queued.
    pub(crate) fn thaw(&self) -> Ready {
        self.update(|now| match now {
            _ if now & FROZEN == 0 => (Ready::Nothing, None),
            _ if now & WOKEN != 0 => (Ready::Enqueue, Some((now & !(FROZEN | WOKEN)) | SCHEDULED)),
            _ => (Ready::Nothing, Some(now & !FROZEN)),
        })
    }

    /// Turns a frozen goroutine into a running one, so that its future can be dropped or traced.
    pub(crate) fn claim_frozen(&self) -> bool {
        self.update(|now| {
            let frozen = now & (FROZEN | RUNNING | COMPLETE) == FROZEN;
            (frozen, frozen.then_some(now | RUNNING))
        })
    }

    /// Turns a claimed goroutine back into a frozen one after a trace poll.
    pub(crate) fn release_frozen(&self) {
        self.update(|now| ((), Some(now & !RUNNING)));
    }

    /// A goroutine that is a thread's own call goes on after a park.
    pub(crate) fn thread_resumes(&self) {
        self.update(|now| ((), Some((now & !(SCHEDULED | FROZEN | WOKEN)) | RUNNING)));
    }

    pub(crate) fn ref_inc(&self) {
        // Relaxed: the caller has a reference, so the cell is alive; nothing is published.
        let before = self.0.fetch_add(REF_ONE, Ordering::Relaxed);
        abort_on_overflow(Snapshot(before).refs() == u32::MAX);
    }

    /// Drops a reference. True if it was the last one and no waker is left.
    #[must_use]
    pub(crate) fn ref_dec(&self) -> bool {
        self.ref_dec_by(1)
    }

    /// Drops `n` references.
    #[must_use]
    pub(crate) fn ref_dec_by(&self, n: u32) -> bool {
        if self.alone(n).is_some() {
            return true;
        }
        // AcqRel: what every holder did to the cell happens before it is freed.
        let before = self.0.fetch_sub(u64::from(n) * REF_ONE, Ordering::AcqRel);
        Snapshot(before).refs() == n && Snapshot(before).wakers() == 0
    }

    pub(crate) fn waker_inc(&self) {
        // Relaxed: the caller has a waker, so the cell is alive.
        let before = self.0.fetch_add(WAKER_ONE, Ordering::Relaxed);
        abort_on_overflow(Snapshot(before).wakers() == (1 << 24) - 1);
    }

    /// Drops a waker. True if it was the last one and no reference is left.
    #[must_use]
    pub(crate) fn waker_dec(&self) -> bool {
        // AcqRel: as in `ref_dec_by`.
        let before = self.0.fetch_sub(WAKER_ONE, Ordering::AcqRel);
        Snapshot(before).wakers() == 1 && Snapshot(before).refs() == 0
    }
}

/// A count that wraps would free a cell that is in use. Only `mem::forget` in a loop gets there.
#[cold]
fn abort_now() -> ! {
    std::process::abort()
}

fn abort_on_overflow(overflown: bool) {
    if overflown {
        abort_now();
    }
}

#[cfg(all(test, not(loom)))]
mod tests;

#[cfg(all(test, loom))]
mod models;
