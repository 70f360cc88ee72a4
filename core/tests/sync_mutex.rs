//! `sync::Mutex`: exclusion, order, starvation, and futures that are dropped half-way.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use gmp_core::inspect::{Figure, WaitReason};
use gmp_core::runtime::{Builder, Runtime};
use gmp_core::sync::{Lock, Mutex, MutexGuard, OwnedMutexGuard, WaitGroup};
use gmp_core::{block_on, go, snapshot, yield_now};

/// Counts how often a hand-polled future was woken.
#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A future that the test polls by hand.
struct Hand<F> {
    future: Pin<Box<F>>,
    wakes: Arc<Wakes>,
}

impl<F: Future> Hand<F> {
    fn new(future: F) -> Self {
        Self { future: Box::pin(future), wakes: Arc::default() }
    }

    fn poll(&mut self) -> Poll<F::Output> {
        let waker = Waker::from(self.wakes.clone());
        self.future.as_mut().poll(&mut Context::from_waker(&waker))
    }

    fn wakes(&self) -> usize {
        self.wakes.0.load(Ordering::Relaxed)
    }
}

fn ready<T>(poll: Poll<T>) -> T {
    match poll {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("not ready"),
    }
}

/// Passes the time after which a waiter starves.
fn outwait_patience() {
    let began = Instant::now();
    while began.elapsed() <= Duration::from_micros(1_500) {
        std::hint::spin_loop();
    }
}

#[test]
fn one_owner_at_a_time_first_come_first_served() {
    block_on(async {
        let order = Arc::new(Mutex::new(Vec::new()));
        let held = order.lock().await;
        let wg = WaitGroup::new();
        for n in 0..5 {
            let order = order.clone();
            wg.go(async move {
                let mut order = order.lock().await;
                let before = order.len();
                yield_now().await;
                assert_eq!(order.len(), before, "nobody else may be inside");
                order.push(n);
            });
            yield_now().await;
        }
        drop(held);
        wg.wait().await;
        assert_eq!(*order.lock().await, [0, 1, 2, 3, 4]);
    });
}

#[test]
fn it_is_not_reentrant_and_try_lock_says_so() {
    let mutex = Mutex::new(1);
    let mut guard = mutex.try_lock().expect("free");
    assert!(mutex.try_lock().is_none());
    assert!(Hand::new(mutex.lock()).poll().is_pending());
    *guard += 1;
    drop(guard);
    assert_eq!(*mutex.try_lock().expect("free again"), 2);
    assert_eq!(mutex.into_inner(), 2);
}

#[test]
fn a_woken_waiter_that_is_dropped_passes_the_turn_on() {
    let mutex = Mutex::new(());
    let guard = mutex.try_lock();
    let (mut first, mut second) = (Hand::new(mutex.lock()), Hand::new(mutex.lock()));
    assert!(first.poll().is_pending() && second.poll().is_pending());
    drop(guard);
    assert_eq!((first.wakes(), second.wakes()), (1, 0));
    drop(first);
    assert_eq!(second.wakes(), 1);
    drop(ready(second.poll()));
    assert!(mutex.try_lock().is_some());
}

#[test]
fn a_waiter_that_is_dropped_in_the_queue_leaves_no_trace() {
    let mutex = Mutex::new(());
    let guard = mutex.try_lock();
    let mut gone = Hand::new(mutex.lock());
    assert!(gone.poll().is_pending());
    drop(gone);
    drop(guard);
    let guard = mutex.try_lock().expect("free");
    let mut waiter = Hand::new(mutex.lock());
    assert!(waiter.poll().is_pending());
    drop(guard);
    drop(ready(waiter.poll()));
}

/// Brings a mutex to starvation mode: `waiter` lost the race after more than 1 ms. The guard returned is
/// that of the winner.
fn starve<'m>(mutex: &'m Mutex<()>, waiter: &mut Hand<Lock<'m, ()>>) -> MutexGuard<'m, ()> {
    let guard = mutex.try_lock().expect("free");
    assert!(waiter.poll().is_pending());
    outwait_patience();
    drop(guard);
    assert_eq!(waiter.wakes(), 1);
    let winner = mutex.try_lock().expect("in normal mode a newcomer may win");
    assert!(waiter.poll().is_pending());
    winner
}

