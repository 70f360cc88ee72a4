//! The promise: one clean and one leaking test, and the report names the two lines that matter.

use super::project::{Project, Ran, installed};

const LIB: &str = "src/lib.rs";
const OWN_MAIN: &str = "tests/own_main.rs";

fn newcomer() -> Project {
    let manifest = r#"
[package]
name = "newcomer"
version = "0.1.0"
edition = "2024"

[dev-dependencies]
gmp = { path = "{gmp}" }

[profile.release]
debug = "line-tables-only"

[workspace]
"#;
    Project::write("newcomer", manifest, &[(LIB, include_str!("fixtures/newcomer.rs"))])
}

fn own_main() -> Project {
    let manifest = r#"
[package]
name = "own-main"
version = "0.1.0"
edition = "2024"

[dev-dependencies]
gmp = { path = "{gmp}" }

[[test]]
name = "own_main"
harness = false

[workspace]
"#;
    let files = [(LIB, ""), (OWN_MAIN, include_str!("fixtures/own_main.rs"))];
    Project::write("own-main", manifest, &files)
}

/// Only the leaking test failed, with a report on the right lines.
#[track_caller]
fn fails_with_the_report(ran: &Ran) {
    let project = newcomer();
    ran.exits_with(101)
        .says("test tests::clean ... ok")
        .says("test tests::leaks ... FAILED")
        .says("1 passed; 1 failed");
    let report = ran.captured("tests::leaks");
    names_the_lines(report, &project, LIB, "newcomer::tests::worker");
    assert!(report.starts_with("Error: gmp: 1 goroutine leaked in tests::leaks: "), "{ran}");
}

/// The report has the first line, the blocking line and the spawn line.
#[track_caller]
fn names_the_lines(report: &str, project: &Project, file: &str, function: &str) {
    let (spawn, block) = (project.place(file, "spawn"), project.place(file, "block"));
    let first = report.lines().next().expect("a line");
    assert!(first.ends_with(&format!("in chan receive at {block} (Proven)")), "{report}");
    let place = |arrow: &str, at: &str, end: &str| {
        report.lines().any(|line| {
            line.trim_start().strip_prefix(arrow).is_some_and(|rest| {
                rest.trim_start().starts_with(&format!("{at}:")) && rest.ends_with(end)
            })
        })
    };
    assert!(place("-->", &block, &format!(" in {function}")), "{block}\n{report}");
    assert!(place(":::", &spawn, ""), "{spawn}\n{report}");
    assert!(report.contains("started here by G"), "{report}");
}

#[test]
fn cargo_test_fails_the_leaking_test_only() {
    fails_with_the_report(&newcomer().cargo(&["test"]).run());
}

#[test]
fn the_report_in_release_names_the_same_lines() {
    fails_with_the_report(&newcomer().cargo(&["test", "--release"]).run());
}

#[test]
fn nextest_fails_the_leaking_test_only() {
    if !installed("nextest") {
        return;
    }
    let project = newcomer();
    let ran = project.cargo(&["nextest", "run", "--no-fail-fast", "--status-level", "all"]).run();
    ran.exits_with(100).says("2 tests run: 1 passed, 1 failed");
    let passed = ran.stderr.lines().any(|l| l.contains("PASS [") && l.ends_with("tests::clean"));
    assert!(passed, "{ran}");
    let start = ran.stderr.find("Error: gmp: ").unwrap_or_else(|| panic!("no report\n{ran}"));
    names_the_lines(&unindented(&ran.stderr[start..]), &project, LIB, "newcomer::tests::worker");
}

/// nextest indents what a test printed.
fn unindented(text: &str) -> String {
    text.lines().map(|line| line.strip_prefix("    ").unwrap_or(line).to_owned() + "\n").collect()
}

#[test]
fn without_the_built_in_harness_the_same_tests_run() {
    let project = own_main();
    let ran = project.cargo(&["test", "--test", "own_main"]).run();
    ran.exits_with(101).says("3 passed; 3 failed; 1 ignored; 0 measured; 0 filtered out");
    let report = ran.captured("leaks");
    assert!(report.starts_with("Error: gmp: 1 goroutine leaked in leaks: "), "{ran}");
    names_the_lines(report, &project, OWN_MAIN, "own_main::worker");
    let asleep = ran.captured("is_asleep");
    assert!(
        asleep.starts_with("Error: gmp: all goroutines are asleep - deadlock! in is_"),
        "{ran}"
    );
    let error = ran.captured("returns_an_error");
    assert!(error.contains("the test returned an error"), "{ran}");
    assert!(ran.stderr.contains("Error: \"the text of the error\""), "{ran}");
}

#[test]
fn without_the_built_in_harness_a_run_can_be_narrowed() {
    let run = |arguments: &[&str]| {
        own_main().cargo(&["test", "-q", "--test", "own_main", "--"]).args(arguments).run()
    };
    let listed = run(&["--list", "--format", "terse"]);
    let names = "clean: test\ninner::clean_too: test\ninner::ignored: test\nis_asleep: test\n\
                 leaks: test\n\
                 panics: test\nreturns_an_error: test\n";
    assert_eq!(listed.stdout, names, "{listed}");
    listed.exits_with(0);
    let ignored = run(&["--list", "--format", "terse", "--ignored"]);
    assert_eq!(ignored.stdout, "inner::ignored: test\n", "{ignored}");
    run(&["clean"]).exits_with(0).says("2 passed; 0 failed; 0 ignored; 0 measured; 5 filtered");
    run(&["--exact", "clean"]).passes_one();
    run(&["--exact", "leaks"]).fails_one();
    run(&["--skip", "leaks", "--skip", "returns", "--skip", "asleep"])
        .exits_with(0)
        .says("3 passed; 0 failed");
    run(&["--ignored"]).fails_one().says("it was run");
    run(&["--exact", "inner::ignored"]).exits_with(0).says("1 ignored");
    run(&["--exact", "--include-ignored", "inner::ignored"]).fails_one();
}

#[test]
fn without_the_built_in_harness_nextest_runs_the_same_tests() {
    if !installed("nextest") {
        return;
    }
    let project = own_main();
    let ran = project.cargo(&["nextest", "run", "--no-fail-fast", "--test", "own_main"]).run();
    ran.exits_with(100).says("6 tests run: 3 passed, 3 failed, 1 skipped");
    let start = ran
        .stderr
        .find("Error: gmp: 1 goroutine leaked")
        .unwrap_or_else(|| panic!("no report\n{ran}"));
    names_the_lines(&unindented(&ran.stderr[start..]), &project, OWN_MAIN, "own_main::worker");
    let ran = project.cargo(&["nextest", "run", "--run-ignored", "only"]).run();
    ran.exits_with(100).says("1 test run: 0 passed, 1 failed, 6 skipped").says("it was run");
}
