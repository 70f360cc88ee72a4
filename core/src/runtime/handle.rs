//! `Runtime` and its builder.

use core::future::Future;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use super::shutdown::shut_down;
use super::spawn::Main;
use crate::g::{JoinHandle, Origin, Scope, ThreadG};
use crate::inspect::Metrics;
use crate::sched::{MAX_PROCS, Machine, PanicPolicy, Shared, Turn, shards_for};
use crate::time::clock::Clock;

/// Builds a [`Runtime`].
#[derive(Debug, Default)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct Builder {
    watch: bool,
    procs: Option<usize>,
    virtual_time: bool,
    ignore_external: bool,
    schedtrace: Option<Duration>,
    scheddetail: Option<bool>,
    explored: bool,
    panics: PanicPolicy,
}

/// A goroutine runtime.
///
/// Without [`Builder::procs`] it has one P and no thread of its own: goroutines run inside
/// [`block_on`](Self::block_on), on the thread that calls it, in an order that is deterministic. With it,
/// goroutines run on that many [Ps](crate::runtime#ps), on threads that the runtime starts when it needs them.
///
/// Dropping it drops every future that is left, in the context of the runtime, with panics caught. If it
/// has threads, they end first: the drop waits for polls in progress, see
/// [`shutdown_timeout`](Self::shutdown_timeout). Inside one of its own goroutines it does not wait.
pub struct Runtime {
    shared: Arc<Shared>,
    root: Arc<Scope>,
    ignore_external: bool,
}

impl Builder {
    /// A builder with the defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Keeps records of the primitives made on this runtime, so that the leak detector can tell where
    /// they were made and who can still use them. Off by default.
    pub fn watch(mut self, watch: bool) -> Self {
        self.watch = watch;
        self
    }

    /// Gives the runtime `procs` [Ps](crate::runtime#ps) and threads of its own.
    ///
    /// ```
    /// let runtime = gmp_core::runtime::Builder::new().procs(2).build();
    /// assert_eq!(runtime.procs(), 2);
    /// let seven = runtime.go(async { 7 });
    /// assert_eq!(runtime.block_on(seven).unwrap(), 7);
    /// ```
    ///
    /// # Panics
    /// If `procs` is zero or more than 1,024.
    #[doc(alias = "GOMAXPROCS")]
    pub fn procs(mut self, procs: usize) -> Self {
        check(procs);
        self.procs = Some(procs);
        self
    }

    /// Gives the runtime a virtual clock. It stands still while anything runs. When all goroutines are parked,
    /// whatever they wait for, it moves straight to the next timer: an hour of sleep takes no time, and the
    /// order of timers is exact to the nanosecond. [`time::now`](crate::time::now) follows it.
    ///
    /// It also stands still while somebody outside may still make a goroutine ready, that is while a waker
    /// clone is alive: a foreign future, I/O, a thread. See [`ignore_external`](Self::ignore_external).
    ///
    /// ```
    /// use gmp_core::time::{now, sleep};
    /// use std::time::Duration;
    ///
    /// let hour = Duration::from_secs(3600);
    /// gmp_core::runtime::Builder::new().virtual_time().build().block_on(async {
    ///     let before = now();
    ///     sleep(hour).await;
    ///     assert_eq!(now() - before, hour);
    /// });
    /// ```
    #[doc(alias = "synctest")]
    pub fn virtual_time(mut self) -> Self {
        self.virtual_time = true;
        self
    }

    /// Lets a virtual clock move although a waker clone is alive: for combinators that keep clones of wakers
    /// inside a goroutine, such as `FuturesUnordered`.
    pub fn ignore_external(mut self) -> Self {
        self.ignore_external = true;
        self
    }

