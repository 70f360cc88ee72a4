//! Pausing a runtime: all Ps are given up between two polls, so that what goroutines do in one poll is seen
//! whole or not at all.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::idle::{Idle, Lists};
use super::m::Machine;
use super::owner::Status;
use super::pool::Pool;
use super::shared::Shared;
use crate::g::{GRef, current};
use crate::inspect::{GoroutineId, Location};
use crate::sys::atomic::{AtomicUsize, Ordering};
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
        let own = current::id();
        let runs = |g: &GRef| g.snapshot().is_running() && Some(g.id()) != own;
        let all = self.scopes().into_iter().flat_map(|scope| scope.goroutines());
        all.filter(runs).map(|g| (g.id(), g.created_at())).collect()
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
