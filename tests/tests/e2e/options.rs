//! What each option of the attribute does, and what the attributes beside it do.

use super::project::Ran;
use super::scenarios::scenarios;

fn run(name: &str) -> Ran {
    scenarios().test("options", name).run()
}

/// `file:line` of a mark in the source of the tests.
fn place(mark: &str) -> String {
    scenarios().place("tests/options.rs", mark)
}

/// The test fails with a report that begins with `first`.
#[track_caller]
fn fails_with(name: &str, first: &str) -> Ran {
    let ran = run(name);
    ran.fails_one();
    let captured = ran.captured(name);
    assert!(captured.contains(&format!("Error: gmp: {first}")), "{first}\n{ran}");
    ran
}

#[track_caller]
fn passes(name: &str) -> Ran {
    let ran = run(name);
    ran.passes_one().never_says("Error");
    ran
}

#[test]
fn a_body_that_sleeps_too_long_cannot_end_in_time() {
    let name = "sleeps_for_ever";
    let at = place("sleeps");
    let first = format!("{name} cannot end within its time-out: the body in sleep at {at} (Timer)");
    fails_with(name, &first);
}

#[test]
fn a_body_that_never_yields_is_left_behind() {
    let first = "spins timed out after 100 ms: the body is still running, started at tests/options";
    fails_with("spins", first);
}

#[test]
fn a_body_that_yields_for_ever_is_timed_out() {
    let first = "yields_for_ever timed out after 100 ms: the body is still runnable, started at ";
    fails_with("yields_for_ever", first);
}

#[test]
fn a_body_that_blocks_its_thread_is_left_behind() {
    let first = "blocks_its_thread timed out after 100 ms: the body is still running, started at ";
    fails_with("blocks_its_thread", first);
}

#[test]
fn a_plain_body_that_gmp_cannot_leave_ends_the_process_with_a_report() {
    for name in ["blocks_without_async", "spins_without_async"] {
        let ran = run(name);
        ran.exits_with(101)
            .says(&format!("Error: gmp: {name} timed out after 100 ms: the body is still running"))
            .says("the whole test process ends here");
    }
}

#[test]
fn a_plain_body_that_waits_too_long_is_taken_out_of_its_wait() {
    let name = "receives_for_ever_without_async";
    let at = place("receives");
    let ran =
        fails_with(name, &format!("{name} cannot end within its time-out: the body in chan "));
    assert!(ran.captured(name).contains(&format!("chan receive at {at} (Reachable)")), "{ran}");
}

#[test]
fn a_body_that_nobody_can_release_fails_at_once() {
    for (name, mark) in
        [("waits_for_nobody", "asleep"), ("waits_for_nobody_without_async", "asleep plain")]
    {
        let at = place(mark);
        let text = "all goroutines are asleep - deadlock!";
        let first = format!("{text} in {name}: the body in chan receive at {at} (Proven)");
        fails_with(name, &first);
    }
}

#[test]
fn a_goroutine_that_never_yields_stops_neither_the_report_nor_the_test() {
    let at = place("spinner");
    let name = "a_goroutine_spins";
    let leak = format!("is still running, started at {at} (Running)");
    let ran = fails_with(name, &format!("1 goroutine leaked in {name}: "));
    assert!(ran.captured(name).contains(&leak), "{ran}");
}

#[test]
fn a_goroutine_that_holds_the_p_is_told_apart_from_the_body_that_waits_for_it() {
    for (name, mark) in [
        ("a_goroutine_holds_the_p", "holder"),
        ("a_goroutine_holds_the_p_without_async", "holder plain"),
    ] {
        let ran = fails_with(name, &format!("{name} timed out after 100 ms: the body "));
        let leak = format!("is still running, started at {} (Running)", place(mark));
        assert!(ran.captured(name).contains(&leak), "{ran}");
    }
    let ran = run("a_goroutine_holds_the_p");
    ran.says("never gives the P back").never_says("yields again and again");
}

#[test]
fn linger_decides_how_late_a_goroutine_may_finish() {
    passes("late_within_the_linger");
    let at = place("late");
    let name = "late_for_the_linger";
    let ran = fails_with(name, &format!("1 goroutine leaked in {name}: "));
    assert!(ran.captured(name).contains("(Timer)") && ran.captured(name).contains(&at), "{ran}");
}

