//! Go's tests of package `sync`.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};

use gmp::runtime::{exit_goroutine, procs};
use gmp::sync::{Cond, Mutex, Once, OnceValue, RwLock, WaitGroup};
use gmp::{chan, go, yield_now};

use crate::{panic_in, panic_of};

/// <https://github.com/golang/go/blob/master/src/sync/mutex_test.go>
///
/// Left out: unlocking what is not locked, which guards make impossible, and the semaphore of the runtime,
/// which is not public.
mod mutex_test {
    use std::time::{Duration, Instant};

    use super::*;

    async fn hammer(mutex: Arc<Mutex<u32>>, loops: u32) {
        for n in 0..loops {
            if n % 3 == 0 {
                drop(mutex.try_lock());
                continue;
            }
            let mut value = mutex.lock().await;
            let before = *value;
            yield_now().await;
            *value = before + 1;
        }
    }

    #[gmp::test]
    async fn ten_goroutines_exclude_each_other() {
        let mutex = Arc::new(Mutex::new(0));
        let guard = mutex.try_lock().expect("not locked");
        assert!(mutex.try_lock().is_none(), "locked");
        drop(guard);
        let wg = WaitGroup::new();
        for _ in 0..10 {
            wg.go(hammer(mutex.clone(), 300));
        }
        wg.wait().await;
        assert_eq!(*mutex.lock().await, 10 * 200);
    }

    /// Rounds of the hog while somebody waits: so many fill the millisecond after which a waiter starves, one more
    /// until it is handed the lock, and some to spare. Without the hand-over it would wait for ever. On several Ps
    /// nothing bounds them: the thread of whoever waits may be away.
    const PATIENCE: u32 = 10 + 1 + 5;

    #[gmp::test]
    async fn a_goroutine_that_holds_it_long_does_not_starve_others() {
        let (mutex, stop) = (Arc::new(Mutex::new(())), chan::<()>(0));
        let (hog, stopped) = (mutex.clone(), stop.clone());
        let rounds = Arc::new(AtomicU32::new(0));
        let counted = rounds.clone();
        let patience = if procs() == 1 { PATIENCE } else { u32::MAX };
        let hog = go(async move {
            while !stopped.is_closed() {
                let guard = hog.lock().await;
                let round = counted.fetch_add(1, Ordering::Relaxed);
                assert!(round < patience, "the other one starves");
                let since = Instant::now();
                while since.elapsed() < Duration::from_micros(100) {
                    std::hint::spin_loop();
                }
                yield_now().await;
                drop(guard);
            }
        });
        for _ in 0..10 {
            yield_now().await;
            rounds.store(0, Ordering::Relaxed);
            let guard = mutex.lock().await;
            rounds.store(0, Ordering::Relaxed);
            drop(guard);
        }
        stop.close();
        hog.await.unwrap();
    }
}

/// <https://github.com/golang/go/blob/master/src/sync/rwmutex_test.go>
///
/// Left out: `RLocker`, an interface that has no counterpart here.
mod rwmutex_test {
    use super::*;

    #[gmp::test]
    async fn readers_are_inside_at_the_same_time() {
        for readers in [1, 3, 4] {
            let lock = Arc::new(RwLock::new(()));
            let (inside, leave, left) = (chan(0), chan::<()>(0), chan(0));
            for _ in 0..readers {
                let (lock, inside, leave) = (lock.clone(), inside.clone(), leave.clone());
                let left = left.clone();
                drop(go(async move {
                    let guard = lock.read().await;
                    inside.send(()).await;
                    leave.recv().await;
                    drop(guard);
                    left.send(()).await;
                }));
            }
            for _ in 0..readers {
                inside.recv().await;
            }
            leave.close();
            for _ in 0..readers {
                left.recv().await;
            }
        }
    }

    async fn read(lock: Arc<RwLock<()>>, activity: Arc<AtomicI32>, loops: u32) {
        for _ in 0..loops {
            let _guard = lock.read().await;
            let n = activity.fetch_add(1, Ordering::Relaxed) + 1;
            assert!((1..10_000).contains(&n), "a writer is inside: {n}");
            yield_now().await;
            activity.fetch_sub(1, Ordering::Relaxed);
        }
    }

