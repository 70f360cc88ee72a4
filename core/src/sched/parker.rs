//! Where an M parks, and how it is woken: by a grant, a poke, or what its bed, the netpoll, tells.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use super::clocks::ThreadClock;
use super::owner::Tenure;
use crate::g::{GRef, Wake};
use crate::netpoll::Netpoll;
use crate::sys::atomic::{AtomicBool, AtomicPtr};
use crate::sys::modelled::{Condvar, Lock, wait_until};

/// How long a spinning M naps before it looks once more and parks.
const NAP: Duration = Duration::from_micros(50);

/// Where an M can sleep other than on its parker: the netpoll.
pub(super) trait Bed: Send + Sync {
    /// Sleeps until something is ready, somebody interrupts, or `at_most` is over. Gives the wakes that are owed.
    fn block(&self, at_most: Option<Duration>) -> Vec<Wake>;
    /// Ends this sleep, or the next one.
    fn interrupt(&self);
}

impl Bed for Netpoll {
    fn block(&self, at_most: Option<Duration>) -> Vec<Wake> {
        Self::block(self, at_most)
    }

    fn interrupt(&self) {
        Self::interrupt(self);
    }
}

/// Where one M parks.
pub(super) struct Parker<B = Netpoll> {
    pub(super) number: u32,
    /// Set by the M itself.
    pub(super) thread: OnceLock<ThreadClock>,
    /// For whoever looks: whether it spins, and the address of what it ran when its P was taken away.
    pub(super) spinning: AtomicBool,
    pub(super) lost_with: AtomicPtr<()>,
    state: Lock<ParkState<B>>,
    condition: Condvar,
}

struct ParkState<B> {
    /// The goroutine that comes with the P, to an M that is locked to it.
    own: Option<GRef>,
    grant: Option<Grant>,
    poked: bool,
    /// The bed that it sleeps in.
    sleeps_in: Option<Arc<B>>,
}

/// What ends the park of an M.
#[derive(Clone, Copy, Debug)]
pub(super) enum Grant {
    /// This P is yours, and you spin.
    P(usize, Tenure),
    /// The runtime ends.
    Exit,
}

/// How a wait ended.
#[derive(Clone, Copy, Debug)]
pub(super) enum Woken {
    Granted(Grant),
    /// The next timer is due earlier than it was.
    Poked,
    /// The next timer is due.
    Due,
    /// The network has something.
    Ready,
}

impl<B: Bed> Parker<B> {
    pub(super) fn new(number: u32) -> Arc<Self> {
        let state = ParkState { own: None, grant: None, poked: false, sleeps_in: None };
        Arc::new(Self {
            number,
            thread: OnceLock::new(),
            spinning: AtomicBool::new(false),
            lost_with: AtomicPtr::default(),
            state: Lock::new(state),
            condition: Condvar::new(),
        })
    }

    /// Grants once: the caller took this M out of the list.
    pub(super) fn grant(&self, grant: Grant) {
        let mut state = self.state.lock();
        state.grant = Some(grant);
        self.end_wait(&state);
    }

    fn end_wait(&self, state: &ParkState<B>) {
        match &state.sleeps_in {
            Some(bed) => bed.interrupt(),
            None => self.condition.notify_one(),
        }
    }

    /// Sleeps for a moment, or until it is poked. It is not listed as parked, so it is granted nothing.
    pub(super) fn nap(&self) {
        let until = Some(Instant::now() + NAP);
        let (mut state, mut in_time) = (self.state.lock(), true);
        while !state.poked && in_time {
            (state, in_time) = wait_until(&self.condition, state, until);
        }
        state.poked = false;
    }

    /// As [`grant`](Self::grant), with the goroutine that the M is locked to.
    pub(super) fn grant_own(&self, grant: Grant, g: GRef) {
        let mut state = self.state.lock();
        (state.grant, state.own) = (Some(grant), Some(g));
        drop(state);
        self.condition.notify_one();
    }

    /// The goroutine that came with the grant.
    pub(super) fn take_own(&self) -> Option<GRef> {
        self.state.lock().own.take()
    }

    /// Makes the M look at the timers again.
    pub(super) fn poke(&self) {
        let mut state = self.state.lock();
        state.poked = true;
        self.end_wait(&state);
    }

    /// As [`wait`](Self::wait), in `bed`: what is ready there ends it too.
    pub(super) fn wait_in(&self, bed: &Arc<B>, until: Option<Instant>) -> (Woken, Vec<Wake>) {
        loop {
            let mut state = self.state.lock();
            if let Some(woken) = state.told() {
                return (woken, Vec::new());
            }
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return (Woken::Due, Vec::new());
            }
            // Under the same lock as the look above: who tells us later sees where we sleep.
            state.sleeps_in = Some(bed.clone());
            drop(state);
            let ready = bed.block(left);
            let mut state = self.state.lock();
            state.sleeps_in = None;
            if let Some(woken) = state.told() {
                return (woken, ready);
            }
            if !ready.is_empty() {
                return (Woken::Ready, ready);
            }
        }
    }

    /// Waits for a grant, a poke, or `until`.
    pub(super) fn wait(&self, until: Option<Instant>) -> Woken {
        let (mut state, mut in_time) = (self.state.lock(), true);
        loop {
            if let Some(woken) = state.told() {
                return woken;
            }
            if !in_time {
                return Woken::Due;
            }
            (state, in_time) = wait_until(&self.condition, state, until);
        }
    }
}

impl<B> ParkState<B> {
    /// What it was told since it looked last.
    fn told(&mut self) -> Option<Woken> {
        match self.grant.take() {
            Some(grant) => Some(Woken::Granted(grant)),
            None => core::mem::take(&mut self.poked).then_some(Woken::Poked),
        }
    }
}

#[cfg(all(test, loom))]
pub(super) mod models;
