//! Panics of tasks: which of them somebody has received.
//!
//! tokio drops the result of a task that nobody joins inside that very task, as far as its id tells; whoever
//! joins one drops it anywhere else. So the payload itself can tell what became of it.

use core::fmt;
use core::sync::atomic::{AtomicBool, Ordering};
use std::any::Any;
use std::sync::Arc;

use gmp_core::inspect::PanicNote;

use ::tokio::task::Id;

/// A panic of a tracked task.
#[derive(Debug)]
pub(super) struct PanicRecord {
    pub(super) note: PanicNote,
    /// The task as tokio numbers it.
    task: Option<Id>,
    received: AtomicBool,
}

impl PanicRecord {
    /// For a panic of the task that is polled here.
    pub(super) fn new(note: PanicNote) -> Arc<Self> {
        let received = AtomicBool::new(false);
        Arc::new(Self { note, task: ::tokio::task::try_id(), received })
    }

    /// Whether somebody has taken it out of tokio.
    pub(super) fn is_received(&self) -> bool {
        // Acquire: pairs with the store in `drop`.
        self.received.load(Ordering::Acquire)
    }
}

/// The payload of a panic of a tracked task, as [`JoinError::into_panic`](::tokio::task::JoinError::into_panic)
/// gives it: it lets the detector know whether anybody has received the panic.
///
/// ```
/// #[gmp::test(tokio)]
/// async fn it_panics() {
///     let error = gmp::tokio::spawn(async { panic!("no luck") }).await.unwrap_err();
///     let panic = error.into_panic().downcast::<gmp::tokio::TaskPanic>().unwrap();
///     assert_eq!(panic.message(), "no luck");
///     assert!(panic.into_payload().is::<&str>());
/// }
/// # fn main() {}
/// ```
pub struct TaskPanic {
    payload: Option<Box<dyn Any + Send>>,
    record: Arc<PanicRecord>,
}

impl TaskPanic {
    pub(super) fn new(payload: Box<dyn Any + Send>, record: Arc<PanicRecord>) -> Self {
        Self { payload: Some(payload), record }
    }

    /// Whoever it was thrown at has received it.
    pub(super) fn receive(payload: &(dyn Any + Send)) {
        if let Some(panic) = payload.downcast_ref::<Self>() {
            panic.record.received.store(true, Ordering::Release);
        }
    }

    /// The text of the panic.
    pub fn message(&self) -> &str {
        &self.record.note.message
    }

    /// What the task panicked with.
    pub fn into_payload(mut self) -> Box<dyn Any + Send> {
        self.payload.take().unwrap_or_else(|| Box::new(()))
    }
}

impl fmt::Debug for TaskPanic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TaskPanic").field(&self.message()).finish()
    }
}

impl Drop for TaskPanic {
    fn drop(&mut self) {
        let here = ::tokio::task::try_id();
        if self.record.task.is_none() || here != self.record.task {
            // Release: pairs with `is_received`.
            self.record.received.store(true, Ordering::Release);
        }
    }
}
