//! A `JoinSet` whose tasks belong to the scope of whoever spawns them.

use core::fmt;
use core::future::Future;
use core::task::{Context, Poll};

use ::tokio::runtime::Handle;
use ::tokio::task::{AbortHandle, Id, JoinError, LocalSet};

#[cfg(feature = "test")]
use super::tracked::Place;

/// As [`tokio::task::JoinSet`], with tasks that the detector sees.
///
/// ```
/// #[gmp::test(tokio)]
/// async fn all_end() {
///     let mut set = gmp::tokio::JoinSet::new();
///     set.spawn(async { 1 });
///     set.spawn(async { 2 });
///     assert_eq!(set.join_all().await.iter().sum::<i32>(), 3);
/// }
/// # fn main() {}
/// ```
pub struct JoinSet<T>(::tokio::task::JoinSet<T>);

impl<T> JoinSet<T> {
    /// An empty set.
    pub fn new() -> Self {
        Self(::tokio::task::JoinSet::new())
    }

    /// Tasks in the set.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether no task is in the set.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<T: 'static> JoinSet<T> {
    /// Spawns a task on the current runtime.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    #[track_caller]
    pub fn spawn<F>(&mut self, future: F) -> AbortHandle
    where
        F: Future<Output = T> + Send + 'static,
        T: Send,
    {
        #[cfg(feature = "test")]
        if let Some(place) = Place::here() {
            return place.spawns(|place| self.0.spawn(place.track(future)));
        }
        self.0.spawn(future)
    }

    /// Spawns a task on another runtime.
    #[track_caller]
    pub fn spawn_on<F>(&mut self, future: F, handle: &Handle) -> AbortHandle
    where
        F: Future<Output = T> + Send + 'static,
        T: Send,
    {
        #[cfg(feature = "test")]
        if let Some(place) = Place::here() {
            return place.spawns(|place| self.0.spawn_on(place.track(future), handle));
        }
        self.0.spawn_on(future, handle)
    }

    /// Spawns a task on the current `LocalSet` or `LocalRuntime`.
    ///
    /// # Panics
    /// Outside of both.
    #[track_caller]
    pub fn spawn_local<F>(&mut self, future: F) -> AbortHandle
    where
        F: Future<Output = T> + 'static,
    {
        #[cfg(feature = "test")]
        if let Some(place) = Place::here() {
            return place.spawns(|place| self.0.spawn_local(place.track_local(future)));
        }
        self.0.spawn_local(future)
    }

    /// Spawns a task on a `LocalSet`.
    #[track_caller]
    pub fn spawn_local_on<F>(&mut self, future: F, set: &LocalSet) -> AbortHandle
    where
        F: Future<Output = T> + 'static,
    {
        #[cfg(feature = "test")]
        if let Some(place) = Place::here() {
            return place.spawns(|place| self.0.spawn_local_on(place.track_local(future), set));
        }
        self.0.spawn_local_on(future, set)
    }

    /// Runs a blocking call on the current runtime.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    #[track_caller]
    pub fn spawn_blocking<F>(&mut self, call: F) -> AbortHandle
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send,
    {
        #[cfg(feature = "test")]
        if let Some(place) = Place::here() {
            return self.0.spawn_blocking(place.blocking(call));
        }
        self.0.spawn_blocking(call)
    }

    /// Runs a blocking call on another runtime.
    #[track_caller]
    pub fn spawn_blocking_on<F>(&mut self, call: F, handle: &Handle) -> AbortHandle
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send,
    {
        #[cfg(feature = "test")]
        if let Some(place) = Place::here() {
            return self.0.spawn_blocking_on(place.blocking(call), handle);
        }
        self.0.spawn_blocking_on(call, handle)
    }

    /// Waits until one of the tasks has ended; `None` if the set is empty.
    ///
    /// # Cancel safety
    /// A call that is dropped takes no task out.
    pub async fn join_next(&mut self) -> Option<Result<T, JoinError>> {
        self.0.join_next().await
    }

    /// As [`join_next`](Self::join_next), with the id of the task.
    pub async fn join_next_with_id(&mut self) -> Option<Result<(Id, T), JoinError>> {
        self.0.join_next_with_id().await
    }

    /// Takes a task out that has ended already.
    pub fn try_join_next(&mut self) -> Option<Result<T, JoinError>> {
        self.0.try_join_next()
    }

    /// As [`try_join_next`](Self::try_join_next), with the id of the task.
    pub fn try_join_next_with_id(&mut self) -> Option<Result<(Id, T), JoinError>> {
        self.0.try_join_next_with_id()
    }

    /// Polls for a task that has ended.
    pub fn poll_join_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<T, JoinError>>> {
        self.0.poll_join_next(cx)
    }

    /// Waits for all tasks, in the order in which they end.
    ///
    /// # Panics
    /// If one of them panicked.
    pub async fn join_all(self) -> Vec<T> {
        self.0.join_all().await
    }

    /// Aborts all tasks and waits for them.
    pub async fn shutdown(&mut self) {
        self.0.shutdown().await;
    }

    /// Aborts all tasks; they stay in the set until they are joined.
    pub fn abort_all(&mut self) {
        self.0.abort_all();
    }

    /// Takes all tasks out and lets them go on.
    pub fn detach_all(&mut self) {
        self.0.detach_all();
    }

    /// tokio's own set, with the tasks of this one.
    pub fn into_inner(self) -> ::tokio::task::JoinSet<T> {
        self.0
    }
}

impl<T> Default for JoinSet<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for JoinSet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<T, F> FromIterator<F> for JoinSet<T>
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    #[track_caller]
    fn from_iter<I: IntoIterator<Item = F>>(futures: I) -> Self {
        let mut set = Self::new();
        for future in futures {
            set.spawn(future);
        }
        set
    }
}
