//! `spawn`, `spawn_blocking` and `spawn_local`: tokio's own, with the task in the scope of whoever spawns.

use core::future::Future;

use ::tokio::task::JoinHandle;

#[cfg(feature = "test")]
use super::tracked::Place;

/// As [`tokio::spawn`]. Where a scope is inspected, the task belongs to it.
///
/// # Panics
/// Outside a tokio runtime.
///
/// ```
/// #[gmp::test(tokio)]
/// async fn the_answer_comes() {
///     let answer = gmp::tokio::spawn(async { 6 * 7 });
///     assert_eq!(answer.await.unwrap(), 42);
/// }
/// # fn main() {}
/// ```
#[track_caller]
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    #[cfg(feature = "test")]
    if let Some(place) = Place::here() {
        return place.spawns(|place| ::tokio::spawn(place.track(future)));
    }
    ::tokio::spawn(future)
}

/// As [`tokio::task::spawn_blocking`]. Where a scope is inspected, the call
/// belongs to it: it is reported if it still runs when the test has ended, and a `blocking_recv` of gmp
/// that it is stuck in is left by unwinding.
///
/// # Panics
/// Outside a tokio runtime.
#[track_caller]
pub fn spawn_blocking<F, R>(call: F) -> JoinHandle<R>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    #[cfg(feature = "test")]
    if let Some(place) = Place::here() {
        return ::tokio::task::spawn_blocking(place.blocking(call));
    }
    ::tokio::task::spawn_blocking(call)
}

/// As [`tokio::task::spawn_local`]. Where a scope is inspected, the task
/// belongs to it, even if its `LocalSet` is forgotten.
///
/// # Panics
/// Outside a `LocalSet` and a `LocalRuntime`.
#[track_caller]
pub fn spawn_local<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    #[cfg(feature = "test")]
    if let Some(place) = Place::here() {
        return place.spawns(|place| ::tokio::task::spawn_local(place.track_local(future)));
    }
    ::tokio::task::spawn_local(future)
}
