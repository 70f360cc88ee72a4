//! The futures that lock a `Mutex`.

use core::cell::Cell;
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::ptr::NonNull;
use core::task::{Context, Poll};
use std::sync::Arc;

use super::Mutex;
use super::guard::{MutexGuard, OwnedMutexGuard};
use super::mutex::{Contender, Core, HANDED};
use crate::g::leaf::{FIRED, Leaf, Prepared};
use crate::inspect::{Anchor, Location, WaitInfo, WaitReason};
use crate::time::clock::Nanos;
use crate::time::current::now_nanos;

/// A waiter that still has no lock after this time starves. Go's number.
const STARVES_AFTER: Nanos = 1_000_000;

/// Locks a [`Mutex`]. Made by [`Mutex::lock`].
///
/// # Cancel safety
/// It can be dropped at any time: it gives its place in the queue up, and passes on a lock that it was
/// handed and an invitation to try.
#[must_use = "futures do nothing unless awaited"]
pub struct Lock<'a, T: ?Sized> {
    waiter: Waiter,
    mutex: &'a Mutex<T>,
}

/// Locks a [`Mutex`] and keeps it alive. Made by [`Mutex::lock_owned`].
///
/// # Cancel safety
/// As [`Lock`].
#[must_use = "futures do nothing unless awaited"]
pub struct LockOwned<T: ?Sized> {
    waiter: Waiter,
    mutex: Arc<Mutex<T>>,
}

/// What both futures do alike.
struct Waiter {
    leaf: Leaf<Patience>,
}

/// How long a waiter has been waiting.
struct Patience {
    since: Cell<Option<Nanos>>,
    /// It waited for more than 1 ms. Stays set.
    starving: Cell<bool>,
}

/// The anchor of leaves that never parked.
static UNUSED: Anchor = Anchor { describe: describe_nothing, record: None };

/// # Safety
/// None: nothing is read.
unsafe fn describe_nothing(_: NonNull<Anchor>, _: NonNull<()>, _: &mut dyn FnMut(WaitInfo)) {}

impl Waiter {
    fn new(at: Location) -> Self {
        let patience = Patience { since: Cell::new(None), starving: Cell::new(false) };
        let anchor = NonNull::from(&UNUSED);
        Self { leaf: Leaf::new(WaitReason::MutexLock, anchor, at, patience) }
    }

    fn node(&self) -> NonNull<Leaf> {
        Leaf::erase(NonNull::from(&self.leaf))
    }

    /// Ready when the lock is owned.
    fn poll(&self, core: &Core, cx: &Context<'_>) -> Poll<()> {
        if self.leaf.traced(cx) {
            return Poll::Pending;
        }
        match self.leaf.state() {
            HANDED => {
                self.settle();
                core.receive(self.starves(), self.leaf.at());
                return Poll::Ready(());
            }
            FIRED => {
                self.settle();
                return self.compete(core, cx, true);
            }
            _ if self.leaf.waits_for(cx) => return Poll::Pending,
            _ => {}
        }
        if self.leaf.is_waiting() {
            // SAFETY: ours, and parked on this mutex.
            let kept = unsafe { Leaf::adopt(self.node(), cx, || core.room().0.queue().lock()) };
            return if kept { Poll::Pending } else { self.poll(core, cx) };
        }
        if !self.leaf.proceed(cx) {
            return Poll::Pending;
        }
        if core.try_lock(self.leaf.at()) {
            return Poll::Ready(());
        }
        self.compete(core, cx, false)
    }

    /// Tries again under the queue's lock, and queues if that fails.
    fn compete(&self, core: &Core, cx: &Context<'_>, woken: bool) -> Poll<()> {
        let contender = Contender { woken, starving: self.starves() };
        let (room, anchor) = core.room();
        self.leaf.set_anchor(anchor);
        let waiter = Prepared::new(self.node(), cx);
        let mut queue = room.queue().lock();
        if core.compete(contender, self.leaf.at()) {
            return Poll::Ready(());
        }
        // SAFETY: the queue's lock is held; the leaf is idle, and pinned until `settle` or `cancel`
        // withdrew it. It is linked once, and enlisted outside the lock.
        unsafe {
            if woken {
                Leaf::park_first(self.node(), waiter, &mut queue);
            } else {
                Leaf::park(self.node(), waiter, &mut queue);
            }
            drop(queue);
            Leaf::enlist(self.node());
        }
        Poll::Pending
    }

    /// Whether it has waited too long; the first call starts the watch.
    fn starves(&self) -> bool {
        let patience = &self.leaf.slot;
        let now = now_nanos();
        let since = patience.since.get().unwrap_or(now);
        patience.since.set(Some(since));
        if now.saturating_sub(since) > STARVES_AFTER {
            patience.starving.set(true);
        }
        patience.starving.get()
    }

    /// Ends the registration of a leaf that was released.
    fn settle(&self) {
        // SAFETY: ours, enlisted when it parked, and out of the queue.
        unsafe { Leaf::settle(self.node()) };
    }

    /// Gives up: whatever was given to this waiter goes to the next.
    fn cancel(&self, core: &Core) {
        if self.leaf.is_idle() {
            return;
        }
        // SAFETY: ours, and parked on this mutex.
        let waited = unsafe { core.withdraw(self.node()) };
        let state = self.leaf.state();
        self.settle();
        match state {
            _ if waited => {}
            HANDED => core.unlock(),
            _ => core.decline(),
        }
    }
}

impl<'a, T: ?Sized> Lock<'a, T> {
    pub(super) fn new(mutex: &'a Mutex<T>, at: Location) -> Self {
        Self { waiter: Waiter::new(at), mutex }
    }
}

impl<T: ?Sized> LockOwned<T> {
    pub(super) fn new(mutex: Arc<Mutex<T>>, at: Location) -> Self {
        Self { waiter: Waiter::new(at), mutex }
    }
}

impl<'a, T: ?Sized> Future for Lock<'a, T> {
    type Output = MutexGuard<'a, T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.as_ref().get_ref();
        this.waiter.poll(this.mutex.core(), cx).map(|()| MutexGuard::new(this.mutex))
    }
}

impl<T: ?Sized> Future for LockOwned<T> {
    type Output = OwnedMutexGuard<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.as_ref().get_ref();
        this.waiter.poll(this.mutex.core(), cx).map(|()| OwnedMutexGuard::new(this.mutex.clone()))
    }
}

impl<T: ?Sized> Drop for Lock<'_, T> {
    fn drop(&mut self) {
        self.waiter.cancel(self.mutex.core());
    }
}

impl<T: ?Sized> Drop for LockOwned<T> {
    fn drop(&mut self) {
        self.waiter.cancel(self.mutex.core());
    }
}

impl<T: ?Sized> fmt::Debug for Lock<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lock").field("at", &self.waiter.leaf.at()).finish_non_exhaustive()
    }
}

impl<T: ?Sized> fmt::Debug for LockOwned<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LockOwned").field("at", &self.waiter.leaf.at()).finish_non_exhaustive()
    }
}
