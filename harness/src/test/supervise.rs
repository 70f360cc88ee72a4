//! A test on two threads: one runs the goroutines and checks, the test's own watches and reports.
//!
//! The standard library's harness captures output by thread and inherits that at `thread::spawn`, and a
//! goroutine may spin for ever. So an async body runs on an M spawned from the test's thread, which
//! waits. If the M does not come back from a poll, the test's thread takes the P away and lets a new M
//! carry on; the old one is abandoned. A plain body stays on the test's thread as a thread-bound
//! goroutine; an M is spawned when the first goroutine needs one, or when an alarm says that the time
//! is over.

use core::panic::Location;
use core::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use gmp_core::inspect::GoroutineId;
use gmp_core::runtime::drive::Driver;
use gmp_core::runtime::{Builder, Runtime};
use gmp_core::snapshot;

use super::alarm::Alarm;
use super::baseline;
use super::descriptor::{Body, Clock, Outcome};
use super::standstill::Standstill;
use crate::leak::census::{self, Ours};
use crate::leak::check::{self, BodyEnd, Checked, Reach};
use crate::leak::leftovers;
use crate::leak::owed::Over;
use crate::leak::probe::{self, Probes};
use crate::leak::progress::{Phase, Progress};
use crate::leak::quiesce::{self, Busy, End, Limits, OtherRuntime};
use crate::leak::still::VirtualClock;

/// How much later than it should an M may be before its P is taken away.
pub(super) const GRACE: Duration = Duration::from_millis(50);
/// How long goroutines that are on their way get after the linger until they are looked at again.
const ANOTHER_TURN: Duration = Duration::from_millis(20);
/// How often the test's thread looks after the M.
const LOOK: Duration = Duration::from_millis(10);
/// How often an M that waits for a result says that it is there.
const BEAT: Duration = Duration::from_millis(1);
/// How long one destructor, or one look at a goroutine, may take.
const BLOCKED: Duration = Duration::from_secs(3);
/// How many Ms in a row may be lost to goroutines that never yield.
const LOST_MS: usize = 64;

/// What a run needs to know of its test.
pub(crate) struct Plan {
    pub(crate) name: String,
    pub(crate) body: Call,
    pub(crate) timeout: Duration,
    pub(crate) linger: Duration,
    pub(crate) clock: Clock,
    /// Ps; one is driven, and its order deterministic.
    pub(crate) procs: usize,
    /// What is left is probed before it is judged.
    pub(crate) probes: bool,
    /// Called on the M if the test's thread never comes back from a plain body.
    pub(crate) last_resort: fn(&str, Checked) -> !,
}

/// A body that can be called once.
pub(crate) enum Call {
    /// Makes its future on the M.
    Async(MakeFuture),
    /// Runs on the test's thread.
    Sync(fn() -> Outcome),
    /// Runs on another runtime.
    #[cfg_attr(not(feature = "tokio"), expect(dead_code, reason = "tokio is the only one"))]
    Elsewhere(RunElsewhere),
}

/// Runs a body on another runtime and checks.
pub(crate) type RunElsewhere =
    Box<dyn FnOnce(&Arc<Run>, &'static Location<'static>) -> Checked + Send>;

/// Makes the future of a body.
pub(crate) type MakeFuture = Box<dyn FnOnce() -> Pin<Box<dyn Future<Output = Outcome>>> + Send>;

impl From<Body> for Call {
    fn from(body: Body) -> Self {
        match body {
            Body::Async(make) => Self::Async(Box::new(make)),
            Body::Sync(call) => Self::Sync(call),
        }
    }
}

/// What stays of a plan once the body was called.
pub(crate) struct Rest {
    name: String,
    /// The body runs on the test's thread.
    is_plain: bool,
    timeout: Duration,
    linger: Duration,
    clock: Option<VirtualClock>,
    probes: bool,
    last_resort: fn(&str, Checked) -> !,
    host: OnceLock<Arc<dyn OtherRuntime>>,
}

/// The run of one test.
pub(crate) struct Run {
    plan: Rest,
    pub(crate) runtime: Runtime,
    pub(crate) progress: Progress,
}

