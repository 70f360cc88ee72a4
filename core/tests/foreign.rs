//! Channels on executors that are not ours, and futures of others inside goroutines.

mod support;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};

use futures_util::future::{join_all, select as first_of};
use futures_util::stream::{FuturesUnordered, StreamExt};
use gmp_core::{Chan, block_on, chan, go, select, yield_now};
use support::{Counter, poll, rounds};

fn on_tokio<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

#[test]
fn polled_by_hand_each_operation_wakes_once() {
    let ch = chan(0);
    let (receiver, sender) = (Counter::new(), Counter::new());
    let mut recv = Box::pin(ch.recv());
    assert!(poll(recv.as_mut(), &receiver).is_pending());
    assert!(poll(recv.as_mut(), &receiver).is_pending());
    let mut send = Box::pin(ch.send(1));
    assert!(poll(send.as_mut(), &sender).is_ready());
    assert_eq!((receiver.wakes(), sender.wakes()), (1, 0));
    assert_eq!(poll(recv.as_mut(), &receiver), Poll::Ready(Some(1)));
    let mut send = Box::pin(ch.send(2));
    assert!(poll(send.as_mut(), &sender).is_pending());
    let mut select = Box::pin(async {
        select! { recv(ch) -> v => v }
    });
    assert_eq!(poll(select.as_mut(), &receiver), Poll::Ready(Some(2)));
    assert_eq!((receiver.wakes(), sender.wakes()), (1, 1));
    assert!(poll(send.as_mut(), &sender).is_ready());
}

#[test]
fn tasks_of_tokio_and_goroutines_exchange_values() {
    let n = rounds(2_000);
    let (up, down) = (chan(0), chan(1));
    let (rx, tx) = (up.clone(), down.clone());
    let echo = go(async move {
        while let Some(value) = rx.recv().await {
            select! { send(tx, value + 1) => {} }
        }
        tx.close();
    });
    let sum = on_tokio(async {
        let local = tokio::task::LocalSet::new();
        let sender = local.spawn_local(async move {
            for i in 0..n {
                up.send(i).await;
            }
            up.close();
        });
        let receiver = local.spawn_local(async move {
            let mut sum = 0;
            while let Some(value) = select! { recv(down) -> v => v } {
                sum += value;
            }
            sum
        });
        local.run_until(async { (sender.await.unwrap(), receiver.await.unwrap()).1 }).await
    });
    assert_eq!(sum, n * (n + 1) / 2);
    on_tokio(echo).unwrap();
}

#[test]
fn a_goroutine_may_be_started_and_joined_from_a_task_of_tokio() {
    let value = on_tokio(async {
        go(async {
            yield_now().await;
            4
        })
        .await
        .unwrap()
    });
    assert_eq!(value, 4);
}

#[test]
fn yielding_works_on_any_executor() {
    let counter = Counter::new();
    let mut yields = Box::pin(yield_now());
    assert!(poll(yields.as_mut(), &counter).is_pending());
    assert_eq!(counter.wakes(), 1);
    assert!(poll(yields.as_mut(), &counter).is_ready());
}

#[test]
fn combinators_with_wakers_of_their_own_wake_the_right_child() {
    block_on(async {
        let ch: Vec<Chan<usize>> = (0..100).map(|_| chan(0)).collect();
        let mut all: FuturesUnordered<_> = ch.iter().map(|ch| ch.recv()).collect();
        let tx = ch.clone();
        let sender = go(async move {
            for (i, ch) in tx.iter().enumerate().rev() {
                ch.send(i).await;
                yield_now().await;
            }
        });
        for i in (0..100).rev() {
            assert_eq!(all.next().await, Some(Some(i)));
        }
        assert_eq!(all.next().await, None);
        sender.await.unwrap();
    });
}

#[test]
fn many_children_of_one_goroutine_meet() {
    block_on(async {
        let ch = chan(0);
        let senders = join_all((0..100).map(|i| ch.send(i)));
        let receivers = join_all((0..100).map(|_| ch.recv()));
        let ((), mut got) = futures_util::future::join(async { drop(senders.await) }, async {
            receivers.await.into_iter().flatten().collect::<Vec<usize>>()
        })
        .await;
        got.sort_unstable();
        assert!(got.into_iter().eq(0..100));
    });
}

#[test]
fn the_loser_of_a_race_goes_on_later() {
    block_on(async {
        let (a, b) = (chan(0), chan(0));
        let tx = (a.clone(), b.clone());
        let sender = go(async move {
            tx.1.send("b").await;
            yield_now().await;
            tx.0.send("a").await;
        });
        let (first, second) = match first_of(Box::pin(a.recv()), Box::pin(b.recv())).await {
            futures_util::future::Either::Left((v, rest)) => (v, rest.await),
            futures_util::future::Either::Right((v, rest)) => (v, rest.await),
        };
        assert_eq!((first, second), (Some("b"), Some("a")));
        sender.await.unwrap();
    });
}

/// Ready once `flag` is set; tells nobody but through its waker slot.
struct Flag(Arc<(AtomicBool, std::sync::Mutex<Option<Waker>>)>);

impl Future for Flag {
    type Output = ();
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        *self.0.1.lock().unwrap() = Some(cx.waker().clone());
        if self.0.0.load(Ordering::Relaxed) { Poll::Ready(()) } else { Poll::Pending }
    }
}

#[test]
fn futures_of_others_are_woken_from_other_threads() {
    block_on(async {
        for _ in 0..rounds(500) {
            let flag = Arc::new((AtomicBool::new(false), std::sync::Mutex::new(None::<Waker>)));
            let waiting = go(Flag(flag.clone()));
            let setter = std::thread::spawn(move || {
                flag.0.store(true, Ordering::Relaxed);
                if let Some(waker) = flag.1.lock().unwrap().take() {
                    waker.wake();
                }
            });
            waiting.await.unwrap();
            setter.join().unwrap();
        }
    });
}

#[test]
fn a_waker_outlives_its_goroutine_and_its_runtime() {
    let kept = Arc::new(std::sync::Mutex::new(None));
    let slot = kept.clone();
    block_on(async move {
        go(std::future::poll_fn(move |cx| {
            *slot.lock().unwrap() = Some(cx.waker().clone());
            Poll::Ready(())
        }))
        .await
        .unwrap();
    });
    let waker = kept.lock().unwrap().take().unwrap();
    waker.wake_by_ref();
    let clone = waker.clone();
    waker.wake();
    drop(clone);
}
