//! Channels: rendezvous, buffers, order, closing, and both kinds of ends.

mod support;

use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;

use futures_util::StreamExt;
use gmp_core::chan::{CloseError, SendError, TryRecvError, TrySendError};
use gmp_core::{Chan, block_on, chan, channel, go, yield_now};
use support::{Life, panic_text, poll_once, rounds, text};

#[test]
fn without_a_buffer_a_send_waits_for_its_receiver() {
    block_on(async {
        let ch = chan(0);
        let mut send = Box::pin(ch.send(1));
        assert!(poll_once(send.as_mut()).is_pending());
        assert_eq!((ch.len(), ch.cap()), (0, 0), "a parked sender is not in the buffer");
        assert_eq!(ch.recv().await, Some(1));
        assert!(poll_once(send.as_mut()).is_ready());
        let mut recv = Box::pin(ch.recv());
        assert!(poll_once(recv.as_mut()).is_pending());
        ch.send(2).await;
        assert_eq!(poll_once(recv.as_mut()), Poll::Ready(Some(2)));
    });
}

#[test]
fn a_buffer_takes_cap_values_and_then_sends_wait() {
    for cap in [1, 2, 7, 100] {
        block_on(async {
            let ch = chan(cap);
            for i in 0..cap {
                assert_eq!((ch.len(), ch.cap(), ch.is_empty()), (i, cap, i == 0));
                ch.send(i).await;
            }
            assert_eq!(ch.try_send(cap), Err(TrySendError::Full(cap)));
            let mut waits = Box::pin(ch.send(cap));
            assert!(poll_once(waits.as_mut()).is_pending());
            assert_eq!(ch.recv().await, Some(0));
            assert_eq!(ch.len(), cap, "the parked sender moved up");
            waits.await;
            for i in 1..=cap {
                assert_eq!(ch.try_recv(), Ok(i));
            }
            assert_eq!(ch.try_recv(), Err(TryRecvError::Empty));
        });
    }
}

#[test]
fn a_huge_capacity_costs_nothing_by_itself() {
    assert_eq!(chan::<[u64; 100]>(usize::MAX).cap(), usize::MAX);
}

#[test]
fn values_keep_their_order_through_every_kind_of_queue() {
    for cap in [0, 1, 3, 64] {
        block_on(async {
            let ch = chan(cap);
            let tx = ch.clone();
            let sender = go(async move {
                for i in 0..1_000 {
                    tx.send(i).await;
                }
                tx.close();
            });
            let all: Vec<i32> = ch.range().collect().await;
            assert!(all.into_iter().eq(0..1_000));
            sender.await.unwrap();
        });
    }
}

#[test]
fn who_waits_first_is_served_first() {
    block_on(async {
        let ch = chan(0);
        let mut receivers: Vec<_> = (0..5).map(|_| Box::pin(ch.recv())).collect();
        for recv in &mut receivers {
            assert!(poll_once(recv.as_mut()).is_pending());
        }
        for i in 0..5 {
            ch.send(i).await;
        }
        for (i, recv) in receivers.iter_mut().enumerate() {
            assert_eq!(poll_once(recv.as_mut()), Poll::Ready(Some(i)));
        }
        let mut senders: Vec<_> = (0..5).map(|i| Box::pin(ch.send(i))).collect();
        for send in &mut senders {
            assert!(poll_once(send.as_mut()).is_pending());
        }
        for i in 0..5 {
            assert_eq!(ch.recv().await, Some(i));
        }
    });
}

#[test]
fn closing_drains_then_gives_none() {
    block_on(async {
        let ch = chan(3);
        ch.send(1).await;
        ch.send(2).await;
        ch.close();
        assert!(ch.is_closed());
        assert_eq!((ch.recv().await, ch.try_recv()), (Some(1), Ok(2)));
        assert_eq!((ch.recv().await, ch.try_recv()), (None, Err(TryRecvError::Closed)));
        assert_eq!(ch.recv().await, None, "again and again");
    });
}