#[test]
fn a_starving_waiter_is_handed_the_lock() {
    let mutex = Mutex::new(());
    let mut waiter = Hand::new(mutex.lock());
    let winner = starve(&mutex, &mut waiter);
    drop(winner);
    assert!(mutex.try_lock().is_none(), "it was handed over, nobody can win it");
    assert_eq!(waiter.wakes(), 2);
    let guard = ready(waiter.poll());
    let mut next = Hand::new(mutex.lock());
    assert!(next.poll().is_pending());
    drop(guard);
    assert!(
        mutex.try_lock().is_some(),
        "normal mode again: the last in the queue ended starvation"
    );
    drop(ready(next.poll()));
}

#[test]
fn a_handed_lock_that_is_dropped_goes_to_the_next() {
    let mutex = Mutex::new(());
    let mut waiter = Hand::new(mutex.lock());
    let winner = starve(&mutex, &mut waiter);
    let mut next = Hand::new(mutex.lock());
    assert!(next.poll().is_pending());
    drop(winner);
    assert_eq!(next.wakes(), 0);
    drop(waiter);
    assert_eq!(next.wakes(), 1);
    assert!(mutex.try_lock().is_none(), "it was handed on, not just freed");
    drop(ready(next.poll()));
    assert!(mutex.try_lock().is_some());
}

#[test]
fn a_handed_lock_that_nobody_else_wants_is_free_when_dropped() {
    let mutex = Mutex::new(());
    let mut waiter = Hand::new(mutex.lock());
    let winner = starve(&mutex, &mut waiter);
    drop(winner);
    drop(waiter);
    assert!(mutex.try_lock().is_some());
}

#[test]
fn a_goroutine_that_always_loses_gets_the_lock_in_the_end() {
    block_on(async {
        let mutex = Arc::new(Mutex::new(false));
        let other = mutex.clone();
        let mut guard = mutex.lock().await;
        let loser = go(async move { *other.lock().await = true });
        let mut rounds = 0;
        while !*guard {
            rounds += 1;
            assert!(rounds < 5, "the loser starves");
            outwait_patience();
            yield_now().await;
            drop(guard);
            guard = mutex.lock().await;
        }
        drop(guard);
        loser.await.unwrap();
    });
}

#[test]
fn a_waiter_keeps_its_place_when_another_task_polls_it() {
    let mutex = Mutex::new(());
    let guard = mutex.try_lock();
    let (mut first, mut second) = (Hand::new(mutex.lock()), Hand::new(mutex.lock()));
    assert!(first.poll().is_pending() && second.poll().is_pending());
    let before = std::mem::take(&mut first.wakes);
    assert!(first.poll().is_pending());
    drop(guard);
    assert_eq!(before.0.load(Ordering::Relaxed), 0);
    assert_eq!((first.wakes(), second.wakes()), (1, 0));
    drop(ready(first.poll()));
    drop(ready(second.poll()));
}

#[test]
fn a_guard_may_be_dropped_by_another_goroutine() {
    block_on(async {
        let mutex = Arc::new(Mutex::new(0));
        let mut guard = mutex.clone().lock_owned().await;
        assert!(mutex.clone().try_lock_owned().is_none());
        let other = go(async move {
            *guard = 7;
            drop(guard);
        });
        assert_eq!(*mutex.lock().await, 7);
        other.await.unwrap();
    });
}

#[test]
fn a_forgotten_guard_locks_for_ever_and_a_panic_does_not() {
    block_on(async {
        let mutex = Arc::new(Mutex::new(0));
        let other = mutex.clone();
        let panics = go(async move {
            let _guard = other.lock().await;
            panic!("while it is held");
        });
        assert!(panics.await.unwrap_err().is_panic());
        std::mem::forget(mutex.try_lock().expect("no poison"));
        assert!(mutex.try_lock().is_none());
    });
}

