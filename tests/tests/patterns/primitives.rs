//! One primitive each: what blocks a goroutine, in the words of the report.

use std::sync::Arc;
use std::time::{Duration, Instant};

use gmp::sync::{Mutex, WaitGroup};
use gmp::time::{after, sleep, timeout};
use gmp::{Chan, chan, channel, go, select, yield_now};

use crate::support::{HOUR, keep, used_here};

#[gmp::test(expect_leak("chan receive (nil chan): Proven"))]
async fn nil_receive() {
    let ch = Chan::<u32>::nil();
    drop(go(async move { ch.recv().await }));
}

#[gmp::test]
async fn nil_receive_fixed() {
    let (nil, ch) = (Chan::<u32>::nil(), chan(1));
    let other = ch.clone();
    drop(go(async move {
        select! {
            recv(nil) -> _ => unreachable!("a nil channel gives nothing"),
            recv(other) -> value => assert_eq!(value, Some(1)),
        }
    }));
    ch.send(1).await;
}

#[gmp::test(expect_leak("chan send (nil chan): Proven"))]
async fn nil_send() {
    let ch = Chan::<u32>::nil();
    drop(go(async move { ch.send(1).await }));
}

#[gmp::test]
async fn nil_send_fixed() {
    let ch = Chan::<u32>::nil();
    let sent = go(async move {
        select! {
            send(ch, 1) => true,
            default => false,
        }
    });
    assert!(!sent.await.unwrap());
}

#[gmp::test(expect_leak("select (no cases): Proven"))]
async fn empty_select() {
    drop(go(async {
        select! {}
    }));
}

#[gmp::test]
async fn empty_select_fixed() {
    drop(go(async {
        select! { default => () }
    }));
}

#[gmp::test(expect_leak("chan receive: Proven"))]
async fn receive() {
    let ch = chan::<u32>(0);
    drop(go(async move { ch.recv().await }));
}

#[gmp::test]
async fn receive_fixed() {
    let ch = chan::<u32>(0);
    let other = ch.clone();
    let got = go(async move { other.recv().await });
    ch.send(1).await;
    assert_eq!(got.await.unwrap(), Some(1));
}

#[gmp::test(expect_leak("chan send: Proven"))]
async fn send() {
    let ch = chan(0);
    drop(go(async move { ch.send(1).await }));
}

#[gmp::test]
async fn send_fixed() {
    let ch = chan(0);
    let other = ch.clone();
    drop(go(async move { other.send(1).await }));
    assert_eq!(ch.recv().await, Some(1));
}

#[gmp::test(expect_leak("chan send: Proven"))]
async fn send_full() {
    let ch = chan(2);
    drop(go(async move {
        for n in 0..3 {
            ch.send(n).await;
        }
    }));
}

#[gmp::test]
async fn send_full_fixed() {
    let ch = chan(3);
    drop(go(async move {
        for n in 0..3 {
            ch.send(n).await;
        }
    }));
}

/// A select with one arm is that operation, as in Go.
#[gmp::test(expect_leak("chan receive: Proven"))]
async fn select_of_one() {
    let ch = chan::<u32>(0);
    drop(go(async move {
        select! {
            recv(ch) -> _ => {}
        }
    }));
}

#[gmp::test]
async fn select_of_one_fixed() {
    let ch = chan::<u32>(0);
    let closes = ch.clone();
    drop(go(async move {
        select! {
            recv(ch) -> _ => {}
        }
    }));
    closes.close();
}

#[gmp::test(expect_leak("select: Proven"))]
async fn select_of_two() {
    let (a, b) = (chan::<u32>(0), chan::<u32>(0));
    drop(go(async move {
        select! {
            recv(a) -> _ => (),
            send(b, 1) => (),
        }
    }));
}

#[gmp::test]
async fn select_of_two_fixed() {
    let (a, b) = (chan::<u32>(0), chan::<u32>(0));
    let ours = b.clone();
    drop(go(async move {
        select! {
            recv(a) -> _ => (),
            send(b, 1) => (),
        }
    }));
    assert_eq!(ours.recv().await, Some(1));
}

