//! What is told of all tests at the end of the process, on stderr: what the allow rules did, and in report
//! mode what would have failed.
//!
//! A rule that hides leaks silently, or matches nothing any more, would never be looked at again.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use gmp_core::runtime::{at_exit, end_now};

use super::descriptor::Submission;
use crate::leak::census::Ours;
use crate::leak::rules::{Rule, Rules};
use crate::leak::{CheckError, api};
use crate::report::finding::Report;
use crate::report::survive::{rendered, survive, unwritten};
use crate::report::text::Style;
use crate::report::words::{LIST_LIMIT, clean, list, things};
use crate::say::say_outside;
use crate::settings::{Mode, settings};

/// Tests that ran. Relaxed: read when they are over.
static RAN: AtomicUsize = AtomicUsize::new(0);
/// The rules of the attributes of these tests.
static OWN: Mutex<Vec<Rules>> = Mutex::new(Vec::new());
/// The first lines of the reports that failed no test.
static REPORTED: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// The exit code of a process that failed, as the built-in harness has it.
const FAILED: i32 = 101;
/// The most lines of the summary of report mode.
const LINES: usize = 100;
/// The longest of them.
const LINE_LIMIT: usize = 300;

/// A test with these rules of its own runs.
pub(super) fn add(own: &Rules) {
    tell_at_exit();
    RAN.fetch_add(1, Ordering::Relaxed);
    if !own.is_empty() {
        lock(&OWN).push(own.clone());
    }
}

/// Whether leaks are told and counted only.
pub(crate) fn only_reports() -> bool {
    settings().is_ok_and(|settings| settings.mode() == Mode::Report)
}

/// A check with this report would have failed.
pub(crate) fn would_have_failed(report: &str) {
    tell_at_exit();
    let first = report.lines().next().unwrap_or_default();
    let first = first.strip_prefix("Error: gmp: ").unwrap_or(first);
    lock(&REPORTED).push(clean(first, LINE_LIMIT));
}

/// Tells at the end of the process what is to be told.
pub(super) fn tell_at_exit() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| at_exit(tell));
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

/// At the end of the process.
fn tell() {
    let settings = match settings() {
        Ok(settings) => settings,
        // Each test has said it; where there is none somebody has to.
        Err(error) if RAN.load(Ordering::Relaxed) == 0 => {
            say_outside(&format!("Error: gmp: {error}\n"));
            end_now(FAILED);
        }
        Err(_) => return,
    };
    #[cfg(feature = "explore")]
    say_outside(settings.explore.not_played().unwrap_or_default());
    let left = settings.leak_main.then(left_over).flatten();
    if let Some(text) = &left {
        say_outside(text);
        if settings.mode() == Mode::Report {
            would_have_failed(text);
        }
    }
    let own = lock(&OWN);
    let shared = [&settings.leak_ignore, settings.file_rules()];
    let all: Vec<&Rules> =
        shared.into_iter().chain([&settings.declared]).chain(own.iter()).collect();
    let mut text = reported(&lock(&REPORTED));
    text.push_str(&hidden(&all));
    // A rule that all tests share may be meant for one that was not asked for; a library cannot know which
    // of its goroutines its users start.
    let registered = inventory::iter::<Submission>();
    let expected = registered.filter(|one| one.0.spec().ignored.is_none()).count();
    let ran_all = RAN.load(Ordering::Relaxed) >= expected;
    let told = shared.into_iter().filter(|_| ran_all).chain(own.iter());
    text.push_str(&unused(&told.collect::<Vec<_>>()));
    say_outside(&text);
    if left.is_some() && settings.mode() == Mode::Fail {
        end_now(FAILED);
    }
}

/// The report on what is left on the global runtime, if that fails.
fn left_over() -> Option<String> {
    if std::env::args_os().any(|argument| argument == "--list") {
        return None;
    }
    // On a thread of its own: what this one keeps for itself is gone at the end of the process.
    let looked = std::thread::Builder::new().name("gmp-end".into()).spawn(|| {
        let _ours = Ours::register();
        survive(api::look_at_the_end)
    });
    match looked.ok()?.join().ok()? {
        Ok(Ok(report)) => {
            report.filter(Report::has_denied).map(|report| rendered(&report, &Style::detect()))
        }
        Ok(Err(error @ CheckError::Unwritten { .. })) => Some(format!("Error: {error}\n")),
        // Each test has said what is wrong with the settings.
        Ok(Err(_)) => None,
        Err(why) => Some(format!("{}\n", unwritten(api::OUTSIDE, &why))),
    }
}

/// `gmp: report mode: 2 of 7 tests would have failed:`, and a line for each.
fn reported(lines: &[String]) -> String {
    if lines.is_empty() {
        return String::new();
    }
    let ran = RAN.load(Ordering::Relaxed).max(lines.len());
    let checks = if ran == 1 { "check" } else { "checks" };
    let mut text =
        format!("gmp: report mode: {} of {ran} {checks} would have failed:\n", lines.len());
    for line in lines.iter().take(LINES) {
        // Writing to a `String` never fails.
        let _ = writeln!(text, "  {line}");
    }
    if lines.len() > LINES {
        let _ = writeln!(text, "  and {} more", lines.len() - LINES);
    }
    text
}

/// `gmp: allow rules hid 3 leaked goroutines: 2 by `a` (GMP_LEAK_IGNORE), ..`.
fn hidden(all: &[&Rules]) -> String {
    let hid = |rule: &Rule| rule.hidden() + rule.hidden_primitives();
    let rules: Vec<&Rule> =
        all.iter().flat_map(|rules| rules.iter()).filter(|rule| hid(rule) > 0).collect();
    if rules.is_empty() {
        return String::new();
    }
    let goroutines = rules.iter().map(|rule| rule.hidden()).sum();
    let primitives = rules.iter().map(|rule| rule.hidden_primitives()).sum();
    let each: Vec<String> = rules.iter().map(|rule| format!("{} by {rule}", hid(rule))).collect();
    let each = list(&each, each.len(), LIST_LIMIT);
    let what = things(goroutines, "leaked goroutine", primitives);
    format!("gmp: allow rules hid {what}: {each}\n")
}

/// `gmp: allow rules that matched nothing: `a` (GMP_LEAK_IGNORE)`.
fn unused(all: &[&Rules]) -> String {
    let rules: Vec<String> = all
        .iter()
        .flat_map(|rules| rules.unused().iter().map(ToString::to_string).collect::<Vec<_>>())
        .collect();
    let mut text = String::new();
    if !rules.is_empty() {
        let each = list(&rules, rules.len(), LIST_LIMIT);
        let _ = writeln!(text, "gmp: allow rules that matched nothing in this run: {each}");
    }
    text
}
