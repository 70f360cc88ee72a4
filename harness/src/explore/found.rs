//! A schedule that showed something, and the place where two courses part.

use std::time::Duration;

use gmp_core::runtime::policy::Event;

use super::guide::Guide;
use super::outcome::Finding;
use super::play::Kind;
use super::table::Table;
use crate::leak::check::{BodyEnd, Checked, payload_text};
use crate::report::build::{self, Policy};
use crate::report::finding::Report;
use crate::report::source::Sources;

/// A schedule that showed something, with the check of what it left.
pub(super) struct Found {
    pub(super) kind: Kind,
    pub(super) seed: u64,
    pub(super) schedule: u64,
    /// It was not searched for.
    pub(super) was_replay: bool,
    pub(super) replay: String,
    pub(super) switches: usize,
    pub(super) steps: u64,
    /// The body is blocked for good while others go on: this is what was left so long after it blocked.
    pub(super) goes_on: Option<Duration>,
    pub(super) table: Table,
    pub(super) checked: Checked,
    pub(super) name: String,
    pub(super) policy: Policy,
}

impl Found {
    /// What the leak detector says.
    pub(super) fn report(name: &str, checked: &Checked, policy: &Policy) -> Report {
        let panic = match &checked.body {
            BodyEnd::Panicked(payload) => Some(payload_text(&**payload)),
            _ => None,
        };
        build::report(name, checked, panic, policy, &Sources::from_env())
    }

    pub(super) fn into_finding(self) -> Finding {
        let report = Self::report(&self.name, &self.checked, &self.policy);
        let Self { kind, seed, schedule, replay, switches, table, .. } = self;
        Finding { kind, seed, schedule, replay, switches, table, report }
    }
}

/// Where two plays of the same schedule part; `None` if they do not.
pub(super) fn differs(one: &Guide, two: &Guide) -> Option<String> {
    // One after the other: there may be very many.
    fn told(guide: &Guide) -> impl Iterator<Item = String> {
        guide.course.iter().flat_map(|course| &course.events).filter_map(tell)
    }
    let (mut first, mut second) = (told(one), told(two));
    for step in 1.. {
        let (a, b) = (first.next(), second.next());
        if a.is_none() && b.is_none() {
            break;
        }
        if a != b {
            let say = |did: Option<String>| did.unwrap_or_else(|| "nothing".into());
            let (a, b) = (say(a), say(b));
            return Some(format!(" (step {step}: {a} the first time, {b} the second)"));
        }
    }
    (one.hash != two.hash).then(String::new)
}

fn tell(event: &Event) -> Option<String> {
    match event {
        Event::Does { g, operation, at } => {
            let at = at.map(|at| format!(" at {}:{}", at.file(), at.line())).unwrap_or_default();
            Some(format!("goroutine {g} does `{operation}`{at}"))
        }
        Event::Fires => Some("a timer fires".into()),
        Event::Chose { of, .. } => Some(format!("a choice of {of}")),
        _ => None,
    }
}
