//! flume: threads and futures on one channel, sinks and streams, what a dropped or moved future keeps.

use std::future::ready;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::scope;
use std::time::Duration;

use futures_util::stream::FuturesUnordered;
use futures_util::{SinkExt, StreamExt, stream};
use gmp::chan::{Select, SendError, TryRecvError};
use gmp::time::timeout;
use gmp::{block_on, chan, channel, go, select};

use crate::support::{Life, on_ps};

/// <https://github.com/zesterer/flume/blob/master/tests/basic.rs>
mod basic {
    use super::*;

    #[test]
    fn a_full_channel_makes_the_sender_wait_for_a_thread() {
        let (tx, rx) = channel(3);
        scope(|s| {
            s.spawn(move || (0..1_000).for_each(|n| tx.blocking_send(n).unwrap()));
            assert!(std::iter::from_fn(|| rx.blocking_recv()).eq(0..1_000));
        });
    }

    #[test]
    fn what_is_there_is_taken_without_waiting() {
        let (tx, rx) = channel(10);
        (0..5).for_each(|n| tx.try_send(n).unwrap());
        assert!(std::iter::from_fn(|| rx.try_recv().ok()).eq(0..5));
        assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
    }

    #[test]
    fn waiting_with_a_limit_ends_with_the_value_or_the_close() {
        block_on(async {
            let (tx, rx) = channel(1);
            let (short, long) = (Duration::from_millis(1), Duration::from_secs(60));
            assert!(timeout(short, rx.recv()).await.is_err());
            let sender = tx.clone();
            drop(go(async move { sender.send(1).await }));
            assert_eq!(timeout(long, rx.recv()).await.unwrap(), Some(1));
            tx.send(2).await.unwrap();
            assert!(timeout(short, tx.send(3)).await.is_err());
            drop(tx);
            assert_eq!(timeout(long, rx.recv()).await.unwrap(), Some(2));
            assert_eq!(timeout(long, rx.recv()).await.unwrap(), None);
        });
    }

    #[test]
    fn a_rendezvous_between_threads_hands_over_each_value() {
        let (tx, rx) = channel(0);
        scope(|s| {
            for me in 0..4 {
                let tx = tx.clone();
                s.spawn(move || (0..100).for_each(|n| tx.blocking_send(me * 100 + n).unwrap()));
            }
            drop(tx);
            let mut all: Vec<_> = std::iter::from_fn(|| rx.blocking_recv()).collect();
            all.sort_unstable();
            assert!(all.into_iter().eq(0..400));
        });
    }

    #[test]
    fn a_sender_that_waits_gets_its_value_back_when_the_receivers_go() {
        let life = Life::default();
        let (tx, rx) = channel(0);
        scope(|s| {
            let value = life.make();
            let sender = s.spawn(move || tx.blocking_send(value));
            s.spawn(move || drop(rx));
            let SendError(value) = sender.join().unwrap().unwrap_err();
            assert_eq!(life.alive(), 1);
            drop(value);
        });
        assert_eq!(life.alive(), 0);
    }
}

/// <https://github.com/zesterer/flume/blob/master/tests/async.rs>
mod futures {
    use super::*;

    #[test]
    fn threads_send_what_goroutines_receive_and_the_other_way_round() {
        let (tx, rx) = channel(1);
        let (back, answers) = channel(1);
        scope(|s| {
            s.spawn(|| {
                for n in 0..500 {
                    tx.blocking_send(n).unwrap();
                    assert_eq!(answers.blocking_recv(), Some(n + 1));
                }
            });
            on_ps(async {
                for _ in 0..500 {
                    back.send(rx.recv().await.unwrap() + 1).await.unwrap();
                }
            });
        });
    }

    #[test]
    fn dropped_receives_leave_their_values_to_the_others() {
        on_ps(async {
            const ALL: u32 = 500;
            let ch = chan(0);
            let sender = ch.clone();
            let sent = go(async move {
                for n in 0..ALL {
                    sender.send(n).await;
                }
                sender.close();
            });
            let mut got = 0;
            loop {
                // The other arm is always ready: half of the receives are dropped half-way.
                let received = select! {
                    value = ch.recv() => Some(value),
                    () = gmp::yield_now() => None,
                };
                match received {
                    Some(Some(_)) => got += 1,
                    Some(None) => break,
                    None => {}
                }
            }
            sent.await.unwrap();
            assert_eq!(got, ALL);
        });
    }

    /// A waker that counts nothing and is like no other.
    struct Lost;
    impl Wake for Lost {
        fn wake(self: Arc<Self>) {}
    }

