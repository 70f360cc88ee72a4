//! The wait-for graph of everything that outlived a scope: who waits for what, and who holds that.
//!
//! Nodes are goroutines and the primitives they wait for. An edge leads from a goroutine to each primitive
//! in its wait set, and from a primitive to each goroutine that could release those who wait: the owner of
//! a lock, whoever runs a `Once`, the ancestors of a context, and, as the reap log has it, every
//! goroutine with a handle. A join leads from goroutine to goroutine. What nothing leads out of is a
//! cause: the lost `done`, the channel nobody closes, the circle of locks. All others are behind one.
//!
//! Whoever waits on a channel made by `chan`, a timer or a WaitGroup has a handle of it by necessity. That
//! makes nobody who waits there a releaser of the others, so these edges are left out; and so are those to
//! goroutines of the same `go`, which run the same code.
//!
//! A lock, a semaphore and a `Cond` are shared by an `Arc` of their users, whose handles nobody counts. Of the first
//! two the log knows who gives back what it took. A `Cond` has nothing that is given back: the log knows only who was
//! the last to drop it. So a waiter is behind a stuck signaller if that one goes last, and is a finding of its own else.
//! Edges also end where the log is full, after some two million handles; the report says so then.

mod cause;
mod digraph;

use std::collections::HashMap;

use gmp_core::inspect::{Capability, Figure as Live, GoroutineId, Held, Location, PrimitiveId};
use gmp_core::snapshot::Doing;

use super::suspect::{Class, Suspect};
use crate::report::finding::{Circle, Edge, Figure, SourceLine};
use cause::Causes;
use digraph::Digraph;

/// The most edges that are handed to the report.
const EDGES: usize = 1_000;
/// The most holders of one primitive that the report is told.
const HOLDERS: usize = 8;
/// The longest circle that is told.
const CIRCLE: usize = 16;

/// What the graph says of one suspect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    /// The index of the suspect that stands for the cause.
    pub(crate) lead: u32,
    /// It waits for the cause itself, or is part of it.
    pub(crate) direct: bool,
    /// The goroutine that it waits for next on the way to the cause.
    pub(crate) waits_for: Option<GoroutineId>,
}

/// What the graph of a scope says.
#[derive(Debug, Default)]
pub(crate) struct Diagnosis {
    /// One entry a suspect.
    pub(crate) places: Vec<Place>,
    /// The circle that a lead is part of, by the index of the lead.
    pub(crate) circles: HashMap<u32, Circle>,
    /// The first edges from goroutine to goroutine.
    pub(crate) edges: Vec<Edge>,
    /// All edges.
    pub(crate) edges_in_all: usize,
}

/// Builds the graph of `suspects` from what they waited for and from the reap log, and reads it.
pub(crate) fn diagnose(
    suspects: &[Suspect],
    held: &[Held],
    test_context: Option<PrimitiveId>,
) -> Diagnosis {
    let names = Names::of(suspects);
    let graph = Digraph::new(names.nodes(), &edges(suspects, held, test_context, &names));
    read(suspects, &names, &graph)
}

/// The numbers of the nodes: suspects by their index, then primitives.
struct Names {
    /// The ids of the suspects, in order.
    goroutines: Vec<GoroutineId>,
    /// The primitives, in order.
    primitives: Vec<PrimitiveId>,
}

impl Names {
    fn of(suspects: &[Suspect]) -> Self {
        let records = suspects.iter().filter(|s| waits_for_others(s)).flat_map(|s| &s.waits);
        let mut primitives: Vec<PrimitiveId> = records
            .flat_map(|wait| {
                let others = wait.capabilities.iter().map(|(record, _)| record.id);
                wait.record.iter().map(|record| record.id).chain(others)
            })
            .collect();
        primitives.sort_unstable();
        primitives.dedup();
        Self { goroutines: suspects.iter().map(Suspect::id).collect(), primitives }
    }

    fn nodes(&self) -> usize {
        self.goroutines.len() + self.primitives.len()
    }

    /// Suspects are sorted by id.
    fn goroutine(&self, id: GoroutineId) -> Option<u32> {
        self.goroutines.binary_search(&id).ok().map(|at| at as u32)
    }

