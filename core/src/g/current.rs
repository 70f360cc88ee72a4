//! What this thread is doing: the goroutine it polls, its budget of operations, a trace in progress.

use core::cell::Cell;
use core::ptr::NonNull;
use std::cell::RefCell;
use std::sync::Arc;

use super::trace::Tracing;
use super::{Header, Scope};
use crate::inspect::{GoroutineId, Location, PrimitiveKind, Record, Watch};

/// Operations that one poll may complete before it yields, so that a loop over ready channels
/// lets others run. Counted, not timed: the one-P flavour stays deterministic.
const BUDGET: u32 = 256;

struct Current {
    g: Cell<Option<NonNull<Header>>>,
    tracing: Cell<Option<NonNull<Tracing>>>,
    budget: Cell<u32>,
}

thread_local! {
    static CURRENT: Current = const {
        Current { g: Cell::new(None), tracing: Cell::new(None), budget: Cell::new(BUDGET) }
    };
    /// The scope that `go` on this plain thread starts goroutines in. Gone while the thread ends:
    /// destructors that run then belong to no scope.
    static THREAD_SCOPE: RefCell<Option<Arc<Scope>>> = const { RefCell::new(None) };
}

/// The goroutine that this thread polls.
#[inline]
pub(crate) fn goroutine() -> Option<NonNull<Header>> {
    CURRENT.with(|c| c.g.get())
}

/// Its id.
pub(crate) fn id() -> Option<GoroutineId> {
    // SAFETY: whoever polls a goroutine keeps its cell alive.
    goroutine().map(|g| unsafe { g.as_ref() }.id())
}

/// The goroutine that this thread runs: its id and the line that started it.
pub fn who() -> Option<(GoroutineId, Location)> {
    // SAFETY: as in `id`.
    goroutine().map(|g| unsafe { (g.as_ref().id(), g.as_ref().created_at()) })
}

/// Runs `f` as a poll of `g`, with a fresh budget.
pub(crate) fn enter<R>(g: NonNull<Header>, f: impl FnOnce() -> R) -> R {
    struct Leave(Option<NonNull<Header>>, u32);
    impl Drop for Leave {
        fn drop(&mut self) {
            CURRENT.with(|c| {
                c.g.set(self.0);
                c.budget.set(self.1);
            });
        }
    }
    let _leave = CURRENT.with(|c| Leave(c.g.replace(Some(g)), c.budget.replace(BUDGET)));
    f()
}

/// Takes one operation from the budget. False when the poll has to yield first.
#[inline]
pub(crate) fn spend() -> bool {
    CURRENT.with(|c| match c.budget.get() {
        0 => {
            c.budget.set(BUDGET);
            false
        }
        left => {
            // A plain thread that drives a leaf itself has nobody to yield to.
            c.budget.set(if c.g.get().is_some() { left - 1 } else { BUDGET });
            true
        }
    })
}

/// The trace poll in progress on this thread.
#[inline]
pub(crate) fn tracing() -> Option<NonNull<Tracing>> {
    CURRENT.with(|c| c.tracing.get())
}

pub(crate) fn set_tracing(tracing: Option<NonNull<Tracing>>) {
    CURRENT.with(|c| c.tracing.set(tracing));
}

/// The scope that whatever is started here belongs to: the goroutine's, else the thread's.
pub(crate) fn scope() -> Option<Arc<Scope>> {
    match goroutine() {
        // SAFETY: a polled goroutine is registered, so its scope is alive.
        Some(g) => Some(unsafe { g.as_ref().scope_arc() }),
        None => THREAD_SCOPE.try_with(|s| s.borrow().clone()).ok()?,
    }
}

/// Sets the scope of this plain thread and returns the one before.
pub(crate) fn set_thread_scope(scope: Option<Arc<Scope>>) -> Option<Arc<Scope>> {
    THREAD_SCOPE.with(|s| s.replace(scope))
}

/// A record for a primitive made here; `None` where no scope watches.
pub(crate) fn record(kind: PrimitiveKind, at: Location) -> Option<Arc<Record>> {
    match goroutine() {
        // SAFETY: a polled goroutine is registered, so its scope is alive.
        Some(g) => unsafe { g.as_ref().scope() }.record(kind, at),
        None => THREAD_SCOPE.try_with(|s| s.borrow().as_ref()?.record(kind, at)).ok()?,
    }
}

/// Runs `f` with the id of the current goroutine and the watch of its scope, if there are both.
pub(crate) fn watched<R>(f: impl FnOnce(GoroutineId, &Watch) -> R) -> Option<R> {
    // SAFETY: a polled goroutine is alive and registered, so its scope is alive too.
    let (g, scope) = goroutine().map(|g| unsafe { (g.as_ref(), g.as_ref().scope()) })?;
    Some(f(g.id(), scope.watch()?))
}
