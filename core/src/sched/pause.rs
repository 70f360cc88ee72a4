//! Pausing a runtime: all Ps are given up between two polls, so that what goroutines do in one poll is seen
//! whole or not at all.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::idle::{Idle, Lists};
use super::m::Machine;
use super::owner::{Look, Status};
use super::p::P;
use super::pool::Pool;
use super::shared::Shared;
use crate::g::{GRef, current};
use crate::inspect::{GoroutineId, Location};
use crate::sys::asymmetric;
use crate::sys::atomic::{AtomicBool, AtomicUsize, Ordering, fence};
use crate::sys::modelled::wait_until;

/// How long a pause waits for polls to end.
const POLLS_END: Duration = Duration::from_millis(10);

/// Where the M of a driven runtime waits while that is paused.
#[derive(Default)]
pub(super) struct Gate {
    /// Pauses in progress.
    pauses: AtomicUsize,
    /// Whether the M waits here.
    waits: Mutex<bool>,
    changed: Condvar,
    /// Whether the M is in a turn: if it is between two polls there, it is about to poll, or to wait here.
    turns: AtomicBool,
}

impl Gate {
    /// The M begins a turn, in which it looks [whether the gate is closed](Self::is_closed) before each poll.
    #[inline]
    pub(super) fn begin_turn(&self) {
        self.turns.store(true, Ordering::Relaxed);
        // Pairs with the fence in `close`: the pause is seen in this turn, or the turn by the pause.
        asymmetric::light();
    }

    /// The turn is over; or this is another M, after the P was taken from one in its turn.
    #[inline]
    pub(super) fn end_turn(&self) {
        self.turns.store(false, Ordering::Relaxed);
    }

    /// Whether the M has to wait.
    #[inline]
    pub(super) fn is_closed(&self) -> bool {
        // Relaxed: seen before the next poll or the one after it, which the pause waits for.
        self.pauses.load(Ordering::Relaxed) != 0
    }

    /// Waits until there is no pause.
    #[cold]
    pub(super) fn wait(&self) {
        let mut waits = self.waits.lock().unwrap_or_else(PoisonError::into_inner);
        *waits = true;
        self.changed.notify_all();
        while self.is_closed() {
            waits = self.changed.wait(waits).unwrap_or_else(PoisonError::into_inner);
        }
        *waits = false;
    }

