//! The core behaviours of channels, select, locks, groups, contexts, timers and aborts on 1 to 16 Ps, all at the
//! same time: what one P decides in a fixed order several decide in any.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use gmp_core::context::{background, with_cancel};
use gmp_core::runtime::Builder;
use gmp_core::sync::{Mutex, WaitGroup};
use gmp_core::time::{after, sleep, timeout};
use gmp_core::{JoinHandle, blocking, chan, channel, go, select, yield_now};
use support::{Life, Rng, rounds};

/// Runs `work` on a runtime of each size and with each of a few seeds.
fn on_all<F>(work: impl Fn(u64, Life) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    for procs in [1, 2, 4, 8, 16] {
        let life = Life::default();
        let runtime = Builder::new().procs(procs).build();
        let all: Vec<_> =
            (0..3).map(|seed| runtime.go(work(seed + 100 * procs as u64, life.clone()))).collect();
        runtime.block_on(async {
            for one in all {
                one.await.expect("no panic");
            }
        });
        // Whoever joins may be faster than the last step of the goroutine's end.
        while runtime.scope().live() != 0 {
            std::thread::yield_now();
        }
        drop(runtime);
        assert_eq!(life.alive(), 0, "all values are gone on {procs} Ps");
    }
}

async fn join<T>(all: Vec<JoinHandle<T>>) -> Vec<T> {
    let mut results = Vec::new();
    for one in all {
        results.push(one.await.expect("no panic"));
    }
    results
}

#[test]
fn each_value_is_received_once_by_one_of_many() {
    on_all(|seed, life| async move {
        let (senders, each) = (4, rounds(200));
        for cap in [0, 1, 16] {
            let (tx, rx) = channel(cap);
            let sending = (0..senders).map(|s| {
                let (tx, life, mut rng) = (tx.clone(), life.clone(), Rng::new(seed + s));
                go(async move {
                    for i in 0..each {
                        tx.send(life.make(s as usize * each + i))
                            .await
                            .expect("receivers are there");
                        if rng.chance(10) {
                            yield_now().await;
                        }
                    }
                })
            });
            let sending: Vec<_> = sending.collect();
            let receiving = (0..4).map(|_| rx.clone()).map(|rx| {
                go(async move {
                    let mut got = Vec::new();
                    while let Some(value) = rx.recv().await {
                        got.push(value.id);
                    }
                    got
                })
            });
            let receiving: Vec<_> = receiving.collect();
            drop((tx, rx));
            join(sending).await;
            let mut got: Vec<_> = join(receiving).await.into_iter().flatten().collect();
            got.sort_unstable();
            assert!(got.into_iter().eq(0..senders as usize * each));
        }
    });
}

#[test]
fn a_select_loses_nothing_beside_aborts_and_timeouts() {
    on_all(|seed, life| async move {
        let (a, b, stop) = (chan(0), chan(1), chan::<()>(0));
        let received = Arc::new(AtomicUsize::new(0));
        let takers: Vec<_> = (0..4)
            .map(|_| (a.clone(), b.clone(), stop.clone(), received.clone()))
            .map(|(a, b, stop, received)| {
                go(async move {
                    loop {
                        select! {
                            recv(a) -> _ => received.fetch_add(1, Ordering::Relaxed),
                            recv(b) -> _ => received.fetch_add(1, Ordering::Relaxed),
                            recv(stop) -> _ => return,
                        };
                    }
                })
            })
            .collect();
        let mut rng = Rng::new(seed);
        let mut sent = 0;
        for i in 0..rounds(300) {
            let (to, value) = (if rng.chance(50) { a.clone() } else { b.clone() }, life.make(i));
            match rng.below(3) {
                0 => {
                    to.send(value).await;
                    sent += 1;
                }
                1 => {
                    let sent_in_time = timeout(Duration::from_secs(60), to.send(value)).await;
                    sent += usize::from(sent_in_time.is_ok());
                }
                _ => {
                    let held = value;
                    let waits = go(async move {
                        let _held = held;
                        chan::<u8>(0).recv().await;
                    });
                    waits.abort();
                    assert!(waits.await.unwrap_err().is_aborted());
                }
            }
        }
        while !b.is_empty() {
            yield_now().await;
        }
        stop.close();
        join(takers).await;
        assert_eq!(received.load(Ordering::Relaxed), sent);
    });
}

#[test]
fn locks_and_groups_count_right() {
    on_all(|seed, _| async move {
        let (count, group) = (Arc::new(Mutex::new(0)), WaitGroup::new());
        let mut all = Vec::new();
        for g in 0..8 {
            let (count, done, mut rng) = (count.clone(), group.clone(), Rng::new(seed + g));
            group.add(1);
            all.push(go(async move {
                for _ in 0..rounds(100) {
                    let mut count = count.lock().await;
                    *count += 1;
                    match rng.below(20) {
                        0 => yield_now().await,
                        1 => sleep(Duration::from_micros(20)).await,
                        2 => blocking(std::thread::yield_now),
                        _ => {}
                    }
                }
                done.done();
            }));
        }
        group.wait().await;
        join(all).await;
        assert_eq!(*count.lock().await, 8 * rounds(100));
    });
}

#[test]
fn a_tree_of_contexts_is_cancelled_whole() {
    on_all(|seed, life| async move {
        let mut rng = Rng::new(seed);
        let (root, cancel) = with_cancel(&background());
        let mut contexts = vec![root];
        let mut all = Vec::new();
        for i in 0..rounds(100) {
            let (below, handle) = with_cancel(&contexts[rng.below(contexts.len())]);
            contexts.push(below.clone());
            let value = life.make(i);
            all.push(go(async move {
                let _held = (value, handle);
                let never = after(Duration::from_secs(3600));
                select! {
                    _ = below.done() => (),
                    recv(never) -> _ => unreachable!("an hour is long"),
                }
            }));
            if rng.chance(20) {
                yield_now().await;
            }
        }
        cancel.cancel();
        join(all).await;
    });
}
