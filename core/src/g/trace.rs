//! Trace polls: one poll of a frozen goroutine that shows where it waits and changes nothing.
//!
//! A leaf of ours that is registered captures the stack and returns `Pending` untouched. A leaf
//! that is not, or that has fired, wakes its goroutine and returns `Pending`: the goroutine was not
//! stuck. A foreign future shows itself when it clones the tracing waker.

use core::panic::AssertUnwindSafe;
use core::ptr::NonNull;
use core::task::{Context, Poll};
use std::panic::catch_unwind;

use super::cell::Header;
use super::gref::GRef;
use super::{current, waker};
use crate::inspect::Location;

/// Receives each place that a traced goroutine waits at: the line of our leaf, or `None` where a
/// foreign future registered interest. It is called at the bottom of the stack it may capture, and
/// gets an address in the frame of the poll root: frames above that address are the runtime's.
pub type Sink<'a> = dyn FnMut(Option<Location>, usize) + 'a;

/// What a trace poll found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Traced {
    /// Parked, as it was.
    Parked,
    /// It completed, performed an operation or woke itself: it had only lost a wake-up.
    Progressed,
    /// Its poll panicked.
    Panicked,
}

/// A trace poll in progress.
pub(crate) struct Tracing {
    sink: NonNull<Sink<'static>>,
    root: usize,
    progressed: bool,
}

/// Polls the claimed goroutine `g` once with tracing wakers.
pub(crate) fn poll(g: &GRef, sink: &mut Sink<'_>) -> Traced {
    let poll = |cx: &mut Context<'_>| {
        // The registry's reference of one that completes is dropped.
        current::enter(g.as_ptr(), || Header::poll(g.as_ptr(), cx).map(drop))
    };
    poll_by(g, sink, poll)
}

/// As [`poll`], by a function that polls the future of `g`, for whoever has that future.
#[inline(never)]
pub(super) fn poll_by(
    g: &GRef,
    sink: &mut Sink<'_>,
    poll: impl FnOnce(&mut Context<'_>) -> Poll<()>,
) -> Traced {
    let root = 0u8;
    let sink: *mut Sink<'_> = sink;
    let mut tracing = Tracing {
        // SAFETY: a reference is not null. The lifetime is erased; `tracing` is unset below,
        // before the sink's borrow ends.
        sink: unsafe {
            NonNull::new_unchecked(core::mem::transmute::<*mut Sink<'_>, *mut Sink<'static>>(sink))
        },
        root: core::ptr::from_ref(core::hint::black_box(&root)).addr(),
        progressed: false,
    };
    let waker = waker::for_trace(g.as_ptr());
    current::set_tracing(Some(NonNull::from(&mut tracing)));
    let polled = catch_unwind(AssertUnwindSafe(|| poll(&mut Context::from_waker(&waker))));
    current::set_tracing(None);
    match polled {
        Err(_) => Traced::Panicked,
        Ok(Poll::Ready(())) => Traced::Progressed,
        Ok(Poll::Pending) if tracing.progressed => Traced::Progressed,
        Ok(Poll::Pending) => Traced::Parked,
    }
}

/// A leaf at `at` was reached. `untouched`: it is registered and has not fired.
pub(super) fn leaf(at: Location, untouched: bool) {
    let Some(mut tracing) = current::tracing() else { return };
    // SAFETY: `poll` above keeps `tracing` alive, and only this thread uses it.
    let tracing = unsafe { tracing.as_mut() };
    tracing.progressed |= !untouched;
    capture(tracing, Some(at));
}

/// A foreign future cloned the tracing waker.
pub(super) fn foreign_registration() {
    if let Some(mut tracing) = current::tracing() {
        // SAFETY: as in `leaf`.
        capture(unsafe { tracing.as_mut() }, None);
    }
}

/// The goroutine being traced did something.
pub(crate) fn progressed() {
    if let Some(mut tracing) = current::tracing() {
        // SAFETY: as in `leaf`.
        unsafe { tracing.as_mut() }.progressed = true;
    }
}

fn capture(tracing: &mut Tracing, at: Option<Location>) {
    // The sink is the inspector's own code, but it walks the stack: it must not see itself traced.
    current::set_tracing(None);
    // SAFETY: the sink outlives the poll, see `poll`.
    let sink = unsafe { tracing.sink.as_mut() };
    sink(at, tracing.root);
    current::set_tracing(Some(NonNull::from(tracing)));
}
