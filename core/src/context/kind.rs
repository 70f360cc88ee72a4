//! What a context is made as: the function that makes it, and what it is given.

use super::Context;
use super::cancel::Cause;
use super::value::Value;
use crate::time::Instant;

/// The function that made a context.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Background,
    Todo,
    WithCancel,
    WithCancelCause,
    WithTimeout,
    WithTimeoutCause,
    WithDeadline,
    WithDeadlineCause,
    WithValue,
    WithoutCancel,
}

impl Kind {
    /// Whether contexts of this kind have a state and cancel handles of their own.
    pub(super) fn cancels(self) -> bool {
        use Kind::{Background, Todo, WithValue, WithoutCancel};
        !matches!(self, Background | Todo | WithValue | WithoutCancel)
    }

    pub(super) fn is_root(self) -> bool {
        matches!(self, Self::Background | Self::Todo)
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Background => "background",
            Self::Todo => "todo",
            Self::WithCancel => "with_cancel",
            Self::WithCancelCause => "with_cancel_cause",
            Self::WithTimeout => "with_timeout",
            Self::WithTimeoutCause => "with_timeout_cause",
            Self::WithDeadline => "with_deadline",
            Self::WithDeadlineCause => "with_deadline_cause",
            Self::WithValue => "with_value",
            Self::WithoutCancel => "without_cancel",
        }
    }
}

/// What a node is made of.
pub(super) struct Spec {
    pub(super) kind: Kind,
    pub(super) parent: Option<Context>,
    /// Its own deadline.
    pub(super) deadline: Option<Instant>,
    /// The cause of its end if that deadline ends it.
    pub(super) cause: Option<Cause>,
    pub(super) value: Option<Value>,
}

impl Spec {
    pub(super) fn root(kind: Kind) -> Self {
        Self { kind, parent: None, deadline: None, cause: None, value: None }
    }
}
