//! Go's tests of its scheduler.
//!
//! Left out: what is about the garbage collector, stacks, signals, cgo and the layout of Go's own structures.
//! The order of one P's ring is tested in `core/src/sched/runq.rs`, what a thief takes in `core/src/sched/p/tests.rs`,
//! and the order in which it comes by other Ps in `core/src/sched/find.rs`.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use gmp::runtime::{Builder, Runtime, lock_os_thread, unlock_os_thread};
use gmp::time::{after, sleep};
use gmp::{chan, go, yield_now};

fn with_procs(procs: usize) -> Runtime {
    Builder::new().procs(procs).build()
}

/// <https://github.com/golang/go/blob/master/src/runtime/proc_test.go>
mod proc_test {
    use super::*;

    #[test]
    fn changing_procs_from_two_goroutines_stops_nobody_for_ever() {
        let runtime = with_procs(3);
        let stop = Arc::new(AtomicBool::new(false));
        let (change, seen) = (runtime.handle(), stop.clone());
        let two = [2, 3].map(|procs| {
            let change = change.clone();
            runtime.go(async move {
                for _ in 0..100 {
                    change.set_procs(procs);
                    yield_now().await;
                }
            })
        });
        let beside = runtime.go(async move {
            while !seen.load(Ordering::Relaxed) {
                yield_now().await;
            }
        });
        runtime.block_on(async {
            for one in two {
                one.await.unwrap();
            }
            stop.store(true, Ordering::Relaxed);
            beside.await.unwrap();
        });
    }

    async fn yield_progress(locked: bool) {
        let (stop, ended) = (Arc::new(AtomicBool::new(false)), chan::<bool>(0));
        let (seen, tx) = (stop.clone(), ended.clone());
        drop(go(async move {
            if locked {
                lock_os_thread();
            }
            while !seen.load(Ordering::Relaxed) {
                yield_now().await;
            }
            tx.send(true).await;
        }));
        sleep(Duration::from_millis(2)).await;
        stop.store(true, Ordering::Relaxed);
        assert_eq!(ended.recv().await, Some(true));
    }

    #[test]
    fn a_loop_of_yields_lets_others_on() {
        for procs in [1, 2, 4] {
            for locked in [false, true] {
                let runtime = with_procs(procs);
                runtime.block_on(runtime.go(yield_progress(locked))).unwrap();
            }
        }
    }

    #[test]
    fn whoever_is_locked_to_its_thread_yields_and_sleeps() {
        let runtime = with_procs(2);
        let locked = runtime.go(async {
            lock_os_thread();
            for _ in 0..10 {
                yield_now().await;
                sleep(Duration::from_micros(100)).await;
            }
            // Not unlocked: its thread ends with it.
            7
        });
        assert_eq!(runtime.block_on(locked).unwrap(), 7);
    }

    #[test]
    fn whoever_is_locked_to_its_thread_receives() {
        let runtime = with_procs(2);
        let ch = chan::<bool>(0);
        let tx = ch.clone();
        drop(runtime.go(async move {
            lock_os_thread();
            for _ in 0..10 {
                tx.send(true).await;
            }
            unlock_os_thread();
            tx.close();
        }));
        let got = runtime.go(async move {
            let mut got = 0;
            while ch.recv().await.is_some() {
                got += 1;
            }
            got
        });
        assert_eq!(runtime.block_on(got).unwrap(), 10);
    }

    #[test]
    fn as_many_as_there_are_ps_run_at_the_same_time() {
        let procs = 4;
        let runtime = with_procs(procs);
        for _ in 0..10 {
            let turn = Arc::new(AtomicUsize::new(0));
            let all: Vec<_> = (0..procs)
                .map(|p| (p, turn.clone()))
                .map(|(p, turn)| {
                    runtime.go(async move {
                        for i in 0..3 {
                            let mine = procs * i + p;
                            while turn.load(Ordering::Acquire) != mine {
                                thread::yield_now();
                            }
                            turn.store(mine + 1, Ordering::Release);
                        }
                    })
                })
                .collect();
            runtime.block_on(async {
                for one in all {
                    one.await.unwrap();
                }
            });
        }
    }

