//! A schedule that showed something, and the place where two courses part.

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
    let told = |guide: &Guide| -> Vec<String> {
        let events = guide.course.iter().flat_map(|course| &course.events);
        events.filter_map(tell).collect()
    };
    let (first, second) = (told(one), told(two));
    let part = first.iter().zip(&second).position(|(a, b)| a != b);
    let part =
        part.or_else(|| (first.len() != second.len()).then(|| first.len().min(second.len())));
    let Some(part) = part else {
        return (one.hash != two.hash).then(String::new);
    };
    let say = |course: &[String]| course.get(part).cloned().unwrap_or_else(|| "nothing".into());
    Some(format!(
        " (step {}: {} the first time, {} the second)",
        part + 1,
        say(&first),
        say(&second)
    ))
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
