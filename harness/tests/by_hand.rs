//! Leak checks without the attribute: guards, `find`, `verify_none`, snapshots.
#![cfg(feature = "test")]

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use gmp::leak::{CheckError, Options, Snapshot, Verdict, find_with, guard, verify_none};
use gmp::runtime::{lock_os_thread, unlock_os_thread};
use gmp::{Chan, chan, go};

async fn receive(ch: Chan<u32>) -> Option<u32> {
    ch.recv().await
}

fn leaks(result: Result<(), CheckError>) -> gmp::report::finding::Report {
    match result {
        Err(CheckError::Leaks { report }) => *report,
        other => panic!("expected leaks, got {other:?}"),
    }
}

#[test]
fn a_guard_is_silent_when_everything_ends() {
    let guard = guard!();
    let ch = chan(0);
    let got = go(receive(ch.clone()));
    ch.blocking_send(7);
    drop(got);
    guard.check().unwrap();
}

#[test]
fn a_guard_proves_what_nobody_can_release() {
    let guard = guard!();
    let ch = chan(0);
    drop(go(receive(ch)));
    let report = leaks(guard.check());
    assert_eq!(report.findings.len(), 1);
    assert_eq!(report.findings[0].verdict, Verdict::Proven);
    assert!(report.findings[0].stacks[0][0].function.ends_with("receive"));
}

#[test]
fn a_guard_sees_the_handle_that_survives_it() {
    let ch = chan(0);
    let guard = guard!();
    drop(go(receive(ch.clone())));
    let report = leaks(guard.check());
    assert_eq!(report.findings[0].verdict.name(), "Reachable");
    drop(ch);
}

#[test]
fn a_dropped_guard_panics_with_the_report_said() {
    let unwound = catch_unwind(AssertUnwindSafe(|| {
        let _guard = guard!();
        drop(go(receive(chan(0))));
    }));
    assert!(unwound.is_err());
}

#[test]
fn rules_allow_leaks_and_bad_rules_are_errors() {
    let guard = guard!(Options::new().ignore("top:receive"));
    drop(go(receive(chan(0))));
    guard.check().unwrap();

    let bad = guard!(Options::new().ignore("top:["));
    assert!(matches!(bad.check(), Err(CheckError::Rule(_))));
}

#[test]
fn finding_leaves_the_goroutines_alone() {
    let guard = guard!();
    let ch = chan(0);
    let got = go(receive(ch.clone()));
    let found = find_with(&Options::new().linger(Duration::from_secs(5))).unwrap();
    assert_eq!(found.len(), 1);
    // It is as it was: the value reaches it, and then nothing is left.
    ch.blocking_send(7);
    drop(got);
    verify_none().unwrap();
    guard.check().unwrap();
}

/// Whatever is locked to its thread may depend on that: no other polls it for its stack. What it waits for is known
/// without.
#[test]
fn finding_leaves_goroutines_alone_that_are_locked_to_their_thread() {
    let guard = guard!();
    let ch = chan(0);
    let from = ch.clone();
    let mut got = go(async move {
        lock_os_thread();
        let here = std::thread::current().id();
        let mut receives = pin!(from.recv());
        let got = poll_fn(|cx| {
            assert_eq!(std::thread::current().id(), here);
            receives.as_mut().poll(cx)
        });
        let got = got.await;
        unlock_os_thread();
        got
    });
    let found = find_with(&Options::new().linger(Duration::from_secs(5))).unwrap();
    assert_eq!((found.len(), found[0].verdict.name()), (1, "Reachable"));
    assert!(found[0].waits[0].at.file.ends_with("by_hand.rs"), "{found:?}");
    ch.blocking_send(7);
    assert_eq!(gmp::block_on(&mut got).unwrap(), Some(7));
    guard.check().unwrap();
}

#[test]
fn a_snapshot_tells_new_goroutines_from_old_ones() {
    let guard = guard!();
    let (old, new) = (chan(0), chan(0));
    drop(go(receive(old.clone())));
    let before = Snapshot::take();
    assert_eq!(before.goroutines(), 1);
    before.diff().unwrap();
    drop(go(receive(new.clone())));
    assert_eq!(leaks(before.diff()).findings[0].count, 1);
    new.close();
    before.diff().unwrap();
    old.close();
    guard.check().unwrap();
}

#[test]
fn the_error_is_the_report() {
    let guard = guard!();
    drop(go(receive(chan(0))));
    let error = guard.check().unwrap_err().to_string();
    assert!(error.starts_with("gmp: 1 goroutine leaked in the guard at "), "{error}");
    assert!(error.contains("by_hand.rs"), "{error}");
}

/// The system may let the threads of the global runtime wait for longer than any linger.
#[test]
fn goroutines_that_are_on_their_way_get_a_turn_after_the_linger() {
    for _ in 0..100 {
        let guard = guard!(Options::new().linger(Duration::ZERO));
        let before = Snapshot::take();
        let ch = chan(0);
        for _ in 0..8 {
            drop(go(receive(ch.clone())));
        }
        ch.close();
        before.diff_with(&Options::new().linger(Duration::ZERO)).unwrap();
        guard.check().unwrap();
    }
}

/// The global runtime's Ms poll while the guard ends: it waits for polls in progress, which are short.
#[test]
fn a_guard_ends_goroutines_that_run_on_other_threads() {
    let alive = Arc::new(());
    for _ in 0..20 {
        let guard = guard!(Options::new().linger(Duration::from_millis(1)));
        for _ in 0..8 {
            let alive = alive.clone();
            drop(go(async move {
                let _alive = alive;
                loop {
                    let now = std::time::Instant::now();
                    while now.elapsed() < Duration::from_micros(100) {}
                    gmp::yield_now().await;
                }
            }));
        }
        let report = leaks(guard.check());
        assert_eq!(report.findings.iter().map(|finding| finding.count).sum::<usize>(), 8);
        assert!(report.findings.iter().all(|finding| finding.verdict == Verdict::Running));
        // One that was inside a poll is dropped by its own M when the poll ends.
        let checked = std::time::Instant::now();
        while Arc::strong_count(&alive) > 1 {
            assert!(checked.elapsed() < Duration::from_secs(30), "every future is dropped");
            std::thread::yield_now();
        }
    }
}
