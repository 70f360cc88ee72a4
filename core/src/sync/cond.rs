//! `Cond`: goroutines wait until another one says that what a lock guards has changed.

use core::fmt;
use core::future::{Future, poll_fn};
use core::pin::{Pin, pin};
use core::ptr::NonNull;
use core::task::{Context, Poll};
use std::panic::Location as Panic;
use std::sync::Arc;

use super::rwlock::{
    OwnedRwLockReadGuard, OwnedRwLockWriteGuard, ReadLock, ReadLockOwned, RwLockReadGuard,
    RwLockWriteGuard, WriteLock, WriteLockOwned,
};
use super::seat::{Left, Seat, release_all, release_first};
use super::{Lock, LockOwned, MutexGuard, OwnedMutexGuard};
use crate::g::leaf::{FIRED, Leaf};
use crate::g::{WaitQueue, Wake, block_on, current, point};
use crate::inspect::{
    Anchor, Capability, Figure, Location, Operation, PrimitiveKind, WaitInfo, WaitReason,
};
use crate::sys::BriefLock;

/// The result in a leaf that a broadcast released: the others were released as well.
const BROADCAST: u32 = 9;

/// Where goroutines wait for a change of what a lock guards.
///
/// [`wait`](Self::wait) gives a guard back while it waits, and locks again before it returns. Whoever
/// changed the guarded value calls [`signal`](Self::signal) or [`broadcast`](Self::broadcast), with or
/// without the lock. Between that and the return of `wait` others may have had the lock: check in a loop.
///
/// ```
/// use std::sync::Arc;
/// use gmp_core::sync::{Cond, Mutex};
///
/// gmp_core::block_on(async {
///     let shared = Arc::new((Mutex::new(false), Cond::new()));
///     let setter = shared.clone();
///     let _ = gmp_core::go(async move {
///         *setter.0.lock().await = true;
///         setter.1.signal();
///     });
///     let (mutex, cond) = &*shared;
///     let mut ready = mutex.lock().await;
///     while !*ready {
///         ready = cond.wait(ready).await;
///     }
/// });
/// ```
pub struct Cond {
    core: Arc<Core>,
}

/// The heap part. The anchor comes first: leaves point to it.
#[repr(C)]
struct Core {
    anchor: Anchor,
    line: BriefLock<WaitQueue>,
}

impl Cond {
    /// Nobody waits.
    #[track_caller]
    pub fn new() -> Self {
        let record = current::record(PrimitiveKind::Cond, Panic::caller());
        let anchor = Anchor { describe, record };
        Self { core: Arc::new(Core { anchor, line: BriefLock::default() }) }
    }

    /// Drops `guard`, waits until it is signalled, locks again and returns the new guard. A signal that
    /// is given after the guard was dropped is not missed.
    ///
    /// # Cancel safety
    /// The future can be dropped at any time. The lock is then released, if it still had the first
    /// guard or was handed the second. A signal that it had received goes to the next waiter.
    #[track_caller]
    pub fn wait<G: Relock>(&self, guard: G) -> impl Future<Output = G> {
        let at = Panic::caller();
        async move {
            let seat = Seat::new(WaitReason::CondWait, at, ());
            let mut turn = pin!(Turn { cond: self, seat, signalled: false });
            // In line before the guard goes: whoever locks next and signals finds this waiter.
            poll_fn(|cx| turn.as_mut().line_up(cx)).await;
            let lock = guard.unlock();
            turn.as_mut().await;
            let guard = G::relock(lock, at).await;
            turn.as_mut().arrived();
            guard
        }
    }

    /// As [`wait`](Self::wait), on a plain thread.
    ///
    /// # Panics
    /// Inside a goroutine.
    #[track_caller]
    pub fn blocking_wait<G: Relock>(&self, guard: G) -> G {
        block_on(self.wait(guard))
    }

    /// Releases the waiter that has waited longest, if there is one.
    #[track_caller]
    pub fn signal(&self) {
        point::before(Operation::Signal, Some(Panic::caller()));
        self.core.anchor.touch();
        let wake = release_first(&mut self.core.line.lock(), FIRED);
        if let Some(wake) = wake {
            wake.wake();
        }
    }

    /// Releases all who wait.
    #[track_caller]
    pub fn broadcast(&self) {
        point::before(Operation::Broadcast, Some(Panic::caller()));
        self.core.anchor.touch();
        let mut wakes = Vec::new();
        release_all(&mut self.core.line.lock(), BROADCAST, &mut wakes);
        wakes.into_iter().for_each(Wake::wake);
    }
}

/// A waiter's place in the line, and its duty to pass a signal on.
struct Turn<'a> {
    cond: &'a Cond,
    seat: Seat,
    /// One signal was spent on this waiter, which has not returned yet.
    signalled: bool,
}

