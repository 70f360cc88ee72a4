//! The live cancel probe: asked for by `probe_cancel`, it says at each finding what a cancel would have done,
//! and changes nothing else.

use std::sync::atomic::{AtomicUsize, Ordering};

use gmp::__private::{Submission, inventory};
use gmp::context::{background, with_cancel};
use gmp::leak::{Report, Verdict};
use gmp::report::finding::CancelProbe;
use gmp::{chan, go, select, yield_now};

fn examine(name: &str) -> Report {
    let test = inventory::iter::<Submission>().find(|submission| submission.0.path() == name);
    gmp::__private::examine(test.expect("a test with this name").0)
}

/// What the probe says of the one finding of a test, and its verdict.
fn probed(name: &str) -> (Option<CancelProbe>, Verdict) {
    let report = examine(name);
    assert_eq!(report.findings.len(), 1, "{report}");
    (report.findings[0].probe, report.findings[0].verdict.clone())
}

/// Waits for a context that nobody cancels.
async fn waits_for_nobody() {
    let (ctx, cancel) = with_cancel(&background());
    drop(cancel);
    drop(go(async move {
        let work = chan::<u32>(0);
        select! {
            recv(work) -> _ => (),
            _ = ctx.done() => (),
        }
    }));
    yield_now().await;
}

#[gmp::test(probe_cancel)]
#[ignore = "leaks; run by the tests below"]
async fn would_end() {
    waits_for_nobody().await;
}

#[gmp::test]
#[ignore = "leaks; run by the tests below"]
async fn is_not_probed() {
    waits_for_nobody().await;
}

#[gmp::test(probe_cancel)]
#[ignore = "leaks; run by the tests below"]
async fn looks_once_and_never_again() {
    let (ctx, cancel) = with_cancel(&background());
    drop(go(async move {
        assert!(ctx.err().is_none());
        chan::<u32>(0).recv().await
    }));
    yield_now().await;
    core::mem::forget(cancel);
}

#[gmp::test(probe_cancel)]
#[ignore = "leaks; run by the tests below"]
async fn ends_and_then_waits_for_something_else() {
    let (ctx, cancel) = with_cancel(&background());
    drop(go(async move {
        ctx.done().await;
        chan::<u32>(0).recv().await
    }));
    yield_now().await;
    drop(cancel);
}

#[gmp::test(probe_cancel)]
#[ignore = "leaks; run by the tests below"]
async fn waits_for_a_root() {
    drop(go(async {
        background().done().await;
    }));
    yield_now().await;
}

#[gmp::test(probe_cancel)]
#[ignore = "leaks; run by the tests below"]
fn a_plain_body_with_a_child() {
    let (ctx, cancel) = with_cancel(&background());
    let (begun, tell) = (chan(0), chan(0));
    let begins = begun.clone();
    drop(go(async move {
        begins.send(()).await;
        ctx.done().await;
    }));
    begun.blocking_recv();
    drop((cancel, tell as gmp::Chan<()>));
}

static RUNS: AtomicUsize = AtomicUsize::new(0);

#[gmp::test(probe_cancel)]
#[ignore = "run by the tests below"]
async fn is_clean() {
    RUNS.fetch_add(1, Ordering::Relaxed);
}

#[test]
fn a_goroutine_that_listens_would_have_ended() {
    assert_eq!(probed("would_end"), (Some(CancelProbe::Ends), Verdict::Proven));
    assert_eq!(probed("a_plain_body_with_a_child"), (Some(CancelProbe::Ends), Verdict::Proven));
}

#[test]
fn one_that_does_not_listen_would_have_stayed() {
    let stays = Some(CancelProbe::Stays);
    assert_eq!(probed("looks_once_and_never_again"), (stays, Verdict::Proven));
    assert_eq!(probed("ends_and_then_waits_for_something_else"), (stays, Verdict::Proven));
}

#[test]
fn a_root_cannot_be_cancelled() {
    let cannot = Some(CancelProbe::CannotBeCancelled);
    assert_eq!(probed("waits_for_a_root"), (cannot, Verdict::Proven));
}

#[test]
fn nothing_else_changes_and_nobody_is_probed_who_did_not_ask() {
    let (asked, plain) = (examine("would_end"), examine("is_not_probed"));
    assert_eq!(plain.findings[0].probe, None);
    let facts = |report: &Report| {
        let one = &report.findings[0];
        (
            one.code,
            one.severity,
            one.verdict.clone(),
            one.count,
            one.context.clone(),
            report.stock.clone(),
        )
    };
    assert_eq!(facts(&asked), facts(&plain));
    let text = asked.to_string();
    assert!(
        text.contains("probe: in a second run it ended when its context was cancelled"),
        "{text}"
    );
    assert!(!plain.to_string().contains("second run"));
}

#[test]
fn a_clean_test_runs_once() {
    examine("is_clean");
    assert_eq!(RUNS.load(Ordering::Relaxed), 1);
}
