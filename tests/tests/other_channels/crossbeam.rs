//! crossbeam-channel: rendezvous, bounded channels, `Select`, and what closing by drop means for threads.

use std::collections::HashSet;
use std::thread::scope;
use std::time::Duration;

use gmp::chan::{Select, SendError, TryRecvError, TrySendError};
use gmp::sync::WaitGroup;
use gmp::time::{after, timeout};
use gmp::{block_on, chan, channel, go, select, yield_now};

use crate::support::{Life, is_even, on_ps};

/// <https://github.com/crossbeam-rs/crossbeam/blob/master/crossbeam-channel/tests/zero.rs>
mod zero {
    use super::*;

    #[test]
    fn nothing_fits_into_it() {
        let (tx, rx) = channel(0);
        assert_eq!((tx.cap(), rx.cap(), tx.len(), rx.is_empty()), (0, 0, 0, true));
        assert_eq!(tx.try_send(7), Err(TrySendError::Full(7)));
        assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
    }

    #[test]
    fn a_send_without_waiting_meets_a_receiver_that_waits() {
        let (tx, rx) = channel(0);
        scope(|s| {
            s.spawn(|| assert_eq!(rx.blocking_recv(), Some(7)));
            let mut value = 7;
            while let Err(TrySendError::Full(back)) = tx.try_send(value) {
                value = back;
                std::thread::yield_now();
            }
        });
        scope(|s| {
            s.spawn(|| tx.blocking_send(8).unwrap());
            while rx.try_recv() != Ok(8) {
                std::thread::yield_now();
            }
        });
    }

    #[test]
    fn a_send_is_over_when_its_value_was_taken() {
        on_ps(async {
            let (tx, rx) = channel(0);
            let (order, events) = channel(8);
            let told = order.clone();
            let sender = go(async move {
                tx.send(()).await.unwrap();
                told.send("sent").await.unwrap();
            });
            order.send("about to receive").await.unwrap();
            rx.recv().await.unwrap();
            sender.await.unwrap();
            drop(order);
            assert_eq!(events.recv().await, Some("about to receive"));
            assert_eq!(events.recv().await, Some("sent"));
        });
    }

    #[test]
    fn waiting_with_a_limit_gives_up_without_a_trace() {
        block_on(async {
            let (tx, rx) = channel(0);
            let short = Duration::from_millis(1);
            assert!(timeout(short, tx.send(1)).await.is_err());
            assert!(timeout(short, rx.recv()).await.is_err());
            assert_eq!(rx.try_recv(), Err(TryRecvError::Empty), "what gave up is not there");
            assert_eq!(tx.try_send(2), Err(TrySendError::Full(2)));
        });
    }

    #[test]
    fn the_last_drop_wakes_whoever_waits_on_the_other_side() {
        let (tx, rx) = channel(0);
        scope(|s| {
            s.spawn(move || assert_eq!(tx.blocking_send(1), Err(SendError(1))));
            s.spawn(move || drop(rx));
        });
        let (tx, rx) = channel::<u32>(0);
        scope(|s| {
            s.spawn(move || assert_eq!(rx.blocking_recv(), None));
            s.spawn(move || drop(tx));
        });
    }

    #[test]
    fn every_value_is_dropped_once() {
        on_ps(async {
            for round in 0..50 {
                let life = Life::default();
                let (tx, rx) = channel(0);
                let receiver = go(async move {
                    for _ in 0..round {
                        drop(rx.recv().await);
                    }
                });
                for _ in 0..round {
                    tx.send(life.make()).await.ok().unwrap();
                }
                receiver.await.unwrap();
                assert!(tx.send(life.make()).await.is_err());
                assert_eq!(life.alive(), 0);
            }
        });
    }
}

/// <https://github.com/crossbeam-rs/crossbeam/blob/master/crossbeam-channel/tests/array.rs>
mod array {
    use super::*;

    #[test]
    fn length_and_capacity_are_kept() {
        for cap in 1..10 {
            let (tx, rx) = channel(cap);
            for n in 0..cap {
                assert_eq!((tx.len(), rx.len()), (n, n));
                tx.try_send(n).unwrap();
            }
            assert_eq!(tx.try_send(0), Err(TrySendError::Full(0)));
            assert_eq!((tx.cap(), rx.cap(), rx.len()), (cap, cap, cap));
        }
    }

