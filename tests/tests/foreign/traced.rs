//! Goroutines are traced at random moments while they wait in foreign futures, and come to the same results.
//!
//! `GMP_TRACE_ROUNDS` rounds of each program, a few by default; each has its seed.

use std::future::Future;
use std::time::Duration;

use futures_util::future::{FutureExt, join_all, select_all};
use futures_util::stream::{FuturesUnordered, StreamExt};
use gmp::leak::{Options, find_with};
use gmp::{JoinHandle, go, yield_now};

const NUMBERS: u64 = 24;

fn rounds() -> u64 {
    let rounds = std::env::var("GMP_TRACE_ROUNDS").ok();
    rounds.map_or(10, |rounds| rounds.parse().expect("GMP_TRACE_ROUNDS is a number"))
}

/// Says which seed it was if the test ends in the middle of a round.
struct Round(u64);

impl Drop for Round {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("in the round of seed {}", self.0);
        }
    }
}

/// Marsaglia's xorshift64, so that a round can be repeated.
struct Rng(u64);

impl Rng {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}

/// Lets the others run a little, at random. On several Ps now and then for a while, so that there are moments in which
/// everybody waits.
async fn pause(rng: &mut Rng) {
    if gmp::runtime::procs() > 1 && rng.below(4) == 0 {
        gmp::time::sleep(Duration::from_micros(100)).await;
    }
    for _ in 0..rng.below(3) {
        yield_now().await;
    }
}

/// Waits for `work`, and traces every goroutine of the scope at random moments meanwhile. True if one that was
/// stuck in a foreign future was seen.
async fn watch<T>(work: JoinHandle<T>, rng: &mut Rng) -> (T, bool) {
    let options = Options::new().linger(Duration::ZERO);
    let mut seen = false;
    while !work.is_finished() {
        pause(rng).await;
        let found = find_with(&options).expect("settings that can be read");
        seen |= found.iter().any(|finding| finding.stacks.iter().any(|stack| !stack.is_empty()));
    }
    (work.await.expect("no panic"), seen)
}

/// Runs `program` in many rounds, traced and not, and compares what it comes to.
async fn assert_same<T, F>(program: impl Fn(u64) -> F)
where
    T: PartialEq + std::fmt::Debug + Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let mut seen = false;
    for seed in 0..rounds() {
        let _round = Round(seed);
        let expected = program(seed).await;
        let (result, traced) = watch(go(program(seed)), &mut Rng::new(seed)).await;
        assert_eq!(result, expected, "seed {seed}");
        seen |= traced;
    }
    // On several Ps a look that finds nobody on the way is luck.
    assert!(
        seen || gmp::runtime::procs() > 1,
        "no trace has shown a stack: the test tests nothing"
    );
}

/// Two senders, one receiver: what each sender sent, in the order it came.
macro_rules! two_senders {
    ($seed:expr, $channel:expr, |$to:ident, $number:ident| $send:expr, |$from:ident| $receive:expr) => {{
        let (to, from) = $channel;
        for sender in 0..2 {
            let ($to, mut rng) = (to.clone(), Rng::new($seed + sender));
            go(async move {
                for i in 0..NUMBERS {
                    pause(&mut rng).await;
                    let $number = sender * NUMBERS + i;
                    $send.await.expect("the receiver lives");
                }
            });
        }
        drop(to);
        #[allow(unused_mut, reason = "some kinds of channel receive by a shared reference")]
        let (mut $from, mut rng, mut got) = (from, Rng::new(!$seed), [Vec::new(), Vec::new()]);
        while let Some(number) = $receive {
            pause(&mut rng).await;
            got[(number / NUMBERS) as usize].push(number);
        }
        got
    }};
}

/// A test on one P, and the same on four.
macro_rules! on_one_and_four {
    ($($name:ident => $program:expr;)*) => {
        $(
            mod $name {
                use super::*;

                #[gmp::test]
                async fn on_one_p() {
                    assert_same($program).await;
                }

                #[gmp::test(procs = 4)]
                async fn on_four_ps() {
                    assert_same($program).await;
                }
            }
        )*
    };
}

#[gmp::test]
async fn async_channel() {
    assert_same(|seed| async move {
        two_senders!(seed, async_channel::bounded(1), |to, number| to.send(number), |from| from
            .recv()
            .await
            .ok())
    })
    .await;
}

#[gmp::test]
async fn flume() {
    assert_same(|seed| async move {
        two_senders!(seed, flume::bounded(0), |to, number| to.send_async(number), |from| from
            .recv_async()
            .await
            .ok())
    })
    .await;
}

#[gmp::test]
async fn tokio_mpsc() {
    assert_same(|seed| async move {
        two_senders!(seed, tokio::sync::mpsc::channel(1), |to, number| to.send(number), |from| from
            .recv()
            .await)
    })
    .await;
}

#[gmp::test]
async fn tokio_semaphore() {
    use std::sync::Arc;
    use tokio::sync::{Mutex, Semaphore};

    assert_same(|seed| async move {
        let (permits, sum) = (Arc::new(Semaphore::new(2)), Arc::new(Mutex::new(0)));
        let worker = |number: u64| {
            let (permits, sum) = (permits.clone(), sum.clone());
            let mut rng = Rng::new(seed + number);
            go(async move {
                let permit = permits.acquire().await.expect("never closed");
                pause(&mut rng).await;
                *sum.lock().await += number;
                drop(permit);
            })
        };
        let workers: Vec<_> = (0..NUMBERS).map(worker).collect();
        for worker in workers {
            worker.await.expect("no panic");
        }
        *sum.lock().await
    })
    .await;
}

