//! A goroutine that is stuck in a foreign future is `External`, with its async stack down to the line that
//! waits.

use std::future::Future;
use std::sync::Arc;

use futures_util::future::{FutureExt, join_all, select_all};
use futures_util::stream::{FuturesUnordered, StreamExt};
use gmp::inspect::WaitReason;
use gmp::leak::{Verdict, examine};
use gmp::report::finding::Finding;
use gmp::{Chan, chan, go};

const SOURCE: &str = include_str!("stuck.rs");

/// What is left when `start` has started one goroutine that never ends.
#[track_caller]
fn left(start: impl FnOnce() + Send + 'static) -> Finding {
    let report = examine("stuck", || async { start() }).expect("settings that can be read");
    assert_eq!(report.findings.len(), 1, "{report}");
    report.findings.into_iter().next().expect("one finding")
}

/// Starts `waits` and keeps `other`, whatever would let it go on, where nobody finds it.
fn start(other: impl Send + 'static, waits: impl Future<Output = ()> + Send + 'static) {
    std::mem::forget(other);
    go(waits);
}

/// Asserts that `finding` waits in the foreign future which `function` awaits at the line of the same name.
#[track_caller]
fn assert_external(finding: &Finding, function: &str) {
    assert_eq!(finding.verdict, Verdict::External);
    assert_eq!(finding.reason, WaitReason::External);
    assert_shows(finding, function);
}

#[track_caller]
fn assert_shows(finding: &Finding, function: &str) {
    let name = format!("foreign::stuck::{function}");
    let line = gmp_tests::line(SOURCE, function);
    let shows = |frames: &Vec<gmp::report::finding::Frame>| {
        let at = |frame: &gmp::report::finding::Frame| frame.at.as_ref().map(|at| at.line);
        frames.iter().any(|frame| frame.function == name && at(frame) == Some(line))
    };
    assert!(finding.stacks.iter().any(shows), "{name} at line {line} in {:#?}", finding.stacks);
}

async fn async_channel_recv(from: async_channel::Receiver<u32>) {
    let _ = from.recv().await; // <async_channel_recv>
}

async fn async_channel_send(to: async_channel::Sender<u32>) {
    let _ = to.send(1).await;
    let _ = to.send(2).await; // <async_channel_send>
}

#[test]
fn async_channel() {
    let receives = left(|| {
        let (to, from) = async_channel::bounded(1);
        start(to, async_channel_recv(from));
    });
    assert_external(&receives, "async_channel_recv");
    let sends = left(|| {
        let (to, from) = async_channel::bounded(1);
        start(from, async_channel_send(to));
    });
    assert_external(&sends, "async_channel_send");
}

async fn flume_recv(from: flume::Receiver<u32>) {
    let _ = from.recv_async().await; // <flume_recv>
}

async fn flume_send(to: flume::Sender<u32>) {
    let _ = to.send_async(1).await; // <flume_send>
}

#[test]
fn flume() {
    let receives = left(|| {
        let (to, from) = flume::bounded(0);
        start(to, flume_recv(from));
    });
    assert_external(&receives, "flume_recv");
    let sends = left(|| {
        let (to, from) = flume::bounded(0);
        start(from, flume_send(to));
    });
    assert_external(&sends, "flume_send");
}

async fn tokio_mpsc(mut from: tokio::sync::mpsc::Receiver<u32>) {
    from.recv().await; // <tokio_mpsc>
}

async fn tokio_semaphore(permits: Arc<tokio::sync::Semaphore>) {
    let _ = permits.acquire().await; // <tokio_semaphore>
}

async fn tokio_notify(notify: Arc<tokio::sync::Notify>) {
    notify.notified().await; // <tokio_notify>
}

async fn tokio_oneshot(from: tokio::sync::oneshot::Receiver<u32>) {
    let _ = from.await; // <tokio_oneshot>
}

async fn tokio_broadcast(mut from: tokio::sync::broadcast::Receiver<u32>) {
    let _ = from.recv().await; // <tokio_broadcast>
}

async fn tokio_watch(mut from: tokio::sync::watch::Receiver<u32>) {
    let _ = from.changed().await; // <tokio_watch>
}

async fn tokio_mutex(mutex: Arc<tokio::sync::Mutex<u32>>) {
    drop(mutex.lock().await); // <tokio_mutex>
}