/// Runs a test and checks its scope.
#[track_caller]
pub(crate) fn run(plan: Plan) -> Checked {
    let at = Location::caller();
    let _busy = Busy::begin();
    let builder = Builder::new().watch(true);
    let several = plan.procs > 1;
    let runtime = match plan.clock {
        Clock::Real if several => builder.procs(plan.procs),
        Clock::Real => builder,
        Clock::Virtual | Clock::VirtualIgnoringExternal => builder.virtual_time(),
    }
    .build();
    super::context::attach(runtime.scope());
    let Plan { name, body, timeout, linger, clock, probes, last_resort, .. } = plan;
    let clock = match clock {
        Clock::Real => None,
        Clock::Virtual => Some(VirtualClock::new(false)),
        Clock::VirtualIgnoringExternal => Some(VirtualClock::new(true)),
    };
    let is_plain = matches!(body, Call::Sync(_));
    let host = OnceLock::new();
    let rest = Rest { name, is_plain, timeout, linger, clock, probes, last_resort, host };
    let run = Arc::new(Run { plan: rest, runtime, progress: Progress::new() });
    let watched = run.clone();
    let checked = match body {
        body if several => run.on_several(body, at),
        Call::Async(make) => {
            let on_m = run.clone();
            let m = run.spawn(move || on_m.drive_async(make, at));
            run.watch_over(m)
        }
        Call::Sync(body) => run.sync(body, at),
        Call::Elsewhere(runs) => runs(&run, at),
    };
    if let Some(body) = watched.progress.body() {
        baseline::remove_body(body);
    }
    checked
}

impl Run {
    /// A thread of this test: named after it, with its output capture.
    pub(crate) fn spawn(&self, f: impl FnOnce() + Send + 'static) -> thread::JoinHandle<()> {
        let f = move || {
            let _ours = Ours::register();
            f();
        };
        let spawned = thread::Builder::new().name(self.plan.name.clone()).spawn(f);
        spawned.unwrap_or_else(|e| panic!("gmp: the system refused a thread for the test: {e}"))
    }

    /// The goroutine with this id is the body.
    pub(crate) fn set_body(&self, id: GoroutineId) {
        self.progress.set_body(id);
        baseline::add_body(id);
    }

    /// Another runtime polls the body.
    #[cfg_attr(not(feature = "tokio"), expect(dead_code, reason = "tokio is the only one"))]
    pub(crate) fn hosted_by(&self, host: Arc<dyn OtherRuntime>) {
        let _ = self.plan.host.set(host);
    }