    /// As [`goroutine`](Self::goroutine), at once if it is the one at the cursor or the next.
    fn goroutine_near(&self, id: GoroutineId, cursor: &mut usize) -> Option<u32> {
        let near = (*cursor..*cursor + 2).find(|at| self.goroutines.get(*at) == Some(&id));
        *cursor = match near {
            Some(at) => at,
            None => self.goroutine(id)? as usize,
        };
        Some(*cursor as u32)
    }

    fn primitive(&self, id: PrimitiveId) -> Option<u32> {
        let at = self.primitives.binary_search(&id).ok()?;
        Some((self.goroutines.len() + at) as u32)
    }

    fn is_goroutine(&self, node: u32) -> bool {
        (node as usize) < self.goroutines.len()
    }
}

/// Whether what it waits for may keep it for ever. Whoever may go on by itself waits for nobody.
fn waits_for_others(suspect: &Suspect) -> bool {
    suspect.class == Class::Stuck
}

/// All edges, those of the wait sets first.
fn edges(
    suspects: &[Suspect],
    held: &[Held],
    test_context: Option<PrimitiveId>,
    names: &Names,
) -> Vec<(u32, u32)> {
    let mut edges = Vec::with_capacity(suspects.len() + held.len());
    // A test has one P, which a goroutine that never yields keeps from the others.
    let one_p = test_context.is_some();
    let spins = |suspect: &Suspect| one_p && suspect.frozen.doing() == Doing::Running;
    let spinning = suspects.iter().position(spins);
    let mut needs = vec![Need::default(); names.primitives.len()];
    for (i, suspect) in suspects.iter().enumerate() {
        let from = i as u32;
        if let (Some(spinning), Doing::Runnable) = (spinning, suspect.frozen.doing()) {
            edges.push((from, spinning as u32));
        }
        if waits_for_others(suspect) {
            wait_edges(from, suspect, names, &mut needs, &mut edges);
        }
    }
    let body = suspects.iter().position(|suspect| suspect.is_body);
    if let (Some(body), Some(test)) = (body, test_context.and_then(|id| names.primitive(id))) {
        // The harness cancels it when the body has ended.
        edges.push((test, body as u32));
    }
    held_edges(suspects, held, names, &needs, &mut edges);
    edges
}

/// What is wanted of a primitive.
#[derive(Clone, Default)]
struct Need {
    /// Bits by capability.
    wanted: u8,
    /// Whoever waits has this capability as well.
    is_shared: bool,
    /// Where the first of those who wait were started.
    started_at: [Option<Location>; 2],
}

impl Need {
    /// Somebody who was started there waits.
    fn add(&mut self, capability: Capability, is_shared: bool, at: Location) {
        self.wanted |= 1 << capability as u8;
        self.is_shared |= is_shared;
        if !self.started_at.contains(&Some(at))
            && let Some(free) = self.started_at.iter_mut().find(|place| place.is_none())
        {
            *free = Some(at);
        }
    }

    /// Whether a handle with `capability` makes somebody started there a holder.
    fn is_met(&self, capability: Capability, at: Location) -> bool {
        let runs_the_same = self.is_shared && self.started_at.contains(&Some(at));
        self.wanted & (1 << capability as u8) != 0 && !runs_the_same
    }
}

/// From one suspect to what it waits for, and from there to holders that are known at once.
fn wait_edges(
    from: u32,
    suspect: &Suspect,
    names: &Names,
    needs: &mut [Need],
    edges: &mut Vec<(u32, u32)>,
) {
    for (wait, primitive) in suspect.waits.iter().zip(&suspect.primitives) {
        if let Live::Goroutine { target } = wait.figure {
            edges.extend(names.goroutine(target).map(|to| (from, to)));
            continue;
        }
        let own = wait.record.as_ref().and_then(|record| names.primitive(record.id));
        let next = own.unwrap_or(from);
        if own.is_some() {
            edges.push((from, next));
        }
        let is_shared = match wait.figure {
            Live::Chan { pair, .. } => !pair,
            Live::WaitGroup { .. } | Live::Cond | Live::TimerChan { .. } => true,
            _ => false,
        };
        for (record, capability) in &wait.capabilities {
            let Some(node) = names.primitive(record.id) else { continue };
            let need = &mut needs[node as usize - names.goroutines.len()];
            need.add(*capability, is_shared, suspect.frozen.created_at());
            if node != next {
                edges.push((next, node));
            }
        }
        let holders = primitive.iter().flat_map(|primitive| known_holders(&primitive.figure));
        edges.extend(holders.filter_map(|id| names.goroutine(id)).map(|to| (next, to)));
    }
}

