//! `expect_leak(..)`: compares the leaks of a test with those it expects.

use std::fmt::Write;

use super::descriptor::ExpectLeak;
use crate::report::finding::{Finding, Report};

/// Whether the leaks are the expected ones; else the sentence that says how they differ.
pub(crate) fn compare(expected: &[ExpectLeak], report: &Report) -> Result<(), String> {
    let found: Vec<Found> = report.groups().map(Found::of).collect();
    if expected.is_empty() {
        let none = "a leak was expected, but there is none";
        return if found.is_empty() { Err(none.into()) } else { Ok(()) };
    }
    if matches(expected, &found) {
        return Ok(());
    }
    let mut text = String::from("the leaks are not the expected ones\n  expected:");
    for leak in expected {
        let (count, verdict) = (leak.count.unwrap_or(1), leak.verdict.unwrap_or("any verdict"));
        let _ = write!(text, "\n    {count} {}: {verdict}", leak.reason);
    }
    text.push_str("\n  found:");
    if found.is_empty() {
        text.push_str(" none");
    }
    for leak in &found {
        let _ = write!(text, "\n    {} {}: {}", leak.count, leak.reason, leak.verdict);
    }
    Err(text)
}

/// Leaks of one kind.
#[derive(Clone)]
struct Found {
    count: usize,
    reason: &'static str,
    verdict: &'static str,
}

impl Found {
    fn of(finding: &Finding) -> Self {
        let (reason, verdict) = (finding.reason.as_str(), finding.verdict.name());
        Self { count: finding.count, reason, verdict }
    }
}

/// Takes every expectation out of what was found, those that name a verdict first; nothing may be left.
fn matches(expected: &[ExpectLeak], found: &[Found]) -> bool {
    let mut left = found.to_vec();
    let (strict, loose): (Vec<&ExpectLeak>, Vec<&ExpectLeak>) =
        expected.iter().partition(|e| e.verdict.is_some());
    for leak in strict.into_iter().chain(loose) {
        let mut wanted = leak.count.unwrap_or(1);
        for found in &mut left {
            if found.reason == leak.reason && leak.verdict.is_none_or(|v| v == found.verdict) {
                let taken = wanted.min(found.count);
                found.count -= taken;
                wanted -= taken;
            }
        }
        if wanted > 0 {
            return false;
        }
    }
    left.iter().all(|found| found.count == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(count: usize, reason: &'static str, verdict: &'static str) -> Found {
        Found { count, reason, verdict }
    }

    fn expect(
        count: Option<usize>,
        reason: &'static str,
        verdict: Option<&'static str>,
    ) -> ExpectLeak {
        ExpectLeak { count, reason, verdict }
    }

    #[test]
    fn groups_of_one_kind_add_up_and_nothing_may_be_left() {
        let two = [found(1, "chan send", "Proven"), found(1, "chan send", "Proven")];
        assert!(matches(&[expect(Some(2), "chan send", Some("Proven"))], &two));
        assert!(matches(&[expect(None, "chan send", None), expect(None, "chan send", None)], &two));
        assert!(!matches(&[expect(None, "chan send", None)], &two));
        assert!(!matches(&[expect(Some(3), "chan send", None)], &two));
        assert!(!matches(&[expect(Some(2), "chan send", Some("Reachable"))], &two));
    }

    #[test]
    fn an_expectation_without_verdict_leaves_the_strict_ones_theirs() {
        let mixed = [found(1, "sleep", "Timer"), found(1, "sleep", "Reachable")];
        let expected = [expect(None, "sleep", None), expect(None, "sleep", Some("Timer"))];
        assert!(matches(&expected, &mixed));
    }
}
