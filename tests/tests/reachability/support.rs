//! What these tests share.

use std::any::Any;
use std::sync::Mutex;
use std::time::Duration;

use gmp::__private::{Submission, examine, inventory};
use gmp::inspect::WaitReason;
use gmp::leak::{Finding, Holder, Verdict};
use gmp::report::finding::Report;

/// Longer than any test runs.
pub(crate) const HOUR: Duration = Duration::from_secs(3600);

static KEPT: Mutex<Vec<Box<dyn Any + Send>>> = Mutex::new(Vec::new());

/// Keeps `value` in a static for as long as the process runs.
pub(crate) fn keep(value: impl Any + Send) {
    KEPT.lock().unwrap().push(Box::new(value));
}

/// Runs the test with this path once more and gives its report.
pub(crate) fn report_on(path: &str) -> Report {
    let test = inventory::iter::<Submission>().find(|submission| submission.0.path() == path);
    examine(test.expect("a test with this path").0)
}

/// The one finding with this wait reason.
pub(crate) fn finding(report: &Report, reason: WaitReason) -> &Finding {
    let mut found = report.groups().filter(|finding| finding.reason == reason);
    let first = found.next().expect("a goroutine that waits so");
    assert!(found.next().is_none(), "only one");
    first
}

/// Asserts that `finding` is held by the goroutine of `holder`, which has the verdict `named`.
pub(crate) fn assert_held_by(finding: &Finding, holder: &Finding, named: &str) {
    let Verdict::Reachable { by: Holder::Goroutine { id, verdict } } = &finding.verdict else {
        panic!("held by {:?}", finding.verdict)
    };
    assert_eq!(*id, holder.goroutines[0]);
    assert_eq!(*verdict, named);
}

/// Asserts that something outside the scope holds what could release `finding`.
pub(crate) fn assert_held_outside(finding: &Finding) {
    assert_eq!(finding.verdict, Verdict::Reachable { by: Holder::Outside });
}
