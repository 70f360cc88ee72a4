//! `#[gmp::test(procs = 4)]`: the same check where goroutines run on several Ps.

use std::cell::Cell;
use std::collections::HashSet;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex as StdMutex, mpsc};
use std::time::{Duration, Instant};

use gmp::__private::{Descriptor, Submission, examine, inventory, rerun};
use gmp::inspect::WaitReason;
use gmp::leak::{Report, Verdict};
use gmp::report::finding::BodyOutcome;
use gmp::sync::{Mutex, WaitGroup};
use gmp::time::sleep;
use gmp::{chan, channel, go, yield_now};

fn test(name: &str) -> &'static Descriptor {
    let found = inventory::iter::<Submission>().find(|submission| submission.0.path() == name);
    found.expect("a test with this name").0
}

fn report_on(name: &str) -> Report {
    examine(test(name))
}

#[gmp::test(procs = 4)]
async fn as_many_goroutines_as_ps_run_at_the_same_time() {
    assert_eq!(gmp::runtime::procs(), 4);
    let barrier = Arc::new(Barrier::new(4));
    let threads = Arc::new(StdMutex::new(HashSet::new()));
    let wg = WaitGroup::new();
    for _ in 0..4 {
        let (barrier, threads) = (barrier.clone(), threads.clone());
        wg.go(async move {
            // Nobody gets past it unless four threads are here.
            barrier.wait();
            threads.lock().unwrap().insert(std::thread::current().id());
        });
    }
    wg.wait().await;
    assert_eq!(threads.lock().unwrap().len(), 4);
}

#[gmp::test(procs = 4)]
async fn a_body_need_not_be_send() {
    let count = Rc::new(Cell::new(0));
    let thread = std::thread::current().id();
    let ch = chan::<u32>(0);
    for n in 1..=10 {
        let ch = ch.clone();
        go(async move { ch.send(n).await });
    }
    for _ in 0..10 {
        count.set(count.get() + ch.recv().await.unwrap());
        assert_eq!(std::thread::current().id(), thread);
    }
    assert_eq!(count.get(), 55);
}

#[gmp::test(procs = 2)]
fn a_plain_body_has_goroutines_on_several_ps_too() {
    let ch = chan::<u32>(0);
    for n in 1..=10 {
        let ch = ch.clone();
        go(async move { ch.send(n).await });
    }
    assert_eq!((0..10).map(|_| ch.blocking_recv().unwrap()).sum::<u32>(), 55);
}

#[gmp::test(procs = 2)]
fn a_plain_body_that_starts_nothing() {}

#[gmp::test(procs = 4, linger = "10s")]
async fn whoever_is_on_the_way_may_finish() {
    for _ in 0..1_000 {
        go(async {
            for _ in 0..10 {
                yield_now().await;
            }
        });
    }
    go(sleep(Duration::from_millis(20)));
}

#[gmp::test(procs = 4, linger = "10s")]
async fn the_context_of_the_test_is_cancelled_at_its_end() {
    for _ in 0..100 {
        go(async { gmp::test::context().done().await });
    }
}

#[gmp::test(procs = 4, expect_leak("100 chan receive: Proven"))]
async fn what_nobody_can_release_is_proven() {
    let ch = chan::<u32>(0);
    for _ in 0..100 {
        let ch = ch.clone();
        go(async move { ch.recv().await });
    }
}

#[gmp::test(procs = 4, expect_leak("1 sleep: Timer"))]
async fn a_timer_is_named() {
    go(sleep(Duration::from_secs(3600)));
}

#[gmp::test(procs = 2)]
#[ignore = "leaks; run by the test below"]
async fn blocks_in_a_call() {
    let (tx, rx) = mpsc::channel::<()>();
    let (inside, is_inside) = mpsc::channel::<()>();
    // Its thread stays there as long as the process lives.
    std::mem::forget(tx);
    go(async move {
        inside.send(()).unwrap();
        rx.recv().ok();
    });
    is_inside.recv().unwrap();
}

#[test]
fn a_poll_that_does_not_end_is_running_and_does_not_trap_the_reporter() {
    let report = report_on("blocks_in_a_call");
    assert_eq!(report.outcome, BodyOutcome::Passed);
    assert_eq!(report.findings.len(), 1, "{report}");
    assert_eq!(report.findings[0].verdict, Verdict::Running);
}

static DROPPED: AtomicUsize = AtomicUsize::new(0);

/// Counts when it is dropped, which has to be on the thread that made it.
struct OnOwnThread(std::thread::ThreadId);

impl Drop for OnOwnThread {
    fn drop(&mut self) {
        assert_eq!(std::thread::current().id(), self.0, "dropped on another thread");
        DROPPED.fetch_add(1, Ordering::SeqCst);
    }
}

async fn waits_below(ch: gmp::Chan<u32>) {
    ch.recv().await;
}

