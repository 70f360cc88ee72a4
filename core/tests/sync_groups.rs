//! `ErrGroup` and `SingleFlight`: goroutines that work on one thing.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use gmp_core::context::{ContextError, background};
use gmp_core::sync::{ErrGroup, SingleFlight, WaitGroup};
use gmp_core::{block_on, chan, yield_now};
use support::{Hand, panic_text};

#[test]
fn the_first_error_is_told_and_cancels() {
    block_on(async {
        let (group, ctx) = ErrGroup::with_context(&background());
        let gate = chan::<()>(0);
        let opened = gate.clone();
        group.go(async move {
            opened.recv().await;
            Err("first")
        });
        group.go(async move {
            assert_eq!(ctx.done().await, ContextError::Canceled);
            Err("second")
        });
        yield_now().await;
        gate.close();
        assert_eq!(group.wait().await, Err("first"));
        assert_eq!(group.wait().await, Err("first"), "it can be asked again");
    });
}

#[test]
fn waiting_cancels_the_context_of_a_group_without_error() {
    block_on(async {
        let (group, ctx) = ErrGroup::<()>::with_context(&background());
        group.go(async { Ok(()) });
        assert_eq!(ctx.err(), None);
        assert_eq!(group.wait().await, Ok(()));
        assert_eq!(ctx.err(), Some(ContextError::Canceled));
    });
}

#[test]
fn a_limit_bounds_the_goroutines_that_work() {
    block_on(async {
        let group = ErrGroup::<()>::with_limit(2);
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        for n in 0..10 {
            let (now, most) = (now.clone(), most.clone());
            let work = async move {
                most.fetch_max(now.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
                yield_now().await;
                now.fetch_sub(1, Ordering::Relaxed);
                Ok(())
            };
            match n % 2 {
                0 => group.go(work),
                _ => group.go_when_free(work).await,
            }
        }
        group.wait().await.unwrap();
        assert_eq!(most.load(Ordering::Relaxed), 2);
        let gate = chan::<()>(0);
        let wait = |gate: gmp_core::Chan<()>| async move {
            gate.recv().await;
            Ok(())
        };
        assert!(group.try_go(wait(gate.clone())) && group.try_go(wait(gate.clone())));
        assert!(!group.try_go(wait(gate.clone())), "no room");
        gate.close();
        group.wait().await.unwrap();
    });
}

#[test]
fn a_member_that_panics_or_is_never_run_is_not_waited_for() {
    block_on(async {
        let group = ErrGroup::<()>::new();
        group.go(async { panic!("a member") });
        assert_eq!(group.wait().await, Ok(()));
    });
}

#[test]
fn one_works_and_all_get_the_result() {
    block_on(async {
        let flights = Arc::new(SingleFlight::new());
        let (calls, gate) = (Arc::new(AtomicUsize::new(0)), chan::<()>(0));
        let wg = WaitGroup::new();
        for _ in 0..10 {
            let (flights, calls, gate) = (flights.clone(), calls.clone(), gate.clone());
            wg.go(async move {
                let work = || async {
                    calls.fetch_add(1, Ordering::Relaxed);
                    gate.recv().await;
                    "bar"
                };
                let landed = flights.run("key", work).await;
                assert_eq!((landed.value, landed.shared), ("bar", true));
            });
        }
        yield_now().await;
        gate.close();
        wg.wait().await;
        assert_eq!(calls.load(Ordering::Relaxed), 1);
        let alone = flights.run("key", || async { "anew" }).await;
        assert_eq!((alone.value, alone.shared), ("anew", false));
    });
}

#[test]
fn a_worker_that_is_dropped_leaves_the_work_to_the_next() {
    let flights = SingleFlight::<u8, u8>::new();
    let worker = Hand::waiting(flights.run(1, std::future::pending));
    let mut next = Hand::waiting(flights.run(1, || async { 7 }));
    drop(worker);
    assert_eq!(next.poll().expect("it does its own work").value, 7);
    drop(Hand::waiting(flights.run(2, std::future::pending)));
    assert_eq!(format!("{flights:?}"), "SingleFlight { keys: 0 }", "nothing stays behind");
}

#[test]
fn a_forgotten_key_is_worked_for_anew_and_a_panic_reaches_all() {
    let flights = SingleFlight::<u8, u8>::new();
    let gate = chan::<()>(0);
    let old = || async {
        gate.recv().await;
        1
    };
    let mut first = Hand::waiting(flights.run(1, old));
    flights.forget(&1);
    assert_eq!(Hand::new(flights.run(1, || async { 2 })).poll().unwrap().value, 2);
    gate.close();
    assert_eq!(first.poll().unwrap().value, 1);
    let gate = chan::<()>(0);
    let bad = || async {
        gate.recv().await;
        panic!("crash")
    };
    let mut worker = Hand::waiting(flights.run(1, bad));
    let mut waiter = Hand::waiting(flights.run(1, || async { 3 }));
    gate.close();
    assert_eq!(panic_text(|| assert!(worker.poll().is_none())), "crash");
    assert_eq!(panic_text(|| assert!(waiter.poll().is_none())), "crash");
}
