//! Coming to gmp with a code base that leaks: report mode, `gmp-leak.toml`, and rules that libraries declare; the
//! same under the built-in harness, our own main and nextest.

use super::project::{Project, Ran, Tool, installed};

pub(crate) fn adoption() -> Project {
    let manifest = "[workspace]\nmembers = [\"app\", \"broken\", \"pool\"]\nresolver = \"3\"\n";
    let app = r#"[package]
name = "app"
version = "0.1.0"
edition = "2024"

[dev-dependencies]
gmp = { path = "{gmp}" }
keeping-pool = { path = "../pool" }
rstest = { version = "0.28", default-features = false }

[[test]]
name = "own"
harness = false

[[test]]
name = "flags"
harness = false
"#;
    let pool = r#"[package]
name = "keeping-pool"
version = "0.1.0"
edition = "2024"

[lib]
path = "keeping_pool/src/lib.rs"

[dependencies]
gmp = { path = "{gmp}", default-features = false }
"#;
    let broken = app.replace("name = \"app\"", "name = \"broken\"");
    let broken = broken.split("[[test]]").next().expect("the beginning").to_owned();
    let files = [
        ("app/Cargo.toml", with_path(app)),
        ("app/gmp-leak.toml", include_str!("fixtures/adoption_app.toml")),
        ("app/src/lib.rs", ""),
        ("app/tests/flags.rs", include_str!("fixtures/flags.rs")),
        ("app/tests/cases.rs", include_str!("fixtures/adoption_cases.rs")),
        ("app/tests/own.rs", "#[path = \"cases.rs\"]\nmod cases;\n\ngmp::test_main!();\n"),
        ("broken/Cargo.toml", with_path(&broken)),
        ("broken/gmp-leak.toml", "mode = \"report\"\nigonre = [\"a\"]\n"),
        ("broken/src/lib.rs", "#[cfg(test)]\n#[gmp::test]\nasync fn clean() {}\n"),
        ("gmp-leak.toml", include_str!("fixtures/adoption_root.toml")),
        ("pool/Cargo.toml", with_path(pool)),
        ("pool/keeping_pool/src/lib.rs", include_str!("fixtures/adoption_pool.rs")),
    ];
    Project::write("adoption", manifest, &files)
}

/// The manifest with the path of the gmp crate.
fn with_path(manifest: &str) -> &'static str {
    let gmp = concat!(env!("CARGO_MANIFEST_DIR"), "/../harness").replace('\\', "/");
    manifest.replace("{gmp}", &gmp).leak()
}

/// The tools that run the tests of the two targets, with the names that the tests have there.
fn harnesses() -> Vec<(&'static str, Tool, bool)> {
    let cargo = |arguments: &[&str]| adoption().cargo(arguments);
    let mut all = vec![
        ("", cargo(&["test", "-p", "app", "--test", "cases", "--"]), false),
        ("cases::", cargo(&["test", "-p", "app", "--test", "own", "--"]), false),
    ];
    if installed("nextest") {
        let nextest =
            ["nextest", "run", "-p", "app", "--no-fail-fast", "--success-output", "final"];
        let built_in = cargo(&nextest).args(&["--test", "cases", "--"]);
        all.push(("", built_in, true));
        all.push(("cases::", cargo(&nextest).args(&["--test", "own", "--"]), true));
    }
    all
}

/// The lines of the summaries of report mode.
pub(crate) fn reported(ran: &Ran) -> Vec<&str> {
    let lines = ran.stderr.lines().map(|line| line.strip_prefix("    ").unwrap_or(line));
    let mut lines = lines.peekable();
    let mut reported = Vec::new();
    while let Some(line) = lines.next() {
        if line.starts_with("gmp: report mode: ") {
            while let Some(line) = lines.next_if(|line| line.starts_with("  ")) {
                reported.push(line.trim());
            }
        }
    }
    reported
}

