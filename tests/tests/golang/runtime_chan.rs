//! Go's tests of channels inside its runtime.
//!
//! Left out: the tests of shrinking and adjusted stacks, as goroutines here have none.

use gmp::sync::WaitGroup;
use gmp::{Chan, chan, go, select, yield_now};

/// <https://github.com/golang/go/blob/master/src/runtime/chan_test.go>
mod chan_test {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[gmp::test]
    async fn receiving_from_an_empty_channel_blocks() {
        for cap in 0..20 {
            let (ch, got) = (chan::<u32>(cap), Arc::new(AtomicUsize::new(0)));
            for _ in 0..2 {
                let (ch, got) = (ch.clone(), got.clone());
                drop(go(async move {
                    ch.recv().await;
                    got.fetch_add(1, Ordering::Relaxed);
                }));
            }
            yield_now().await;
            assert_eq!(got.load(Ordering::Relaxed), 0);
            select! { recv(ch) -> _ => unreachable!("it is empty"), default => () }
            ch.send(0).await;
            ch.send(0).await;
        }
    }

    #[gmp::test]
    async fn sending_to_a_full_channel_blocks() {
        for cap in 0..20 {
            let (ch, sent) = (chan::<u32>(cap), Arc::new(AtomicUsize::new(0)));
            for n in 0..cap as u32 {
                ch.send(n).await;
            }
            let (other, flag) = (ch.clone(), sent.clone());
            drop(go(async move {
                other.send(99).await;
                flag.store(1, Ordering::Relaxed);
            }));
            yield_now().await;
            assert_eq!(sent.load(Ordering::Relaxed), 0);
            select! { send(ch, 0) => unreachable!("it is full"), default => () }
            for n in 0..cap as u32 {
                assert_eq!(ch.recv().await, Some(n));
            }
            assert_eq!(ch.recv().await, Some(99));
        }
    }

    #[gmp::test]
    async fn a_closed_channel_gives_zero_after_its_values_and_unblocks() {
        for cap in 0..20 {
            let ch = chan::<u32>(cap);
            for n in 0..cap as u32 {
                ch.send(n).await;
            }
            ch.close();
            for n in 0..cap as u32 {
                assert_eq!(ch.recv().await, Some(n));
            }
            assert_eq!((ch.recv().await, ch.recv().await), (None, None));
            let (ch, done) = (chan::<u32>(cap), chan(0));
            let (other, tell) = (ch.clone(), done.clone());
            drop(go(async move { tell.send(other.recv().await).await }));
            yield_now().await;
            ch.close();
            assert_eq!(done.recv().await, Some(None));
        }
    }

    #[gmp::test]
    async fn a_hundred_values_arrive_in_order_or_each_once() {
        for cap in 0..20 {
            let ch = chan::<u32>(cap);
            let other = ch.clone();
            drop(go(async move {
                for n in 0..100 {
                    other.send(n).await;
                }
            }));
            for n in 0..100 {
                assert_eq!(ch.recv().await, Some(n));
            }
            many_on_both_sides(&ch).await;
        }
    }

    async fn many_on_both_sides(ch: &Chan<u32>) {
        const SIDES: u32 = 4;
        const EACH: u32 = 200;
        let results = chan::<Vec<u32>>(0);
        for _ in 0..SIDES {
            let (from, results) = (ch.clone(), results.clone());
            drop(go(async move {
                let mut got = Vec::new();
                for _ in 0..EACH {
                    got.push(from.recv().await.unwrap());
                }
                results.send(got).await;
            }));
            let to = ch.clone();
            drop(go(async move {
                for n in 0..EACH {
                    to.send(n).await;
                }
            }));
        }
        let mut times = vec![0; EACH as usize];
        for _ in 0..SIDES {
            for n in results.recv().await.unwrap() {
                times[n as usize] += 1;
            }
        }
        assert!(times.iter().all(|n| *n == SIDES));
    }

