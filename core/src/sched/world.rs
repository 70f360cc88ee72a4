//! The run queue and the points of a runtime that is explored: a policy decides what happens next.

use std::sync::Arc;

use super::m::Turn;
use super::policy::{Choice, Event, Options, Policy, Stop};
use super::shared::Shared;
use crate::g::point::{self, Points};
use crate::g::{GRef, Polled, Wake};
use crate::inspect::{GoroutineId, Location, Operation, WaitReason};
use crate::sys::BriefLock;
use crate::time::clock::{NEVER, Nanos};
use crate::time::heap::Timers;

/// The number of a goroutine that came from outside the schedule.
const STRANGER: u32 = u32::MAX;

/// What takes the place of the P's run queue on a runtime that is explored.
pub(crate) struct World {
    state: BriefLock<State>,
    timers: Arc<Timers>,
}

/// The state of a schedule. The policy is called under its lock, and uses nothing of the runtime.
#[derive(Default)]
struct State {
    policy: Option<Box<dyn Policy>>,
    traces: bool,
    /// Ready goroutines and their numbers, the one that has been so for longest first.
    ready: Vec<GRef>,
    numbers: Vec<u32>,
    /// The goroutines of the schedule; their indices are their numbers.
    known: Vec<GoroutineId>,
    /// Who runs.
    current: Option<u32>,
    /// Nothing has happened since the policy decided.
    fresh: bool,
    /// Who runs next, decided already: an index into `ready`.
    chosen: Option<usize>,
    /// Timers that are due later do not fire.
    until: Nanos,
    steps: u64,
    most_steps: u64,
    panics: u32,
    outside: bool,
    /// Whatever becomes ready now does so from outside.
    asleep: bool,
    quiet: bool,
}

/// How a schedule went.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    /// Operations and dispatches.
    pub(crate) steps: u64,
    /// Goroutines that panicked, the body apart.
    pub(crate) panics: u32,
    /// A thread that is no part of the schedule made a goroutine ready.
    pub(crate) outside: bool,
}

/// What is to be done next.
enum Next {
    Run(GRef),
    Fire,
    Nothing,
    /// The schedule has taken too many steps, or somebody outside has a hand in it.
    Over,
}

impl World {
    pub(super) fn new(timers: Arc<Timers>) -> Self {
        Self { state: BriefLock::new(State::default()), timers }
    }

    /// Begins a schedule of at most `most_steps`.
    pub(crate) fn begin(&self, policy: Box<dyn Policy>, most_steps: u64, quiet: bool) {
        let mut state = self.state.lock();
        state.quiet = quiet;
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
        Tally { steps: state.steps, panics: state.panics, outside: state.outside }
    }

    /// Whether the schedule has taken too many steps.
    pub(crate) fn is_over(&self) -> bool {
        self.state.lock().is_over()
    }

    /// Ends the schedule.
    pub(crate) fn end(&self) -> Option<Box<dyn Policy>> {
        let mut state = self.state.lock();
        let (policy, left) = (state.policy.take(), core::mem::take(&mut state.ready));
        state.numbers.clear();
        drop(state);
        drop(left);
        policy
    }

    /// Runs goroutines as the policy says, until `stop` says so (asked before each), nothing can happen, or
    /// the schedule is over.
    pub(super) fn turn(&self, shared: &Shared, stop: &dyn Fn() -> bool) -> Turn {
        loop {
            if stop() {
                return Turn::Stopped;
            }
            while let Some(g) = shared.global.pop() {
                let mut state = self.state.lock();
                state.outside = true;
                state.push(g);
            }
            match self.next() {
                Next::Run(g) => self.poll(shared, g),
                Next::Fire => self.fire(),
                Next::Over => return Turn::Stopped,
                Next::Nothing => return Turn::Idle(None),
            }
        }
    }

    fn next(&self) -> Next {
        let mut state = self.state.lock();
        if state.is_over() {
            return Next::Over;
        }
        let i = match state.chosen.take() {
            Some(i) => i,
            None => {
                let timer = self.timers.next() <= state.until;
                match state.decide(None, timer) {
                    Some(Choice::Ready(i)) => i,
                    Some(Choice::Timer) => return Next::Fire,
                    Some(Choice::Current) | None => return Next::Nothing,
                }
            }
        };
        let (g, number) = (state.ready.remove(i), state.numbers.remove(i));
        state.current = Some(number);
        state.fresh = true;
        state.trace(|| Event::Runs(number));
        Next::Run(g)
    }

