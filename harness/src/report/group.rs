//! Merges equal leaks into groups and puts the culprits before their victims.

use std::collections::HashMap;

use gmp_core::inspect::{GoroutineId, WaitReason};

use super::finding::{Finding, Frame, SourceLine};
use crate::leak::verdict::{Holder, Verdict};

/// How many goroutines of a group are named.
pub const NAMED: usize = 8;

/// How the note ends that figures stand for one goroutine of the group only.
pub(super) const OWN_PRIMITIVES: &str = "others wait on primitives of their own";

/// What goroutines of one group have in common, the stacks apart.
#[derive(PartialEq, Eq, Hash)]
struct Key {
    is_body: bool,
    /// Name of the verdict, and for `Reachable` the name of the holder's verdict.
    class: (&'static str, &'static str),
    reason: WaitReason,
    created_at: SourceLine,
    waits: Vec<(WaitReason, SourceLine)>,
}

/// The groups with one key.
#[derive(Default)]
struct Siblings {
    /// Groups by stacks.
    traced: HashMap<Vec<Vec<Frame>>, usize>,
    /// The group of goroutines that were not traced.
    untraced: Option<usize>,
}

/// A finding on its way into a group.
pub(crate) struct Tagged {
    pub(crate) finding: Finding,
    /// A number that equal goroutines share.
    pub(crate) kind: u32,
    /// The kind of the goroutine that stands for its cause, if that is another one.
    pub(crate) behind: Option<u32>,
}

/// A group of equal findings.
pub(crate) struct Group {
    pub(crate) finding: Finding,
    /// The kinds that were merged.
    pub(crate) kinds: Vec<u32>,
    /// As in [`Tagged`].
    pub(crate) behind: Option<u32>,
}

/// Merges findings of the same verdict, spawn line, wait set and stacks, and orders the groups.
///
/// The order is that of a search for the cause: the body first, since it says what the test was
/// doing, unless it is behind a cause that comes first; then `Proven`, `Running`, `Timer` and
/// `External`, which hold things, and `Reachable` last, since it waits for one of those or for the
/// world outside. Within a verdict those who wait for the deed of one goroutine (a join, a WaitGroup, a
/// lock) come after the others: they are mostly victims. Then larger groups come first, then earlier
/// goroutines.
pub fn group(findings: impl IntoIterator<Item = Finding>) -> Vec<Finding> {
    let tag = |finding| Tagged { finding, kind: 0, behind: None };
    let groups = tagged(findings.into_iter().map(tag));
    let mut findings: Vec<Finding> = groups.into_iter().map(|group| group.finding).collect();
    order(&mut findings);
    findings
}

/// As [`group`], for findings that are behind the same cause; in the order of their first members.
/// Findings are taken one by one: an iterator that makes them as it goes needs memory for the groups
/// only.
///
/// A goroutine without a stack joins the first group that equals it in everything else: only a few
/// goroutines of each kind are traced. The time is linear in the number of findings.
pub(crate) fn tagged(findings: impl IntoIterator<Item = Tagged>) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let mut known: HashMap<(Key, Option<u32>), Siblings> = HashMap::new();
    for Tagged { finding, kind, behind } in findings {
        let siblings = known.entry((key(&finding), behind)).or_default();
        let slot = match finding.stacks.is_empty() {
            true => siblings.untraced,
            false => siblings.traced.get(&finding.stacks).copied(),
        };
        match slot {
            Some(index) => groups[index].merge(finding, &[kind]),
            None => {
                let index = groups.len();
                if finding.stacks.is_empty() {
                    siblings.untraced = Some(index);
                } else {
                    siblings.traced.insert(finding.stacks.clone(), index);
                }
                groups.push(Group { finding, kinds: vec![kind], behind });
            }
        }
    }
    adopt_untraced(&mut groups, known.into_values());
    groups
}

impl Group {
    fn merge(&mut self, from: Finding, kinds: &[u32]) {
        merge(&mut self.finding, from);
        let new = kinds.iter().filter(|kind| !self.kinds.contains(kind));
        let new: Vec<u32> = new.copied().collect();
        self.kinds.extend(new);
    }
}

