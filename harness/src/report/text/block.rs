//! The block of one finding: symptom, figures, source lines, what to change.

use gmp_core::inspect::{IoWant, PrimitiveKind};

use super::behind;
use super::page::Page;
use super::snippet;
use super::style::Ink;
use super::trail::{Trail, called};
use crate::leak::code::Code;
use crate::leak::severity::Severity;
use crate::leak::verdict::{Holder, Verdict};
use crate::report::finding::{
    CancelProbe, Figure, Finding, GoroutinePanic, Primitive, Report, SourceLine, Wait,
};
use crate::report::remedy::{of_panic, remedy};
use crate::report::source::Sources;
use crate::report::words::{LIST_LIMIT, clean, count, doing, duration, list, number, plural};

/// The longest address that is printed.
const NAME: usize = 120;
/// The longest note or panic message that is printed.
const TEXT_LIMIT: usize = 600;
/// How far beyond the gutter the second line of an entry begins: below the text of `= fix: `.
const HANG: usize = 8;

/// The colour of a verdict: what is certain stands out.
pub(super) fn ink(verdict: &Verdict) -> Ink {
    match verdict {
        Verdict::Proven | Verdict::Running => Ink::Alarm,
        _ => Ink::Warning,
    }
}

/// Writes the block of `finding`.
pub(super) fn write(page: &mut Page, finding: &Finding, report: &Report, sources: &Sources) {
    let trail = Trail::of(finding);
    let gutter = snippet::gutter(trail.steps());
    page.gap();
    symptom(page, finding);
    if let Some(circle) = &finding.circle {
        entry(page, gutter, "deadlock", Ink::Alarm, &behind::circle(circle, sources));
    }
    figures(page, gutter, finding, sources);
    for text in &finding.notes {
        entry(page, gutter, "note", Ink::Strong, &clean(text, TEXT_LIMIT));
    }
    if let Some(probe) = finding.probe {
        entry(page, gutter, "probe", Ink::Strong, probed(probe));
    }
    write_trail(page, gutter, &trail, sources);
    behind::write(page, gutter, finding, sources);
    let advice = clean(&remedy(finding, report, sources), usize::MAX);
    entry(page, gutter, "fix", Ink::Fix, &advice);
}

/// What the cancel probe found.
fn probed(probe: CancelProbe) -> &'static str {
    match probe {
        CancelProbe::Ends => "in a second run it ended when its context was cancelled",
        CancelProbe::Stays => {
            "in a second run its context was cancelled and it stayed: it ignores cancellation"
        }
        CancelProbe::CannotBeCancelled => {
            "in a second run nothing could cancel its context, which is a root"
        }
    }
}

/// The headline: verdict, how many, wait reason, for how long, which.
fn symptom(page: &mut Page, finding: &Finding) {
    let what = match (finding.is_body, finding.severity) {
        (true, _) => "body",
        (false, Severity::Deny) => "leak",
        _ => "warning",
    };
    let head = format!("{what}[{}, {}]", finding.code, finding.verdict);
    page.paint(ink(&finding.verdict), &head).paint(Ink::Strong, ": ");
    let who = match finding.is_body {
        true => "the body of the test".to_owned(),
        false => count(finding.count, finding.noun()),
    };
    let is = if finding.count == 1 { "is" } else { "are" };
    let stuck = match finding.verdict {
        Verdict::Proven | Verdict::Reachable { .. } | Verdict::External => " stuck",
        _ => "",
    };
    let does = doing(finding.reason);
    // The clock of a parked goroutine has milliseconds.
    let waited = match finding.waited.as_millis() {
        0 => String::new(),
        _ => format!(" (for {})", duration(finding.waited)),
    };
    let mut text = format!("{who} {is}{stuck} {does}{waited}");
    if !finding.goroutines.is_empty() {
        let ids = list(&finding.goroutines, finding.count, LIST_LIMIT);
        text = format!("{text}: {ids}");
    }
    if let Some(others) = behind::others(finding) {
        text = format!("{text}, {others}");
    }
    page.wrap(Ink::Strong, head.len() + 2, &text);
}

/// The figures of what it waits for, each primitive once.
fn figures(page: &mut Page, gutter: usize, finding: &Finding, sources: &Sources) {
    match &finding.verdict {
        Verdict::Timer { due_in } if !has_timer(finding) => {
            entry(page, gutter, "timer", Ink::Strong, &format!("due in {}", duration(*due_in)));
        }
        Verdict::Reachable { by: Holder::Goroutine { id, verdict } } => {
            let text = format!("{id} ({verdict}) could still release it");
            entry(page, gutter, "holder", Ink::Strong, &text);
        }
        Verdict::Reachable { by: Holder::Outside } => {
            let text = "outside this test: a static, another test, an OS thread or a leaked `Arc`";
            entry(page, gutter, "holder", Ink::Strong, text);
            possible_holders(page, gutter, finding, sources);
        }
        _ => {}
    }
    let mut shown: Vec<&Primitive> = Vec::new();
    let mut more = 0;
    for primitive in finding.waits.iter().filter_map(|wait: &Wait| wait.primitive.as_ref()) {
        if shown.iter().any(|known| known.id == primitive.id) {
            continue;
        }
        if shown.len() == LIST_LIMIT {
            more += 1;
            continue;
        }
        shown.push(primitive);
        entry(page, gutter, &called(primitive), Ink::Strong, &figure(primitive, sources));
    }
    if more > 0 {
        page.paint(Ink::Gutter, &format!("{} = ", " ".repeat(gutter)));
        page.text(&format!("and {} more", number(more))).end();
    }
}

