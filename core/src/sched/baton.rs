//! The baton of an explored runtime: whoever has it acts, all other threads of the schedule wait for it.
//!
//! `EXPLORED.md` in this folder states the protocol as numbered rules.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use super::clocks::ThreadClock;
use super::shared::Shared;
use crate::sys::Lock;

/// Where one thread waits for the baton.
#[derive(Default)]
pub(super) struct Seat {
    given: AtomicBool,
    thread: OnceLock<Thread>,
    clock: OnceLock<Option<ThreadClock>>,
}

thread_local! {
    /// The seat of this thread.
    static SEAT: RefCell<Option<Arc<Seat>>> = const { RefCell::new(None) };
    /// The spare threads of explorations on this thread.
    static POOL: RefCell<Option<Arc<Pool>>> = const { RefCell::new(None) };
}

impl Seat {
    /// The seat of this thread.
    pub(super) fn here() -> Arc<Self> {
        SEAT.with(|seat| {
            let mut seat = seat.borrow_mut();
            let seat = seat.get_or_insert_with(Arc::default);
            seat.sit_down();
            seat.clone()
        })
    }

    /// Whether it is that of this thread.
    pub(super) fn is_here(&self) -> bool {
        SEAT.with(|seat| {
            seat.borrow().as_ref().is_some_and(|seat| core::ptr::eq(&raw const **seat, self))
        })
    }

    fn sit_down(&self) {
        self.thread.get_or_init(thread::current);
        self.clock.get_or_init(ThreadClock::here);
    }

    /// Gives its thread the baton.
    pub(super) fn give(&self) {
        // Release: pairs with the swap in `has`: what the giver did comes before what the thread does.
        self.given.store(true, Ordering::Release);
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }

    /// Takes the baton if it was given.
    fn has(&self) -> bool {
        self.given.swap(false, Ordering::Acquire)
    }

    /// Waits for the baton, on its thread.
    pub(super) fn wait(&self) {
        while !self.has() {
            thread::park();
        }
    }

    /// Waits for the baton at most so long. True if it was given.
    pub(super) fn wait_for(&self, at_most: Duration) -> bool {
        let until = Instant::now() + at_most;
        loop {
            if self.has() {
                return true;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            thread::park_timeout(left);
        }
    }

    /// Whether its thread waits in the kernel; `None` where the system does not tell.
    pub(super) fn is_blocked(&self) -> Option<bool> {
        Some(self.clock.get()?.as_ref()?.read()?.blocked)
    }
}

/// A thread that continues the schedule while polls are suspended on others.
struct Spare {
    seat: Arc<Seat>,
    job: Lock<Option<Job>>,
}

/// A schedule that a spare thread takes part in.
struct Job {
    shared: Arc<Shared>,
    pool: Arc<Pool>,
}

/// Spare threads without a schedule. They end with the thread that explores.
#[derive(Default)]
pub(super) struct Pool(Lock<Vec<Arc<Spare>>>);

impl Pool {
    /// The pool of this thread.
    pub(super) fn here() -> Arc<Self> {
        POOL.with(|pool| pool.borrow_mut().get_or_insert_with(Arc::default).clone())
    }

    /// Has a spare thread take part in the schedule on `shared`; it waits for the baton.
    pub(super) fn hire(self: &Arc<Self>, shared: &Arc<Shared>) -> Arc<Seat> {
        let job = Job { shared: shared.clone(), pool: self.clone() };
        let free = self.0.lock().pop();
        let spare = free.unwrap_or_else(|| {
            let spare = Arc::new(Spare { seat: Arc::default(), job: Lock::new(None) });
            let on_thread = spare.clone();
            let spawned = thread::Builder::new().name("gmp-spare".into());
            let spawned = spawned.spawn(move || on_thread.run());
            let thread = spawned.expect("gmp: the system refused a spare thread").thread().clone();
            let _ = spare.seat.thread.set(thread);
            spare
        });
        *spare.job.lock() = Some(job);
        spare.seat.clone()
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        // Without a job they end.
        self.0.get_mut().drain(..).for_each(|spare| spare.seat.give());
    }
}

impl Spare {
    fn run(self: Arc<Self>) {
        SEAT.set(Some(self.seat.clone()));
        self.seat.sit_down();
        loop {
            self.seat.wait();
            let Some(Job { shared, pool }) = self.job.lock().take() else { return };
            if let Some(world) = shared.world() {
                // Nobody hires it before it is in the pool, and it waits for the baton then.
                world.serve(&shared, || pool.0.lock().push(self.clone()));
            }
        }
    }
}
