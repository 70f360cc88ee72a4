//! What all Ms of a runtime share: the P, the global queue, the timers, and who sleeps.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering, fence};
use std::sync::{Condvar, Mutex, PoisonError, Weak};
use std::time::Instant;

use super::global::Global;
use super::m::Machine;
use super::p::P;
use crate::g::{GRef, Schedule};
use crate::sys::Lock;
use crate::time::clock::{Clock, NEVER};
use crate::time::heap::Timers;

/// The shared part of a runtime.
pub(crate) struct Shared {
    pub(super) p: P,
    pub(super) global: Global,
    timers: Arc<Timers>,
    sleeper: Sleeper,
    machines: AtomicU32,
    starter: Starter,
}

/// How an M is had when there is none: whoever owns the runtime says.
#[derive(Default)]
struct Starter {
    waiting: AtomicBool,
    demanded: AtomicBool,
    start: Lock<Option<Box<dyn FnOnce() + Send>>>,
}

/// Where an M without work waits.
#[derive(Default)]
struct Sleeper {
    asleep: AtomicBool,
    woken: Mutex<bool>,
    condition: Condvar,
}

impl Shared {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new_cyclic(|weak: &Weak<Self>| {
            let weak = weak.clone();
            let earlier = move || {
                if let Some(shared) = weak.upgrade() {
                    shared.wake();
                }
            };
            Self {
                p: P::new(),
                global: Global::new(),
                timers: Timers::new(Arc::new(Clock::real()), Box::new(earlier)),
                sleeper: Sleeper::default(),
                machines: AtomicU32::new(1),
                starter: Starter::default(),
            }
        })
    }

    pub(crate) fn timers(&self) -> &Arc<Timers> {
        &self.timers
    }

    /// A number for a new M.
    pub(super) fn machine_number(&self) -> u32 {
        self.machines.fetch_add(1, Ordering::Relaxed)
    }

    /// Sets what is called once when an M is needed and none runs.
    pub(crate) fn on_demand(&self, start: Box<dyn FnOnce() + Send>) {
        *self.starter.start.lock() = Some(start);
        // Release: pairs with the swap in `start_machine`.
        self.starter.waiting.store(true, Ordering::Release);
    }

    /// Whether the M that `on_demand` promised was asked for.
    pub(crate) fn was_demanded(&self) -> bool {
        self.starter.demanded.load(Ordering::Acquire)
    }

    fn start_machine(&self) {
        let starter = &self.starter;
        if starter.waiting.load(Ordering::Relaxed) && starter.waiting.swap(false, Ordering::Acquire)
        {
            starter.demanded.store(true, Ordering::Release);
            let start = starter.start.lock().take();
            if let Some(start) = start {
                start();
            }
        }
    }

    /// Wakes the sleeping M, if one sleeps, or starts one, if there is none.
    pub(crate) fn wake(&self) {
        self.start_machine();
        // SeqCst: pairs with the fence in `sleep`. What was pushed before this call is seen by an M
        // that is about to sleep, or the M is seen asleep here.
        fence(Ordering::SeqCst);
        if self.sleeper.asleep.load(Ordering::Relaxed) {
            self.notify();
        }
    }

    /// Ends the sleep of the M, this one or the next, whether or not there is work.
    pub(crate) fn notify(&self) {
        *self.sleeper.woken.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.sleeper.condition.notify_all();
    }

    /// Sleeps until there may be work or `until` has come. Does not sleep if a timer is due earlier.
    pub(super) fn sleep(&self, until: Option<Instant>) {
        let at_most = until.map(|u| u.saturating_duration_since(Instant::now()));
        let until = until.map_or(NEVER, |until| self.timers.clock().nanos_of(until));
        self.sleeper.asleep.store(true, Ordering::Relaxed);
        // SeqCst: pairs with the fence in `wake`.
        fence(Ordering::SeqCst);
        if self.global.is_empty() && self.timers.next() >= until {
            let mut woken = self.sleeper.woken.lock().unwrap_or_else(PoisonError::into_inner);
            let waits = |woken: &mut bool| !*woken;
            woken = match at_most {
                None => self.sleeper.condition.wait_while(woken, waits),
                Some(at_most) => self
                    .sleeper
                    .condition
                    .wait_timeout_while(woken, at_most, waits)
                    .map(|(guard, _)| guard)
                    .map_err(|e| PoisonError::new(e.into_inner().0)),
            }
            .unwrap_or_else(PoisonError::into_inner);
            *woken = false;
        }
        self.sleeper.asleep.store(false, Ordering::Relaxed);
    }
}

impl Schedule for Shared {
    fn enqueue(&self, g: GRef) {
        if let Err(g) = Machine::push_local(self, g) {
            self.global.push(g);
            self.wake();
        }
    }

    fn demand(&self) {
        self.wake();
    }

    fn timers(&self) -> &Arc<Timers> {
        &self.timers
    }
}