#[test]
fn report_mode_tells_and_fails_nothing_under_every_harness() {
    let at = adoption().place("app/tests/cases.rs", "leak");
    for (prefix, tool, _) in harnesses() {
        let skipped = ["panics_and_leaks", "is_asleep", "time_out"];
        let skip: Vec<&str> = skipped.iter().flat_map(|name| ["--skip", name]).collect();
        let ran = tool.args(&skip).env("GMP_LEAK_MODE", "report").run();
        ran.exits_with(0);
        let mut lines = reported(&ran);
        lines.sort_unstable();
        let starts = [
            format!("1 goroutine leaked in {prefix}leaks: "),
            format!("1 goroutine leaked in {prefix}leaks_without_async: "),
            format!("1 goroutine leaked in {prefix}rstests::rows::case_2_leaks: "),
            format!(
                "1 goroutine leaked in {prefix}rstests::rows_of_values::leaks_2_1::text_2___b__"
            ),
            format!("1 goroutine leaked in {prefix}shared::linger_of_its_own: "),
            "1 goroutine leaked in the guard at app/tests/cases.rs:".to_string(),
            format!("3 goroutines leaked in {prefix}rstests::rows::case_3_leaks_more: "),
            "G".to_string(),
            format!("{prefix}expects_another_leak: the leaks are not the expected ones"),
        ];
        assert_eq!(lines.len(), starts.len(), "{lines:#?}\n{ran}");
        for (line, start) in lines.iter().zip(starts) {
            assert!(line.starts_with(&start), "{line}\n{start}");
        }
        let place = format!("in chan receive at {at} (Proven)");
        assert!(lines[0].ends_with(&place), "{}\n{place}", lines[0]);
        assert!(lines[7].contains("panicked in "), "{}", lines[7]);
    }
}

#[test]
fn report_mode_excuses_no_body_that_fails_or_blocks() {
    for (prefix, tool, is_nextest) in harnesses() {
        let (panics, asleep) = (format!("{prefix}panics_and_leaks"), format!("{prefix}is_asleep"));
        let ran = tool.args(&["--exact", &panics, &asleep]).env("GMP_LEAK_MODE", "report").run();
        let (code, both) =
            if is_nextest { (100, "2 failed") } else { (101, "2 failed; 0 ignored") };
        ran.exits_with(code)
            .says(both)
            .says("a panic of the body")
            .says("all goroutines are asleep");
    }
}

#[test]
fn the_files_are_found_under_every_harness() {
    for (prefix, tool, is_nextest) in harnesses() {
        let ran = tool.args(&["allowed_by", "shared", "library"]).run();
        let (code, told) = match is_nextest {
            true => (100, "8 tests run: 6 passed, 2 failed"),
            false => (101, "6 passed; 2 failed; 0 ignored; 0 measured"),
        };
        ran.exits_with(code).says(told);
        ran.says(&format!("1 goroutine leaked in {prefix}shared::linger_of_its_own: "));
        ran.says(&format!("{prefix}shared::time_out cannot end within its time-out: "));
        let (by_crate, by_root) = ("allowed_by_the_crate", "allowed_by_the_root");
        ran.says(&format!("1 by `test:*{by_crate}::*` (gmp-leak.toml:4)"));
        ran.says(&format!("1 by `test:*{by_root}::*` ("));
        ran.says("/gmp-leak.toml:3)");
        ran.says(
            "1 by `created-by:keeping_pool::*` (declared by keeping-pool at \
             pool/keeping_pool/src/lib.rs:5: its worker is kept for the next user)",
        );
        ran.never_says("matched nothing");
    }
}

#[test]
fn a_daemon_that_waits_for_a_test_that_sleeps_serves_the_next_one_afterwards() {
    let both = ["keeps_the_daemon_waiting", "waits_for_the_daemon"];
    let cargo = adoption().cargo(&["test", "-p", "app", "--test", "cases", "--"]);
    let ran = cargo.args(&["--ignored", "--test-threads", "2"]).args(&both).run();
    ran.exits_with(0).says("2 passed; 0 failed");
}

