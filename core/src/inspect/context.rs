//! What the leak detector reads of contexts: the tree as plain data, and which goroutine had one.

use std::any::Any;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::{GoroutineId, Location, PrimitiveId, Record, Watch};
use crate::sys::Lock;

/// A live context of a watched scope.
#[derive(Clone, Debug)]
pub struct ContextInfo {
    /// Its identity.
    pub id: PrimitiveId,
    /// The nearest ancestor that has a record; it may belong to another scope.
    pub parent: Option<PrimitiveId>,
    /// The function that made it: `background`, `with_cancel`, `with_timeout`, ..
    pub kind: &'static str,
    /// Where it was made.
    pub created_at: Location,
    /// The goroutine that made it.
    pub created_by: Option<GoroutineId>,
    /// Its state.
    pub state: ContextState,
    /// Made from nothing inside a goroutine that already had a context: where that one was made.
    pub broken_from: Option<Location>,
}

/// The state of a context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContextState {
    /// Not done.
    Active {
        /// Live cancel handles of this context alone; `None` where its kind has none.
        cancel_handles: Option<usize>,
        /// Time until its own deadline.
        deadline_in: Option<Duration>,
    },
    /// It, or an ancestor, was cancelled.
    Cancelled {
        /// Where.
        at: Location,
    },
    /// Its deadline, or that of an ancestor, has passed.
    DeadlineExceeded,
}

/// A context as its record sees it.
pub(crate) trait ContextView: Send + Sync {
    /// Its data now.
    fn info(&self, record: &Record) -> ContextInfo;
    /// The context itself.
    fn node(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;
    /// Cancels it, or what ends it; false if nothing can.
    fn cancel(&self, at: Location) -> bool;
    /// The functions that its end would start, taken out, if something can end it: a cancel handle or a
    /// deadline, of itself or of an ancestor.
    fn take_functions(&self) -> Option<Box<dyn Any + Send>>;
}

/// Which goroutines had a context. A goroutine that had one and makes another from nothing breaks the
/// chain.
#[derive(Default)]
pub(super) struct ContextNotes(Lock<HashMap<GoroutineId, Note>>);

/// A context that a goroutine had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContextUse {
    /// Its identity; `None` if no scope watched when it was made.
    pub id: Option<PrimitiveId>,
    /// Where it was made.
    pub made_at: Location,
}

/// The first contexts that one goroutine had.
#[derive(Clone, Copy, Default)]
struct Note {
    /// Given to it: it used one that it had not made.
    given: Option<ContextUse>,
    /// Not seen in use, but whoever started it had one to give.
    inherited: Option<ContextUse>,
    /// Made by itself.
    own: Option<ContextUse>,
}

impl Watch {
    /// The live contexts that were made in this scope, oldest first.
    pub fn contexts(&self) -> Vec<ContextInfo> {
        let mut all: Vec<_> = self.records().iter().filter_map(|r| r.context()).collect();
        all.sort_unstable_by_key(|context| context.id);
        all
    }

    /// The goroutine `id` uses a context that was made by `made_by`.
    pub(crate) fn note_context(
        &self,
        id: GoroutineId,
        context: ContextUse,
        made_by: Option<GoroutineId>,
    ) {
        let mut notes = self.context_notes().0.lock();
        let note = notes.entry(id).or_default();
        let first = if made_by == Some(id) { &mut note.own } else { &mut note.given };
        first.get_or_insert(context);
    }

    /// `child` is started by `parent`, and could have been given its context.
    pub(crate) fn inherit_context(&self, parent: GoroutineId, child: GoroutineId) {
        let mut notes = self.context_notes().0.lock();
        let had = notes.get(&parent).and_then(|n| n.given.or(n.inherited).or(n.own));
        if had.is_some() {
            notes.entry(child).or_default().inherited = had;
        }
    }

    /// Where the context was made that the goroutine `id` was given.
    pub(crate) fn given_context(&self, id: GoroutineId) -> Option<Location> {
        let notes = self.context_notes().0.lock();
        let note = notes.get(&id)?;
        Some(note.given.or(note.inherited)?.made_at)
    }

    /// Whether a goroutine of this scope used a context at all.
    pub fn uses_contexts(&self) -> bool {
        !self.context_notes().0.lock().is_empty()
    }

    /// The context that the goroutine `id` used: one that it was given, else one of its own.
    pub fn context_of(&self, id: GoroutineId) -> Option<ContextUse> {
        let notes = self.context_notes().0.lock();
        let note = notes.get(&id)?;
        note.given.or(note.own)
    }
}
