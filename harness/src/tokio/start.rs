//! The tokio runtime of a test: its options, and its start.

use core::future::Future;
use core::sync::atomic::{AtomicUsize, Ordering};
use core::time::Duration;
use std::cell::RefCell;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use ::tokio::runtime::{Builder, Handle, LocalOptions, LocalRuntime, Runtime};
use gmp_core::runtime::{Entered, Scope};

use crate::leak::census;

/// How long a thread for blocking calls waits for the next one. Whoever is there longer has work.
const KEEP_ALIVE: Duration = Duration::from_millis(4);

/// How long the workers may take to start.
const STARTS: Duration = Duration::from_secs(1);

/// Which runtime of tokio a test runs on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Flavor {
    /// One thread, the body's: what `#[tokio::test]` has.
    #[default]
    CurrentThread,
    /// The body's thread, and workers beside it.
    MultiThread,
    /// One thread, where tasks need not be `Send`.
    Local,
}

/// The runtime of a test, as the option `tokio(..)` describes it.
///
/// ```
/// use gmp::tokio::{Flavor, Settings};
/// let settings = Settings { flavor: Flavor::MultiThread, ..Settings::default() };
/// assert_eq!(settings.worker_threads, None);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// The flavour.
    pub flavor: Flavor,
    /// Workers of [`Flavor::MultiThread`]; `None` for as many as the machine has processors.
    pub worker_threads: Option<usize>,
    /// Whether tokio's clock starts paused.
    pub start_paused: bool,
}

/// The threads that tokio started for one runtime, workers apart.
#[derive(Default)]
pub(super) struct Threads {
    alive: AtomicUsize,
    workers: AtomicUsize,
}

impl Threads {
    /// Threads that have not ended.
    pub(super) fn alive(&self) -> usize {
        self.alive.load(Ordering::SeqCst)
    }

    /// Threads that run blocking calls, or did a moment ago.
    pub(super) fn blocking(&self) -> usize {
        let workers = self.workers.load(Ordering::SeqCst);
        self.alive().saturating_sub(workers)
    }
}

thread_local! {
    /// The scope that a thread of a test's runtime belongs to.
    static SCOPE: RefCell<Option<Entered>> = const { RefCell::new(None) };
}

/// A started runtime.
pub(super) enum Started {
    Shared(Runtime),
    Local(LocalRuntime),
}

impl Started {
    /// Starts the runtime. What its threads start belongs to `scope`.
    pub(super) fn new(
        settings: &Settings,
        scope: &Arc<Scope>,
        threads: &Arc<Threads>,
    ) -> std::io::Result<Self> {
        let mut builder = match settings.flavor {
            Flavor::MultiThread => Builder::new_multi_thread(),
            Flavor::CurrentThread | Flavor::Local => Builder::new_current_thread(),
        };
        if let (Flavor::MultiThread, Some(workers)) = (settings.flavor, settings.worker_threads) {
            builder.worker_threads(workers);
        }
        builder.enable_all().thread_keep_alive(KEEP_ALIVE);
        if settings.start_paused {
            builder.start_paused(true);
        }
        let (of_thread, started) = (scope.clone(), threads.clone());
        builder.on_thread_start(move || {
            started.alive.fetch_add(1, Ordering::SeqCst);
            census::register_for_good();
            SCOPE.set(Some(of_thread.enter()));
        });
        let stopped = threads.clone();
        builder.on_thread_stop(move || {
            stopped.alive.fetch_sub(1, Ordering::SeqCst);
            drop(SCOPE.take());
        });
        #[cfg(tokio_unstable)]
        super::unstable::watch_tasks(&mut builder, scope);
        let started = match settings.flavor {
            Flavor::Local => Self::Local(builder.build_local(LocalOptions::default())?),
            _ => Self::Shared(builder.build()?),
        };
        let workers = started.handle().metrics().num_workers();
        if settings.flavor == Flavor::MultiThread {
            threads.workers.store(workers, Ordering::SeqCst);
            // One that has not started would later be taken for a thread of a blocking call, or hide one.
            let building = Instant::now();
            while threads.alive() < workers && building.elapsed() < STARTS {
                thread::yield_now();
            }
        }
        Ok(started)
    }

    pub(super) fn handle(&self) -> &Handle {
        match self {
            Self::Shared(runtime) => runtime.handle(),
            Self::Local(runtime) => runtime.handle(),
        }
    }

    pub(super) fn block_on<F: Future>(&self, future: F) -> F::Output {
        match self {
            Self::Shared(runtime) => runtime.block_on(future),
            Self::Local(runtime) => runtime.block_on(future),
        }
    }

    /// Ends it: drops what is left of its tasks and waits for its threads, at most this long.
    pub(super) fn shut_down(self, at_most: Duration) {
        match self {
            Self::Shared(runtime) => runtime.shutdown_timeout(at_most),
            Self::Local(runtime) => runtime.shutdown_timeout(at_most),
        }
    }
}
