//! The blocking forms: plain threads outside every runtime wait for each other and for goroutines.

mod support;

use std::sync::Arc;
use std::thread::scope;
use std::time::Duration;

use gmp_core::chan::{Select, SendError};
use gmp_core::context::{ContextError, background, with_cancel};
use gmp_core::sync::{Cond, ErrGroup, Mutex, Once, OnceValue, RwLock, Semaphore, WaitGroup};
use gmp_core::{block_on, chan, channel, go};
use support::panic_text;

#[test]
fn threads_send_and_receive() {
    let (ch, (tx, rx)) = (chan(0), channel(0));
    scope(|s| {
        s.spawn(|| {
            ch.blocking_send(1);
            tx.blocking_send(2).unwrap();
        });
        assert_eq!((ch.blocking_recv(), rx.blocking_recv()), (Some(1), Some(2)));
    });
    ch.close();
    assert_eq!(ch.blocking_send_checked(3), Err(SendError(3)));
    assert_eq!(ch.blocking_recv(), None);
    assert_eq!(panic_text(|| ch.blocking_send(4)), "send on closed channel");
}

#[test]
fn threads_lock() {
    let (mutex, lock) = (Arc::new(Mutex::new(0)), Arc::new(RwLock::new(0)));
    let semaphore = Arc::new(Semaphore::new(2));
    scope(|s| {
        for _ in 0..4 {
            s.spawn(|| {
                for _ in 0..200 {
                    *mutex.blocking_lock() += 1;
                    *mutex.clone().blocking_lock_owned() += 1;
                    *lock.blocking_write() += 1;
                    *lock.clone().blocking_write_owned() += 1;
                    // One after the other: a reader that reads again may wait behind a writer.
                    let seen = *lock.blocking_read();
                    assert!(seen <= *lock.clone().blocking_read_owned());
                    let _two = (semaphore.blocking_acquire(1), ());
                    drop(semaphore.clone().try_acquire_owned(1));
                }
            });
        }
    });
    drop(semaphore.blocking_acquire_owned(2));
    assert_eq!((*mutex.blocking_lock(), *lock.blocking_read()), (1_600, 1_600));
}

#[test]
fn threads_wait_for_groups_conditions_and_what_is_done_once() {
    let (wg, group) = (WaitGroup::new(), ErrGroup::<&str>::new());
    wg.go(async {});
    group.go(async { Err("first") });
    wg.blocking_wait();
    assert_eq!(group.blocking_wait(), Err("first"));
    let (mutex, cond) = (Mutex::new(false), Cond::new());
    scope(|s| {
        s.spawn(|| {
            *mutex.blocking_lock() = true;
            cond.signal();
        });
        let mut ready = mutex.blocking_lock();
        while !*ready {
            ready = cond.blocking_wait(ready);
        }
    });
    let (once, value) = (Once::new(), OnceValue::new(|| async { 42 }));
    let ran = Mutex::new(0);
    scope(|s| {
        for _ in 0..4 {
            s.spawn(|| {
                once.blocking_call(|| *ran.blocking_lock() += 1);
                assert_eq!(*value.blocking_get(), 42);
            });
        }
    });
    assert_eq!(*ran.blocking_lock(), 1);
}

#[test]
fn threads_select_and_wait_for_contexts() {
    let (ctx, cancel) = with_cancel(&background());
    let work = chan::<u32>(0);
    scope(|s| {
        let waiting = s.spawn(|| ctx.blocking_done());
        let selecting = s.spawn(|| {
            let mut select = Select::new();
            select.recv(&work, |_| None).future(ctx.done(), Some);
            select.after(Duration::from_secs(3600), || None).blocking_wait()
        });
        cancel.cancel();
        assert_eq!(waiting.join().unwrap(), ContextError::Canceled);
        assert_eq!(selecting.join().unwrap(), Some(ContextError::Canceled));
    });
}

#[test]
fn a_goroutine_must_not_block_its_m() {
    let ch = chan::<u32>(1);
    let wg = WaitGroup::new();
    let blocked: [Box<dyn Fn() + Send>; 3] = [
        Box::new(move || _ = ch.blocking_recv()),
        Box::new(move || wg.blocking_wait()),
        Box::new(|| Select::<()>::new().blocking_wait()),
    ];
    for block in blocked {
        let text = "gmp: a blocking call inside a goroutine would stop its M; use the `.await` form, or \
                    `blocking` on a runtime with threads of its own";
        block_on(async {
            assert_eq!(go(async move { panic_text(&block) }).await.unwrap(), text);
        });
    }
}
