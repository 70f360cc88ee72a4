//! What must be left of each kernel, read from `expected.txt`, which explains its form.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use gmp::leak::Verdict;
use gmp::report::finding::{Finding, Report};

/// What one goroutine must look like: the words before its wait reason, and the reason in Go's words.
type Looks = String;

/// What may be left together.
type Outcome = Vec<(RangeInclusive<usize>, Looks)>;

/// A line of the file.
struct Line {
    /// How many are left by the description, at least and at most.
    leaked: (usize, usize),
    /// Whether the body is among them.
    body: bool,
    outcomes: Vec<Outcome>,
    text: &'static str,
}

/// By kernel: what may be left.
pub(crate) struct Expected(BTreeMap<&'static str, Line>);

impl Expected {
    pub(crate) fn read() -> Self {
        let lines = include_str!("expected.txt").lines();
        let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        let read = |line: &'static str| {
            let (head, text) = line.split_once(": ").expect(line);
            let (name, leaked) = head.split_once(" (").expect(line);
            let leaked = leaked.strip_suffix(')').expect(line);
            let (leaked, body) = leaked.strip_suffix(" B").map_or((leaked, false), |l| (l, true));
            let outcomes = text.split(" | ").map(outcome).collect();
            (name, Line { leaked: range(leaked), body, outcomes, text })
        };
        Self(lines.map(read).collect())
    }

    pub(crate) fn kernels(&self) -> impl Iterator<Item = &'static str> {
        self.0.keys().copied()
    }

    /// What may be left of `kernel`, as the file has it.
    pub(crate) fn of(&self, kernel: &str) -> &'static str {
        self.0[kernel].text
    }

    /// Lines whose outcomes are not what the description says.
    pub(crate) fn at_odds(&self) -> Vec<&'static str> {
        let odd = |line: &&Line| {
            let count = |outcome: &Outcome, of: fn(&RangeInclusive<usize>) -> usize| -> usize {
                outcome.iter().map(|(count, _)| of(count)).sum()
            };
            let least = line.outcomes.iter().map(|outcome| count(outcome, |c| *c.start())).min();
            let most = line.outcomes.iter().map(|outcome| count(outcome, |c| *c.end())).max();
            let open = line.leaked.1 == usize::MAX;
            let body = line.outcomes.iter().flatten().any(|(_, looks)| looks.starts_with("body "));
            least != Some(line.leaked.0)
                || (!open && most != Some(line.leaked.1))
                || body != line.body
        };
        self.0.values().filter(odd).map(|line| line.text).collect()
    }

    /// Whether this may be left of `kernel`.
    pub(crate) fn allows(&self, kernel: &str, report: &Report) -> bool {
        let left = left(report);
        let fits = |outcome: &Outcome| {
            left.keys().all(|looks| outcome.iter().any(|(_, known)| known == looks))
                && outcome.iter().all(|(count, looks)| {
                    count.contains(&left.get(looks).copied().unwrap_or_default())
                })
        };
        self.0[kernel].outcomes.iter().any(fits)
    }
}

fn outcome(text: &str) -> Outcome {
    let part = |part: &str| {
        let (count, looks) = part.split_once(' ').expect("a count and a reason");
        let (least, most) = range(count);
        (least..=most, looks.to_owned())
    };
    text.split(", ").map(part).collect()
}

/// `2`, `1..2` or `3..`.
fn range(text: &str) -> (usize, usize) {
    let number = |text: &str| text.parse().unwrap_or_else(|_| panic!("`{text}` is no count"));
    match text.split_once("..") {
        None => (number(text), number(text)),
        Some((least, "")) => (number(least), usize::MAX),
        Some((least, most)) => (number(least), number(most)),
    }
}

/// How many goroutines of each look are left.
fn left(report: &Report) -> BTreeMap<Looks, usize> {
    let mut left = BTreeMap::new();
    for finding in report.groups() {
        *left.entry(looks(finding)).or_default() += finding.count;
    }
    left
}

fn looks(finding: &Finding) -> Looks {
    let body = if finding.is_body { "body " } else { "" };
    let live = match finding.verdict {
        Verdict::Timer { .. } | Verdict::Running => "live ",
        _ => "",
    };
    format!("{body}{live}{}", finding.reason)
}

/// What is left, in one line of a table.
pub(crate) fn line(report: &Report) -> String {
    let parts = left(report).into_iter().map(|(looks, count)| format!("{count} {looks}"));
    parts.collect::<Vec<_>>().join(", ")
}
