//! Drives a scope until its body has ended and nothing moves any more, lingering on evidence only.

use core::cell::Cell;
use core::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use gmp_core::runtime::drive::Driver;
use gmp_core::runtime::{Scope, Turn};
use gmp_core::snapshot::{self, Elsewhere, Reading, Stock};

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
    /// Where it counts from the moment when nobody is ready for the first time: then that is the deadline.
    pub(crate) linger: Option<Duration>,
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
    let (deadline, mut linger) = (Cell::new(limits.deadline), limits.linger);
    let mut again_after = FIRST_LOOK;
    let polls = Cell::new(0u32);
    let late = Cell::new(false);
    let stop = || {
        polls.set(polls.get().wrapping_add(1));
        if polls.get().is_multiple_of(POLLS_A_LOOK) {
            late.set(Instant::now() >= deadline.get());
        }
        late.get() || done()
    };
    loop {
        match driver.turn(&stop) {
            Turn::Lost => return End::Lost,
            Turn::Stopped if done() => return End::Done,
            Turn::Stopped => return End::TimedOut,
            Turn::Idle(next_timer) => {
                if let Some(linger) = linger.take() {
                    deadline.set(Instant::now() + linger);
                }
                let deadline = deadline.get();
                // Looked at before the time: where it is over already, the report says who stopped the clock.
                let next = next_timer.filter(|at| limits.moment.is_none_or(|last| *at <= last));
                let is_held = limits.clock.map(|clock| clock.is_held(scope, next));
                if Instant::now() >= deadline {
                    return End::TimedOut;
                }
                if let Some(is_held) = is_held {
                    match is_held {
                        true => driver.sleep(Some((Instant::now() + LOOK_AGAIN).min(deadline))),
                        // By a thread that had ended when the threads were counted.
                        false if driver.is_runnable() => {}
                        false if driver.advance(limits.moment) => {}
                        false if done() => return End::Done,
                        false => return End::Asleep,
                    }
                    continue;
                }
                let outside = || anybody_outside(limits.other, census::foreign_thread_lives);
                let evidence = || evidence(scope, next_timer, deadline, &outside);
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
#[cfg(any(feature = "tokio", test))]
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
///
/// The looks lie inside each other: at the scope, at the global runtime, and innermost, by `outside`, at whatever else
/// there is. If none finds a change nothing moved at that innermost moment, however these make each other go on.
fn evidence(
    scope: &Scope,
    next_timer: Option<Instant>,
    deadline: Instant,
    outside: &dyn Fn() -> bool,
) -> Evidence {
    let first = Stock::of(scope);
    let global = Stock::of_global_runtime();
    let others = first.moves()
        || global.moves()
        || outside()
        || global_runtime_acts(&global, deadline)
        || snapshot::listens(scope);
    // Before the second look, as the timers of the global runtime. A goroutine that another thread polls may have
    // armed one since the last turn.
    let next_timer = next_timer.into_iter().chain(snapshot::next_timer(scope)).min();
    let second = Stock::of(scope);
    let in_time = next_timer.filter(|at| *at <= deadline);
    if others || !first.lasts_until(&second) || second.is_external() {
        return Evidence::Outside(in_time);
    }
    in_time.map_or(Evidence::None, Evidence::Timer)
}

/// Whether another runtime does something, or a thread lives that is not ours: `thread_lives`. These may start each
/// other, so the runtime is asked on both sides. What a thread starts there, and what starts a thread in turn, is
/// missed if both are over between two looks.
fn anybody_outside(other: Option<&dyn OtherRuntime>, thread_lives: impl Fn() -> bool) -> bool {
    let other = || other.is_some_and(OtherRuntime::is_alive);
    other() || thread_lives() || other()
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

/// Whether goroutines that belong to no test, but to the process, may still release one of ours, or may have done
/// something since the look `before`.
fn global_runtime_acts(before: &Stock, deadline: Instant) -> bool {
    match snapshot::global_runtime_since(before) {
        Elsewhere::Quiet => false,
        Elsewhere::Timer(at) => at <= deadline,
        Elsewhere::Moving => true,
    }
}

#[cfg(test)]
mod tests {
    use core::task::{Context, Waker};
    use std::pin::pin;
    use std::sync::mpsc;
    use std::task::Wake;
    use std::thread;

    use gmp_core::runtime::{Builder, Runtime};
    use gmp_core::time::sleep;
    use gmp_core::{Chan, chan, go};

    use super::*;

    /// A runtime with one goroutine, which waits for a message that it does not say from whom.
    fn waits(runtime: &Runtime) -> Chan<u32> {
        let ch = chan::<u32>(0);
        let from = ch.clone();
        drop(runtime.go(async move { from.recv().await }));
        while moving(runtime.scope()) > 0 {
            runtime.drive(|driver| driver.turn(&|| false));
        }
        ch
    }

    /// The evidence if `happens` while the threads are counted, none of which is listed.
    fn evidence_beside(scope: &Scope, happens: impl Fn()) -> Evidence {
        let none_listed = || {
            happens();
            false
        };
        evidence(scope, None, Instant::now() + Duration::from_secs(60), &none_listed)
    }

    fn on_a_thread(f: impl FnOnce() + Send) {
        thread::scope(|s| s.spawn(f).join()).expect("no panic");
    }

    #[test]
    fn a_goroutine_of_the_global_runtime_that_a_thread_started_and_left_is_evidence() {
        let runtime = Builder::new().watch(true).build();
        let ch = waits(&runtime);
        let (goes_on, may_go) = mpsc::channel::<()>();
        let may_go = Mutex::new(Some(may_go));
        let starts = || {
            let (to, may_go) = (ch.clone(), may_go.lock().expect("no panic").take());
            on_a_thread(|| {
                drop(go(async move {
                    // It runs, and has not sent yet.
                    _ = may_go.map(|may_go| may_go.recv());
                    to.send(7).await;
                }));
            });
        };
        assert!(matches!(evidence_beside(runtime.scope(), starts), Evidence::Outside(_)));
        drop(goes_on);
    }

    #[test]
    fn a_goroutine_of_the_global_runtime_that_came_and_went_is_evidence() {
        let runtime = Builder::new().watch(true).build();
        let _ch = waits(&runtime);
        // It may have started a thread that was not counted.
        let comes = || on_a_thread(|| gmp_core::block_on(go(async {})).expect("no panic"));
        assert!(matches!(evidence_beside(runtime.scope(), comes), Evidence::Outside(_)));
    }

    /// A runtime with a task that a thread starts.
    #[derive(Default)]
    struct Tasks(AtomicUsize);

    impl OtherRuntime for Tasks {
        fn is_alive(&self) -> bool {
            self.0.load(Ordering::SeqCst) > 0
        }

        fn judges(&self, _: &Progress) -> bool {
            false
        }
    }

    #[test]
    fn a_task_that_a_thread_started_and_left_is_evidence() {
        let tasks = Tasks::default();
        let starts = || {
            on_a_thread(|| _ = tasks.0.fetch_add(1, Ordering::SeqCst));
            false
        };
        assert!(anybody_outside(Some(&tasks), starts));
    }

    /// Says that it wakes, and takes until it is told to go on.
    struct Slow(mpsc::SyncSender<()>, Mutex<mpsc::Receiver<()>>);

    impl Wake for Slow {
        fn wake(self: Arc<Self>) {
            let _ = self.0.send(());
            let _ = self.1.lock().expect("no panic").recv();
        }
    }

    #[test]
    fn a_timer_that_has_fired_and_woken_nobody_yet_is_evidence() {
        let runtime = Builder::new().watch(true).procs(2).build();
        let _ch = waits(&runtime);
        let ((says, wakes), (goes_on, may_go)) = (mpsc::sync_channel(1), mpsc::channel());
        let waker = Waker::from(Arc::new(Slow(says, Mutex::new(may_go))));
        let fires = || {
            let entered = runtime.scope().enter();
            let mut sleeps = pin!(sleep(Duration::from_millis(1)));
            assert!(sleeps.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            drop(entered);
            wakes.recv().expect("it fires");
        };
        let found = evidence_beside(runtime.scope(), fires);
        drop(goes_on);
        assert!(matches!(found, Evidence::Outside(_)));
    }
}
