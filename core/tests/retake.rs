//! Polls and blocking calls that do not end: their Ps go to other threads.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use gmp_core::runtime::{self, Builder, Runtime};
use gmp_core::time::sleep;
use gmp_core::{blocking, chan, go, yield_now};
use support::{Life, panic_text, rounds};

fn with_procs(procs: usize) -> Runtime {
    Builder::new().procs(procs).build()
}

fn spin_until(flag: &AtomicBool) {
    while !flag.load(Ordering::Acquire) {
        core::hint::spin_loop();
    }
}

#[test]
fn a_goroutine_starts_while_as_many_spin_as_there_are_ps() {
    for procs in 1..=3 {
        let runtime = with_procs(procs);
        let stop = Arc::new(AtomicBool::new(false));
        let spinners: Vec<_> = (0..procs)
            .map(|_| stop.clone())
            .map(|stop| runtime.go(async move { spin_until(&stop) }))
            .collect();
        let ends_it = runtime.go(async move {
            yield_now().await;
            stop.store(true, Ordering::Release);
        });
        runtime.block_on(async {
            ends_it.await.unwrap();
            for spinner in spinners {
                spinner.await.unwrap();
            }
        });
    }
}

#[test]
fn a_long_poll_keeps_its_p_while_nobody_waits_for_it() {
    let runtime = with_procs(2);
    let long = runtime.go(async {
        let began = Instant::now();
        while began.elapsed() < Duration::from_millis(100) {
            core::hint::spin_loop();
        }
    });
    runtime.block_on(long).unwrap();
    assert_eq!(runtime.metrics().retakes, 0);
}

/// The other protocol by which Ps change hands: what the tests here show holds for it too.
#[test]
fn where_the_system_offers_no_membarrier_ps_are_handed_over_all_the_same() {
    let these =
        ["every_spinner_gets_on_and_so_does_everybody_else", "blocking_calls_give_their_p_away"];
    let ran = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "work_goes_on_beside_polls_of_all_lengths"])
        .args(these)
        .env("GMP_DEBUG", "membarrieroff=1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert!(ran.status.success() && text.contains("3 passed"), "{text}");
}

/// More looks than sysmon needs for a slice, wherever it begins in it, and however often it looks.
const MANY_LOOKS: usize = 100;

/// Whether sysmon has looked while `f` ran. Its looks are the time here: it may come late, and so may whom it asks.
fn is_seen_by_sysmon(f: impl FnOnce()) -> bool {
    let looks = || runtime::metrics().sysmon_rounds;
    let before = looks();
    f();
    looks() != before
}

/// Spins for so long, unless the system runs others meanwhile.
fn spin_for(time: Duration) {
    let began = Instant::now();
    while began.elapsed() < time {
        core::hint::spin_loop();
    }
}

/// Two that wake each other inherit one slice: what else is ready on their P need not wait for longer.
#[test]
fn two_that_wake_each_other_with_long_polls_leave_their_p_after_a_slice() {
    let runtime = with_procs(1);
    let (ball, turns) = (chan::<()>(0), Arc::new(AtomicUsize::new(0)));
    let others = Arc::new(AtomicBool::new(false));
    let player = |serves: bool| {
        let (ball, turns, others) = (ball.clone(), turns.clone(), others.clone());
        async move {
            if serves {
                ball.send(()).await;
            }
            while ball.recv().await.is_some() {
                let seen = is_seen_by_sysmon(|| spin_for(Duration::from_millis(2)));
                turns.fetch_add(seen.into(), Ordering::Relaxed);
                if others.load(Ordering::Acquire) { ball.close() } else { ball.send(()).await }
            }
        }
    };
    let (one, two) = (player(true), player(false));
    let (seen, waits) = (turns.clone(), others.clone());
    let after = runtime
        .block_on(runtime.go(async move {
            let players = [go(one), go(two)];
            yield_now().await;
            while seen.load(Ordering::Relaxed) < 2 {
                yield_now().await;
            }
            let before = seen.load(Ordering::Relaxed);
            // To the end of the queue, behind what they do in `runnext`.
            yield_now().await;
            let after = seen.load(Ordering::Relaxed) - before;
            waits.store(true, Ordering::Release);
            for player in players {
                player.await.unwrap();
            }
            after
        }))
        .unwrap();
    assert!(after < MANY_LOOKS, "it waited for {after} turns that sysmon has seen");
}

