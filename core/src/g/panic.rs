//! Panics of user code that the runtime has caught: what is kept of them, what is noted, what is dropped.

use core::panic::AssertUnwindSafe;
use core::ptr::NonNull;
use std::any::Any;
use std::panic::catch_unwind;

use super::cell::Header;
use super::{JoinError, exit, point};
use crate::inspect::PanicNote;

/// What a panic carries.
pub(crate) type Payload = Box<dyn Any + Send>;

/// A payload whose own destructor panics would take the process down; it is leaked instead.
pub(crate) fn forget_payload(payload: Payload) {
    if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        core::mem::forget(second);
    }
}

/// Drops a value of the user's; a panic ends here.
pub(crate) fn drop_caught<T>(value: T) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(value))) {
        forget_payload(payload);
    }
}

/// Notes a panic of `g` in its scope, unless it is an exit.
pub(super) fn panicked(g: NonNull<Header>, payload: Payload) -> JoinError {
    if exit::is_exit(&payload) {
        return JoinError::exited();
    }
    point::panicked();
    // SAFETY: the goroutine is being polled, so it is alive and registered.
    let (header, scope) = unsafe { (g.as_ref(), g.as_ref().scope()) };
    let (goroutine, created_at) = (header.id, header.created_at);
    let note = PanicNote { goroutine, created_at, message: payload_message(&*payload) };
    scope.schedule().on_panic(&note, header.parent());
    if let Some(watch) = scope.watch() {
        watch.note_panic(note);
    }
    JoinError::panicked(payload)
}

/// The text of a panic payload.
pub(crate) fn payload_message(payload: &(dyn Any + Send)) -> String {
    payload
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic whose payload is no text".to_string())
}
