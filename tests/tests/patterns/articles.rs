//! Mistakes that articles on Go's runtime warn of.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use gmp::context::{Context, background, with_cancel};
use gmp::sync::{Mutex, WaitGroup};
use gmp::time::{Timer, sleep};
use gmp::{Chan, chan, go, select, yield_now};

use crate::support::HOUR;

#[gmp::test(expect_leak("chan receive: Proven"))]
async fn leaky_receive() {
    let ch = chan::<u32>(0);
    let child = ch.clone();
    drop(go(async move { child.recv().await }));
    drop(ch);
}

#[gmp::test]
async fn leaky_receive_fixed() {
    let (tx, rx) = gmp::channel::<u32>(0);
    drop(go(async move { rx.recv().await }));
    drop(tx);
}

/// A worker that works for a while on each value.
async fn slow_worker(jobs: Chan<u32>, done: Chan<()>) {
    loop {
        select! {
            recv(jobs) -> job => match job {
                Some(_) => sleep(Duration::from_micros(100)).await,
                None => break,
            },
            recv(done) -> _ => break,
        }
    }
}

#[gmp::test(expect_leak("select: Proven"))]
async fn range_with_a_slow_body() {
    let (jobs, done) = (chan(0), chan(0));
    drop(go(slow_worker(jobs.clone(), done)));
    jobs.send(1).await;
}

#[gmp::test]
async fn range_with_a_slow_body_fixed() {
    let (jobs, done) = (chan(0), chan(0));
    drop(go(slow_worker(jobs.clone(), done.clone())));
    jobs.send(1).await;
    done.close();
}

#[gmp::test(expect_leak("chan send: Proven"))]
async fn add_inside_the_goroutine() {
    let (wg, results) = (WaitGroup::new(), chan(0));
    let (inside, sent) = (wg.clone(), results.clone());
    drop(go(async move {
        inside.add(1);
        sent.send(1).await;
        inside.done();
    }));
    // The counter is still zero: this waits for nobody, and nobody stays to receive.
    wg.wait().await;
    assert!(results.try_recv().is_err());
}

#[gmp::test]
async fn add_inside_the_goroutine_fixed() {
    let (wg, results) = (WaitGroup::new(), chan(1));
    let (inside, sent) = (wg.clone(), results.clone());
    wg.add(1);
    drop(go(async move {
        sent.send(1).await;
        inside.done();
    }));
    wg.wait().await;
    assert_eq!(results.try_recv(), Ok(1));
}

#[gmp::test(expect_leak("sync.WaitGroup.Wait: Proven"))]
async fn done_skipped_by_a_panic() {
    let wg = WaitGroup::new();
    wg.add(1);
    let inside = wg.clone();
    let failed = go(async move {
        assert_eq!(inside.count(), 0, "this fails before the call of done");
        inside.done();
    });
    assert!(failed.await.unwrap_err().is_panic());
    drop(go(async move { wg.wait().await }));
}

#[gmp::test]
async fn done_skipped_by_a_panic_fixed() {
    let wg = WaitGroup::new();
    let (failed, inside) = (chan(1), wg.clone());
    let tell = failed.clone();
    wg.go(async move {
        let child = go(async move { assert_eq!(inside.count(), 0, "this fails") });
        tell.send(child.await.is_err()).await;
    });
    wg.wait().await;
    assert_eq!(failed.recv().await, Some(true));
}

#[gmp::test]
#[should_panic(expected = "negative WaitGroup counter")]
async fn one_done_too_many() {
    let wg = WaitGroup::new();
    wg.add(1);
    wg.done();
    wg.done();
}

#[gmp::test]
async fn one_done_too_many_fixed() {
    let wg = WaitGroup::new();
    wg.add(2);
    wg.done();
    wg.done();
    wg.wait().await;
}

/// Starts a child that ends with the context it is given.
fn start_child(ctx: Context) {
    drop(go(async move { ctx.done().await }));
}

/// A handler that starts a child with a context of its own: derived from that of its caller, or not.
async fn handle(ctx: Context, derives: bool) {
    let root = if derives { ctx.clone() } else { background() };
    let (child, cancel) = with_cancel(&root);
    start_child(child);
    ctx.done().await;
    // The handler trusts that this has reached its child.
    drop(cancel);
}

