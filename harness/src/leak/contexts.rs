//! The context tree of a scope as plain data, with the goroutines that wait on each node.

use std::collections::{HashMap, HashSet};

use gmp_core::inspect::{
    ContextInfo, ContextState as State, GoroutineId, Location, PrimitiveId, WaitReason,
};
use gmp_core::runtime::Scope;

use super::suspect::{Class, Suspect};
use crate::report::finding::{ContextNode, ContextState};

/// Levels of the tree that are kept: nodes own their children, and a chain may be a million deep.
const LEVELS: usize = 64;

/// The live contexts of `scope`, roots first; empty when no suspect waits for one.
pub(super) fn tree(scope: &Scope, suspects: &[Suspect]) -> Vec<ContextNode> {
    let mut waiting: HashMap<PrimitiveId, Vec<GoroutineId>> = HashMap::new();
    for suspect in suspects {
        let contexts = suspect.waits.iter().filter(|wait| wait.reason == WaitReason::ContextDone);
        for record in contexts.filter_map(|wait| wait.record.as_ref()) {
            waiting.entry(record.id).or_default().push(suspect.id());
        }
    }
    if waiting.is_empty() {
        return Vec::new();
    }
    let contexts = scope.watch().map(|watch| watch.contexts()).unwrap_or_default();
    let test = crate::test::context::id(scope);
    let known: HashSet<PrimitiveId> = contexts.iter().map(|context| context.id).collect();
    let of_test = contexts.iter().find(|context| Some(context.id) == test);
    // The background that the harness made for the context of the test says nothing.
    let hidden = of_test.and_then(|context| context.parent);
    let parent_of = |context: &ContextInfo| {
        context.parent.filter(|parent| known.contains(parent) && Some(*parent) != hidden)
    };
    let mut level: HashMap<PrimitiveId, usize> = HashMap::new();
    for context in &contexts {
        let above = parent_of(context).and_then(|parent| level.get(&parent)).copied();
        level.insert(context.id, above.map_or(0, |above| above + 1));
    }
    let shown = |context: &ContextInfo| Some(context.id) != hidden && level[&context.id] < LEVELS;
    let mut children: HashMap<PrimitiveId, Vec<ContextNode>> = HashMap::new();
    let mut roots = Vec::new();
    // Children are younger than their parents: from the youngest on, each node finds its own done.
    for context in contexts.iter().rev().filter(|context| shown(context)) {
        let parent = parent_of(context);
        let mut node = node(context, test);
        node.waiting = waiting.remove(&node.id).unwrap_or_default();
        node.children = children.remove(&node.id).unwrap_or_default();
        node.children.reverse();
        match parent {
            Some(parent) => children.entry(parent).or_default().push(node),
            None => roots.push(node),
        }
    }
    roots.reverse();
    roots
}

/// Finds the suspects that used a context which is done by now, and wait for something else.
pub(super) fn note_ignored(scope: &Scope, suspects: &mut [Suspect]) {
    let Some(watch) = scope.watch().filter(|watch| watch.uses_contexts()) else { return };
    let test = crate::test::context::id(scope);
    let at = |context: &ContextInfo| match context.state {
        State::Cancelled { at } => Some((!is_of_test(context, test)).then_some(at)),
        State::DeadlineExceeded => Some(None),
        State::Active { .. } => None,
    };
    let ended: HashMap<PrimitiveId, Option<Location>> =
        watch.contexts().iter().filter_map(|context| Some((context.id, at(context)?))).collect();
    if ended.is_empty() {
        return;
    }
    let looks =
        |suspect: &Suspect| suspect.waits.iter().any(|wait| wait.reason == WaitReason::ContextDone);
    for suspect in suspects.iter_mut().filter(|s| s.class == Class::Stuck && !looks(s)) {
        let Some(used) = watch.context_of(suspect.id()) else { continue };
        let at = used.id.and_then(|id| ended.get(&id));
        suspect.ignored = at.map(|at| (used.made_at, *at));
    }
}

/// Whether it is the context of the test, which the harness cancels.
fn is_of_test(context: &ContextInfo, test: Option<PrimitiveId>) -> bool {
    Some(context.id) == test
}

fn node(context: &ContextInfo, test: Option<PrimitiveId>) -> ContextNode {
    let of_test = is_of_test(context, test);
    ContextNode {
        id: context.id,
        kind: if of_test { "test::context" } else { context.kind },
        created_at: context.created_at.into(),
        created_by: context.created_by,
        state: match context.state {
            State::Active { cancel_handles, deadline_in } => {
                ContextState::Active { cancel_handles, deadline_in }
            }
            // The harness itself cancels the context of the test.
            State::Cancelled { at } => {
                ContextState::Cancelled { at: (!of_test).then(|| at.into()) }
            }
            State::DeadlineExceeded => ContextState::DeadlineExceeded,
        },
        waiting: Vec::new(),
        broken_from: context.broken_from.map(Into::into),
        children: Vec::new(),
    }
}
