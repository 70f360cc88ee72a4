//! The run queue and the points of a runtime that is explored: a policy decides what happens next.

mod points;
mod state;

use std::sync::Arc;

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
    timers: Arc<Timers>,
}

impl World {
    pub(super) fn new(timers: Arc<Timers>) -> Self {
        Self { state: BriefLock::new(State::default()), timers }
    }

    /// Begins a schedule of at most `most_steps`. With `inside`, polls may be suspended.
    pub(crate) fn begin(
        &self,
        policy: Box<dyn Policy>,
        most_steps: u64,
        quiet: bool,
        inside: Option<Arc<Shared>>,
    ) {
        let threads = inside.map(Threads::new);
        let mut state = self.state.lock();
        (state.quiet, state.threads) = (quiet, threads);
        (state.inner_points, state.runaway) = (0, false);
        state.traces = policy.traces();
        state.policy = Some(policy);
        state.known.clear();
        state.fresh = false;
        state.chosen = None;
        state.until = NEVER - 1;
        (state.steps, state.most_steps) = (0, most_steps);
        (state.panics, state.outside) = (0, false);
    }

    /// From now on timers fire only if they are due at `until`.
    pub(crate) fn set_until(&self, until: Nanos) {
        self.state.lock().until = until;
    }

    /// Runs `sleep`, which waits for something from outside.
    pub(crate) fn asleep(&self, sleep: impl FnOnce()) {
        self.state.lock().asleep = true;
        sleep();
        self.state.lock().asleep = false;
    }

    /// How the schedule went so far.
    pub(crate) fn tally(&self) -> Tally {
        let state = self.state.lock();
        Tally {
            steps: state.steps,
            panics: state.panics,
            outside: state.outside,
            inner_points: state.inner_points,
            runaway: state.runaway,
            spoiled: state.threads.as_ref().is_some_and(|threads| threads.spoiled),
        }
    }

    /// Whether the schedule has taken too many steps.
    pub(crate) fn is_over(&self) -> bool {
        self.state.lock().is_over()
    }

    /// Ends the schedule, on the thread that plays.
    pub(crate) fn end(&self) -> Option<Box<dyn Policy>> {
        self.dismiss();
        let mut state = self.state.lock();
        let (policy, left) = (state.policy.take(), core::mem::take(&mut state.ready));
        let threads = state.threads.take();
        state.numbers.clear();
        drop(state);
        drop((left, threads));
        policy
    }

    /// Lets the spare threads leave the schedule, and waits until they have.
    fn dismiss(&self) {
        loop {
            let mut state = self.state.lock();
            let Some(threads) = state.threads.as_mut().filter(|threads| threads.spares > 0) else {
                return;
            };
            threads.ends = true;
            let (root, next) = (threads.root.clone(), threads.idle.pop());
            drop(state);
            // Who leaves gives the baton back. One that was lost comes to the end of its poll first.
            match next {
                Some(next) => {
                    next.give();
                    root.wait();
                }
                None => std::thread::yield_now(),
            }
        }
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
                let mut state = self.state.lock();
                state.outside = true;
                state.push(g);
            }
            match self.next(Role::Root) {
                Next::Run(g) => self.poll(shared, g),
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

    /// On a spare thread, which was given the baton: runs goroutines until the schedule has ended.
    pub(super) fn serve(&self, shared: &Shared, seat: &Arc<Seat>, left: impl FnOnce()) {
        let exploring = Exploring::new(self);
        loop {
            match self.next(Role::Spare) {
                Next::Run(g) => self.poll(shared, g),
                Next::Fire => self.fire(),
                Next::Pass(to) => {
                    self.with_threads(|threads| threads.idle.push(seat.clone()));
                    to.give();
                    seat.wait();
                }
                Next::Over | Next::Nothing | Next::Wait => break,
            }
        }
        drop(exploring);
        left();
        let root = self.with_threads(|threads| {
            threads.spares -= 1;
            threads.root.clone()
        });
        if let Some(root) = root {
            root.give();
        }
    }

    fn with_threads<R>(&self, f: impl FnOnce(&mut Threads) -> R) -> Option<R> {
        self.state.lock().threads.as_mut().map(f)
    }

    fn next(&self, role: Role) -> Next {
        loop {
            match self.state.lock().next(role, self.timers.next()) {
                Next::Wait => std::thread::yield_now(),
                next => return next,
            }
        }
    }

    fn poll(&self, shared: &Shared, g: GRef) {
        let now = self.timers.clock().now() / 1_000_000;
        let kept = self.state.lock().traces.then(|| g.clone());
        let polled = g.run(now as u32, shared, None);
        let mut state = self.state();
        let current = state.current.take();
        let how = match &polled {
            Polled::Requeue(_) => Stop::Ready,
            Polled::Gone if kept.as_ref().is_some_and(|g| g.snapshot().is_complete()) => Stop::Done,
            Polled::Gone => Stop::Parked,
        };
        if let Some(g) = current {
            state.trace(|| Event::Stops { g, how });
        }
        if let Polled::Requeue(g) = polled {
            state.push(g);
        }
        drop(state);
        drop(kept);
    }

    /// The state, for a thread of the schedule: it waits until it has the baton.
    fn state(&self) -> BriefGuard<'_, State> {
        loop {
            let mut state = self.state.lock();
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
        let next = self.timers.next();
        if next == NEVER {
            return;
        }
        let mut state = self.state();
        state.steps += 1;
        state.trace(|| Event::Fires);
        drop(state);
        self.timers.clock().advance_to(next);
        self.timers.fire_due(0, next).into_iter().for_each(Wake::wake);
    }

    /// Takes in a goroutine that is ready. It is given back if this thread is no part of the schedule.
    pub(super) fn enqueue(&self, g: GRef) -> Result<(), GRef> {
        if !core::ptr::eq(point::address(), core::ptr::from_ref(self).cast()) {
            return Err(g);
        }
        self.state().push(g);
        Ok(())
    }
}
