//! Starting a goroutine in a scope.

use core::future::Future;
use std::sync::Arc;

use super::{GRef, JoinHandle, Origin, Scope, current, fork, point};
use crate::inspect::{Location, Operation};

/// Starts a goroutine in `scope`.
pub(crate) fn go_in<F>(scope: &Arc<Scope>, future: F, at: Location) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    if fork::generation() != 0 {
        scope.schedule().check_fork();
    }
    point::before(Operation::Go, Some(at));
    let watch = scope.watch().cloned();
    let origin = Origin::here(scope, at);
    let (queued, joined) = GRef::new(future, &origin);
    if let (Some(watch), Some(parent)) = (&watch, origin.parent) {
        watch.inherit_context(parent, queued.id());
        if let Some((at, by)) = current::origin() {
            watch.note_origin(parent, at, by);
        }
    }
    if origin.scope.is_closed() {
        let runtime_is_gone = origin.scope.schedule().is_shut_down();
        queued.refuse();
        if runtime_is_gone {
            // Nobody will come to drop it.
            let _ = joined.discard_idle();
        }
    } else {
        crate::g::trace::progressed();
        origin.scope.schedule().enqueue(queued);
    }
    JoinHandle::new(joined, watch, at)
}
