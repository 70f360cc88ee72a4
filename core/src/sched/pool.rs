//! A runtime with Ms of its own: starting and waking them, changing the number of Ps, stopping.

use std::sync::{Arc, OnceLock, Weak};
use std::thread;
use std::time::{Duration, Instant};

use super::clocks::ThreadClock;
use super::idle::{Idle, Lists, Started};
use super::m::Machine;
use super::metrics::PoolMeters;
use super::owner::Tenure;
use super::p::P;
use super::parker::{Grant, Parker};
use super::shared::Shared;
use crate::g::Scope;
use crate::sys::atomic::Ordering;
use crate::time::clock::{NEVER, Nanos};

/// Ps that a runtime may have.
pub(crate) const MAX_PROCS: usize = 1024;

/// Ms that a runtime may have: so many blocking calls at a time keep a thread. Go's number.
pub(super) const MAX_MS: usize = 10_000;

/// What a runtime with Ms of its own has beyond the one P that is driven by whoever owns it.
pub(super) struct Pool {
    pub(super) idle: Idle,
    pub(super) meters: PoolMeters,
    /// All Ps but the first, made when they are first needed.
    more: Box<[OnceLock<Box<P>>]>,
    shared: Weak<Shared>,
    /// What is left when the runtime stops is dropped by Ms that come late.
    root: OnceLock<Weak<Scope>>,
}

impl Pool {
    pub(super) fn new(procs: usize, shared: Weak<Shared>) -> Self {
        let more = (1..MAX_PROCS).map(|_| OnceLock::new()).collect();
        let idle = Idle::new(procs);
        Self { idle, meters: PoolMeters::default(), more, shared, root: OnceLock::new() }
    }

    pub(super) fn upgrade(&self) -> Option<Arc<Shared>> {
        self.shared.upgrade()
    }

    /// All Ps but the first that exist, in use or not.
    pub(super) fn more(&self) -> impl Iterator<Item = &P> {
        self.more.iter().map_while(|p| p.get().map(|p| &**p))
    }
}

impl Shared {
    /// P number `index`, made if it is new.
    pub(super) fn p(&self, index: usize) -> &P {
        match (&self.pool, index) {
            (Some(pool), 1..) => {
                pool.more[index - 1].get_or_init(|| Box::new(P::new(index, true, true)))
            }
            _ => &self.first,
        }
    }

    /// Sets the scope whose goroutines are dropped when the runtime stops.
    pub(crate) fn set_root(&self, root: &Arc<Scope>) {
        if let Some(pool) = &self.pool {
            let _ = pool.root.set(Arc::downgrade(root));
        }
    }

    /// Makes an M look for work, if a P is idle and no M looks already: that one wakes the next.
    pub(super) fn wake_one(&self, pool: &Pool) {
        if let Some(error) = self.try_to_wake_one(pool) {
            let running = pool.idle.change(|lists| lists.threads);
            assert!(running > 0, "gmp: the system refused a thread: {error}");
        }
    }

    /// As [`wake_one`](Self::wake_one), where nobody is to be told that there is no thread at all.
    pub(super) fn try_to_wake_one(&self, pool: &Pool) -> Option<std::io::Error> {
        pool.idle.wake_one(|| self.start_one(pool))
    }

    /// Gives an idle P to a parked M, else to a new one. It counts as spinning already.
    pub(super) fn start_one(&self, pool: &Pool) -> Started {
        self.refuse_orphan();
        let mut all_in_use = false;
        let chosen = pool.idle.change(|lists| {
            all_in_use = lists.ms.is_empty() && lists.threads >= MAX_MS;
            if lists.stopping || all_in_use {
                return None;
            }
            let (index, parked) = lists.take_pair()?;
            let parker = parked.clone().unwrap_or_else(|| {
                let parker = Parker::new(self.machine_number());
                lists.add_machine(&parker);
                parker
            });
            let Some(tenure) = self.p(index).owner.acquire(parker.number) else {
                unreachable!("a listed P is idle, and acquired under the lock only")
            };
            Some((parker, parked.is_none(), index, tenure))
        });
        if all_in_use {
            return Started::Refused(std::io::Error::other("too many are in use"));
        }
        let Some((parker, is_new, index, tenure)) = chosen else { return Started::NoP };
        match self.give(pool, &parker, is_new, Grant::P(index, tenure)) {
            Ok(()) => Started::Yes,
            Err(error) => {
                self.take_back(pool, index, tenure);
                Started::Refused(error)
            }
        }
    }

