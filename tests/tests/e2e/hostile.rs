//! Bad input and bad code: a clear error each, nothing lost, no hang.

use super::project::{Ran, Tool};
use super::scenarios::scenarios;

fn test(name: &str) -> Tool {
    scenarios().test("hostile", name)
}

/// The test fails with these words, whatever it does itself.
#[track_caller]
fn is_refused(ran: &Ran, name: &str, lines: &[&str]) {
    ran.fails_one();
    let captured = ran.captured(name);
    let mut shown = captured.lines();
    for line in lines {
        let next = shown.next().unwrap_or_default();
        assert!(next.starts_with(line), "{line}\n{ran}");
    }
}

#[test]
fn a_bad_rule_fails_every_test_and_shows_the_position() {
    let ran = test("clean").env("GMP_LEAK_IGNORE", "top:[").run();
    let lines =
        ["Error: gmp: GMP_LEAK_IGNORE: `[` is never closed", "    top:[", "        ^ a class"];
    is_refused(&ran, "clean", &lines);
}

#[test]
fn an_unknown_kind_of_rule_is_named() {
    let ran = test("clean").env("GMP_LEAK_IGNORE", "worker, tpo:worker").run();
    is_refused(
        &ran,
        "clean",
        &["Error: gmp: GMP_LEAK_IGNORE: ", "    worker, tpo:worker", "            ^"],
    );
    ran.says("`top`");
}

#[test]
fn an_unknown_variable_of_ours_is_named() {
    let ran = test("clean").env("GMP_LEAK_INGORE", "worker").run();
    let line = "Error: gmp: GMP_LEAK_INGORE: no such variable (did you mean `GMP_LEAK_IGNORE`?)";
    is_refused(&ran, "clean", &[line]);
    test("clean").env("GMP_PREFIX", "/opt").run().passes_one();
}

#[cfg(unix)]
#[test]
fn a_value_that_is_not_text_is_an_error() {
    use std::os::unix::ffi::OsStringExt;

    let value = std::ffi::OsString::from_vec(b"top:\xff".to_vec());
    let ran = test("clean").env("GMP_LEAK_IGNORE", value).run();
    is_refused(
        &ran,
        "clean",
        &["Error: gmp: GMP_LEAK_IGNORE: the value `top:\u{fffd}` is not valid UTF-8"],
    );
}

#[test]
fn what_a_rule_hid_is_counted_beside_the_leaks_that_are_left() {
    let ran = test("leaks_twice").env("GMP_LEAK_IGNORE", "top:worker").run();
    ran.fails_one();
    let captured = ran.captured("leaks_twice");
    assert!(captured.starts_with("Error: gmp: 1 goroutine leaked in leaks_twice: "), "{ran}");
    assert!(captured.contains("in chan send"), "{ran}");
    let hidden = "hidden    1 goroutine by `top:worker` from GMP_LEAK_IGNORE\n";
    assert!(captured.contains(hidden), "{ran}");
}

#[test]
fn a_test_that_passes_because_of_a_rule_says_so() {
    let ran = test("leaks").env("GMP_LEAK_IGNORE", "top:worker").args(&["--show-output"]).run();
    ran.passes_one();
    let captured = ran.captured("leaks");
    assert!(
        captured.starts_with("gmp: nothing leaked in leaks but what the rules allow\n"),
        "{ran}"
    );
    assert!(captured.contains("hidden    1 goroutine by `top:worker`"), "{ran}");
}

#[test]
fn what_the_rules_did_is_told_at_the_end_of_the_run() {
    let rules = "top:worker, top:nobody, chan:src/nowhere.rs";
    let ran = test("leaks").env("GMP_LEAK_IGNORE", rules).run();
    ran.passes_one();
    let hid = "gmp: allow rules hid 1 leaked goroutine: 1 by `top:worker` (GMP_LEAK_IGNORE)\n";
    assert!(ran.stderr.contains(hid), "{ran}");
    // The others may be meant for tests that did not run.
    ran.never_says("matched nothing");
    let arguments = ["test", "-q", "--test", "output", "--", "--test-threads", "4"];
    let ran = scenarios().cargo(&arguments).env("GMP_LEAK_IGNORE", rules).run();
    let unused = "gmp: allow rules that matched nothing in this run: `top:worker` \
                  (GMP_LEAK_IGNORE), `top:nobody` (GMP_LEAK_IGNORE) and `chan:src/nowhere.rs` \
                  (GMP_LEAK_IGNORE)\n";
    assert!(ran.stderr.contains(unused), "{ran}");
    ran.never_says("allow rules hid");
    let ran = scenarios().cargo(&["test", "-q", "--test", "hostile", "--", "--list"]);
    ran.env("GMP_LEAK_IGNORE", rules).run().exits_with(0).never_says("gmp: ");
}

#[test]
fn a_panic_of_a_goroutine_fails_the_test_and_names_the_goroutine() {
    for (name, mark) in
        [("a_goroutine_panics", "panics"), ("a_goroutine_panics_without_async", "panics plain")]
    {
        let at = scenarios().place("tests/hostile.rs", mark);
        let ran = test(name).run();
        ran.fails_one();
        let captured = ran.captured(name);
        let hook = captured.lines().find(|line| line.starts_with("it panicked in goroutine G"));
        let hook = hook.unwrap_or_else(|| panic!("the hook is silent\n{ran}"));
        assert!(hook.contains(&format!(", which was started at {at}:")), "{ran}");
        let report = &captured[captured.find("Error: gmp: G").expect("a report")..];
        let first = report.lines().next().expect("a line");
        let end = format!("panicked in {name}: the text of the panic (started at {at})");
        assert!(first.ends_with(&end), "{ran}");
    }
}

#[test]
fn a_test_that_is_registered_twice_says_why() {
    let ran = test("has_a_second_test_attribute").run();
    ran.exits_with(101).says("1 passed; 1 failed");
    let captured = ran.captured("has_a_second_test_attribute");
    assert!(captured.contains("registered twice: remove the other test attribute"), "{ran}");
}

#[test]
fn what_a_destructor_does_while_it_is_reaped_is_reported() {
    let two = "2 goroutines leaked in ";
    for (name, note) in [
        ("panics_while_reaped", "a destructor panicked: a panic while dropping"),
        ("spawns_while_reaped", "a goroutine started by a destructor was not run"),
        ("receives_while_reaped", "a destructor blocked while its scope was being reaped"),
        ("sends_while_reaped", two),
        ("blocks_while_reaped", "its destructor (or a poll) blocks; reaping stopped there"),
    ] {
        let ran = test(name).run();
        ran.fails_one();
        let captured = ran.captured(name);
        assert!(captured.contains(&format!("Error: gmp: {two}{name}: ")), "{ran}");
        assert!(captured.contains(note), "{note}\n{ran}");
    }
}

#[test]
fn a_hundred_thousand_leaks_are_one_block() {
    let name = "a_hundred_thousand";
    let arguments = ["test", "-q", "--release", "--test", "crowd", "--", "--exact", name];
    let ran = scenarios().cargo(&arguments).run();
    ran.fails_one();
    let captured = ran.captured(name);
    let first = format!("Error: gmp: 100,000 goroutines leaked in {name}: all in chan receive at ");
    assert!(captured.starts_with(&first), "{ran}");
    assert_eq!(
        captured.matches("leak[GMP001, Proven]: 100,000 goroutines are stuck").count(),
        1,
        "{ran}"
    );
    assert!(captured.contains(&scenarios().place("tests/crowd.rs", "spawn")), "{ran}");
    assert!(captured.len() < 4_000, "{} bytes", captured.len());
}
