//! Runtimes with several Ps: work spreads, nothing is lost, nothing is run twice, the end is clean.

mod support;

use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use gmp_core::runtime::{Builder, Runtime};
use gmp_core::time::sleep;
use gmp_core::{chan, go, yield_now};
use support::{Life, Rng, panic_text, rounds, spin_until};

fn with_procs(procs: usize) -> Runtime {
    Builder::new().procs(procs).build()
}

#[test]
fn goroutines_run_while_nobody_blocks_on_the_runtime() {
    let runtime = with_procs(1);
    let (tx, rx) = mpsc::channel();
    drop(runtime.go(async move { tx.send(thread::current().id()).unwrap() }));
    assert_ne!(rx.recv().unwrap(), thread::current().id());
}

#[test]
fn the_main_goroutine_stays_on_its_thread() {
    let runtime = with_procs(4);
    let here = thread::current().id();
    let not_send = Rc::new(5);
    let borrowed = &not_send;
    let got = runtime.block_on(async {
        let (ping, pong) = (chan::<u32>(0), chan::<u32>(0));
        let (rx, tx) = (ping.clone(), pong.clone());
        drop(go(async move {
            while let Some(n) = rx.recv().await {
                tx.send(n + 1).await;
            }
        }));
        for n in 0..rounds(2_000) as u32 {
            ping.send(n).await;
            assert_eq!(pong.recv().await, Some(n + 1));
            assert_eq!(thread::current().id(), here);
            yield_now().await;
        }
        ping.close();
        **borrowed
    });
    assert_eq!(got, 5);
}

#[test]
fn several_threads_block_on_one_runtime() {
    let runtime = with_procs(2);
    thread::scope(|s| {
        for n in 0..4 {
            let runtime = &runtime;
            s.spawn(move || {
                let doubled =
                    runtime.block_on(async move { go(async move { 2 * n }).await.unwrap() });
                assert_eq!(doubled, 2 * n);
            });
        }
    });
}

#[test]
fn the_panic_of_main_comes_out_and_the_runtime_goes_on() {
    let runtime = with_procs(2);
    assert_eq!(panic_text(|| runtime.block_on(async { panic!("out") })), "out");
    let joined = runtime.block_on(runtime.go(async { panic!("in") }));
    assert!(joined.is_err());
    assert_eq!(runtime.block_on(async { 1 }), 1);
}

#[test]
fn a_blocking_call_inside_an_async_main_panics() {
    let runtime = with_procs(2);
    let text = panic_text(|| {
        runtime.block_on(async { chan::<u32>(1).blocking_recv() });
    });
    assert!(text.contains("blocking call inside a goroutine"), "{text}");
}

/// A poll that does not end until all it started has run elsewhere: in its queue, and next.
#[test]
fn what_a_busy_p_has_queued_is_stolen_down_to_the_last() {
    for n in [1, 2, 100, 1_000] {
        let runtime = with_procs(2);
        let left = Arc::new(AtomicUsize::new(n));
        let hog = runtime.go(async move {
            for _ in 0..n {
                let left = left.clone();
                drop(go(async move {
                    left.fetch_sub(1, Ordering::Release);
                }));
            }
            while left.load(Ordering::Acquire) != 0 {
                thread::yield_now();
            }
        });
        runtime.block_on(hog).unwrap();
    }
}

#[test]
fn two_that_wake_each_other_leave_time_for_a_third() {
    for procs in [1, 2, 4] {
        let runtime = with_procs(procs);
        let stop = Arc::new(AtomicBool::new(false));
        let (a, b) = (chan::<()>(0), chan::<()>(0));
        let (rx, tx, done) = (a.clone(), b.clone(), stop.clone());
        let ping = runtime.go(async move {
            while !done.load(Ordering::Relaxed) {
                a.send(()).await;
                b.recv().await;
            }
            a.close();
        });
        let pong = runtime.go(async move {
            while rx.recv().await.is_some() {
                tx.send(()).await;
            }
        });
        let third = runtime.go(async move {
            for _ in 0..rounds(1_000) {
                yield_now().await;
            }
            stop.store(true, Ordering::Relaxed);
        });
        runtime.block_on(async {
            third.await.unwrap();
            ping.await.unwrap();
            pong.await.unwrap();
        });
    }
}

