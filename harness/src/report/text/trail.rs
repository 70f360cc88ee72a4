//! Turns a finding's waits and stacks into the places that a reader walks through.

use std::path::Path;

use super::snippet::{Step, Weight};
use crate::report::finding::{Finding, Frame, Primitive, SourceLine, Wait};
use crate::report::source::first_own;
use crate::report::words::{LIST_LIMIT, NO_LINE, list, number};

/// The most branches of a `join!` or `select!` that are shown.
const BRANCHES: usize = 4;
/// The most functions of a branch that are shown with their source.
const SNIPPETS: usize = 6;
/// The most functions of a branch that are shown at all.
const FRAMES: usize = 12;

/// The way from the places where a goroutine is stuck to the line that started it.
#[derive(Debug, Default)]
pub(super) struct Trail {
    /// The steps of each branch, innermost first.
    pub(super) branches: Vec<Vec<Step>>,
    /// The functions that all branches share, innermost first.
    pub(super) shared: Vec<Step>,
    /// Where the goroutine was started.
    pub(super) origin: Option<Step>,
    /// How whoever started it was started.
    pub(super) ancestry: Vec<Step>,
    /// Branches that are not shown.
    pub(super) more: usize,
}

impl Trail {
    /// The trail of `finding`.
    pub(super) fn of(finding: &Finding) -> Self {
        let stacks = distinct(&finding.stacks);
        let common = common_tail(&stacks);
        let mut left: Vec<&Wait> = finding.waits.iter().collect();
        let mut branches = Vec::new();
        for (n, stack) in stacks.iter().enumerate() {
            let mine = take_waits(&mut left, stack, n, finding, stacks.len());
            let own = &stack[..stack.len() - common];
            branches.push(branch(&mine, own));
        }
        if !left.is_empty() {
            branches.push(branch(&left, &[]));
        }
        branches.retain(|steps| !steps.is_empty());
        let more = branches.len().saturating_sub(BRANCHES);
        branches.truncate(BRANCHES);
        let tail = stacks.first().map_or(&[][..], |stack| &stack[stack.len() - common..]);
        let shared = frames(tail, 0);
        let (origin, ancestry) = (Some(origin(finding)), ancestry(finding));
        let mut trail = Self { branches, shared, origin, ancestry, more };
        trail.join_origin();
        trail
    }

    /// Shows the block that was started and the line that started it once, if that is one line.
    fn join_origin(&mut self) {
        let Some(origin) = &mut self.origin else { return };
        let steps = match (self.shared.is_empty(), self.branches.as_mut_slice()) {
            (false, _) => &mut self.shared,
            (true, [only]) => only,
            _ => return,
        };
        let one_line = |step: &&mut Step| {
            let places = step.at.as_ref().zip(origin.at.as_ref());
            step.weight != Weight::Stuck && places.is_some_and(|(a, b)| same_line(a, b))
        };
        if let Some(last) = steps.last_mut().filter(one_line) {
            origin.function = last.function.take();
            steps.pop();
        }
    }

    /// All steps.
    pub(super) fn steps(&self) -> impl Iterator<Item = &Step> {
        let origins = self.origin.iter().chain(&self.ancestry);
        self.branches.iter().flatten().chain(&self.shared).chain(origins)
    }
}

/// Where the goroutine was started.
fn origin(finding: &Finding) -> Step {
    let label = match (finding.is_body, finding.created_by) {
        (true, _) => "the test".to_owned(),
        (false, _) if finding.notes.iter().any(|note| note.contains(NO_LINE)) => {
            "started somewhere in this test".to_owned()
        }
        (false, Some(parent)) => format!("started here by {parent}"),
        (false, None) => "started here".to_owned(),
    };
    Step { at: Some(finding.created_at.clone()), function: None, label, weight: Weight::Origin }
}

/// How the goroutines between the test and this one were started. The last is the body, or was started
/// from outside, which says nothing.
fn ancestry(finding: &Finding) -> Vec<Step> {
    let all = finding.ancestry.split_last().map_or(&[][..], |(_, others)| others);
    all.iter()
        .map(|ancestor| Step {
            at: Some(ancestor.at.clone()),
            function: None,
            label: format!("{} was started here", ancestor.id),
            weight: Weight::Brief,
        })
        .collect()
}

/// The stacks without repetitions: the arms of one `select!` share theirs.
fn distinct(stacks: &[Vec<Frame>]) -> Vec<&[Frame]> {
    let mut found: Vec<&[Frame]> = Vec::new();
    for stack in stacks.iter().filter(|stack| !stack.is_empty()) {
        if !found.iter().any(|known| known == stack) {
            found.push(stack);
        }
        if found.len() > 256 {
            break;
        }
    }
    found
}

/// How many outermost frames all of several stacks have in common.
fn common_tail(stacks: &[&[Frame]]) -> usize {
    let Some((first, rest)) = stacks.split_first() else { return 0 };
    if rest.is_empty() {
        return 0;
    }
    let shared = |other: &&[Frame]| {
        first.iter().rev().zip(other.iter().rev()).take_while(|(a, b)| a == b).count()
    };
    rest.iter().map(shared).min().unwrap_or(0)
}

