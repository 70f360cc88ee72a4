//! async-channel: futures that are dropped or forgotten, streams, closing by either side.

use std::pin::pin;

use futures_util::{FutureExt, StreamExt};
use gmp::chan::{SendError, TryRecvError, TrySendError};
use gmp::{block_on, chan, channel, go};

use crate::support::{Life, on_ps};

/// <https://github.com/smol-rs/async-channel/blob/master/tests/bounded.rs>
mod bounded {
    use super::*;

    #[test]
    fn closing_refuses_sends_and_lets_receivers_drain() {
        block_on(async {
            let ch = chan(3);
            ch.send(1).await;
            ch.send(2).await;
            ch.close();
            assert_eq!(ch.try_send(3), Err(TrySendError::Closed(3)));
            assert_eq!(ch.send_checked(4).await, Err(SendError(4)));
            assert_eq!(
                (ch.recv().await, ch.recv().await, ch.recv().await),
                (Some(1), Some(2), None)
            );
            assert_eq!(ch.try_recv(), Err(TryRecvError::Closed));
        });
    }

    #[test]
    fn closing_wakes_all_senders_and_receivers() {
        on_ps(async {
            let (full, empty) = (chan(1), chan::<u32>(1));
            full.send(0).await;
            let senders: Vec<_> = (0..3)
                .map(|n| {
                    let full = full.clone();
                    go(async move { full.send_checked(n).await })
                })
                .collect();
            let receivers: Vec<_> = (0..3)
                .map(|_| {
                    let empty = empty.clone();
                    go(async move { empty.recv().await })
                })
                .collect();
            full.close();
            empty.close();
            for (n, sender) in senders.into_iter().enumerate() {
                assert_eq!(sender.await.unwrap(), Err(SendError(n)));
            }
            for receiver in receivers {
                assert_eq!(receiver.await.unwrap(), None);
            }
        });
    }

    /// A wake-up that a forgotten future got would be lost to the others.
    #[test]
    fn a_forgotten_receiver_that_never_waited_takes_nothing() {
        block_on(async {
            let ch = chan(0);
            std::mem::forget(ch.recv());
            let sender = ch.clone();
            let sent = go(async move { sender.send(1).await });
            assert_eq!(ch.recv().await, Some(1));
            sent.await.unwrap();
        });
    }

    #[test]
    fn a_dropped_future_passes_its_turn_on() {
        block_on(async {
            let ch = chan(1);
            let (mut first, mut second) = (Box::pin(ch.recv()), pin!(ch.recv()));
            assert!((&mut first).now_or_never().is_none());
            assert!((&mut second).now_or_never().is_none());
            ch.send(1).await;
            drop(first);
            assert_eq!(second.await, Some(1));
            ch.send(2).await;
            let (mut first, mut second) = (Box::pin(ch.send(3)), pin!(ch.send(4)));
            assert!((&mut first).now_or_never().is_none());
            assert!((&mut second).now_or_never().is_none());
            assert_eq!(ch.recv().await, Some(2));
            drop(first);
            assert_eq!(ch.recv().await, Some(3), "it was taken before its future was dropped");
            second.await;
            assert_eq!(ch.recv().await, Some(4));
        });
    }

    #[test]
    fn streams_on_many_goroutines_share_everything() {
        on_ps(async {
            const ALL: usize = 4_000;
            let ch = chan(3);
            let streams: Vec<_> = (0..4)
                .map(|_| {
                    let ch = ch.clone();
                    go(async move { ch.range().collect::<Vec<usize>>().await })
                })
                .collect();
            for n in 0..ALL {
                ch.send(n).await;
            }
            ch.close();
            let mut all = Vec::new();
            for stream in streams {
                let part = stream.await.unwrap();
                assert!(part.is_sorted(), "each gets its values in order");
                all.extend(part);
            }
            all.sort_unstable();
            assert!(all.into_iter().eq(0..ALL));
        });
    }

    #[test]
    fn what_is_left_is_dropped_with_the_channel() {
        let life = Life::default();
        let (tx, rx) = channel(10);
        (0..10).for_each(|_| tx.try_send(life.make()).ok().unwrap());
        drop(rx);
        assert_eq!(life.alive(), 0, "nobody can receive them any more");
        assert!(tx.try_send(life.make()).is_err());
    }

    #[test]
    fn receivers_that_wait_are_served_in_turn() {
        block_on(async {
            let ch = chan(0);
            let mut receivers: Vec<_> = (0..4).map(|_| Box::pin(ch.recv())).collect();
            for receiver in &mut receivers {
                assert!(receiver.now_or_never().is_none());
            }
            for n in 0..4 {
                ch.send(n).await;
            }
            for (n, receiver) in receivers.into_iter().enumerate() {
                assert_eq!(receiver.await, Some(n));
            }
        });
    }
}
