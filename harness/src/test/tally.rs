//! What the allow rules did in this process, told at its end on stderr: a rule that hides leaks
//! silently, or matches nothing any more, would never be looked at again.

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, Once, PoisonError};

use super::descriptor::Submission;
use crate::leak::rules::{Rule, Rules};
use crate::report::words::{LIST_LIMIT, count, list};
use crate::settings::settings;

/// Tests that ran. Relaxed: read when they are over.
static RAN: AtomicUsize = AtomicUsize::new(0);
/// The rules of the attributes of these tests.
static OWN: Mutex<Vec<Rules>> = Mutex::new(Vec::new());

/// A test with these rules of its own runs.
pub(super) fn add(own: &Rules) {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| gmp_core::runtime::at_exit(tell));
    RAN.fetch_add(1, Ordering::Relaxed);
    if !own.is_empty() {
        OWN.lock().unwrap_or_else(PoisonError::into_inner).push(own.clone());
    }
}

/// At the end of the process.
fn tell() {
    let Ok(settings) = settings() else { return };
    let own = OWN.lock().unwrap_or_else(PoisonError::into_inner);
    let all: Vec<&Rules> = core::iter::once(&settings.leak_ignore).chain(own.iter()).collect();
    let mut text = hidden(&all);
    // A rule of the environment may be meant for a test that was not asked for.
    let registered = inventory::iter::<Submission>();
    let expected = registered.filter(|one| one.0.spec().ignored.is_none()).count();
    let ran_all = RAN.load(Ordering::Relaxed) >= expected;
    text.push_str(&unused(&all[usize::from(!ran_all)..]));
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// `gmp: allow rules hid 3 goroutines: 2 by `a` (GMP_LEAK_IGNORE), ..`.
fn hidden(all: &[&Rules]) -> String {
    let rules: Vec<&Rule> =
        all.iter().flat_map(|rules| rules.iter()).filter(|rule| rule.hidden() > 0).collect();
    if rules.is_empty() {
        return String::new();
    }
    let total = rules.iter().map(|rule| rule.hidden()).sum();
    let each: Vec<String> =
        rules.iter().map(|rule| format!("{} by {rule}", rule.hidden())).collect();
    let each = list(&each, each.len(), LIST_LIMIT);
    format!("gmp: allow rules hid {}: {each}\n", count(total, "leaked goroutine"))
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
        // Writing to a `String` never fails.
        let _ = writeln!(text, "gmp: allow rules that matched nothing in this run: {each}");
    }
    text
}
