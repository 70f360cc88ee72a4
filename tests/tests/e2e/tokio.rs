//! A project on tokio: the same verdicts in the built-in harness, in `test_main!` and under nextest.

use super::adoption::{reported, verdicts};
use super::project::{Project, Ran, Tool, installed};

fn project() -> Project {
    let manifest = r#"
[package]
name = "on_tokio"
version = "0.1.0"
edition = "2024"

[dev-dependencies]
gmp = { path = "{gmp}", features = ["tokio"] }
googletest = "0.14"
proptest = { version = "1", default-features = false, features = ["std"] }
rstest = { version = "0.28", default-features = false }
test-log = { version = "0.2", default-features = false, features = ["log"] }
tokio = { version = "1", features = ["macros", "rt-multi-thread", "sync", "time"] }

[[test]]
name = "own_main"
harness = false

[workspace]
"#;
    let files = [
        ("src/lib.rs", ""),
        ("src/suite.rs", include_str!("fixtures/on_tokio.rs")),
        ("tests/built_in.rs", "#[path = \"../src/suite.rs\"]\nmod suite;\n"),
        ("tests/output.rs", include_str!("fixtures/tokio_output.rs")),
        ("tests/own_main.rs", "#[path = \"../src/suite.rs\"]\nmod suite;\ngmp::test_main!();\n"),
        ("tests/twice.rs", TWICE),
        (
            "tests/twice_own_main.rs",
            concat!("#[path = \"twice.rs\"]\nmod twice;\n", "gmp::test_main!();\n"),
        ),
    ];
    let manifest = manifest.replace(
        "[workspace]",
        "[[test]]\nname = \"twice_own_main\"\nharness = false\n\n[workspace]",
    );
    Project::write("on_tokio", &manifest, &files)
}

/// A test under two registrations.
const TWICE: &str = "#[test]\n#[gmp::test]\nfn registered_twice() {}\n";

/// The tools that run one of two targets: the first with the built-in harness, the second without; and whether it is
/// nextest.
fn harnesses(targets: [&str; 2]) -> Vec<(Tool, bool)> {
    let mut all = Vec::new();
    for target in targets {
        let arguments = ["test", "--no-fail-fast", "--test", target, "--"];
        all.push((project().cargo(&arguments), false));
        if installed("nextest") {
            let arguments = [
                "nextest",
                "run",
                "--no-fail-fast",
                "--success-output",
                "final",
                "--test",
                target,
                "--",
            ];
            all.push((project().cargo(&arguments), true));
        }
    }
    all
}

/// What every harness has to say.
#[track_caller]
fn is_told(ran: &Ran, project: &Project) {
    let all = format!("{}{}", ran.stdout, ran.stderr);
    let says = |text: &str| assert!(all.contains(text), "no {text:?} in {ran}");
    says("Error: gmp: 1 task leaked in suite::leaks_a_task");
    says("leak[GMP016, External]");
    says("started here by");
    says(&project.place("src/suite.rs", "spawn").replace("src/", ""));
    says("stuck in tokio::sync::mpsc::bounded::Receiver::recv");
    says("leak[GMP001, Proven]");
    says("panicked in suite::detached_panic: nobody looks");
    says("write `#[gmp::test(tokio)]`");
    assert!(!all.contains("leaked in suite::clean"), "{ran}");
}

#[test]
fn every_harness_comes_to_the_same_verdicts() {
    let mut all: Vec<Vec<String>> = Vec::new();
    for (tool, is_nextest) in harnesses(["built_in", "own_main"]) {
        // Guarded tests are of tokio, and a main of its own does not know them.
        let ran = tool.args(&["--skip", "guarded"]).run();
        ran.exits_with(if is_nextest { 100 } else { 101 });
        ran.says(if is_nextest { "5 passed, 8 failed" } else { "5 passed; 8 failed" });
        is_told(&ran, &project());
        all.push(verdicts(&ran, ""));
    }
    let says = |text: &str| assert!(all[0].iter().any(|line| line.contains(text)), "{:#?}", all[0]);
    says("2 tasks leaked in suite::composed::rows::case_2_leaks");
    says("1 task leaked in suite::composed::logs_and_leaks");
    says("1 task leaked in suite::composed::matches_and_leaks");
    says("2 goroutines leaked in suite::composed::holds_and_leaks");
    assert_eq!(all[0].len(), 8, "{:#?}", all[0]);
    for other in &all[1..] {
        assert_eq!(*other, all[0]);
    }
}

