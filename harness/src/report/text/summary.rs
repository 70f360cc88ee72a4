//! The first line: everything that a list of failed tests has room for.

use gmp_core::inspect::WaitReason;

use super::behind;
use crate::leak::verdict::Verdict;
use crate::report::finding::{BodyOutcome, Finding, Report};
use crate::report::source::{Sources, first_own};
use crate::report::words::{clean, count, doing, duration, list, number, plural};

/// The most groups or panics that the line names.
const NAMED: usize = 3;
/// The longest name of a test in it.
const NAME_LIMIT: usize = 160;
/// The longest panic message in it.
const MESSAGE_LIMIT: usize = 120;

/// Whether the report says that something is wrong.
pub(super) fn is_failure(report: &Report) -> bool {
    let asleep = matches!(report.outcome, BodyOutcome::Asleep | BodyOutcome::TimedOut(_));
    asleep || report.has_denied() || !report.reap_notes.is_empty()
}

/// The line without the `Error: ` in front.
pub(super) fn summary(report: &Report, sources: &Sources) -> String {
    let name = clean(&report.name, NAME_LIMIT);
    let (body, leaks): (Vec<&Finding>, Vec<&Finding>) =
        report.findings.iter().partition(|finding| finding.is_body);
    let mut parts: Vec<String> = Vec::new();
    let head = match &report.outcome {
        BodyOutcome::Asleep if report.findings.iter().any(has_timer) => {
            format!("{name} cannot end within its time-out")
        }
        BodyOutcome::Asleep => format!("all goroutines are asleep - deadlock! in {name}"),
        BodyOutcome::TimedOut(after) => format!("{name} timed out after {}", duration(*after)),
        _ => String::new(),
    };
    if !head.is_empty() {
        let stuck =
            body.first().map(|body| format!(": the body {}{}", is(body), does(body, sources)));
        parts.push(format!("{head}{}", stuck.unwrap_or_default()));
    }
    if !leaks.is_empty() {
        parts.push(leaked(&leaks, report, &name, head.is_empty(), sources));
    } else if head.is_empty()
        && let Some(body) = body.first()
    {
        parts.push(format!("the body of {name} {}{}", is(body), does(body, sources)));
    }
    if !report.panics.is_empty() {
        let place = if parts.is_empty() { format!(" in {name}") } else { String::new() };
        parts.push(panicked(report, &place, sources));
    }
    parts.extend(left(report, parts.is_empty(), &name, sources));
    if parts.is_empty()
        && let Some(note) = report.reap_notes.first()
    {
        parts.push(format!("{name}: {}", clean(note, MESSAGE_LIMIT)));
    }
    match (parts.is_empty(), report.hidden.is_empty()) {
        (false, _) => parts.join("; "),
        (true, true) => format!("nothing leaked in {name}"),
        (true, false) => format!("nothing leaked in {name} but what the rules allow"),
    }
}

/// `a WaitGroup above zero that nobody waits for, made at src/a.rs:5 in name`.
fn left(report: &Report, alone: bool, name: &str, sources: &Sources) -> Option<String> {
    let first = report.leftovers.first()?;
    let at = sources.show_line(&first.created_at);
    let place = if alone { format!(" in {name}") } else { String::new() };
    let more = match report.leftovers.len() - 1 {
        0 => String::new(),
        more => format!(" and {} more primitive{}", number(more), plural(more)),
    };
    Some(format!("{}, made at {at}{more}{place}", first.code.title()))
}

/// `3 goroutines leaked in name: 2 in chan receive at src/a.rs:5 (Proven), ..`.
fn leaked(
    leaks: &[&Finding],
    report: &Report,
    name: &str,
    with_name: bool,
    sources: &Sources,
) -> String {
    let total: usize = leaks.iter().map(|finding| finding.total()).sum();
    let place = match (&report.outcome, with_name) {
        (_, false) => String::new(),
        (BodyOutcome::Panicked(_), _) => format!(" in {name}, which panicked"),
        (BodyOutcome::Failed, _) => format!(" in {name}, which failed"),
        _ => format!(" in {name}"),
    };
    let is_task = |finding: &&Finding| {
        finding.is_task && finding.followers.iter().all(|follower| follower.is_task)
    };
    let noun = if leaks.iter().all(is_task) { "task" } else { "goroutine" };
    let each: Vec<String> = leaks
        .iter()
        .take(NAMED + 1)
        .map(|finding| {
            let who = match (finding.count, finding.goroutines.first()) {
                (1, Some(id)) => id.to_string(),
                (n, _) if n == total => "all".to_owned(),
                (n, _) => number(n),
            };
            format!("{who} {}{}", is(finding), does(finding, sources))
        })
        .collect();
    format!("{} leaked{place}: {}", count(total, noun), list(&each, leaks.len(), NAMED))
}

/// The verb of `still running`; a place to wait in needs none.
fn is(finding: &Finding) -> &'static str {
    match finding.reason {
        WaitReason::Running | WaitReason::Runnable if finding.count > 1 => "are ",
        WaitReason::Running | WaitReason::Runnable => "is ",
        _ => "",
    }
}

/// Whether it would go on by itself, only too late.
fn has_timer(finding: &Finding) -> bool {
    matches!(finding.verdict, Verdict::Timer { .. })
}

/// `in chan receive at src/a.rs:5 (Proven)`.
fn does(finding: &Finding, sources: &Sources) -> String {
    let frame = || {
        let stack = finding.stacks.first()?;
        stack.get(first_own(stack))?.at.as_ref()
    };
    let at = match finding.waits.first().map(|wait| &wait.at).or_else(frame) {
        Some(at) => format!(" at {}", sources.show_line(at)),
        None => format!(", started at {}", sources.show_line(&finding.created_at)),
    };
    let more = behind::short(finding).map_or(String::new(), |more| format!(", {more}"));
    format!("{}{at} ({}{more})", doing(finding.reason), finding.verdict)
}

/// `G5 panicked: message (started at src/a.rs:5)`.
fn panicked(report: &Report, place: &str, sources: &Sources) -> String {
    let each: Vec<String> = report
        .panics
        .iter()
        .take(NAMED + 1)
        .map(|panic| {
            let message = clean(&panic.message, MESSAGE_LIMIT);
            let at = sources.show_line(&panic.created_at);
            let (who, deed) = (panic.who(), panic.deed());
            format!("{who} panicked{place}: {message} ({deed} at {at})")
        })
        .collect();
    list(&each, report.panics.len() + report.more_panics, NAMED)
}