    #[test]
    fn what_was_sent_before_the_senders_went_is_received() {
        let (tx, rx) = channel(4);
        (0..3).for_each(|n| tx.try_send(n).unwrap());
        drop(tx);
        assert_eq!([rx.try_recv(), rx.try_recv(), rx.try_recv()], [Ok(0), Ok(1), Ok(2)]);
        assert_eq!(rx.try_recv(), Err(TryRecvError::Closed));
        assert_eq!(rx.blocking_recv(), None);
    }

    #[test]
    fn sends_fail_at_once_when_the_receivers_are_gone() {
        let (tx, rx) = channel(4);
        tx.try_send(1).unwrap();
        drop(rx);
        assert_eq!(tx.try_send(2), Err(TrySendError::Closed(2)));
        assert_eq!(tx.blocking_send(3), Err(SendError(3)));
    }

    #[test]
    fn many_threads_on_both_sides_lose_and_double_nothing() {
        const EACH: usize = 2_000;
        for cap in [1, 3] {
            let (tx, rx) = channel(cap);
            let mut all: Vec<usize> = scope(|s| {
                for me in 0..4 {
                    let tx = tx.clone();
                    s.spawn(move || {
                        (0..EACH).for_each(|n| tx.blocking_send(me * EACH + n).unwrap())
                    });
                }
                drop(tx);
                let take = || std::iter::from_fn(|| rx.blocking_recv()).collect::<Vec<_>>();
                let receivers: Vec<_> = (0..4).map(|_| s.spawn(take)).collect();
                receivers.into_iter().flat_map(|receiver| receiver.join().unwrap()).collect()
            });
            all.sort_unstable();
            assert!(all.into_iter().eq(0..4 * EACH));
        }
    }

    #[test]
    fn a_channel_travels_through_a_channel() {
        type Nested = Box<dyn std::any::Any + Send>;
        on_ps(async {
            let (first, mut rx) = channel::<Nested>(1);
            let sender = go(async move {
                let mut tx = first;
                for _ in 0..100 {
                    let (next, receiver) = channel::<Nested>(1);
                    tx.send(Box::new(receiver)).await.ok().unwrap();
                    tx = next;
                }
            });
            for _ in 0..100 {
                rx = *rx.recv().await.unwrap().downcast().unwrap();
            }
            assert!(rx.recv().await.is_none());
            sender.await.unwrap();
        });
    }

    #[test]
    fn one_value_from_one_thread_to_another_many_times() {
        for _ in 0..2_000 {
            let (tx, rx) = channel(1);
            scope(|s| {
                s.spawn(|| tx.blocking_send(0).unwrap());
                assert_eq!(rx.blocking_recv(), Some(0));
            });
        }
    }
}

/// <https://github.com/crossbeam-rs/crossbeam/blob/master/crossbeam-channel/tests/select.rs>
mod selects {
    use super::*;

    #[test]
    fn a_closed_channel_is_ready() {
        block_on(async {
            let ((tx, rx), (_kept, other)) = (channel::<u32>(1), channel::<u32>(1));
            drop(tx);
            let got = select! { recv(rx) -> got => got, recv(other) -> _ => unreachable!("empty") };
            assert_eq!(got, None);
            let late = after(Duration::from_millis(1));
            let got = select! { recv(other) -> _ => "value", recv(late) -> _ => "late" };
            assert_eq!(got, "late");
        });
    }

    #[test]
    fn what_is_ready_is_taken_from_both_in_equal_shares() {
        on_ps(async {
            let ((tx1, rx1), (tx2, rx2)) = (channel(1), channel(1));
            let mut counts = [0, 0];
            for _ in 0..4_000 {
                let (_, _) = (tx1.try_send(0), tx2.try_send(1));
                let got = select! { recv(rx1) -> got => got, recv(rx2) -> got => got };
                counts[got.unwrap()] += 1;
            }
            assert!(is_even(&counts), "{counts:?}");
        });
    }

