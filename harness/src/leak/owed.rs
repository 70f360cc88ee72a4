//! Who is owed a turn when the linger is over: on a busy machine the system lets the threads of a runtime wait.

use std::time::{Duration, Instant};

use gmp_core::runtime::Scope;
use gmp_core::snapshot::{self, Reading};

use super::quiesce::Limits;
use crate::test::baseline;

/// How long a goroutine that is in a run queue may wait for its turn when the linger is over, and how long a
/// poll may then go on.
pub(crate) const TURN: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(250);
/// Whoever is polled so often when the linger is over, and is not through, only yields.
const YIELDS: u32 = 2;

/// Whether a goroutine was made ready and has not had the time to show what it does then. `then` are the
/// readings at the end of the linger, `late` ago.
pub(super) fn is_owed_a_turn(now: &Reading, then: &[Reading], late: Duration) -> bool {
    let polls = match then.binary_search_by_key(&now.id, |reading| reading.id) {
        Ok(at) => now.polls_since(&then[at]),
        // Somebody who was on the way has started it.
        Err(_) => 0,
    };
    let in_one_poll = now.running && !baseline::is_anybody_panicking();
    !now.parked && polls < YIELDS && late < if in_one_poll { POLL } else { TURN }
}

/// A linger that is over.
pub(crate) struct Over {
    at: Instant,
    /// What the clock of the runtime said then: whom a timer releases that was due is owed a turn.
    clock: Instant,
    then: Vec<Reading>,
    /// The fewest goroutines that were on their way at a look.
    fewest: usize,
}

impl Over {
    /// The linger is over now.
    pub(crate) fn now(scope: &Scope) -> Self {
        let (at, clock) = (Instant::now(), scope.now());
        Self { at, clock, then: snapshot::read(scope), fewest: usize::MAX }
    }

    /// Whether somebody is on the way who has not had a turn, or they become fewer with their turns.
    pub(crate) fn goes_on(&mut self, scope: &Scope, limits: &Limits<'_>) -> bool {
        let late = self.at.elapsed();
        // A virtual clock that nobody stops gets there at once.
        let moves = limits.clock.is_some_and(|clock| !clock.is_stopped());
        let until = limits.moment.filter(|_| moves).unwrap_or(self.clock);
        // Before the readings: whoever is released between the two is seen there.
        let is_due = snapshot::next_timer(scope).is_some_and(|at| at <= until);
        let fires = is_due || snapshot::timers_at_rest(scope).is_none();
        let now = snapshot::read(scope);
        let moving = now.iter().filter(|reading| !reading.parked).count();
        let are_fewer = 0 < moving && moving < self.fewest;
        self.fewest = self.fewest.min(moving);
        // Whom another runtime polls is in no run queue of ours, and perhaps in none at all.
        let may_be_owed = |now: &&Reading| !now.hosted || late < POLL;
        let is_owed =
            now.iter().filter(may_be_owed).any(|now| is_owed_a_turn(now, &self.then, late));
        are_fewer || is_owed || fires && late < TURN
    }
}

#[cfg(test)]
mod tests {
    use gmp_core::runtime::{Builder, Runtime};
    use gmp_core::time::sleep;
    use gmp_core::yield_now;

    use super::*;
    use crate::leak::still::VirtualClock;

    fn limits() -> Limits<'static> {
        Limits { deadline: Instant::now(), clock: None, other: None, linger: None, moment: None }
    }

    /// Polls `turns` times at most.
    fn poll(runtime: &Runtime, turns: u32) {
        let polls = core::cell::Cell::new(0);
        let stop = || polls.replace(polls.get() + 1) == turns;
        runtime.drive(|driver| driver.turn(&stop)).expect("nobody else drives it");
    }

    #[test]
    fn who_is_ready_is_owed_a_turn_and_who_only_yields_has_had_it() {
        let runtime = Builder::new().watch(true).build();
        let scope = runtime.scope();
        let _yields = runtime.go(async {
            loop {
                yield_now().await;
            }
        });
        let mut over = Over::now(scope);
        assert!(over.goes_on(scope, &limits()));
        poll(&runtime, YIELDS - 1);
        assert!(over.goes_on(scope, &limits()));
        poll(&runtime, 1);
        assert!(!over.goes_on(scope, &limits()));
    }

    #[test]
    fn goroutines_that_become_fewer_go_on() {
        let runtime = Builder::new().watch(true).build();
        let scope = runtime.scope();
        for yields in [2 * YIELDS, 4 * YIELDS] {
            drop(runtime.go(async move {
                for _ in 0..yields {
                    yield_now().await;
                }
            }));
        }
        let mut over = Over::now(scope);
        assert!(over.goes_on(scope, &limits()));
        poll(&runtime, 6 * YIELDS);
        assert!(over.goes_on(scope, &limits()));
        poll(&runtime, 1);
        assert!(!over.goes_on(scope, &limits()));
        poll(&runtime, u32::MAX);
        assert_eq!(scope.live(), 0);
    }

    #[test]
    fn whose_timer_was_due_is_owed_a_turn_and_whose_is_not_is_not() {
        let runtime = Builder::new().watch(true).build();
        let scope = runtime.scope();
        let hour = Duration::from_secs(3_600);
        drop(runtime.go(sleep(hour)));
        poll(&runtime, u32::MAX);
        assert!(!Over::now(scope).goes_on(scope, &limits()));
        drop(runtime.go(sleep(Duration::from_millis(1))));
        // Armed, and nobody drives the runtime when it is due.
        poll(&runtime, 1);
        while snapshot::next_timer(scope).is_some_and(|at| at > scope.now()) {
            std::thread::yield_now();
        }
        let mut over = Over::now(scope);
        assert!(over.goes_on(scope, &limits()));
        poll(&runtime, u32::MAX);
        assert_eq!((over.goes_on(scope, &limits()), scope.live()), (false, 1));
    }

    #[test]
    fn a_virtual_clock_that_nobody_stops_gets_to_the_end_of_the_linger() {
        let runtime = Builder::new().watch(true).virtual_time().build();
        let scope = runtime.scope();
        let (clock, second) = (VirtualClock::new(true), Duration::from_secs(1));
        drop(runtime.go(sleep(second)));
        poll(&runtime, u32::MAX);
        let of = |after| {
            let moment = Some(scope.now() + after);
            Over::now(scope).goes_on(scope, &Limits { clock: Some(&clock), moment, ..limits() })
        };
        assert_eq!((of(second / 2), of(2 * second)), (false, true));
    }
}
