//! Go's programs about channels: order, non-blocking forms, sieves.

/// <https://github.com/golang/go/blob/master/test/chan/fifo.go>
mod fifo {
    use gmp::{Chan, chan, go};

    const N: u32 = 10;

    #[gmp::test]
    async fn a_buffered_channel_keeps_the_order() {
        let ch = chan(N as usize);
        for n in 0..N {
            ch.send(n).await;
        }
        for n in 0..N {
            assert_eq!(ch.recv().await, Some(n));
        }
    }

    async fn link(ch: Chan<u32>, want: u32, before: Chan<u32>, after: Chan<u32>) {
        before.recv().await;
        assert_eq!(ch.recv().await, Some(want), "receivers are served in the order they came");
        after.send(1).await;
    }

    #[gmp::test]
    async fn receivers_in_a_row_get_what_is_sent_in_a_row() {
        let ch = chan(0);
        let first = chan(0);
        let mut before = first.clone();
        for n in 0..N {
            let after = chan(0);
            drop(go(link(ch.clone(), n, before, after.clone())));
            before = after;
        }
        first.send(0).await;
        for n in 0..N {
            ch.send(n).await;
        }
        assert_eq!(before.recv().await, Some(1));
    }
}

/// <https://github.com/golang/go/blob/master/test/chan/goroutines.go>
mod goroutines {
    use gmp::{chan, go};

    #[gmp::test]
    async fn a_value_passes_through_ten_thousand_goroutines() {
        let last = chan::<u32>(0);
        let mut left = last.clone();
        for _ in 0..10_000 {
            let right = chan::<u32>(0);
            let (from, to) = (right.clone(), left);
            drop(go(async move { to.send(from.recv().await.unwrap() + 1).await }));
            left = right;
        }
        left.send(0).await;
        assert_eq!(last.recv().await, Some(10_000));
    }
}

/// <https://github.com/golang/go/blob/master/test/chan/nonblock.go>
mod nonblock {
    use gmp::chan::{TryRecvError, TrySendError};
    use gmp::{Chan, chan, go, select, yield_now};

    /// A channel without a peer, with a full or empty buffer, or with a peer that waits.
    async fn try_all<T: Send + Clone + PartialEq + std::fmt::Debug + 'static>(value: T) {
        for cap in [0, 1] {
            let ch = chan::<T>(cap);
            assert_eq!(ch.try_recv(), Err(TryRecvError::Empty));
            let none = select! { recv(ch) -> got => got, default => None };
            assert_eq!(none, None);
            if cap == 1 {
                assert_eq!(ch.try_send(value.clone()), Ok(()));
            }
            assert_eq!(ch.try_send(value.clone()), Err(TrySendError::Full(value.clone())));
            let sent = select! { send(ch, value.clone()) => true, default => false };
            assert!(!sent);
            if cap == 1 {
                assert_eq!(ch.try_recv(), Ok(value.clone()));
            }
            with_a_peer(ch, value.clone()).await;
        }
    }

    async fn with_a_peer<T: Send + Clone + PartialEq + std::fmt::Debug + 'static>(
        ch: Chan<T>,
        value: T,
    ) {
        let (other, given) = (ch.clone(), value.clone());
        let sender = go(async move { other.send(given).await });
        // As Go's program does: on several Ps the peer may not wait yet.
        let received = loop {
            yield_now().await;
            if let Ok(received) = ch.try_recv() {
                break received;
            }
        };
        assert_eq!(received, value, "a sender waits");
        sender.await.unwrap();
        let other = ch.clone();
        let receiver = go(async move { other.recv().await });
        while ch.try_send(value.clone()).is_err() {
            yield_now().await;
        }
        assert_eq!(receiver.await.unwrap(), Some(value));
    }

    #[gmp::test]
    async fn values_of_every_size() {
        try_all(123_i32).await;
        try_all(123_456_i64).await;
        try_all(true).await;
        try_all("hello".to_owned()).await;
        try_all([7_u8; 300]).await;
    }
}

/// <https://github.com/golang/go/blob/master/test/chan/perm.go>
mod perm {
    use gmp::{Receiver, Sender, channel};