    #[test]
    fn a_future_that_was_polled_elsewhere_wakes_whoever_polls_it_now() {
        on_ps(async {
            let ch = chan(0);
            let mut recv = pin!(ch.recv());
            let lost = Waker::from(Arc::new(Lost));
            assert!(recv.as_mut().poll(&mut Context::from_waker(&lost)).is_pending());
            let sender = ch.clone();
            let sent = go(async move { sender.send(1).await });
            assert_eq!(recv.await, Some(1));
            sent.await.unwrap();
        });
    }

    #[test]
    fn many_receives_of_one_goroutine_wait_side_by_side() {
        on_ps(async {
            let ch = chan(0);
            let sender = ch.clone();
            let sent = go(async move {
                for n in 0..100 {
                    sender.send(n).await;
                }
            });
            let receives: FuturesUnordered<_> = (0..100).map(|_| ch.recv()).collect();
            let mut all: Vec<_> = receives.map(Option::unwrap).collect().await;
            all.sort_unstable();
            assert!(all.into_iter().eq(0..100));
            sent.await.unwrap();
        });
    }

    #[test]
    fn a_future_that_is_over_can_be_told_from_one_that_waits() {
        let ch = chan(1);
        let mut send = Box::pin(ch.send(1));
        let mut cx = Context::from_waker(Waker::noop());
        assert_eq!(send.as_mut().poll(&mut cx), Poll::Ready(()));
        drop(send);
        assert_eq!(ch.len(), 1);
    }
}

/// <https://github.com/zesterer/flume/blob/master/tests/stream.rs>
mod streams {
    use super::*;

    #[test]
    fn a_sink_and_a_stream_carry_everything_in_order() {
        on_ps(async {
            let (tx, rx) = channel(2);
            let feeder = go(async move {
                let mut numbers = stream::iter((0..2_000).map(Ok));
                pin!(tx.sink()).send_all(&mut numbers).await
            });
            assert!(rx.range().collect::<Vec<_>>().await.into_iter().eq(0..2_000));
            assert_eq!(feeder.await.unwrap(), Ok(()));
        });
    }

    #[test]
    fn a_sink_whose_receivers_went_gives_the_value_back() {
        block_on(async {
            let (tx, rx) = channel(0);
            let sender = go(async move { pin!(tx.sink()).send(1).await });
            drop(rx);
            assert_eq!(sender.await.unwrap(), Err(SendError(1)));
        });
    }

    #[test]
    fn every_stream_on_one_channel_gets_something() {
        block_on(async {
            let (tx, rx) = channel(0);
            let counts: Vec<_> = (0..4).map(|_| Arc::new(AtomicUsize::new(0))).collect();
            let start = |count: &Arc<AtomicUsize>| {
                let (rx, count) = (rx.clone(), count.clone());
                go(async move {
                    let tell = |_| {
                        count.fetch_add(1, Ordering::SeqCst);
                        ready(())
                    };
                    rx.range().for_each(tell).await;
                })
            };
            let streams: Vec<_> = counts.iter().map(start).collect();
            let got = |count: &Arc<AtomicUsize>| count.load(Ordering::SeqCst);
            let mut sent = 0;
            // A busy machine may let the thread of one wait for long.
            while sent < 4_000 || counts.iter().any(|count| got(count) == 0) {
                tx.send(sent).await.unwrap();
                sent += 1;
            }
            drop(tx);
            for stream in streams {
                stream.await.unwrap();
            }
            assert_eq!(counts.iter().map(got).sum::<usize>(), sent);
        });
    }
}

/// <https://github.com/zesterer/flume/blob/master/src/select.rs>
mod selector {
    use super::*;

    #[test]
    fn a_thread_selects_over_sends_and_receives() {
        let ((tx, requests), (answers, rx)) = (channel(0), channel(1));
        scope(|s| {
            s.spawn(move || {
                while let Some(n) = requests.blocking_recv() {
                    answers.blocking_send(n * 2).unwrap();
                }
            });
            let (mut sent, mut sum) = (0_u32, 0);
            while sent < 100 {
                let mut select = Select::new();
                select.send(&tx, sent, |result| result.map(|()| None).unwrap());
                select.recv(&rx, |answer| answer);
                match select.blocking_wait() {
                    None => sent += 1,
                    Some(answer) => sum += answer,
                }
            }
            drop(tx);
            sum += std::iter::from_fn(|| rx.blocking_recv()).sum::<u32>();
            assert_eq!(sum, 99 * 100);
        });
    }
}