    async fn write(lock: Arc<RwLock<()>>, activity: Arc<AtomicI32>, loops: u32) {
        for _ in 0..loops {
            let _guard = lock.write().await;
            let n = activity.fetch_add(10_000, Ordering::Relaxed) + 10_000;
            assert_eq!(n, 10_000, "somebody else is inside");
            yield_now().await;
            activity.fetch_sub(10_000, Ordering::Relaxed);
        }
    }

    #[gmp::test]
    async fn two_writers_and_many_readers() {
        for readers in [1, 3, 5, 10] {
            let (lock, activity) = (Arc::new(RwLock::new(())), Arc::new(AtomicI32::new(0)));
            let wg = WaitGroup::new();
            for n in 0..readers {
                if n == 0 || n == readers / 2 {
                    wg.go(write(lock.clone(), activity.clone(), 100));
                }
                wg.go(read(lock.clone(), activity.clone(), 100));
            }
            wg.wait().await;
        }
    }

    #[gmp::test]
    async fn forms_that_do_not_wait() {
        let lock = RwLock::new(());
        let writer = lock.write().await;
        assert!(lock.try_write().is_none() && lock.try_read().is_none());
        drop(writer);
        drop(lock.try_write().expect("unlocked"));
        let (first, second) =
            (lock.try_read().expect("unlocked"), lock.try_read().expect("shared"));
        assert!(lock.try_write().is_none());
        drop((first, second));
        drop(lock.try_write().expect("unlocked"));
    }
}

/// <https://github.com/golang/go/blob/master/src/sync/cond_test.go>
///
/// Left out: the check for copies, as a `Cond` cannot be copied.
mod cond_test {
    use super::*;

    #[derive(Default)]
    struct Shared {
        mutex: Mutex<u32>,
        cond: Cond,
    }

    #[gmp::test]
    async fn a_signal_wakes_one() {
        let (shared, running, awake) = (Arc::new(Shared::default()), chan(2), chan::<()>(2));
        for _ in 0..2 {
            let (shared, running, awake) = (shared.clone(), running.clone(), awake.clone());
            drop(go(async move {
                let guard = shared.mutex.lock().await;
                running.send(()).await;
                let _guard = shared.cond.wait(guard).await;
                awake.send(()).await;
            }));
        }
        for _ in 0..2 {
            running.recv().await;
        }
        for _ in 0..2 {
            assert!(awake.try_recv().is_err(), "nobody is awake");
            let guard = shared.mutex.lock().await;
            shared.cond.signal();
            drop(guard);
            awake.recv().await;
            assert!(awake.try_recv().is_err(), "one is awake");
        }
        shared.cond.signal();
    }

    #[gmp::test]
    async fn signals_go_to_those_who_waited_before() {
        let (shared, running, awake) = (Arc::new(Shared::default()), chan(100), chan(100));
        for n in 0..100 {
            let (other, begun, woken) = (shared.clone(), running.clone(), awake.clone());
            drop(go(async move {
                let guard = other.mutex.lock().await;
                begun.send(()).await;
                let _guard = other.cond.wait(guard).await;
                woken.send(n).await;
            }));
            if n > 0 {
                assert_eq!(awake.recv().await, Some(n - 1));
            }
            running.recv().await;
            let _guard = shared.mutex.lock().await;
            shared.cond.signal();
        }
    }