    #[gmp::test]
    async fn length_and_capacity() {
        let ch = chan(3);
        assert_eq!((ch.len(), ch.cap()), (0, 3));
        for n in 1..=3 {
            ch.send(n).await;
            assert_eq!((ch.len(), ch.cap()), (n, 3));
        }
        assert_eq!((chan::<u8>(0).cap(), Chan::<u8>::nil().cap()), (0, 0));
    }

    /// A value that is there is never missed by a form that does not wait, whatever happens beside it.
    #[gmp::test]
    async fn a_receive_that_does_not_wait_sees_what_is_there() {
        for _ in 0..1_000 {
            let ch = chan::<u32>(1);
            ch.send(1).await;
            let other = ch.clone();
            let racer = go(async move {
                select! {
                    recv(other) -> got => got,
                    default => unreachable!("a value, or the close, is always there"),
                }
            });
            ch.close();
            ch.recv().await;
            racer.await.unwrap();
        }
    }

    /// Two channels, the first of which has a value until the second is made ready by `second_is_ready`.
    async fn one_of_two_is_always_ready(second_is_ready: impl AsyncFn(&gmp::Chan<u32>)) {
        for _ in 0..1_000 {
            let (first, second) = (chan::<u32>(1), chan::<u32>(1));
            first.send(1).await;
            let (one, two) = (first.clone(), second.clone());
            let racer = go(async move {
                select! {
                    recv(one) -> _ => true,
                    recv(two) -> _ => true,
                    default => false,
                }
            });
            second_is_ready(&second).await;
            let _ = first.try_recv();
            assert!(racer.await.unwrap(), "one of them is always ready");
        }
    }

    #[gmp::test]
    async fn a_select_that_does_not_wait_takes_one_of_two_ready_arms() {
        one_of_two_is_always_ready(async |second| second.send(1).await).await;
    }

    /// The same, with a close in place of the second send.
    #[gmp::test]
    async fn a_select_that_does_not_wait_takes_a_closed_channel() {
        one_of_two_is_always_ready(async |second| second.close()).await;
    }

    #[gmp::test]
    async fn a_select_never_meets_itself() {
        for cap in [0, 10] {
            let (wg, ch) = (WaitGroup::new(), chan::<u32>(cap));
            for p in 0..2 {
                let ch = ch.clone();
                wg.go(async move {
                    for n in 0..1_000 {
                        let got = if p == 0 || n % 2 == 0 {
                            select! { send(ch, p) => None, recv(ch) -> got => got }
                        } else {
                            select! { recv(ch) -> got => got, send(ch, p) => None }
                        };
                        assert!(cap != 0 || got != Some(p), "it met itself");
                    }
                });
            }
            wg.wait().await;
        }
    }

    #[gmp::test]
    async fn senders_and_selecting_receivers_exchange_everything() {
        const N: u32 = 2_000;
        let (wg, chans) = (WaitGroup::new(), [chan(0), chan(0), chan(2), chan(3)]);
        for ch in chans.clone() {
            let other = ch.clone();
            wg.go(async move {
                for n in 0..N {
                    ch.send(n).await;
                }
            });
            wg.go(async move {
                for _ in 0..N {
                    other.recv().await;
                }
            });
        }
        for sends in [true, false] {
            let [a, b, c, d] = chans.clone();
            wg.go(async move {
                let mut left = [N; 4];
                let or_nil =
                    |ch: &Chan<u32>, left: u32| if left == 0 { Chan::nil() } else { ch.clone() };
                while left.iter().sum::<u32>() > 0 {
                    let (a, b) = (or_nil(&a, left[0]), or_nil(&b, left[1]));
                    let (c, d) = (or_nil(&c, left[2]), or_nil(&d, left[3]));
                    let taken = if sends {
                        select! {
                            send(a, 0) => 0, send(b, 0) => 1, send(c, 0) => 2, send(d, 0) => 3,
                        }
                    } else {
                        select! {
                            recv(a) -> _ => 0, recv(b) -> _ => 1, recv(c) -> _ => 2,
                            recv(d) -> _ => 3,
                        }
                    };
                    left[taken] -= 1;
                }
            });
        }
        wg.wait().await;
        assert!(chans.iter().all(Chan::is_empty));
    }