#[test]
fn ignore_allows_what_its_rules_match_and_nothing_else() {
    run("ignores_its_leak").passes_one();
    let name = "ignores_another_leak";
    let ran = fails_with(name, &format!("1 goroutine leaked in {name}: "));
    let unused = "gmp: allow rules that matched nothing in this run: `created-by:src/other.rs` \
                  (#[gmp::test(ignore(..))] at tests/options.rs:";
    assert!(ran.stderr.contains(unused), "{ran}");
    let name = "ignores_with_a_bad_rule";
    fails_with(name, "#[gmp::test(ignore(..))] at tests/options.rs:");
    run(name).says(": `[` is never closed\n");
}

#[test]
fn expect_leak_wants_exactly_the_leaks_it_names() {
    passes("expects_its_leak");
    passes("expects_any_leak");
    let name = "expects_a_leak_in_vain";
    let ran = fails_with(name, &format!("{name}: a leak was expected, but there is none"));
    ran.never_says("nothing leaked");
    let name = "expects_other_leaks";
    let ran = fails_with(name, &format!("{name}: the leaks are not the expected ones\n"));
    let compared = "  expected:\n    2 chan send: Proven\n    1 sleep: any verdict\n  \
                    found:\n    1 chan receive: Proven\n";
    assert!(ran.captured(name).contains(compared), "{ran}");
}

#[test]
fn an_expected_leak_excuses_no_panic() {
    let ran = run("expects_its_leak_but_panics");
    ran.fails_one().says("a panic of the body").never_says("Error: gmp:");
    let name = "expects_its_leak_but_a_goroutine_panics";
    let ran = fails_with(name, "");
    assert!(ran.captured(name).contains("panicked: a panic of a goroutine"), "{ran}");
}

#[test]
fn an_error_that_the_body_returns_is_printed_once() {
    let ran = run("returns_an_error");
    ran.fails_one();
    assert_eq!(
        ran.captured("returns_an_error").trim(),
        "Error: \"the text of the error\"",
        "{ran}"
    );
    let ran = run("returns_an_error_without_async");
    ran.fails_one().says("Error: ParseIntError { kind: InvalidDigit }");
    let name = "returns_an_error_and_leaks";
    let ran = fails_with(name, &format!("1 goroutine leaked in {name}, which failed: "));
    ran.says("Error: \"the text of the error\"");
    passes("returns_ok");
}

#[test]
fn a_panic_of_the_body_is_a_panic_of_the_test() {
    let ran = run("panics");
    ran.fails_one().never_says("Error: gmp").never_says("in goroutine G");
    let captured = ran.captured("panics");
    assert!(captured.contains("thread 'panics'"), "{ran}");
    assert_eq!(captured.matches("a panic of the body").count(), 1, "{ran}");
    let name = "panics_and_leaks";
    fails_with(name, &format!("1 goroutine leaked in {name}, which panicked: "));
}

#[test]
fn should_panic_wants_a_panic_of_the_body() {
    run("panics_as_it_should").passes_one();
    run("panics_with_the_text").passes_one();
    let name = "panics_with_another_text";
    let first = format!(
        "{name}: panicked, but not as expected: `a panic of the body` does not contain `another text`"
    );
    fails_with(name, &first);
    for name in ["does_not_panic", "a_goroutine_panics_instead"] {
        fails_with(name, &format!("{name}: the test did not panic as expected"));
    }
}

#[test]
fn a_leak_is_no_expected_panic() {
    let name = "leaks_instead_of_a_panic";
    let ran = fails_with(name, &format!("1 goroutine leaked in {name}: "));
    let also = format!("Error: gmp: {name}: the test did not panic as expected");
    assert!(ran.captured(name).contains(&also), "{ran}");
    let name = "panics_as_it_should_but_leaks";
    fails_with(name, &format!("1 goroutine leaked in {name}, which panicked: "));
    let name = "is_asleep_instead_of_a_panic";
    fails_with(name, &format!("all goroutines are asleep - deadlock! in {name}: "));
}

#[test]
fn an_ignored_test_runs_when_it_is_asked_for() {
    let ran = run("is_ignored");
    ran.exits_with(0).says("0 passed; 0 failed; 1 ignored");
    let ran = scenarios().test("options", "is_ignored").args(&["--ignored"]).run();
    ran.fails_one().says("a panic of the body");
}