    /// What an end cannot do. A method of its own would be called instead of these.
    trait Cannot {
        fn recv(&self) -> &'static str {
            "no method"
        }
        fn send(&self, _: u32) -> &'static str {
            "no method"
        }
        fn close(&self) -> &'static str {
            "no method"
        }
    }
    impl Cannot for Sender<u32> {}
    impl Cannot for Receiver<u32> {}

    #[gmp::test]
    async fn an_end_works_in_one_direction() {
        let (tx, rx) = channel::<u32>(1);
        assert_eq!((tx.recv(), tx.close()), ("no method", "no method"));
        assert_eq!((Cannot::send(&rx, 1), rx.close()), ("no method", "no method"));
        assert_eq!(rx.send(1), "no method");
        tx.send(1).await.unwrap();
        assert_eq!(rx.recv().await, Some(1));
    }
}

/// <https://github.com/golang/go/blob/master/test/chan/sendstmt.go>
mod sendstmt {
    use gmp::chan;

    #[gmp::test]
    async fn a_value_that_is_received_is_sent_on() {
        let (from, to) = (chan(1), chan(1));
        from.send(9).await;
        to.send(from.recv().await.unwrap()).await;
        assert_eq!((from.len(), to.recv().await), (0, Some(9)));
    }

    #[gmp::test]
    async fn a_comparison_is_sent_as_its_result() {
        let (ch, n) = (chan(1), 4);
        ch.send(n == 4).await;
        assert_eq!(ch.recv().await, Some(true));
    }
}

/// The primes below 100, and how many there are below 1,000.
const PRIMES: [u32; 25] = [
    2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97,
];

/// <https://github.com/golang/go/blob/69ebaa23298a6ea400acd1b300221f93a1cefc52/test/chan/sieve.go>, which is `sieve1.go`
/// today
mod sieve {
    use gmp::{Chan, chan, go};

    use super::PRIMES;

    async fn sieve(primes: Chan<u32>) {
        let mut ch = chan(0);
        let numbers = ch.clone();
        drop(go(async move {
            for n in 2.. {
                numbers.send(n).await;
            }
        }));
        loop {
            let prime: u32 = ch.recv().await.unwrap();
            primes.send(prime).await;
            let (from, next) = (ch, chan(0));
            let to = next.clone();
            drop(go(async move {
                while let Some(n) = from.recv().await {
                    if n % prime != 0 {
                        to.send(n).await;
                    }
                }
            }));
            ch = next;
        }
    }

    // The program leaves its goroutines behind, as Go's does: one for each prime, the one that counts,
    // and the one that chains them.
    #[gmp::test(expect_leak)]
    async fn the_filters_in_a_row_leave_the_primes() {
        let primes = chan(0);
        drop(go(sieve(primes.clone())));
        for prime in PRIMES {
            assert_eq!(primes.recv().await, Some(prime));
        }
    }
}

/// <https://github.com/golang/go/blob/master/test/chan/sieve1.go>
mod sieve1 {
    use gmp::{channel, go};

    use super::PRIMES;

    // The same with ends that close by drop: the chain ends when nobody asks any more.
    #[gmp::test]
    async fn a_chain_whose_ends_close_leaves_nothing_behind() {
        let (tx, mut numbers) = channel(0);
        drop(go(async move {
            for n in 2_u32.. {
                if tx.send(n).await.is_err() {
                    return;
                }
            }
        }));
        for prime in PRIMES {
            assert_eq!(numbers.recv().await, Some(prime));
            let (tx, rest) = channel(0);
            drop(go(async move {
                while let Some(n) = numbers.recv().await {
                    if n % prime != 0 && tx.send(n).await.is_err() {
                        return;
                    }
                }
            }));
            numbers = rest;
        }
    }
}

/// <https://github.com/golang/go/blob/master/test/chan/sieve2.go>
mod sieve2 {
    use std::cmp::Reverse;
    use std::collections::BinaryHeap;

    use gmp::{Receiver, channel, go};

    use super::PRIMES;

