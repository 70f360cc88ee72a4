//! What a severity does to its test: by the attribute, by the environment, by the options of a guard.

use std::process::Command;
use std::time::Duration;

use gmp::__private::{Descriptor, Submission, examine, inventory, rerun};
use gmp::leak::{Code, Options, Severity, find_with, guard};
use gmp::sync::{Mutex, Semaphore};
use gmp::time::sleep;
use gmp::{chan, go, yield_now};

const HOUR: Duration = Duration::from_secs(3600);

fn test(name: &str) -> &'static Descriptor {
    let all = inventory::iter::<Submission>().map(|submission| submission.0);
    all.into_iter().find(|test| test.path() == name).expect("a test with this name")
}

#[gmp::test(linger = "1ms", severity(Timer = "warn"))]
#[ignore = "run by the tests below"]
async fn leaves_a_sleeper() {
    drop(go(sleep(HOUR)));
    yield_now().await;
}

#[gmp::test(severity(GMP010 = "allow"))]
#[ignore = "run by the tests below"]
async fn waits_for_permits() {
    let permits = Semaphore::new(1);
    permits.acquire(1).await.forget();
    drop(go(async move { drop(permits.acquire(1).await) }));
    yield_now().await;
}

async fn forget_a_guard() {
    core::mem::forget(Mutex::new(()).lock().await);
}

#[gmp::test(severity(GMP103 = "deny"))]
#[ignore = "run by the tests below"]
async fn must_not_forget_a_guard() {
    forget_a_guard().await;
}

#[gmp::test]
#[ignore = "run by the tests below"]
async fn forgets_a_guard() {
    forget_a_guard().await;
}

#[gmp::test(severity(GMP020 = "warn"))]
#[ignore = "run by the tests below"]
async fn has_a_goroutine_that_panics() {
    drop(go(async { panic!("the text of the panic") }));
    yield_now().await;
}

#[test]
fn a_verdict_that_warns_fails_no_test() {
    rerun(test("leaves_a_sleeper")).expect("a warning only");
    let report = examine(test("leaves_a_sleeper"));
    assert!(report.is_clean() && report.has_warnings(), "{report}");
    assert_eq!(report.findings[0].severity, Severity::Warn);
    assert!(report.to_string().contains("warning[GMP014, Timer"), "{report}");
}

#[test]
fn a_code_that_is_allowed_is_hidden_and_counted() {
    rerun(test("waits_for_permits")).expect("nothing that counts");
    let report = examine(test("waits_for_permits"));
    assert!(report.findings.is_empty() && !report.has_warnings(), "{report}");
    let hidden: Vec<_> = report.hidden.iter().map(|by| (by.rule.as_str(), by.count)).collect();
    assert_eq!(hidden, [("GMP010 or Proven", 1)]);
}

#[test]
fn a_primitive_that_is_denied_fails_its_test() {
    rerun(test("forgets_a_guard")).expect("a warning only");
    let why = rerun(test("must_not_forget_a_guard")).expect_err("it is denied");
    assert!(why.contains("left[GMP103]"), "{why}");
}

#[test]
fn a_panic_of_a_goroutine_may_be_a_warning() {
    rerun(test("has_a_goroutine_that_panics")).expect("a warning only");
    let report = examine(test("has_a_goroutine_that_panics"));
    assert!(report.is_clean() && report.has_warnings(), "{report}");
    assert!(report.to_string().contains("the text of the panic"), "{report}");
}

/// Runs a test of this binary with `GMP_LEAK_SEVERITY`; whether it passed, and what it printed.
fn with_variable(name: &str, value: &str) -> (bool, String) {
    let program = std::env::current_exe().expect("this binary");
    let mut command = Command::new(program);
    command.args(["--exact", name, "--ignored"]).env("GMP_LEAK_SEVERITY", value);
    let ran = command.output().expect("it runs");
    let text = [ran.stdout, ran.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    (ran.status.success(), text.concat())
}

#[test]
fn the_variable_counts_for_every_test_and_the_attribute_more() {
    assert!(with_variable("forgets_a_guard", "").0);
    let (passed, text) = with_variable("forgets_a_guard", "GMP103=deny");
    assert!(!passed && text.contains("left[GMP103]"), "{text}");
    assert!(!with_variable("must_not_forget_a_guard", "GMP103=allow").0);
    assert!(with_variable("leaves_a_sleeper", "GMP014=warn,Timer=deny").0);
    assert!(!with_variable("leaves_a_sleeper", "GMP014=deny").0);
    let (passed, text) = with_variable("forgets_a_guard", "GMP103=denied");
    assert!(!passed && text.contains("GMP_LEAK_SEVERITY"), "{text}");
}

/// A goroutine that nobody sends to, in a guard with these severities; whether it passes.
fn guarded(severities: &'static str) -> bool {
    let body = move || {
        let options = Options::new().severity(severities);
        let guard = guard!(options.clone());
        go(async { chan::<u32>(0).recv().await });
        let patient = options.linger(Duration::from_secs(30));
        let found = find_with(&patient).expect("severities that can be read");
        let codes: Vec<_> = found.iter().map(|f| (f.code, f.severity)).collect();
        let expected = match severities {
            "GMP001=allow" => vec![],
            "GMP001=warn" => vec![(Code::ChanReceive, Severity::Warn)],
            _ => vec![(Code::ChanReceive, Severity::Deny)],
        };
        assert_eq!(codes, expected);
        guard.check().is_ok()
    };
    std::thread::spawn(body).join().expect("no panic")
}

#[test]
fn the_options_of_a_guard_set_severities() {
    assert!(guarded("GMP001=allow") && guarded("GMP001=warn"));
    assert!(!guarded("") && !guarded("GMP001=warn,GMP001=deny"));
    let error = find_with(&Options::new().severity("GMP001=denied")).expect_err("no level");
    assert!(error.to_string().starts_with("Options::severity: `denied` is no level"), "{error}");
}