#[gmp::test(expect_leak("context done: Proven"))]
async fn broken_context_chain() {
    let (parent, cancel) = with_cancel(&background());
    drop(go(handle(parent, false)));
    yield_now().await;
    cancel.cancel();
}

#[gmp::test]
async fn broken_context_chain_fixed() {
    let (parent, cancel) = with_cancel(&background());
    drop(go(handle(parent, true)));
    yield_now().await;
    cancel.cancel();
}

#[gmp::test(expect_leak("sleep: Timer"))]
async fn timer_that_is_never_stopped() {
    drop(go(async {
        sleep(Duration::from_micros(100)).await;
        loop {
            sleep(HOUR).await;
        }
    }));
}

#[gmp::test]
async fn timer_that_is_never_stopped_fixed() {
    let ticks = go(async {
        loop {
            sleep(HOUR).await;
        }
    });
    yield_now().await;
    ticks.abort();
}

/// Takes beats until none came for an hour, or for good when there are no more.
async fn watch_beats(beats: Chan<()>) {
    let idle = Timer::new(HOUR);
    loop {
        select! {
            recv(beats) -> beat => match beat {
                Some(()) => _ = idle.reset(HOUR),
                None => break,
            },
            recv(idle.chan()) -> _ => break,
        }
    }
    idle.stop();
}

/// Three beats; what is then done with the channel is the caller's business.
async fn beat(beats: &Chan<()>) {
    drop(go(watch_beats(beats.clone())));
    for _ in 0..3 {
        beats.send(()).await;
    }
}

#[gmp::test(expect_leak("select: Timer"))]
async fn timer_reset_in_a_loop() {
    beat(&chan(0)).await;
}

#[gmp::test]
async fn timer_reset_in_a_loop_fixed() {
    let beats = chan(0);
    beat(&beats).await;
    beats.close();
}

static GROUPS: std::sync::Mutex<Option<HashMap<u64, WaitGroup>>> = std::sync::Mutex::new(None);

/// Runs a job whose group is registered by name for others to wait for.
fn start_job(wg: WaitGroup) -> u64 {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    let name = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    wg.add(1);
    let waits = wg.clone();
    GROUPS.lock().unwrap().get_or_insert_default().insert(name, wg);
    drop(go(async move { waits.wait().await }));
    name
}

#[gmp::test(expect_leak("sync.WaitGroup.Wait: Reachable"))]
async fn groups_in_a_map() {
    start_job(WaitGroup::new());
}

#[gmp::test]
async fn groups_in_a_map_fixed() {
    let name = start_job(WaitGroup::new());
    let wg = GROUPS.lock().unwrap().as_mut().and_then(|groups| groups.remove(&name));
    wg.expect("registered above").done();
}

/// Starts a goroutine when it goes.
struct StartsOnDrop(Chan<u32>);

impl Drop for StartsOnDrop {
    fn drop(&mut self) {
        let ch = self.0.clone();
        drop(go(async move { ch.send(1).await }));
    }
}

#[gmp::test(expect_leak("2 chan send: Proven"))]
async fn started_on_the_way_out() {
    let on_return = StartsOnDrop(chan(0));
    let failed = go(async {
        let _on_unwind = StartsOnDrop(chan(0));
        panic!("the goroutine unwinds");
    });
    assert!(failed.await.unwrap_err().is_panic());
    drop(on_return);
}

#[gmp::test]
async fn started_on_the_way_out_fixed() {
    let ch = chan(1);
    let on_return = StartsOnDrop(ch.clone());
    drop(on_return);
    assert_eq!(ch.recv().await, Some(1));
}

#[gmp::test(expect_leak("chan send: Proven"))]
async fn deadlock() {
    chan(0).send(1).await;
}

#[gmp::test]
async fn deadlock_fixed() {
    chan(1).send(1).await;
}

#[gmp::test(expect_leak("chan receive: Proven"))]
fn deadlock_of_a_plain_body() {
    chan::<u32>(0).blocking_recv();
}

