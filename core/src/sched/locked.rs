//! Goroutines that are locked to their M: only that thread polls them, and it polls nothing else.
//!
//! Such a goroutine goes through the queues as any other. An M that comes upon it passes a P on to the M that
//! it is locked to, as Go's `startlockedm` does.

use core::ptr::null_mut;
use std::sync::Arc;

use super::idle::Lists;
use super::m::Machine;
use super::parker::{Grant, Parker, Woken};
use super::pool::Pool;
use super::shared::Shared;
use crate::g::GRef;
use crate::inspect::GoroutineId;
use crate::sys::atomic::Ordering;

/// What an M is locked to.
pub(super) struct Locked {
    g: GRef,
    /// How often it was locked: so often it has to be unlocked.
    count: u32,
}

/// A locked goroutine and its M.
pub(super) struct Home {
    pub(super) g: GoroutineId,
    pub(super) m: Arc<Parker>,
    /// Whether the M waits for its goroutine.
    waits: bool,
    /// The goroutine, found by another M before the M waited.
    found: Option<GRef>,
}

/// What an M with a locked goroutine goes on with.
pub(super) enum Next {
    /// It is not locked any more, and has no P.
    Unlocked,
    /// Its goroutine has ended, and with it the thread: its state may be anything.
    End,
}

impl Lists {
    fn home(&mut self, g: GoroutineId) -> Option<&mut Home> {
        self.homes.iter_mut().find(|home| home.g == g)
    }

    /// The Ms that wait for their goroutines, for the end of the runtime.
    pub(super) fn waiting_homes(&self) -> Vec<Arc<Parker>> {
        self.homes.iter().filter(|home| home.waits).map(|home| home.m.clone()).collect()
    }
}

/// Locks the running goroutine to the thread that polls it: until it is unlocked as often, no other thread
/// polls it, and this one polls no other. If it ends locked, the thread ends with it. For code that depends on
/// the state of a thread.
///
/// A goroutine that is aborted, or left over when the runtime ends, may be dropped by another thread. A
/// main goroutine, and whatever runs on a runtime without threads of its own, stays on its thread anyway.
/// Outside a goroutine this does nothing.
///
/// ```
/// use gmp_core::runtime::{Builder, lock_os_thread, unlock_os_thread};
///
/// let runtime = Builder::new().procs(2).build();
/// let locked = runtime.go(async {
///     lock_os_thread();
///     let here = std::thread::current().id();
///     for _ in 0..10 {
///         gmp_core::yield_now().await;
///         assert_eq!(std::thread::current().id(), here);
///     }
///     unlock_os_thread();
/// });
/// runtime.block_on(locked).unwrap();
/// ```
#[doc(alias = "LockOSThread")]
pub fn lock_os_thread() {
    Machine::with_polled(|machine, g| {
        let mut locked = machine.locked.borrow_mut();
        if let Some(locked) = &mut *locked {
            locked.count += 1;
            return;
        }
        let Some(pool) = &machine.shared().pool else { return };
        let (id, number) = (g.id(), machine.number());
        pool.idle.change(|lists| {
            let m = lists.all.iter().find(|m| m.number == number).cloned();
            lists.homes.extend(m.map(|m| Home { g: id, m, waits: false, found: None }));
        });
        g.set_locked(true);
        *locked = Some(Locked { g, count: 1 });
        machine.has_locked.set(true);
    });
}

/// Undoes one [`lock_os_thread`] of the running goroutine. Does nothing if it is not locked.
#[doc(alias = "UnlockOSThread")]
pub fn unlock_os_thread() {
    Machine::with_polled(|machine, _| {
        let mut locked = machine.locked.borrow_mut();
        let Some(last) = &mut *locked else { return };
        last.count -= 1;
        if last.count == 0 {
            machine.forget_locked(&locked.take().expect("just seen").g);
        }
    });
}

impl Machine {
    /// This M is locked to `g` no more.
    fn forget_locked(&self, g: &GRef) {
        g.set_locked(false);
        self.has_locked.set(false);
        if let Some(pool) = &self.shared().pool {
            let id = g.id();
            drop(pool.idle.change(|lists| {
                let at = lists.homes.iter().position(|home| home.g == id);
                at.map(|at| lists.homes.swap_remove(at))
            }));
        }
    }