/// Nobody may steal from the P of a runtime with one, and its M cannot say otherwise before its poll ends.
#[test]
fn what_waits_behind_a_spinning_poll_runs_when_there_are_more_ps() {
    let runtime = with_procs(1);
    let flags = Arc::new([AtomicBool::new(false), AtomicBool::new(false)]);
    let ours = flags.clone();
    let spinner = runtime.go(async move {
        let others = ours.clone();
        drop(go(async move { others[1].store(true, Ordering::Release) }));
        ours[0].store(true, Ordering::Release);
        spin_until(&ours[1]);
    });
    spin_until(&flags[0]);
    runtime.set_procs(2);
    runtime.block_on(spinner).unwrap();
}

/// Sysmon asks a poll that performs operations to yield before anything has to be taken from it. Each operation
/// takes a while here, so that their number alone would come to it much later.
#[test]
fn a_loop_over_a_ready_channel_yields_when_it_is_asked_to() {
    let ran = support::run_alone("yields_though_nothing_is_taken", "retakeoff=1");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stdout));
}

#[test]
#[ignore = "run by the test above"]
fn yields_though_nothing_is_taken() {
    let runtime = with_procs(1);
    let others = Arc::new(AtomicBool::new(false));
    let seen = others.clone();
    let hog = runtime.go(async move {
        drop(go(async move { others.store(true, Ordering::Release) }));
        let ch = chan::<usize>(1);
        let mut n = 0;
        while !seen.load(Ordering::Acquire) {
            ch.send(n).await;
            n = ch.recv().await.unwrap();
            n += usize::from(is_seen_by_sysmon(|| spin_for(Duration::from_micros(100))));
        }
        n
    });
    let looks = runtime.block_on(hog).unwrap();
    assert!(looks < MANY_LOOKS, "it yielded after sysmon had looked {looks} times");
    assert_eq!(runtime.handle().metrics().retakes, 0);
}

#[test]
fn what_a_spinning_poll_starts_and_wakes_runs() {
    let runtime = with_procs(1);
    let (ping, pong) = (chan::<u32>(0), chan::<u32>(0));
    let (rx, tx) = (ping.clone(), pong.clone());
    let echo = runtime.go(async move {
        while let Some(n) = rx.recv().await {
            tx.send(n).await;
        }
    });
    let hog = runtime.go(async move {
        ping.send(1).await;
        assert_eq!(pong.recv().await, Some(1));
        // From here on in one poll: started before and after the P is gone.
        let done = Arc::new(AtomicUsize::new(0));
        for n in 1..=3 {
            let more = done.clone();
            drop(go(async move {
                more.fetch_add(1, Ordering::Release);
            }));
            while done.load(Ordering::Acquire) < n {
                core::hint::spin_loop();
            }
        }
        ping.close();
    });
    runtime.block_on(async {
        hog.await.unwrap();
        echo.await.unwrap();
    });
}

#[test]
fn a_poll_that_lost_its_p_goes_on_as_a_goroutine() {
    let runtime = with_procs(1);
    let stop = Arc::new(AtomicBool::new(false));
    let seen = stop.clone();
    let life = Life::default();
    let value = life.make(0);
    let hog = runtime.go(async move {
        let _value = value;
        for _ in 0..3 {
            spin_until(&seen);
            yield_now().await;
            sleep(Duration::from_micros(100)).await;
        }
        7
    });
    let other = runtime.go(async move { stop.store(true, Ordering::Release) });
    assert_eq!(runtime.block_on(hog).unwrap(), 7);
    runtime.block_on(other).unwrap();
    assert_eq!(life.alive(), 0);
}

