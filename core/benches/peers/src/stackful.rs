//! The cases that may can express: stackful coroutines, unbounded channels, no select, no contexts.
//!
//! Its channels have no bound, so a rendezvous stream or a full buffer cannot be expressed; a ping-pong
//! can, because it is never more than one value ahead.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use may::coroutine::{self, JoinHandle};
use may::sync::{Mutex, mpsc};

/// Runs the case; `None` if may cannot express it.
pub fn run(case: &str, n: u64, procs: usize) -> Option<u64> {
    may::config().set_workers(procs);
    let main: fn(u64) -> u64 = match case {
        "spawn_join" => spawn_join,
        "spawn_outside" => return Some(spawn_all(n)),
        "spawn_inside" => spawn_all,
        "yield_100" => yields,
        "pingpong" => pingpong,
        "mutex_free" => mutex_free,
        "mutex_100" => mutex_100,
        "skynet" => |n| skynet(0, n),
        "sleeps_100k" => sleeps,
        _ => return None,
    };
    // A panic is a failure, not a case that cannot be expressed: it ends this process.
    Some(go(move || main(n)).join().expect("the coroutine ended well"))
}

fn go<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    may::go!(f)
}

fn join_all(tasks: Vec<JoinHandle<u64>>) -> u64 {
    tasks.into_iter().map(|task| task.join().unwrap_or(0)).sum()
}

fn spawn_join(n: u64) -> u64 {
    (0..n).map(|i| go(move || i & 1).join().unwrap_or(0)).sum()
}

/// Starts `n` coroutines that run `f`, and waits for the last.
fn spawn_and(n: u64, f: fn()) -> u64 {
    let left = Arc::new(AtomicU64::new(n));
    let (done, wait) = mpsc::channel();
    for _ in 0..n {
        let (left, done) = (left.clone(), done.clone());
        go(move || {
            f();
            if left.fetch_sub(1, Ordering::AcqRel) == 1 {
                let _ = done.send(());
            }
        });
    }
    let _ = wait.recv();
    n - left.load(Ordering::Acquire)
}

fn spawn_all(n: u64) -> u64 {
    spawn_and(n, || ())
}

fn sleeps(n: u64) -> u64 {
    spawn_and(n, || coroutine::sleep(Duration::from_millis(1)))
}

fn yields(n: u64) -> u64 {
    let work = move || {
        (0..n / 100).for_each(|_| coroutine::yield_now());
        n / 100
    };
    join_all((0..100).map(|_| go(work)).collect())
}

fn pingpong(n: u64) -> u64 {
    let (to, there) = mpsc::channel();
    let (back, from) = mpsc::channel();
    let echo = go(move || {
        while let Ok(value) = there.recv() {
            let _ = back.send(value + 1);
        }
        0
    });
    let mut sum = 0;
    for i in 0..n {
        let _ = to.send(i);
        sum += from.recv().unwrap_or(0) - i;
    }
    drop(to);
    sum + echo.join().unwrap_or(0)
}

fn mutex_free(n: u64) -> u64 {
    let lock = Mutex::new(0);
    for _ in 0..n {
        *lock.lock().expect("not poisoned") += 1;
    }
    lock.into_inner().unwrap_or(0)
}

fn mutex_100(n: u64) -> u64 {
    let lock = Arc::new(Mutex::new(0));
    let tasks = (0..100).map(|_| {
        let lock = lock.clone();
        go(move || {
            for i in 0..n / 100 {
                let mut guard = lock.lock().expect("not poisoned");
                *guard += 1;
                if i % 8 == 0 {
                    coroutine::yield_now();
                }
            }
            0
        })
    });
    join_all(tasks.collect());
    *lock.lock().expect("not poisoned")
}

fn skynet(first: u64, size: u64) -> u64 {
    if size == 1 {
        return first;
    }
    let size = size / 10;
    join_all((0..10).map(|i| go(move || skynet(first + i * size, size))).collect())
}
