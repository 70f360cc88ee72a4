//! The contexts of a scope as plain data: a bounded tree with the goroutines that wait on each node, and where each
//! context comes from.

use std::collections::HashMap;

use gmp_core::inspect::{
    ContextInfo, ContextState as State, GoroutineId, Location, PrimitiveId, WaitReason,
};
use gmp_core::runtime::Scope;

use super::suspect::{Class, Suspect};
use crate::report::finding::{ContextNode, ContextState};

/// Levels of the tree that are kept: nodes own their children, and a chain may be a million deep.
const LEVELS: usize = 64;
/// Contexts that are kept.
const NODES: usize = 1_000;
/// Goroutines of one context that are kept by name.
const WAITING: usize = 64;

/// What is known of the contexts of a scope.
#[derive(Debug, Default)]
pub(crate) struct Contexts {
    /// The tree, roots first, as far as it is kept.
    pub(crate) roots: Vec<ContextNode>,
    /// How many contexts are not.
    pub(crate) left_out: usize,
    /// Where each context comes from that somebody waits for, however deep it is.
    pub(crate) chains: HashMap<PrimitiveId, Chain>,
}

/// Where a context comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chain {
    /// The function that made it.
    pub(crate) kind: &'static str,
    /// The first place, from the root, where the chain starts anew.
    pub(crate) broken: Option<Break>,
}

/// A place where a chain of contexts starts anew.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Break {
    /// Where.
    pub(crate) at: Location,
    /// The function called there.
    pub(crate) kind: &'static str,
    /// Where the context was made that it should be derived from.
    pub(crate) derive_from: Location,
}

/// The live contexts of `scope`; nothing when no suspect waits for one.
pub(super) fn of(scope: &Scope, suspects: &[Suspect]) -> Contexts {
    let mut waiting: HashMap<PrimitiveId, Vec<GoroutineId>> = HashMap::new();
    for suspect in suspects {
        let contexts = suspect.waits.iter().filter(|wait| wait.reason == WaitReason::ContextDone);
        for record in contexts.filter_map(|wait| wait.record.as_ref()) {
            waiting.entry(record.id).or_default().push(suspect.id());
        }
    }
    if waiting.is_empty() {
        return Contexts::default();
    }
    let mut contexts = scope.watch().map(|watch| watch.contexts()).unwrap_or_default();
    let test = crate::test::context::id(scope);
    // The background that the harness made for the context of the test says nothing.
    let of_test = contexts.iter().find(|context| Some(context.id) == test);
    if let Some(hidden) = of_test.and_then(|context| context.parent) {
        contexts.retain(|context| context.id != hidden);
    }
    let tree = Tree::of(&contexts);
    let chains = tree.chains(|id| waiting.contains_key(&id));
    let kept = tree.kept(|id| waiting.contains_key(&id));
    let left_out = kept.iter().filter(|kept| !**kept).count();
    let mut children: HashMap<usize, Vec<ContextNode>> = HashMap::new();
    let mut roots = Vec::new();
    // Children are younger than their parents: from the youngest on, each node finds its own done.
    for (at, context) in contexts.iter().enumerate().rev().filter(|(at, _)| kept[*at]) {
        let mut node = node(context, test);
        node.waiting = waiting.remove(&node.id).unwrap_or_default();
        node.more_waiting = node.waiting.len().saturating_sub(WAITING);
        node.waiting.truncate(WAITING);
        node.waiting.shrink_to_fit();
        node.children = children.remove(&at).unwrap_or_default();
        node.children.reverse();
        match tree.parents[at] {
            Some(parent) => children.entry(parent).or_default().push(node),
            None => roots.push(node),
        }
    }
    roots.reverse();
    Contexts { roots, left_out, chains }
}

/// Contexts by their index, parents first.
struct Tree<'a> {
    contexts: &'a [ContextInfo],
    parents: Vec<Option<usize>>,
}

impl<'a> Tree<'a> {
    /// `contexts` are sorted by id: parents are older than their children.
    fn of(contexts: &'a [ContextInfo]) -> Self {
        let index = |id: PrimitiveId| contexts.binary_search_by_key(&id, |context| context.id).ok();
        let older = |(at, context): (usize, &ContextInfo)| {
            context.parent.and_then(index).filter(|parent| *parent < at)
        };
        let parents = contexts.iter().enumerate().map(older).collect();
        Self { contexts, parents }
    }

    /// Where each of the contexts that are `asked` for comes from.
    fn chains(&self, asked: impl Fn(PrimitiveId) -> bool) -> HashMap<PrimitiveId, Chain> {
        let mut broken: Vec<Option<Break>> = Vec::with_capacity(self.contexts.len());
        let mut chains = HashMap::new();
        for (context, parent) in self.contexts.iter().zip(&self.parents) {
            let own = || {
                let derive_from = context.broken_from?;
                Some(Break { at: context.created_at, kind: context.kind, derive_from })
            };
            let above = parent.and_then(|parent| broken[parent]);
            let here = above.or_else(own);
            broken.push(here);
            if asked(context.id) {
                chains.insert(context.id, Chain { kind: context.kind, broken: here });
            }
        }
        chains
    }

    /// Which contexts are kept: first those that lead to a waiter or to a break, then the oldest others.
    fn kept(&self, is_waited_for: impl Fn(PrimitiveId) -> bool) -> Vec<bool> {
        let mut levels: Vec<usize> = Vec::with_capacity(self.contexts.len());
        for parent in &self.parents {
            levels.push(parent.map_or(0, |parent| levels[parent] + 1));
        }
        let mut kept = vec![false; self.contexts.len()];
        let mut free = NODES;
        let tells =
            |context: &ContextInfo| is_waited_for(context.id) || context.broken_from.is_some();
        for telling in [true, false] {
            for (at, context) in self.contexts.iter().enumerate() {
                let is_shown = levels[at] < LEVELS && (!telling || tells(context));
                if !is_shown || kept[at] {
                    continue;
                }
                let up = |at: &usize| self.parents[*at];
                let way = core::iter::successors(Some(at), up).take_while(|at| !kept[*at]);
                let way: Vec<usize> = way.collect();
                if way.len() > free {
                    continue;
                }
                free -= way.len();
                way.into_iter().for_each(|at| kept[at] = true);
            }
        }
        kept
    }
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
        more_waiting: 0,
        broken_from: context.broken_from.map(Into::into),
        children: Vec::new(),
    }
}
