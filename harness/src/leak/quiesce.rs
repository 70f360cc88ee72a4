//! Drives a scope until its body has ended and nothing moves any more, lingering on evidence only.

use core::cell::Cell;
use core::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use gmp_core::runtime::drive::Driver;
use gmp_core::runtime::{Scope, Turn};
use gmp_core::snapshot::{self, Elsewhere, Reading};

use super::census;
use super::progress::Progress;
use super::still::VirtualClock;

/// How often evidence that sends no wake when it goes (a waker clone, a thread) is looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(5);
/// The same, the first time: what ends by itself has mostly done so in a moment.
const FIRST_LOOK: Duration = Duration::from_micros(100);
/// Polls between two looks at the time while goroutines keep running.
const POLLS_A_LOOK: u32 = 64;

/// Tests that run, and are not known to be parked as a whole with nothing to come.
static BUSY: AtomicUsize = AtomicUsize::new(0);

/// A test runs as long as the value lives.
pub(crate) struct Busy(());

impl Busy {
    pub(crate) fn begin() -> Self {
        // SeqCst, here and below: of two tests that look at each other at least one sees the other.
        BUSY.fetch_add(1, Ordering::SeqCst);
        Self(())
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        BUSY.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Scopes of tests that run, are parked, and could be released by nothing but a daemon.
static IDLE: Mutex<Vec<Arc<Scope>>> = Mutex::new(Vec::new());

fn idle_scopes() -> MutexGuard<'static, Vec<Arc<Scope>>> {
    IDLE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The scope is in that list, and its test not among those that run, as long as the value lives.
struct Idle(Arc<Scope>);

impl Idle {
    fn begin(scope: &Arc<Scope>) -> Self {
        idle_scopes().push(scope.clone());
        BUSY.fetch_sub(1, Ordering::SeqCst);
        Self(scope.clone())
    }
}

impl Drop for Idle {
    fn drop(&mut self) {
        BUSY.fetch_add(1, Ordering::SeqCst);
        idle_scopes().retain(|scope| !Arc::ptr_eq(scope, &self.0));
    }
}

/// All goroutines of those scopes.
fn read_idle() -> Vec<Reading> {
    let scopes = idle_scopes().clone();
    scopes.iter().flat_map(|scope| snapshot::read(scope)).collect()
}

/// Why the driving ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// What was waited for has come true.
    Done,
    /// Nothing moves, and nothing is known that could come.
    Asleep,
    /// The time is over.
    TimedOut,
    /// Another thread took the P away: it carries on.
    Lost,
}

/// Another runtime that polls goroutines of a scope.
pub(crate) trait OtherRuntime: Send + Sync {
    /// Whether something of it that is no goroutine may still move.
    fn is_alive(&self) -> bool;
    /// Asks the thread of the body to judge. False if it does not answer.
    fn judges(&self, progress: &Progress) -> bool;
}

/// How far a runtime is driven.
pub(crate) struct Limits<'a> {
    /// In real time.
    pub(crate) deadline: Instant,
    /// The clock of the runtime, if it is virtual.
    pub(crate) clock: Option<&'a VirtualClock>,
    /// Whether another runtime may still do something.
    pub(crate) other: Option<&'a dyn OtherRuntime>,
    /// How far that clock may be moved; `None`: as far as there are timers.
    pub(crate) moment: Option<Instant>,
}