    #[gmp::test]
    async fn a_broadcast_wakes_everybody_once() {
        const N: usize = 50;
        let (shared, running, awake) = (Arc::new(Shared::default()), chan(N), chan(N));
        for n in 0..N {
            let (shared, running, awake) = (shared.clone(), running.clone(), awake.clone());
            drop(go(async move {
                let mut exit = shared.mutex.lock().await;
                while *exit == 0 {
                    running.send(()).await;
                    exit = shared.cond.wait(exit).await;
                    awake.send(n).await;
                }
            }));
        }
        for round in 0..N {
            for _ in 0..N {
                running.recv().await;
            }
            *shared.mutex.lock().await = u32::from(round == N - 1);
            assert!(awake.try_recv().is_err(), "nobody is awake");
            shared.cond.broadcast();
            let mut seen = [false; N];
            for _ in 0..N {
                let n = awake.recv().await.unwrap();
                assert!(!std::mem::replace(&mut seen[n], true), "woken twice");
            }
        }
        assert!(running.try_recv().is_err(), "all have ended");
        shared.cond.broadcast();
    }

    #[gmp::test]
    async fn three_goroutines_hand_a_value_on() {
        let shared = Arc::new(Shared::default());
        let wg = WaitGroup::new();
        let (one, two, three) = (shared.clone(), shared.clone(), shared);
        wg.go(async move {
            let mut x = one.mutex.lock().await;
            *x = 1;
            x = one.cond.wait(x).await;
            assert_eq!(*x, 2);
            *x = 3;
            one.cond.signal();
        });
        wg.go(async move {
            loop {
                let mut x = two.mutex.lock().await;
                if *x == 1 {
                    *x = 2;
                    return two.cond.signal();
                }
                drop(x);
                yield_now().await;
            }
        });
        wg.go(async move {
            loop {
                let x = three.mutex.lock().await;
                match *x {
                    2 => return assert_eq!(*three.cond.wait(x).await, 3),
                    3 => return,
                    _ => drop(x),
                }
                yield_now().await;
            }
        });
        wg.wait().await;
    }

    #[gmp::test]
    async fn a_newcomer_cannot_steal_a_broadcast() {
        for _ in 0..200 {
            let (shared, ch) = (Arc::new(Shared::default()), chan(0));
            let (waiter, tell) = (shared.clone(), ch.clone());
            drop(go(async move {
                let guard = waiter.mutex.lock().await;
                tell.send(()).await;
                drop(waiter.cond.wait(guard).await);
                tell.send(()).await;
            }));
            ch.recv().await;
            drop(shared.mutex.lock().await);
            let (caller, newcomer) = (shared.clone(), shared.clone());
            drop(go(async move { caller.cond.broadcast() }));
            drop(go(async move {
                let mut done = newcomer.mutex.lock().await;
                while *done == 0 {
                    done = newcomer.cond.wait(done).await;
                }
            }));
            ch.recv().await;
            *shared.mutex.lock().await = 1;
            shared.cond.broadcast();
        }
    }
}

/// <https://github.com/golang/go/blob/master/src/sync/once_test.go>
mod once_test {
    use super::*;

    #[gmp::test]
    async fn ten_calls_run_it_once() {
        let (once, count) = (Arc::new(Once::new()), Arc::new(AtomicI32::new(0)));
        let wg = WaitGroup::new();
        for _ in 0..10 {
            let (once, count) = (once.clone(), count.clone());
            wg.go(async move {
                let run = || async {
                    yield_now().await;
                    count.fetch_add(1, Ordering::Relaxed);
                };
                once.call(run).await;
                assert_eq!(count.load(Ordering::Relaxed), 1, "it has run when the call returns");
            });
        }
        wg.wait().await;
    }

    #[gmp::test]
    async fn a_panic_counts_as_a_run() {
        let once = Arc::new(Once::new());
        let other = once.clone();
        let panics = panic_of(async move { other.call(|| async { panic!("failed") }).await }).await;
        assert_eq!(panics, "failed");
        once.call(|| async { unreachable!("it has run") }).await;
    }
}

/// <https://github.com/golang/go/blob/master/src/sync/oncefunc_test.go>
///
/// Left out: `OnceFunc` and `OnceValues`, which are an `OnceValue` of `()` and of a pair; nil panics, which do not
/// exist here; and what the collector frees.
mod oncefunc_test {
    use super::*;

