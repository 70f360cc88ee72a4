//! Locks for many readers, conditions, semaphores, and what is done once.

use std::sync::Arc;
use std::time::Duration;

use gmp::sync::{Cond, ErrGroup, Mutex, Once, OnceValue, RwLock, Semaphore, SingleFlight};
use gmp::time::{sleep, timeout};
use gmp::{chan, go, yield_now};

use crate::support::{HOUR, keep};

#[gmp::test(expect_leak("sync.RWMutex.RLock: Proven", "chan receive: Proven"))]
async fn rwlock_read_behind_a_stuck_writer() {
    let (lock, ch) = (Arc::new(RwLock::new(0)), chan::<u32>(0));
    let held = lock.clone();
    drop(go(async move {
        let _guard = held.write().await;
        ch.recv().await;
    }));
    yield_now().await;
    drop(go(async move { drop(lock.read().await) }));
}

#[gmp::test]
async fn rwlock_read_behind_a_stuck_writer_fixed() {
    let (lock, ch) = (Arc::new(RwLock::new(0)), chan::<u32>(0));
    let (held, other) = (lock.clone(), ch.clone());
    drop(go(async move {
        let _guard = held.write().await;
        other.recv().await;
    }));
    yield_now().await;
    drop(go(async move { drop(lock.read().await) }));
    ch.send(1).await;
}

#[gmp::test(expect_leak("sync.RWMutex.Lock: Proven"))]
async fn rwlock_write_behind_a_forgotten_reader() {
    let lock = Arc::new(RwLock::new(0));
    core::mem::forget(lock.read().await);
    drop(go(async move { *lock.write().await += 1 }));
}

#[gmp::test]
async fn rwlock_write_behind_a_forgotten_reader_fixed() {
    let lock = Arc::new(RwLock::new(0));
    drop(lock.read().await);
    drop(go(async move { *lock.write().await += 1 }));
}

/// A second read lock in one goroutine, with a writer that came in between.
async fn read_twice(first_goes: bool) {
    let lock = Arc::new(RwLock::new(0));
    let other = lock.clone();
    drop(go(async move {
        let first = lock.read().await;
        yield_now().await;
        yield_now().await;
        let _kept = (!first_goes).then_some(first);
        drop(lock.read().await);
    }));
    yield_now().await;
    drop(go(async move { *other.write().await += 1 }));
}

#[gmp::test(expect_leak("sync.RWMutex.RLock: Proven", "sync.RWMutex.Lock: Proven"))]
async fn rwlock_read_twice() {
    read_twice(false).await;
}

#[gmp::test]
async fn rwlock_read_twice_fixed() {
    read_twice(true).await;
}

#[gmp::test(expect_leak("sync.RWMutex.RLock: Reachable", "sleep: Timer"))]
async fn rwlock_read_behind_a_writer_that_gives_up() {
    let lock = Arc::new(RwLock::new(0));
    let writer = lock.clone();
    drop(go(async move {
        let _first = lock.read().await;
        yield_now().await;
        drop(lock.read().await);
    }));
    yield_now().await;
    drop(go(async move { timeout(HOUR, writer.write()).await.is_ok() }));
}

#[gmp::test]
async fn rwlock_read_behind_a_writer_that_gives_up_fixed() {
    let lock = Arc::new(RwLock::new(0));
    let (writer, reader) = (lock.clone(), lock.clone());
    let first = lock.read().await;
    let gave_up =
        go(async move { timeout(Duration::from_millis(5), writer.write()).await.is_err() });
    yield_now().await;
    let shared = go(async move { drop(reader.read().await) });
    shared.await.unwrap();
    assert!(gave_up.await.unwrap());
    drop(first);
}

#[gmp::test(expect_leak("sync.RWMutex.Lock: Reachable"))]
async fn rwlock_guard_in_a_static() {
    let lock = Arc::new(RwLock::new(0));
    keep(lock.clone().read_owned().await);
    drop(go(async move { *lock.write().await += 1 }));
}

#[gmp::test]
async fn rwlock_guard_in_a_static_fixed() {
    let lock = Arc::new(RwLock::new(0));
    // What is kept is the value, not the guard.
    keep(*lock.clone().read_owned().await);
    drop(go(async move { *lock.write().await += 1 }));
}

#[gmp::test(expect_leak("sync.Cond.Wait: Proven"))]
async fn cond_without_signal() {
    let shared = Arc::new((Mutex::new(false), Cond::new()));
    drop(go(async move {
        let mut ready = shared.0.lock().await;
        while !*ready {
            ready = shared.1.wait(ready).await;
        }
    }));
}

#[gmp::test]
async fn cond_without_signal_fixed() {
    let shared = Arc::new((Mutex::new(false), Cond::new()));
    let waiter = shared.clone();
    drop(go(async move {
        let mut ready = waiter.0.lock().await;
        while !*ready {
            ready = waiter.1.wait(ready).await;
        }
    }));
    yield_now().await;
    *shared.0.lock().await = true;
    shared.1.signal();
}

#[gmp::test(expect_leak("2 sync.Cond.Wait: Proven"))]
async fn cond_one_signal_for_three() {
    cond_for_three(Cond::signal).await;
}

#[gmp::test]
async fn cond_one_signal_for_three_fixed() {
    cond_for_three(Cond::broadcast).await;
}

async fn cond_for_three(wake: fn(&Cond)) {
    let shared = Arc::new((Mutex::new(false), Cond::new()));
    for _ in 0..3 {
        let shared = shared.clone();
        drop(go(async move {
            let mut ready = shared.0.lock().await;
            while !*ready {
                ready = shared.1.wait(ready).await;
            }
        }));
    }
    yield_now().await;
    *shared.0.lock().await = true;
    wake(&shared.1);
}

