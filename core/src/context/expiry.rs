//! The timer of a context's deadline.

use core::ptr::NonNull;
use core::task::Waker;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::task::Wake as StdWake;
use std::time::Duration;

use super::cancel::{ContextError, End};
use super::node::Node;
use crate::g::Wake;
use crate::inspect::Watch;
use crate::time::Instant;
use crate::time::clock::{NEVER, Nanos};
use crate::time::current::{timers, watch};
use crate::time::heap::{Entry, Timers};

/// An armed deadline, owned by its node, which disarms it before it goes. The entry comes first: the heap
/// points to it.
#[repr(C)]
pub(super) struct Expiry {
    entry: Entry,
    timers: Arc<Timers>,
    watch: Option<Arc<Watch>>,
    when: Nanos,
    /// For the inspection.
    armed: AtomicBool,
    /// Ends the node. It runs outside the timers' lock, as every wake.
    waker: Waker,
}

/// What the waker does.
struct Expire(Weak<Node>);

impl StdWake for Expire {
    fn wake(self: Arc<Self>) {
        if let Some(node) = self.0.upgrade() {
            node.end(&End::new(ContextError::DeadlineExceeded, None, None));
        }
    }
}

impl Expiry {
    /// Arms the deadline of `node`, which keeps the result. An error if it has passed.
    pub(super) fn arm(node: &Arc<Node>, deadline: Instant) -> Result<Arc<Self>, ()> {
        let timers = timers();
        let when = timers.clock().nanos_of(deadline.into());
        if when <= timers.clock().now() {
            return Err(());
        }
        let expiry = Arc::new(Self {
            entry: Entry::new(fire),
            watch: watch().filter(|_| when != NEVER),
            when,
            armed: AtomicBool::new(when != NEVER),
            waker: Waker::from(Arc::new(Expire(Arc::downgrade(node)))),
            timers,
        });
        if let Some(watch) = &expiry.watch {
            watch.timer_armed();
        }
        if when != NEVER {
            // SAFETY: the node keeps the allocation, and disarms the entry before it goes.
            unsafe { expiry.timers.arm(expiry.entry(), when) };
        }
        Ok(expiry)
    }

    fn entry(&self) -> NonNull<Entry> {
        NonNull::from(self).cast()
    }

    /// Stops the timer if it is armed.
    pub(super) fn disarm(&self) {
        // SAFETY: alive.
        if unsafe { self.timers.disarm(self.entry()) } {
            self.rest();
        }
    }

    fn rest(&self) {
        // Relaxed: a figure of the report.
        self.armed.store(false, Ordering::Relaxed);
        if let Some(watch) = &self.watch {
            watch.timer_disarmed();
        }
    }

    /// Time until the deadline; `None` if it is not armed.
    pub(super) fn due_in(&self) -> Option<Duration> {
        let left = self.when.saturating_sub(self.timers.clock().now());
        self.armed.load(Ordering::Relaxed).then(|| Duration::from_nanos(left))
    }
}

/// # Safety
/// As [`crate::time::heap::Fire`] asks; the entry is that of an [`Expiry`].
unsafe fn fire(entry: NonNull<Entry>, wakes: &mut Vec<Wake>) {
    // SAFETY: an armed expiry is alive while the timers' lock is held.
    let expiry = unsafe { entry.cast::<Expiry>().as_ref() };
    expiry.rest();
    wakes.push(Wake::of(expiry.waker.clone()));
}