#[test]
fn whoever_yields_sees_what_others_do() {
    for procs in 1..=3 {
        let runtime = with_procs(procs);
        let flag = Arc::new(AtomicBool::new(false));
        let seen = flag.clone();
        let waits = runtime.go(async move {
            while !seen.load(Ordering::Acquire) {
                yield_now().await;
            }
        });
        let sets = runtime.go(async move { flag.store(true, Ordering::Release) });
        runtime.block_on(async {
            waits.await.unwrap();
            sets.await.unwrap();
        });
    }
}

/// Goroutines that pass tokens round a ring of channels in both directions, with sleeps between.
async fn ring(members: usize, laps: usize, seed: u64) -> usize {
    let links: Vec<_> = (0..members).map(|i| chan::<usize>(i % 3)).collect();
    let mut rng = Rng::new(seed);
    let all: Vec<_> = (0..members)
        .map(|i| {
            let (rx, tx) = (links[i].clone(), links[(i + 1) % members].clone());
            let (naps, yields) = (rng.chance(20), rng.chance(50));
            go(async move {
                let mut passed = 0;
                while let Some(token) = rx.recv().await {
                    passed += 1;
                    if naps && token % 7 == 0 {
                        sleep(Duration::from_micros(50)).await;
                    }
                    if yields {
                        yield_now().await;
                    }
                    if token == 0 {
                        break;
                    }
                    tx.send_checked(token - 1).await.ok();
                }
                tx.close();
                passed
            })
        })
        .collect();
    links[0].send(members * laps).await;
    let mut passed = 0;
    for one in all {
        passed += one.await.unwrap();
    }
    passed
}

#[test]
fn no_wake_is_lost_on_one_to_sixteen_ps() {
    for procs in 1..=16 {
        let runtime = with_procs(procs);
        let (members, laps) = (7, rounds(40));
        let rings: Vec<_> =
            (0..6).map(|seed| runtime.go(ring(members, laps, seed + 100 * procs as u64))).collect();
        runtime.block_on(async {
            for ring in rings {
                assert_eq!(ring.await.unwrap(), members * laps + 1);
            }
        });
        // Whoever joins may be faster than the last step of a goroutine's end.
        while runtime.scope().live() != 0 {
            thread::yield_now();
        }
    }
}

#[test]
fn a_tree_of_goroutines_is_joined_whole() {
    fn tree(depth: usize) -> std::pin::Pin<Box<dyn Future<Output = usize> + Send>> {
        Box::pin(async move {
            if depth == 0 {
                return 1;
            }
            let below: Vec<_> = (0..10).map(|_| go(tree(depth - 1))).collect();
            let mut sum = 0;
            for one in below {
                sum += one.await.unwrap();
            }
            sum
        })
    }
    for procs in [1, 2, 4] {
        let runtime = with_procs(procs);
        assert_eq!(runtime.block_on(tree(4)), 10_000);
    }
}

#[test]
fn timers_fire_on_an_idle_runtime_and_an_earlier_one_comes_first() {
    let runtime = with_procs(2);
    let long = runtime.go(sleep(Duration::from_secs(3600)));
    let began = Instant::now();
    for millis in [5, 1, 2] {
        runtime.block_on(runtime.go(sleep(Duration::from_millis(millis)))).unwrap();
    }
    assert!(began.elapsed() >= Duration::from_millis(8) && began.elapsed().as_secs() < 60);
    assert!(!long.is_finished());
}

#[test]
fn a_timer_fires_beside_a_poll_that_does_not_end() {
    let runtime = with_procs(2);
    let stop = Arc::new(AtomicBool::new(false));
    let seen = stop.clone();
    let busy = runtime.go(async move { spin_until(&seen) });
    runtime.block_on(async {
        for _ in 0..20 {
            go(sleep(Duration::from_micros(500))).await.unwrap();
        }
        stop.store(true, Ordering::Release);
        busy.await.unwrap();
    });
}

#[test]
fn procs_go_up_and_down_beside_work() {
    let runtime = with_procs(2);
    let work = runtime.go(ring(8, rounds(2_000), 3));
    let mut rng = Rng::new(9);
    while !work.is_finished() {
        runtime.set_procs(1 + rng.below(8));
        thread::yield_now();
    }
    assert_eq!(runtime.block_on(work).unwrap(), 8 * rounds(2_000) + 1);
}