#[test]
fn a_timer_fires_while_the_only_p_is_in_a_spinning_poll() {
    let runtime = with_procs(1);
    let stop = Arc::new(AtomicBool::new(false));
    let seen = stop.clone();
    let hog = runtime.go(async move { spin_until(&seen) });
    let timer = runtime.go(async move {
        sleep(Duration::from_millis(1)).await;
        stop.store(true, Ordering::Release);
    });
    runtime.block_on(async {
        timer.await.unwrap();
        hog.await.unwrap();
    });
}

/// More calls that block at a time than there are Ps: each needs another one to end.
#[test]
fn blocking_calls_give_their_p_away() {
    let runtime = with_procs(2);
    let calls = 20;
    let barrier = Arc::new(std::sync::Barrier::new(calls));
    let all: Vec<_> = (0..calls)
        .map(|_| barrier.clone())
        .map(|barrier| {
            runtime.go(async move {
                let borrowed = &barrier;
                blocking(|| borrowed.wait());
            })
        })
        .collect();
    runtime.block_on(async {
        for one in all {
            one.await.unwrap();
        }
    });
}

/// As Go's `exitsyscall`.
#[test]
fn a_poll_takes_an_idle_p_when_its_call_comes_back_without_one() {
    let runtime = with_procs(1);
    let handle = runtime.handle();
    let calls = runtime.go(async move {
        let other = go(async {});
        blocking(|| {
            while handle.metrics().blocking_retakes == 0 || handle.metrics().idle_procs == 0 {
                thread::yield_now();
            }
        });
        let idle = handle.metrics().idle_procs;
        // What is polled there is known again.
        let (trace, own) = (handle.schedtrace(true), gmp_core::snapshot::who().unwrap().0.get());
        let shown = format!(" p=0 curg={own} ");
        assert!(trace.contains(&shown), "{trace}");
        let before = handle.metrics().total();
        let next = go(async {});
        other.await.unwrap();
        next.await.unwrap();
        let after = handle.metrics().total();
        (idle, after.local - before.local, after.global - before.global)
    });
    // The second dispatch of this one itself is local, too.
    assert_eq!(runtime.block_on(calls).unwrap(), (0, 2, 0));
}

#[test]
fn a_poll_that_blocks_without_saying_so_loses_its_p_too() {
    let runtime = with_procs(1);
    let (tx, rx) = std::sync::mpsc::channel();
    let waits = runtime.go(async move { rx.recv().unwrap() });
    let sends = runtime.go(async move { tx.send(5).unwrap() });
    assert_eq!(runtime.block_on(waits).unwrap(), 5);
    runtime.block_on(sends).unwrap();
}

#[test]
fn blocking_is_a_plain_call_elsewhere() {
    assert_eq!(blocking(|| 1), 1);
    let driven = Runtime::new();
    assert_eq!(driven.block_on(async { blocking(|| blocking(|| 2)) }), 2);
    let runtime = with_procs(1);
    assert_eq!(runtime.block_on(async { blocking(|| 3) }), 3);
    assert_eq!(runtime.block_on(runtime.go(async { blocking(|| blocking(|| 4)) })).unwrap(), 4);
}

#[test]
fn a_blocking_call_that_panics_gives_the_panic() {
    let runtime = with_procs(1);
    let caught = runtime.go(async { panic_text(|| blocking(|| panic!("inside"))) });
    assert_eq!(runtime.block_on(caught).unwrap(), "inside");
    assert_eq!(runtime.block_on(runtime.go(async { 1 })).unwrap(), 1);
}