#[gmp::test(procs = 2)]
#[ignore = "fails; run by the test below"]
async fn body_is_stuck() {
    let _mine = (OnOwnThread(std::thread::current().id()), Rc::new(()));
    waits_below(chan(0)).await;
}

#[test]
fn a_body_that_is_stuck_is_asleep_and_shown_with_its_async_stack() {
    let report = report_on("body_is_stuck");
    assert_eq!(report.outcome, BodyOutcome::Asleep);
    assert_eq!(DROPPED.load(Ordering::SeqCst), 1);
    let [finding] = &*report.findings else { panic!("{report}") };
    assert!(finding.is_body);
    assert_eq!((finding.reason, &finding.verdict), (WaitReason::ChanReceive, &Verdict::Proven));
    let functions: Vec<_> = finding.stacks[0].iter().map(|frame| frame.function.clone()).collect();
    let at = |part: &str| functions.iter().position(|function| function.contains(part));
    assert!(at("waits_below") < at("body_is_stuck") && at("waits_below").is_some(), "{report}");
    let why = rerun(test("body_is_stuck")).unwrap_err();
    assert!(why.starts_with("Error: gmp:") && why.contains("asleep"), "{why}");
}

#[gmp::test(procs = 2)]
#[ignore = "fails; run by the test below"]
fn plain_body_is_stuck() {
    let lock = Arc::new(Mutex::new(()));
    let held = lock.clone();
    let (locked, is_locked) = mpsc::channel();
    go(async move {
        let _guard = held.lock().await;
        locked.send(()).unwrap();
        chan::<u32>(0).recv().await;
    });
    is_locked.recv().unwrap();
    drop(lock.blocking_lock());
}

#[test]
fn a_plain_body_that_is_stuck_is_asleep_behind_its_cause() {
    let report = report_on("plain_body_is_stuck");
    assert_eq!(report.outcome, BodyOutcome::Asleep);
    assert!(report.findings.iter().all(|finding| finding.verdict == Verdict::Proven), "{report}");
    let total: usize = report.findings.iter().map(|finding| finding.total()).sum();
    assert_eq!(total, 2, "{report}");
}

/// When the body was first polled that waits for the world.
static POLLED: StdMutex<Option<Instant>> = StdMutex::new(None);

#[gmp::test(procs = 2, timeout = "50ms")]
#[ignore = "fails; run by the test below"]
async fn body_waits_for_the_world() {
    std::future::poll_fn(|cx| {
        std::mem::forget(cx.waker().clone());
        POLLED.lock().unwrap().get_or_insert_with(Instant::now);
        std::task::Poll::<()>::Pending
    })
    .await;
}

/// Again where a busy machine did not let the body come to its wait long before the time was over.
fn report_on_the_body_that_waits_for_the_world() -> Report {
    loop {
        let began = Instant::now();
        let report = report_on("body_waits_for_the_world");
        let polled = POLLED.lock().unwrap().take();
        if polled.is_some_and(|at| at - began < Duration::from_millis(25)) {
            return report;
        }
    }
}

#[test]
fn a_body_that_waits_for_somebody_outside_ends_at_its_timeout() {
    let report = report_on_the_body_that_waits_for_the_world();
    assert_eq!(report.outcome, BodyOutcome::TimedOut(Duration::from_millis(50)));
    assert_eq!(report.findings[0].verdict, Verdict::External);
}

#[gmp::test(procs = 2)]
#[should_panic(expected = "the body fails")]
async fn the_panic_of_a_body_is_its_own() {
    go(async {});
    panic!("the body fails");
}

#[gmp::test(procs = 2)]
#[ignore = "fails; run by the test below"]
async fn a_goroutine_panics() {
    let _ = go(async { panic!("out of cheese") }).await;
    drop(go(async { panic!("out of crackers") }));
}

#[test]
fn the_panic_of_a_goroutine_fails_the_test() {
    let report = report_on("a_goroutine_panics");
    let messages: Vec<_> = report.panics.iter().map(|panic| panic.message.as_str()).collect();
    assert!(messages.contains(&"out of crackers"), "{report}");
}

#[gmp::test(procs = 4, expect_leak("1 chan receive: Reachable"))]
async fn a_capability_outside_is_found() {
    let (tx, rx) = channel::<u32>(0);
    std::mem::forget(tx);
    drop(go(async move { rx.recv().await }));
}

#[gmp::test(procs = 8)]
async fn a_crowd_that_ends_is_clean() {
    let wg = WaitGroup::new();
    let total = Arc::new(AtomicUsize::new(0));
    for _ in 0..50 {
        let (ch, total) = (chan::<usize>(2), total.clone());
        for n in 0..4 {
            let ch = ch.clone();
            wg.go(async move {
                for _ in 0..25 {
                    ch.send(n).await;
                }
            });
        }
        wg.go(async move {
            for _ in 0..100 {
                total.fetch_add(ch.recv().await.unwrap(), Ordering::Relaxed);
            }
        });
    }
    wg.wait().await;
    assert_eq!(total.load(Ordering::Relaxed), 50 * 25 * 6);
}
