//! Capabilities that survive the scope: somebody outside, or a goroutine that is not stuck, has them.

use std::sync::{Arc, Mutex as StdMutex};
use std::thread;
use std::time::Duration;

use gmp::context::{after_func, background, with_cancel, with_timeout};
use gmp::inspect::WaitReason;
use gmp::sync::Mutex;
use gmp::time::sleep;
use gmp::{Sender, chan, channel, go, yield_now};

use crate::support::{HOUR, assert_held_by, assert_held_outside, finding, keep, report_on};

#[gmp::test(expect_leak("chan receive: Reachable", "sleep: Timer"))]
async fn held_by_a_sleeping_sibling() {
    let (tx, rx) = channel::<u32>(0);
    drop(go(async move { rx.recv().await }));
    drop(go(async move {
        sleep(HOUR).await;
        tx.send(1).await
    }));
}

#[test]
fn the_sleeping_sibling_is_named() {
    let report = report_on("outside::held_by_a_sleeping_sibling");
    let stuck = finding(&report, WaitReason::ChanReceive);
    assert_held_by(stuck, finding(&report, WaitReason::Sleep), "Timer");
}

#[gmp::test(expect_leak("chan receive: Reachable"))]
async fn held_by_a_static() {
    let (tx, rx) = channel::<u32>(0);
    keep(tx);
    drop(go(async move { rx.recv().await }));
}

#[test]
fn nobody_is_named_for_a_static() {
    let report = report_on("outside::held_by_a_static");
    assert_held_outside(finding(&report, WaitReason::ChanReceive));
}

#[gmp::test(linger = "10ms", expect_leak("chan receive: Reachable"))]
async fn held_by_an_os_thread() {
    let (tx, rx) = channel::<u32>(0);
    // The thread is there until the check drops the goroutine.
    let (is_left, left) = std::sync::mpsc::channel::<()>();
    thread::spawn(move || {
        let _ = left.recv();
        drop(tx);
    });
    drop(go(async move {
        let _is_left = is_left;
        rx.recv().await
    }));
}

#[gmp::test(expect_leak("chan receive: Reachable"))]
async fn held_by_a_forgotten_arc() {
    let (tx, rx) = channel::<u32>(0);
    core::mem::forget(Arc::new(tx));
    drop(go(async move { rx.recv().await }));
}

struct Ring {
    _tx: Sender<u32>,
    next: StdMutex<Option<Arc<Ring>>>,
}

#[gmp::test(expect_leak("chan receive: Reachable"))]
async fn held_by_an_arc_cycle() {
    let (tx, rx) = channel::<u32>(0);
    let ring = Arc::new(Ring { _tx: tx, next: StdMutex::new(None) });
    *ring.next.lock().unwrap() = Some(ring.clone());
    drop(go(async move { rx.recv().await }));
}

#[gmp::test(expect_leak("chan receive: Reachable", "chan send: Reachable"))]
async fn held_by_a_stuck_goroutine_that_a_static_could_release() {
    let (a_tx, a_rx) = channel::<u32>(0);
    let (b_tx, b_rx) = channel::<u32>(0);
    keep(a_rx);
    drop(go(async move { b_rx.recv().await }));
    drop(go(async move {
        let _ = a_tx.send(1).await;
        b_tx.send(1).await
    }));
}

#[test]
fn the_stuck_holder_is_named() {
    let report = report_on("outside::held_by_a_stuck_goroutine_that_a_static_could_release");
    let stuck = finding(&report, WaitReason::ChanReceive);
    let holder = finding(&report, WaitReason::ChanSend);
    assert_held_outside(holder);
    assert_held_by(stuck, holder, "Reachable");
}

#[gmp::test(expect_leak("3 chan receive: Reachable"))]
async fn held_by_a_chain_that_a_static_could_release() {
    let (tx, mut rx) = channel::<u32>(0);
    keep(tx);
    for _ in 0..3 {
        let (next_tx, next_rx) = channel::<u32>(0);
        drop(go(async move {
            rx.recv().await;
            next_tx.send(1).await
        }));
        rx = next_rx;
    }
}

#[gmp::test(expect_leak("context done: Reachable"))]
async fn an_ancestor_that_can_cancel() {
    let (parent, cancel) = with_cancel(&background());
    keep(cancel);
    let (child, _) = with_cancel(&parent);
    drop(go(async move { child.done().await }));
}

#[gmp::test(expect_leak("context done: Timer"))]
async fn an_ancestor_with_a_deadline() {
    let (parent, _) = with_timeout(&background(), HOUR);
    let (child, _) = with_cancel(&parent);
    drop(go(async move { child.done().await }));
}

