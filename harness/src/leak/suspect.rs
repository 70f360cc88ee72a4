//! A goroutine that outlived its scope, with everything the check learns about it.

use core::time::Duration;
use std::sync::{Arc, OnceLock};

use gmp_core::inspect::{
    Capability, Figure, GoroutineId, Location, PrimitiveId, Record, Tick, WaitInfo, WaitReason,
};
use gmp_core::runtime::Scope;
use gmp_core::snapshot::{Doing, Frozen};

use crate::report::build;
use crate::report::finding::Primitive;

/// The frames of one place that a goroutine waits at, as instruction pointers, innermost first.
pub(crate) type Stack = Vec<usize>;

/// Why a goroutine is a root: it may still go on by itself, so what it holds is not lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// Stuck, as far as one can see.
    Stuck,
    /// An armed timer or deadline is in its wait set.
    Timer(Duration),
    /// Somebody foreign has its waker, or it had only lost a wake-up.
    External,
    /// Not parked.
    Running,
}

/// A goroutine that outlived its scope.
pub(crate) struct Suspect {
    pub(crate) frozen: Frozen,
    pub(crate) is_body: bool,
    /// It would end with the body, which did not.
    pub(crate) waits_for_body: bool,
    /// Somebody who may still go on may have a handle of another runtime that aborts it.
    pub(crate) may_be_aborted: bool,
    /// The context of the test.
    test_context: Option<PrimitiveId>,
    pub(crate) class: Class,
    pub(crate) waits: Vec<WaitInfo>,
    /// The primitive of each wait as it was then: reaping changes holders and counters.
    pub(crate) primitives: Vec<Option<Primitive>>,
    pub(crate) waited: Duration,
    pub(crate) stacks: Vec<Stack>,
    /// The stacks of a goroutine that is bound to its thread, seen when it was reaped.
    pub(crate) thread_stacks: OnceLock<Vec<Stack>>,
    pub(crate) notes: Vec<String>,
    /// A context that it used is done, and it waits for something else: where that was made, and where
    /// it was cancelled.
    pub(crate) ignored: Option<(Location, Option<Location>)>,
}

impl Suspect {
    /// Reads a frozen goroutine. The harness itself has the rights to the body.
    pub(crate) fn new(frozen: Frozen, scope: &Scope, is_body: bool) -> Self {
        // The leaves of a goroutine inside a poll are in use.
        let waits = if frozen.doing() == Doing::Running { Vec::new() } else { frozen.waits() };
        let due = waits.iter().filter_map(|wait| wait.due_in).min();
        let class = match (frozen.doing(), due) {
            (Doing::Running | Doing::Runnable, _) => Class::Running,
            (_, Some(due)) => Class::Timer(due),
            _ if frozen.wakers() > 0 || frozen.was_woken() => Class::External,
            _ if waits.iter().any(|wait| wait.reason == WaitReason::IoWait) => Class::External,
            _ => Class::Stuck,
        };
        let test_context = crate::test::context::id(scope);
        let waited = frozen.parked_for(scope);
        let primitive = |wait| build::primitive(wait, is_below(wait, test_context), waited);

        Self {
            waited,
            frozen,
            is_body,
            waits_for_body: false,
            may_be_aborted: false,
            test_context,
            class,
            primitives: waits.iter().map(primitive).collect(),
            waits,
            stacks: Vec::new(),
            thread_stacks: OnceLock::new(),
            notes: Vec::new(),
            ignored: None,
        }
    }

    pub(crate) fn id(&self) -> GoroutineId {
        self.frozen.id()
    }

    /// Why it is parked, in one word.
    pub(crate) fn reason(&self) -> WaitReason {
        match (self.frozen.doing(), &*self.waits) {
            (Doing::Running, _) => WaitReason::Running,
            (Doing::Runnable, _) => WaitReason::Runnable,
            (_, [first, ..]) if first.in_select => WaitReason::Select,
            (_, [first, ..]) => first.reason,
            (_, []) if self.class == Class::External => WaitReason::External,
            (_, []) => WaitReason::NoWaker,
        }
    }

    /// What makes two goroutines wait in the same way: the spawn line and the lines of the leaves.
    pub(crate) fn key(&self) -> (Location, Vec<(WaitReason, Location)>) {
        let leaves = self.waits.iter().map(|wait| (wait.reason, wait.at)).collect();
        (self.frozen.created_at(), leaves)
    }

    /// The goroutines it joins.
    pub(crate) fn joins(&self) -> Vec<GoroutineId> {
        let target = |wait: &WaitInfo| match wait.figure {
            Figure::Goroutine { target } => Some(target),
            _ => None,
        };
        self.waits.iter().filter_map(target).collect()
    }

    /// Whether it will be released when the context of the test is cancelled, which the harness does
    /// when the body ends.
    pub(crate) fn ends_with_the_body(&self) -> bool {
        self.waits.iter().any(|wait| is_below(wait, self.test_context))
    }

    /// Whether it waits on something that the scope did not make, or that somebody unseen can use.
    pub(crate) fn waits_outside(&self, scope: &Scope) -> bool {
        let ours = |wait: &WaitInfo| {
            wait.complete && wait.record.iter().all(|record| is_of(scope, record))
        };
        !self.waits.iter().all(ours)
    }

    /// When the last capability that could release it died (τ); `None` while one survives.
    pub(crate) fn released(&self, scope: &Scope) -> Option<Tick> {
        let leaves = self.waits.iter().try_fold(0, |latest, wait| {
            let died = |latest: Tick, (record, capability): &(_, Capability)| {
                let record: &Arc<Record> = record;
                // Another scope's log knows nothing of the order of our drops.
                let ours = is_of(scope, record);
                ours.then(|| record.death(*capability)).flatten().map(|death| latest.max(death))
            };
            if !wait.complete {
                return None;
            }
            wait.capabilities.iter().try_fold(latest, died)
        })?;
        self.abort_rights_died(scope).map(|rights| rights.max(leaves))
    }

    /// When the last right to abort it died; `None` if somebody still has one.
    fn abort_rights_died(&self, scope: &Scope) -> Option<Tick> {
        if self.is_body {
            return Some(0);
        }
        if self.frozen.has_other_references() || (self.frozen.is_hosted() && self.may_be_aborted) {
            return None;
        }
        match scope.watch().and_then(|watch| watch.handles_died(self.id())) {
            None => Some(0),
            Some(died) => died,
        }
    }
}

/// Whether the wait is for the context of the test, or for one below it.
fn is_below(wait: &WaitInfo, test: Option<PrimitiveId>) -> bool {
    wait.reason == WaitReason::ContextDone
        && wait.capabilities.iter().any(|(record, _)| Some(record.id) == test)
}

/// Whether `scope` made the primitive of `record`.
fn is_of(scope: &Scope, record: &Record) -> bool {
    scope.watch().is_some_and(|watch| Arc::ptr_eq(watch, record.watch()))
}