    #[test]
    fn the_same_receiver_in_several_arms_gets_each_its_share() {
        block_on(async {
            let (tx, rx) = channel(4_000);
            (0..4_000).for_each(|n| tx.try_send(n).unwrap());
            let mut counts = [0; 5];
            for _ in 0..4_000 {
                let mut select = Select::new();
                for n in 0..5 {
                    select.recv(&rx, move |_| n);
                }
                counts[select.wait().await] += 1;
            }
            assert!(is_even(&counts), "{counts:?}");
        });
    }

    #[test]
    fn parked_selects_share_what_is_sent() {
        on_ps(async {
            const EACH: usize = 1_000;
            let ((tx1, rx1), (tx2, rx2)) = (channel(0), channel(0));
            let sums = WaitGroup::new();
            for tx in [tx1, tx2] {
                sums.go(async move {
                    for n in 0..EACH {
                        tx.send(n).await.unwrap();
                    }
                });
            }
            let receivers = (0..2).map(|_| {
                let (rx1, rx2) = (rx1.clone(), rx2.clone());
                go(async move {
                    let (mut got, mut open) = (0, 2);
                    while open > 0 {
                        let value =
                            select! { recv(rx1) -> value => value, recv(rx2) -> value => value };
                        match value {
                            Some(_) => got += 1,
                            None => open = usize::from(!(rx1.is_closed() && rx2.is_closed())),
                        }
                    }
                    got
                })
            });
            let receivers: Vec<_> = receivers.collect();
            drop((rx1, rx2));
            let mut all = 0;
            for receiver in receivers {
                all += receiver.await.unwrap();
            }
            assert_eq!(all, 2 * EACH);
            sums.wait().await;
        });
    }

    #[test]
    fn bias_prefers_the_first_arm() {
        block_on(async {
            let ((tx1, rx1), (tx2, rx2)) = (channel(100), channel(100));
            for _ in 0..100 {
                tx1.try_send(1).unwrap();
                tx2.try_send(2).unwrap();
            }
            for _ in 0..100 {
                let got = select! { biased; recv(rx1) -> got => got, recv(rx2) -> got => got };
                assert_eq!(got, Some(1));
            }
        });
    }

    /// A select that does not wait finds one of two arms ready if one always is.
    #[test]
    fn a_default_is_not_taken_while_an_arm_is_ready() {
        on_ps(async {
            let (ch1, ch2) = (chan(1), chan(1));
            ch1.send(1).await;
            let (one, two) = (ch1.clone(), ch2.clone());
            // One value at least is there at any time: it is put into one before it leaves the other.
            let mover = go(async move {
                for _ in 0..1_000 {
                    two.send(1).await;
                    one.recv().await;
                    one.send(1).await;
                    two.recv().await;
                    yield_now().await;
                }
            });
            while !mover.is_finished() {
                let mut select = Select::new();
                let (back1, back2) = (&ch1, &ch2);
                select
                    .recv(&ch1, move |got| got.map(|n| (back1, n)))
                    .recv(&ch2, move |got| got.map(|n| (back2, n)));
                select.default(|| None);
                let Some((from, value)) = select.wait().await else {
                    panic!("one of them was always ready");
                };
                from.send(value).await;
            }
            mover.await.unwrap();
        });
    }

    #[test]
    fn send_and_receive_arms_of_many_goroutines_exchange_all() {
        on_ps(async {
            const EACH: usize = 500;
            let chans: [_; 3] = std::array::from_fn(|_| channel::<usize>(0));
            let (done, results) = channel(8);
            for me in 0..4 {
                let senders = chans.each_ref().map(|(tx, _)| tx.clone());
                drop(go(async move {
                    for n in 0..EACH {
                        let mut select = Select::new();
                        for tx in &senders {
                            select.send(tx, me * EACH + n, |sent| sent.unwrap());
                        }
                        select.wait().await;
                    }
                }));
                let (receivers, done) = (chans.each_ref().map(|(_, rx)| rx.clone()), done.clone());
                drop(go(async move {
                    let mut got = Vec::new();
                    for _ in 0..EACH {
                        let mut select = Select::new();
                        for rx in &receivers {
                            select.recv(rx, |value| value.unwrap());
                        }
                        got.push(select.wait().await);
                    }
                    done.send(got).await.unwrap();
                }));
            }
            let mut all = HashSet::new();
            for _ in 0..4 {
                all.extend(results.recv().await.unwrap());
            }
            assert_eq!(all.len(), 4 * EACH);
        });
    }
}
