//! Contexts: deadlines, cancellation and values that follow a request through goroutines, as in Go.
//!
//! A context is made from a parent. When a context is cancelled or its deadline passes, it and all that
//! were made from it are done, and whoever waits for that goes on. Dropping a [`Cancel`] handle does not
//! cancel.
//!
//! ```
//! use gmp_core::context::{background, with_cancel, ContextError};
//!
//! gmp_core::block_on(async {
//!     let (ctx, cancel) = with_cancel(&background());
//!     let worker = ctx.clone();
//!     let worker = gmp_core::go(async move { worker.done().await });
//!     cancel.cancel();
//!     assert_eq!(worker.await.unwrap(), ContextError::Canceled);
//!     assert_eq!(ctx.err(), Some(ContextError::Canceled));
//! });
//! ```

mod cancel;
mod display;
mod done;
mod expiry;
mod func;
mod kind;
mod node;
mod tree;
mod value;
mod walk;

use core::fmt;
use std::error::Error;
use std::panic::Location;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

pub use cancel::{Cancel, Cause, ContextError};
pub use display::Tree;
pub use done::Done;
pub use func::{Stop, after_func};
use kind::{Kind, Spec};
use node::Node;
pub use value::Key;
use value::Value;

use crate::g::{block_on, current, point};
use crate::inspect::Operation;
use crate::time::{Instant, now};

/// A context, as a handle that may be cloned.
#[derive(Clone)]
pub struct Context {
    /// `None` is a background that no scope watches: all of them share one node, and no count.
    node: Option<Arc<Node>>,
}

/// The node of every background that no scope watches. Nothing ends it, and nothing shows it.
static BACKGROUND: LazyLock<Node> =
    LazyLock::new(|| Node::new(Spec::root(Kind::Background), None, Location::caller()));

/// The root of a tree: never done, without deadline and values.
///
/// In a goroutine that was given a context this breaks the chain: cancelling that one does not reach
/// what is made from the new root. The leak report shows where.
///
/// ```
/// let root = gmp_core::context::background();
/// assert!(root.err().is_none() && root.deadline().is_none());
/// ```
#[track_caller]
pub fn background() -> Context {
    if !current::is_watched() {
        return Context { node: None };
    }
    Context::make(Spec::root(Kind::Background), Location::caller())
}

/// As [`background`], where it is not clear yet which context should be used.
///
/// ```
/// assert!(gmp_core::context::todo().err().is_none());
/// ```
#[track_caller]
pub fn todo() -> Context {
    Context::make(Spec::root(Kind::Todo), Location::caller())
}

/// A child that its handle can cancel.
///
/// ```
/// use gmp_core::context::{background, with_cancel};
///
/// let (parent, cancel) = with_cancel(&background());
/// let (child, _cancel_child) = with_cancel(&parent);
/// cancel.cancel();
/// assert!(child.err().is_some());
/// ```
#[track_caller]
pub fn with_cancel(parent: &Context) -> (Context, Cancel) {
    parent.cancellable(Kind::WithCancel, None, None, Location::caller())
}

/// As [`with_cancel`], for a child that is meant to be cancelled with [`Cancel::cancel_with`].
///
/// ```
/// use gmp_core::context::{background, with_cancel_cause};
///
/// let (ctx, cancel) = with_cancel_cause(&background());
/// cancel.cancel_with("disk full");
/// assert_eq!(ctx.cause().unwrap().to_string(), "disk full");
/// ```
#[track_caller]
pub fn with_cancel_cause(parent: &Context) -> (Context, Cancel) {
    parent.cancellable(Kind::WithCancelCause, None, None, Location::caller())
}

/// A child that is done when `limit` has passed, or when its handle cancels it.
///
/// ```
/// use gmp_core::context::{background, with_timeout, ContextError};
/// use std::time::Duration;
///
/// gmp_core::block_on(async {
///     let (ctx, _cancel) = with_timeout(&background(), Duration::from_millis(1));
///     assert_eq!(ctx.done().await, ContextError::DeadlineExceeded);
/// });
/// ```
#[track_caller]
pub fn with_timeout(parent: &Context, limit: Duration) -> (Context, Cancel) {
    let deadline = now().checked_add(limit);
    parent.cancellable(Kind::WithTimeout, deadline, None, Location::caller())
}

/// As [`with_timeout`], with the [`cause`](Context::cause) that it has if this limit ends it. A cancel, or a
/// parent that ends before, has a cause of its own.
///
/// ```
/// use gmp_core::context::{background, with_timeout_cause, ContextError};
/// use std::time::Duration;
///
/// gmp_core::block_on(async {
///     let limit = Duration::from_millis(1);
///     let (ctx, _cancel) = with_timeout_cause(&background(), limit, "the database is slow");
///     assert_eq!(ctx.done().await, ContextError::DeadlineExceeded);
///     assert_eq!(ctx.cause().unwrap().to_string(), "the database is slow");
/// });
/// ```
#[doc(alias = "WithTimeoutCause")]
#[track_caller]
pub fn with_timeout_cause(
    parent: &Context,
    limit: Duration,
    cause: impl Into<Box<dyn Error + Send + Sync>>,
) -> (Context, Cancel) {
    let (deadline, cause) = (now().checked_add(limit), Some(Arc::from(cause.into())));
    parent.cancellable(Kind::WithTimeoutCause, deadline, cause, Location::caller())
}