    /// Go's `TestTimerFairness`: the loop ends by its timer alone.
    #[test]
    fn a_timer_comes_in_beside_a_channel_that_is_always_ready() {
        for procs in [1, 2, 4] {
            let runtime = with_procs(procs);
            let (ch, done) = (chan::<u32>(0), chan::<()>(0));
            let senders = [0, 1].map(|_| {
                let (ch, done) = (ch.clone(), done.clone());
                runtime.go(async move {
                    loop {
                        gmp::select! {
                            send(ch, 0) => (),
                            recv(done) -> _ => break,
                        }
                    }
                })
            });
            let receiver = runtime.go(async move {
                // A sender runs before the time begins.
                ch.recv().await;
                let timer = after(Duration::from_millis(20));
                loop {
                    gmp::select! {
                        recv(ch) -> _ => (),
                        recv(timer) -> _ => break,
                    }
                }
                done.close();
            });
            runtime.block_on(async {
                receiver.await.unwrap();
                for sender in senders {
                    sender.await.unwrap();
                }
            });
        }
    }

    /// Go's `TestTimerFairness2`, with calls that block and return at once.
    #[test]
    fn timers_come_in_beside_channels_and_short_calls_that_block() {
        for procs in [1, 2, 4] {
            let runtime = with_procs(procs);
            let (ch, done) = (chan::<()>(0), chan::<()>(0));
            for _ in 0..2 {
                let (ch, done) = (ch.clone(), done.clone());
                drop(runtime.go(async move {
                    let timer = after(Duration::from_millis(20));
                    loop {
                        gmp::blocking(thread::yield_now);
                        gmp::select! {
                            send(ch, ()) => (),
                            recv(ch) -> _ => (),
                            recv(timer) -> _ => break,
                        }
                    }
                    done.send(()).await;
                }));
            }
            runtime.block_on(async {
                for _ in 0..2 {
                    assert_eq!(done.recv().await, Some(()));
                }
            });
        }
    }

    #[test]
    fn sleepers_get_on_beside_calls_that_block() {
        let runtime = with_procs(2);
        let all: Vec<_> = (0..10)
            .map(|i| {
                runtime.go(async move {
                    for _ in 0..5 {
                        match i % 2 {
                            0 => sleep(Duration::from_micros(100)).await,
                            _ => gmp::blocking(|| thread::sleep(Duration::from_micros(100))),
                        }
                    }
                })
            })
            .collect();
        runtime.block_on(async {
            for one in all {
                one.await.unwrap();
            }
        });
    }

    /// Go preempts loops; here their P goes to another thread.
    #[test]
    fn two_that_spin_for_each_other_take_turns_on_one_p() {
        let (runtime, turn) = (with_procs(1), Arc::new(AtomicU32::new(0)));
        let two = [0, 1].map(|own| {
            let turn = turn.clone();
            runtime.go(async move {
                for _ in 0..5 {
                    while turn.load(Ordering::Acquire) % 2 != own {
                        core::hint::spin_loop();
                    }
                    turn.fetch_add(1, Ordering::Release);
                }
            })
        });
        runtime.block_on(async {
            for one in two {
                one.await.unwrap();
            }
        });
        assert_eq!(turn.load(Ordering::Relaxed), 10);
    }

    /// Which of two pairs has the P, and for how long.
    #[derive(Default)]
    struct Slices {
        steps: usize,
        /// How often the P has gone to the other pair.
        changes: usize,
        /// Turns of the pair since then in which sysmon has looked: the time here, as the system may let it come
        /// late. And the most of them.
        seen: usize,
        most: usize,
        looks: u64,
    }

    impl Slices {
        fn turn(&mut self, steps: usize) {
            if steps != self.steps {
                (self.steps, self.seen) = (steps, 0);
                self.changes += 1;
            }
            let looks = gmp::runtime::metrics().sysmon_rounds;
            self.seen += usize::from(looks != self.looks);
            self.looks = looks;
            self.most = self.most.max(self.seen);
        }

        /// Many slices of each pair; or one that does not end.
        fn is_enough(&self) -> bool {
            self.changes >= 20 || self.most >= 200
        }
    }

    /// Two hogs that wake each other, and two that do little between two wakes: each pair inherits its slice and
    /// then leaves the P to the other.
    #[test]
    fn two_that_play_ping_pong_and_two_hogs_all_get_on() {
        let runtime = with_procs(1);
        let slices = Arc::new(Mutex::new(Slices::default()));
        let pair = |steps: usize| {
            let ball = chan::<()>(0);
            [0, 1].map(|first| {
                let (slices, ball) = (slices.clone(), ball.clone());
                runtime.go(async move {
                    if first == 0 {
                        ball.send(()).await;
                    }
                    while ball.recv().await.is_some() {
                        (0..steps).for_each(|step| _ = core::hint::black_box(step));
                        slices.lock().unwrap().turn(steps);
                        if slices.lock().unwrap().is_enough() {
                            ball.close();
                        } else {
                            ball.send(()).await;
                        }
                    }
                })
            })
        };
        let (hogs, lights) = (pair(100_000), pair(1_000));
        runtime.block_on(async {
            for player in hogs.into_iter().chain(lights) {
                player.await.unwrap();
            }
        });
        let most = slices.lock().unwrap().most;
        assert!(most < 100, "sysmon has looked {most} times in one slice");
    }

