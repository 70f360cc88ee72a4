//! Contexts in a report: the tree, and why one of them does not end a goroutine.

use core::time::Duration;

use gmp_core::inspect::{GoroutineId, PrimitiveId};

use super::SourceLine;

/// Why a context does not end a goroutine.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ContextFault {
    /// It can be cancelled, and nobody did.
    NotCancelled {
        /// Live cancel handles of it and of its ancestors.
        handles: usize,
    },
    /// Its cancel handles were dropped without a call, and those of its ancestors as well.
    HandleDropped,
    /// A deadline of it or of an ancestor comes later than the test can wait.
    DeadlinePending {
        /// Time until then.
        due_in: Duration,
    },
    /// It is a `background()` or a `todo()`, which is never done.
    NeverDone {
        /// The function that made it.
        kind: &'static str,
    },
    /// It hangs off another root than the context its goroutine was given.
    OtherRoot {
        /// The line where the chain starts anew: the one to change.
        at: SourceLine,
        /// The function called there.
        kind: &'static str,
        /// Where the context was made that it should be derived from.
        derive_from: SourceLine,
    },
    /// It is done, but the goroutine waits for something else and does not look at it.
    Ignored {
        /// Where the context was made.
        made_at: SourceLine,
        /// Where it was cancelled; `None` for a deadline, or by the harness when the body ended.
        cancelled_at: Option<SourceLine>,
    },
}

/// What a goroutine did when its context was cancelled, in a second run of the test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CancelProbe {
    /// It ended.
    Ends,
    /// It stayed.
    Stays,
    /// Nothing can cancel its context.
    CannotBeCancelled,
}

/// A context in the tree.
#[derive(Clone, Debug)]
pub struct ContextNode {
    /// Its identity.
    pub id: PrimitiveId,
    /// The function that made it: `background`, `with_cancel`, `with_timeout`, ..
    pub kind: &'static str,
    /// Where it was made.
    pub created_at: SourceLine,
    /// The goroutine that made it.
    pub created_by: Option<GoroutineId>,
    /// Its state.
    pub state: ContextState,
    /// The first goroutines that wait until it is done.
    pub waiting: Vec<GoroutineId>,
    /// How many more wait.
    pub more_waiting: usize,
    /// Made from `background()` inside a goroutine that already had a context: the chain is broken
    /// here. Holds where the context that should have been its parent was made.
    pub broken_from: Option<SourceLine>,
    /// Children.
    pub children: Vec<ContextNode>,
}

/// The state of a context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContextState {
    /// Not done.
    Active {
        /// Live cancel handles of this node alone; `None` where the kind has none.
        cancel_handles: Option<usize>,
        /// Time until its own deadline.
        deadline_in: Option<Duration>,
    },
    /// Cancelled, at this line if known.
    Cancelled {
        /// Where `cancel` was called.
        at: Option<SourceLine>,
    },
    /// Its deadline passed.
    DeadlineExceeded,
}
