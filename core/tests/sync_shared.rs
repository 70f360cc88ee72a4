//! `Cond`, `Once`, `OnceValue` and `Semaphore`: what they promise, also when futures are dropped half-way.

mod support;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use gmp_core::inspect::{Capability, Figure, WaitInfo, WaitReason};
use gmp_core::runtime::{Builder, Runtime};
use gmp_core::sync::{Cond, Mutex, Once, OnceValue, RwLock, Semaphore};
use gmp_core::{block_on, chan, go, snapshot, yield_now};
use support::{Hand, panic_text};

/// The one wait of the goroutines that `body` leaves behind in a watched scope.
fn the_wait<F: Future<Output = ()> + Send + 'static>(body: F) -> (WaitInfo, Runtime) {
    let runtime = Builder::new().watch(true).build();
    runtime.block_on(body);
    runtime.scope().close();
    let mut waits: Vec<_> =
        snapshot::freeze(runtime.scope()).iter().flat_map(snapshot::Frozen::waits).collect();
    assert_eq!(waits.len(), 1);
    (waits.remove(0), runtime)
}

mod cond {
    use super::*;

    #[test]
    fn it_waits_without_the_lock_and_returns_with_it() {
        let (mutex, cond) = (Mutex::new(0), Cond::new());
        let mut wait = Hand::waiting(cond.wait(mutex.try_lock().unwrap()));
        *mutex.try_lock().expect("the guard was given back") = 1;
        let held = mutex.try_lock().unwrap();
        cond.signal();
        assert!(wait.poll().is_none(), "it has to lock first");
        drop(held);
        assert_eq!(*wait.poll().expect("locked again"), 1);
        drop(wait);
        assert!(mutex.try_lock().is_some());
    }

    #[test]
    fn a_signal_releases_the_longest_waiter_and_a_broadcast_all() {
        let (mutex, cond) = (Mutex::new(()), Cond::new());
        let wait = || Hand::waiting(cond.wait(mutex.try_lock().unwrap()));
        let (mut first, mut second, mut third) = (wait(), wait(), wait());
        cond.signal();
        assert_eq!((first.wakes(), second.wakes(), third.wakes()), (1, 0, 0));
        drop(first.poll().unwrap());
        cond.broadcast();
        drop(third.poll().unwrap());
        drop(second.poll().unwrap());
        cond.signal();
        let mut late = wait();
        assert!(late.poll().is_none(), "a signal is not kept");
    }

    #[test]
    fn a_signal_to_a_waiter_that_is_dropped_goes_to_the_next() {
        let (mutex, cond) = (Mutex::new(()), Cond::new());
        let wait = || Hand::waiting(cond.wait(mutex.try_lock().unwrap()));
        let (first, mut second, mut third) = (wait(), wait(), wait());
        cond.signal();
        drop(first);
        assert_eq!(second.wakes(), 1);
        let held = mutex.try_lock().unwrap();
        assert!(second.poll().is_none(), "it waits for the lock now");
        drop(second);
        drop(held);
        assert!(third.poll().is_some(), "the second never returned");
    }

    #[test]
    fn a_dropped_waiter_after_a_broadcast_signals_nobody() {
        let (mutex, cond) = (Mutex::new(()), Cond::new());
        let first = Hand::waiting(cond.wait(mutex.try_lock().unwrap()));
        cond.broadcast();
        let second = Hand::waiting(cond.wait(mutex.try_lock().unwrap()));
        drop(first);
        assert_eq!(second.wakes(), 0);
    }

    #[test]
    fn it_works_over_every_guard() {
        block_on(async {
            let (mutex, lock) = (Arc::new(Mutex::new(1)), Arc::new(RwLock::new(2)));
            let cond = Arc::new(Cond::new());
            let signaller = cond.clone();
            let signals = go(async move {
                loop {
                    signaller.broadcast();
                    yield_now().await;
                }
            });
            assert_eq!(*cond.wait(mutex.lock().await).await, 1);
            assert_eq!(*cond.wait(mutex.clone().lock_owned().await).await, 1);
            assert_eq!(*cond.wait(lock.read().await).await, 2);
            assert_eq!(*cond.wait(lock.write().await).await, 2);
            assert_eq!(*cond.wait(lock.clone().read_owned().await).await, 2);
            assert_eq!(*cond.wait(lock.clone().write_owned().await).await, 2);
            signals.abort();
        });
    }

