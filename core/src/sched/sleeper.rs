//! Where the M of a driven runtime sleeps, and how it is woken.

use std::time::{Duration, Instant};

use super::parker::Bed;
use crate::g::Wake;
use crate::sys::modelled::atomic::{AtomicBool, Ordering, fence};
use crate::sys::modelled::{Condvar, Lock, wait_until};

/// Where an M without work waits.
pub(super) struct Sleeper {
    asleep: AtomicBool,
    woken: Lock<bool>,
    /// Whether it sleeps in its bed, or is about to: written before it looks at `woken`.
    in_bed: AtomicBool,
    condition: Condvar,
}

impl Sleeper {
    pub(super) fn new() -> Self {
        Self {
            asleep: AtomicBool::new(false),
            woken: Lock::new(false),
            in_bed: AtomicBool::new(false),
            condition: Condvar::new(),
        }
    }

    /// Sleeps until it is woken, at most for `at_most`, unless there is work; in `bed`, if that is given: what
    /// is ready there ends it too.
    pub(super) fn sleep<'a, B: Bed + 'a>(
        &self,
        at_most: Option<Duration>,
        has_work: impl FnOnce() -> bool,
        bed: impl FnOnce() -> Option<&'a B>,
    ) -> Vec<Wake> {
        self.asleep.store(true, Ordering::Relaxed);
        // SeqCst: pairs with the fence in `wake`. What was pushed is seen here, or we are seen asleep.
        fence(Ordering::SeqCst);
        let mut ready = Vec::new();
        if !has_work() {
            match bed() {
                Some(bed) => ready = self.sleep_in(bed, at_most),
                None => self.wait(at_most),
            }
        }
        self.asleep.store(false, Ordering::Relaxed);
        ready
    }

    fn sleep_in(&self, bed: &impl Bed, at_most: Option<Duration>) -> Vec<Wake> {
        // Relaxed: the lock of `woken` comes after it here, and before the load in `notify`.
        self.in_bed.store(true, Ordering::Relaxed);
        let ready = if self.take_notice() { Vec::new() } else { bed.block(at_most) };
        self.in_bed.store(false, Ordering::Relaxed);
        self.take_notice();
        ready
    }

    fn take_notice(&self) -> bool {
        core::mem::take(&mut *self.woken.lock())
    }

    /// Waits until somebody notifies, at most for `at_most`.
    pub(super) fn wait(&self, at_most: Option<Duration>) {
        let until = at_most.and_then(|at_most| Instant::now().checked_add(at_most));
        let (mut woken, mut in_time) = (self.woken.lock(), true);
        while !*woken && in_time {
            (woken, in_time) = wait_until(&self.condition, woken, until);
        }
        *woken = false;
    }

    /// Ends its sleep, if it sleeps: the caller has pushed something.
    pub(super) fn wake(&self, bed: &impl Bed) {
        // SeqCst: pairs with the fence in `sleep`.
        fence(Ordering::SeqCst);
        if self.asleep.load(Ordering::Relaxed) {
            self.notify(bed);
        }
    }

    /// Ends its sleep, this one or the next, whether or not there is work.
    pub(super) fn notify(&self, bed: &impl Bed) {
        *self.woken.lock() = true;
        self.condition.notify_all();
        // Relaxed: after the lock, see `sleep_in`.
        if self.in_bed.load(Ordering::Relaxed) {
            bed.interrupt();
        }
    }
}

#[cfg(all(test, loom))]
mod models;