    /// What the panic of a goroutine of this runtime means for the process: that it is reported to whoever joins,
    /// or the end.
    ///
    /// ```
    /// use gmp_core::runtime::{Builder, PanicPolicy};
    ///
    /// let runtime = Builder::new().panics(PanicPolicy::Report).build();
    /// let fails = runtime.go(async { panic!("no disk") });
    /// let error = runtime.block_on(fails).unwrap_err();
    /// assert_eq!(error.to_string(), "the goroutine panicked: no disk");
    /// ```
    pub fn panics(mut self, policy: PanicPolicy) -> Self {
        self.panics = policy;
        self
    }

    /// Prints the state of the scheduler to standard error, now and every so often until the runtime ends, as
    /// [`GMP_DEBUG=schedtrace=1000`](crate::runtime#environment) does for every runtime of the process.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// // SCHED 1004ms: gomaxprocs=2 idleprocs=0 threads=4 spinningthreads=0 idlethreads=1 runqueue=0 [4 0]
    /// gmp_core::runtime::Builder::new().schedtrace(Duration::from_secs(1)).build();
    /// ```
    pub fn schedtrace(mut self, every: Duration) -> Self {
        self.schedtrace = Some(every);
        self
    }

    /// Whether that has a line for each P, M and G too, as [`GMP_DEBUG=scheddetail=1`](crate::runtime#environment)
    /// asks for.
    pub fn scheddetail(mut self, detail: bool) -> Self {
        self.scheddetail = Some(detail);
        self
    }

    /// Lets a [policy](super::policy) decide what happens next, on one P and with a clock that moves only when
    /// a timer fires: a runtime for [`Runtime::play`]. [`procs`](Self::procs) means nothing then.
    pub fn explored(mut self, explored: bool) -> Self {
        self.explored = explored;
        self
    }

    /// Builds the runtime. No thread is started before a goroutine is.
    ///
    /// # Panics
    /// If a virtual clock is asked for beside [`procs`](Self::procs): only with one P that is driven it is
    /// known when everything is parked.
    pub fn build(self) -> Runtime {
        assert!(
            !(self.virtual_time && self.procs.is_some()),
            "gmp: a runtime with threads of its own has no virtual clock; leave `procs` out"
        );
        let clock = if self.virtual_time { Clock::virtual_time() } else { Clock::real() };
        let (shared, shards) = match self.procs {
            _ if self.explored => (Shared::explored(Clock::virtual_time()), 1),
            None => (Shared::driven_by_owner(clock), 1),
            Some(procs) => (Shared::with_machines(procs), shards_for(procs)),
        };
        let root = Scope::new(shared.clone(), shards, self.watch);
        shared.set_root(&root);
        shared.set_panic_policy(self.panics);
        shared.start_schedtrace(self.schedtrace, self.scheddetail);
        Runtime { shared, root, ignore_external: self.ignore_external }
    }
}

/// # Panics
/// If there cannot be so many Ps.
pub(super) fn check(procs: usize) {
    assert!(
        (1..=MAX_PROCS).contains(&procs),
        "gmp: a runtime has 1 to {MAX_PROCS} Ps, not {procs}"
    );
}

impl Runtime {
    /// A runtime with the defaults: one P, no thread of its own.
    pub fn new() -> Self {
        Builder::new().build()
    }

    /// The scope of everything that is started on this runtime.
    pub fn scope(&self) -> &Arc<Scope> {
        &self.root
    }

