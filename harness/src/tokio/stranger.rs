//! Goroutines that stand for tasks which were spawned behind our back: they say that the task is there.

use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use std::sync::Arc;

use gmp_core::inspect::Location;
use gmp_core::runtime::Scope;
use gmp_core::runtime::host::Hosted;

use super::session::Session;

/// Said of a task that only tokio's count tells of.
#[cfg(not(tokio_unstable))]
const UNKNOWN: &str = "a tokio task that was not spawned through `gmp::tokio::spawn`: its line is not known. Spawn \
                       it with `gmp::tokio::spawn`, or build with `RUSTFLAGS=\"--cfg tokio_unstable\"`";
/// Said of a task that tokio told of.
#[cfg(tokio_unstable)]
const UNKNOWN: &str =
    "a tokio task that was not spawned through `gmp::tokio::spawn`: where it waits is not known";

/// The most that are made.
const MOST: usize = 1_000;

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