/// The lines where handles were cloned: one of them may be what somebody outside has.
fn possible_holders(page: &mut Page, gutter: usize, finding: &Finding, sources: &Sources) {
    let lines = &finding.possible_holders;
    let each: Vec<String> = lines
        .iter()
        .take(LIST_LIMIT + 1)
        .map(|(at, times)| match times {
            1 => sources.show(at),
            times => format!("{} ({times} times)", sources.show(at)),
        })
        .collect();
    if !each.is_empty() {
        let text = format!("handles were cloned at {}", list(&each, lines.len(), LIST_LIMIT));
        entry(page, gutter, "possible holders", Ink::Strong, &text);
    }
}

/// Whether the figures show a timer anyway.
fn has_timer(finding: &Finding) -> bool {
    let timer = |wait: &Wait| {
        let is_timer = |kind| matches!(kind, PrimitiveKind::Timer | PrimitiveKind::Ticker);
        wait.primitive.as_ref().is_some_and(|found| is_timer(found.kind))
    };
    finding.waits.iter().any(timer)
}

/// The figures of one primitive in words.
fn figure(primitive: &Primitive, sources: &Sources) -> String {
    let mut parts: Vec<String> = Vec::new();
    match &primitive.figure {
        Figure::Chan { len, cap, senders, receivers, pair } => {
            parts.push(match cap {
                0 => "unbuffered".to_owned(),
                _ => format!("{} of {} values in the buffer", number(*len), number(*cap)),
            });
            parts.push(match pair {
                true => format!("{}, {}", count(*senders, "Sender"), count(*receivers, "Receiver")),
                false => count(*senders.max(receivers), "handle"),
            });
        }
        Figure::Mutex { holder, locked_at } => {
            let holder =
                holder.map_or("a holder that is not known".to_owned(), |id| id.to_string());
            let at =
                locked_at.as_ref().map_or(String::new(), |at| format!(" at {}", sources.show(at)));
            parts.push(format!("locked by {holder}{at}"));
        }
        Figure::RwLock { holders, writer, pending_writers } => {
            let how = if *writer { "write" } else { "read" };
            let each: Vec<String> = holders
                .iter()
                .take(LIST_LIMIT + 1)
                .map(|(who, at)| {
                    let who = who.map_or("a plain thread".to_owned(), |id| id.to_string());
                    format!("{how}-locked by {who} at {}", sources.show(at))
                })
                .collect();
            parts.push(match each.is_empty() {
                true => "no holder".to_owned(),
                false => list(&each, holders.len(), LIST_LIMIT),
            });
            if *pending_writers > 0 {
                parts.push(format!("{} in line", count(*pending_writers, "writer")));
            }
        }
        Figure::Once { runner, called_at } => {
            let runner = runner.map_or("nobody that is known".to_owned(), |id| id.to_string());
            let at = called_at
                .as_ref()
                .map_or(String::new(), |at| format!(" since {}", sources.show(at)));
            parts.push(format!("run by {runner}{at}"));
        }
        Figure::Semaphore { free, size, wants, taken } => {
            parts.push(format!("wants {wants}, {free} of {size} free"));
            parts.extend(sums("taken", taken, sources));
        }
        Figure::WaitGroup { counter, adds, dones } => {
            parts.push(format!("counter {counter}"));
            parts.extend(sums("add", adds, sources));
            parts.extend(sums("done", dones, sources));
        }
        Figure::TimerChan { due_in, every, resets, handles } => {
            parts.push(match due_in {
                Some(left) => format!("due in {}", duration(*left)),
                None => "not running".to_owned(),
            });
            parts.extend(every.map(|every| format!("every {}", duration(every))));
            parts.extend(
                (*resets > 0).then(|| format!("reset {}", count(*resets as usize, "time"))),
            );
            parts.push(count(*handles, "handle"));
        }
        Figure::Timer { due_in } => parts.push(format!("due in {}", duration(*due_in))),
        Figure::Context { cancel_handles, deadline_in, below_test_context } => {
            parts.push(count(*cancel_handles, "cancel handle"));
            parts.push(match deadline_in {
                Some(left) => format!("deadline in {}", duration(*left)),
                None => "no deadline".to_owned(),
            });
            if !below_test_context {
                parts.push("not derived from the test's context".to_owned());
            }
        }
        Figure::Io { local, peer, want, since } => {
            parts.push(format!("{} for {}", want.as_str(), duration(*since)));
            let named = |what: &str, name: &Option<String>| {
                name.as_ref().map(|name| format!("{what}{}", clean(name, NAME)))
            };
            parts.extend(named("local ", local));
            // A child is no end of anything: its name says what it is.
            parts.extend(named(if *want == IoWant::Exit { "" } else { "peer " }, peer));
        }
        Figure::Goroutine { target } => parts.push(format!("joins {target}")),
        _ => {}
    }
    if let Some(at) = &primitive.created_at {
        parts.push(format!("made at {}", sources.show(at)));
    }
    if parts.is_empty() { "nothing else is known".to_owned() } else { parts.join(", ") }
}

