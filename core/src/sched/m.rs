//! An M: an OS thread that owns a P and runs goroutines.

use core::cell::Cell;
use std::sync::Arc;
use std::time::Instant;

use super::owner::Tenure;
use super::shared::Shared;
use crate::g::{GRef, Polled, Wake};
use crate::time::clock::NEVER;

thread_local! {
    /// The M that runs on this thread.
    static MACHINE: Cell<*const Machine> = const { Cell::new(core::ptr::null()) };
}

/// Why a turn of an M ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// The caller's condition held.
    Stopped,
    /// Nothing is runnable. The next timer is due then, if there is one.
    Idle(Option<Instant>),
    /// The P was taken away while a poll ran. This M must not run goroutines any more.
    Lost,
}

/// An M with a P, bound to the thread that made it.
pub(crate) struct Machine {
    shared: Arc<Shared>,
    tenure: Tenure,
    in_poll: Cell<bool>,
    lost: Cell<bool>,
    before: *const Machine,
}

impl Machine {
    /// Binds this thread to the idle P of `shared` and runs `f` as its M. `None` if the P is taken.
    pub(crate) fn run<R>(shared: &Arc<Shared>, f: impl FnOnce(&Machine) -> R) -> Option<R> {
        let tenure = shared.p.owner.acquire(shared.machine_number())?;
        Some(Self::bind(shared, tenure, f))
    }

    /// As [`run`](Self::run), with the P taken away from a poll that runs elsewhere. `None` if the P
    /// is neither idle nor in a poll.
    pub(crate) fn run_taken<R>(shared: &Arc<Shared>, f: impl FnOnce(&Machine) -> R) -> Option<R> {
        let m = shared.machine_number();
        let owner = &shared.p.owner;
        let tenure = owner.take(m).or_else(|| owner.acquire(m))?;
        Some(Self::bind(shared, tenure, f))
    }

    fn bind<R>(shared: &Arc<Shared>, tenure: Tenure, f: impl FnOnce(&Machine) -> R) -> R {
        struct Unbind<'a>(&'a Machine);
        impl Drop for Unbind<'_> {
            fn drop(&mut self) {
                MACHINE.with(|m| m.set(self.0.before));
                if !self.0.lost.get() {
                    self.0.shared.p.owner.release(self.0.tenure);
                }
            }
        }
        let machine = Machine {
            shared: shared.clone(),
            tenure,
            in_poll: Cell::new(false),
            lost: Cell::new(false),
            before: MACHINE.with(Cell::get),
        };
        MACHINE.with(|m| m.set(&raw const machine));
        let _unbind = Unbind(&machine);
        f(&machine)
    }

    /// Makes `g` the next to run if this thread is an M of `shared` and has its P.
    pub(super) fn push_local(shared: &Shared, g: GRef) -> Result<(), GRef> {
        let machine = MACHINE.with(Cell::get);
        // SAFETY: `bind` unsets the pointer before the machine goes, and it is this thread's own.
        let Some(machine) = (unsafe { machine.as_ref() }) else { return Err(g) };
        if !core::ptr::eq(&*machine.shared, shared) || machine.lost.get() {
            return Err(g);
        }
        let p = &shared.p;
        if !machine.in_poll.get() {
            // SAFETY: outside a poll the P is this M's, and this is its thread.
            unsafe { p.put_next(g, &shared.global) };
            return Ok(());
        }
        if !p.owner.claim(machine.tenure) {
            return Err(g);
        }
        // SAFETY: claimed just now, rule 3.
        unsafe { p.put_next(g, &shared.global) };
        p.owner.lend(machine.tenure);
        Ok(())
    }

    /// Runs goroutines until `stop` says so (asked before each), none is runnable, or the P is lost.
    pub(crate) fn turn(&self, stop: &dyn Fn() -> bool) -> Turn {
        let timers = self.shared.timers();
        loop {
            if self.lost.get() {
                return Turn::Lost;
            }
            if stop() {
                return Turn::Stopped;
            }
            self.fire_timers();
            // SAFETY: outside a poll the P is ours, or `lost` is set.
            if let Some(g) = unsafe { self.shared.p.pick(&self.shared.global) } {
                self.poll(g);
                continue;
            }
            if timers.next() > timers.clock().now() {
                let next = timers.next();
                return Turn::Idle(timers.clock().instant(next).filter(|_| next != NEVER));
            }
        }
    }

    fn fire_timers(&self) {
        let timers = self.shared.timers();
        if timers.next() == NEVER {
            return;
        }
        let now = timers.clock().now();
        if timers.next() <= now {
            let mut wakes = timers.fire_due(now);
            if !wakes.is_empty() {
                // What is woken last runs next: so they run in the order of their moments.
                wakes.rotate_left(1);
            }
            wakes.into_iter().for_each(Wake::wake);
        }
    }

    /// Polls one goroutine with the P lent to the poll.
    fn poll(&self, g: GRef) {
        let owner = &self.shared.p.owner;
        let now = self.shared.timers().clock().now() / 1_000_000;
        self.in_poll.set(true);
        owner.lend(self.tenure);
        let polled = g.run(now as u32);
        let ours = owner.claim(self.tenure);
        self.in_poll.set(false);
        if !ours {
            self.lost.set(true);
        }
        if let Polled::Requeue(g) = polled {
            if ours {
                // SAFETY: claimed just now, rule 4.
                unsafe { self.shared.p.put_last(g, &self.shared.global) };
            } else {
                self.shared.global.push(g);
                self.shared.wake();
            }
        }
    }

    /// Sleeps until a goroutine may be runnable or `until` has come.
    pub(crate) fn sleep(&self, until: Option<Instant>) {
        self.shared.sleep(until);
    }
}
