//! The blocks of primitives that were left in a bad state.

use gmp_core::inspect::PrimitiveKind as Kind;

use super::block::entry;
use super::page::Page;
use super::snippet::{self, Step, Weight};
use super::style::Ink;
use crate::leak::code::Code;
use crate::leak::severity::Severity;
use crate::report::finding::Leftover;
use crate::report::source::Sources;
use crate::report::words::{LIST_LIMIT, count, duration, list, number};

/// The most that are told.
const BLOCKS: usize = 10;

/// Writes a block for each.
pub(super) fn write(page: &mut Page, leftovers: &[Leftover], sources: &Sources) {
    for leftover in leftovers.iter().take(BLOCKS) {
        block(page, leftover, sources);
    }
    if leftovers.len() > BLOCKS {
        let more = number(leftovers.len() - BLOCKS);
        page.gap()
            .paint(Ink::Strong, &format!("and {more} more lines left primitives behind"))
            .end();
    }
}

fn block(page: &mut Page, leftover: &Leftover, sources: &Sources) {
    let (word, ink) = match leftover.severity {
        Severity::Deny => ("left", Ink::Alarm),
        _ => ("warning", Ink::Warning),
    };
    let head = format!("{word}[{}]", leftover.code);
    page.gap().paint(ink, &head).paint(Ink::Strong, ": ");
    page.wrap(Ink::Strong, head.len() + 2, &symptom(leftover));
    let step = Step {
        at: Some(leftover.created_at.clone()),
        function: None,
        label: "made here".to_owned(),
        weight: Weight::Origin,
    };
    let gutter = snippet::gutter([&step]);
    if let Some((who, at)) = &leftover.held {
        let who = who.map_or("a plain thread".to_owned(), |id| id.to_string());
        let text = format!("by {who} at {}", sources.show(at));
        entry(page, gutter, "locked", Ink::Strong, &text);
    }
    if leftover.kind == Kind::Semaphore && !leftover.lines.is_empty() {
        let each: Vec<String> = leftover
            .lines
            .iter()
            .take(LIST_LIMIT + 1)
            .map(|(at, n)| format!("{n} at {}", sources.show(at)))
            .collect();
        let text = list(&each, leftover.lines.len(), LIST_LIMIT);
        entry(page, gutter, "taken", Ink::Strong, &text);
    } else if !leftover.lines.is_empty() {
        let each: Vec<String> = leftover
            .lines
            .iter()
            .take(LIST_LIMIT + 1)
            .map(|(at, n)| {
                let what = if *n > 0 { "add" } else { "done" };
                format!("{what} {} at {}", n.abs(), sources.show(at))
            })
            .collect();
        let text = list(&each, leftover.lines.len(), LIST_LIMIT);
        entry(page, gutter, "counted", Ink::Strong, &text);
    }
    snippet::write(page, sources, gutter, "-->", &step);
    entry(page, gutter, "fix", Ink::Fix, fix(leftover));
}

/// What is wrong, with the figures of the first.
fn symptom(leftover: &Leftover) -> String {
    let Leftover { kind, id, amount, .. } = leftover;
    let name = format!("{kind} {id}");
    let others = match leftover.count - 1 {
        0 => String::new(),
        1 => " and another one of this line".to_owned(),
        n => format!(" and {} others of this line", number(n)),
    };
    let end = if leftover.is_alive {
        "outlives the test"
    } else if leftover.count == 1 {
        "was dropped"
    } else {
        "were dropped"
    };
    let what = match (leftover.code, kind) {
        (Code::WaitGroupLeft, _) => format!("with the counter at {amount}"),
        (Code::UnreadValues, _) => match amount {
            1 => "with a value that nobody received".to_owned(),
            n => format!("with {n} values that nobody received"),
        },
        (Code::ContextLeft, _) => match amount {
            0 => "and can never be cancelled: its cancel handle was dropped".to_owned(),
            _ => "and nobody has cancelled it".to_owned(),
        },
        (Code::TimerLeft, _) => format!("and was never stopped{}", due(leftover)),
        (_, Kind::Semaphore) => match amount {
            1 => "with a permit that nobody gave back".to_owned(),
            n => format!("with {n} permits that nobody gave back"),
        },
        _ => "while it was locked: its guard was forgotten or is kept".to_owned(),
    };
    format!("{name}{others} {end} {what}")
}

/// When a timer fires.
fn due(leftover: &Leftover) -> String {
    let Some(timer) = leftover.timer else { return String::new() };
    let fires = match timer.due_in {
        Some(left) => format!(": it fires in {}", duration(left)),
        None => ": it never fires".to_owned(),
    };
    let every =
        timer.every.map_or(String::new(), |every| format!(", then every {}", duration(every)));
    let resets = match timer.resets {
        0 => String::new(),
        n => format!(", after {}", count(n as usize, "reset")),
    };
    format!("{fires}{every}{resets}")
}

fn fix(leftover: &Leftover) -> &'static str {
    match leftover.code {
        Code::WaitGroupLeft => {
            "Look for the `done` that is missing, or start the goroutines with `wg.go(..)`, which is done \
             in every case."
        }
        Code::UnreadValues => "Receive until the channel is drained, or send fewer values.",
        Code::ContextLeft => {
            "Call `cancel()` when the work is done, or derive the context from `gmp::test::context()`."
        }
        Code::TimerLeft => {
            "Call `stop()` when nobody needs it any more; a `Timer` or `Ticker` also stops when it is \
             dropped with all handles of its channel, an `after_func` does not."
        }
        _ if leftover.kind == Kind::Semaphore => {
            "Drop the permits; look for `mem::forget`, and for structs and statics that keep them. \
             `Permit::forget` says that they are not to come back."
        }
        _ => "Drop the guard; look for `mem::forget`, and for structs and statics that keep it.",
    }
}