/// `add 3 at src/a.rs:5:4`.
fn sums(what: &str, lines: &[(SourceLine, i64)], sources: &Sources) -> Option<String> {
    let each: Vec<String> = lines
        .iter()
        .take(LIST_LIMIT + 1)
        .map(|(at, n)| format!("{what} {n} at {}", sources.show(at)))
        .collect();
    (!each.is_empty()).then(|| list(&each, lines.len(), LIST_LIMIT))
}

/// Writes the places, innermost first.
fn write_trail(page: &mut Page, gutter: usize, trail: &Trail, sources: &Sources) {
    let branches = trail.branches.len() + trail.more;
    for (n, steps) in trail.branches.iter().enumerate() {
        if branches > 1 {
            page.paint(Ink::Gutter, &" ".repeat(gutter + 1));
            page.paint(Ink::Strong, &format!("branch {} of {branches}", n + 1)).end();
        }
        for (n, step) in steps.iter().enumerate() {
            snippet::write(page, sources, gutter, if n == 0 { "-->" } else { ":::" }, step);
        }
    }
    if branches > 1 {
        page.paint(Ink::Gutter, &" ".repeat(gutter + 1));
        let text = match trail.more {
            0 => format!("all {branches} branches"),
            more => format!("all branches, {} of them not shown", number(more)),
        };
        page.paint(Ink::Strong, &text).end();
    }
    for step in trail.shared.iter().chain(&trail.origin).chain(&trail.ancestry) {
        snippet::write(page, sources, gutter, ":::", step);
    }
}

/// Writes `= name: text`, wrapped.
pub(super) fn entry(page: &mut Page, gutter: usize, name: &str, ink: Ink, text: &str) {
    page.paint(Ink::Gutter, &format!("{} = ", " ".repeat(gutter)));
    page.paint(ink, name).text(": ");
    page.wrap(Ink::Plain, gutter + HANG, text);
}

/// Said of the panic of a task that is not tracked.
const UNTRACKED: &str = "it was not spawned through `gmp::tokio`, so whether somebody has received the panic is not \
                         known: spawn it with `gmp::tokio::spawn`, and one that nobody receives fails the test";

/// Writes the block of a goroutine that panicked.
pub(super) fn write_panic(page: &mut Page, panic: &GoroutinePanic, sources: &Sources) {
    let head = format!("panic[{}]", Code::Panic);
    page.gap();
    let ink = if panic.severity == Severity::Deny { Ink::Alarm } else { Ink::Warning };
    page.paint(ink, &head).paint(Ink::Strong, ": ");
    let message = clean(&panic.message, TEXT_LIMIT);
    page.wrap(Ink::Strong, head.len() + 2, &format!("{} panicked: {message}", panic.who()));
    let label = match panic.goroutine {
        Some(id) => format!("{id} was started here"),
        None => "it panicked here".to_owned(),
    };
    let step = snippet::Step {
        at: Some(panic.created_at.clone()),
        function: None,
        label,
        weight: snippet::Weight::Origin,
    };
    let gutter = snippet::gutter([&step]);
    snippet::write(page, sources, gutter, "-->", &step);
    if panic.goroutine.is_none() {
        entry(page, gutter, "note", Ink::Strong, UNTRACKED);
    }
    if let Some(cure) = of_panic(&panic.message) {
        entry(page, gutter, "fix", Ink::Fix, cure);
    }
}

/// Writes how many groups are left out.
pub(super) fn write_more(page: &mut Page, rest: &[Finding]) {
    if !rest.is_empty() {
        let goroutines = rest.iter().map(Finding::total).sum();
        let text = format!(
            "and {} more group{} of leaks, {} in all",
            number(rest.len()),
            plural(rest.len()),
            count(goroutines, "goroutine")
        );
        page.gap().paint(Ink::Strong, &text).end();
    }
}

/// Writes how many panics are left out.
pub(super) fn write_more_panics(page: &mut Page, more: usize) {
    if more > 0 {
        let text = format!("and {} more goroutine{} panicked", number(more), plural(more));
        page.gap().paint(Ink::Strong, &text).end();
    }
}
