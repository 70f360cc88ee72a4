//! The run queue and the points of a runtime that is explored: a policy decides what happens next.

mod pace;
mod points;
mod state;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use super::baton::Seat;
use super::m::Turn;
use super::policy::{Event, Policy, Stop};
use super::shared::Shared;
use crate::g::point::{self, Exploring};
use crate::g::{GRef, Polled, Wake};
use crate::sys::{BriefGuard, BriefLock};
use crate::time::clock::{NEVER, Nanos};
use crate::time::timers::Timers;
use state::{Next, Ready, Role, State, Tally, Threads};

/// What takes the place of the P's run queue on a runtime that is explored.
pub(crate) struct World {
    state: BriefLock<State>,
    /// No poll may be suspended: the thread that plays is the only one that uses the state.
    alone: AtomicBool,
    timers: Arc<Timers>,
    /// How many timers in a row have fired for nobody. Relaxed: used by whoever has the baton.
    for_nobody: AtomicU32,
}

/// After so many timers that fired for nobody those are passed over from which nothing can come: a ticker whose
/// last tick nobody has taken ticks for ever.
const FOR_NOBODY: u32 = 64;

impl World {
    pub(super) fn new(timers: Arc<Timers>) -> Self {
        let (state, alone) = (BriefLock::new(State::default()), AtomicBool::new(false));
        Self { state, alone, timers, for_nobody: AtomicU32::new(0) }
    }

