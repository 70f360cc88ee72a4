//! Tests whose body runs on tokio: what is seen of its tasks, and what is said of them.

mod bodies;
mod guarded;
mod leaks;
mod panics;
mod runtimes;
mod served;
mod sets;

use gmp::__private::{Descriptor, Submission, inventory};
use gmp::leak::{Finding, Report, Verdict};
use gmp::tokio::{Flavor, Settings, examine};

/// Runs `body` on each flavour, and looks at each report.
fn on_each<B, F>(name: &str, body: B, look: impl Fn(&Report))
where
    B: Fn() -> F + Clone + Send + 'static,
    F: Future<Output = ()> + 'static,
{
    for flavor in [Flavor::CurrentThread, Flavor::MultiThread, Flavor::Local] {
        let workers = (flavor == Flavor::MultiThread).then_some(2);
        let settings = Settings { flavor, worker_threads: workers, ..Settings::default() };
        let body = body.clone();
        let report = examine(&format!("{name} on {flavor:?}"), settings, body);
        look(&report.expect("the settings are valid"));
    }
}

/// The test with this path.
fn test(path: &str) -> &'static Descriptor {
    let found = inventory::iter::<Submission>().find(|submission| submission.0.path() == path);
    found.expect("a test with this path").0
}

/// The one finding of `report`.
#[track_caller]
fn one(report: &Report) -> &Finding {
    assert_eq!(report.findings.len(), 1, "{report}");
    &report.findings[0]
}

/// Checks that the line which the finding was spawned at contains `text`.
#[track_caller]
fn is_spawned_at(finding: &Finding, text: &str) {
    let at = &finding.created_at;
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(&at.file);
    let source = std::fs::read_to_string(&file).unwrap_or_else(|e| panic!("{file:?}: {e}"));
    let line = source.lines().nth(at.line as usize - 1).unwrap_or_default();
    assert!(line.contains(text), "{line}: {finding:?}");
}

/// How many goroutines `report` tells of, with this verdict.
fn with(report: &Report, verdict: fn(&Verdict) -> bool) -> usize {
    report.groups().filter(|finding| verdict(&finding.verdict)).map(|finding| finding.count).sum()
}