#[test]
fn threads_and_goroutines_share_one_mutex() {
    static TOTAL: Mutex<u64> = Mutex::const_new(0);
    const EACH: u64 = 2_000;
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| (0..EACH).for_each(|_| *TOTAL.blocking_lock() += 1));
            scope.spawn(|| {
                block_on(async {
                    for _ in 0..EACH {
                        let mut total = TOTAL.lock().await;
                        yield_now().await;
                        *total += 1;
                    }
                });
            });
        }
    });
    assert_eq!(*TOTAL.try_lock().expect("free"), 4 * EACH);
}

#[test]
fn a_loop_over_a_free_mutex_lets_others_run() {
    block_on(async {
        let stop = Arc::new(AtomicUsize::new(0));
        let other = stop.clone();
        let stopper = go(async move { other.store(1, Ordering::Relaxed) });
        let mutex = Mutex::new(());
        while stop.load(Ordering::Relaxed) == 0 {
            drop(mutex.lock().await);
        }
        stopper.await.unwrap();
    });
}

#[test]
fn the_stock_names_the_holder_and_the_waiting_line() {
    let runtime = Builder::new().watch(true).build();
    let (mutex, line) = runtime.block_on(async {
        let mutex = Arc::new(Mutex::new(()));
        let (holder, waiter) = (mutex.clone(), mutex.clone());
        let line = line!();
        go(async move {
            let _guard = holder.lock().await;
            std::future::pending::<()>().await;
        });
        yield_now().await;
        go(async move { drop(waiter.lock().await) });
        yield_now().await;
        (mutex, line)
    });
    runtime.scope().close();
    let frozen = snapshot::freeze(runtime.scope());
    let waits: Vec<_> = frozen.iter().flat_map(snapshot::Frozen::waits).collect();
    assert_eq!(waits.len(), 1);
    let wait = &waits[0];
    assert_eq!((wait.reason, wait.at.line()), (WaitReason::MutexLock, line + 6));
    assert!(matches!(wait.figure, Figure::Mutex) && wait.complete && wait.due_in.is_none());
    let record = wait.record.as_ref().expect("the scope watches");
    assert_eq!(record.holder(), Some(frozen[0].id()));
    assert_eq!(record.held_at().expect("held").line(), line + 2);
    assert!(record.death(wait.capabilities[0].1).is_none(), "the guard lives");
    let reaping = record.watch().reaping();
    frozen[0].reap(runtime.scope()).expect("parked");
    assert!(record.death(wait.capabilities[0].1).is_some(), "the guard went with its goroutine");
    drop((reaping, mutex));
}

/// A lock future that was leaked while it waited, and a mutex that is gone: the stock-taking must not
/// follow the leaf to it.
#[test]
fn a_leaked_waiter_does_not_lead_to_a_dropped_mutex() {
    let runtime = Runtime::new();
    runtime.block_on(async {
        go(async {
            let mutex = Mutex::new(());
            std::mem::forget(mutex.try_lock());
            let mut leaked = Box::pin(mutex.lock());
            std::future::poll_fn(|cx| {
                assert!(leaked.as_mut().poll(cx).is_pending());
                Poll::Ready(())
            })
            .await;
            std::mem::forget(leaked);
            drop(mutex);
            std::future::pending::<()>().await;
        });
        yield_now().await;
    });
    runtime.scope().close();
    let frozen = snapshot::freeze(runtime.scope());
    assert_eq!(frozen.len(), 1);
    assert!(frozen[0].waits().is_empty());
}

#[test]
fn guards_and_futures_are_as_sendable_as_the_value() {
    fn send<T: Send>() {}
    fn sync<T: Sync>() {}
    send::<MutexGuard<'_, std::cell::Cell<u8>>>();
    send::<OwnedMutexGuard<std::cell::Cell<u8>>>();
    send::<Lock<'_, std::cell::Cell<u8>>>();
    sync::<Mutex<std::cell::Cell<u8>>>();
    sync::<MutexGuard<'_, u8>>();
    let mutex: Box<Mutex<[u8]>> = Box::new(Mutex::new([1, 2, 3]));
    let guard = ready(pin!(mutex.lock()).poll(&mut Context::from_waker(Waker::noop())));
    assert_eq!(guard.len(), 3, "unsized values can be locked");
}