#[test]
fn guards_inside_tests_of_tokio_tell_under_each_harness_that_runs_these() {
    for (tool, is_nextest) in harnesses(["built_in", "built_in"]) {
        let ran = tool.args(&["guarded"]).run();
        ran.exits_with(if is_nextest { 100 } else { 101 });
        ran.says("1 task leaked in the guard at ");
        ran.says(if is_nextest { "1 passed, 1 failed" } else { "1 passed; 1 failed" });
    }
}

#[test]
fn report_mode_tells_and_fails_nothing() {
    for (n, (tool, _)) in harnesses(["built_in", "own_main"]).into_iter().enumerate() {
        let ran = tool.args(&["--skip", "needs_tokio"]).env("GMP_LEAK_MODE", "report").run();
        ran.exits_with(0);
        let lines = reported(&ran);
        let is_built_in = n < harnesses(["built_in"; 2]).len() / 2;
        assert_eq!(lines.len(), if is_built_in { 8 } else { 7 }, "{lines:#?}\n{ran}");
        let says =
            |text: &str| assert!(lines.iter().any(|line| line.contains(text)), "{text}\n{ran}");
        says("1 task leaked in suite::leaks_a_task: ");
        says("panicked in suite::detached_panic: nobody looks");
        says("2 tasks leaked in suite::composed::rows::case_2_leaks: ");
        if is_built_in {
            says("1 task leaked in the guard at ");
        }
    }
}

/// Without the built-in harness the compiler removes a function with a plain `#[test]`, ours below it included.
#[test]
fn a_test_under_two_registrations_says_why_or_is_gone() {
    for (n, (tool, is_nextest)) in harnesses(["twice", "twice_own_main"]).into_iter().enumerate() {
        let ran = tool.run();
        if n < harnesses(["twice"; 2]).len() / 2 {
            ran.exits_with(if is_nextest { 100 } else { 101 });
            ran.says("registered twice: remove the other test attribute");
        } else {
            let (code, told) =
                if is_nextest { (4, "no tests to run") } else { (0, "running 0 tests") };
            ran.exits_with(code).says(told);
        }
    }
}

#[test]
fn output_of_workers_belongs_to_its_test() {
    let arguments = ["test", "--test", "output", "--", "--test-threads", "4"];
    let ran = project().cargo(&arguments).run();
    ran.exits_with(101).says("0 passed; 4 failed");
    for name in ["first", "second", "third", "fourth"] {
        let captured = ran.captured(name);
        for (what, times) in [("body", 1), ("task", 4), ("call", 1), ("end", 1)] {
            let line = format!("{what} of {name}\n");
            assert_eq!(captured.matches(&line).count(), times, "{line}{ran}");
            assert_eq!(captured.matches(&format!("{what} of ")).count(), times, "{name}\n{ran}");
        }
    }
    let outside = ran.stdout.split("\nfailures:\n").next().expect("the list of tests");
    assert!(!outside.contains(" of "), "{ran}");
    assert!(!ran.stderr.contains(" of "), "{ran}");
}

/// Neither the report nor the panic of a task can be written.
#[cfg(target_os = "linux")]
#[test]
fn a_standard_error_that_cannot_be_written_to_changes_no_verdict() {
    let project = project();
    let names = "suite::leaks_a_task suite::detached_panic suite::clean suite::guarded_and_leaking";
    for (target, told) in [
        ("built_in", "1 passed; 3 failed; 0 ignored"),
        ("own_main", "1 passed; 2 failed; 0 ignored"),
    ] {
        let ran = project.cargo(&["test", "--test", target, "--no-run"]).run();
        let path = super::flags::built(&ran, target);
        for no_stderr in super::flags::no_standard_errors() {
            let line = format!("{no_stderr} exec {path} --nocapture --exact {names}");
            let ran = project.program(std::path::Path::new("sh")).args(&["-c", &line]).run();
            ran.exits_with(101).says(told);
        }
    }
}
