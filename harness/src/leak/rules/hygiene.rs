//! Keeps allow rules honest: counts what each of them hid and names those that never matched.

use core::fmt;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::{Rule, Rules};

/// What a rule did since the process started. Tests on several threads add to it.
#[derive(Debug, Default)]
pub(super) struct Uses {
    matched: AtomicBool,
    hidden: AtomicUsize,
    primitives: AtomicUsize,
}

// Relaxed throughout: these are statistics, read after the tests that wrote them were joined.
impl Uses {
    /// Notes that the rule matched, whether or not an earlier rule got the credit.
    pub(super) fn note_match(&self) {
        self.matched.store(true, Ordering::Relaxed);
    }

    /// Credits the rule with `count` hidden goroutines.
    pub(super) fn add_hidden(&self, count: usize) {
        self.hidden.fetch_add(count, Ordering::Relaxed);
    }

    /// Credits the rule with `count` hidden primitives.
    pub(super) fn add_primitives(&self, count: usize) {
        self.primitives.fetch_add(count, Ordering::Relaxed);
    }

    /// How many primitives the rule hid.
    pub(super) fn primitives(&self) -> usize {
        self.primitives.load(Ordering::Relaxed)
    }

    /// How many goroutines the rule hid.
    pub(super) fn hidden(&self) -> usize {
        self.hidden.load(Ordering::Relaxed)
    }

    fn matched(&self) -> bool {
        self.matched.load(Ordering::Relaxed)
    }
}

/// The rules that never matched, for the end of a run. `Display` prints one line a rule.
#[derive(Clone, Debug)]
pub struct Unused<'a> {
    rules: Vec<&'a Rule>,
}

impl<'a> Unused<'a> {
    /// True when every rule matched something.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The rules, in the order in which they are tried.
    pub fn iter(&self) -> impl Iterator<Item = &'a Rule> + '_ {
        self.rules.iter().copied()
    }
}

impl fmt::Display for Unused<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, rule) in self.rules.iter().enumerate() {
            let line_break = if index == 0 { "" } else { "\n" };
            write!(f, "{line_break}allow rule {rule} never matched")?;
        }
        Ok(())
    }
}

impl Rules {
    /// The rules that matched nothing so far. A rule that a clone of this set used is used here too.
    pub fn unused(&self) -> Unused<'_> {
        Unused { rules: self.iter().filter(|rule| !rule.uses.matched()).collect() }
    }
}