    /// Sees to it that others come to what is queued on a P that is given up, or idle. Under the lock of `lists`.
    ///
    /// # Safety
    /// The caller owns the P, or it is idle: Ps are acquired under the lock only.
    pub(super) unsafe fn leave_queue(&self, lists: &Lists, p: &P) {
        if lists.stopping || p.index >= lists.procs {
            // SAFETY: as the caller says.
            unsafe { p.drain(&self.global) };
        } else if lists.procs > 1 && !p.is_open() {
            // SAFETY: as the caller says.
            unsafe { p.open() };
        }
    }

    /// A P whose M could not be started is idle again. Those Ms that there are come to the global queue.
    pub(super) fn take_back(&self, pool: &Pool, index: usize, tenure: Tenure) {
        pool.idle.change(|lists| {
            let p = self.p(index);
            // SAFETY: the caller acquired it, and nobody uses it.
            unsafe {
                p.drain(&self.global);
                self.leave_queue(lists, p);
            }
            p.owner.release(tenure);
            if index < lists.limit() {
                lists.ps.push(index);
            }
        });
    }

    /// Grants a P to an M that was parked, or starts the new M with it.
    pub(super) fn give(
        &self,
        pool: &Pool,
        parker: &Arc<Parker>,
        is_new: bool,
        grant: Grant,
    ) -> std::io::Result<()> {
        if !is_new {
            parker.grant(grant);
            if pool.idle.lacks_sysmon.load(Ordering::Relaxed) {
                self.start_sysmon(pool);
            }
            return Ok(());
        }
        let started = self.start_thread(pool, parker.clone(), grant);
        match started {
            Ok(()) => {
                pool.idle.count_start();
                self.start_sysmon(pool);
            }
            Err(_) => pool.idle.end_machine(parker),
        }
        started
    }

    fn start_thread(&self, pool: &Pool, parker: Arc<Parker>, grant: Grant) -> std::io::Result<()> {
        let Some(shared) = pool.upgrade() else { return Ok(()) };
        let name = format!("gmp-m{}", parker.number);
        let run = move || {
            if let Some(clock) = ThreadClock::here() {
                let _ = parker.thread.set(clock);
            }
            Machine::run_own(&shared, &parker, grant);
            if let Some(pool) = &shared.pool {
                // A poll that outlasted the end of the runtime has left its goroutine to us.
                let root = pool.root.get().and_then(Weak::upgrade);
                if let Some(root) = root.filter(|root| root.is_closed()) {
                    root.discard_all();
                }
                pool.idle.end_machine(&parker);
            }
        };
        thread::Builder::new().name(name).spawn(run).map(drop)
    }

    /// A timer that is due at `when` is the earliest of a P now.
    pub(super) fn timer_is_earlier(&self, pool: &Pool, when: Nanos) {
        // Without a keeper the Ms that have a P look at the timers before they park; or no P is in use.
        if !pool.idle.keeper.covers(when) {
            self.wake_one(pool);
        }
    }

    /// Whether there are timers, or a netpoll, and no keeper. Asked by whoever gave up a P, fenced, and will not
    /// keep them itself: whoever arms one later sees that P.
    pub(super) fn lacks_keeper(&self, pool: &Pool) -> bool {
        // A keeper that is about to leave has not looked for an idle P yet, and will find that one.
        !pool.idle.keeper.is_there() && (self.timers().next() != NEVER || self.netpoll.is_on())
    }

    /// Ps in use.
    pub(crate) fn procs(&self) -> usize {
        self.pool.as_ref().map_or(1, |pool| pool.idle.procs())
    }

    /// Ps that run goroutines: a hint.
    pub(super) fn busy_ps(&self) -> usize {
        let Some(pool) = &self.pool else { return 1 };
        let counts = &pool.idle.counts;
        pool.idle.procs().saturating_sub(counts.idle_ps() + counts.spinning())
    }

    /// Changes the number of Ps. Ps too many are given up when the poll on them ends. False if this
    /// runtime has no Ms of its own.
    pub(crate) fn set_procs(&self, procs: usize) -> bool {
        let Some(pool) = &self.pool else { return false };
        self.refuse_orphan();
        pool.idle.change(|lists| {
            lists.procs = procs;
            for p in self.ps().filter(|p| p.owner.is_idle()) {
                // SAFETY: it is nobody's, and Ps are acquired under the lock only: it is ours until then.
                unsafe { self.leave_queue(lists, p) };
            }
            lists.ps.retain(|index| *index < procs);
            self.list_idle_ps(lists);
        });
        self.wake_one(pool);
        true
    }

