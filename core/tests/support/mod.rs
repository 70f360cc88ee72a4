//! What the tests of the runtime share: wakers that count, hand-driven polls, a random generator, and
//! values whose life is counted.
#![allow(dead_code, reason = "each suite uses a part of it")]

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

/// A waker that counts.
pub(crate) struct Counter(AtomicUsize);

impl Wake for Counter {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Counter {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(AtomicUsize::new(0)))
    }
    pub(crate) fn wakes(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// Polls once with `counter` as the waker.
pub(crate) fn poll<F: Future + ?Sized>(
    future: Pin<&mut F>,
    counter: &Arc<Counter>,
) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(&Waker::from(counter.clone())))
}

/// Polls once with a waker that nobody looks at.
pub(crate) fn poll_once<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// A future that a test polls by hand, with a waker that counts.
pub(crate) struct Hand<F>(Pin<Box<F>>, pub(crate) Arc<Counter>);

impl<F: Future> Hand<F> {
    pub(crate) fn new(future: F) -> Self {
        Self(Box::pin(future), Counter::new())
    }

    /// A future that has to wait.
    #[track_caller]
    pub(crate) fn waiting(future: F) -> Self {
        let mut hand = Self::new(future);
        assert!(hand.poll().is_none(), "it has to wait");
        hand
    }

    pub(crate) fn poll(&mut self) -> Option<F::Output> {
        match poll(self.0.as_mut(), &self.1) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        }
    }

    pub(crate) fn wakes(&self) -> usize {
        self.1.wakes()
    }
}

/// Marsaglia's xorshift64*.
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }
    pub(crate) fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        ((u128::from(self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)) * n as u128) >> 64) as usize
    }
    pub(crate) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

/// Holds its thread until `flag` is set.
pub(crate) fn spin_until(flag: &AtomicBool) {
    while !flag.load(Ordering::Acquire) {
        std::thread::yield_now();
    }
}

/// Values made from one `Life` and not yet dropped.
#[derive(Clone, Default)]
pub(crate) struct Life(Arc<AtomicUsize>);

/// A value whose life is counted; dropping it twice is noticed.
#[derive(Debug)]
pub(crate) struct Living {
    pub(crate) id: usize,
    alive: Arc<AtomicUsize>,
    dropped: bool,
}

impl Life {
    pub(crate) fn make(&self, id: usize) -> Living {
        self.0.fetch_add(1, Ordering::SeqCst);
        Living { id, alive: self.0.clone(), dropped: false }
    }
    pub(crate) fn alive(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Drop for Living {
    fn drop(&mut self) {
        assert!(!self.dropped, "dropped twice");
        self.dropped = true;
        self.alive.fetch_sub(1, Ordering::SeqCst);
    }
}

/// How often to repeat: `n`, or a part of it where `TEST_DIVISOR` says so (under valgrind).
pub(crate) fn rounds(n: usize) -> usize {
    (n / divisor()).max(1)
}

/// Time to get something ready in: `time`, or as much more of it as [`rounds`] are fewer.
pub(crate) fn lead(time: Duration) -> Duration {
    time * u32::try_from(divisor()).unwrap_or(u32::MAX)
}

fn divisor() -> usize {
    std::env::var("TEST_DIVISOR").ok().and_then(|d| d.parse().ok()).unwrap_or(1)
}

/// Runs `f`, which is expected to panic, without the panic's message, and returns its text.
pub(crate) fn panic_text(f: impl FnOnce()) -> String {
    let payload = std::panic::catch_unwind(std::panic::AssertUnwindSafe(f))
        .expect_err("it should have panicked");
    text(&*payload)
}

/// The text of a panic payload.
pub(crate) fn text(payload: &(dyn std::any::Any + Send)) -> String {
    match payload.downcast_ref::<&str>() {
        Some(text) => text.to_string(),
        None => payload.downcast_ref::<String>().expect("a text").clone(),
    }
}

/// Runs the ignored test `name` of this binary as a process of its own, with `GMP_DEBUG` set to `debug`.
pub(crate) fn run_alone(name: &str, debug: &str) -> std::process::Output {
    run_alone_with(name, "GMP_DEBUG", debug)
}

/// As [`run_alone`], with another variable.
#[allow(dead_code, reason = "not every file of tests uses it")]
pub(crate) fn run_alone_with(name: &str, variable: &str, value: &str) -> std::process::Output {
    std::process::Command::new(std::env::current_exe().expect("a path"))
        .args(["--ignored", "--exact", "--nocapture", "--test-threads=1", name])
        .env(variable, value)
        .output()
        .expect("this binary runs again")
}

/// Runs `f`, of a test in a process of its own, and ends that process if `f` hangs.
pub(crate) fn or_fail<R>(f: impl FnOnce() -> R) -> R {
    let (ended, hangs) = std::sync::mpsc::channel::<()>();
    let watch = std::thread::spawn(move || {
        if hangs.recv_timeout(lead(Duration::from_secs(60))) == Err(RecvTimeoutError::Timeout) {
            eprintln!("it hangs");
            std::process::exit(1);
        }
    });
    let result = f();
    drop(ended);
    watch.join().expect("it has nothing to do any more");
    result
}

/// Joins goroutines: a panic of one of them is one of the test.
pub(crate) async fn join_all<T>(handles: impl IntoIterator<Item = gmp_core::JoinHandle<T>>) {
    for handle in handles.into_iter().collect::<Vec<_>>() {
        if let Err(error) = handle.await {
            panic!("a goroutine of the test failed: {error}");
        }
    }
}
