//! `ErrGroup`: goroutines that work on one task, and the first error among them.

use core::fmt;
use core::future::Future;
use std::panic::Location as Panic;
use std::sync::{Arc, OnceLock};

use super::{OwnedPermit, Semaphore, WaitGroup};
use crate::context::{Cancel, Context, with_cancel_cause};
use crate::g::{block_on, go_in};
use crate::inspect::Location;
use crate::sched::scope_here;

/// Goroutines that work on one task, as Go's `errgroup.Group`, as a handle that may be cloned.
///
/// ```
/// use gmp_core::sync::ErrGroup;
///
/// gmp_core::block_on(async {
///     let (group, ctx) = ErrGroup::with_context(&gmp_core::context::background());
///     group.go(async { Err("disk full") });
///     group.go(async move { Ok(drop(ctx.done().await)) });
///     assert_eq!(group.wait().await, Err("disk full"));
/// });
/// ```
pub struct ErrGroup<E> {
    inner: Arc<Inner<E>>,
}

struct Inner<E> {
    running: WaitGroup,
    first: OnceLock<E>,
    cancel: Option<Cancel>,
    limit: Option<Arc<Semaphore>>,
}

impl<E: Clone + Send + Sync + 'static> ErrGroup<E> {
    /// A group without limit and without a context.
    #[track_caller]
    pub fn new() -> Self {
        Self::make(None, None)
    }

    /// A group of at most `limit` goroutines at a time.
    #[track_caller]
    pub fn with_limit(limit: usize) -> Self {
        Self::make(None, Some(limit))
    }

    /// A group and a child of `parent`, which is cancelled at the first error, or else when
    /// [`wait`](Self::wait) returns.
    #[track_caller]
    pub fn with_context(parent: &Context) -> (Self, Context) {
        let (context, cancel) = with_cancel_cause(parent);
        (Self::make(Some(cancel), None), context)
    }

    /// As [`with_context`](Self::with_context), of at most `limit` goroutines at a time.
    #[track_caller]
    pub fn with_context_and_limit(parent: &Context, limit: usize) -> (Self, Context) {
        let (context, cancel) = with_cancel_cause(parent);
        (Self::make(Some(cancel), Some(limit)), context)
    }

    #[track_caller]
    fn make(cancel: Option<Cancel>, limit: Option<usize>) -> Self {
        let at = Panic::caller();
        let limit = limit.map(|limit| Arc::new(Semaphore::new_at(limit as u64, at)));
        let running = WaitGroup::new();
        Self { inner: Arc::new(Inner { running, first: OnceLock::new(), cancel, limit }) }
    }

    /// Starts a goroutine. In a group with a limit it begins its work when there is room; use
    /// [`go_when_free`](Self::go_when_free) to wait for that first.
    #[track_caller]
    pub fn go<F>(&self, work: F)
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
    {
        let at = Panic::caller();
        let limit = self.inner.limit.clone();
        let room = async move {
            match limit {
                Some(limit) => Some(limit.acquire_owned_at(1, at).await),
                None => None,
            }
        };
        self.start(room, work, at);
    }

    /// Waits until there is room in the group, as Go's `Group.Go` does, and starts a goroutine.
    ///
    /// # Cancel safety
    /// The future can be dropped at any time: then the goroutine is not started.
    #[track_caller]
    pub fn go_when_free<F>(&self, work: F) -> impl Future<Output = ()>
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
    {
        let at = Panic::caller();
        let permit = self.inner.limit.clone().map(|limit| limit.acquire_owned_at(1, at));
        async move {
            let room = match permit {
                Some(permit) => Some(permit.await),
                None => None,
            };
            self.start(core::future::ready(room), work, at);
        }
    }

    /// Starts a goroutine if there is room in the group; else drops `work` and returns false.
    #[track_caller]
    pub fn try_go<F>(&self, work: F) -> bool
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
    {
        let room = match self.inner.limit.clone() {
            None => None,
            Some(limit) => match limit.try_acquire_owned(1) {
                None => return false,
                room => room,
            },
        };
        self.start(core::future::ready(room), work, Panic::caller());
        true
    }

    fn start<R, F>(&self, room: R, work: F, at: Location)
    where
        R: Future<Output = Option<OwnedPermit>> + Send + 'static,
        F: Future<Output = Result<(), E>> + Send + 'static,
    {
        let member = Member::new(self.inner.clone(), at);
        let counted = async move {
            let _permit = room.await;
            if let Err(error) = work.await {
                member.failed(error);
            }
        };
        drop(go_in(&scope_here(), counted, at));
    }

    /// Waits until all goroutines have ended, and tells the first error. One that panicked or was aborted
    /// has ended without an error; its panic is reported as that of any goroutine.
    ///
    /// # Errors
    /// The first error that a goroutine returned.
    ///
    /// # Cancel safety
    /// The future can be dropped at any time; nothing is lost.
    #[track_caller]
    pub fn wait(&self) -> impl Future<Output = Result<(), E>> {
        let wait = self.inner.running.wait();
        async move {
            wait.await;
            if let Some(cancel) = &self.inner.cancel {
                cancel.cancel();
            }
            self.inner.first.get().cloned().map_or(Ok(()), Err)
        }
    }

    /// As [`wait`](Self::wait), on a plain thread.
    ///
    /// # Errors
    /// The first error that a goroutine returned.
    ///
    /// # Panics
    /// Inside a goroutine.
    #[track_caller]
    pub fn blocking_wait(&self) -> Result<(), E> {
        block_on(self.wait())
    }
}

/// A goroutine of the group, counted until it ends in whichever way.
struct Member<E> {
    inner: Arc<Inner<E>>,
    at: Location,
}

impl<E> Member<E> {
    fn new(inner: Arc<Inner<E>>, at: Location) -> Self {
        inner.running.add_at(1, at);
        Self { inner, at }
    }

    fn failed(&self, error: E) {
        if self.inner.first.set(error).is_ok()
            && let Some(cancel) = &self.inner.cancel
        {
            cancel.cancel_with(FIRST_ERROR);
        }
    }
}

impl<E> Drop for Member<E> {
    fn drop(&mut self) {
        self.inner.running.add_at(-1, self.at);
    }
}

/// The cause of the cancellation; the error itself is what `wait` returns.
const FIRST_ERROR: &str = "a goroutine of the group failed";

impl<E> Clone for ErrGroup<E> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone() }
    }
}

impl<E: Clone + Send + Sync + 'static> Default for ErrGroup<E> {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}

impl<E: fmt::Debug> fmt::Debug for ErrGroup<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (running, first) = (self.inner.running.count(), self.inner.first.get());
        f.debug_struct("ErrGroup").field("running", &running).field("first", &first).finish()
    }
}