#[gmp::test]
fn deadlock_of_a_plain_body_fixed() {
    let ch = chan(0);
    let sent = ch.clone();
    drop(go(async move { sent.send(1).await }));
    assert_eq!(ch.blocking_recv(), Some(1));
}

/// Locks one and then the other, with the other goroutine's turn in between.
async fn lock_both(first: Arc<Mutex<u32>>, second: Arc<Mutex<u32>>) {
    let _first = first.lock().await;
    yield_now().await;
    let _second = second.lock().await;
}

#[gmp::test(expect_leak("2 sync.Mutex.Lock: Proven"))]
async fn lock_order() {
    let (a, b) = (Arc::new(Mutex::new(0)), Arc::new(Mutex::new(0)));
    drop(go(lock_both(a.clone(), b.clone())));
    drop(go(lock_both(b, a)));
}

#[gmp::test]
async fn lock_order_fixed() {
    let (a, b) = (Arc::new(Mutex::new(0)), Arc::new(Mutex::new(0)));
    drop(go(lock_both(a.clone(), b.clone())));
    drop(go(lock_both(a, b)));
}

#[gmp::test(linger = "10ms", expect_leak("runnable: Running"))]
async fn select_with_a_default_loop() {
    let stop = chan::<()>(0);
    drop(go(async move {
        loop {
            select! {
                recv(stop) -> _ => break,
                default => (),
            }
        }
    }));
}

#[gmp::test]
async fn select_with_a_default_loop_fixed() {
    let stop = chan::<()>(0);
    let stops = stop.clone();
    drop(go(async move {
        loop {
            select! {
                recv(stops) -> _ => break,
                default => (),
            }
        }
    }));
    stop.close();
}

#[gmp::test(linger = "10ms", expect_leak("runnable: Running"))]
async fn yield_loop() {
    let is_over = Arc::new(AtomicBool::new(false));
    drop(go(async move {
        while !is_over.load(Ordering::Relaxed) {
            yield_now().await;
        }
    }));
}

#[gmp::test]
async fn yield_loop_fixed() {
    let is_over = Arc::new(AtomicBool::new(false));
    let polled = is_over.clone();
    drop(go(async move {
        while !polled.load(Ordering::Relaxed) {
            yield_now().await;
        }
    }));
    is_over.store(true, Ordering::Relaxed);
}

/// Takes a permit of `permits` and gives it back if `gives_back`.
async fn with_permit(permits: Chan<()>, gives_back: bool) {
    permits.send(()).await;
    yield_now().await;
    if gives_back {
        permits.recv().await;
    }
}

#[gmp::test(expect_leak("chan send: Proven"))]
async fn semaphore_by_channel() {
    let permits = chan(1);
    drop(go(with_permit(permits.clone(), false)));
    yield_now().await;
    drop(go(with_permit(permits, true)));
}

#[gmp::test]
async fn semaphore_by_channel_fixed() {
    let permits = chan(2);
    for _ in 0..5 {
        drop(go(with_permit(permits.clone(), true)));
    }
}

/// Runs jobs on `workers` goroutines and gives back the queue once all are taken.
async fn worker_pool(workers: usize) -> Chan<u32> {
    let (jobs, done) = (chan(1024), WaitGroup::new());
    for _ in 0..workers {
        let (jobs, done) = (jobs.clone(), done.clone());
        drop(go(async move {
            while jobs.recv().await.is_some() {
                done.done();
            }
        }));
    }
    for job in 0..1024 {
        done.add(1);
        jobs.send(job).await;
    }
    done.wait().await;
    jobs
}

#[gmp::test(expect_leak("8 chan receive: Proven"))]
async fn worker_pool_of_8() {
    worker_pool(8).await;
}

#[gmp::test(expect_leak("24 chan receive: Proven"))]
async fn worker_pool_of_24() {
    worker_pool(24).await;
}

#[gmp::test(expect_leak("32 chan receive: Proven"))]
async fn worker_pool_of_32() {
    worker_pool(32).await;
}

#[gmp::test]
async fn worker_pool_fixed() {
    for workers in [8, 24, 32] {
        worker_pool(workers).await.close();
    }
}
