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
use crate::sys::atomic::{AtomicUsize, Ordering, fence};
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
}

impl Gate {
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

    /// Waits until the M waits, or `is_over`, at most until `until`.
    fn wait_for_m(&self, until: Instant, is_over: impl Fn() -> bool) {
        let mut waits = self.waits.lock().unwrap_or_else(PoisonError::into_inner);
        while !*waits && !is_over() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            // The end of a turn is told by nobody.
            let left = left.min(Duration::from_millis(1));
            let waited = self.changed.wait_timeout(waits, left);
            waits = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn close(&self) {
        self.pauses.fetch_add(1, Ordering::Relaxed);
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
                    self.gate.wait_for_m(until, || self.first.owner.is_idle());
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
        pool.idle.wait_for_give_up(|| {
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
    /// Waits until `given_up` says so; asked again whenever an M has given its P up, and every millisecond.
    fn wait_for_give_up(&self, given_up: impl Fn() -> bool) {
        let mut lists = self.lock();
        while !given_up() {
            let soon = Instant::now() + Duration::from_millis(1);
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
