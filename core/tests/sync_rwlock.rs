//! `sync::RwLock`: who shares, who waits, who goes first, and futures that are dropped half-way.

mod support;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use gmp_core::inspect::{Capability, Figure, WaitReason};
use gmp_core::runtime::{Builder, Runtime};
use gmp_core::sync::{RwLock, WaitGroup};
use gmp_core::{block_on, go, snapshot, yield_now};
use support::{Counter, Hand};

#[test]
fn readers_share_and_a_writer_is_alone() {
    let lock = RwLock::new(1);
    let (first, second) = (lock.try_read().unwrap(), lock.try_read().unwrap());
    assert_eq!(*first + *second, 2);
    assert!(lock.try_write().is_none());
    drop(first);
    assert!(lock.try_write().is_none());
    drop(second);
    let mut writer = lock.try_write().unwrap();
    assert!(lock.try_read().is_none() && lock.try_write().is_none());
    *writer = 5;
    drop(writer);
    assert_eq!(*lock.try_read().unwrap(), 5);
    assert_eq!(lock.into_inner(), 5);
}

#[test]
fn a_waiting_writer_stops_new_readers() {
    let lock = RwLock::new(());
    let reader = lock.try_read().unwrap();
    let mut writer = Hand::waiting(lock.write());
    assert!(lock.try_read().is_none());
    let mut late = Hand::waiting(lock.read());
    drop(reader);
    assert_eq!((writer.wakes(), late.wakes()), (1, 0));
    let guard = writer.poll().expect("its turn");
    assert!(late.poll().is_none());
    drop(guard);
    assert!(late.poll().is_some());
}

#[test]
fn all_waiting_readers_follow_a_writer_and_the_next_writer_follows_them() {
    let lock = RwLock::new(());
    let guard = lock.try_write().unwrap();
    let mut reader = Hand::waiting(lock.read());
    let mut writer = Hand::waiting(lock.write());
    let mut second = Hand::waiting(lock.read());
    drop(guard);
    assert_eq!((reader.wakes(), second.wakes(), writer.wakes()), (1, 1, 0));
    let (one, two) = (reader.poll().unwrap(), second.poll().unwrap());
    assert!(lock.try_read().is_none(), "the writer is next");
    drop(one);
    assert_eq!(writer.wakes(), 0);
    drop(two);
    assert!(writer.poll().is_some());
}

#[test]
fn writers_are_served_in_the_order_they_came() {
    let lock = RwLock::new(());
    let guard = lock.try_write().unwrap();
    let mut first = Hand::waiting(lock.write());
    let mut second = Hand::waiting(lock.write());
    drop(guard);
    assert!(second.poll().is_none());
    drop(first.poll().expect("first come first served"));
    assert!(second.poll().is_some());
}

#[test]
fn a_writer_that_leaves_the_line_lets_the_readers_behind_it_in() {
    let lock = RwLock::new(());
    let reader = lock.try_read().unwrap();
    let writer = Hand::waiting(lock.write());
    let mut late = Hand::waiting(lock.read());
    drop(writer);
    assert_eq!(late.wakes(), 1);
    let late = late.poll().expect("readers share");
    assert!(lock.try_read().is_some());
    drop(reader);
    assert!(lock.try_write().is_none());
    drop(late);
    assert!(lock.try_write().is_some());
}

#[test]
fn one_of_two_writers_that_leaves_lets_no_reader_in() {
    let lock = RwLock::new(());
    let reader = lock.try_read().unwrap();
    let (gone, mut writer) = (Hand::waiting(lock.write()), Hand::waiting(lock.write()));
    let mut late = Hand::waiting(lock.read());
    drop(gone);
    assert!(late.poll().is_none());
    drop(reader);
    drop(writer.poll().expect("its turn"));
    assert!(late.poll().is_some());
}

#[test]
fn a_handed_lock_that_is_dropped_goes_on() {
    let lock = RwLock::new(());
    let guard = lock.try_write().unwrap();
    let handed = Hand::waiting(lock.write());
    let mut next = Hand::waiting(lock.write());
    drop(guard);
    assert_eq!((handed.wakes(), next.wakes()), (1, 0));
    drop(handed);
    let guard = next.poll().expect("it went on");
    let (one, mut two) = (Hand::waiting(lock.read()), Hand::waiting(lock.read()));
    drop(guard);
    drop(one);
    drop(two.poll().expect("it shared with the one that was dropped"));
    assert!(lock.try_write().is_some());
}

