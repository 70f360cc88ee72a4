//! Goroutines that stand for tasks which were spawned behind our back: they say that the task is there.

use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use gmp_core::inspect::Location;
use gmp_core::runtime::Scope;
use gmp_core::runtime::host::{self, Hosted};

use super::session::Session;
use crate::leak::census::Ours;

/// Said of a task that only tokio's count tells of.
#[cfg(not(tokio_unstable))]
const UNKNOWN: &str = "a tokio task that was not spawned through `gmp::tokio::spawn`: its line is not known. Spawn \
                       it with `gmp::tokio::spawn`, or build with `RUSTFLAGS=\"--cfg tokio_unstable\"`";
/// Said of a task that tokio told of.
#[cfg(tokio_unstable)]
const UNKNOWN: &str =
    "a tokio task that was not spawned through `gmp::tokio::spawn`: where it waits is not known";

/// Said of a blocking call that only its thread tells of.
const UNKNOWN_CALL: &str = "a call of tokio's `spawn_blocking` that was not started through \
                            `gmp::tokio::spawn_blocking`: its line is not known";

/// The most that are made.
const MOST: usize = 1_000;
/// The most that have a thread.
const MOST_CALLS: usize = 64;

/// How long a task that ends may be in tokio's count and in none of ours.
pub(super) const SETTLES: Duration = Duration::from_millis(50);
/// How often is counted meanwhile.
const BEAT: Duration = Duration::from_millis(1);

/// The least of several counts, as long as there is something to count and the time is not over.
pub(super) fn least(within: Duration, count: impl Fn() -> usize) -> usize {
    let began = Instant::now();
    let mut least = count();
    while least > 0 && began.elapsed() < within {
        thread::sleep(BEAT);
        least = least.min(count());
    }
    least
}

/// Never ends, and keeps its waker: what may wake the task is not known.
pub(super) struct Stranger(Option<Waker>);

impl Future for Stranger {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.get_or_insert_with(|| cx.waker().clone());
        Poll::Pending
    }
}

/// A goroutine that stands for a task, spawned at `at`.
pub(super) fn stand_in(scope: &Arc<Scope>, session: &Session, at: Location) -> Hosted<Stranger> {
    let mut hosted = Hosted::new(scope, Stranger(None), at);
    session.note(hosted.id(), UNKNOWN);
    let _ = Pin::new(&mut hosted).poll(&mut Context::from_waker(Waker::noop()));
    hosted
}

/// Goroutines that stand for `count` tasks of which nothing is known but that they are there.
pub(super) fn stand_ins(
    scope: &Arc<Scope>,
    session: &Session,
    count: usize,
    at: Location,
) -> Vec<Hosted<Stranger>> {
    (0..count.min(MOST)).map(|_| stand_in(scope, session, at)).collect()
}

/// Threads that stand for blocking calls of which nothing is known but that they run.
pub(super) struct Calls {
    /// Each waits until its sender is dropped.
    ends: Vec<mpsc::Sender<()>>,
    threads: Vec<JoinHandle<()>>,
}

impl Calls {
    /// Goroutines that stand for `count` calls.
    pub(super) fn stand_in(
        scope: &Arc<Scope>,
        session: &Arc<Session>,
        count: usize,
        at: Location,
    ) -> Self {
        let mut calls = Self { ends: Vec::new(), threads: Vec::new() };
        for _ in 0..count.min(MOST_CALLS) {
            let (end, ends) = mpsc::channel();
            let (tell, runs) = mpsc::channel();
            let (scope, session) = (scope.clone(), session.clone());
            let call = move |id| {
                session.note(id, UNKNOWN_CALL);
                let _ = tell.send(());
                // Not a wait of ours: it is in the middle of a call, as the one it stands for.
                let _ = ends.recv();
            };
            let thread = thread::Builder::new().name("gmp-call".into()).spawn(move || {
                let _ours = Ours::register();
                let _ = catch_unwind(AssertUnwindSafe(|| {
                    host::run_thread_bound(&scope, None, at, call);
                }));
            });
            // Without a thread nothing is told of this one but that it stays behind.
            let Ok(thread) = thread else { continue };
            let _ = runs.recv();
            calls.ends.push(end);
            calls.threads.push(thread);
        }
        calls
    }
}

impl Drop for Calls {
    fn drop(&mut self) {
        self.ends.clear();
        self.threads.drain(..).for_each(|thread| drop(thread.join()));
    }
}