    fn poll(&self, shared: &Shared, g: GRef) {
        let now = self.timers.clock().now() / 1_000_000;
        let kept = self.state.lock().traces.then(|| g.clone());
        let polled = g.run(now as u32, shared);
        let mut state = self.state.lock();
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

    /// Lets the time of the next timer come.
    fn fire(&self) {
        let next = self.timers.next();
        if next == NEVER {
            return;
        }
        let mut state = self.state.lock();
        state.steps += 1;
        state.trace(|| Event::Fires);
        drop(state);
        self.timers.clock().advance_to(next);
        self.timers.fire_due(next).into_iter().for_each(Wake::wake);
    }

    /// Takes in a goroutine that is ready. It is given back if this thread is no part of the schedule.
    pub(super) fn enqueue(&self, g: GRef) -> Result<(), GRef> {
        if !core::ptr::eq(point::address(), core::ptr::from_ref(self).cast()) {
            return Err(g);
        }
        self.state.lock().push(g);
        Ok(())
    }
}

impl State {
    fn is_over(&self) -> bool {
        self.steps > self.most_steps || self.outside
    }

    fn trace(&mut self, event: impl FnOnce() -> Event) {
        if self.traces
            && let Some(policy) = &mut self.policy
        {
            policy.event(event());
        }
    }

    /// Appends a goroutine that is ready.
    fn push(&mut self, g: GRef) {
        self.outside |= self.asleep;
        let number = self.number_of(&g);
        self.ready.push(g);
        self.numbers.push(number);
    }

    /// The number of `g`. The ids of a schedule grow, so one that is greater than all is new.
    fn number_of(&mut self, g: &GRef) -> u32 {
        let id = g.id();
        if self.known.last().is_none_or(|last| *last < id) {
            let number = self.known.len() as u32;
            self.known.push(id);
            if let Some(policy) = &mut self.policy {
                policy.started(number, id, g.created_at());
            }
            return number;
        }
        self.known.binary_search(&id).map_or(STRANGER, |number| number as u32)
    }

    /// What happens next; `None` if nothing can.
    fn decide(&mut self, current: Option<u32>, timer: bool) -> Option<Choice> {
        self.steps += 1;
        let ready = &self.numbers[..];
        match (current, ready.len(), timer) {
            (None, 0, false) => return None,
            (None, 0, true) => return Some(Choice::Timer),
            (None, 1, false) => return Some(Choice::Ready(0)),
            (Some(_), 0, false) => return Some(Choice::Current),
            _ => {}
        }
        let policy = self.policy.as_mut()?;
        let choice = policy.next(Options { current, ready, timer });
        // A policy that names something that is not there gets what is.
        Some(match choice {
            Choice::Ready(i) if i < ready.len() => choice,
            Choice::Timer if timer => choice,
            _ if current.is_some() => Choice::Current,
            _ if ready.is_empty() => Choice::Timer,
            _ => Choice::Ready(0),
        })
    }
}

impl Points for World {
    fn awaited(&self, at: Location, reason: WaitReason) -> bool {
        loop {
            let mut state = self.state.lock();
            let Some(g) = state.current else { return true };
            if state.chosen.is_some() || state.is_over() {
                return false;
            }
            if !core::mem::replace(&mut state.fresh, false) {
                let timer = self.timers.next() <= state.until;
                match state.decide(Some(g), timer) {
                    Some(Choice::Ready(i)) => {
                        state.chosen = Some(i);
                        return false;
                    }
                    Some(Choice::Timer) => {
                        drop(state);
                        self.fire();
                        continue;
                    }
                    Some(Choice::Current) | None => {}
                }
            }
            state.trace(|| Event::Does { g, operation: Operation::Await(reason), at: Some(at) });
            return true;
        }
    }

    fn before(&self, operation: Operation, at: Option<Location>) {
        let mut state = self.state.lock();
        let Some(g) = state.current else { return };
        state.fresh = false;
        state.trace(|| Event::Does { g, operation, at });
    }

    fn idles(&self) {
        let mut state = self.state.lock();
        if let (Some(g), Some(policy)) = (state.current, &mut state.policy) {
            policy.idles(g);
        }
    }

    fn choose(&self, n: usize) -> usize {
        let mut state = self.state.lock();
        let g = state.current;
        let Some(policy) = state.policy.as_mut().filter(|_| n > 1) else { return 0 };
        let which = policy.choose(n).min(n - 1);
        state.trace(|| Event::Chose { g, of: n, which });
        which
    }

    fn is_quiet(&self) -> bool {
        self.state.lock().quiet
    }

    fn panicked(&self) {
        let mut state = self.state.lock();
        state.panics += 1;
        if let Some(g) = state.current {
            state.trace(|| Event::Panics(g));
        }
    }
}