#[test]
fn every_spinner_gets_on_and_so_does_everybody_else() {
    for procs in [1, 2, 4] {
        let runtime = with_procs(procs);
        let counters: Arc<Vec<AtomicUsize>> =
            Arc::new((0..procs + 1).map(|_| AtomicUsize::new(0)).collect());
        let stop = Arc::new(AtomicBool::new(false));
        let spinners: Vec<_> = (0..counters.len())
            .map(|i| (i, counters.clone(), stop.clone()))
            .map(|(i, counters, stop)| {
                runtime.go(async move {
                    while !stop.load(Ordering::Relaxed) {
                        counters[i].fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        while counters.iter().any(|counter| counter.load(Ordering::Relaxed) < 1_000) {
            thread::yield_now();
        }
        stop.store(true, Ordering::Relaxed);
        runtime.block_on(async {
            for spinner in spinners {
                spinner.await.unwrap();
            }
        });
    }
}

#[test]
fn work_goes_on_beside_polls_of_all_lengths() {
    let runtime = with_procs(2);
    let began = Instant::now();
    let all: Vec<_> = (0..rounds(400))
        .map(|i| {
            runtime.go(async move {
                for step in 0..4 {
                    match (i + step) % 23 {
                        0 => blocking(|| thread::sleep(Duration::from_micros(300))),
                        7 => thread::sleep(Duration::from_millis(1)),
                        9 => sleep(Duration::from_micros(200)).await,
                        _ => yield_now().await,
                    }
                }
                1
            })
        })
        .collect();
    let done: usize = runtime.block_on(async {
        let mut sum = 0;
        for one in all {
            sum += one.await.unwrap();
        }
        sum
    });
    assert_eq!(done, rounds(400));
    assert!(began.elapsed() < Duration::from_secs(60));
}

#[test]
fn a_runtime_whose_ps_were_taken_away_ends_cleanly() {
    let life = Life::default();
    let runtime = with_procs(1);
    let stop = Arc::new(AtomicBool::new(false));
    for i in 0..4 {
        let (value, stop) = (life.make(i), stop.clone());
        drop(runtime.go(async move {
            let _value = value;
            blocking(|| {
                while !stop.load(Ordering::Acquire) {
                    thread::sleep(Duration::from_micros(100));
                }
            });
            chan::<u32>(0).recv().await;
        }));
    }
    runtime.block_on(async { go(async {}).await.unwrap() });
    stop.store(true, Ordering::Release);
    drop(runtime);
    assert_eq!(life.alive(), 0);
}

/// Two flags, both set at the end, whatever that is.
#[derive(Default)]
struct Stops([Arc<AtomicBool>; 2]);

impl Drop for Stops {
    fn drop(&mut self) {
        self.0.iter().for_each(|stop| stop.store(true, Ordering::Release));
    }
}

/// Two spin on two Ps, then there is one: sysmon stays awake beside the poll on the second, and the trace has it.
#[test]
fn a_poll_on_a_p_that_is_one_too_many_is_watched_and_shown() {
    let runtime = with_procs(2);
    let stops = Stops::default();
    let (began, begun) = std::sync::mpsc::channel();
    let mut spinners: Vec<_> = stops
        .0
        .iter()
        .map(|stop| (stop.clone(), began.clone()))
        .map(|(stop, began)| {
            runtime.go(async move {
                began.send(()).unwrap();
                spin_until(&stop);
            })
        })
        .collect();
    spinners.iter().for_each(|_| begun.recv().unwrap());
    runtime.set_procs(1);
    let detail = || runtime.handle().schedtrace(true);
    let on_second = |g: &str| {
        let m = detail().lines().find(|line| line.contains(": p=1 ")).map(str::to_string);
        m.is_some_and(|m| m.contains(&format!(" curg={g} ")))
    };
    let ids: Vec<String> = spinners.iter().map(|g| g.id().get().to_string()).collect();
    let second = ids.iter().position(|id| on_second(id)).unwrap_or_else(|| panic!("{}", detail()));
    stops.0[1 - second].store(true, Ordering::Release);
    runtime.block_on(spinners.remove(1 - second)).unwrap();
    while runtime.metrics().idle_procs == 0 {
        thread::yield_now();
    }
    let rounds = || runtime.metrics().sysmon_rounds;
    let (before, since) = (rounds(), Instant::now());
    while rounds() < before + 200 {
        assert!(since.elapsed() < Duration::from_secs(60), "sysmon sleeps");
        thread::yield_now();
    }
    let trace = detail();
    assert!(trace.lines().any(|line| line.starts_with("  P1: status=1 ")), "{trace}");
    assert!(on_second(&ids[second]), "{trace}");
    stops.0[second].store(true, Ordering::Release);
    runtime.block_on(spinners.remove(0)).unwrap();
    // Given up it is shown no more.
    while detail().contains("P1: ") {
        thread::yield_now();
    }
}
