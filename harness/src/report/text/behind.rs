//! Who is stuck behind a finding, and who waits for whom in a circle.

use gmp_core::inspect::{GoroutineId, PrimitiveId, PrimitiveKind as Kind};

use super::block::entry;
use super::page::Page;
use super::style::Ink;
use crate::report::finding::{Circle, Edge, Finding};
use crate::report::source::Sources;
use crate::report::words::{LIST_LIMIT, clean, count, doing, list, number};

/// The most groups behind one finding that are told.
const GROUPS: usize = 8;

/// `with 199 goroutines behind it`, for a headline; `None` if nobody is.
pub(super) fn others(finding: &Finding) -> Option<String> {
    let (behind, _) = split(finding);
    (behind > 0).then(|| {
        let them = if finding.count == 1 { "it" } else { "them" };
        format!("with {} behind {them}", count(behind, "goroutine"))
    })
}

/// `199 behind it`, for the first line; `None` if there is nothing to say.
pub(super) fn short(finding: &Finding) -> Option<String> {
    let (behind, circle) = split(finding);
    let them = if finding.count == 1 { "it" } else { "them" };
    let behind = (behind > 0).then(|| format!("{} behind {them}", number(behind)));
    let circle = (circle > 0).then(|| match circle {
        1 => "it waits for itself".to_owned(),
        n => format!("deadlock of {}", number(n)),
    });
    let parts: Vec<String> = circle.into_iter().chain(behind).collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// How many goroutines are behind a finding, those of its circle apart, and how long the circle is.
fn split(finding: &Finding) -> (usize, usize) {
    let circle = finding.circle.as_ref().map_or(0, |circle| circle.length);
    let in_circle = circle.saturating_sub(finding.count);
    (finding.behind().saturating_sub(in_circle), circle)
}

/// The steps of a circle in words.
pub(super) fn circle(circle: &Circle, sources: &Sources) -> String {
    let steps: Vec<String> = circle
        .steps
        .iter()
        .enumerate()
        .map(|(n, step)| {
            let before = if n == 0 { circle.steps.last() } else { circle.steps.get(n - 1) };
            let has = before.filter(|_| n > 0 || circle.length == circle.steps.len());
            let has =
                has.map_or(String::new(), |before| format!("{} and ", holds(before, sources)));
            format!("{} {has}{}", step.from, waits(step, sources))
        })
        .collect();
    let mut text = steps.join("; ");
    if circle.length > circle.steps.len() {
        text = format!("{text}; and so on, {} in all", count(circle.length, "goroutine"));
    }
    text
}

/// What the goroutine at the end of this step has: `holds mutex #4 (locked at src/a.rs:10)`.
fn holds(step: &Edge, sources: &Sources) -> String {
    let Some((id, kind)) = step.primitive else { return "is joined".to_owned() };
    let name = named(id, kind);
    let at = step.held_at.as_ref().map(|at| sources.show_line(at));
    match (kind, at) {
        (Kind::Mutex | Kind::RwLock, Some(at)) => format!("holds {name} (locked at {at})"),
        (Kind::Once | Kind::SingleFlight, Some(at)) => format!("runs {name} (called at {at})"),
        (Kind::Once | Kind::SingleFlight, None) => format!("runs {name}"),
        (Kind::Mutex | Kind::RwLock, None) => format!("holds {name}"),
        (Kind::Semaphore, _) => format!("has permits of {name}"),
        (Kind::Context, _) => format!("could cancel {name}"),
        _ => format!("has a handle of {name}"),
    }
}

/// What this step waits for: `waits for chan #5 at src/b.rs:22`.
fn waits(step: &Edge, sources: &Sources) -> String {
    let at = step.at.as_ref();
    let at = at.map_or(String::new(), |at| format!(" at {}", sources.show_line(at)));
    match step.primitive {
        Some((id, kind)) => format!("waits for {}{at}", named(id, kind)),
        None => format!("waits for {} to end{at}", step.to),
    }
}

fn named(id: PrimitiveId, kind: Kind) -> String {
    format!("{kind} {id}")
}

/// Writes the groups behind `finding`.
pub(super) fn write(page: &mut Page, gutter: usize, finding: &Finding, sources: &Sources) {
    let followers = &finding.followers;
    for follower in followers.iter().take(GROUPS) {
        entry(page, gutter, "behind", Ink::Strong, &clean(&told(finding, follower, sources), 600));
    }
    if followers.len() > GROUPS {
        let rest = &followers[GROUPS..];
        let goroutines = rest.iter().map(|follower| follower.count).sum();
        let text =
            format!("{} in {} more groups", count(goroutines, "goroutine"), number(rest.len()));
        entry(page, gutter, "behind", Ink::Strong, &text);
    }
}

/// One group behind a finding: `G8 in sync.Mutex.Lock at src/a.rs:10, waits for G7`.
fn told(finding: &Finding, follower: &Finding, sources: &Sources) -> String {
    let at = match follower.waits.first() {
        Some(wait) => format!(" at {}", sources.show_line(&wait.at)),
        None => format!(", started at {}", sources.show_line(&follower.created_at)),
    };
    let does = format!("{}{at}", doing(follower.reason));
    let ids = list(&follower.goroutines, follower.count, LIST_LIMIT);
    let who = match follower.count {
        1 => format!("{ids} {does}"),
        n => format!("{} {does}", number(n)),
    };
    let verdict = match follower.verdict.name() == finding.verdict.name() {
        true => String::new(),
        false => format!(" ({})", follower.verdict),
    };
    let ids = if follower.count == 1 { String::new() } else { format!(": {ids}") };
    format!("{who}{verdict}, {}{ids}", for_whom(finding, follower))
}

/// What a follower waits for.
fn for_whom(finding: &Finding, follower: &Finding) -> String {
    let known = |id: &GoroutineId| follower.goroutines.contains(id);
    match (follower.waits_for, follower.count) {
        (None, 1) => "waits for the same".to_owned(),
        (None, _) => "wait for the same".to_owned(),
        (Some(id), 1) => format!("waits for {id}"),
        (Some(id), _) if known(&id) => {
            format!("wait for one another and in the end for {}", lead(finding))
        }
        (Some(id), _) if finding.count == 1 && finding.goroutines.contains(&id) => {
            format!("wait for {id}")
        }
        (Some(id), _) => format!("wait for {id} or one like it"),
    }
}

fn lead(finding: &Finding) -> String {
    finding.goroutines.first().map_or("the first".to_owned(), ToString::to_string)
}
