//! A task of tokio that stands for a goroutine of a scope.

use core::cell::Cell;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::sync::Arc;

use gmp_core::inspect::GoroutineId;
use gmp_core::runtime::host::{self, Ended, Hosted};
use gmp_core::runtime::{Reaped, Scope};
use gmp_core::snapshot;

use super::session::Session;

thread_local! {
    /// The task that tokio makes at this moment on this thread is ours.
    static OURS: Cell<bool> = const { Cell::new(false) };
}

/// Whether the task that tokio makes on this thread is one of ours.
#[cfg_attr(not(tokio_unstable), expect(dead_code, reason = "tokio tells of its tasks only then"))]
pub(super) fn spawns_ours() -> bool {
    OURS.get()
}

/// Where a task is spawned, and in which scope.
pub(super) struct Place {
    scope: Arc<Scope>,
    session: Arc<Session>,
    parent: Option<GoroutineId>,
    at: &'static Location<'static>,
}

impl Place {
    /// The place of the caller; `None` where nobody inspects.
    #[track_caller]
    pub(super) fn here() -> Option<Self> {
        let scope = host::watched_scope()?;
        let session = Session::of(&scope);
        let parent = snapshot::who().map(|(id, _)| id);
        Some(Self { scope, session, parent, at: Location::caller() })
    }

    /// Runs `spawn`, which hands a task of ours to tokio.
    #[track_caller]
    pub(super) fn spawns<R>(self, spawn: impl FnOnce(Self) -> R) -> R {
        struct Back(bool);
        impl Drop for Back {
            fn drop(&mut self) {
                OURS.set(self.0);
            }
        }
        let _back = Back(OURS.replace(true));
        spawn(self)
    }

    pub(super) fn track<F>(self, future: F) -> Tracked<F>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let hosted = Hosted::new(&self.scope, future, self.at);
        self.session.count_task(1);
        Tracked { hosted, session: self.session, at: self.at, counts: true }
    }

    pub(super) fn track_local<F: Future + 'static>(self, future: F) -> Tracked<F> {
        let hosted = Hosted::new_local(&self.scope, future, self.at);
        let counts = self.session.counts_local();
        if counts {
            self.session.count_task(1);
        }
        Tracked { hosted, session: self.session, at: self.at, counts }
    }

    /// The call, as a goroutine on whichever thread runs it.
    pub(super) fn blocking<F, R>(self, call: F) -> impl FnOnce() -> R + Send + 'static
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        let Self { scope, session, parent, at } = self;
        let queued = session.queue_call();
        move || {
            let _runs = session.start_call();
            if scope.is_closed() {
                // The test is over: it was never started.
                resume_unwind(Box::new(Reaped));
            }
            host::run_thread_bound(&scope, parent, at, |id| {
                drop(queued);
                match catch_unwind(AssertUnwindSafe(call)) {
                    Ok(output) => output,
                    Err(payload) if payload.is::<Reaped>() => resume_unwind(payload),
                    Err(payload) => resume_unwind(session.panicked(id, at, payload)),
                }
            })
        }
    }
}

/// The future that tokio polls.
pub(super) struct Tracked<F: Future> {
    hosted: Hosted<F>,
    session: Arc<Session>,
    at: &'static Location<'static>,
    /// The runtime counts it among its tasks; a `LocalSet` does not.
    counts: bool,
}

impl<F: Future + 'static> Future for Tracked<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        match ready!(Pin::new(&mut self.hosted).poll(cx)) {
            Ok(output) => Poll::Ready(output),
            Err(Ended::Panicked(payload)) => {
                let id = self.hosted.id();
                resume_unwind(self.session.panicked(id, self.at, payload))
            }
            // Reaped: whoever joins it gets an error, without a word from the panic hook.
            Err(Ended::Dropped) => resume_unwind(Box::new(Reaped)),
        }
    }
}

impl<F: Future> Drop for Tracked<F> {
    fn drop(&mut self) {
        if self.counts {
            self.session.count_task(-1);
        }
    }
}