#[test]
fn a_waiter_keeps_its_place_when_another_task_polls_it() {
    let lock = RwLock::new(());
    let guard = lock.try_write().unwrap();
    let (mut first, mut second) = (Hand::waiting(lock.write()), Hand::waiting(lock.write()));
    let before = std::mem::replace(&mut first.1, Counter::new());
    assert!(first.poll().is_none());
    drop(guard);
    assert_eq!((before.wakes(), first.wakes(), second.wakes()), (0, 1, 0));
    drop(first.poll());
    assert!(second.poll().is_some());
}

#[test]
fn guards_may_be_moved_forgotten_and_dropped_by_a_panic() {
    block_on(async {
        let lock = Arc::new(RwLock::new(0));
        let mut guard = lock.clone().write_owned().await;
        let other = go(async move {
            *guard = 7;
            panic!("while it is held");
        });
        assert_eq!(*lock.clone().read_owned().await, 7, "no poison");
        assert!(other.await.unwrap_err().is_panic());
        std::mem::forget(lock.clone().try_read_owned().unwrap());
        assert!(lock.try_read().is_some());
        assert!(lock.clone().try_write_owned().is_none(), "for ever");
    });
}

#[test]
fn threads_and_goroutines_share_one_lock() {
    static PAIR: RwLock<(u64, u64)> = RwLock::const_new((0, 0));
    const EACH: u64 = 1_000;
    static READS: AtomicUsize = AtomicUsize::new(0);
    let read = |pair: &(u64, u64)| {
        assert_eq!(pair.0, pair.1, "no writer is inside");
        READS.fetch_add(1, Ordering::Relaxed);
    };
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..EACH {
                    let mut pair = PAIR.blocking_write();
                    pair.0 += 1;
                    pair.1 += 1;
                }
            });
            scope.spawn(|| (0..EACH).for_each(|_| read(&PAIR.blocking_read())));
            scope.spawn(|| {
                block_on(async {
                    for _ in 0..EACH {
                        let mut pair = PAIR.write().await;
                        pair.0 += 1;
                        yield_now().await;
                        pair.1 += 1;
                        drop(pair);
                        let pair = PAIR.read().await;
                        yield_now().await;
                        read(&pair);
                    }
                });
            });
        }
    });
    assert_eq!(*PAIR.try_read().unwrap(), (4 * EACH, 4 * EACH));
    assert_eq!(READS.load(Ordering::Relaxed), 4_000);
}

/// Waiters that give up at any moment: the lock is never lost, and never shared with a writer.
#[test]
fn waiters_dropped_at_random_lose_nothing() {
    let mut rng = support::Rng::new(7);
    for _ in 0..support::rounds(200) {
        let lock = RwLock::new(());
        let (mut reads, mut writes) = (Vec::new(), Vec::new());
        let (mut readers, mut writers) = (Vec::new(), Vec::new());
        for _ in 0..60 {
            match rng.below(8) {
                0 | 1 => reads.push(Hand::new(lock.read())),
                2 => writes.push(Hand::new(lock.write())),
                3 if !reads.is_empty() => drop(reads.swap_remove(rng.below(reads.len()))),
                4 if !writes.is_empty() => drop(writes.swap_remove(rng.below(writes.len()))),
                5 if !readers.is_empty() => drop(readers.swap_remove(rng.below(readers.len()))),
                6 => drop(writers.pop()),
                _ => {
                    reads.retain_mut(|read| match read.poll() {
                        Some(guard) => {
                            readers.push(guard);
                            false
                        }
                        None => true,
                    });
                    writes.retain_mut(|write| match write.poll() {
                        Some(guard) => {
                            writers.push(guard);
                            false
                        }
                        None => true,
                    });
                }
            }
            assert!(writers.is_empty() || (writers.len() == 1 && readers.is_empty()));
        }
        drop((readers, writers));
        drop((reads, writes));
        assert!(lock.try_write().is_some(), "nobody has it, nobody wants it");
    }
}