    /// The state, whoever has the baton.
    #[inline]
    fn lock(&self) -> BriefGuard<'_, State> {
        // Relaxed: written by the thread that plays, before it hires others and after they have left.
        match self.alone.load(Ordering::Relaxed) {
            // SAFETY: all methods are called by threads of the schedule, and it has one. Who plays has the P
            // of the runtime, which it took from whoever played before.
            true => unsafe { self.state.lock_alone() },
            false => self.state.lock(),
        }
    }

    /// Begins a schedule of at most `most_steps` without anything new, as [`pace`] says. With `inside`, polls may be suspended.
    pub(crate) fn begin(
        &self,
        policy: Box<dyn Policy>,
        most_steps: (u64, u64),
        quiet: bool,
        inside: Option<Arc<Shared>>,
    ) {
        let threads = inside.map(Threads::new);
        // Relaxed: see `lock`.
        self.alone.store(threads.is_none(), Ordering::Relaxed);
        let mut state = self.lock();
        (state.quiet, state.threads) = (quiet, threads);
        (state.inner_points, state.runaway) = (0, false);
        state.traces = policy.traces();
        state.policy = Some(policy);
        state.known.clear();
        state.fresh = false;
        state.chosen = None;
        state.body_since = 0;
        self.for_nobody.store(0, Ordering::Relaxed);
        state.until = NEVER - 1;
        state.pace.begin(most_steps.0, most_steps.1);
        (state.panics, state.outside) = (0, false);
    }

    /// From now on timers fire only if they are due at `until`.
    pub(crate) fn set_until(&self, until: Nanos) {
        self.lock().until = until;
    }

    /// Runs `sleep`, which waits for something from outside.
    pub(crate) fn asleep(&self, sleep: impl FnOnce()) {
        self.lock().asleep = true;
        sleep();
        self.lock().asleep = false;
    }

    /// How the schedule went so far.
    pub(crate) fn tally(&self) -> Tally {
        let state = self.lock();
        Tally {
            steps: state.pace.steps(),
            panics: state.panics,
            outside: state.outside,
            inner_points: state.inner_points,
            runaway: state.runaway,
            body_since: state.body_since,
            spoiled: state.threads.as_ref().is_some_and(|threads| threads.spoiled),
        }
    }

    /// Whether the schedule has taken too many steps without anything new.
    pub(crate) fn is_over(&self) -> bool {
        self.lock().is_over()
    }

    /// Ends the schedule, on the thread that plays.
    pub(crate) fn end(&self) -> Option<Box<dyn Policy>> {
        let mut state = self.lock();
        debug_assert!(state.threads.as_ref().is_none_or(|threads| threads.spares == 0));
        let (policy, threads) = (state.policy.take(), state.threads.take());
        let left =
            if state.ready.is_empty() { Vec::new() } else { core::mem::take(&mut state.ready) };
        state.numbers.clear();
        drop(state);
        drop((left, threads));
        policy
    }

    /// Runs goroutines as the policy says, until `stop` says so (asked before each), nothing can happen, or
    /// the schedule is over.
    pub(super) fn turn(&self, shared: &Shared, stop: &dyn Fn() -> bool) -> Turn {
        loop {
            if stop() {
                return Turn::Stopped;
            }
            while !shared.global.is_empty()
                && let Some(g) = shared.global.pop()
            {
                let mut state = self.lock();
                state.outside = true;
                state.push(g);
            }
            match self.next(Role::Root) {
                Next::Run { g, kept } => self.poll(shared, g, kept),
                Next::Fire => self.fire(),
                Next::Over => return Turn::Stopped,
                Next::Nothing | Next::Wait => return Turn::Idle(None),
                Next::Pass(to) => {
                    let root = Seat::here();
                    to.give();
                    root.wait();
                }
            }
        }
    }

    /// On a spare thread, which was given the baton: runs goroutines until another thread is to go on. It leaves
    /// the schedule then; `left` says that it can be had again.
    pub(super) fn serve(&self, shared: &Shared, left: impl FnOnce()) {
        let exploring = Exploring::new(self);
        let to = loop {
            match self.next(Role::Spare) {
                Next::Run { g, kept } => self.poll(shared, g, kept),
                Next::Fire => self.fire(),
                Next::Pass(to) => break Some(to),
                Next::Over | Next::Nothing | Next::Wait => break None,
            }
        };
        drop(exploring);
        left();
        let to = self.with_threads(|threads| {
            threads.spares -= 1;
            to.unwrap_or_else(|| threads.root.clone())
        });
        // From here on the schedule may end.
        if let Some(to) = to {
            to.give();
        }
    }

    fn with_threads<R>(&self, f: impl FnOnce(&mut Threads) -> R) -> Option<R> {
        self.lock().threads.as_mut().map(f)
    }

    #[inline(always)]
    fn next(&self, role: Role) -> Next {
        loop {
            let timer = self.next_timer();
            // Whoever is waited for needs the lock.
            let next = self.lock().next(role, timer);
            match next {
                Next::Wait => std::thread::yield_now(),
                next => return next,
            }
        }
    }

    /// When the next timer fires while no goroutine does anything.
    #[inline(always)]
    fn next_timer(&self) -> Nanos {
        match self.for_nobody.load(Ordering::Relaxed) < FOR_NOBODY {
            true => self.timers.next(),
            false => self.next_timer_for_anybody(),
        }
    }

    #[cold]
    fn next_timer_for_anybody(&self) -> Nanos {
        // Whoever runs or is ready may still do something before the tick.
        let state = self.lock();
        let nobody_is_ready = state.ready.is_empty() && state.current.is_none();
        drop(state);
        if nobody_is_ready { self.timers.next_not_in_vain() } else { self.timers.next() }
    }

    #[inline(always)]
    fn poll(&self, shared: &Shared, g: GRef, kept: Option<GRef>) {
        self.for_nobody.store(0, Ordering::Relaxed);
        let now = self.timers.clock().now() / 1_000_000;
        let polled = g.run(now as u32, shared, None);
        let mut state = self.state();
        let current = state.current.take();
        if current == Some(0) {
            state.body_since = self.timers.clock().now();
        }
        if let (Some(g), Some(kept)) = (current, &kept) {
            let how = match &polled {
                Polled::Requeue(_) => Stop::Ready,
                Polled::Gone if kept.snapshot().is_complete() => Stop::Done,
                Polled::Gone => Stop::Parked,
            };
            state.trace(|| Event::Stops { g, how });
        }
        match (polled, current) {
            (Polled::Requeue(g), Some(number)) => state.push_as(g, number),
            (Polled::Requeue(g), None) => state.push(g),
            (Polled::Gone, _) => {}
        }
        drop(state);
        drop(kept);
    }

    /// The state, for a thread of the schedule: it waits until it has the baton.
    #[inline]
    fn state(&self) -> BriefGuard<'_, State> {
        match self.alone.load(Ordering::Relaxed) {
            true => self.lock(),
            false => self.state_in_turn(),
        }
    }

    #[cold]
    fn state_in_turn(&self) -> BriefGuard<'_, State> {
        loop {
            let mut state = self.lock();
            match &mut state.threads {
                None => return state,
                Some(threads) if threads.holder.is_here() => {
                    threads.moves += 1;
                    state.tells = false;
                    return state;
                }
                Some(threads) => {
                    let seat = Seat::here();
                    let own = threads.lost.iter().position(|(lost, _)| Arc::ptr_eq(lost, &seat));
                    let Some(own) = own else { return state };
                    let (_, number) = threads.lost.swap_remove(own);
                    state.ready.push(Ready::Poll(seat.clone()));
                    state.numbers.push(number);
                    drop(state);
                    self.waits_in_vain(&seat, number);
                }
            }
        }
    }

    /// Lets the time of the next timer come.
    fn fire(&self) {
        let next = self.next_timer();
        if next == NEVER {
            return;
        }
        let mut state = self.state();
        state.pace.step();
        state.trace(|| Event::Fires);
        drop(state);
        self.timers.clock().advance_to(next);
        let wakes = self.timers.fire_due(0, next);
        let for_nobody =
            if wakes.is_empty() { self.for_nobody.load(Ordering::Relaxed) + 1 } else { 0 };
        self.for_nobody.store(for_nobody, Ordering::Relaxed);
        wakes.into_iter().for_each(Wake::wake);
    }

    /// Takes in a goroutine that is ready. It is given back if this thread is no part of the schedule.
    pub(super) fn enqueue(&self, g: GRef) -> Result<(), GRef> {
        if !core::ptr::eq(point::address(), core::ptr::from_ref(self).cast()) {
            return Err(g);
        }
        let mut state = self.state();
        state.pace.news();
        state.push(g);
        Ok(())
    }
}