/// A child that is done when `deadline` has come, or when its handle cancels it.
#[track_caller]
pub fn with_deadline(parent: &Context, deadline: impl Into<Instant>) -> (Context, Cancel) {
    parent.cancellable(Kind::WithDeadline, Some(deadline.into()), None, Location::caller())
}

/// As [`with_deadline`], with a cause as in [`with_timeout_cause`].
///
/// ```
/// use gmp_core::context::{background, with_deadline_cause, ContextError};
///
/// let now = gmp_core::time::now();
/// let (ctx, _cancel) = with_deadline_cause(&background(), now, "the shop is shut");
/// assert_eq!(ctx.err(), Some(ContextError::DeadlineExceeded));
/// assert_eq!(ctx.cause().unwrap().to_string(), "the shop is shut");
/// ```
#[doc(alias = "WithDeadlineCause")]
#[track_caller]
pub fn with_deadline_cause(
    parent: &Context,
    deadline: impl Into<Instant>,
    cause: impl Into<Box<dyn Error + Send + Sync>>,
) -> (Context, Cancel) {
    let (deadline, cause) = (Some(deadline.into()), Some(Arc::from(cause.into())));
    parent.cancellable(Kind::WithDeadlineCause, deadline, cause, Location::caller())
}

/// A child that has the value of `K`, see [`Key`]. A value of another type does not compile.
///
/// ```compile_fail,E0308
/// use gmp_core::context::{background, with_value, Key};
///
/// struct UserId;
/// impl Key for UserId {
///     type Value = u64;
/// }
/// let ctx = with_value::<UserId>(&background(), "seven");
/// ```
#[track_caller]
pub fn with_value<K: Key>(parent: &Context, value: K::Value) -> Context {
    let value = Some(Value::new::<K>(value));
    let spec = Spec { value, ..parent.child(Kind::WithValue) };
    Context::make(spec, Location::caller())
}

/// A child that keeps the values but is not cancelled with its parent, and has no deadline.
///
/// ```
/// use gmp_core::context::{background, with_cancel, without_cancel};
///
/// let (request, cancel) = with_cancel(&background());
/// let cleanup = without_cancel(&request);
/// cancel.cancel();
/// assert!(cleanup.err().is_none());
/// ```
#[track_caller]
pub fn without_cancel(parent: &Context) -> Context {
    Context::make(parent.child(Kind::WithoutCancel), Location::caller())
}

impl Context {
    fn make(spec: Spec, at: crate::inspect::Location) -> Self {
        Self { node: Some(Node::make(spec, at)) }
    }

    fn node(&self) -> &Node {
        self.node.as_deref().unwrap_or_else(|| &BACKGROUND)
    }

    /// What a child of this context starts from.
    #[inline(always)]
    fn child(&self, kind: Kind) -> Spec {
        self.node().note_use();
        Spec { parent: Some(self.clone()), ..Spec::root(kind) }
    }

    #[inline]
    fn cancellable(
        &self,
        kind: Kind,
        deadline: Option<Instant>,
        cause: Option<Cause>,
        at: crate::inspect::Location,
    ) -> (Self, Cancel) {
        let node = Node::make(Spec { deadline, cause, ..self.child(kind) }, at);
        (Self { node: Some(node.clone()) }, Cancel::first(node))
    }

    /// Waits until this context is done, and tells why it is.
    ///
    /// # Cancel safety
    /// The future can be dropped at any time; nothing is lost.
    #[track_caller]
    pub fn done(&self) -> Done<'_> {
        self.node().note_use();
        Done::new(self.node(), Location::caller())
    }

    /// Waits on a plain thread until this context is done.
    ///
    /// # Panics
    /// Inside a goroutine.
    #[track_caller]
    pub fn blocking_done(&self) -> ContextError {
        block_on(self.done())
    }

    /// Why this context is done; `None` while it is not.
    #[track_caller]
    pub fn err(&self) -> Option<ContextError> {
        point::before(Operation::Look, Some(Location::caller()));
        self.node().note_use();
        self.node().canceller().and_then(Node::error)
    }

    /// The cause given to [`Cancel::cancel_with`], or to [`with_timeout_cause`] if that limit has passed;
    /// without one, the error that [`err`](Self::err) gives. `None` while it is not done.
    pub fn cause(&self) -> Option<Cause> {
        self.node().note_use();
        self.node().canceller().and_then(Node::cause)
    }

    /// When this context will be done at the latest; `None` if there is no deadline.
    ///
    /// ```
    /// use gmp_core::context::{background, with_timeout};
    /// use std::time::Duration;
    ///
    /// let (outer, _cancel) = with_timeout(&background(), Duration::from_secs(1));
    /// let (inner, _cancel) = with_timeout(&outer, Duration::from_secs(60));
    /// assert_eq!(inner.deadline(), outer.deadline());
    /// ```
    pub fn deadline(&self) -> Option<Instant> {
        self.node().note_use();
        self.node().deadline()
    }

    /// The value of `K` that this context or its nearest ancestor has.
    pub fn value<K: Key>(&self) -> Option<&K::Value> {
        self.node().note_use();
        self.node().lineage().find_map(|node| node.value()?.get::<K>())
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("kind", &self.node().kind().as_str())
            .field("err", &self.node().canceller().and_then(Node::error))
            .field("deadline", &self.node().deadline())
            .finish()
    }
}
