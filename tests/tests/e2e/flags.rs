//! The flags of a test binary with our own main, and what nobody can mean.

use super::adoption::adoption;
use super::project::{Ran, installed};

const NAMES: [&str; 7] = [
    "a_goroutine_panics",
    "aborts",
    "inner::leaks",
    "inner::passes",
    "panics",
    "prints_and_fails",
    "prints_and_passes",
];

fn run(line: &str) -> Ran {
    let arguments: Vec<&str> = line.split_whitespace().collect();
    let command = adoption().cargo(&["test", "-q", "-p", "app", "--test", "flags", "--"]);
    command.args(&arguments).run()
}

/// The names of the tests of a run, in the order of its output.
fn order(ran: &Ran) -> Vec<&str> {
    let names = ran.stdout.lines().filter_map(|line| line.strip_prefix("test ")?.split(' ').next());
    names.filter(|name| NAMES.contains(name)).collect()
}

#[test]
fn filters_and_skips_select_as_in_the_built_in_harness() {
    let counts = |line: &str, counts: &str| {
        run(&format!("--format pretty {line}")).says(counts);
    };
    counts("passes", "2 passed; 0 failed; 0 ignored; 0 measured; 5 filtered out");
    counts("inner::passes panics", "2 passed; 1 failed; 0 ignored; 0 measured; 4 filtered out");
    counts("--exact inner::passes panics", "2 passed; 0 failed; 0 ignored; 0 measured; 5 filtered");
    counts("--exact passes", "0 passed; 0 failed; 0 ignored; 0 measured; 7 filtered out");
    counts(
        "--skip panics --skip fails --skip leaks",
        "2 passed; 0 failed; 1 ignored; 0 measured; 4 f",
    );
    counts("passes --skip inner", "1 passed; 0 failed; 0 ignored; 0 measured; 6 filtered out");
    counts(
        "--exclude-should-panic panics",
        "0 passed; 1 failed; 0 ignored; 0 measured; 6 filtered",
    );
    counts("--bench passes", "0 passed; 0 failed; 2 ignored; 0 measured; 5 filtered out");
}

#[test]
fn a_filter_that_matches_nothing_runs_nothing() {
    let none = "0 passed; 0 failed; 0 ignored; 0 measured; 7 filtered out";
    run("--format pretty no_such_test").exits_with(0).says(none);
    let built_in =
        adoption().cargo(&["test", "-q", "-p", "app", "--test", "cases", "--", "no_such_test"]);
    built_in.run().exits_with(0).says("0 passed; 0 failed; 0 ignored; 0 measured; ");
    if installed("nextest") {
        let arguments = ["nextest", "run", "-p", "app", "--test", "flags", "--", "no_such_test"];
        adoption().cargo(&arguments).run().exits_with(4).says("no tests to run");
    }
}

#[test]
fn lists_are_those_of_the_built_in_harness() {
    let all: String = NAMES.iter().map(|name| format!("{name}: test\n")).collect();
    assert_eq!(run("--list --format terse").stdout, all);
    assert_eq!(run("--list").stdout, format!("{all}\n7 tests, 0 benchmarks\n"));
    assert_eq!(
        run("--list aborts leaks").stdout,
        "aborts: test\ninner::leaks: test\n\n2 tests, 0 benchmarks\n"
    );
    assert_eq!(run("--list --ignored").stdout, "aborts: test\n\n1 test, 0 benchmarks\n");
}

#[test]
fn what_cannot_be_meant_is_an_error() {
    for (line, error) in [
        ("--test-threads 0", "error: --test-threads: `0` is no number of tests at a time"),
        ("--tset-threads 2", "error: unknown option --tset-threads (did you mean --test-threads?)"),
        ("--format xml", "error: --format: `xml` is not pretty, terse, json or junit"),
        (
            "--logfile no/such/folder/log",
            "error: --logfile: `no/such/folder/log` cannot be written: ",
        ),
        ("--ensure-time=1", "error: --ensure-time takes no value"),
    ] {
        run(line).exits_with(101).says(error).never_says("running");
    }
    let command = adoption().cargo(&["test", "-q", "-p", "app", "--test", "flags"]);
    let ran = command.env("RUST_TEST_THREADS", "0").run();
    ran.exits_with(101).says("error: RUST_TEST_THREADS: `0` is no number of tests at a time");
}

#[test]
fn what_takes_longer_than_it_may_has_failed() {
    let timed = |limits: &str| {
        let command = adoption().cargo(&["test", "-q", "-p", "app", "--test", "flags", "--"]);
        let command = command.args(&["--ensure-time", "inner::passes"]);
        command.env("RUST_TEST_TIME_INTEGRATION", limits).run()
    };
    timed("1,60000").exits_with(0).says("1 passed; 0 failed");
    let slow = "Error: gmp: inner::passes took ";
    timed("0,0").exits_with(101).says(slow).says(" s, and --ensure-time allows 0.000 s");
    let error = "error: RUST_TEST_TIME_INTEGRATION: `1` is not two times in milliseconds";
    timed("1").exits_with(101).says(error);
}

#[test]
fn variables_stand_for_options() {
    let with = |name: &str, value: &str| {
        let command = adoption().cargo(&["test", "-q", "-p", "app", "--test", "flags", "--"]);
        command.args(&["--test", "--nocapture", "passes"]).env(name, value).run()
    };
    with("RUST_TEST_SHUFFLE", "1").exits_with(0).says("shuffle seed: ").says("2 passed; 0 failed");
    with("RUST_TEST_SHUFFLE", "0").exits_with(0).never_says("shuffle seed: ");
    with("RUST_TEST_SHUFFLE_SEED", "5").exits_with(0).says("shuffle seed: 5\n");
    with("RUST_TEST_THREADS", "1").exits_with(0).says("output of prints_and_passes\n");
}