#[test]
fn closing_releases_everybody_who_waits() {
    block_on(async {
        let (empty, full) = (chan::<u8>(0), chan(1));
        full.send(0).await;
        let receivers: Vec<_> = (0..3)
            .map(|_| {
                let rx = empty.clone();
                go(async move { rx.recv().await })
            })
            .collect();
        let senders: Vec<_> = (1..4)
            .map(|i| {
                let tx = full.clone();
                go(async move { tx.send(i).await })
            })
            .collect();
        yield_now().await;
        empty.close();
        full.close();
        for receiver in receivers {
            assert_eq!(receiver.await.unwrap(), None);
        }
        for sender in senders {
            let payload = sender.await.unwrap_err().try_into_panic().unwrap();
            assert_eq!(text(&*payload), "send on closed channel");
        }
        assert_eq!((full.recv().await, full.recv().await), (Some(0), None));
    });
}

#[test]
fn misuse_panics_with_gos_words_and_the_checked_forms_tell() {
    block_on(async {
        let ch = chan(1);
        ch.close();
        assert_eq!(panic_text(|| ch.close()), "close of closed channel");
        assert_eq!(panic_text(|| Chan::<u8>::nil().close()), "close of nil channel");
        assert_eq!(ch.try_close(), Err(CloseError::Closed));
        assert_eq!(Chan::<u8>::nil().try_close(), Err(CloseError::Nil));
        let text = panic_text(|| _ = poll_once(pin!(ch.send(1))));
        assert_eq!(text, "send on closed channel");
        assert_eq!(ch.send_checked(2).await, Err(SendError(2)));
        assert_eq!(ch.try_send(3), Err(TrySendError::Closed(3)));
    });
}

#[test]
fn a_checked_send_that_waits_gets_its_value_back_when_the_channel_closes() {
    block_on(async {
        let ch = chan(0);
        let mut send = Box::pin(ch.send_checked(5));
        assert!(poll_once(send.as_mut()).is_pending());
        ch.close();
        assert_eq!(poll_once(send.as_mut()), Poll::Ready(Err(SendError(5))));
    });
}

#[test]
fn nil_blocks_for_ever() {
    let nil = Chan::<u8>::default();
    assert!(nil.is_nil() && !nil.is_closed() && nil == Chan::nil() && nil != chan(0));
    assert_eq!((nil.len(), nil.cap()), (0, 0));
    assert_eq!(
        (nil.try_send(1), nil.try_recv()),
        (Err(TrySendError::Full(1)), Err(TryRecvError::Empty))
    );
    let (mut recv, mut send) = (Box::pin(nil.recv()), Box::pin(nil.send(1)));
    for _ in 0..3 {
        assert!(poll_once(recv.as_mut()).is_pending() && poll_once(send.as_mut()).is_pending());
    }
}

#[test]
fn handles_of_one_channel_are_equal() {
    let (a, b) = (chan::<u8>(0), chan::<u8>(0));
    assert!(a == a.clone() && a != b);
}

#[test]
fn dropping_all_handles_but_one_closes_nothing() {
    block_on(async {
        let ch = chan::<u8>(0);
        drop(ch.clone());
        assert!(!ch.is_closed() && poll_once(pin!(ch.recv())).is_pending());
    });
}

#[test]
fn the_last_sender_closes_a_pair() {
    block_on(async {
        let (tx, rx) = channel(2);
        let second = tx.clone();
        tx.send(1).await.unwrap();
        let waits = rx.clone();
        drop(tx);
        assert!(!rx.is_closed());
        second.send(2).await.unwrap();
        let waiting =
            go(async move { [waits.recv().await, waits.recv().await, waits.recv().await] });
        yield_now().await;
        drop(second);
        assert!(rx.is_closed());
        assert_eq!(waiting.await.unwrap(), [Some(1), Some(2), None]);
    });
}

#[test]
fn the_last_receiver_closes_a_pair_and_drops_what_is_buffered() {
    let life = Life::default();
    block_on(async {
        let (tx, rx) = channel(2);
        for id in 0..2 {
            tx.send(life.make(id)).await.unwrap();
        }
        let (late, value) = (tx.clone(), life.make(2));
        let waiting = go(async move { late.send(value).await });
        yield_now().await;
        let second = rx.clone();
        drop(rx);
        assert_eq!((life.alive(), tx.is_closed()), (3, false));
        drop(second);
        assert_eq!((life.alive(), tx.is_closed()), (1, true));
        assert_eq!(waiting.await.unwrap().unwrap_err().0.id, 2);
        assert_eq!(tx.send(life.make(3)).await.unwrap_err().0.id, 3);
    });
    assert_eq!(life.alive(), 0);
}