    /// How far the body may go.
    pub(crate) fn limits(&self) -> Limits<'_> {
        Limits {
            deadline: self.deadline(),
            clock: self.plan.clock.as_ref(),
            other: self.plan.host.get().map(|host| &**host),
            linger: None,
            moment: None,
        }
    }

    /// Whether another runtime may still do something.
    fn outside(&self) -> bool {
        self.plan.host.get().is_some_and(|host| host.is_alive())
    }

    fn deadline(&self) -> Instant {
        let began = self.progress.began();
        // A time-out out of range never comes; a century is as good.
        let never = Duration::from_secs(100 * 365 * 24 * 3600);
        began.checked_add(self.plan.timeout).unwrap_or(began + never)
    }

    /// On the M: runs an async body and checks.
    fn drive_async(&self, make: MakeFuture, at: &'static Location<'static>) {
        self.runtime.drive(|driver| {
            self.progress.set_m(census::own_number());
            let body = driver.start(at, async move { make().await });
            self.set_body(body.id());
            let scope = self.runtime.scope();
            let done = || {
                self.progress.beat();
                body.is_done()
            };
            let end = match quiesce::drive(driver, scope, &self.limits(), &done) {
                End::Lost => return,
                End::Asleep => BodyEnd::Asleep,
                End::TimedOut => BodyEnd::TimedOut(self.plan.timeout),
                End::Done => match body.take() {
                    Some(Ok(outcome)) => BodyEnd::Returned(outcome.0),
                    Some(Err(payload)) => BodyEnd::Panicked(payload),
                    None => BodyEnd::Returned(false),
                },
            };
            self.progress.set_end(end);
            self.settle(driver, false);
        });
    }

    /// On the test's thread: runs a plain body, with an M on demand.
    fn sync(self: Arc<Self>, body: fn() -> Outcome, at: &'static Location<'static>) -> Checked {
        let (started, m) = std::sync::mpsc::channel();
        let run = self.clone();
        self.runtime.on_demand(move || {
            let on_m = run.clone();
            let _ = started.send(run.spawn(move || on_m.drive_bound()));
        });
        let run = Arc::downgrade(&self);
        let ring = move || run.upgrade().into_iter().for_each(Self::time_is_over);
        let alarm = Alarm::set(self.deadline(), ring);
        self.run_bound(body, |id| self.set_body(id), at);
        drop(alarm);
        if !self.runtime.is_driven() {
            let end = self.progress.take_end().map_or(BodyEnd::Asleep, |(end, _)| end);
            let scope = self.runtime.scope();
            scope.close();
            let leftovers = leftovers::of(scope, &[]);
            return Checked { leftovers, ..Checked::clean(end, scope) };
        }
        match m.recv() {
            Ok(m) => self.watch_over(m),
            Err(_) => panic!("gmp: the M of the test did not start"),
        }
    }

    /// On the alarm's thread: a plain body has not ended in time.
    fn time_is_over(self: Arc<Self>) {
        if !self.runtime.is_driven() {
            return self.runtime.demand();
        }
        // The M that runs has seen it too, unless it is lost to a goroutine that never yields.
        let run = self.clone();
        self.spawn(move || {
            thread::sleep(GRACE);
            if run.progress.phase().0 == Phase::Body && !run.progress.is_body_done() {
                let _ = run.clone().take_over().join();
                run.leave_without_body();
            }
        });
    }

    /// On the M, or on a thread that watches Ms: sees to the goroutines of a body that is bound to its thread, and
    /// checks.
    pub(super) fn drive_bound(&self) {
        self.runtime.drive(|driver| {
            let end = self.drive_beside_body(driver, LOOK);
            if end == End::Lost {
                return;
            }
            self.settle(driver, false);
            if end == End::TimedOut && self.plan.is_plain {
                self.leave_without_body();
            }
        });
    }

    /// On the M, or on a thread that watches Ms: runs what a body on another thread started, and timers, until it
    /// has ended, and notes how. A body that has left the registry is looked for again after `look`.
    pub(crate) fn drive_beside_body(&self, driver: &Driver<'_>, look: Duration) -> End {
        let scope = self.runtime.scope();
        let done = || {
            self.progress.beat();
            self.progress.is_body_done()
        };
        self.progress.set_m(census::own_number());
        let mut end = quiesce::drive(driver, scope, &self.limits(), &done);
        // It has left the registry, and says so in a moment: then it was not asleep.
        while end == End::Asleep && self.body_has_left() {
            driver.sleep(Some(Instant::now() + look));
            end = quiesce::drive(driver, scope, &self.limits(), &done);
        }
        match end {
            End::Lost | End::Done => {}
            End::Asleep => self.progress.set_end(BodyEnd::Asleep),
            End::TimedOut => self.progress.set_end(BodyEnd::TimedOut(self.plan.timeout)),
        }
        end
    }

    /// Whether the body, which was started, is no goroutine of the scope any more.
    fn body_has_left(&self) -> bool {
        let body = self.progress.body();
        !snapshot::read(self.runtime.scope()).iter().any(|reading| Some(reading.id) == body)
    }

    /// A plain body sits in a call that gmp cannot leave: the report must not wait for it.
    fn leave_without_body(&self) {
        let waiting = Instant::now();
        while waiting.elapsed() < BLOCKED {
            if self.progress.is_body_done() {
                return;
            }
            thread::sleep(LOOK);
        }
        if let Some(checked) = self.progress.wait(Duration::ZERO) {
            (self.plan.last_resort)(&self.plan.name, checked);
        }
    }

    /// On an M: lets goroutines finish after the body's end, then judges what is left.
    pub(crate) fn settle(&self, driver: &Driver<'_>, body_is_elsewhere: bool) {
        let scope = self.runtime.scope();
        let mut probes = Probes::new();
        if self.progress.body_finished() {
            super::context::cancel(scope);
            if self.linger(driver) == End::Lost {
                return;
            }
            if self.plan.probes {
                probes = probe::run(scope, || self.linger(driver) != End::Lost);
            }
        }
        if self.plan.host.get().is_some_and(|host| host.judges(&self.progress)) {
            // The M stays until the result is there: without it the test would count as broken.
            while !self.progress.is_finished() {
                self.progress.beat();
                thread::sleep(BEAT);
            }
            return;
        }
        // Taken by whoever carries on; nobody else then does.
        let Some((end, since)) = self.progress.take_end() else { return };
        let body = self.progress.body();
        let checked = if scope.live() == 0 {
            scope.close();
            let took = since.elapsed();
            Checked { took, leftovers: leftovers::of(scope, &[]), ..Checked::clean(end, scope) }
        } else {
            let reach = Reach { body, body_is_elsewhere, spare_ready_tasks: false };
            check::close_and_judge(scope, &self.progress, &reach, end, since)
        };
        self.progress.finish(Checked { probes, ..self.told_of_clock(checked) });
    }

    /// A body that has not ended in time while its virtual clock stood still: the report says who stopped it.
    fn told_of_clock(&self, mut checked: Checked) -> Checked {
        if let (BodyEnd::TimedOut(_), Some(clock)) = (&checked.body, &self.plan.clock) {
            checked.notes.extend(clock.note());
        }
        checked
    }

    /// Lets goroutines finish. The linger counts from the moment when nobody is ready. When it is over, whoever is
    /// on the way gets a turn: on a busy machine, or where there are very many, they may not have had one.
    fn linger(&self, driver: &Driver<'_>) -> End {
        let scope = self.runtime.scope();
        let empty = || {
            self.progress.beat();
            // Twice: what is outside may come in while it is looked at.
            scope.live() == 0 && !self.outside() && scope.live() == 0
        };
        let mut limits = self.limits();
        limits.deadline = Instant::now() + self.plan.linger;
        limits.linger = Some(self.plan.linger);
        limits.moment = scope.now().checked_add(self.plan.linger);
        let mut over: Option<Over> = None;
        loop {
            let end = quiesce::drive(driver, scope, &limits, &empty);
            self.progress.enter(Phase::Settling);
            let mut goes_on =
                || over.get_or_insert_with(|| Over::now(scope)).goes_on(scope, &limits);
            if end != End::TimedOut || !goes_on() {
                return end;
            }
            limits.linger = None;
            limits.deadline = Instant::now() + ANOTHER_TURN;
        }
    }

    /// On the test's thread: waits for the result, and takes the P away from an M that is lost.
    pub(crate) fn watch_over(self: Arc<Self>, m: thread::JoinHandle<()>) -> Checked {
        let mut m = m;
        for _ in 0..LOST_MS {
            if let Some(checked) = self.wait(&m) {
                end(m);
                return checked;
            }
            if self.progress.phase().0 == Phase::Reaping {
                break;
            }
            m = self.clone().take_over();
        }
        let end = self.progress.take_end().map(|(end, _)| end);
        let end = end
            .or_else(|| self.progress.told_end())
            .unwrap_or(BodyEnd::TimedOut(self.plan.timeout));
        self.progress.give_up();
        check::give_up(self.runtime.scope(), &self.progress, end)
    }

    /// How long a linger may take: with very many goroutines a look at all of them takes a while.
    fn settles_within(&self) -> Duration {
        self.plan.linger + GRACE + self.times_live(Duration::from_micros(5))
    }

    /// How long the check may take from one drop to the next; before the first it reads them all.
    fn reaps_within(&self) -> Duration {
        let read = u32::try_from(self.progress.published().len()).unwrap_or(u32::MAX);
        let each = Duration::from_micros(50);
        BLOCKED + self.times_live(each).max(each.saturating_mul(read))
    }

    fn times_live(&self, each: Duration) -> Duration {
        each.saturating_mul(u32::try_from(self.runtime.scope().live()).unwrap_or(u32::MAX))
    }

    /// Waits for the result; `None` if the M is lost: it is late, and has stood still for a while.
    fn wait(&self, m: &thread::JoinHandle<()>) -> Option<Checked> {
        let mut still = Standstill::new(&self.progress);
        loop {
            if let Some(checked) = self.progress.wait(LOOK) {
                return Some(checked);
            }
            let stands = still.lasts(&self.progress) > GRACE;
            let (phase, lasted) = self.progress.phase();
            let late = match phase {
                Phase::Body => stands && Instant::now() > self.deadline() + GRACE,
                Phase::Settling => stands && lasted > self.settles_within(),
                Phase::Reaping => lasted > self.reaps_within(),
            };
            if late {
                return None;
            }
            assert!(
                !m.is_finished() || self.progress.is_finished(),
                "gmp: the M of the test ended without a result; its panic is printed above"
            );
        }
    }

    /// Starts an M that takes the P away from the one that is lost.
    fn take_over(self: Arc<Self>) -> thread::JoinHandle<()> {
        if self.progress.phase().0 == Phase::Body {
            self.progress.set_end(BodyEnd::TimedOut(self.plan.timeout));
        }
        self.progress.enter(Phase::Settling);
        let run = self.clone();
        self.spawn(move || {
            let mut still = Standstill::new(&run.progress);
            // The M may have come back by now: then it goes on, and this one only waits.
            while !run.progress.is_finished() {
                let settle = |driver: &Driver<'_>| {
                    run.progress.set_m(census::own_number());
                    run.settle(driver, !run.plan.is_plain);
                };
                if still.lasts(&run.progress) >= LOOK && run.runtime.drive_taken(settle).is_some() {
                    return;
                }
                thread::sleep(LOOK);
            }
        })
    }
}

/// Waits for the end of an M that gave its result, unless it was lost before: it is abandoned then.
pub(crate) fn end(m: thread::JoinHandle<()>) {
    let waiting = Instant::now();
    while !m.is_finished() {
        if waiting.elapsed() > GRACE {
            return;
        }
        thread::yield_now();
    }
    let _ = m.join();
}
