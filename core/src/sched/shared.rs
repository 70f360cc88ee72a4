//! What all Ms of a runtime share: the P, the global queue, the timers, and who sleeps.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering, fence};
use std::sync::{Condvar, Mutex, PoisonError, Weak};
use std::time::Duration;

use super::global::Global;
use super::m::Machine;
use super::p::P;
use crate::g::{GRef, Schedule};
use crate::time::clock::Clock;
use crate::time::heap::Timers;

/// The shared part of a runtime.
pub(crate) struct Shared {
    pub(super) p: P,
    pub(super) global: Global,
    timers: Arc<Timers>,
    sleeper: Sleeper,
    machines: AtomicU32,
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

    /// Wakes the sleeping M, if one sleeps.
    pub(crate) fn wake(&self) {
        // SeqCst: pairs with the fence in `sleep`. What was pushed before this call is seen by an M
        // that is about to sleep, or the M is seen asleep here.
        fence(Ordering::SeqCst);
        if self.sleeper.asleep.load(Ordering::Relaxed) {
            *self.sleeper.woken.lock().unwrap_or_else(PoisonError::into_inner) = true;
            self.sleeper.condition.notify_all();
        }
    }

    /// Sleeps until there may be work: at most `at_most`, for ever with `None`.
    pub(super) fn sleep(&self, at_most: Option<Duration>) {
        self.sleeper.asleep.store(true, Ordering::Relaxed);
        // SeqCst: pairs with the fence in `wake`.
        fence(Ordering::SeqCst);
        if self.global.is_empty() {
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

    fn timers(&self) -> &Arc<Timers> {
        &self.timers
    }
}
