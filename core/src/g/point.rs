//! Where the operations of goroutines meet the policy of an explored runtime, if there is one.
//!
//! Everywhere else each of these calls is one load of a word that nobody writes, and one branch.

use core::cell::Cell;
use core::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::current;
use crate::inspect::{Location, Operation, WaitReason};

/// What an explored runtime does at the operations of its goroutines.
pub(crate) trait Points {
    /// The running goroutine is about to do something that it awaits. False: others run first, and it is
    /// to return `Pending`, made ready.
    fn awaited(&self, at: Location, reason: WaitReason) -> bool;
    /// The running goroutine is about to do something that it does not await.
    fn before(&self, operation: Operation, at: Option<Location>);
    /// The running goroutine has found nothing to do, and is going to look again.
    fn idles(&self);
    /// One of `n`.
    fn choose(&self, n: usize) -> usize;
    /// The running goroutine has panicked.
    fn panicked(&self);
    /// Whether panics are part of the search, and nobody wants to read of them.
    fn is_quiet(&self) -> bool;
}

/// How many threads run goroutines of explored runtimes. Relaxed everywhere: a thread that is one of them
/// has counted itself.
static EXPLORED: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static HERE: Cell<Option<NonNull<dyn Points>>> = const { Cell::new(None) };
}

/// This thread runs goroutines of an explored runtime while the value lives.
pub(crate) struct Exploring<'a> {
    before: Option<NonNull<dyn Points>>,
    _points: core::marker::PhantomData<&'a dyn Points>,
}

impl<'a> Exploring<'a> {
    pub(crate) fn new(points: &'a (dyn Points + 'static)) -> Self {
        EXPLORED.fetch_add(1, Ordering::Relaxed);
        let before = HERE.replace(Some(NonNull::from(points)));
        Self { before, _points: core::marker::PhantomData }
    }
}

impl Drop for Exploring<'_> {
    fn drop(&mut self) {
        HERE.set(self.before);
        EXPLORED.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Whether a runtime of this process is explored.
#[inline]
pub(crate) fn explored() -> bool {
    EXPLORED.load(Ordering::Relaxed) != 0
}

/// Runs `f` with the points of this thread, if it runs goroutines of an explored runtime.
fn here<R>(f: impl FnOnce(&dyn Points) -> R) -> Option<R> {
    // A destructor of the thread may still do operations when the slot is gone.
    let points = HERE.try_with(Cell::get).ok()??;
    // SAFETY: `Exploring` borrows what it points to, and unsets it before it goes.
    Some(f(unsafe { points.as_ref() }))
}

/// The address of the points of this thread, to compare with.
pub(crate) fn address() -> *const () {
    HERE.try_with(Cell::get)
        .ok()
        .flatten()
        .map_or(core::ptr::null(), |points| points.as_ptr().cast())
}

/// As [`Points::awaited`]; without a policy the budget of the poll decides.
#[cold]
#[inline(never)]
pub(crate) fn awaited(at: Location, reason: WaitReason) -> bool {
    here(|points| points.awaited(at, reason)).unwrap_or_else(current::spend)
}

/// As [`Points::before`].
#[inline]
pub(crate) fn before(operation: Operation, at: Option<Location>) {
    if explored() {
        before_explored(operation, at);
    }
}

#[cold]
#[inline(never)]
fn before_explored(operation: Operation, at: Option<Location>) {
    here(|points| points.before(operation, at));
}

/// As [`Points::idles`].
#[inline]
pub(crate) fn idles() {
    if explored() {
        here(|points| points.idles());
    }
}

/// A choice of the policy; `None` without one.
#[inline]
pub(crate) fn choose(n: usize) -> Option<usize> {
    if explored() { here(|points| points.choose(n)) } else { None }
}

/// As [`Points::is_quiet`]; false without a policy.
pub(crate) fn is_quiet() -> bool {
    explored() && here(|points| points.is_quiet()).unwrap_or(false)
}

/// As [`Points::panicked`].
pub(crate) fn panicked() {
    if explored() {
        here(|points| points.panicked());
    }
}
