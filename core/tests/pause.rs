//! A paused runtime: nothing moves, polls are seen whole, and everything goes on afterwards.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use gmp_core::runtime::{self, Builder, Runtime};
use gmp_core::time::sleep;
use gmp_core::{blocking, chan, go, snapshot, yield_now};
use support::{rounds, spin_until};

fn with_procs(procs: usize) -> Runtime {
    Builder::new().procs(procs).build()
}

/// Two figures of which each poll takes one from the first and gives it to the second, not at once.
#[derive(Default)]
struct Pair(AtomicUsize, AtomicUsize);

impl Pair {
    fn step(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
        thread::yield_now();
        self.1.fetch_add(1, Ordering::Relaxed);
    }
    fn read(&self) -> (usize, usize) {
        (self.0.load(Ordering::Relaxed), self.1.load(Ordering::Relaxed))
    }
}

#[test]
fn polls_are_seen_whole_at_any_number_of_ps() {
    let steps = rounds(400);
    for procs in 1..=8 {
        let runtime = with_procs(procs);
        let members = 2 * procs;
        let pair = Arc::new(Pair(AtomicUsize::new(members * steps), AtomicUsize::new(0)));
        let all: Vec<_> = (0..members)
            .map(|i| (i, pair.clone()))
            .map(|(i, pair)| {
                runtime.go(async move {
                    for step in 0..steps {
                        pair.step();
                        match (i + step) % 50 {
                            0 => sleep(Duration::from_micros(50)).await,
                            _ => yield_now().await,
                        }
                    }
                })
            })
            .collect();
        let mut whole = 0;
        while whole < 5 && !all.iter().all(gmp_core::JoinHandle::is_finished) {
            let paused = runtime.handle().pause();
            let (first, second) = pair.read();
            let running = paused.running().len();
            // A poll that the system has interrupted for so long is named.
            let missing = members * steps - (first + second);
            assert!(missing <= running, "{missing} steps are half done, {running} polls go on");
            if running == 0 {
                (0..100).for_each(|_| thread::yield_now());
                assert_eq!(pair.read(), (first, second), "somebody runs");
                whole += 1;
            }
        }
        runtime.block_on(async {
            for one in all {
                one.await.unwrap();
            }
        });
        assert_eq!(pair.read(), (0, members * steps));
    }
}

#[test]
fn a_poll_that_does_not_end_is_named() {
    for procs in 1..=8 {
        let runtime = with_procs(procs);
        let (stop, (tx, rx)) = (Arc::new(AtomicBool::new(false)), mpsc::channel());
        let seen = stop.clone();
        let busy = runtime.go(async move {
            tx.send(()).unwrap();
            spin_until(&seen);
        });
        rx.recv().unwrap();
        let paused = runtime.handle().pause();
        let running = paused.running();
        assert_eq!(running.len(), 1);
        assert_eq!(running[0].0, busy.id());
        assert_eq!(running[0].1.file(), file!());
        stop.store(true, Ordering::Release);
        drop(paused);
        runtime.block_on(busy).unwrap();
    }
}

/// Its M had lost its P in a poll; that is over.
#[test]
fn a_locked_goroutine_that_is_only_ready_is_not_named() {
    let runtime = with_procs(1);
    let (first, second, (tx, rx)) = (chan::<u32>(0), chan::<u32>(1), mpsc::channel());
    let (one, two) = (first.clone(), second.clone());
    let locked = runtime.go(async move {
        runtime::lock_os_thread();
        blocking(|| rx.recv().unwrap());
        (one.recv().await, two.recv().await)
    });
    // Runs on the P that was taken from the call.
    drop(runtime.go(async move { tx.send(()).unwrap() }));
    first.blocking_send(1);
    let paused = loop {
        let paused = runtime.handle().pause();
        if paused.running().is_empty() {
            break paused;
        }
    };
    second.blocking_send(2);
    assert_eq!(runtime.handle().pause().running(), []);
    drop(paused);
    assert_eq!(runtime.block_on(locked).unwrap(), (Some(1), Some(2)));
}

#[test]
fn each_of_several_long_polls_is_named_and_nobody_else() {
    for procs in [1, 2, 4] {
        let runtime = with_procs(procs);
        let (stop, (tx, rx)) = (Arc::new(AtomicBool::new(false)), mpsc::channel());
        let parked = runtime.go(async { chan::<u8>(0).recv().await });
        // Its own poll is over.
        while !snapshot::read(runtime.scope())[0].parked {
            thread::yield_now();
        }
        let busy: Vec<_> = (0..procs)
            .map(|_| (stop.clone(), tx.clone()))
            .map(|(stop, tx)| {
                runtime.go(async move {
                    tx.send(()).unwrap();
                    spin_until(&stop);
                })
            })
            .collect();
        busy.iter().for_each(|_| rx.recv().unwrap());
        let paused = runtime.handle().pause();
        let mut named: Vec<_> = paused.running().iter().map(|(id, _)| *id).collect();
        named.sort_unstable();
        let mut wanted: Vec<_> = busy.iter().map(|one| one.id()).collect();
        wanted.sort_unstable();
        // First: a spinner that is left would keep a failed test from ending.
        stop.store(true, Ordering::Release);
        drop(paused);
        assert_eq!(named, wanted);
        runtime.block_on(async {
            for one in busy {
                one.await.unwrap();
            }
        });
        drop(parked);
    }
}