/// Who holds a primitive, as its figures say.
fn known_holders(figure: &Figure) -> Vec<GoroutineId> {
    match figure {
        Figure::Mutex { holder: id, .. } | Figure::Once { runner: id, .. } => {
            id.iter().copied().collect()
        }
        Figure::RwLock { holders, .. } => holders.iter().filter_map(|(id, _)| *id).collect(),
        _ => Vec::new(),
    }
}

/// From primitives to the goroutines that had handles of them.
fn held_edges(
    suspects: &[Suspect],
    held: &[Held],
    names: &Names,
    needs: &[Need],
    edges: &mut Vec<(u32, u32)>,
) {
    // Which suspect is known to wait on a primitive: set anew for each, read while its entries last.
    let mut waited_on_by = vec![u32::MAX; names.primitives.len()];
    let mut current = u32::MAX;
    let mut cursor = 0;
    for entry in held {
        let Some(node) = names.primitive(entry.primitive) else { continue };
        let Some(by) = names.goroutine_near(entry.by, &mut cursor) else { continue };
        let slot = |node: u32| node as usize - names.goroutines.len();
        if by != current {
            current = by;
            let records = suspects[by as usize].waits.iter().filter_map(|w| w.record.as_ref());
            for waited in records.filter_map(|record| names.primitive(record.id)) {
                waited_on_by[slot(waited)] = by;
            }
        }
        let need = &needs[slot(node)];
        let waits_there = need.is_shared && waited_on_by[slot(node)] == by;
        let at = suspects[by as usize].frozen.created_at();
        if need.is_met(entry.capability, at) && !waits_there {
            edges.push((node, by));
        }
    }
}

/// What the graph says of each suspect.
fn read(suspects: &[Suspect], names: &Names, graph: &Digraph) -> Diagnosis {
    let causes = Causes::of(graph, |node| names.is_goroutine(node));
    let leads = leads(suspects, &causes);
    let mut holder = Holders { next: vec![None; names.primitives.len()], names, graph };
    let mut diagnosis =
        Diagnosis { places: Vec::with_capacity(suspects.len()), ..Diagnosis::default() };
    for node in 0..suspects.len() as u32 {
        let direct = causes.is_direct(node);
        let is_part = causes.is_part(node);
        let waits_for = match direct && !is_part {
            true => None,
            false => holder.next(node, |other| causes.cause(other) == causes.cause(node)),
        };
        let lead = leads[causes.cause(node) as usize];
        let waits_for = waits_for.map(|other| names.goroutines[other as usize]);
        diagnosis.places.push(Place { lead, direct, waits_for });
        if lead == node && is_part {
            let way = graph.circle(node, causes.components());
            diagnosis.circles.extend(circle(suspects, names, &way).map(|circle| (node, circle)));
        }
    }
    collect_edges(suspects, names, graph, &mut diagnosis);
    diagnosis
}

/// The suspect that stands for each cause: the body, else the first that waits for it directly.
fn leads(suspects: &[Suspect], causes: &Causes) -> Vec<u32> {
    let mut leads = vec![u32::MAX; causes.count()];
    for (node, suspect) in suspects.iter().enumerate() {
        let node = node as u32;
        let lead = &mut leads[causes.cause(node) as usize];
        if causes.is_direct(node) && (*lead == u32::MAX || suspect.is_body) {
            *lead = node;
        }
    }
    // A cause that is reached through goroutines only: one that lies between has none of its own.
    for node in 0..suspects.len() as u32 {
        let lead = &mut leads[causes.cause(node) as usize];
        if *lead == u32::MAX {
            *lead = node;
        }
    }
    leads
}

/// Finds the next goroutine on a way, looking at the holders of each primitive once.
struct Holders<'a> {
    /// The first two goroutines that hold a primitive and are behind the same cause.
    next: Vec<Option<[u32; 2]>>,
    names: &'a Names,
    graph: &'a Digraph,
}