#[test]
fn a_channel_drops_its_values_with_its_last_handle() {
    let life = Life::default();
    let ch = chan(4);
    for id in 0..4 {
        ch.try_send(life.make(id)).unwrap();
    }
    drop(ch.try_recv());
    assert_eq!(life.alive(), 3);
    drop(ch);
    assert_eq!(life.alive(), 0);
}

#[test]
fn values_without_a_size_are_counted_too() {
    block_on(async {
        let ch = chan(2);
        ch.send(()).await;
        ch.send(()).await;
        assert_eq!((ch.len(), ch.try_send(()).is_err()), (2, true));
    });
}

#[test]
fn a_destructor_may_use_the_channel_that_drops_it() {
    struct Sends(Chan<u8>, Arc<AtomicUsize>);
    impl Drop for Sends {
        fn drop(&mut self) {
            let _ = self.0.try_send(1);
            self.1.fetch_add(1, Ordering::Relaxed);
        }
    }
    let (probe, dropped) = (chan(8), Arc::new(AtomicUsize::new(0)));
    block_on(async {
        let (tx, rx) = channel(4);
        for _ in 0..3 {
            assert!(tx.send(Sends(probe.clone(), dropped.clone())).await.is_ok());
        }
        drop(rx);
        assert!(tx.send(Sends(probe.clone(), dropped.clone())).await.is_err());
    });
    assert_eq!((dropped.load(Ordering::Relaxed), probe.len()), (4, 4));
}

/// Sieves primes with a chain of goroutines, each a filter: channels made and parked by the dozen.
#[test]
fn a_chain_of_filters_sieves_primes() {
    let filter = |rx: Chan<u32>, prime: u32| {
        let tx = chan(0);
        let out = tx.clone();
        drop(go(async move {
            while let Some(n) = rx.recv().await {
                if n % prime != 0 {
                    tx.send(n).await;
                }
            }
        }));
        out
    };
    let primes = block_on(async {
        let first = chan(0);
        let tx = first.clone();
        drop(go(async move {
            for n in 2.. {
                tx.send(n).await;
            }
        }));
        let (mut ch, mut primes) = (first, Vec::new());
        while primes.len() < 30 {
            let prime = ch.recv().await.unwrap();
            primes.push(prime);
            ch = filter(ch, prime);
        }
        primes
    });
    assert_eq!(primes[..6], [2, 3, 5, 7, 11, 13]);
    assert_eq!(primes[29], 113);
}

#[test]
fn threads_and_goroutines_of_the_global_runtime_exchange_values() {
    const THREADS: usize = 4;
    let each = rounds(2_000);
    for cap in [0, 3] {
        let (up, down) = (chan::<usize>(cap), chan::<usize>(cap));
        for _ in 0..THREADS {
            let (rx, tx) = (up.clone(), down.clone());
            drop(go(async move {
                while let Some(value) = rx.recv().await {
                    tx.send(value + 1).await;
                }
            }));
        }
        let seen = Mutex::new(Vec::new());
        std::thread::scope(|s| {
            for t in 0..THREADS {
                let up = &up;
                s.spawn(move || (0..each).for_each(|i| up.blocking_send(t * each + i)));
            }
            for _ in 0..THREADS {
                s.spawn(|| {
                    let got: Vec<_> = (0..each).map(|_| down.blocking_recv().unwrap()).collect();
                    seen.lock().unwrap().extend(got);
                });
            }
        });
        up.close();
        let mut seen = seen.into_inner().unwrap();
        seen.sort_unstable();
        assert!(seen.into_iter().eq(1..=THREADS * each));
    }
}

#[test]
fn closing_from_another_thread_releases_a_blocked_one() {
    for _ in 0..rounds(200) {
        let ch = chan::<u8>(0);
        std::thread::scope(|s| {
            let receiver = s.spawn(|| ch.blocking_recv());
            ch.close();
            assert_eq!(receiver.join().unwrap(), None);
        });
    }
}