#[test]
fn what_is_made_ready_in_a_pause_runs_after_it() {
    for procs in [1, 2, 4] {
        let runtime = with_procs(procs);
        let ch = chan::<u32>(0);
        let rx = ch.clone();
        let waits = runtime.go(async move { rx.recv().await });
        let sleeps = runtime.go(sleep(Duration::from_millis(1)));
        let paused = runtime.handle().pause();
        let sends = runtime.go(async move { ch.send(3).await });
        let began = std::time::Instant::now();
        while began.elapsed() < Duration::from_millis(5) {
            thread::yield_now();
        }
        assert!(!sends.is_finished() && !waits.is_finished());
        assert_eq!(runtime.metrics().idle_procs, 0, "none may be used");
        drop(paused);
        runtime.block_on(async {
            assert_eq!(waits.await.unwrap(), Some(3));
            sleeps.await.unwrap();
            sends.await.unwrap();
        });
    }
}

#[test]
fn pauses_overlap() {
    let runtime = with_procs(2);
    let (first, second) = (runtime.handle().pause(), runtime.handle().pause());
    let one = runtime.go(async { 1 });
    drop(first);
    (0..100).for_each(|_| thread::yield_now());
    assert!(!one.is_finished());
    drop(second);
    assert_eq!(runtime.block_on(one).unwrap(), 1);
}

#[test]
fn a_goroutine_pauses_the_others() {
    for procs in [1, 2, 4] {
        let runtime = with_procs(procs);
        let count = Arc::new(AtomicUsize::new(0));
        let stop = Arc::new(AtomicBool::new(false));
        let all: Vec<_> = (0..procs)
            .map(|_| (count.clone(), stop.clone()))
            .map(|(count, stop)| {
                runtime.go(async move {
                    while !stop.load(Ordering::Relaxed) {
                        count.fetch_add(1, Ordering::Relaxed);
                        yield_now().await;
                    }
                })
            })
            .collect();
        let pauser = runtime.go(async move {
            for _ in 0..20 {
                {
                    let paused = runtime::pause();
                    let before = count.load(Ordering::Relaxed);
                    (0..20).for_each(|_| thread::yield_now());
                    let after = count.load(Ordering::Relaxed);
                    assert!(after - before <= paused.running().len());
                }
                yield_now().await;
            }
            stop.store(true, Ordering::Relaxed);
        });
        runtime.block_on(async {
            pauser.await.unwrap();
            for one in all {
                one.await.unwrap();
            }
        });
    }
}

#[test]
fn procs_change_and_the_runtime_ends_in_a_pause() {
    let runtime = with_procs(2);
    let paused = runtime.handle().pause();
    runtime.set_procs(4);
    let one = runtime.go(async { 1 });
    (0..100).for_each(|_| thread::yield_now());
    assert!(!one.is_finished());
    drop(paused);
    assert_eq!(runtime.block_on(one).unwrap(), 1);
    assert_eq!(runtime.procs(), 4);
    let paused = runtime.handle().pause();
    let never = runtime.go(async { 2 });
    drop(runtime);
    assert!(gmp_core::block_on(never).unwrap_err().is_aborted());
    drop(paused);
}

#[test]
fn a_driven_runtime_is_paused_from_outside_and_from_inside() {
    let runtime = Runtime::new();
    let (handle, (tx, rx)) = (runtime.handle(), mpsc::channel());
    let count = Arc::new(AtomicUsize::new(0));
    let seen = count.clone();
    let pauser = thread::spawn(move || {
        for _ in 0..20 {
            let paused = handle.pause();
            if paused.running().is_empty() {
                let before = seen.load(Ordering::Relaxed);
                (0..20).for_each(|_| thread::yield_now());
                assert_eq!(seen.load(Ordering::Relaxed), before);
            }
        }
        tx.send(()).unwrap();
    });
    runtime.block_on(async {
        let inside = go(async { drop(runtime::pause()) });
        while rx.try_recv().is_err() {
            count.fetch_add(1, Ordering::Relaxed);
            yield_now().await;
        }
        inside.await.unwrap();
        sleep(Duration::from_millis(1)).await;
    });
    pauser.join().unwrap();
}
