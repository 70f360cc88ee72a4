//! Nothing of a test stays behind for the next one: no goroutine, no thread, no value, no output. One
//! test, alone in its process, so that it can count threads.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use gmp::__private::{Submission, examine, inventory};
use gmp::sync::{Mutex, WaitGroup};
use gmp::time::sleep;
use gmp::{chan, channel, go, select, yield_now};

static ALIVE: AtomicUsize = AtomicUsize::new(0);

/// Counts those of its kind that live.
struct Counted;

impl Counted {
    fn new() -> Self {
        ALIVE.fetch_add(1, Ordering::Relaxed);
        Self
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        ALIVE.fetch_sub(1, Ordering::Relaxed);
    }
}

#[gmp::test]
#[ignore = "leaks; run by the test below"]
async fn leaks_of_all_kinds() {
    let wg = WaitGroup::new();
    wg.add(1);
    let mutex = std::sync::Arc::new(Mutex::new(Counted::new()));
    let (ch, value) = (chan(1), Counted::new());
    ch.send(value).await;
    let (held, sent, waited) = (mutex.clone(), ch.clone(), wg.clone());
    drop(go(async move {
        let (_own, _guard) = (Counted::new(), held.lock().await);
        sent.send(Counted::new()).await;
    }));
    yield_now().await;
    drop(go(async move {
        let _own = Counted::new();
        drop(mutex.lock().await);
    }));
    let joined = go(async move {
        let _own = Counted::new();
        waited.wait().await;
    });
    drop(go(async move {
        let _own = Counted::new();
        joined.await
    }));
    drop(go(async {
        let (_own, other) = (Counted::new(), chan::<u32>(0));
        select! {
            recv(other) -> _ => (),
            () = sleep(Duration::from_secs(3600)) => (),
        }
    }));
    drop(go(core::future::pending::<()>()));
}

#[gmp::test]
#[ignore = "leaks; run by the test below"]
async fn a_cycle_of_buffers() {
    let (tx, rx) = channel(2);
    tx.send((Counted::new(), None)).await.ok().unwrap();
    let inside = tx.clone();
    tx.send((Counted::new(), Some(Box::new((inside, rx)) as Box<dyn Send>))).await.ok().unwrap();
    drop(go(async move { tx.send((Counted::new(), None)).await.is_ok() }));
}

#[gmp::test]
#[ignore = "leaks; run by the test below"]
fn a_plain_body_blocks() {
    let _own = Counted::new();
    drop(go(async {
        let _own = Counted::new();
        core::future::pending::<()>().await;
    }));
    chan::<u32>(0).blocking_recv();
}

#[gmp::test]
#[ignore = "leaks; run by the test below"]
async fn an_async_body_blocks() {
    let _own = Counted::new();
    chan::<u32>(0).recv().await;
}

#[gmp::test]
#[ignore = "run by the test below"]
async fn clean() {
    let (_own, got) = (Counted::new(), go(async { 1 }));
    assert_eq!(got.await.unwrap(), 1);
}

/// Threads of this process, where they can be listed.
fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count)
}

/// A thread that was joined may be listed for a moment.
fn assert_threads(before: usize, after_test: &str) {
    let until = Instant::now() + Duration::from_secs(5);
    while threads() > before {
        assert!(Instant::now() < until, "{after_test} left a thread");
        std::thread::yield_now();
    }
}

#[test]
fn a_test_leaves_nothing_behind() {
    let run = |name: &str| {
        let test = inventory::iter::<Submission>().find(|submission| submission.0.path() == name);
        examine(test.expect("a test with this name").0)
    };
    let leaking =
        ["leaks_of_all_kinds", "a_cycle_of_buffers", "a_plain_body_blocks", "an_async_body_blocks"];
    // What the harness keeps for the whole process is started by the first round.
    leaking.iter().chain(&["clean"]).for_each(|name| drop(run(name)));
    let before = threads();
    for _ in 0..3 {
        for name in leaking {
            assert!(!run(name).findings.is_empty());
            assert_eq!(ALIVE.load(Ordering::Relaxed), 0, "{name} left values");
            assert_threads(before, name);
            let clean = run("clean");
            assert!(
                clean.findings.is_empty() && clean.panics.is_empty() && clean.reap_notes.is_empty()
            );
            assert_eq!(clean.stock.after.goroutines, 0);
            assert_threads(before, "clean");
        }
    }
    let scope = gmp::leak::Snapshot::take();
    assert_eq!(scope.goroutines(), 0, "nothing went to the global runtime");
}