impl Turn<'_> {
    /// Polls the place in the line.
    fn poll_seat(&self, cx: &Context<'_>) -> Poll<u32> {
        let core = &self.cond.core;
        // SAFETY: a `Turn` is pinned from its first use on, belongs to one cond, which it borrows, and
        // leaves the line when it is dropped.
        unsafe { self.seat.poll(&core.line, NonNull::from(&**core).cast(), cx, |line| Some(line)) }
    }

    /// Ready when it stands in the line.
    fn line_up(self: Pin<&mut Self>, cx: &Context<'_>) -> Poll<()> {
        let this = self.as_ref().get_ref();
        match this.poll_seat(cx) {
            Poll::Pending if this.seat.is_idle() => Poll::Pending,
            _ => Poll::Ready(()),
        }
    }

    /// The waiter has its lock: the signal was of use.
    fn arrived(self: Pin<&mut Self>) {
        // SAFETY: nothing is moved; the flag is not pinned.
        unsafe { self.get_unchecked_mut() }.signalled = false;
    }
}

impl Future for Turn<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_seat(cx).map(|result| {
            // SAFETY: nothing is moved; the flag is not pinned.
            unsafe { self.get_unchecked_mut() }.signalled = result == FIRED;
        })
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        // SAFETY: the line it was polled with.
        let left = unsafe { self.seat.leave(&self.cond.core.line, |line| line, |_, _| {}) };
        if self.signalled || matches!(left, Left::Released(FIRED)) {
            self.cond.signal();
        }
    }
}

mod sealed {
    pub trait Sealed {}
}

/// A guard that [`Cond::wait`] can give back and take again: those of `Mutex` and `RwLock`.
pub trait Relock: sealed::Sealed + Sized {
    /// What is left of the guard while it waits.
    #[doc(hidden)]
    type Unlocked;
    #[doc(hidden)]
    fn unlock(self) -> Self::Unlocked;
    #[doc(hidden)]
    fn relock(lock: Self::Unlocked, at: Location) -> impl Future<Output = Self> + use<Self>;
}

macro_rules! relock {
    ($($guard:ty, $unlocked:ty, $lock:path, |$this:ident| $of:expr;)*) => {$(
        impl<'a, T: ?Sized + 'a> sealed::Sealed for $guard {}
        impl<'a, T: ?Sized + 'a> Relock for $guard {
            type Unlocked = $unlocked;
            fn unlock(self) -> $unlocked {
                let $this = &self;
                $of
            }
            fn relock(lock: $unlocked, at: Location) -> impl Future<Output = Self> + use<'a, T> {
                $lock(lock, at)
            }
        }
    )*};
}

relock! {
    MutexGuard<'a, T>, &'a super::Mutex<T>, Lock::new, |guard| MutexGuard::mutex(guard);
    RwLockReadGuard<'a, T>, &'a super::RwLock<T>, ReadLock::new, |guard| *RwLockReadGuard::rwlock(guard);
    RwLockWriteGuard<'a, T>, &'a super::RwLock<T>, WriteLock::new, |guard| *RwLockWriteGuard::rwlock(guard);
}

macro_rules! relock_owned {
    ($($guard:ident, $unlocked:ty, $lock:ident, $of:ident;)*) => {$(
        impl<T: ?Sized> sealed::Sealed for $guard<T> {}
        impl<T: ?Sized> Relock for $guard<T> {
            type Unlocked = Arc<$unlocked>;
            fn unlock(self) -> Self::Unlocked {
                $guard::$of(&self).clone()
            }
            fn relock(lock: Self::Unlocked, at: Location) -> impl Future<Output = Self> + use<T> {
                $lock::new(lock, at)
            }
        }
    )*};
}

relock_owned! {
    OwnedMutexGuard, super::Mutex<T>, LockOwned, mutex;
    OwnedRwLockReadGuard, super::RwLock<T>, ReadLockOwned, rwlock;
    OwnedRwLockWriteGuard, super::RwLock<T>, WriteLockOwned, rwlock;
}

impl Drop for Core {
    fn drop(&mut self) {
        self.anchor.let_go(Capability::Release);
        self.anchor.died(Capability::Release);
        Leaf::orphan_all(self.line.get_mut());
    }
}

/// # Safety
/// As [`Describe`](crate::inspect::anchor::Describe) asks; the anchor is that of a [`Core`].
unsafe fn describe(anchor: NonNull<Anchor>, leaf: NonNull<()>, out: &mut dyn FnMut(WaitInfo)) {
    // SAFETY: as the caller says; every leaf starts with the fields of `Leaf<()>`.
    let (anchor, leaf) = unsafe { (anchor.as_ref(), leaf.cast::<Leaf>().as_ref()) };
    let capabilities = anchor.only(Capability::Release);
    out(WaitInfo {
        reason: WaitReason::CondWait,
        in_select: false,
        at: leaf.at(),
        figure: Figure::Cond,
        record: anchor.record.clone(),
        complete: !capabilities.is_empty(),
        capabilities,
        due_in: None,
    });
}

impl Default for Cond {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Cond {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cond").finish_non_exhaustive()
    }
}