    #[test]
    fn the_stock_shows_the_line_and_the_core_is_the_capability() {
        let line = line!() + 5;
        let (wait, runtime) = the_wait(async {
            let pair = Arc::new((Mutex::new(()), Cond::new()));
            go(async move {
                let guard = pair.0.lock().await;
                drop(pair.1.wait(guard).await);
            });
            yield_now().await;
        });
        assert_eq!((wait.reason, wait.at.line()), (WaitReason::CondWait, line));
        let (record, capability) = wait.capabilities[0].clone();
        assert!(wait.complete && record.death(capability).is_none());
        let _reaping = record.watch().reaping();
        snapshot::freeze(runtime.scope())[0].reap(runtime.scope()).expect("parked");
        assert!(record.death(capability).is_some(), "nobody can signal it any more");
    }
}

mod once {
    use super::*;

    #[test]
    fn the_others_wait_until_it_is_done() {
        let (once, gate) = (Once::new(), chan::<()>(0));
        let ran = AtomicUsize::new(0);
        let call = || {
            once.call(|| async {
                gate.recv().await;
                ran.fetch_add(1, Ordering::Relaxed);
            })
        };
        let (mut first, mut second) = (Hand::waiting(call()), Hand::waiting(call()));
        gate.close();
        assert!(second.poll().is_none(), "the first runs it");
        assert!(first.poll().is_some());
        assert_eq!(second.wakes(), 1);
        assert!(second.poll().is_some() && Hand::new(call()).poll().is_some());
        assert_eq!(ran.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_runner_that_is_dropped_leaves_it_to_the_next() {
        let once = Once::new();
        let ran = AtomicUsize::new(0);
        let runner = Hand::waiting(once.call(std::future::pending));
        let call = || {
            once.call(|| async {
                ran.fetch_add(1, Ordering::Relaxed);
            })
        };
        let (invited, mut last) = (Hand::waiting(call()), Hand::waiting(call()));
        drop(runner);
        assert_eq!((invited.wakes(), last.wakes(), once.is_done()), (1, 0, false));
        drop(invited);
        assert!(last.poll().is_some() && once.is_done());
        assert_eq!(ran.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_runner_dropped_alone_leaves_it_open() {
        let once = Once::new();
        drop(Hand::waiting(once.call(std::future::pending)));
        assert!(!once.is_done());
        once.blocking_call(|| ());
        assert!(once.is_done());
    }

    #[test]
    fn a_panic_counts_as_done() {
        let once = Once::new();
        let text = panic_text(|| block_on(once.call(|| async { panic!("in the future") })));
        assert_eq!((text.as_str(), once.is_done()), ("in the future", true));
        let once = Once::new();
        let make = || -> std::future::Ready<()> { panic!("in the closure") };
        assert_eq!(panic_text(|| block_on(once.call(make))), "in the closure");
        assert!(once.is_done());
        block_on(once.call(|| async { unreachable!("it is done") }));
    }

    #[test]
    fn a_value_is_made_once_and_a_panic_is_repeated() {
        let made = AtomicUsize::new(0);
        let value = OnceValue::new(|| async { made.fetch_add(1, Ordering::Relaxed) });
        assert_eq!(value.try_get(), None);
        assert_eq!((*value.blocking_get(), *value.blocking_get()), (0, 0));
        assert_eq!((value.try_get(), made.load(Ordering::Relaxed)), (Some(&0), 1));
        let bad = OnceValue::<u8, _>::new(|| async { panic!("no value") });
        for _ in 0..2 {
            assert_eq!(panic_text(|| assert_eq!(*bad.blocking_get(), 0)), "no value");
        }
    }

    #[test]
    fn the_stock_names_the_runner() {
        let line = line!() + 6;
        let (wait, runtime) = the_wait(async {
            let once = Arc::new(Once::new());
            for _ in 0..2 {
                let once = once.clone();
                go(async move {
                    once.call(std::future::pending).await;
                });
                yield_now().await;
            }
        });
        assert_eq!((wait.reason, wait.at.line()), (WaitReason::OnceDo, line));
        assert!(matches!(wait.figure, Figure::Once) && wait.complete);
        let record = wait.record.clone().expect("the scope watches");
        let frozen = snapshot::freeze(runtime.scope());
        assert_eq!(record.holder(), Some(frozen[0].id()));
        assert_eq!(record.held_at().expect("running").line(), line);
        let _reaping = record.watch().reaping();
        assert!(record.death(Capability::Release).is_none());
        frozen[0].reap(runtime.scope()).expect("parked");
        assert!(record.death(Capability::Release).is_some(), "the runner is gone");
    }
}

mod semaphore {
    use super::*;

    #[test]
    fn permits_are_counted_and_given_back() {
        let semaphore = Arc::new(Semaphore::new(3));
        let two = semaphore.try_acquire(2).unwrap();
        assert!(semaphore.try_acquire(2).is_none());
        let one = semaphore.clone().try_acquire_owned(1).unwrap();
        assert_eq!((semaphore.available(), semaphore.size(), two.count()), (0, 3, 2));
        drop(two);
        assert_eq!(semaphore.available(), 2);
        one.forget();
        assert_eq!(semaphore.available(), 2);
        semaphore.release(1);
        assert_eq!(semaphore.available(), 3);
        assert_eq!(panic_text(|| semaphore.release(1)), "semaphore: released more than held");
        assert_eq!(semaphore.available(), 3);
        assert_eq!(semaphore.blocking_acquire(3).count(), 3);
    }

    #[test]
    fn who_wants_many_is_not_overtaken() {
        let semaphore = Semaphore::new(2);
        let one = semaphore.try_acquire(1).unwrap();
        let mut many = Hand::waiting(semaphore.acquire(2));
        assert!(semaphore.try_acquire(1).is_none(), "somebody waits");
        let mut few = Hand::waiting(semaphore.acquire(1));
        drop(one);
        assert_eq!((many.wakes(), few.wakes()), (1, 0));
        drop(many.poll().unwrap());
        assert!(few.poll().is_some());
    }

    #[test]
    fn a_waiter_that_leaves_lets_those_behind_it_pass() {
        let semaphore = Semaphore::new(2);
        let _one = semaphore.try_acquire(1).unwrap();
        let many = Hand::waiting(semaphore.acquire(2));
        let mut few = Hand::waiting(semaphore.acquire(1));
        drop(many);
        assert!(few.poll().is_some());
    }

    #[test]
    fn handed_permits_that_are_dropped_go_on() {
        let semaphore = Arc::new(Semaphore::new(1));
        let one = semaphore.try_acquire(1).unwrap();
        let handed = Hand::waiting(semaphore.clone().acquire_owned(1));
        let mut next = Hand::waiting(semaphore.acquire(1));
        drop(one);
        drop(handed);
        drop(next.poll().expect("they went on"));
        assert_eq!(semaphore.available(), 1);
    }

    #[test]
    fn who_wants_more_than_there_are_is_in_nobodys_way() {
        let semaphore = Semaphore::new(2);
        let mut hopeless = Hand::waiting(semaphore.acquire(3));
        drop(semaphore.try_acquire(2).expect("free"));
        assert!(hopeless.poll().is_none());
    }

    #[test]
    fn the_stock_shows_the_permits_and_who_took_them() {
        let line = line!() + 5;
        let (wait, _runtime) = the_wait(async {
            let semaphore = Arc::new(Semaphore::new(4));
            go(async move {
                let _three = semaphore.acquire(3).await;
                drop(semaphore.acquire(2).await);
            });
            yield_now().await;
        });
        assert_eq!((wait.reason, wait.at.line()), (WaitReason::Semacquire, line));
        assert!(matches!(wait.figure, Figure::Semaphore { free: 1, size: 4, wants: 2 }));
        let record = wait.record.expect("the scope watches");
        let sites: Vec<_> = record.sites().iter().map(|s| (s.at.line(), s.amount)).collect();
        assert_eq!(sites, [(line - 1, 3)]);
    }
}

#[test]
fn leaked_waiters_do_not_lead_to_dropped_primitives() {
    let runtime = Runtime::new();
    runtime.block_on(async {
        go(async {
            let (mutex, cond, once) = (Mutex::new(()), Cond::new(), Once::new());
            let semaphore = Semaphore::new(1);
            std::mem::forget(semaphore.try_acquire(1));
            let mut waits: Vec<Pin<Box<dyn Future<Output = ()> + Send + '_>>> = vec![
                Box::pin(async { drop(cond.wait(mutex.lock().await).await) }),
                Box::pin(once.call(std::future::pending)),
                Box::pin(once.call(|| async {})),
                Box::pin(async { drop(semaphore.acquire(1).await) }),
                Box::pin(async { drop(semaphore.acquire(2).await) }),
            ];
            std::future::poll_fn(|cx| {
                assert!(waits.iter_mut().all(|wait| wait.as_mut().poll(cx).is_pending()));
                Poll::Ready(())
            })
            .await;
            std::mem::forget(waits);
            drop((mutex, cond, once, semaphore));
            std::future::pending::<()>().await;
        });
        yield_now().await;
    });
    runtime.scope().close();
    assert!(snapshot::freeze(runtime.scope())[0].waits().is_empty());
}
