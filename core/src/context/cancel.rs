//! Ending a context: the cancel handle, the error and the cause.

use core::fmt;
use std::error::Error;
use std::panic::Location as Panic;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::node::Node;
use crate::g::{current, point};
use crate::inspect::{GoroutineId, Location, Operation};

/// Why a context was cancelled.
pub type Cause = Arc<dyn Error + Send + Sync>;

/// Why a context is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ContextError {
    /// It, or an ancestor, was cancelled.
    Canceled = 1,
    /// Its deadline, or that of an ancestor, has passed.
    DeadlineExceeded = 2,
}

impl ContextError {
    /// The error with this number; `None` for others.
    pub(super) fn from_number(number: u8) -> Option<Self> {
        [Self::Canceled, Self::DeadlineExceeded].into_iter().find(|e| *e as u8 == number)
    }
}

impl fmt::Display for ContextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Canceled => "context canceled",
            Self::DeadlineExceeded => "context deadline exceeded",
        })
    }
}

impl Error for ContextError {}

/// How a context ended.
#[derive(Clone)]
pub(super) struct End {
    pub(super) error: ContextError,
    pub(super) cause: Option<Cause>,
    pub(super) at: Option<Location>,
    pub(super) by: Option<GoroutineId>,
}

impl End {
    /// `at` is where somebody cancelled it.
    pub(super) fn new(error: ContextError, cause: Option<Cause>, at: Option<Location>) -> Self {
        let by = at.and_then(|_| current::id());
        Self { error, cause, at, by }
    }

    pub(super) fn cause(&self) -> Cause {
        self.cause.clone().unwrap_or_else(|| Arc::new(self.error))
    }
}

/// Cancels the context it was made with, and all that are made from it.
///
/// It may be cloned. Dropping it does not cancel: goroutines that wait for the context then wait for its
/// deadline or an ancestor, and for ever if there is none.
#[must_use = "a dropped handle does not cancel: keep it, and call `cancel`"]
pub struct Cancel {
    node: Arc<Node>,
}

impl Cancel {
    /// The first handle of a new context.
    pub(super) fn first(node: Arc<Node>) -> Self {
        // Relaxed: a new context is known to nobody else.
        node.handles().store(1, Ordering::Relaxed);
        Self { node }
    }

    /// Cancels the context, if it is not done yet.
    #[track_caller]
    pub fn cancel(&self) {
        self.end(None, Panic::caller());
    }

    /// As [`cancel`](Self::cancel), with a cause for [`Context::cause`](super::Context::cause).
    ///
    /// ```
    /// use gmp_core::context::{background, with_cancel_cause, ContextError};
    ///
    /// let (ctx, cancel) = with_cancel_cause(&background());
    /// cancel.cancel_with("the client hung up");
    /// assert_eq!(ctx.err(), Some(ContextError::Canceled));
    /// assert_eq!(ctx.cause().unwrap().to_string(), "the client hung up");
    /// ```
    #[track_caller]
    pub fn cancel_with(&self, cause: impl Into<Box<dyn Error + Send + Sync>>) {
        self.end(Some(Arc::from(cause.into())), Panic::caller());
    }

    fn end(&self, cause: Option<Cause>, at: Location) {
        point::before(Operation::Cancel, Some(at));
        self.node.anchor().touch();
        self.node.end(&End::new(ContextError::Canceled, cause, Some(at)));
    }
}

impl Clone for Cancel {
    #[track_caller]
    fn clone(&self) -> Self {
        // Relaxed: `self` keeps the count above zero.
        self.node.handles().fetch_add(1, Ordering::Relaxed);
        self.node.anchor().cloned(Panic::caller());
        Self { node: self.node.clone() }
    }
}

impl Drop for Cancel {
    fn drop(&mut self) {
        self.node.handle_dropped();
    }
}

impl fmt::Debug for Cancel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cancel").field("err", &self.node.error()).finish()
    }
}