#[gmp::test(expect_leak("sync.WaitGroup.Wait: Proven"))]
async fn wait_group() {
    let wg = WaitGroup::new();
    wg.add(2);
    wg.done();
    drop(go(async move { wg.wait().await }));
}

#[gmp::test]
async fn wait_group_fixed() {
    let wg = WaitGroup::new();
    wg.add(2);
    wg.done();
    let other = wg.clone();
    drop(go(async move { other.wait().await }));
    wg.done();
}

#[gmp::test(expect_leak("sync.Mutex.Lock: Proven", "chan receive: Proven"))]
async fn mutex_of_a_stuck_goroutine() {
    let (mutex, ch) = (Arc::new(Mutex::new(0)), chan::<u32>(0));
    let held = mutex.clone();
    drop(go(async move {
        let _guard = held.lock().await;
        ch.recv().await;
    }));
    yield_now().await;
    drop(go(async move { *mutex.lock().await += 1 }));
}

#[gmp::test]
async fn mutex_of_a_stuck_goroutine_fixed() {
    let (mutex, ch) = (Arc::new(Mutex::new(0)), chan::<u32>(0));
    let (held, other) = (mutex.clone(), ch.clone());
    drop(go(async move {
        let _guard = held.lock().await;
        other.recv().await;
    }));
    yield_now().await;
    drop(go(async move { *mutex.lock().await += 1 }));
    ch.send(1).await;
}

#[gmp::test(expect_leak("sync.Mutex.Lock: Proven"))]
async fn mutex_forgotten() {
    let mutex = Arc::new(Mutex::new(0));
    core::mem::forget(mutex.lock().await);
    drop(go(async move { *mutex.lock().await += 1 }));
}

#[gmp::test]
async fn mutex_forgotten_fixed() {
    let mutex = Arc::new(Mutex::new(0));
    drop(mutex.lock().await);
    drop(go(async move { *mutex.lock().await += 1 }));
}

#[gmp::test(expect_leak("sync.Mutex.Lock: Proven"))]
async fn mutex_twice() {
    let mutex = Arc::new(Mutex::new(0));
    drop(go(async move {
        let _first = mutex.lock().await;
        let _second = mutex.lock().await;
    }));
}

#[gmp::test]
async fn mutex_twice_fixed() {
    let mutex = Arc::new(Mutex::new(0));
    drop(go(async move {
        drop(mutex.lock().await);
        drop(mutex.lock().await);
    }));
}

#[gmp::test(expect_leak("sync.WaitGroup.Wait: Proven", "chan send: Proven"))]
async fn mixed() {
    drop(go(async {
        let (wg, ch) = (WaitGroup::new(), chan(0));
        wg.go(async move { ch.send(1).await });
        wg.wait().await;
    }));
}

#[gmp::test]
async fn mixed_fixed() {
    drop(go(async {
        let (wg, ch) = (WaitGroup::new(), chan(0));
        let other = ch.clone();
        wg.go(async move { other.send(1).await });
        assert_eq!(ch.recv().await, Some(1));
        wg.wait().await;
    }));
}

#[gmp::test(expect_leak("sleep: Timer"))]
async fn sleeping() {
    drop(go(sleep(HOUR)));
}

#[gmp::test]
async fn sleeping_fixed() {
    let sleeper = go(sleep(HOUR));
    sleeper.abort();
}

#[gmp::test(expect_leak("chan receive: Timer", "2 select: Timer"))]
async fn timers_of_other_waits() {
    drop(go(async { after(HOUR).recv().await }));
    drop(go(async {
        let (work, late) = (chan::<u32>(0), after(HOUR));
        select! {
            recv(work) -> _ => (),
            recv(late) -> _ => (),
        }
    }));
    drop(go(async {
        let work = chan::<u32>(0);
        select! {
            recv(work) -> _ => (),
            () = sleep(HOUR) => (),
        }
    }));
}

#[gmp::test]
async fn timers_of_other_waits_fixed() {
    let moment = Duration::from_millis(1);
    drop(go(async move { after(moment).recv().await }));
    drop(go(async move {
        let (work, late) = (chan::<u32>(0), after(moment));
        select! {
            recv(work) -> _ => (),
            recv(late) -> _ => (),
        }
    }));
    drop(go(async move { timeout(moment, chan::<u32>(0).recv()).await.unwrap_err() }));
}