/// Drives the runtime until `done`, until nothing can happen any more, or until `limits`.
pub(crate) fn drive(
    driver: &Driver<'_>,
    scope: &Arc<Scope>,
    limits: &Limits<'_>,
    done: &dyn Fn() -> bool,
) -> End {
    let deadline = limits.deadline;
    let mut again_after = FIRST_LOOK;
    let polls = Cell::new(0u32);
    let late = Cell::new(false);
    let stop = || {
        polls.set(polls.get().wrapping_add(1));
        if polls.get().is_multiple_of(POLLS_A_LOOK) {
            late.set(Instant::now() >= deadline);
        }
        late.get() || done()
    };
    loop {
        match driver.turn(&stop) {
            Turn::Lost => return End::Lost,
            Turn::Stopped if done() => return End::Done,
            Turn::Stopped => return End::TimedOut,
            Turn::Idle(next_timer) => {
                if Instant::now() >= deadline {
                    return End::TimedOut;
                }
                if let Some(clock) = limits.clock {
                    let next = next_timer.filter(|at| limits.moment.is_none_or(|last| *at <= last));
                    match clock.is_held(scope, next) {
                        true => driver.sleep(Some((Instant::now() + LOOK_AGAIN).min(deadline))),
                        // By a thread that had ended when the threads were counted.
                        false if driver.is_runnable() => {}
                        false if driver.advance(limits.moment) => {}
                        false if done() => return End::Done,
                        false => return End::Asleep,
                    }
                    continue;
                }
                let evidence = || evidence(scope, next_timer, deadline, limits.other);
                let (evidence, _idle) = or_daemons(scope, &evidence);
                match evidence {
                    Evidence::Timer(at) => driver.sleep(Some(at.min(deadline))),
                    Evidence::Outside(timer) => {
                        let again = Instant::now() + again_after;
                        again_after = LOOK_AGAIN.min(again_after * 2);
                        let until = timer.map_or(again, |at| at.min(again));
                        driver.sleep(Some(until.min(deadline)));
                    }
                    // A plain body may have ended on its own thread since the turn.
                    Evidence::None if done() => return End::Done,
                    Evidence::None => return End::Asleep,
                }
            }
        }
    }
}

/// How many goroutines of the scope are not parked.
pub(crate) fn moving(scope: &Scope) -> usize {
    snapshot::read(scope).iter().filter(|reading| !reading.parked).count()
}

/// What speaks for something that may still come.
enum Evidence {
    /// A timer is due in time.
    Timer(Instant),
    /// A poll on another M, a thread's own call, a waker clone, the global runtime, a daemon that waits for
    /// another test, or a foreign thread; and a timer perhaps.
    Outside(Option<Instant>),
    /// Nothing.
    None,
}

/// The double collect, and the evidence if nothing moves. Nothing is in a run queue when this is
/// called: whatever is not parked is being run elsewhere.
fn evidence(
    scope: &Scope,
    next_timer: Option<Instant>,
    deadline: Instant,
    other: Option<&dyn OtherRuntime>,
) -> Evidence {
    // Between the readings: whoever comes meanwhile was started by somebody who ran, and whoever is gone again has left
    // its wake. A goroutine that another thread polls may have armed a timer since the last turn.
    let first = snapshot::read(scope);
    let others = other.is_some_and(OtherRuntime::is_alive)
        || global_runtime_acts(deadline)
        || census::foreign_thread_lives()
        || snapshot::listens(scope);
    let next_timer = next_timer.into_iter().chain(snapshot::next_timer(scope)).min();
    let second = snapshot::read(scope);
    let in_time = next_timer.filter(|at| *at <= deadline);
    let moving = !snapshot::quiescent(&first, &second);
    if moving || others || second.iter().any(Reading::is_external) {
        return Evidence::Outside(in_time);
    }
    in_time.map_or(Evidence::None, Evidence::Timer)
}

/// The evidence, where a daemon that is parked may be waiting for another test, and serve this one afterwards.
/// The test counts as idle while nothing else is left to it.
fn or_daemons(scope: &Arc<Scope>, evidence: &dyn Fn() -> Evidence) -> (Evidence, Option<Idle>) {
    let own = evidence();
    if !matches!(own, Evidence::None) || snapshot::daemons() == 0 {
        return (own, None);
    }
    let idle = Idle::begin(scope);
    // Looked at again: before it was idle, the last of the others may have sent a daemon on its way, and a
    // daemon may have released one that is idle.
    let first = read_idle();
    let again = evidence();
    let nobody = BUSY.load(Ordering::SeqCst) == 0 && snapshot::quiescent(&first, &read_idle());
    match again {
        Evidence::None if !nobody => (Evidence::Outside(None), Some(idle)),
        again => (again, Some(idle)),
    }
}

/// Whether goroutines that belong to no test, but to the process, may still release one of ours.
fn global_runtime_acts(deadline: Instant) -> bool {
    match snapshot::global_runtime() {
        Elsewhere::Quiet => false,
        Elsewhere::Timer(at) => at <= deadline,
        Elsewhere::Moving => true,
    }
}