/// Answers `number` after a while, through a oneshot channel.
async fn answer(number: u64, seed: u64) -> u64 {
    let (tell, told) = tokio::sync::oneshot::channel();
    let mut rng = Rng::new(seed + number);
    go(async move {
        pause(&mut rng).await;
        tell.send(number).expect("somebody waits");
    });
    told.await.expect("an answer")
}

#[gmp::test]
async fn combinators() {
    assert_same(|seed| async move {
        let answers = || (0..NUMBERS).map(|number| answer(number, seed));
        let few = join_all(answers().take(3)).await;
        let many = join_all(answers().chain(answers())).await;
        let unordered: FuturesUnordered<_> = answers().collect();
        let sum = unordered.fold(0, |sum, number| async move { sum + number }).await;
        (few, many, sum)
    })
    .await;
}

#[gmp::test]
async fn shared() {
    assert_same(|seed| async move {
        let shared = answer(7, seed).boxed().shared();
        let readers: Vec<_> = (0..4).map(|_| go(shared.clone())).collect();
        let mut sum = 0;
        for reader in readers {
            sum += reader.await.expect("no panic");
        }
        sum
    })
    .await;
}

#[gmp::test]
async fn streams() {
    assert_same(|seed| async move {
        let (to, from) = async_channel::bounded(1);
        go(async move {
            for number in 0..NUMBERS {
                to.send(number).await.expect("the receiver lives");
            }
        });
        let answers = from.map(|number| answer(number, seed)).buffered(4);
        answers.collect::<Vec<_>>().await
    })
    .await;
}

/// Each waits for the one before, through `Notify`; the order is what is counted.
async fn notified(seed: u64) -> Vec<u64> {
    use std::sync::{Arc, Mutex};
    use tokio::sync::Notify;

    let order = Arc::new(Mutex::new(Vec::new()));
    let turns: Vec<Arc<Notify>> = (0..=NUMBERS).map(|_| Arc::default()).collect();
    let waits = |number: usize| {
        let (own, next, order) = (turns[number].clone(), turns[number + 1].clone(), order.clone());
        let mut rng = Rng::new(seed + number as u64);
        go(async move {
            own.notified().await;
            pause(&mut rng).await;
            order.lock().expect("no panic").push(number as u64);
            next.notify_one();
        })
    };
    let all: Vec<_> = (0..NUMBERS as usize).map(waits).collect();
    turns[0].notify_one();
    for one in all {
        one.await.expect("no panic");
    }
    let order = order.lock().expect("no panic");
    order.clone()
}

/// Every receiver gets every value.
async fn broadcast(seed: u64) -> Vec<Vec<u64>> {
    let (to, _) = tokio::sync::broadcast::channel(NUMBERS as usize);
    let receives = |number: u64| {
        let (mut from, mut rng) = (to.subscribe(), Rng::new(seed + number));
        go(async move {
            let mut got = Vec::new();
            while let Ok(number) = from.recv().await {
                pause(&mut rng).await;
                got.push(number);
            }
            got
        })
    };
    let receivers: Vec<_> = (0..3).map(receives).collect();
    let mut rng = Rng::new(!seed);
    for number in 0..NUMBERS {
        pause(&mut rng).await;
        to.send(number).expect("somebody receives");
    }
    drop(to);
    let mut all = Vec::new();
    for receiver in receivers {
        all.push(receiver.await.expect("no panic"));
    }
    all
}

/// Whoever watches may miss values, and ends with the last.
async fn watched(seed: u64) -> Vec<u64> {
    let (to, from) = tokio::sync::watch::channel(0);
    let watches = |number: u64| {
        let (mut from, mut rng) = (from.clone(), Rng::new(seed + number));
        go(async move {
            while from.changed().await.is_ok() {
                pause(&mut rng).await;
            }
            *from.borrow()
        })
    };
    let watchers: Vec<_> = (0..3).map(watches).collect();
    let mut rng = Rng::new(!seed);
    for number in 1..=NUMBERS {
        pause(&mut rng).await;
        to.send(number).expect("somebody watches");
    }
    drop(to);
    let mut last = Vec::new();
    for watcher in watchers {
        last.push(watcher.await.expect("no panic"));
    }
    last
}

/// Takes the answers one by one, whichever comes first.
async fn selected(seed: u64) -> u64 {
    let mut waits: Vec<_> = (0..NUMBERS).map(|number| answer(number, seed).boxed()).collect();
    let mut sum = 0;
    while !waits.is_empty() {
        let (number, _, rest) = select_all(waits).await;
        sum += number;
        waits = rest;
    }
    sum
}

on_one_and_four! {
    tokio_notify => notified;
    tokio_broadcast => broadcast;
    tokio_watch => watched;
    a_select_of_all => selected;
    channels => |seed| async move {
        two_senders!(seed, tokio::sync::mpsc::channel(1), |to, number| to.send(number), |from| from
            .recv()
            .await)
    };
}
