//! What a context is made as: the function that makes it, and what it is given.

use super::Context;
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
    WithDeadline,
    WithValue,
    WithoutCancel,
}

impl Kind {
    /// Whether contexts of this kind have a state and cancel handles of their own.
    pub(super) fn cancels(self) -> bool {
        use Kind::{WithCancel, WithCancelCause, WithDeadline, WithTimeout};
        matches!(self, WithCancel | WithCancelCause | WithTimeout | WithDeadline)
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
            Self::WithDeadline => "with_deadline",
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
    pub(super) value: Option<Value>,
}

impl Spec {
    pub(super) fn root(kind: Kind) -> Self {
        Self { kind, parent: None, deadline: None, value: None }
    }
}
