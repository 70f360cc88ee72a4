//! What must be left of each kernel, read from `expected.txt`, which explains its form.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use gmp::leak::Verdict;
use gmp::report::finding::{Finding, Report};

/// What one goroutine must look like: the words before its wait reason, and the reason in Go's words.
type Looks = String;

/// What may be left together.
type Outcome = Vec<(RangeInclusive<usize>, Looks)>;

/// By kernel: what may be left.
pub(crate) struct Expected(BTreeMap<&'static str, Vec<Outcome>>);

impl Expected {
    pub(crate) fn read() -> Self {
        let lines = include_str!("expected.txt").lines();
        let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        let read = |line: &'static str| {
            let (name, outcomes) = line.split_once(": ").expect(line);
            (name, outcomes.split(" | ").map(outcome).collect())
        };
        Self(lines.map(read).collect())
    }

    pub(crate) fn kernels(&self) -> impl Iterator<Item = &'static str> {
        self.0.keys().copied()
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
        self.0[kernel].iter().any(fits)
    }
}

fn outcome(text: &str) -> Outcome {
    let part = |part: &str| {
        let (count, looks) = part.split_once(' ').expect("a count and a reason");
        let (least, most) = count.split_once("..").unwrap_or((count, count));
        let number = |text: &str| text.parse::<usize>().expect("a count");
        (number(least)..=number(most), looks.to_owned())
    };
    text.split(", ").map(part).collect()
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
