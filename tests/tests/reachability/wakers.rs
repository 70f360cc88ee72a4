//! Futures that are polled by others than the goroutine that owns them, and wakers that are kept.

use core::future::{Future, poll_fn};
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use std::sync::{Arc, Mutex};
use std::task::Wake;

use futures_util::stream::{FuturesUnordered, StreamExt};
use gmp::{Sender, chan, channel, go, yield_now};

use crate::support::keep;

type Shared = Arc<Mutex<Pin<Box<dyn Future<Output = Option<u32>> + Send>>>>;

/// Polls a future that others poll too.
fn poll_shared(future: Shared) -> impl Future<Output = Option<u32>> + Send {
    poll_fn(move |cx| future.lock().unwrap().as_mut().poll(cx))
}

#[gmp::test(expect_leak("chan receive: Reachable"))]
async fn a_future_that_a_static_owns() {
    let ch = chan::<u32>(0);
    let future: Shared = Arc::new(Mutex::new(Box::pin(async move { ch.recv().await })));
    keep(future.clone());
    drop(go(poll_shared(future)));
}

#[gmp::test(expect_leak("chan receive: Proven"))]
async fn a_future_that_two_own() {
    let ch = chan::<u32>(0);
    let future: Shared = Arc::new(Mutex::new(Box::pin(async move { ch.recv().await })));
    let other = future.clone();
    drop(go(async move {
        // Polled once here; then the other one is whom a value would wake.
        let mut first = Box::pin(poll_shared(other));
        poll_fn(|cx| Poll::Ready(first.as_mut().poll(cx).is_pending())).await;
        yield_now().await;
    }));
    yield_now().await;
    drop(go(poll_shared(future)));
}

// The first one owns a future that would wake the second: a poll of it could change that, so there is
// no proof for either.
#[gmp::test(expect_leak("external: External", "chan receive: Reachable"))]
async fn a_future_that_another_goroutine_took_over() {
    let ch = chan::<u32>(0);
    let future: Shared = Arc::new(Mutex::new(Box::pin(async move { ch.recv().await })));
    drop(go(poll_shared(future.clone())));
    yield_now().await;
    drop(go(poll_shared(future)));
}

#[gmp::test(expect_leak("chan receive: External"))]
async fn a_set_of_futures() {
    let (a, b) = (chan::<u32>(0), chan::<u32>(0));
    drop(go(async move {
        let mut set: FuturesUnordered<_> = [a.recv(), b.recv()].into_iter().collect();
        set.next().await
    }));
}

#[gmp::test(expect_leak("external: External"))]
async fn a_waker_in_a_static() {
    drop(go(poll_fn(|cx| {
        keep(cx.waker().clone());
        Poll::<()>::Pending
    })));
}

#[gmp::test(expect_leak("chan receive: External"))]
async fn a_waker_in_a_static_beside_a_receive() {
    let ch = chan::<u32>(0);
    drop(go(async move {
        let mut receive = Box::pin(ch.recv());
        poll_fn(move |cx| {
            keep(cx.waker().clone());
            receive.as_mut().poll(cx)
        })
        .await
    }));
}

/// A task of an executor that runs inside one goroutine: waking it puts it in the queue.
struct Task {
    future: Mutex<Option<Pin<Box<dyn Future<Output = ()> + Send>>>>,
    queue: Sender<Arc<Task>>,
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        let queue = self.queue.clone();
        assert!(queue.try_send(self).is_ok(), "the queue has room");
    }
}

fn run(task: &Arc<Task>) {
    let mut slot = task.future.lock().unwrap();
    let waker = Waker::from(task.clone());
    let polled = slot.as_mut().map(|future| future.as_mut().poll(&mut Context::from_waker(&waker)));
    if polled.is_some_and(|polled| polled.is_ready()) {
        *slot = None;
    }
}

/// Starts an executor with one task, which receives and then releases another goroutine.
async fn executor(receives: gmp::Receiver<u32>) {
    let (done_tx, done_rx) = channel::<u32>(0);
    let (queue, tasks) = channel::<Arc<Task>>(4);
    let future = async move {
        receives.recv().await;
        done_tx.send(1).await.expect("somebody waits");
    };
    let task = Arc::new(Task { future: Mutex::new(Some(Box::pin(future))), queue });
    task.wake();
    drop(go(async move {
        while let Some(task) = tasks.recv().await {
            run(&task);
        }
    }));
    drop(go(async move { done_rx.recv().await }));
}

#[gmp::test(expect_leak("2 chan receive: Reachable"))]
async fn an_executor_whose_task_a_static_could_release() {
    let (tx, rx) = channel::<u32>(0);
    keep(tx);
    executor(rx).await;
}

#[gmp::test]
async fn an_executor_whose_task_is_released() {
    let (tx, rx) = channel::<u32>(0);
    executor(rx).await;
    tx.send(1).await.unwrap();
}

/// A waker that does something else than to make a task ready: it closes a channel.
struct Closes(gmp::Chan<u32>);

impl Wake for Closes {
    fn wake(self: Arc<Self>) {
        self.0.close();
    }
}

/// Starts a goroutine that receives from a channel and owns a future that was polled before, with a waker that
/// closes the channel, by somebody who is no goroutine.
fn own_a_future_with_a_waker(receives: gmp::Receiver<u32>) {
    let ch = chan::<u32>(0);
    let waker = Waker::from(Arc::new(Closes(ch.clone())));
    let mut future = Box::pin(async move { receives.recv().await });
    let polls = move || {
        assert!(future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        future
    };
    let future = std::thread::spawn(polls).join().unwrap();
    drop(go(async move {
        let _owned = future;
        ch.recv().await
    }));
}

// A value that the static sends would run the waker, which would release the goroutine.
#[gmp::test(expect_leak("chan receive: Reachable"))]
async fn a_waker_with_side_effects_that_a_static_could_run() {
    let (tx, rx) = channel::<u32>(0);
    keep(tx);
    own_a_future_with_a_waker(rx);
}

#[gmp::test]
async fn a_waker_with_side_effects_that_runs() {
    let (tx, rx) = channel::<u32>(0);
    own_a_future_with_a_waker(rx);
    yield_now().await;
    assert!(tx.try_send(1).is_ok(), "the future waits for it");
}

// The same in a goroutine that has ended since: no live one lists the future.
#[gmp::test(expect_leak("chan receive: Reachable"))]
async fn a_waker_with_side_effects_of_a_goroutine_that_has_ended() {
    let ((tx, rx), ch) = (channel::<u32>(0), chan::<u32>(0));
    keep(tx);
    let waker = Waker::from(Arc::new(Closes(ch.clone())));
    let mut future = Box::pin(async move { rx.recv().await });
    let polled = go(async move {
        assert!(future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        Some(future)
    });
    let future = polled.await.unwrap();
    drop(go(async move {
        let _owned = future;
        ch.recv().await
    }));
}