    /// What a P has queued runs first in, first out; what was started last runs first.
    #[test]
    fn the_local_queue_keeps_its_order() {
        for n in [1, 2, 10, 200] {
            let order = Arc::new(Mutex::new(Vec::new()));
            gmp::block_on(async {
                let all: Vec<_> = (0..n)
                    .map(|i| (i, order.clone()))
                    .map(|(i, order)| go(async move { order.lock().unwrap().push(i) }))
                    .collect();
                for one in all {
                    one.await.unwrap();
                }
            });
            let wanted: Vec<_> = core::iter::once(n - 1).chain(0..n - 1).collect();
            assert_eq!(*order.lock().unwrap(), wanted);
        }
    }

    #[test]
    fn what_does_not_fit_into_the_local_queue_is_not_lost() {
        let ran = Arc::new(AtomicUsize::new(0));
        for procs in [1, 2, 4] {
            let runtime = with_procs(procs);
            let count = ran.clone();
            ran.store(0, Ordering::Relaxed);
            runtime
                .block_on(runtime.go(async move {
                    let start = |_| {
                        let count = count.clone();
                        go(async move { count.fetch_add(1, Ordering::Relaxed) })
                    };
                    let all: Vec<_> = (0..5_000).map(start).collect();
                    for one in all {
                        one.await.unwrap();
                    }
                }))
                .unwrap();
            assert_eq!(ran.load(Ordering::Relaxed), 5_000);
        }
    }

    #[test]
    fn the_number_of_goroutines_is_that_of_the_lines_in_a_dump() {
        let runtime = with_procs(2);
        let ch = chan::<bool>(0);
        for n in [0, 1, 10, 100] {
            let all: Vec<_> = (0..n)
                .map(|_| ch.clone())
                .map(|ch| runtime.go(async move { ch.recv().await }))
                .collect();
            // Whoever joins may be faster than the last step of a goroutine's end.
            while runtime.metrics().goroutines != n {
                thread::yield_now();
            }
            let dump = runtime.handle().schedtrace(true);
            assert_eq!(dump.lines().filter(|line| line.starts_with("  G")).count(), n, "{dump}");
            runtime.block_on(async {
                for _ in 0..n {
                    ch.send(true).await;
                }
                for one in all {
                    one.await.unwrap();
                }
            });
        }
    }

    #[test]
    fn a_thousand_ps_work() {
        let runtime = with_procs(1024);
        let all: Vec<_> = (0..10_000).map(|i| runtime.go(async move { i })).collect();
        let sum = runtime.block_on(async {
            let mut sum = 0usize;
            for one in all {
                sum += one.await.unwrap();
            }
            sum
        });
        assert_eq!(sum, 10_000 * 9_999 / 2);
    }

    /// Locked as often as it is unlocked, from the first time to the last.
    #[test]
    fn locks_to_a_thread_nest() {
        let runtime = with_procs(4);
        let busy: Vec<_> = (0..4)
            .map(|_| {
                runtime.go(async {
                    for _ in 0..200 {
                        yield_now().await;
                    }
                })
            })
            .collect();
        let nested = runtime.go(async {
            unlock_os_thread();
            lock_os_thread();
            lock_os_thread();
            let here = thread::current().id();
            unlock_os_thread();
            for _ in 0..100 {
                yield_now().await;
                assert_eq!(thread::current().id(), here, "still locked once");
            }
            unlock_os_thread();
            unlock_os_thread();
        });
        runtime.block_on(async {
            nested.await.unwrap();
            for one in busy {
                one.await.unwrap();
            }
        });
    }

    #[test]
    fn a_thread_ends_with_the_goroutine_that_is_locked_to_it() {
        struct Ends(mpsc::Sender<()>);
        impl Drop for Ends {
            fn drop(&mut self) {
                let _ = self.0.send(());
            }
        }
        thread_local!(static ENDS: std::cell::RefCell<Option<Ends>> = const { std::cell::RefCell::new(None) });
        for procs in [1, 2] {
            let runtime = with_procs(procs);
            let (tx, rx) = mpsc::channel();
            let locked = runtime.go(async move {
                lock_os_thread();
                ENDS.with(|ends| *ends.borrow_mut() = Some(Ends(tx)));
                yield_now().await;
            });
            runtime.block_on(locked).unwrap();
            rx.recv().expect("the thread ends");
            // Others take its place.
            assert_eq!(runtime.block_on(runtime.go(async { 5 })).unwrap(), 5);
        }
    }
}