/// Takes the waits that belong to the `n`th stack out of `left`.
fn take_waits<'a>(
    left: &mut Vec<&'a Wait>,
    stack: &[Frame],
    n: usize,
    finding: &'a Finding,
    stacks: usize,
) -> Vec<&'a Wait> {
    if stacks == 1 {
        return core::mem::take(left);
    }
    let top = stack.first().and_then(|frame| frame.at.as_ref());
    let mut mine: Vec<&Wait> = left
        .iter()
        .copied()
        .filter(|wait| top.is_some_and(|top| same_line(&wait.at, top)))
        .collect();
    if mine.is_empty() && finding.waits.len() == stacks {
        // Leaves and their stacks come in the same order.
        mine.extend(left.iter().copied().find(|wait| core::ptr::eq(*wait, &finding.waits[n])));
    }
    left.retain(|wait| !mine.iter().any(|taken| core::ptr::eq(*taken, *wait)));
    mine
}

/// The steps of one branch: its waits, then the functions around them.
fn branch(waits: &[&Wait], stack: &[Frame]) -> Vec<Step> {
    let mut steps = Vec::new();
    let top = stack.first();
    let mut merged = false;
    for (at, group) in by_place(waits) {
        let inside = top.filter(|top| top.at.as_ref().is_some_and(|line| same_line(at, line)));
        merged |= inside.is_some();
        steps.push(Step {
            at: Some(at.clone()),
            function: inside.map(|top| top.function.clone()),
            label: label(&group),
            weight: Weight::Stuck,
        });
        if steps.len() == LIST_LIMIT {
            break;
        }
    }
    let places = by_place(waits).len();
    if places > steps.len() {
        let label = format!("and {} more places", number(places - steps.len()));
        steps.push(Step { at: None, function: None, label, weight: Weight::Brief });
    }
    if !steps.is_empty() {
        steps.extend(frames(&stack[usize::from(merged)..], steps.len()));
        return steps;
    }
    // What a dependency does inside is told by the name of what the user called.
    let own = first_own(stack);
    steps.extend(frames(&stack[own..], 0));
    if let Some(first) = steps.first_mut() {
        first.weight = Weight::Stuck;
        first.label = match &stack[..own] {
            [] => "stuck here".to_owned(),
            [inner, ..] => format!("stuck in {}", inner.function),
        };
    }
    steps
}

/// The functions of a stack; `before` steps are shown already.
fn frames(stack: &[Frame], before: usize) -> Vec<Step> {
    let step = |(n, frame): (usize, &Frame)| Step {
        at: frame.at.clone(),
        function: Some(frame.function.clone()),
        label: String::new(),
        weight: if n + before < SNIPPETS { Weight::Way } else { Weight::Brief },
    };
    let mut steps: Vec<Step> = stack.iter().take(FRAMES).enumerate().map(step).collect();
    if stack.len() > FRAMES {
        let label = format!("and {} more functions", number(stack.len() - FRAMES));
        steps.push(Step { at: None, function: None, label, weight: Weight::Brief });
    }
    steps
}

/// Waits by the line and column of their operation, in order.
fn by_place<'a>(waits: &[&'a Wait]) -> Vec<(&'a SourceLine, Vec<&'a Wait>)> {
    let mut places: Vec<(&SourceLine, Vec<&Wait>)> = Vec::new();
    for wait in waits {
        match places.iter_mut().find(|(at, _)| *at == &wait.at) {
            Some((_, group)) => group.push(wait),
            None => places.push((&wait.at, vec![wait])),
        }
    }
    places
}

/// What happens at a place: `chan receive on chan #4`, `waits for chan #4 and context #5`.
fn label(waits: &[&Wait]) -> String {
    if let [wait] = waits {
        return match &wait.primitive {
            Some(primitive) => format!("{} on {}", wait.reason, called(primitive)),
            None => wait.reason.to_string(),
        };
    }
    let each: Vec<String> = waits
        .iter()
        .take(LIST_LIMIT + 1)
        .map(|wait| match &wait.primitive {
            Some(primitive) => called(primitive),
            None => wait.reason.to_string(),
        })
        .collect();
    format!("waits for {}", list(&each, waits.len(), LIST_LIMIT))
}

/// `chan #4`.
pub(super) fn called(primitive: &Primitive) -> String {
    format!("{} {}", primitive.kind, primitive.id)
}

/// Whether two positions are on one line. A caller's position is relative to the workspace where
/// debug information is absolute.
fn same_line(a: &SourceLine, b: &SourceLine) -> bool {
    let below = |long: &Path, short: &Path| long.is_absolute() && long.ends_with(short);
    a.line == b.line && (a.file == b.file || below(&a.file, &b.file) || below(&b.file, &a.file))
}
