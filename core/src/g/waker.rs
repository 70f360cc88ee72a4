//! The wakers of a goroutine: the one it is polled with, and the one of a trace poll.

use core::mem::ManuallyDrop;
use core::ptr::NonNull;
use core::task::{RawWaker, RawWakerVTable, Waker};

use super::cell::Header;
use super::{current, trace};

/// Clones are counted in the state word: a live clone means somebody foreign may wake.
static PLAIN: RawWakerVTable = RawWakerVTable::new(clone, wake, wake_by_ref, drop_clone);

/// The waker of a trace poll is never cloned: what clones it gets a plain one, and is captured.
static TRACING: RawWakerVTable =
    RawWakerVTable::new(clone_traced, wake_traced, wake_by_ref_traced, drop_traced);

/// The waker for a poll of `g`. It is not counted: whoever polls holds a reference.
pub(super) fn for_poll(g: NonNull<Header>) -> ManuallyDrop<Waker> {
    borrowed(g, &PLAIN)
}

/// The waker for a trace poll of `g`.
pub(super) fn for_trace(g: NonNull<Header>) -> ManuallyDrop<Waker> {
    borrowed(g, &TRACING)
}

fn borrowed(g: NonNull<Header>, vtable: &'static RawWakerVTable) -> ManuallyDrop<Waker> {
    // SAFETY: the vtable's functions accept a pointer to a live header. The result is never
    // dropped and is used only during the poll, while the poller's reference keeps it alive.
    ManuallyDrop::new(unsafe { Waker::from_raw(RawWaker::new(g.as_ptr().cast(), vtable)) })
}

/// Whether `waker` makes exactly `g` ready.
pub(super) fn is_of(waker: &Waker, g: NonNull<Header>) -> bool {
    waker.data() == g.as_ptr().cast_const().cast()
        && (core::ptr::eq(waker.vtable(), &PLAIN) || core::ptr::eq(waker.vtable(), &TRACING))
}

fn header(data: *const ()) -> NonNull<Header> {
    // SAFETY: all our wakers are made from a non-null header.
    unsafe { NonNull::new_unchecked(data.cast_mut().cast()) }
}

unsafe fn clone(data: *const ()) -> RawWaker {
    // SAFETY: the waker being cloned keeps the cell alive.
    let g = unsafe { header(data).as_ref() };
    g.state().waker_inc();
    // A clone of a clone has a first one behind it, which was made during a poll.
    if current::goroutine() == Some(header(data)) {
        // SAFETY: a polled goroutine is registered, so its scope is alive.
        unsafe { g.scope() }.note_outside();
    }
    RawWaker::new(data, &PLAIN)
}

unsafe fn wake(data: *const ()) {
    // SAFETY: the waker keeps the cell alive for both calls; it is consumed by the second.
    unsafe {
        wake_by_ref(data);
        drop_clone(data);
    }
}

unsafe fn wake_by_ref(data: *const ()) {
    Header::ready_by_ref(header(data));
}

unsafe fn drop_clone(data: *const ()) {
    // SAFETY: this waker was counted by `clone`.
    unsafe { Header::drop_waker(header(data)) };
}

unsafe fn clone_traced(data: *const ()) -> RawWaker {
    trace::foreign_registration();
    // SAFETY: the tracing waker keeps the cell alive.
    unsafe { clone(data) }
}

unsafe fn wake_traced(data: *const ()) {
    // SAFETY: as for `wake_by_ref`. A tracing waker is not counted, so nothing is dropped.
    unsafe { wake_by_ref_traced(data) };
}

unsafe fn wake_by_ref_traced(data: *const ()) {
    trace::progressed();
    // SAFETY: the tracing waker keeps the cell alive.
    unsafe { wake_by_ref(data) };
}

unsafe fn drop_traced(_: *const ()) {}