    /// The multiples of `p` from its square on.
    fn multiples(p: u32) -> Receiver<u32> {
        let (tx, rx) = channel(10);
        drop(go(async move {
            let mut n = p * p;
            while tx.send(n).await.is_ok() {
                n += p;
            }
        }));
        rx
    }

    #[gmp::test]
    async fn a_heap_merges_the_multiples_of_many_goroutines() {
        let (mut primes, mut heads) = (Vec::new(), BinaryHeap::new());
        let mut sources: Vec<Receiver<u32>> = Vec::new();
        for n in 2..100 {
            let mut composite = false;
            while let Some(&Reverse((head, source))) = heads.peek() {
                if head > n {
                    break;
                }
                composite |= head == n;
                heads.pop();
                let rx: &Receiver<u32> = &sources[source];
                heads.push(Reverse((rx.recv().await.unwrap(), source)));
            }
            if !composite {
                primes.push(n);
                let rx = multiples(n);
                heads.push(Reverse((rx.recv().await.unwrap(), sources.len())));
                sources.push(rx);
            }
        }
        assert_eq!(primes, PRIMES);
    }
}

/// <https://github.com/golang/go/blob/master/test/chan/zerosize.go>
mod zerosize {
    use gmp::chan;

    #[gmp::test]
    async fn elements_without_size_are_counted() {
        let ch = chan::<[u8; 0]>(100);
        for n in 0..100 {
            assert_eq!(ch.len(), n);
            ch.send([]).await;
        }
        assert!(ch.try_send([]).is_err());
        assert_eq!((ch.recv().await, ch.len(), ch.cap()), (Some([]), 99, 100));
    }
}

/// <https://github.com/golang/go/blob/master/test/closedchan.go>
mod closedchan {
    use gmp::{chan, go, select, yield_now};

    use crate::{panic_in, panic_of};

    #[gmp::test]
    async fn a_closed_channel_gives_its_values_and_then_none_in_every_form() {
        for cap in [0, 2] {
            let ch = chan(cap);
            for n in 0..cap as u32 {
                ch.send(n).await;
            }
            ch.close();
            for n in 0..cap as u32 {
                assert_eq!(ch.recv().await, Some(n));
            }
            for _ in 0..10 {
                assert_eq!(ch.recv().await, None);
                assert!(ch.try_recv().is_err() && ch.is_closed());
                let by_select = select! { recv(ch) -> got => got };
                let by_try = select! { recv(ch) -> got => got, default => Some(9) };
                assert_eq!((by_select, by_try), (None, None));
            }
        }
    }

    #[gmp::test]
    async fn sending_on_a_closed_channel_panics_in_every_form() {
        for cap in [0, 2] {
            let ch = chan::<u32>(cap);
            ch.close();
            let (plain, arm, with_default) = (ch.clone(), ch.clone(), ch.clone());
            let panics = [
                panic_of(async move { plain.send(1).await }).await,
                panic_of(async move {
                    select! { send(arm, 1) => () }
                })
                .await,
                panic_of(async move {
                    select! { send(with_default, 1) => (), default => () }
                })
                .await,
            ];
            assert_eq!(panics, ["send on closed channel"; 3]);
            assert!(ch.try_send(1).is_err());
        }
    }

    #[gmp::test]
    async fn closing_wakes_receivers_and_makes_senders_panic() {
        let ch = chan::<u32>(0);
        let other = ch.clone();
        let receiver = go(async move { other.recv().await });
        yield_now().await;
        ch.close();
        assert_eq!(receiver.await.unwrap(), None);
        let ch = chan::<u32>(0);
        let (other, closer) = (ch.clone(), ch);
        drop(go(async move {
            yield_now().await;
            closer.close();
        }));
        assert_eq!(panic_of(async move { other.send(1).await }).await, "send on closed channel");
    }

    #[gmp::test]
    async fn closing_twice_and_closing_nil_panic() {
        let ch = chan::<u32>(0);
        ch.close();
        assert_eq!(panic_in(|| ch.close()), "close of closed channel");
        assert_eq!(panic_in(|| gmp::Chan::<u32>::nil().close()), "close of nil channel");
    }
}