#[test]
fn a_seed_decides_the_order() {
    let shuffled = |seed: &str| {
        let ran = run(&format!("--format pretty --test-threads 1 --shuffle-seed {seed}"));
        ran.says(&format!("shuffle seed: {seed}\n"));
        order(&ran).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let (one, again, other) = (shuffled("1"), shuffled("1"), shuffled("2"));
    assert_eq!(one, again);
    assert_ne!(one, other);
    let mut sorted = one.clone();
    sorted.sort();
    assert_eq!(sorted, NAMES);
    run("--shuffle passes").exits_with(0).says("shuffle seed: ");
}

#[test]
fn results_come_in_every_format() {
    run("--format json passes")
        .exits_with(0)
        .says(r#"{ "type": "test", "name": "inner::passes", "event": "ok" }"#);
    // Nothing captures what `prints_and_passes` prints, so it would stand before the document.
    let junit = run("--format junit --skip prints passes leaks aborts");
    junit.exits_with(101).never_says("running 3 tests");
    let head = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><testsuites><testsuite name=\"test\"";
    assert!(junit.stdout.starts_with(head), "{junit}");
    junit.says("errors=\"0\" failures=\"1\" tests=\"3\" skipped=\"1\"");
    junit.says("<testcase classname=\"inner\" name=\"leaks\" time=\"");
    junit.says(
        "<failure type=\"failure\" message=\"Error: gmp: 1 goroutine leaked in inner::leaks: ",
    );
    junit.says("<testcase classname=\"crate\" name=\"aborts\" time=\"0\"><skipped/></testcase>");
    run("--format pretty --report-time passes").exits_with(0).says("times:\n    ");
    let log = adoption().folder().join("flags.log");
    let ran = run(&format!("--logfile {} passes leaks aborts", log.display()));
    ran.exits_with(101);
    let mut lines: Vec<String> =
        std::fs::read_to_string(log).expect("it is written").lines().map(str::to_owned).collect();
    lines.sort();
    assert_eq!(
        lines,
        ["failed inner::leaks", "ignored aborts", "ok inner::passes", "ok prints_and_passes"]
    );
    let coloured = run("--format pretty --color always inner::passes");
    assert!(coloured.stdout.contains("\u{1b}[32mok"), "{coloured}");
}

#[test]
fn isolated_tests_have_their_output_captured_and_end_alone() {
    let ran = run("--format pretty --isolate --include-ignored --test-threads 4");
    ran.exits_with(101).says("3 passed; 4 failed; 0 ignored");
    let fails = ran.captured("prints_and_fails");
    for line in [
        "output of prints_and_fails\n",
        "goroutine of prints_and_fails\n",
        "end of prints_and_fails",
    ] {
        assert!(fails.contains(line), "{line}\n{ran}");
    }
    ran.never_says("of prints_and_passes");
    assert!(
        ran.captured("inner::leaks").contains("Error: gmp: 1 goroutine leaked in inner::leaks: "),
        "{ran}"
    );
    assert!(
        ran.captured("aborts").contains("Error: gmp: the process of aborts ended with signal: 6"),
        "{ran}"
    );
    let shown = run("--isolate --show-output --test-threads 1 prints_and_passes");
    shown
        .exits_with(0)
        .says("---- prints_and_passes ----\noutput of prints_and_passes\ngoroutine of ");
    let loud = run("--isolate --no-capture prints_and_passes");
    loud.exits_with(0);
    assert!(loud.stderr.contains("goroutine of prints_and_passes\n"), "{loud}");
}

/// Commands of a shell that leave the next program a standard error which is full, is closed, and is a pipe that nobody
/// reads.
#[cfg(target_os = "linux")]
pub(crate) fn no_standard_errors() -> [&'static str; 3] {
    let unread =
        "pipe=$(mktemp -u); mkfifo $pipe; exec 5<>$pipe; exec 2>$pipe; exec 5<&-; rm $pipe;";
    ["exec 2>/dev/full;", "exec 2>&-;", unread]
}

/// The path of a test target, from what cargo says when it has built it.
pub(crate) fn built(ran: &Ran, target: &str) -> String {
    let path = ran.exits_with(0).stderr.split(&format!("tests/{target}.rs (")).nth(1);
    let path = path.and_then(|rest| rest.split(')').next());
    path.unwrap_or_else(|| panic!("no path of {target}\n{ran}")).to_owned()
}

/// Neither a report nor the panic of a goroutine can be written.
#[cfg(target_os = "linux")]
#[test]
fn a_standard_error_that_cannot_be_written_to_changes_no_verdict() {
    let adoption = adoption();
    for (target, leaks, panics) in
        [("flags", "inner::leaks", "a_goroutine_panics"), ("cases", "leaks", "a_goroutine_panics")]
    {
        let path = built(
            &adoption.cargo(&["test", "-p", "app", "--test", target, "--no-run"]).run(),
            target,
        );
        for no_stderr in no_standard_errors() {
            let line = format!("{no_stderr} exec {path} --nocapture --exact {leaks} {panics}");
            let ran = adoption.program(std::path::Path::new("sh")).args(&["-c", &line]).run();
            ran.exits_with(101).says("0 passed; 2 failed; 0 ignored");
        }
    }
}
