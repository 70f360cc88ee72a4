//! Where the thread of a body on tokio and the M of its test meet.

use core::sync::atomic::{AtomicBool, Ordering};
use core::task::Waker;
use core::time::Duration;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use ::tokio::runtime::{Handle, RuntimeFlavor};
use gmp_core::runtime::Scope;
use gmp_core::snapshot;

use super::session::Session;
use super::start::Threads;
use super::stranger::{SETTLES, least};
use crate::leak::progress::Progress;
use crate::leak::quiesce::OtherRuntime;

/// How long the thread of the body may take to answer, on a machine that is busy. In code that does not wait it
/// never does.
const ANSWERS: Duration = Duration::from_secs(3);
/// How often the M that waits says that it is there.
const BEAT: Duration = Duration::from_millis(1);

/// How long a thread whose call has returned may take to end, on a machine that is busy.
const IDLE: Duration = Duration::from_millis(500);

/// What the two tell each other.
pub(super) struct Desk {
    steps: Mutex<Steps>,
    changed: Condvar,
    /// Of the future that drives the body.
    waker: Mutex<Option<Waker>>,
    asked: AtomicBool,
    runtime: OnceLock<Handle>,
    session: Arc<Session>,
    pub(super) threads: Arc<Threads>,
}

#[derive(Default)]
struct Steps {
    started: bool,
    taken: bool,
}

impl Desk {
    pub(super) fn new(session: Arc<Session>) -> Self {
        Self {
            steps: Mutex::default(),
            changed: Condvar::new(),
            waker: Mutex::default(),
            asked: AtomicBool::new(false),
            runtime: OnceLock::new(),
            session,
            threads: Arc::default(),
        }
    }

    /// By the thread of the body: it runs, or never will.
    pub(super) fn start(&self, runtime: Option<&Handle>) {
        if let Some(runtime) = runtime {
            let _ = self.runtime.set(runtime.clone());
        }
        lock(&self.steps).started = true;
        self.changed.notify_all();
    }

    /// The runtime, once it has started.
    pub(super) fn runtime(&self) -> Option<&Handle> {
        self.runtime.get()
    }

    /// Waits until the body has started.
    pub(super) fn wait_for_start(&self) {
        let steps = lock(&self.steps);
        drop(self.changed.wait_while(steps, |steps| !steps.started));
    }

    /// By the thread of the body: whether it is asked to judge, and whom to wake when it is.
    pub(super) fn is_asked(&self, waker: &Waker) -> bool {
        let before = lock(&self.waker).replace(waker.clone());
        drop(before);
        // SeqCst: whoever asks and finds no waker is seen here.
        self.asked.load(Ordering::SeqCst)
    }

    /// By the thread of the body: it has come to judge.
    pub(super) fn take(&self) {
        lock(&self.steps).taken = true;
        self.changed.notify_all();
    }

    /// Whether the thread of the body has come to judge.
    pub(super) fn is_taken(&self) -> bool {
        lock(&self.steps).taken
    }

    /// Tasks of the runtime that are no goroutines.
    pub(super) fn others(&self) -> usize {
        let Some(runtime) = self.runtime.get() else { return 0 };
        runtime.metrics().num_alive_tasks().saturating_sub(self.session.tasks())
    }

    /// Blocking calls that are no goroutines, and still run after [`IDLE`]. A task that blocks in place has a
    /// thread too.
    pub(super) fn foreign_calls(&self, scope: &Scope) -> usize {
        let count = || {
            let ours = self.session.calls() + self.session.queued();
            match self.threads.blocking().saturating_sub(ours) {
                0 => 0,
                others => {
                    let all = snapshot::read(scope);
                    others.saturating_sub(all.iter().filter(|g| g.hosted && g.running).count())
                }
            }
        };
        least(IDLE, count)
    }

    /// As [`others`](Self::others), without those that end at this moment.
    pub(super) fn others_that_stay(&self) -> usize {
        let flavor = self.runtime.get().map(Handle::runtime_flavor);
        let within =
            if flavor == Some(RuntimeFlavor::MultiThread) { SETTLES } else { Duration::ZERO };
        least(within, || self.others())
    }
}

impl OtherRuntime for Desk {
    fn is_alive(&self) -> bool {
        self.others() > 0 || self.session.queued() > 0 || self.threads.blocking() > 0
    }

    fn judges(&self, progress: &Progress) -> bool {
        self.asked.store(true, Ordering::SeqCst);
        let waker = lock(&self.waker).clone();
        waker.into_iter().for_each(Waker::wake);
        let asked = Instant::now();
        let mut steps = lock(&self.steps);
        while !steps.taken && asked.elapsed() < ANSWERS {
            progress.beat();
            let waited = self.changed.wait_timeout(steps, BEAT);
            steps = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        steps.taken
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