#[gmp::test(expect_leak("chan receive: Reachable"))]
async fn global() {
    let (tx, rx) = channel::<u32>(0);
    keep(tx);
    drop(go(async move { rx.recv().await }));
}

#[gmp::test]
async fn global_fixed() {
    let (tx, rx) = channel::<u32>(1);
    tx.send(1).await.unwrap();
    keep(tx);
    drop(go(async move { rx.recv().await }));
}

#[gmp::test(expect_leak("chan receive: Reachable", "sleep: Timer"))]
async fn sibling() {
    let (tx, rx) = channel::<u32>(0);
    drop(go(async move { rx.recv().await }));
    drop(go(async move {
        sleep(HOUR).await;
        tx.send(1).await
    }));
}

#[gmp::test]
async fn sibling_fixed() {
    let (tx, rx) = channel::<u32>(0);
    drop(go(async move { rx.recv().await }));
    drop(go(async move {
        sleep(Duration::from_millis(1)).await;
        tx.send(1).await
    }));
}

#[gmp::test(expect_leak("2 chan receive: Reachable"))]
async fn bystander() {
    let (a_tx, a_rx) = channel::<u32>(0);
    let (b_tx, b_rx) = channel::<u32>(0);
    keep(a_tx);
    drop(go(async move { b_rx.recv().await }));
    drop(go(async move {
        a_rx.recv().await;
        b_tx.send(1).await
    }));
}

#[gmp::test]
async fn bystander_fixed() {
    let (a_tx, a_rx) = channel::<u32>(0);
    let (b_tx, b_rx) = channel::<u32>(0);
    drop(go(async move { b_rx.recv().await }));
    drop(go(async move {
        a_rx.recv().await;
        b_tx.send(1).await
    }));
    a_tx.send(1).await.unwrap();
}

#[gmp::test(expect_leak("external: External"))]
async fn foreign() {
    let (tx, rx) = futures_channel::oneshot::channel::<u32>();
    keep(tx);
    drop(go(rx));
}

#[gmp::test]
async fn foreign_fixed() {
    let (tx, rx) = futures_channel::oneshot::channel::<u32>();
    let got = go(rx);
    yield_now().await;
    tx.send(1).unwrap();
    assert_eq!(got.await.unwrap(), Ok(1));
}

#[gmp::test(expect_leak("no waker kept: Proven"))]
async fn no_waker_kept() {
    drop(go(core::future::pending::<()>()));
}

#[gmp::test]
async fn no_waker_kept_fixed() {
    drop(go(core::future::ready(())));
}

#[gmp::test(linger = "10ms", expect_leak("running: Running"))]
async fn spin() {
    // For ever, as far as the test is concerned; the thread is left behind. On a busy machine the check gets as little
    // time as this.
    drop(go(async move {
        let end = used_here() + Duration::from_secs(2);
        while used_here() < end {
            core::hint::spin_loop();
        }
    }));
}

#[gmp::test]
async fn spin_fixed() {
    let end = Instant::now() + Duration::from_millis(1);
    drop(go(async move {
        while Instant::now() < end {
            yield_now().await;
        }
    }));
}

/// Starts a chain of goroutines, each of which waits for the next one, and gives back both ends.
fn chain(length: u32) -> (Chan<u32>, Chan<u32>) {
    let first = chan(0);
    let mut left = first.clone();
    for _ in 0..length {
        let right = chan(0);
        let (to, from) = (left, right.clone());
        drop(go(async move {
            if let Some(n) = from.recv().await {
                to.send(n + 1).await;
            }
        }));
        left = right;
    }
    (first, left)
}

#[gmp::test(expect_leak("1000 chan receive: Proven"))]
async fn daisy_chain() {
    chain(1000);
}

#[gmp::test]
async fn daisy_chain_fixed() {
    let (first, last) = chain(1000);
    last.send(0).await;
    assert_eq!(first.recv().await, Some(1000));
}
