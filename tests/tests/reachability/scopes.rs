//! Primitives and goroutines of other scopes: another guard's, or the global runtime's.

use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use gmp::leak::{CheckError, Options, Verdict, guard};
use gmp::report::finding::Report;
use gmp::time::sleep;
use gmp::{Chan, Sender, chan, channel, go};

use crate::support::{HOUR, keep};

fn leaks(result: Result<(), CheckError>) -> Report {
    match result {
        Err(CheckError::Leaks { report }) => *report,
        other => panic!("expected leaks, got {other:?}"),
    }
}

#[test]
fn a_channel_of_an_outer_scope_proves_nothing() {
    let outer = guard!();
    let (a_tx, a_rx) = channel::<u32>(0);
    let (b_tx, b_rx) = channel::<u32>(0);
    keep(a_tx);
    let inner = guard!(Options::new().linger(Duration::from_millis(10)));
    drop(go(async move {
        a_rx.recv().await;
        b_tx.send(1).await
    }));
    drop(go(async move { b_rx.recv().await }));
    for finding in leaks(inner.check()).groups() {
        assert_eq!(finding.verdict.name(), "Reachable", "{finding:?}");
    }
    outer.check().unwrap();
}

#[gmp::test(expect_leak("chan receive: Reachable"))]
async fn held_by_a_goroutine_of_the_global_runtime() {
    let (tx, rx) = channel::<u32>(0);
    drop(go(async move { rx.recv().await }));
    let start = move || {
        drop(go(async move {
            sleep(HOUR).await;
            drop(tx);
        }));
    };
    thread::spawn(start).join().unwrap();
}

/// A service that lives as long as the process and answers after a while.
fn service() -> &'static Chan<Sender<u32>> {
    static REQUESTS: OnceLock<Chan<Sender<u32>>> = OnceLock::new();
    REQUESTS.get_or_init(|| {
        let serve = || {
            let requests: Chan<Sender<u32>> = chan(0);
            let ours = requests.clone();
            drop(go(async move {
                while let Some(reply) = ours.recv().await {
                    sleep(Duration::from_millis(50)).await;
                    let _ = reply.send(42).await;
                }
            }));
            requests
        };
        thread::spawn(serve).join().unwrap()
    })
}

#[gmp::test]
async fn the_global_runtime_answers_later() {
    let (tx, rx) = channel(0);
    service().send(tx).await;
    assert_eq!(rx.recv().await, Some(42));
}

#[gmp::test(linger = "10s")]
async fn the_global_runtime_releases_a_goroutine_later() {
    let (tx, rx) = channel(0);
    drop(go(async move { rx.recv().await }));
    service().send(tx).await;
}

#[gmp::test(expect_leak("chan receive: Proven"))]
async fn an_idle_service_proves_nothing_to_be_alive() {
    // It waits for requests, and nobody has a way to make one on behalf of this goroutine.
    let (tx, rx) = channel::<u32>(0);
    service();
    drop(go(async move {
        let _tx = tx;
        rx.recv().await
    }));
}

#[test]
fn a_guard_in_a_guard_tells_its_own() {
    let outer = guard!();
    let inner = guard!();
    let (tx, rx) = channel::<u32>(0);
    drop(go(async move {
        let _tx = tx;
        rx.recv().await
    }));
    assert_eq!(leaks(inner.check()).findings[0].verdict, Verdict::Proven);
    outer.check().unwrap();
}