impl Holders<'_> {
    /// A goroutine that `node` waits for, other than itself if there is one.
    fn next(&mut self, node: u32, together: impl Fn(u32) -> bool) -> Option<u32> {
        let mut itself = None;
        for &to in self.graph.from(node).iter().filter(|to| together(**to)) {
            if self.names.is_goroutine(to) {
                return Some(to);
            }
            let found = self.of(to, &together);
            match found.into_iter().find(|found| *found != u32::MAX && *found != node) {
                Some(other) => return Some(other),
                None if found.contains(&node) => itself = Some(node),
                None => {}
            }
        }
        itself
    }

    fn of(&mut self, primitive: u32, together: &impl Fn(u32) -> bool) -> [u32; 2] {
        let slot = primitive as usize - self.names.goroutines.len();
        if let Some(known) = self.next[slot] {
            return known;
        }
        let mut found = [u32::MAX; 2];
        let mut at = primitive;
        // A context without holders leads to its ancestors.
        for _ in 0..HOLDERS {
            let edges = self.graph.from(at).iter().copied().filter(|to| together(*to));
            let mut goroutines = edges.clone().filter(|to| self.names.is_goroutine(*to));
            if let Some(first) = goroutines.next() {
                found = [first, goroutines.find(|other| *other != first).unwrap_or(u32::MAX)];
                break;
            }
            match edges.filter(|to| *to != at).last() {
                Some(ancestor) => at = ancestor,
                None => break,
            }
        }
        self.next[slot] = Some(found);
        found
    }
}

/// The circle that `way` goes, in words of the report; `None` if no goroutine is in it.
fn circle(suspects: &[Suspect], names: &Names, way: &[u32]) -> Option<Circle> {
    let members: Vec<u32> = way.iter().copied().filter(|node| names.is_goroutine(*node)).collect();
    if members.is_empty() {
        return None;
    }
    let steps = members.iter().enumerate().take(CIRCLE).map(|(n, &node)| {
        let to = members[(n + 1) % members.len()];
        edge(suspects, names, node, to, way)
    });
    Some(Circle { steps: steps.collect(), length: members.len() })
}

/// The edge from one goroutine to another: through the primitive of the way that lies between.
fn edge(suspects: &[Suspect], names: &Names, from: u32, to: u32, way: &[u32]) -> Edge {
    let suspect = &suspects[from as usize];
    let on_way = |id: PrimitiveId| names.primitive(id).is_some_and(|node| way.contains(&node));
    let mut waits = suspect.waits.iter().zip(&suspect.primitives);
    let target = names.goroutines[to as usize];
    let found = waits.find(|(wait, _)| match (&wait.figure, &wait.record) {
        (Live::Goroutine { target: joined }, _) => *joined == target,
        (_, record) => record.as_ref().is_some_and(|record| on_way(record.id)),
    });
    let mut edge =
        Edge { from: suspect.id(), to: target, primitive: None, at: None, held_at: None };
    if let Some((wait, primitive)) = found {
        edge.at = Some(wait.at.into());
        edge.primitive = wait.record.as_ref().map(|record| (record.id, record.kind));
        edge.held_at = primitive.as_ref().and_then(|p| held_at(&p.figure, target));
    }
    edge
}

/// Where `holder` took a lock, or began to run.
fn held_at(figure: &Figure, holder: GoroutineId) -> Option<SourceLine> {
    match figure {
        Figure::Mutex { holder: Some(id), locked_at: at }
        | Figure::Once { runner: Some(id), called_at: at }
            if *id == holder =>
        {
            at.clone()
        }
        Figure::RwLock { holders, .. } => {
            holders.iter().find(|(id, _)| *id == Some(holder)).map(|(_, at)| at.clone())
        }
        _ => None,
    }
}

/// The first edges from goroutine to goroutine, for whoever draws them.
fn collect_edges(suspects: &[Suspect], names: &Names, graph: &Digraph, into: &mut Diagnosis) {
    for node in 0..suspects.len() as u32 {
        for &next in graph.from(node) {
            let (through, to): (&[u32], &[u32]) = match names.is_goroutine(next) {
                true => (&[], core::slice::from_ref(&next)),
                false => (core::slice::from_ref(&next), graph.from(next)),
            };
            let holders = to.iter().filter(|to| names.is_goroutine(**to));
            into.edges_in_all += to.len();
            for &to in holders.take(HOLDERS) {
                if into.edges.len() == EDGES {
                    break;
                }
                into.edges.push(edge(suspects, names, node, to, through));
            }
        }
    }
}
