//! The points of goroutines that an explored runtime runs: where the policy may let another one go on.

use std::sync::Arc;
use std::time::Duration;

use super::World;
use super::state::{Asks, IN_A_ROW, Next, Ready, Role, State};
use crate::g::point::Points;
use crate::inspect::{Location, Operation, WaitReason};
use crate::sched::baton::Seat;
use crate::sched::policy::{Choice, Event, Stop};
use crate::sys::BriefGuard;
use crate::time::clock::NEVER;

/// How long the thread that acts may take from one point to the next while it is blocked.
const PATIENCE: Duration = Duration::from_millis(5);
/// The same where the system does not tell whether it is blocked, or it is not, in looks.
const LOOKS: u32 = 100;

/// An operation on a line of the program.
type Site = (Operation, Option<Location>);

impl World {
    /// Suspends the poll that this thread is in, and continues the schedule with what is chosen.
    fn suspend(&self, mut state: BriefGuard<'_, State>, g: u32, site: Site) {
        let seat = Seat::here();
        state.ready.push(Ready::Poll(seat.clone()));
        state.numbers.push(g);
        state.current = None;
        state.trace(|| Event::Stops { g, how: Stop::Ready });
        let next = state.next(Role::Poll, NEVER);
        drop(state);
        match next {
            Next::Pass(to) => to.give(),
            // Nobody else: it goes on.
            _ => seat.give(),
        }
        if self.waits_in_vain(&seat, g) {
            let mut state = self.lock();
            if let Some(policy) = &mut state.policy {
                policy.held(site.0, site.1);
            }
        }
    }

    /// On a thread inside the poll of `g`, which is ready: waits for the baton. True if it had to take the
    /// baton, because whoever had it is blocked: it may need what this poll holds.
    pub(super) fn waits_in_vain(&self, seat: &Arc<Seat>, g: u32) -> bool {
        let (mut seen, mut looks) = (u64::MAX, 0);
        while !seat.wait_for(PATIENCE) {
            let mut state = self.lock();
            let Some(threads) = state.threads.as_ref() else { continue };
            let moves = threads.moves;
            if core::mem::replace(&mut seen, moves) != moves || state.tells {
                looks = 0;
                continue;
            }
            looks += 1;
            let blocked = threads.holder.is_blocked().unwrap_or(false);
            if (blocked || looks > LOOKS) && state.take_back(seat, g) {
                return true;
            }
        }
        false
    }

    /// Lets the policy decide inside a poll, and suspends it if another is to run.
    fn decide_inside<'a>(
        &'a self,
        mut state: BriefGuard<'a, State>,
        g: u32,
        site: Site,
    ) -> BriefGuard<'a, State> {
        let pinned = state.policy.as_ref().is_some_and(|policy| policy.is_pinned(site.0, site.1));
        loop {
            let timer = self.timers.next() <= state.until;
            match state.decide(Asks::Inside { g, pinned }, timer) {
                Some(Choice::Ready(i)) => {
                    state.chosen = Some(i);
                    self.suspend(state, g, site);
                    return self.state();
                }
                Some(Choice::Timer) => {
                    drop(state);
                    self.fire();
                    state = self.state();
                }
                Some(Choice::Current) | None => return state,
            }
        }
    }
}

impl Points for World {
    fn awaited(&self, at: Location, reason: WaitReason) -> bool {
        loop {
            let mut state = self.state();
            let Some(g) = state.current else { return true };
            if state.chosen.is_some() || state.is_over() {
                return false;
            }
            if !core::mem::replace(&mut state.fresh, false) {
                let timer = self.timers.next() <= state.until;
                match state.decide(Asks::Awaits(g), timer) {
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
            let operation = Operation::Await(reason);
            state.pace.does(g, operation, Some(at));
            state.trace(|| Event::Does { g, operation, at: Some(at) });
            state.released |= operation.releases();
            return true;
        }
    }

    fn before(&self, operation: Operation, at: Option<Location>) {
        let mut state = self.state();
        let Some(g) = state.current else { return };
        if state.is_runaway() && !std::thread::panicking() {
            drop(state);
            std::panic::resume_unwind(Box::new("gmp: it went on and on inside one poll"));
        }
        let point = state.released || state.in_a_row >= IN_A_ROW;
        if point && state.chosen.is_none() && !std::thread::panicking() {
            state.inner_points += 1;
            if state.threads.is_some() && !state.is_over() {
                state = self.decide_inside(state, g, (operation, at));
            }
        }
        state.fresh = false;
        state.released |= operation.releases();
        state.in_a_row += 1;
        state.pace.does(g, operation, at);
        state.trace(|| Event::Does { g, operation, at });
    }

    fn idles(&self) {
        let mut state = self.state();
        state.pace.vain();
        if let (Some(g), Some(policy)) = (state.current, &mut state.policy) {
            policy.idles(g);
        }
    }

    fn choose(&self, n: usize) -> usize {
        let mut state = self.state();
        let g = state.current;
        let Some(policy) = state.policy.as_mut().filter(|_| n > 1) else { return 0 };
        let which = policy.choose(n).min(n - 1);
        state.trace(|| Event::Chose { g, of: n, which });
        which
    }

    fn is_quiet(&self) -> bool {
        let mut state = self.lock();
        state.tells = !state.quiet;
        state.quiet
    }

    fn panicked(&self) {
        let mut state = self.state();
        state.panics += 1;
        if let Some(g) = state.current {
            state.trace(|| Event::Panics(g));
        }
    }
}
