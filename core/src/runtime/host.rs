//! Goroutines that another runtime polls: what a bridge to that runtime stands on.

use std::sync::Arc;

pub use crate::g::{Ended, Hosted};
use crate::g::{Origin, Scope, ThreadG, current};
use crate::inspect::{GoroutineId, Location, PanicNote};

/// The scope that whatever is started here belongs to, if somebody inspects it. Starts nothing.
pub fn watched_scope() -> Option<Arc<Scope>> {
    current::scope().filter(|scope| scope.watch().is_some() && !scope.schedule().is_shut_down())
}

/// Runs `body` on this thread as a goroutine of `scope` that `parent` started at `at`: its blocking calls are
/// seen, what it starts belongs to it, and reaping it unwinds out of `body` with a
/// [`Reaped`](super::Reaped) payload.
pub fn run_thread_bound<R>(
    scope: &Arc<Scope>,
    parent: Option<GoroutineId>,
    at: Location,
    body: impl FnOnce(GoroutineId) -> R,
) -> R {
    ThreadG::run(&Origin { scope, parent, at }, |g| body(g.id()))
}

/// Notes a panic in `scope` that nobody has received.
pub fn note_panic(scope: &Scope, note: PanicNote) {
    if let Some(watch) = scope.watch() {
        watch.note_panic(note);
    }
}