/// A goroutine waits until what a static keeps is ready.
fn wait_for_a_static() -> Arc<(Mutex<bool>, Cond)> {
    let shared = Arc::new((Mutex::new(false), Cond::new()));
    keep(shared.clone());
    let waiter = shared.clone();
    drop(go(async move {
        let mut ready = waiter.0.lock().await;
        while !*ready {
            ready = waiter.1.wait(ready).await;
        }
    }));
    shared
}

#[gmp::test(expect_leak("sync.Cond.Wait: Reachable"))]
async fn cond_in_a_static() {
    wait_for_a_static();
}

#[gmp::test]
async fn cond_in_a_static_fixed() {
    let shared = wait_for_a_static();
    *shared.0.lock().await = true;
    shared.1.signal();
}

#[gmp::test(expect_leak("semacquire: Proven"))]
async fn semaphore_without_release() {
    let semaphore = Arc::new(Semaphore::new(1));
    semaphore.acquire(1).await.forget();
    drop(go(async move { drop(semaphore.acquire(1).await) }));
}

#[gmp::test]
async fn semaphore_without_release_fixed() {
    let semaphore = Arc::new(Semaphore::new(1));
    drop(semaphore.acquire(1).await);
    drop(go(async move { drop(semaphore.acquire(1).await) }));
}

#[gmp::test(expect_leak("semacquire: Proven", "chan receive: Proven"))]
async fn semaphore_held_by_a_stuck_goroutine() {
    let (semaphore, ch) = (Arc::new(Semaphore::new(3)), chan::<u32>(0));
    let held = semaphore.clone();
    drop(go(async move {
        let _permits = held.acquire(2).await;
        ch.recv().await;
    }));
    yield_now().await;
    drop(go(async move { drop(semaphore.acquire(2).await) }));
}

#[gmp::test]
async fn semaphore_held_by_a_stuck_goroutine_fixed() {
    let (semaphore, ch) = (Arc::new(Semaphore::new(3)), chan::<u32>(0));
    let (held, other) = (semaphore.clone(), ch.clone());
    drop(go(async move {
        let _permits = held.acquire(2).await;
        other.recv().await;
    }));
    yield_now().await;
    drop(go(async move { drop(semaphore.acquire(2).await) }));
    ch.close();
}

#[gmp::test(expect_leak("sync.Once.Do: Proven", "chan receive: Proven"))]
async fn once_whose_function_never_returns() {
    let (once, ch) = (Arc::new(Once::new()), chan::<u32>(0));
    for _ in 0..2 {
        let (once, ch) = (once.clone(), ch.clone());
        drop(go(async move { once.call(|| async { _ = ch.recv().await }).await }));
    }
}

#[gmp::test]
async fn once_whose_function_never_returns_fixed() {
    let (once, ch) = (Arc::new(Once::new()), chan::<u32>(0));
    for _ in 0..2 {
        let (once, ch) = (once.clone(), ch.clone());
        drop(go(async move { once.call(|| async { _ = ch.recv().await }).await }));
    }
    yield_now().await;
    ch.close();
}

#[gmp::test(expect_leak("sync.Once.Do: Proven"))]
async fn once_inside_itself() {
    let once = Arc::new(Once::new());
    drop(go(async move { once.call(|| async { once.call(|| async {}).await }).await }));
}

#[gmp::test]
async fn once_inside_itself_fixed() {
    let (once, other) = (Arc::new(Once::new()), Once::new());
    drop(go(async move { once.call(|| async { other.call(|| async {}).await }).await }));
}

#[gmp::test(expect_leak("sync.Once.Do: Reachable", "sleep: Timer"))]
async fn once_value_of_a_sleeper() {
    once_value_of(HOUR).await;
}

#[gmp::test]
async fn once_value_of_a_sleeper_fixed() {
    once_value_of(Duration::from_micros(100)).await;
}

/// Two goroutines that want a value which takes some `time`.
async fn once_value_of(time: Duration) {
    let value = Arc::new(OnceValue::new(move || sleep(time)));
    for _ in 0..2 {
        let value = value.clone();
        drop(go(async move {
            value.get().await;
        }));
    }
}

#[gmp::test(expect_leak("2 singleflight.Do: Proven", "chan receive: Proven"))]
async fn flight_that_never_lands() {
    let (flights, ch) = (Arc::new(SingleFlight::new()), chan::<u32>(0));
    for _ in 0..3 {
        let (flights, ch) = (flights.clone(), ch.clone());
        drop(go(async move { flights.run("key", || async { ch.recv().await }).await.value }));
    }
}

#[gmp::test]
async fn flight_that_never_lands_fixed() {
    let (flights, ch) = (Arc::new(SingleFlight::new()), chan::<u32>(0));
    for _ in 0..3 {
        let (flights, ch) = (flights.clone(), ch.clone());
        drop(go(async move { flights.run("key", || async { ch.recv().await }).await.value }));
    }
    yield_now().await;
    ch.close();
}

#[gmp::test(expect_leak("sync.WaitGroup.Wait: Proven", "chan send: Proven"))]
async fn group_with_a_member_that_is_stuck() {
    let (group, ch) = (ErrGroup::<()>::new(), chan(0));
    group.go(async move {
        ch.send(1).await;
        Ok(())
    });
    drop(go(async move { group.wait().await }));
}

#[gmp::test]
async fn group_with_a_member_that_is_stuck_fixed() {
    let (group, ch) = (ErrGroup::<()>::new(), chan(1));
    group.go(async move {
        ch.send(1).await;
        Ok(())
    });
    drop(go(async move { group.wait().await }));
}