    #[gmp::test]
    async fn the_function_runs_when_it_is_first_asked() {
        let calls = AtomicI32::new(0);
        let value = OnceValue::new(|| async { calls.fetch_add(1, Ordering::Relaxed) + 1 });
        assert_eq!(calls.load(Ordering::Relaxed), 0);
        for _ in 0..5 {
            assert_eq!(*value.get().await, 1);
        }
        assert_eq!(calls.load(Ordering::Relaxed), 1);
    }

    #[gmp::test]
    async fn every_call_panics_if_the_function_did() {
        let calls = Arc::new(AtomicI32::new(0));
        let count = calls.clone();
        let value = Arc::new(OnceValue::<(), _>::new(move || {
            count.fetch_add(1, Ordering::Relaxed);
            async { panic!("x") }
        }));
        for _ in 0..5 {
            let value = value.clone();
            assert_eq!(panic_of(async move { *value.get().await }).await, "x");
        }
        assert_eq!(calls.load(Ordering::Relaxed), 1);
    }

    /// What later calls do is open in Go. Here they panic: there is no value.
    #[gmp::test]
    async fn a_function_that_exits_its_goroutine_is_not_run_again() {
        let calls = Arc::new(AtomicI32::new(0));
        let count = calls.clone();
        let value = Arc::new(OnceValue::<(), _>::new(move || {
            count.fetch_add(1, Ordering::Relaxed);
            async { exit_goroutine() }
        }));
        let (first, second) = (value.clone(), value);
        let error = go(async move { *first.get().await }).await.unwrap_err();
        assert!(error.is_exited(), "{error}");
        let error = go(async move { *second.get().await }).await.unwrap_err();
        assert!(error.is_panic(), "{error}");
        assert_eq!(calls.load(Ordering::Relaxed), 1);
    }
}

/// <https://github.com/golang/go/blob/master/src/sync/waitgroup_test.go>
///
/// Left out: the alignment of its fields.
mod waitgroup_test {
    use super::*;

    async fn sixteen_wait_for_sixteen(first: &WaitGroup, second: &WaitGroup) {
        let exited = chan::<bool>(16);
        first.add(16);
        second.add(16);
        for _ in 0..16 {
            let (first, second, exited) = (first.clone(), second.clone(), exited.clone());
            drop(go(async move {
                first.done();
                second.wait().await;
                exited.send(true).await;
            }));
        }
        first.wait().await;
        for _ in 0..16 {
            assert!(exited.try_recv().is_err(), "it waits until all are done");
            second.done();
        }
        for _ in 0..16 {
            exited.recv().await;
        }
    }

    #[gmp::test]
    async fn groups_may_be_used_again() {
        let (first, second) = (WaitGroup::new(), WaitGroup::new());
        for _ in 0..8 {
            sixteen_wait_for_sixteen(&first, &second).await;
        }
    }

    #[gmp::test]
    async fn one_done_too_many_panics() {
        let wg = WaitGroup::new();
        wg.add(1);
        wg.done();
        assert_eq!(panic_in(|| wg.done()), "sync: negative WaitGroup counter");
    }

    #[gmp::test]
    async fn a_wait_never_returns_early() {
        for _ in 0..1_000 {
            let (wg, n) = (WaitGroup::new(), Arc::new(AtomicI32::new(0)));
            for _ in 0..2 {
                wg.add(1);
                let (wg, n) = (wg.clone(), n.clone());
                drop(go(async move {
                    n.fetch_add(1, Ordering::Relaxed);
                    wg.done();
                }));
            }
            wg.wait().await;
            assert_eq!(n.load(Ordering::Relaxed), 2);
        }
    }

    #[gmp::test]
    async fn go_counts_by_itself() {
        let (wg, n) = (WaitGroup::new(), Arc::new(AtomicI32::new(0)));
        wg.go(async {});
        let other = n.clone();
        wg.go(async move { drop(other.fetch_add(1, Ordering::Relaxed).to_string()) });
        wg.wait().await;
        assert_eq!(n.load(Ordering::Relaxed), 1);
    }
}
