//! Async stacks down to file and line: nested functions, `join!`, `select!`, a foreign future, a plain
//! body. Every function and every line is compared, in the model and in the text that a user reads.
//!
//! The expected lines are those of this file that end with a marker, such as `// <inner>`.

use std::process::Command;

use futures_util::join;
use gmp::__private::{Submission, examine, inventory};
use gmp::report::finding::{Finding, Frame, Report};
use gmp::{Chan, chan, go, select};

const SOURCE: &str = include_str!("stacks.rs");

async fn outer(ch: Chan<u32>) {
    middle(ch).await; // <outer>
}

async fn middle(ch: Chan<u32>) {
    inner(&ch).await; // <middle>
}

async fn inner(ch: &Chan<u32>) {
    ch.recv().await; // <inner>
}

async fn chooses(a: Chan<u32>, b: Chan<u32>) {
    select! { // <select>
        recv(a) -> _ => (),
        send(b, 1) => (),
    }
}

async fn foreign(rx: futures_channel::oneshot::Receiver<u32>) {
    rx.await.unwrap(); // <foreign>
}

async fn both(ch: Chan<u32>, a: Chan<u32>, b: Chan<u32>) {
    join!(outer(ch), chooses(a, b)); // <join>
}

fn plain(ch: &Chan<u32>) {
    ch.blocking_recv(); // <plain>
}

#[gmp::test]
#[ignore = "leaks; run by the tests below"]
async fn leaks_in_nested_functions() {
    drop(go(outer(chan(0)))); // <start nested>
}

#[gmp::test]
#[ignore = "leaks; run by the tests below"]
async fn leaks_in_a_join() {
    drop(go(both(chan(0), chan(0), chan(0)))); // <start join>
}

#[gmp::test]
#[ignore = "leaks; run by the tests below"]
async fn leaks_in_a_foreign_future() {
    let (tx, rx) = futures_channel::oneshot::channel();
    core::mem::forget(tx);
    drop(go(foreign(rx))); // <start foreign>
}

#[gmp::test]
#[ignore = "leaks; run by the tests below"]
fn blocks_in_a_plain_body() {
    plain(&chan(0)); // <plain body>
}

#[gmp::test]
#[ignore = "leaks; run by the tests below"]
async fn blocks_in_an_async_body() {
    inner(&chan(0)).await; // <async body>
}

/// The line of this file that ends with `// <marker>`.
fn line(marker: &str) -> u32 {
    gmp_tests::line(SOURCE, marker)
}

fn report_on(name: &str) -> Report {
    let test = inventory::iter::<Submission>().find(|submission| submission.0.path() == name);
    examine(test.expect("a test with this name").0)
}

fn only(report: &Report) -> &Finding {
    assert_eq!(report.findings.len(), 1, "{report:?}");
    &report.findings[0]
}

/// Asserts functions and markers of `stack`, innermost first.
#[track_caller]
fn assert_stack(stack: &[Frame], expected: &[(&str, &str)]) {
    let seen: Vec<(&str, Option<u32>)> =
        stack.iter().map(|f| (&*f.function, f.at.as_ref().map(|at| at.line))).collect();
    let names: Vec<String> =
        expected.iter().map(|(function, _)| format!("stacks::{function}")).collect();
    let expected: Vec<(&str, Option<u32>)> = names
        .iter()
        .zip(expected)
        .map(|(name, (_, marker))| (&**name, Some(line(marker))))
        .collect();
    assert_eq!(seen, expected);
    for frame in stack {
        assert!(frame.at.as_ref().is_some_and(|at| at.file.ends_with("tests/stacks.rs")));
    }
}

const NESTED: [(&str, &str); 3] = [("inner", "inner"), ("middle", "middle"), ("outer", "outer")];

#[test]
fn nested_functions() {
    let report = report_on("leaks_in_nested_functions");
    let finding = only(&report);
    assert_eq!(finding.stacks.len(), 1);
    assert_stack(&finding.stacks[0], &NESTED);
    assert_eq!(finding.created_at.line, line("start nested"));
    assert_eq!(finding.waits[0].at.line, line("inner"));
}

#[test]
fn both_branches_of_a_join_and_both_arms_of_a_select() {
    let report = report_on("leaks_in_a_join");
    let finding = only(&report);
    let mut stacks = finding.stacks.clone();
    stacks.sort_by_key(Vec::len);
    assert_eq!(stacks.len(), 2, "{stacks:?}");
    assert_stack(&stacks[0], &[("chooses", "select"), ("both", "join")]);
    assert_stack(&stacks[1], &[NESTED[0], NESTED[1], NESTED[2], ("both", "join")]);
    assert_eq!(finding.created_at.line, line("start join"));
    let mut waits: Vec<u32> = finding.waits.iter().map(|wait| wait.at.line).collect();
    waits.sort_unstable();
    let mut expected = [line("inner"), line("select"), line("select")];
    expected.sort_unstable();
    assert_eq!(waits, expected);
}

#[test]
fn a_foreign_future_is_seen_when_it_registers() {
    let report = report_on("leaks_in_a_foreign_future");
    let finding = only(&report);
    let stack = finding.stacks.first().expect("one stack");
    let ours = stack.iter().position(|f| f.function == "stacks::foreign").expect("its caller");
    assert_stack(&stack[ours..], &[("foreign", "foreign")]);
    assert_eq!(finding.created_at.line, line("start foreign"));
}

#[test]
fn a_plain_body() {
    let report = report_on("blocks_in_a_plain_body");
    let stack = only(&report).stacks.first().expect("one stack");
    assert_stack(stack, &[("plain", "plain"), ("blocks_in_a_plain_body", "plain body")]);
}

#[test]
fn an_async_body() {
    let report = report_on("blocks_in_an_async_body");
    let stack = only(&report).stacks.first().expect("one stack");
    assert_stack(stack, &[("inner", "inner"), ("blocks_in_an_async_body", "async body")]);
}

/// What a user reads: the test fails in a process of its own.
fn text_of(name: &str) -> String {
    let run = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--ignored", "--nocapture", name])
        .env("NO_COLOR", "1")
        .output()
        .unwrap();
    assert!(!run.status.success());
    String::from_utf8(run.stderr).unwrap()
}

#[test]
fn the_text_shows_every_function_and_line() {
    let text = text_of("leaks_in_a_join");
    assert!(text.contains("Error: gmp: 1 goroutine leaked in leaks_in_a_join"), "{text}");
    let functions =
        [("inner", "inner"), ("middle", "middle"), ("outer", "outer"), ("both", "join")];
    for (function, marker) in functions.into_iter().chain([("chooses", "select")]) {
        let at = format!("tests/stacks.rs:{}", line(marker));
        let shown =
            text.lines().any(|l| l.contains(&at) && l.contains(&format!("stacks::{function}")));
        assert!(shown, "{function} at {at} in:\n{text}");
    }
    let started = format!("tests/stacks.rs:{}", line("start join"));
    assert!(text.contains(&started), "{started} in:\n{text}");
}
