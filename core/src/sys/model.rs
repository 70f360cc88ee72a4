//! What models of the primitives share: uses that loom checks, values that are seen once, a `block_on`.

use core::future::Future;
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use std::sync::Arc;
use std::task::Wake;

use loom::cell::{MutPtr, UnsafeCell};
use loom::sync::{Mutex, MutexGuard, Notify};

/// Lets a model see who uses what a lock guards: two at a time, or one that does not see what the one
/// before did, fail it.
pub(crate) struct Track(UnsafeCell<()>);

/// A use in progress.
pub(crate) struct Tracked(Option<MutPtr<()>>);

impl Track {
    pub(crate) fn new() -> Self {
        Self(UnsafeCell::new(()))
    }

    pub(crate) fn begin(&self) -> Tracked {
        Tracked(Some(self.0.get_mut()))
    }
}

impl Tracked {
    pub(crate) fn end(&mut self) {
        self.0 = None;
    }
}

/// As `sys::Lock`, which it replaces.
#[derive(Default)]
pub(crate) struct Lock<T>(Mutex<T>);

impl<T> Lock<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().expect("no model panics under a lock")
    }
}

/// A value that changes hands. Whoever reads it must have seen what its maker wrote.
#[derive(Debug)]
pub(crate) struct Token(UnsafeCell<u32>);

// SAFETY: one thread at a time has it, which the model checks.
unsafe impl Send for Token {}

impl Token {
    pub(crate) fn new(number: u32) -> Self {
        let cell = UnsafeCell::new(0);
        // SAFETY: nobody else knows it.
        cell.with_mut(|cell| unsafe { *cell = number });
        Self(cell)
    }

    pub(crate) fn read(self) -> u32 {
        // SAFETY: the model fails if somebody uses it at the same time.
        self.0.with_mut(|cell| unsafe { core::mem::take(&mut *cell) })
    }
}

struct Unpark(Notify);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.notify();
    }
}

/// Drives a future on a thread of the model.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let unpark = Arc::new(Unpark(Notify::new()));
    let waker = Waker::from(unpark.clone());
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => unpark.0.wait(),
        }
    }
}

/// Polls once, for nobody.
pub(crate) fn poll_once<F: Future>(future: core::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}