    /// After a poll by an M that is locked: gives its P up and waits for its own goroutine, until that is
    /// unlocked or has ended.
    #[cold]
    pub(super) fn stay_locked(&self, pool: &Pool, parker: &Arc<Parker>) -> Next {
        loop {
            let g = match &*self.locked.borrow() {
                Some(locked) => locked.g.clone(),
                None => return Next::Unlocked,
            };
            if g.snapshot().is_complete() {
                self.locked.take();
                self.forget_locked(&g);
                self.leave_p(pool, parker, |_| ());
                return Next::End;
            }
            let (mut stops, mut ended) = (false, false);
            let found = self.leave_p(pool, parker, |lists| {
                stops = lists.stopping;
                // Whoever drops it marks it as complete first, and then looks under the lock whether we wait.
                ended = g.snapshot().is_complete();
                if ended {
                    return None;
                }
                let home = lists.home(g.id())?;
                home.waits = true;
                home.found.take()
            });
            if stops {
                return Next::End;
            }
            if ended {
                continue;
            }
            if let Some(g) = found {
                // Somebody found it too early: it comes back by way of the queue.
                self.shared().global.push(g);
                self.shared().wake_one(pool);
            }
            let Some((index, tenure, g)) = Self::wait_for_own(parker) else {
                if g.snapshot().is_complete() {
                    continue;
                }
                return Next::End;
            };
            self.take_p(self.shared().p(index), tenure);
            self.poll(g);
        }
    }

    /// Gives the P up, if this M has one, with whatever is queued there.
    fn leave_p<R>(
        &self,
        pool: &Pool,
        parker: &Parker,
        under_lock: impl FnOnce(&mut Lists) -> R,
    ) -> R {
        let result = pool.idle.change(|lists| {
            // The poll is over in which the P may have been lost. Under the lock: so that the note was made.
            parker.lost_with.store(null_mut(), Ordering::Relaxed);
            if self.has_p() {
                // SAFETY: between two polls the P is ours.
                unsafe { self.shared().leave_queue(lists, self.p()) };
                self.give_up_p();
                if self.p().index < lists.limit() {
                    lists.ps.push(self.p().index);
                }
            }
            pool.idle.given_up.notify_all();
            under_lock(lists)
        });
        pool.idle.counts.fence_idle();
        // We shall not look at anything before our goroutine is ready, as an M that parks does.
        if self.shared().has_work() || self.shared().lacks_keeper(pool) {
            self.shared().wake_one(pool);
        }
        result
    }

    fn wait_for_own(parker: &Parker) -> Option<(usize, super::owner::Tenure, GRef)> {
        loop {
            if let Woken::Granted(grant) = parker.wait(None) {
                let Grant::P(index, tenure) = grant else { return None };
                return parker.take_own().map(|g| (index, tenure, g));
            }
        }
    }

    /// Passes a goroutine that is locked to another M on to that one, with a P. This M may be without one
    /// afterwards.
    #[cold]
    pub(super) fn send_home(&self, g: GRef, pool: &Pool, parker: &Arc<Parker>) {
        let id = g.id();
        let mut g = Some(g);
        let home = pool.idle.change(|lists| {
            if lists.limit() == 0 {
                return None;
            }
            let home = lists.home(id)?;
            if !home.waits {
                home.found = g.take();
                return None;
            }
            home.waits = false;
            let m = home.m.clone();
            // An idle P, or our own.
            let index = lists.ps.pop().unwrap_or_else(|| {
                self.give_up_p();
                lists.ms.push(parker.clone());
                lists.handoffs += 1;
                self.p().index
            });
            let Some(tenure) = self.shared().p(index).owner.acquire(m.number) else {
                unreachable!("it was idle or ours, and Ps are acquired under the lock only")
            };
            Some((m, Grant::P(index, tenure)))
        });
        match (home, g) {
            (Some((m, grant)), Some(g)) => m.grant_own(grant, g),
            // The runtime pauses or ends.
            (_, Some(g)) => self.shared().global.push(g),
            (_, None) => {}
        }
    }
}

impl Shared {
    /// The goroutine `g` is complete: the M that waits for it need not do so.
    pub(super) fn release_home(&self, g: GoroutineId) {
        let Some(pool) = &self.pool else { return };
        let m = pool.idle.change(|lists| {
            let home = lists.home(g).filter(|home| home.waits)?;
            home.waits = false;
            Some(home.m.clone())
        });
        if let Some(m) = m {
            m.grant(Grant::Exit);
        }
    }

    /// The number of the M that each locked goroutine is locked to.
    pub(super) fn homes(&self) -> Vec<(GoroutineId, u32)> {
        let Some(pool) = &self.pool else { return Vec::new() };
        pool.idle.read(|lists| lists.homes.iter().map(|home| (home.g, home.m.number)).collect())
    }
}