    /// Ends all Ms between two polls. Waits for those that are in a poll, at most `at_most`. False if
    /// some did not end in time. An M of this runtime that calls does not wait for itself.
    pub(crate) fn stop(&self, at_most: Option<Duration>) -> bool {
        let Some(pool) = &self.pool else { return true };
        if self.is_orphan() {
            return true;
        }
        let until = at_most.and_then(|at_most| Instant::now().checked_add(at_most));
        pool.idle.stop();
        pool.idle.wait_for_end(usize::from(Machine::is_here(self)), until)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::g::{GRef, Origin};
    use std::panic::Location;

    /// A runtime with a P that has something queued, and is off the list and acquired, as by an M that does
    /// not run.
    struct World {
        shared: Arc<Shared>,
        _scope: Arc<Scope>,
        tenure: Tenure,
        joined: GRef,
    }

    fn with_work_on(procs: usize, index: usize) -> World {
        let shared = Shared::with_machines(procs);
        let scope = Scope::new(shared.clone(), 1, false);
        let origin = Origin { scope: &scope, parent: None, at: Location::caller() };
        let (queued, joined) = GRef::new(async {}, &origin);
        let p = shared.p(index);
        let tenure = pool(&shared).idle.change(|lists| {
            assert_eq!(lists.take_idle_p(index), Some(index));
            p.owner.acquire(1).expect("it was listed")
        });
        // SAFETY: acquired just now.
        let _ = unsafe { p.put_next(queued, &shared.global) };
        World { shared, _scope: scope, tenure, joined }
    }

    fn pool(shared: &Shared) -> &Pool {
        shared.pool.as_ref().expect("it has Ms")
    }

    /// As an M leaves it that gives it up with its queue, to wait for the goroutine it is locked to.
    fn leave(shared: &Shared, index: usize, tenure: Tenure) {
        pool(shared).idle.change(|lists| {
            shared.p(index).owner.release(tenure);
            lists.ps.push(index);
        });
    }

    #[test]
    fn a_closed_p_that_is_idle_with_work_is_found_when_there_are_more() {
        let World { shared, tenure, joined, _scope } = with_work_on(1, 0);
        leave(&shared, 0, tenure);
        // The P that is listed last is the first to get an M.
        assert!(shared.set_procs(2));
        while !joined.snapshot().is_complete() {
            thread::yield_now();
        }
        assert!(shared.stop(None));
    }

    /// Whoever gave it up saw an M spin, and woke none: it relies on the last look of that one.
    #[test]
    fn the_last_look_of_an_m_that_parks_finds_a_closed_p_that_is_idle_with_work() {
        let World { shared, tenure, .. } = with_work_on(1, 0);
        assert!(!shared.has_work_to_share(), "its M comes to it");
        leave(&shared, 0, tenure);
        assert!(shared.has_work_to_share());
    }

    /// `procs` changes while a P that was listed with work is being given to an M that is refused.
    #[test]
    fn a_p_whose_m_is_refused_is_open_if_there_are_more_by_now() {
        let World { shared, tenure, .. } = with_work_on(1, 0);
        let idle = &pool(&shared).idle;
        // No M comes.
        idle.counts.start_spinning();
        assert!(shared.set_procs(2) && !shared.first.is_open());
        shared.take_back(pool(&shared), 0, tenure);
        assert!(shared.first.is_open());
    }

    #[test]
    fn sysmon_is_started_with_the_next_p_that_is_granted_if_its_thread_was_refused() {
        let World { shared, tenure, joined, _scope } = with_work_on(1, 0);
        let idle = &pool(&shared).idle;
        // The first M finds it started.
        idle.change(|lists| lists.has_sysmon = true);
        leave(&shared, 0, tenure);
        shared.wake_one(pool(&shared));
        while !joined.snapshot().is_complete() {
            thread::yield_now();
        }
        idle.lacks_sysmon.store(true, Ordering::Relaxed);
        idle.change(|lists| lists.has_sysmon = false);
        while !idle.change(|lists| lists.has_sysmon) {
            // Grants the P when that M has parked.
            shared.wake_one(pool(&shared));
            thread::yield_now();
        }
        assert!(!idle.lacks_sysmon.load(Ordering::Relaxed));
        assert_eq!(idle.change(|lists| lists.threads), 1, "the one M there is");
        assert!(shared.stop(None));
    }

    /// Nobody looks there any more before it has nothing else to do.
    #[test]
    fn what_is_queued_on_an_idle_p_moves_when_that_is_one_too_many() {
        let World { shared, tenure, .. } = with_work_on(2, 1);
        leave(&shared, 1, tenure);
        // No M comes.
        pool(&shared).idle.counts.start_spinning();
        assert!(shared.set_procs(1));
        assert_eq!((shared.p(1).is_empty(), shared.global.len()), (true, 1));
        let World { shared, tenure, .. } = with_work_on(2, 1);
        pool(&shared).idle.counts.start_spinning();
        assert!(shared.set_procs(1));
        shared.take_back(pool(&shared), 1, tenure);
        assert_eq!((shared.p(1).is_empty(), shared.global.len()), (true, 1));
    }
}