/// Merges untraced goroutines into the first traced group with their key.
fn adopt_untraced(groups: &mut Vec<Group>, all: impl Iterator<Item = Siblings>) {
    let mut home: HashMap<usize, usize> = HashMap::new();
    for siblings in all {
        if let (Some(untraced), Some(first)) = (siblings.untraced, siblings.traced.values().min()) {
            home.insert(untraced, *first);
        }
    }
    let mut kept: Vec<Option<Group>> = groups.drain(..).map(Some).collect();
    for (untraced, first) in home {
        if let Some(from) = kept[untraced].take()
            && let Some(into) = &mut kept[first]
        {
            into.merge(from.finding, &from.kinds);
        }
    }
    groups.extend(kept.into_iter().flatten());
}

/// Sorts findings as [`group`] says.
pub(crate) fn order(findings: &mut [Finding]) {
    findings.sort_by_cached_key(rank);
    // A body that is behind another finding is no cause.
    let is_behind =
        |body: &Finding| body.is_body && body.waits_for.is_some() && body.circle.is_none();
    if findings.len() > 1 && findings.first().is_some_and(is_behind) {
        findings.swap(0, 1);
    }
}

fn key(finding: &Finding) -> Key {
    let holder = match &finding.verdict {
        Verdict::Reachable { by: Holder::Goroutine { verdict, .. } } => verdict,
        _ => "",
    };
    Key {
        is_body: finding.is_body,
        class: (finding.verdict.name(), holder),
        reason: finding.reason,
        created_at: finding.created_at.clone(),
        waits: finding.waits.iter().map(|wait| (wait.reason, wait.at.clone())).collect(),
    }
}

/// Adds `from` to the group `into`, which keeps its own figures.
fn merge(into: &mut Finding, from: Finding) {
    if !same_primitives(into, &from) {
        let who = into.goroutines.first().map_or("the first one".to_owned(), ToString::to_string);
        note(into, format!("the figures are those of {who}; {OWN_PRIMITIVES}"));
    }
    match (&mut into.verdict, from.verdict) {
        (Verdict::Timer { due_in }, Verdict::Timer { due_in: other }) => {
            *due_in = other.min(*due_in);
        }
        (
            Verdict::Reachable { by: Holder::Goroutine { id, .. } },
            Verdict::Reachable { by: Holder::Goroutine { id: other, .. } },
        ) if *id != other => {
            note(into, "others of them are held by other goroutines of the same kind".to_owned());
        }
        _ => {}
    }
    into.count += from.count;
    // The first that is part of a circle tells of it.
    if into.circle.is_none() {
        into.circle = from.circle;
    }
    if into.context.is_none() {
        into.context = from.context;
    }
    into.waited = into.waited.max(from.waited);
    add_named(&mut into.goroutines, from.goroutines);
    if into.created_by != from.created_by {
        into.created_by = None;
    }
    for text in from.notes {
        note(into, text);
    }
}

/// Keeps the smallest ids, in order.
fn add_named(into: &mut Vec<GoroutineId>, from: Vec<GoroutineId>) {
    for id in from {
        let at = into.partition_point(|known| *known < id);
        if at < NAMED {
            into.insert(at, id);
            into.truncate(NAMED);
        }
    }
}

/// Adds a note that the group does not have yet; a few are enough.
fn note(into: &mut Finding, text: String) {
    if into.notes.len() < NAMED && !into.notes.contains(&text) {
        into.notes.push(text);
    }
}

fn same_primitives(a: &Finding, b: &Finding) -> bool {
    let ids = |finding: &Finding| -> Vec<_> {
        finding.waits.iter().map(|wait| wait.primitive.as_ref().map(|p| p.id)).collect()
    };
    ids(a) == ids(b)
}

/// The place of a group in the report; smaller is earlier.
pub(crate) fn rank(finding: &Finding) -> impl Ord + use<> {
    let verdict = match finding.verdict {
        Verdict::Proven => 0,
        Verdict::Running => 1,
        Verdict::Timer { .. } => 2,
        Verdict::External => 3,
        Verdict::Reachable { .. } => 4,
    };
    let victim = matches!(
        finding.reason,
        WaitReason::Join
            | WaitReason::WaitGroupWait
            | WaitReason::MutexLock
            | WaitReason::RwLockRead
            | WaitReason::RwLockWrite
            | WaitReason::OnceDo
            | WaitReason::SingleFlightDo
    );
    let first = finding.goroutines.first().copied();
    (!finding.is_body, verdict, victim, core::cmp::Reverse(finding.total()), first)
}

#[cfg(test)]
#[path = "group_tests.rs"]
mod tests;
