//! Rights over a goroutine itself: joining and aborting; and what is held by nobody but stuck ones.

use std::sync::Arc;

use gmp::inspect::WaitReason;
use gmp::leak::Verdict;
use gmp::report::finding::Figure;
use gmp::sync::Mutex;
use gmp::time::sleep;
use gmp::{chan, channel, go, yield_now};

use crate::support::{HOUR, assert_held_by, assert_held_outside, finding, keep, report_on};

#[gmp::test(expect_leak("chan receive: Proven"))]
async fn held_by_itself() {
    let (tx, rx) = channel::<u32>(0);
    drop(go(async move {
        let _tx = tx;
        rx.recv().await
    }));
}

#[gmp::test(expect_leak("2 chan receive: Proven"))]
async fn held_by_each_other() {
    let (a_tx, a_rx) = channel::<u32>(0);
    let (b_tx, b_rx) = channel::<u32>(0);
    drop(go(async move {
        a_rx.recv().await;
        b_tx.send(1).await
    }));
    drop(go(async move {
        b_rx.recv().await;
        a_tx.send(1).await
    }));
}

#[gmp::test(expect_leak("chan receive: Proven"))]
async fn a_receiver_outside() {
    let (tx, rx) = channel::<u32>(0);
    keep(rx.clone());
    drop(go(async move {
        let _tx = tx;
        rx.recv().await
    }));
}

#[gmp::test(expect_leak("chan send: Proven"))]
async fn a_sender_outside() {
    let (tx, rx) = channel::<u32>(0);
    keep(tx.clone());
    drop(go(async move {
        let _rx = rx;
        tx.send(1).await
    }));
}

#[gmp::test(expect_leak("chan receive: Reachable"))]
async fn abort_handle_in_a_static() {
    let ch = chan::<u32>(0);
    keep(go(async move { ch.recv().await }).abort_handle());
}

#[gmp::test(expect_leak("chan receive: Reachable"))]
async fn join_handle_in_a_static() {
    let ch = chan::<u32>(0);
    keep(go(async move { ch.recv().await }));
}

#[gmp::test(expect_leak("chan receive: Reachable", "sleep: Timer"))]
async fn abort_handle_of_a_sleeper() {
    let ch = chan::<u32>(0);
    let stuck = go(async move { ch.recv().await });
    drop(go(async move {
        sleep(HOUR).await;
        stuck.abort();
    }));
}

#[gmp::test(expect_leak("chan receive: Proven", "chan send: Proven"))]
async fn abort_handle_of_a_stuck_goroutine() {
    let (a, b) = (chan::<u32>(0), chan::<u32>(0));
    let stuck = go(async move { a.recv().await });
    drop(go(async move {
        b.send(1).await;
        stuck.abort();
    }));
}

#[gmp::test(expect_leak("chan receive: Proven", "join: Proven"))]
async fn join_on_a_stuck_goroutine() {
    let ch = chan::<u32>(0);
    let stuck = go(async move { ch.recv().await });
    drop(go(stuck));
}

#[gmp::test(expect_leak("sleep: Timer", "join: Reachable"))]
async fn join_on_a_sleeper() {
    let sleeper = go(sleep(HOUR));
    drop(go(sleeper));
}

#[test]
fn the_joined_sleeper_is_named() {
    let report = report_on("handles::join_on_a_sleeper");
    let join = finding(&report, WaitReason::Join);
    assert_held_by(join, finding(&report, WaitReason::Sleep), "Timer");
}

#[gmp::test(expect_leak("chan receive: Reachable", "2 join: Reachable"))]
async fn join_on_a_join_on_a_goroutine_that_a_static_could_release() {
    let (tx, rx) = channel::<u32>(0);
    keep(tx);
    let first = go(async move { rx.recv().await });
    let second = go(first);
    drop(go(second));
}

#[gmp::test(expect_leak("join: Reachable"))]
async fn join_on_a_goroutine_of_the_global_runtime() {
    let asleep = || go(sleep(HOUR));
    // A plain thread has no scope: what it starts belongs to the process.
    let other = std::thread::spawn(asleep).join().unwrap();
    drop(go(other));
}

#[gmp::test(expect_leak("chan receive: Reachable"))]
async fn held_by_the_output_of_a_handle_in_a_static() {
    let (tx, rx) = channel::<u32>(0);
    keep(go(async move { tx }));
    drop(go(async move { rx.recv().await }));
}

#[gmp::test(expect_leak("chan receive: Proven"))]
async fn held_by_the_output_of_its_own_handle() {
    let (tx, rx) = channel::<u32>(0);
    let output = go(async move { tx });
    yield_now().await;
    drop(go(async move {
        rx.recv().await;
        drop(output);
    }));
}

#[gmp::test(expect_leak("sync.Mutex.Lock: Proven", "chan receive: Proven"))]
async fn guard_of_a_stuck_goroutine() {
    let (mutex, ch) = (Arc::new(Mutex::new(0)), chan::<u32>(0));
    let held = mutex.clone();
    drop(go(async move {
        let _guard = held.lock().await;
        ch.recv().await
    }));
    yield_now().await;
    drop(go(async move { *mutex.lock().await += 1 }));
}

#[test]
fn the_holder_of_the_guard_is_named() {
    let report = report_on("handles::guard_of_a_stuck_goroutine");
    let waits = finding(&report, WaitReason::MutexLock);
    let holder = finding(&report, WaitReason::ChanReceive);
    assert_eq!(waits.verdict, Verdict::Proven);
    let figure = &waits.waits[0].primitive.as_ref().expect("watched").figure;
    let Figure::Mutex { holder: named, locked_at } = figure else { panic!("{figure:?}") };
    assert_eq!(*named, Some(holder.goroutines[0]));
    assert!(locked_at.as_ref().is_some_and(|at| at.file.ends_with("reachability/handles.rs")));
}

#[gmp::test(expect_leak("sync.Mutex.Lock: Reachable", "sleep: Timer"))]
async fn guard_of_a_sleeper() {
    let mutex = Arc::new(Mutex::new(0));
    let held = mutex.clone();
    drop(go(async move {
        let _guard = held.lock().await;
        sleep(HOUR).await;
    }));
    yield_now().await;
    drop(go(async move { *mutex.lock().await += 1 }));
}

#[test]
fn the_abort_handle_in_a_static_is_outside() {
    let report = report_on("handles::abort_handle_in_a_static");
    assert_held_outside(finding(&report, WaitReason::ChanReceive));
}