    pub(super) fn ignores_external(&self) -> bool {
        self.ignore_external
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// How many [Ps](crate::runtime#ps) it has.
    pub fn procs(&self) -> usize {
        self.shared.procs()
    }

    /// What this runtime has counted so far. Always on, and cheap to read.
    pub fn metrics(&self) -> Metrics {
        self.shared.metrics()
    }

    /// Changes the number of Ps. If there are fewer from now on, those too many go when the polls on them
    /// end.
    ///
    /// ```
    /// let runtime = gmp_core::runtime::Builder::new().procs(1).build();
    /// runtime.set_procs(4);
    /// assert_eq!(runtime.procs(), 4);
    /// ```
    ///
    /// # Panics
    /// If `procs` is zero or more than 1,024, or if the runtime was built without [`Builder::procs`]. If a thread
    /// is needed and cannot be had, see [there](crate::runtime#panics).
    pub fn set_procs(&self, procs: usize) {
        check(procs);
        assert!(self.shared.set_procs(procs), "gmp: this runtime has no threads of its own");
    }

    /// Ends the runtime as a drop does, but waits at most for `at_most` until polls in progress end. True
    /// if all did. A goroutine whose poll lasts longer is dropped by its own thread when the poll ends.
    ///
    /// ```
    /// use std::sync::mpsc::channel;
    /// use std::time::Duration;
    ///
    /// let runtime = gmp_core::runtime::Builder::new().procs(1).build();
    /// let (begins, begun) = channel();
    /// let (end, ended) = channel::<()>();
    /// runtime.go(async move {
    ///     begins.send(()).unwrap();
    ///     let _ = ended.recv(); // A poll that lasts.
    /// });
    /// begun.recv().unwrap();
    /// assert!(!runtime.shutdown_timeout(Duration::from_millis(1)));
    /// drop(end);
    /// ```
    pub fn shutdown_timeout(self, at_most: Duration) -> bool {
        shut_down(&self.shared, &self.root, Some(at_most))
    }

    /// Starts a goroutine on this runtime. If the runtime has no threads of its own it runs during
    /// [`block_on`](Self::block_on).
    ///
    /// ```
    /// let runtime = gmp_core::runtime::Runtime::new();
    /// let sum = runtime.go(async { 1 + 2 });
    /// assert!(!sum.is_finished(), "nobody runs it");
    /// assert_eq!(runtime.block_on(sum).unwrap(), 3);
    /// ```
    ///
    /// # Panics
    /// If no thread can be had for it, and in a forked child, see [there](crate::runtime#panics).
    #[track_caller]
    pub fn go<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        crate::g::go_in(&self.root, future, Location::caller())
    }

    /// Runs `main` as the main goroutine, locked to this thread, until it is done.
    ///
    /// If the runtime has no threads of its own this thread runs the other goroutines too; those that are
    /// left stay parked until the next call, or until the runtime is dropped.
    ///
    /// ```
    /// let text = String::from("borrowed");
    /// let runtime = gmp_core::runtime::Runtime::new();
    /// let one = runtime.go(async { 1 });
    /// let sum = runtime.block_on(async { one.await.unwrap() + text.len() });
    /// assert_eq!(sum, 9);
    /// ```
    ///
    /// # Panics
    /// With the panic of `main`. Inside a goroutine; if another thread is running this runtime, which has no
    /// threads of its own; and in a forked child, see [there](crate::runtime#panics).
    #[track_caller]
    pub fn block_on<F: Future>(&self, main: F) -> F::Output {
        let at = Location::caller();
        assert!(
            crate::g::current::goroutine().is_none(),
            "gmp: block_on inside a goroutine would stop its M; use `.await`"
        );
        self.root.schedule().check_fork();
        if self.shared.has_own_machines() {
            return ThreadG::run_main(&Origin::here(&self.root, at), |_| {}, main);
        }
        Machine::run(&self.shared, |machine| {
            let main = Main::start(&Origin::here(&self.root, at), main);
            loop {
                match machine.turn(&|| main.is_done()) {
                    Turn::Stopped | Turn::Lost => break,
                    Turn::Idle(next) => self.idle(machine, next),
                }
            }
            main.finish()
        })
        .expect("gmp: another thread is running this runtime")
    }
}

impl Default for Runtime {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        // `shutdown_timeout` has done what it could in its time.
        if !self.shared.was_shut_down() {
            shut_down(&self.shared, &self.root, None);
        }
    }
}

impl core::fmt::Debug for Runtime {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Runtime").field("goroutines", &self.root.live()).finish_non_exhaustive()
    }
}
