//! What follows the findings: destructors, stock, hidden leaks, the legend.

use super::page::Page;
use super::style::Ink;
use crate::report::finding::{Hidden, Report, Stock};
use crate::report::words::{clean, duration, number, things};

/// The most lines of one kind.
const LINES: usize = 20;
/// The longest of them.
const TEXT_LIMIT: usize = 600;
/// Where the page of each code is.
const CODES: &str = "https://docs.rs/gmp/latest/gmp/leak/enum.Code.html";
/// The column at which the text of all lines begins.
const START: usize = 10;

/// Writes everything that follows the findings.
pub(super) fn write(page: &mut Page, report: &Report) {
    if is_empty(report) {
        return;
    }
    page.gap();
    for (n, note) in report.reap_notes.iter().enumerate() {
        if n == LINES {
            let more = format!("and {} more", number(report.reap_notes.len() - n));
            line(page, "reap", Ink::Warning, &more);
            break;
        }
        line(page, "reap", Ink::Warning, &clean(note, TEXT_LIMIT));
    }
    if let Some(text) = stock(&report.stock) {
        line(page, "stock", Ink::Strong, &text);
    }
    hidden(page, &report.hidden);
    if !report.findings.is_empty() && !report.verdict_after.is_zero() {
        let after = duration(report.verdict_after);
        line(page, "verdict", Ink::Strong, &format!("reached within {after}"));
    }
    for text in legend(report) {
        line(page, text.0, Ink::Dim, text.1);
    }
    if !report.findings.is_empty() || !report.leftovers.is_empty() || !report.panics.is_empty() {
        line(page, "codes", Ink::Dim, &format!("each is explained at {CODES}"));
    }
}

/// Whether nothing follows.
fn is_empty(report: &Report) -> bool {
    let Report { findings, leftovers, panics, reap_notes, hidden, stock, .. } = report;
    let none = findings.is_empty() && leftovers.is_empty() && panics.is_empty();
    none && reap_notes.is_empty() && hidden.is_empty() && stock.before == stock.after
}

/// Writes one line with its name in front.
fn line(page: &mut Page, name: &str, ink: Ink, text: &str) {
    page.paint(ink, name).text(&" ".repeat(START - name.len()));
    let rest = if ink == Ink::Dim { Ink::Dim } else { Ink::Plain };
    page.wrap(rest, START, text);
}

/// What is more, or less, than before; `None` if nothing is.
fn stock(stock: &Stock) -> Option<String> {
    let Stock { before, after } = stock;
    let kinds = [
        ("goroutines", before.goroutines, after.goroutines),
        ("channels", before.chans, after.chans),
        ("WaitGroups", before.waitgroups, after.waitgroups),
        ("locks", before.mutexes, after.mutexes),
        ("timers", before.timers, after.timers),
        ("contexts", before.contexts, after.contexts),
    ];
    let changed: Vec<String> = kinds
        .iter()
        .filter(|(_, before, after)| before != after)
        .map(|(name, before, after)| format!("{name} {} -> {}", number(*before), number(*after)))
        .collect();
    (!changed.is_empty()).then(|| changed.join(", "))
}

/// Writes what each rule hid.
fn hidden(page: &mut Page, rules: &[Hidden]) {
    for (n, hidden) in rules.iter().enumerate() {
        if n == LINES {
            let more = format!("and by {} more rules", number(rules.len() - n));
            line(page, "hidden", Ink::Strong, &more);
            break;
        }
        let rule = clean(&hidden.rule, TEXT_LIMIT);
        let source = clean(&hidden.source, TEXT_LIMIT);
        let what = things(hidden.count, "goroutine", hidden.primitives);
        let text = format!("{what} by `{rule}` from {source}");
        line(page, "hidden", Ink::Strong, &text);
    }
}

/// What the verdicts of this report mean, in the order of their first appearance.
fn legend(report: &Report) -> Vec<(&'static str, &'static str)> {
    let mut names: Vec<&'static str> = Vec::new();
    for finding in report.groups() {
        let name = finding.verdict.name();
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names.into_iter().map(|name| (name, meaning(name))).collect()
}

/// What a verdict promises, and what it does not.
fn meaning(verdict: &str) -> &'static str {
    match verdict {
        "Proven" => {
            "nothing that lives outside the leaked goroutines can ever release it. Not seen: what a \
             std `Weak`, a raw pointer or foreign code could still bring back."
        }
        "Timer" => "not stuck for ever: an armed timer is among what it waits for.",
        "External" => {
            "no proof: something outside gmp's primitives, such as I/O, may still wake it."
        }
        "Reachable" => {
            "no proof: something that could release it is alive and held as the block says."
        }
        "Running" => {
            "not parked when the check ran: it computes, yields or sits in a blocking call."
        }
        _ => "it outlived the test.",
    }
}
