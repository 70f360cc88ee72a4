//! What is no leak and must never be called one: goroutines that finish late, with the check, or because
//! the test ends; and values that nobody received.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use gmp::sync::WaitGroup;
use gmp::time::sleep;
use gmp::{chan, channel, go, select, yield_now};

#[gmp::test]
async fn finishes_50_ms_after_the_body() {
    drop(go(sleep(Duration::from_millis(50))));
}

#[gmp::test]
fn finishes_50_ms_after_a_plain_body() {
    drop(go(sleep(Duration::from_millis(50))));
}

#[gmp::test(linger = "10s")]
async fn a_chain_of_timers_within_the_linger() {
    let (tx, rx) = channel(0);
    drop(go(async move {
        for n in 0..5 {
            sleep(Duration::from_millis(5)).await;
            tx.send(n).await.unwrap();
        }
    }));
    drop(go(async move { while rx.recv().await.is_some() {} }));
}

/// The linger counts from the moment when nobody is ready.
#[gmp::test(linger = "20ms")]
async fn is_busy_for_longer_than_the_linger_and_then_sleeps() {
    drop(go(async {
        let began = std::time::Instant::now();
        while began.elapsed() < Duration::from_millis(30) {
            core::hint::spin_loop();
        }
        sleep(Duration::from_millis(10)).await;
    }));
}

#[gmp::test(linger = "10s")]
async fn ten_thousand_finish_during_the_check() {
    let start = chan::<()>(0);
    for n in 0..10_000 {
        let start = start.clone();
        drop(go(async move {
            start.recv().await;
            for _ in 0..n % 7 {
                yield_now().await;
            }
        }));
    }
    yield_now().await;
    start.close();
}

#[gmp::test(linger = "10s")]
async fn ten_thousand_timers_fire_during_the_check() {
    for n in 0..10_000 {
        drop(go(sleep(Duration::from_micros(n))));
    }
}

#[gmp::test]
async fn ends_with_the_context_of_the_test() {
    let ctx = gmp::test::context();
    drop(go(async move { ctx.done().await }));
}

#[gmp::test]
fn ends_with_the_context_of_a_plain_test() {
    let ctx = gmp::test::context();
    drop(go(async move { ctx.done().await }));
}

#[gmp::test]
async fn a_service_ends_with_the_context_of_the_test() {
    let (requests, ctx) = (chan::<u32>(0), gmp::test::context());
    let serves = requests.clone();
    drop(go(async move {
        let wg = WaitGroup::new();
        loop {
            select! {
                recv(serves) -> _ => wg.go(async { sleep(Duration::from_millis(1)).await }),
                _ = ctx.done() => break,
            }
        }
        wg.wait().await;
    }));
    requests.send(1).await;
}

/// Counts its drops.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[gmp::test]
async fn values_left_in_a_buffer() {
    let drops = Arc::new(AtomicUsize::new(0));
    let ch = chan(8);
    for _ in 0..5 {
        ch.send(Counted(drops.clone())).await;
    }
    let (tx, rx) = channel(8);
    tx.send(Counted(drops.clone())).await.ok().unwrap();
    drop((ch, tx, rx));
    assert_eq!(drops.load(Ordering::Relaxed), 6);
}

#[gmp::test]
async fn handles_that_nobody_joins() {
    let done = go(async { vec![1, 2, 3] });
    yield_now().await;
    assert!(done.is_finished());
}

#[gmp::test]
async fn aborted_at_the_end() {
    let forever: Vec<_> = (0..100).map(|_| go(core::future::pending::<()>())).collect();
    yield_now().await;
    for g in &forever {
        g.abort();
    }
}

#[gmp::test(linger = "10s")]
async fn a_wake_from_a_foreign_thread_that_comes_late() {
    let (tx, rx) = futures_channel::oneshot::channel::<u32>();
    drop(go(rx));
    yield_now().await;
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(20));
        tx.send(1)
    });
}

/// A daemon that squares numbers, started by whoever asks first.
fn squares() -> &'static gmp::Chan<(u64, gmp::Chan<u64>)> {
    static REQUESTS: std::sync::OnceLock<gmp::Chan<(u64, gmp::Chan<u64>)>> =
        std::sync::OnceLock::new();
    REQUESTS.get_or_init(|| {
        let requests = chan::<(u64, gmp::Chan<u64>)>(0);
        let served = requests.clone();
        gmp::daemon(async move {
            while let Some((number, answer)) = served.recv().await {
                // A daemon's own goroutines are the daemon's.
                go(async move { answer.send(number * number).await });
            }
        });
        requests
    })
}

async fn square(number: u64) -> Option<u64> {
    let answer = chan(0);
    squares().send((number, answer.clone())).await;
    answer.recv().await
}

#[gmp::test]
async fn a_daemon_that_this_test_may_have_started() {
    assert_eq!(square(3).await, Some(9));
}

#[gmp::test]
async fn a_daemon_that_another_test_may_have_started() {
    for number in 0..100 {
        assert_eq!(square(number).await, Some(number * number));
    }
}

#[gmp::test(expect_leak("chan receive: Reachable"))]
async fn what_waits_for_a_daemon_is_no_daemon() {
    let (asked, kept) = (chan::<u32>(0), chan::<u32>(0));
    let (never, held) = (asked.clone(), kept.clone());
    gmp::daemon(async move {
        never.recv().await;
        drop(held);
    });
    drop(go(async move { kept.recv().await }));
    drop(asked);
}