#[test]
fn a_test_binary_that_is_run_by_hand_finds_the_file_of_its_crate() {
    let ran = adoption().cargo(&["test", "-p", "app", "--test", "cases", "--no-run"]).run();
    let path = adoption().folder().join(super::flags::built(&ran, "cases"));
    let program = adoption().program(&path).args(&["--exact", "allowed_by_the_crate::leaks"]);
    program.run().passes_one();
}

#[test]
fn a_bad_file_fails_every_test_with_the_place() {
    let ran = adoption().cargo(&["test", "-p", "broken"]).run();
    ran.fails_one();
    let captured = ran.captured("clean");
    let error = "Error: gmp: gmp-leak.toml:2:1: unknown key `igonre` (did you mean `ignore`?); known are \
                 ignore, severity, mode, timeout, linger\n    igonre = [\"a\"]\n    ^^^^^^\n";
    assert!(captured.starts_with(error), "{ran}");
}

#[test]
fn what_is_started_outside_of_tests_is_checked_at_the_end_of_the_process() {
    let run = |name: &str, value: &str| {
        let command =
            adoption().cargo(&["test", "-p", "app", "--test", "cases", "--", "--exact", name]);
        command.env("GMP_LEAK_MAIN", value).run()
    };
    let left = "Error: gmp: 1 goroutine leaked in this process, outside of its tests: G";
    run("global::leaks", "1").exits_with(101).says("1 passed; 0 failed").says(left);
    run("global::ends", "1").passes_one().never_says("Error: gmp");
    run("global::leaks", "0").passes_one().never_says("Error: gmp");
    run("global::leaks", "yes")
        .exits_with(101)
        .says("1 passed; 0 failed")
        .says("GMP_LEAK_MAIN: `yes` is neither `on` nor `off`");
}

#[test]
fn a_leak_outside_of_tests_is_told_beside_a_test_that_fails() {
    let both = ["--exact", "global::leaks", "panics_and_leaks"];
    let cargo = adoption().cargo(&["test", "-p", "app", "--test", "cases", "--"]);
    let ran = cargo.args(&both).env("GMP_LEAK_MAIN", "1").run();
    // The code that a failing test gives, and the failure before what was left.
    ran.exits_with(101).says("1 passed; 1 failed").says("a panic of the body");
    ran.says("Error: gmp: 1 goroutine leaked in this process, outside of its tests: G");
}

/// The first line of the report of each test that fails, or that it passed, by the name in the source.
pub(crate) fn verdicts(ran: &Ran, prefix: &str) -> Vec<String> {
    let text = format!("{}\n{}", ran.stdout, ran.stderr);
    let mut told: Vec<String> = text
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix("Error: gmp: "))
        .map(|line| without_ids(&line.replace(prefix, "")))
        .collect();
    told.sort();
    told.dedup();
    told
}

/// The numbers of goroutines depend on what else the process runs.
fn without_ids(line: &str) -> String {
    let words = line.split(' ').map(|word| match word.strip_prefix('G') {
        Some(rest) if rest.starts_with(|c: char| c.is_ascii_digit()) => "G",
        _ => word,
    });
    words.collect::<Vec<_>>().join(" ")
}

#[test]
fn every_harness_comes_to_the_same_verdicts() {
    let mut all = Vec::new();
    for (prefix, tool, is_nextest) in harnesses() {
        // A main of its own knows no plain tests.
        let ran = tool.args(&["rows", "leaks", "asleep", "panics", "--skip", "global"]).run();
        ran.exits_with(if is_nextest { 100 } else { 101 });
        ran.says(if is_nextest { "6 passed, 8 failed" } else { "6 passed; 8 failed" });
        all.push(verdicts(&ran, prefix));
    }
    assert!(all[0].len() >= 6, "{:#?}", all[0]);
    assert!(all[0].iter().any(|line| line.contains("rows::case_2_leaks")), "{:#?}", all[0]);
    for other in &all[1..] {
        assert_eq!(*other, all[0]);
    }
}