    #[gmp::test]
    async fn a_select_is_fair() {
        const TRIALS: usize = 10_000;
        let (one, two) = (chan(TRIALS + 1), chan(TRIALS + 1));
        for _ in 0..=TRIALS {
            one.send(0_usize).await;
            two.send(1_usize).await;
        }
        let (idle, other) = (chan::<usize>(0), chan::<usize>(0));
        let mut counts = [0_i64; 2];
        for _ in 0..TRIALS {
            let got = select! {
                recv(idle) -> got => got,
                recv(other) -> got => got,
                recv(one) -> got => got,
                recv(two) -> got => got,
            };
            counts[got.unwrap()] += 1;
        }
        // Ten standard deviations: 10 * sqrt(10,000 / 4).
        assert!((counts[0] - TRIALS as i64 / 2).abs() <= 500, "{counts:?}");
    }

    #[gmp::test]
    async fn what_is_sent_is_random_where_two_arms_send() {
        const N: usize = 100;
        for cap in [0, N] {
            let ch = chan::<usize>(cap);
            let other = ch.clone();
            let ones = go(async move {
                let mut ones = 0;
                for _ in 0..N {
                    yield_now().await;
                    ones += other.recv().await.unwrap();
                }
                ones
            });
            for _ in 0..N {
                select! { send(ch, 1) => (), send(ch, 0) => () }
            }
            let ones = ones.await.unwrap();
            assert!(ones > N / 10 && N - ones > N / 10, "{ones} ones, capacity {cap}");
        }
    }

    #[gmp::test]
    async fn trait_objects_can_be_sent() {
        let ch = chan::<Box<dyn std::any::Any + Send>>(1);
        ch.send(Box::new("any")).await;
        let sent = select! { send(ch, Box::new(1)) => true, default => false };
        assert!(!sent && ch.recv().await.unwrap().is::<&str>());
    }

    #[gmp::test]
    async fn many_consumers_take_everything_once() {
        const WORKERS: usize = 23;
        const N: u64 = 2_000;
        const PRIMES: [u64; 10] = [2, 3, 7, 11, 13, 17, 19, 23, 27, 31];
        let (queue, results) = (chan::<u64>(3 * WORKERS), chan::<u64>(3 * WORKERS));
        let wg = WaitGroup::new();
        for worker in 0..WORKERS {
            let (queue, results) = (queue.clone(), results.clone());
            wg.go(async move {
                while let Some(value) = queue.recv().await {
                    if PRIMES[worker % PRIMES.len()] == value {
                        yield_now().await;
                    }
                    results.send(value).await;
                }
            });
        }
        let feeder = queue.clone();
        let expected = go(async move {
            let mut sum = 0;
            for n in 0..N {
                let value = PRIMES[n as usize % PRIMES.len()];
                sum += value;
                feeder.send(value).await;
            }
            feeder.close();
            wg.wait().await;
            sum
        });
        let (mut sum, mut count) = (0, 0);
        while count < N {
            sum += results.recv().await.unwrap();
            count += 1;
        }
        assert_eq!(sum, expected.await.unwrap());
    }

    #[gmp::test]
    async fn a_goroutine_may_queue_on_one_channel_several_times() {
        let (c, d, e) = (chan::<u32>(0), chan::<u32>(0), chan::<u32>(0));
        let (arm, wake, done) = (c.clone(), d.clone(), e.clone());
        drop(go(async move {
            select! { recv(arm) -> _ => (), recv(arm) -> _ => (), recv(wake) -> _ => () }
            done.send(9).await;
        }));
        yield_now().await;
        let second = c.clone();
        let waiting = go(async move { second.recv().await });
        yield_now().await;
        d.send(7).await;
        assert_eq!(e.recv().await, Some(9));
        c.send(8).await;
        assert_eq!(waiting.await.unwrap(), Some(8));
    }
}