#[test]
fn a_loop_over_a_free_lock_lets_others_run() {
    block_on(async {
        let stop = Arc::new(AtomicUsize::new(0));
        let other = stop.clone();
        let stopper = go(async move { other.store(1, Ordering::Relaxed) });
        let lock = RwLock::new(());
        while stop.load(Ordering::Relaxed) == 0 {
            drop(lock.read().await);
            drop(lock.write().await);
        }
        stopper.await.unwrap();
    });
}

#[test]
fn the_stock_names_holders_lines_and_what_could_release() {
    let runtime = Builder::new().watch(true).build();
    let (lock, line) = runtime.block_on(async {
        let lock = Arc::new(RwLock::new(()));
        let (holder, writer, reader) = (lock.clone(), lock.clone(), lock.clone());
        let line = line!();
        go(async move {
            let _guard = holder.read().await;
            std::future::pending::<()>().await;
        });
        yield_now().await;
        go(async move { drop(writer.write().await) });
        yield_now().await;
        go(async move { drop(reader.read().await) });
        yield_now().await;
        (lock, line)
    });
    runtime.scope().close();
    let frozen = snapshot::freeze(runtime.scope());
    let waits: Vec<_> = frozen.iter().flat_map(snapshot::Frozen::waits).collect();
    let reasons: Vec<_> = waits.iter().map(|wait| (wait.reason, wait.at.line() - line)).collect();
    assert_eq!(reasons, [(WaitReason::RwLockWrite, 6), (WaitReason::RwLockRead, 8)]);
    for wait in &waits {
        let Figure::RwLock { holders, writer: false, pending_writers: 1 } = &wait.figure else {
            panic!("{:?}", wait.figure)
        };
        assert_eq!(holders.len(), 1);
        assert_eq!((holders[0].0, holders[0].1.line()), (Some(frozen[0].id()), line + 2));
        assert!(wait.complete && wait.due_in.is_none());
    }
    let record = waits[0].record.clone().expect("the scope watches");
    let capabilities = |at: usize| {
        waits[at].capabilities.iter().map(|(_, capability)| *capability).collect::<Vec<_>>()
    };
    assert_eq!(capabilities(0), [Capability::Release]);
    assert_eq!(capabilities(1), [Capability::Release, Capability::GiveUp]);
    let _reaping = record.watch().reaping();
    assert!(record.death(Capability::Release).is_none(), "a guard lives");
    frozen[0].reap(runtime.scope()).expect("parked");
    assert!(record.death(Capability::Release).is_some(), "the guards that were alive are gone");
    assert!(record.death(Capability::GiveUp).is_none(), "the writer may still give up");
    frozen[1].reap(runtime.scope()).expect("parked");
    assert!(record.death(Capability::GiveUp).is_some());
    drop(lock);
}

/// A future that was leaked while it waited, and a lock that is gone: the stock-taking must not follow the
/// leaf to it.
#[test]
fn a_leaked_waiter_does_not_lead_to_a_dropped_lock() {
    let runtime = Runtime::new();
    runtime.block_on(async {
        go(async {
            let lock = RwLock::new(());
            std::mem::forget(lock.try_write());
            let (mut read, mut write) = (Box::pin(lock.read()), Box::pin(lock.write()));
            std::future::poll_fn(|cx| {
                assert!(
                    read.as_mut().poll(cx).is_pending() && write.as_mut().poll(cx).is_pending()
                );
                Poll::Ready(())
            })
            .await;
            std::mem::forget((read, write));
            drop(lock);
            std::future::pending::<()>().await;
        });
        yield_now().await;
    });
    runtime.scope().close();
    let frozen = snapshot::freeze(runtime.scope());
    assert!(frozen[0].waits().is_empty());
}

#[test]
fn a_reader_may_wait_for_goroutines_that_read() {
    block_on(async {
        let lock = Arc::new(RwLock::new(3));
        let wg = WaitGroup::new();
        let guard = lock.read().await;
        for _ in 0..4 {
            let lock = lock.clone();
            wg.go(async move { assert_eq!(*lock.read().await, 3) });
        }
        wg.wait().await;
        drop(guard);
    });
}