#[test]
fn dropping_the_runtime_waits_for_polls_and_drops_what_is_left() {
    for procs in [1, 4] {
        let life = Life::default();
        let runtime = with_procs(procs);
        let (tx, rx) = mpsc::channel();
        for i in 0..200 {
            let (value, tx) = (life.make(i), tx.clone());
            drop(runtime.go(async move {
                let _value = value;
                if i == 0 {
                    tx.send(()).unwrap();
                    thread::sleep(Duration::from_millis(20));
                }
                chan::<u32>(0).recv().await;
            }));
        }
        rx.recv().unwrap();
        drop(runtime);
        assert_eq!(life.alive(), 0);
    }
}

#[test]
fn a_shutdown_that_is_short_of_time_leaves_the_rest_to_the_poll() {
    let life = Life::default();
    let runtime = with_procs(2);
    let stop = Arc::new(AtomicBool::new(false));
    let (tx, rx) = mpsc::channel();
    let (value, seen) = (life.make(0), stop.clone());
    drop(runtime.go(async move {
        let _value = value;
        tx.send(()).unwrap();
        spin_until(&seen);
        chan::<u32>(0).recv().await;
    }));
    rx.recv().unwrap();
    assert!(!runtime.shutdown_timeout(Duration::from_millis(5)));
    assert_eq!(life.alive(), 1);
    stop.store(true, Ordering::Release);
    while life.alive() != 0 {
        thread::yield_now();
    }
}

#[test]
fn what_is_started_during_shutdown_is_dropped() {
    for round in 0..rounds(200) {
        let life = Life::default();
        let runtime = with_procs(2);
        let scope = runtime.scope().clone();
        let started = Arc::new(AtomicUsize::new(0));
        let spawner = {
            let (life, started) = (life.clone(), started.clone());
            thread::spawn(move || {
                let _entered = scope.enter();
                for i in 0..200 {
                    let value = life.make(i);
                    drop(go(async move {
                        let _value = value;
                        chan::<u32>(0).recv().await;
                    }));
                    started.fetch_add(1, Ordering::Release);
                }
            })
        };
        while started.load(Ordering::Acquire) < round % 200 {
            thread::yield_now();
        }
        drop(runtime);
        spawner.join().unwrap();
        assert_eq!(life.alive(), 0);
    }
}

#[test]
fn a_runtime_may_be_dropped_by_its_own_goroutine() {
    let life = Life::default();
    let runtime = Arc::new(with_procs(2));
    let (tx, rx) = mpsc::channel();
    let (value, inner) = (life.make(0), runtime.clone());
    drop(runtime.go(async move {
        let _value = value;
        chan::<u32>(0).recv().await;
    }));
    drop(runtime.go(async move {
        rx.recv().unwrap();
        drop(inner);
    }));
    drop(runtime);
    tx.send(()).unwrap();
    while life.alive() != 0 {
        thread::yield_now();
    }
}

/// Goroutines of two runtimes hand values to each other: each wake goes to the runtime of whoever is woken.
#[test]
fn goroutines_of_several_runtimes_wake_each_other() {
    let (one, two) = (Builder::new().procs(2).build(), Builder::new().procs(3).build());
    let (ping, pong) = (chan::<usize>(0), chan::<usize>(0));
    let players: Vec<_> = (0..4)
        .flat_map(|_| {
            let (rx, tx) = (ping.clone(), pong.clone());
            let answers = two.go(async move {
                while let Some(n) = rx.recv().await {
                    tx.send(n + 1).await;
                }
                0
            });
            let (tx, rx) = (ping.clone(), pong.clone());
            let asks = one.go(async move {
                let mut sum = 0;
                for n in 0..rounds(1_000) {
                    tx.send(n).await;
                    sum += rx.recv().await.unwrap() - 1;
                }
                sum
            });
            [answers, asks]
        })
        .collect();
    let sums = one.block_on(async {
        let (mut sums, mut answers) = (Vec::new(), Vec::new());
        for (i, player) in players.into_iter().enumerate() {
            if i % 2 == 1 { sums.push(player.await.unwrap()) } else { answers.push(player) }
        }
        ping.close();
        for answer in answers {
            answer.await.unwrap();
        }
        sums
    });
    let all: usize = (0..rounds(1_000)).sum();
    assert_eq!(sums.into_iter().sum::<usize>(), 4 * all, "each number came back once");
}