#[test]
fn tokio_sync() {
    use tokio::sync::{Mutex, Notify, Semaphore, broadcast, mpsc, oneshot, watch};

    let mpsc = left(|| {
        let (to, from) = mpsc::channel(1);
        start(to, tokio_mpsc(from));
    });
    assert_external(&mpsc, "tokio_mpsc");
    let semaphore = left(|| {
        let permits = Arc::new(Semaphore::new(0));
        start(permits.clone(), tokio_semaphore(permits));
    });
    assert_external(&semaphore, "tokio_semaphore");
    let notify = left(|| {
        let notify = Arc::new(Notify::new());
        start(notify.clone(), tokio_notify(notify));
    });
    assert_external(&notify, "tokio_notify");
    let oneshot = left(|| {
        let (to, from) = oneshot::channel();
        start(to, tokio_oneshot(from));
    });
    assert_external(&oneshot, "tokio_oneshot");
    let broadcast = left(|| {
        let (to, from) = broadcast::channel(1);
        start(to, tokio_broadcast(from));
    });
    assert_external(&broadcast, "tokio_broadcast");
    let watch = left(|| {
        let (to, from) = watch::channel(0);
        start(to, tokio_watch(from));
    });
    assert_external(&watch, "tokio_watch");
    let mutex = left(|| {
        let mutex = Arc::new(Mutex::new(0));
        std::mem::forget(mutex.clone().try_lock_owned().expect("nobody has it"));
        go(tokio_mutex(mutex));
    });
    assert_external(&mutex, "tokio_mutex");
}

async fn nested(from: async_channel::Receiver<u32>) {
    next_of(from).await; // <nested>
}

async fn next_of(from: async_channel::Receiver<u32>) {
    let mut stream = std::pin::pin!(from.map(|number| number + 1));
    stream.next().await; // <next_of>
}

#[test]
fn a_stream_below_another_function() {
    let finding = left(|| {
        let (to, from) = async_channel::bounded(1);
        start(to, nested(from));
    });
    assert_external(&finding, "next_of");
    assert_shows(&finding, "nested");
}

async fn shared(from: tokio::sync::oneshot::Receiver<u32>) {
    let shared = from.shared();
    let _ = futures_util::join!(shared.clone(), shared); // <shared>
}

#[test]
fn a_shared_future() {
    let finding = left(|| {
        let (to, from) = tokio::sync::oneshot::channel();
        start(to, shared(from));
    });
    assert_external(&finding, "shared");
}

async fn unordered(receivers: Vec<tokio::sync::oneshot::Receiver<u32>>) {
    let mut all: FuturesUnordered<_> = receivers.into_iter().collect();
    while all.next().await.is_some() {} // <unordered>
}

/// Its children have wakers of their own, so that the set is all that a trace can show.
#[test]
fn a_set_of_foreign_futures() {
    let finding = left(|| {
        let (to, from): (Vec<_>, Vec<_>) = (0..3).map(|_| tokio::sync::oneshot::channel()).unzip();
        start(to, unordered(from));
    });
    assert_external(&finding, "unordered");
}

async fn receives(ch: Chan<u32>) {
    ch.recv().await; // <receives>
}

/// Small sets poll every child, large ones only those that were woken: the leaves tell where all of them
/// wait.
#[test]
fn combinators_over_leaves_of_ours() {
    let line = gmp_tests::line(SOURCE, "receives");
    for count in [2, 100] {
        let joined = left(move || {
            go(async move {
                join_all((0..count).map(|_| receives(chan(0)))).await;
            });
        });
        assert_waits(&joined, count, line);
        let selected = left(move || {
            go(async move {
                select_all((0..count).map(|_| receives(chan(0)).boxed())).await;
            });
        });
        assert_waits(&selected, count, line);
        let unordered = left(move || {
            go(async move {
                let all: FuturesUnordered<_> = (0..count).map(|_| receives(chan(0))).collect();
                all.for_each(|()| async {}).await;
            });
        });
        assert_waits(&unordered, count, line);
    }
}

#[track_caller]
fn assert_waits(finding: &Finding, count: usize, line: u32) {
    assert_eq!(finding.waits.len(), count);
    for wait in &finding.waits {
        assert_eq!((wait.reason, wait.at.line), (WaitReason::ChanReceive, line));
    }
}
