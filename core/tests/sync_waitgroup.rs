//! `sync::WaitGroup`: counting, misuse, reuse.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use gmp_core::inspect::{Figure, WaitReason};
use gmp_core::runtime::{Builder, Runtime};
use gmp_core::sync::WaitGroup;
use gmp_core::{block_on, go, snapshot, yield_now};

/// Polls once, with a waker that does nothing.
fn poll_once<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn waiting_ends_when_the_counter_is_zero() {
    block_on(async {
        let wg = WaitGroup::new();
        wg.wait().await;
        let finished = Arc::new(AtomicUsize::new(0));
        wg.add(10);
        for _ in 0..10 {
            let (wg, finished) = (wg.clone(), finished.clone());
            go(async move {
                yield_now().await;
                finished.fetch_add(1, Ordering::Relaxed);
                wg.done();
            });
        }
        let other = wg.clone();
        let second = go(async move { other.wait().await });
        assert_eq!(wg.count(), 10);
        wg.wait().await;
        assert_eq!((finished.load(Ordering::Relaxed), wg.count()), (10, 0));
        second.await.unwrap();
    });
}

#[test]
fn a_negative_counter_panics_with_gos_words_and_changes_nothing() {
    let wg = WaitGroup::new();
    wg.add(1);
    let payload = catch_unwind(AssertUnwindSafe(|| wg.add(-2))).unwrap_err();
    assert_eq!(payload.downcast_ref::<&str>(), Some(&"sync: negative WaitGroup counter"));
    assert_eq!(wg.count(), 1);
    wg.done();
    assert!(catch_unwind(AssertUnwindSafe(|| wg.done())).is_err());
    wg.blocking_wait();
    assert!(catch_unwind(AssertUnwindSafe(|| wg.add(i64::MAX))).is_err(), "too large to count");
}

#[test]
fn a_group_is_used_round_after_round() {
    block_on(async {
        let wg = WaitGroup::new();
        for round in 1..=100usize {
            let finished = Arc::new(AtomicUsize::new(0));
            for _ in 0..round % 4 + 1 {
                let finished = finished.clone();
                wg.go(async move {
                    finished.fetch_add(1, Ordering::Relaxed);
                });
            }
            wg.wait().await;
            assert_eq!(finished.load(Ordering::Relaxed), round % 4 + 1);
        }
    });
}

#[test]
fn the_end_of_a_round_does_not_release_those_who_wait_for_the_next() {
    let wg = WaitGroup::new();
    wg.add(1);
    let mut first = pin!(wg.wait());
    assert!(poll_once(first.as_mut()).is_pending());
    wg.done();
    wg.add(1);
    let mut second = pin!(wg.wait());
    assert!(poll_once(second.as_mut()).is_pending());
    assert!(
        poll_once(first.as_mut()).is_ready(),
        "released by the first round, whatever came then"
    );
    assert!(poll_once(second.as_mut()).is_pending());
    wg.done();
    assert!(poll_once(second.as_mut()).is_ready());
}

#[test]
fn a_wait_that_is_dropped_leaves_the_group_usable() {
    let wg = WaitGroup::new();
    wg.add(1);
    {
        let mut dropped = pin!(wg.wait());
        assert!(poll_once(dropped.as_mut()).is_pending());
    }
    wg.done();
    assert_eq!(wg.count(), 0);
    assert!(poll_once(pin!(wg.wait())).is_ready());
}

#[test]
fn a_counted_goroutine_is_done_when_it_panics_or_is_dropped() {
    let wg = WaitGroup::new();
    block_on(async {
        wg.go(async { panic!("the worker fails") });
        wg.wait().await;
    });
    let runtime = Runtime::new();
    runtime.block_on(async { wg.go(std::future::pending()) });
    assert_eq!(wg.count(), 1);
    drop(runtime);
    assert_eq!(wg.count(), 0);
}

#[test]
fn threads_wait_for_goroutines_of_the_global_runtime() {
    let wg = WaitGroup::new();
    let sum = Arc::new(AtomicUsize::new(0));
    for n in 1..=100 {
        let sum = sum.clone();
        wg.go(async move {
            yield_now().await;
            sum.fetch_add(n, Ordering::Relaxed);
        });
    }
    wg.blocking_wait();
    assert_eq!(sum.load(Ordering::Relaxed), 5_050);
}

#[test]
fn many_threads_count_and_wait_over_many_rounds() {
    let wg = WaitGroup::new();
    for _ in 0..500 {
        wg.add(4);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| wg.done());
            }
            scope.spawn(|| wg.blocking_wait());
            wg.blocking_wait();
        });
        assert_eq!(wg.count(), 0);
    }
}

#[test]
fn the_stock_tells_the_counter_and_the_lines_of_add_and_done() {
    let runtime = Builder::new().watch(true).build();
    let line = line!() + 3;
    runtime.block_on(async {
        let wg = WaitGroup::new();
        wg.add(3);
        wg.done();
        go(async move { wg.wait().await });
        yield_now().await;
    });
    runtime.scope().close();
    let frozen = snapshot::freeze(runtime.scope());
    let waits = frozen[0].waits();
    assert_eq!((waits[0].reason, waits[0].at.line()), (WaitReason::WaitGroupWait, line + 2));
    assert!(matches!(waits[0].figure, Figure::WaitGroup { counter: 2 }));
    let record = waits[0].record.clone().expect("the scope watches");
    let sites: Vec<_> = record.sites().iter().map(|s| (s.at.line(), s.amount)).collect();
    assert_eq!(sites, [(line, 3), (line + 1, -1)]);
    assert!(record.death(waits[0].capabilities[0].1).is_none());
    let reaping = record.watch().reaping();
    frozen[0].reap(runtime.scope()).expect("parked");
    assert!(record.death(waits[0].capabilities[0].1).is_some(), "its own handle was the last");
    drop(reaping);
}