    /// Waits until the M waits, or the P is idle, at most until `until`; and longer while the M is in a turn, but
    /// in no poll.
    fn wait_for_m(&self, until: Instant, status: impl Fn() -> Status) {
        let mut waits = self.waits.lock().unwrap_or_else(PoisonError::into_inner);
        while !*waits {
            let is_late = Instant::now() >= until;
            let goes_on = match status() {
                Status::Idle => false,
                // It is about to give up or to poll: that is known soon.
                Status::Owned => !is_late || self.turns.load(Ordering::Relaxed),
                Status::InPoll | Status::Blocking => !is_late,
            };
            if !goes_on {
                return;
            }
            // The end of a turn is told by nobody.
            let waited = self.changed.wait_timeout(waits, Duration::from_millis(1));
            waits = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn close(&self) {
        self.pauses.fetch_add(1, Ordering::Relaxed);
        // Without it an M that begins a turn just now may be missed, or miss the pause for one poll.
        let _ = asymmetric::heavy();
    }

    fn open(&self) {
        let _waits = self.waits.lock().unwrap_or_else(PoisonError::into_inner);
        self.pauses.fetch_sub(1, Ordering::Relaxed);
        self.changed.notify_all();
    }
}

impl Shared {
    /// Pauses the runtime. Gives the goroutines whose polls last longer than 10 ms; the caller's own is not
    /// among them.
    pub(crate) fn pause(&self) -> Vec<(GoroutineId, Location)> {
        self.refuse_orphan();
        let until = Instant::now() + POLLS_END;
        match &self.pool {
            Some(pool) => self.pause_pool(pool, until),
            None => {
                self.gate.close();
                if !Machine::is_here(self) {
                    // It may be asleep.
                    self.notify();
                    self.gate.wait_for_m(until, || self.first.owner.holder().status);
                }
            }
        }
        let (own, polled) = (current::id(), self.polled());
        let runs = |g: &GRef| {
            let state = g.snapshot();
            // A poll that is about to begin, by an M that has seen no pause, goes on all the same.
            let begins = || state.is_scheduled() && polled.iter().any(|at| g.is_at(*at));
            (state.is_running() || begins()) && Some(g.id()) != own
        };
        let all = self.scopes().into_iter().flat_map(|scope| scope.goroutines());
        all.filter(runs).map(|g| (g.id(), g.created_at())).collect()
    }

    /// The addresses of what Ms poll or are about to poll, with a P or without: no M loses its P in a pause.
    fn polled(&self) -> Vec<*const ()> {
        let lends = |p: &&P| matches!(p.owner.look(), Look::InPoll(_) | Look::Blocking(_));
        let polled = self.ps().filter(lends).map(|p| {
            // Acquire: pairs with `lend`: the note of what is polled comes before it.
            fence(Ordering::Acquire);
            p.meters.running()
        });
        let lost = |lists: &Lists| {
            let ms = lists.all.iter();
            ms.map(|m| m.lost_with.load(Ordering::Relaxed).cast_const()).collect::<Vec<_>>()
        };
        let lost = self.pool.iter().flat_map(|pool| pool.idle.read(lost));
        polled.chain(lost).filter(|at| !at.is_null()).collect()
    }

    fn pause_pool(&self, pool: &Pool, until: Instant) {
        pool.idle.change(|lists| {
            lists.pauses += 1;
            lists.ps.clear();
        });
        let own = Machine::own_p(self);
        pool.idle.wait_for_give_up(until, || {
            let others = self.ps().filter(|p| Some(p.index) != own);
            let mut busy = others.map(|p| p.owner.holder().status).filter(|s| *s != Status::Idle);
            // An M between two polls is about to give up or to poll: that is known soon.
            match Instant::now() < until {
                true => busy.next().is_none(),
                false => busy.all(|status| status != Status::Owned),
            }
        });
    }

    /// Undoes one [`pause`](Self::pause).
    pub(crate) fn resume(&self) {
        let Some(pool) = &self.pool else { return self.gate.open() };
        pool.idle.change(|lists| {
            lists.pauses -= 1;
            self.list_idle_ps(lists);
        });
        // Whoever pushed, or armed a timer, meanwhile has found no idle P.
        self.wake_one(pool);
    }

    /// Lists all Ps that are idle and may be used.
    pub(super) fn list_idle_ps(&self, lists: &mut Lists) {
        if lists.stopping || lists.pauses != 0 {
            return;
        }
        for index in (0..lists.procs).rev() {
            if self.p(index).owner.is_idle() && !lists.ps.contains(&index) {
                lists.ps.push(index);
            }
        }
    }
}

impl Idle {
    /// Waits until `given_up` says so; asked again whenever an M has given its P up, every millisecond, and at
    /// `until`.
    fn wait_for_give_up(&self, until: Instant, given_up: impl Fn() -> bool) {
        let mut lists = self.lock();
        while !given_up() {
            let now = Instant::now();
            let soon = now + Duration::from_millis(1);
            let soon = if now < until { soon.min(until) } else { soon };
            (lists, _) = wait_until(&self.given_up, lists, Some(soon));
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::super::owner::Hand;
    use super::*;
    use crate::g::{Origin, Scope};
    use crate::time::clock::Clock;
    use std::sync::Arc;

    /// An M that has lent its P to a poll and loses its CPU before that begins.
    fn about_to_poll(shared: &Arc<Shared>, then: impl FnOnce(&GRef)) {
        let scope = Scope::new(shared.clone(), 1, false);
        let origin = Origin { scope: &scope, parent: None, at: core::panic::Location::caller() };
        let [(g, _), (_other, _)] = [(); 2].map(|()| GRef::new(async {}, &origin));
        if let Some(pool) = &shared.pool {
            assert_eq!(pool.idle.change(|lists| lists.ps.pop()), Some(0));
        }
        let tenure = shared.first.owner.acquire(1).expect("idle");
        let hand = Hand::new();
        shared.first.owner.begin(tenure, &hand);
        shared.first.meters.runs(&g);
        shared.first.owner.lend(tenure, &hand);
        then(&g);
        let named: Vec<_> = shared.pause().into_iter().map(|(id, _)| id).collect();
        assert_eq!(named, [g.id()]);
        shared.resume();
    }

    #[test]
    fn a_poll_that_is_about_to_begin_is_named() {
        about_to_poll(&Shared::with_machines(1), |_| ());
        about_to_poll(&Shared::driven_by_owner(Clock::real()), |_| ());
    }

    /// It has seen that the gate is open, and loses its CPU for longer than a pause waits for polls.
    #[test]
    fn an_m_that_is_between_two_polls_of_a_turn_is_waited_for() {
        let shared = Shared::driven_by_owner(Clock::real());
        let scope = Scope::new(shared.clone(), 1, false);
        let origin = Origin { scope: &scope, parent: None, at: core::panic::Location::caller() };
        let (g, _) = GRef::new(async {}, &origin);
        let (tenure, hand) = (shared.first.owner.acquire(1).expect("idle"), Hand::new());
        shared.first.owner.begin(tenure, &hand);
        shared.gate.begin_turn();
        std::thread::scope(|s| {
            let pause = s.spawn(|| shared.pause());
            while !shared.gate.is_closed() {
                std::thread::yield_now();
            }
            let closed = Instant::now();
            while closed.elapsed() < 3 * POLLS_END {
                assert!(!pause.is_finished(), "it may poll yet");
                std::thread::yield_now();
            }
            shared.first.meters.runs(&g);
            shared.first.owner.lend(tenure, &hand);
            let named = pause.join().expect("no panic");
            assert_eq!(named.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [g.id()]);
        });
        shared.resume();
    }

    /// Else a pause would wait for an M that is in no turn.
    #[test]
    fn a_turn_ends_by_a_panic_as_well() {
        let shared = Shared::driven_by_owner(Clock::real());
        let panics = |m: &Machine| {
            let stop = || panic!("not between two polls");
            let turn = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| m.turn(&stop)));
            (turn.is_err(), shared.gate.turns.load(Ordering::Relaxed))
        };
        assert_eq!(Machine::run(&shared, panics), Some((true, false)));
    }

    #[test]
    fn a_poll_that_is_about_to_begin_without_its_p_is_named() {
        let shared = Shared::with_machines(1);
        about_to_poll(&shared, |g| {
            let (p, pool) = (&shared.first, shared.pool.as_ref().expect("it has Ms"));
            pool.idle.change(|lists| {
                lists.add_machine(&crate::sched::parker::Parker::new(1));
                let tenure = p.owner.take(2).expect("it is lent");
                lists.note_loss(1, g.as_ptr().as_ptr().cast());
                p.owner.release(tenure);
                lists.ps.push(0);
            });
        });
    }
}
