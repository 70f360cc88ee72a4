//! The live cancel probe: what happens to stuck goroutines when their contexts are cancelled.
//!
//! It is asked for, and runs when a test has leaked and all is found out about it: the test runs a second
//! time, and where the check of the first run began, the context of one goroutine of each kind is cancelled.
//! Whether it ends then is noted at its finding. Nothing else of the second run is told.

use std::collections::{HashMap, HashSet};
use std::panic::Location as Panic;
use std::sync::Arc;

use gmp_core::inspect::{GoroutineId, Location, PrimitiveId, PrimitiveKind, Record, WaitReason};
use gmp_core::runtime::Scope;
use gmp_core::snapshot::{self, Frozen};

use super::suspect::{Class, Reader, Suspect};
use crate::report::finding::CancelProbe;

/// Kinds of goroutines that are probed.
const PROBED: usize = 16;

/// What makes two goroutines one kind: the spawn line, and the lines of the leaves.
pub(crate) type Key = (Location, Vec<(WaitReason, Location)>);

/// What the probe found, by kind.
pub(crate) type Probes = HashMap<Key, CancelProbe>;

/// A goroutine that stands for its kind, and its context.
struct Candidate {
    id: GoroutineId,
    key: Key,
    context: Arc<Record>,
}

/// Probes the goroutines of a scope that goes on. `drive` runs it until nothing moves any more, or for as
/// long as a linger lasts; false if somebody else carries on.
pub(crate) fn run(scope: &Arc<Scope>, drive: impl Fn() -> bool) -> Probes {
    let mut found = Probes::new();
    for Candidate { id, key, context } in candidates(scope) {
        let is_there = || snapshot::read(scope).iter().any(|reading| reading.id == id);
        let outcome = match (is_there(), context.cancel_context(Panic::caller())) {
            // An earlier probe has ended it, by a context that both have.
            (false, _) => CancelProbe::Ends,
            (true, false) => CancelProbe::CannotBeCancelled,
            (true, true) if !drive() => break,
            (true, true) if is_there() => CancelProbe::Stays,
            (true, true) => CancelProbe::Ends,
        };
        found.insert(key, outcome);
    }
    found
}

/// The oldest parked goroutine of each kind that has a context.
fn candidates(scope: &Arc<Scope>) -> Vec<Candidate> {
    let frozen = snapshot::freeze_parked(scope).into_iter();
    let mut reader = Reader::new(scope);
    let suspects: Vec<Suspect> = frozen.map(|g| reader.read(g, false)).collect();
    let records: HashMap<PrimitiveId, Arc<Record>> = scope
        .watch()
        .map(|watch| watch.records())
        .unwrap_or_default()
        .into_iter()
        .filter(|record| record.kind == PrimitiveKind::Context)
        .map(|record| (record.id, record))
        .collect();
    let mut known = HashSet::new();
    let mut candidates = Vec::new();
    for suspect in suspects.iter().filter(|suspect| suspect.class != Class::Running) {
        if candidates.len() == PROBED {
            break;
        }
        let key = suspect.key();
        let Some(context) = context_of(suspect, scope, &records) else { continue };
        if known.insert(key.clone()) {
            candidates.push(Candidate { id: suspect.id(), key, context });
        }
    }
    suspects.into_iter().map(|suspect| suspect.frozen).for_each(Frozen::thaw);
    candidates
}

/// The context that a goroutine waits for, else one that it has used.
fn context_of(
    suspect: &Suspect,
    scope: &Scope,
    records: &HashMap<PrimitiveId, Arc<Record>>,
) -> Option<Arc<Record>> {
    let waited = suspect.waits.iter().find(|wait| wait.reason == WaitReason::ContextDone);
    if let Some(waited) = waited {
        return waited.record.clone();
    }
    let used = scope.watch()?.context_of(suspect.id())?.id?;
    records.get(&used).cloned()
}