#[gmp::test(expect_leak("context done: Proven"))]
async fn a_child_that_can_cancel_itself_only() {
    let (parent, _) = with_cancel(&background());
    let (_, cancel) = with_cancel(&parent);
    keep(cancel);
    drop(go(async move { parent.done().await }));
}

#[gmp::test(expect_leak("chan receive: Reachable", "sleep: Timer"))]
async fn held_by_a_function_of_a_context_that_an_ancestor_cancels() {
    let (tx, rx) = channel::<u32>(0);
    let (parent, cancel) = with_cancel(&background());
    let (child, _) = with_cancel(&parent);
    let _ = after_func(&child, async move { tx.send(1).await.expect("received") });
    // The one that waits keeps the context alive, whose end would run the function that sends.
    drop(go(async move {
        let _child = child;
        rx.recv().await
    }));
    drop(go(async move {
        sleep(HOUR).await;
        cancel.cancel();
    }));
}

#[gmp::test(expect_leak("chan receive: Reachable"))]
async fn held_by_a_function_of_a_context_with_a_deadline() {
    let (tx, rx) = channel::<u32>(0);
    let (ctx, _) = with_timeout(&background(), HOUR);
    let _ = after_func(&ctx, async move { tx.send(1).await.expect("received") });
    drop(go(async move {
        let _ctx = ctx;
        rx.recv().await
    }));
}

#[gmp::test(expect_leak("sync.Mutex.Lock: Reachable"))]
async fn an_owned_guard_forgotten() {
    let mutex = Arc::new(Mutex::new(0));
    core::mem::forget(mutex.clone().lock_owned().await);
    drop(go(async move { *mutex.lock().await += 1 }));
}

#[gmp::test(expect_leak("chan receive: Reachable"))]
async fn held_inside_a_mutex_of_a_static() {
    let (tx, rx) = channel::<u32>(0);
    keep(Mutex::new(tx));
    drop(go(async move { rx.recv().await }));
}

std::thread_local! {
    static OF_THE_M: core::cell::RefCell<Option<Sender<u32>>> = const { core::cell::RefCell::new(None) };
}

#[gmp::test(expect_leak("chan receive: Reachable"))]
async fn held_by_a_thread_local() {
    let (tx, rx) = channel::<u32>(0);
    OF_THE_M.set(Some(tx));
    drop(go(async move { rx.recv().await }));
}

/// Tells a thread to let go of what it holds, and waits until it has.
struct LetGo {
    ask: std::sync::mpsc::Sender<()>,
    gone: std::sync::mpsc::Receiver<()>,
}

impl Drop for LetGo {
    fn drop(&mut self) {
        let _ = self.ask.send(());
        let _ = self.gone.recv();
    }
}

/// The sender dies while the futures are dropped, but it was an OS thread that held it until then.
#[gmp::test(linger = "1ms", expect_leak("chan receive: Proven", "chan receive: Reachable"))]
async fn let_go_by_an_os_thread_during_the_check() {
    let (tx, rx) = channel::<u32>(0);
    let (ask, asked) = std::sync::mpsc::channel();
    let (let_go, gone) = std::sync::mpsc::channel();
    thread::spawn(move || {
        let _ = asked.recv();
        drop(tx);
        let _ = let_go.send(());
    });
    let own = chan::<u32>(0);
    // Started first, so dropped first.
    drop(go(async move {
        let _held = LetGo { ask, gone };
        own.recv().await
    }));
    drop(go(async move { rx.recv().await }));
}

#[gmp::test]
async fn an_os_thread_sends_later() {
    let (tx, rx) = channel(0);
    let thread = thread::spawn(move || {
        thread::sleep(Duration::from_millis(50));
        tx.blocking_send(1).unwrap();
    });
    assert_eq!(rx.recv().await, Some(1));
    thread.join().unwrap();
}

#[gmp::test]
fn an_os_thread_sends_later_to_a_plain_body() {
    let ch = chan(0);
    let sends = ch.clone();
    let thread = thread::spawn(move || {
        thread::sleep(Duration::from_millis(50));
        sends.blocking_send(1);
    });
    assert_eq!(ch.blocking_recv(), Some(1));
    thread.join().unwrap();
}

#[gmp::test(linger = "10s")]
async fn an_os_thread_releases_a_goroutine_later() {
    let (tx, rx) = channel::<u32>(0);
    drop(go(async move { rx.recv().await }));
    yield_now().await;
    // Nobody joins it: it is evidence that the goroutine may still go on.
    thread::spawn(move || {
        thread::sleep(Duration::from_millis(20));
        drop(tx);
    });
}
