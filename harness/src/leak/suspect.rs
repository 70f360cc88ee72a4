//! A goroutine that outlived its scope, with everything the check learns about it.

use core::time::Duration;
use std::collections::HashMap;
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
    /// The primitive of each wait as it was then: reaping changes holders and counters. Shared by those who
    /// wait for the same.
    pub(crate) primitives: Vec<Option<Arc<Primitive>>>,
    pub(crate) waited: Duration,
    /// Equal for those who wait in the same way, see [`number_kinds`].
    pub(crate) kind: u32,
    /// Shared by those of a kind.
    pub(crate) stacks: Option<Arc<Vec<Stack>>>,
    /// The stacks of a goroutine that is bound to its thread, seen when it was reaped.
    pub(crate) thread_stacks: OnceLock<Vec<Stack>>,
    pub(crate) notes: Vec<String>,
    /// A context that it used is done, and it waits for something else: where that was made, and where
    /// it was cancelled.
    pub(crate) ignored: Option<(Location, Option<Location>)>,
}

/// Reads frozen goroutines of one scope.
pub(crate) struct Reader<'a> {
    scope: &'a Scope,
    test_context: Option<PrimitiveId>,
    /// What others wait for too.
    known: HashMap<PrimitiveId, Arc<Primitive>>,
}

/// Primitives that are kept to be shared.
const SHARED: usize = 4096;

impl<'a> Reader<'a> {
    pub(crate) fn new(scope: &'a Scope) -> Self {
        Self { scope, test_context: crate::test::context::id(scope), known: HashMap::new() }
    }

    /// The primitive behind a wait. While its scope is frozen it is the same for all who wait for it, if the
    /// figures say nothing of the waiter.
    fn primitive(&mut self, wait: &WaitInfo, waited: Duration) -> Option<Arc<Primitive>> {
        let id = wait.record.as_ref()?.id;
        let is_own = matches!(
            wait.figure,
            Figure::Semaphore { .. }
                | Figure::Timer { .. }
                | Figure::Goroutine { .. }
                | Figure::Io { .. }
        );
        let known = self.known.get(&id).filter(|_| !is_own);
        if let Some(known) = known {
            return Some(known.clone());
        }
        let primitive = build::primitive(wait, is_below(wait, self.test_context), waited)?;
        let primitive = Arc::new(primitive);
        if !is_own && self.known.len() < SHARED {
            self.known.insert(id, primitive.clone());
        }
        Some(primitive)
    }

    /// Reads a frozen goroutine. The harness itself has the rights to the body.
    pub(crate) fn read(&mut self, frozen: Frozen, is_body: bool) -> Suspect {
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
        let waited = frozen.parked_for(self.scope);
        Suspect {
            waited,
            frozen,
            is_body,
            waits_for_body: false,
            may_be_aborted: false,
            test_context: self.test_context,
            class,
            primitives: waits.iter().map(|wait| self.primitive(wait, waited)).collect(),
            waits,
            kind: 0,
            stacks: None,
            thread_stacks: OnceLock::new(),
            notes: Vec::new(),
            ignored: None,
        }
    }
}

/// Gives those the same number that wait in the same way: that were started at one line, and wait for the
/// same reasons at the same lines. Returns how many numbers there are.
pub(crate) fn number_kinds(suspects: &mut [Suspect]) -> usize {
    // The first of each kind, by what is quick to compare.
    let mut known: HashMap<u64, Vec<usize>> = HashMap::new();
    let mut kinds = 0;
    for i in 0..suspects.len() {
        let alike = known.entry(suspects[i].rough_key()).or_default();
        suspects[i].kind = match alike.iter().find(|&&j| suspects[j].waits_like(&suspects[i])) {
            Some(&first) => suspects[first].kind,
            None => {
                alike.push(i);
                kinds += 1;
                kinds - 1
            }
        };
    }
    kinds as usize
}

impl Suspect {
    /// Where it waits: one stack a place, once it was traced.
    pub(crate) fn stacks(&self) -> &[Stack] {
        self.stacks.as_deref().map_or(&[], Vec::as_slice)
    }

    /// Equal for equal [keys](Self::key).
    fn rough_key(&self) -> u64 {
        let place = |at: Location| u64::from(at.line()) << 32 | u64::from(at.column());
        let mix = |key: u64, n: u64| (key.rotate_left(5) ^ n).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let created = mix(0, place(self.frozen.created_at()));
        self.waits
            .iter()
            .fold(created, |key, wait| mix(mix(key, wait.reason as u64), place(wait.at)))
    }

    /// Whether both have the same [key](Self::key).
    fn waits_like(&self, other: &Self) -> bool {
        let same = |(a, b): (&WaitInfo, &WaitInfo)| a.reason == b.reason && a.at == b.at;
        self.waits.len() == other.waits.len()
            && self.frozen.created_at() == other.frozen.created_at()
            && self.waits.iter().zip(&other.waits).all(same)
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
