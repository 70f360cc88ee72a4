//! The futures that lock a `RwLock`.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};
use std::sync::Arc;

use super::super::seat::{ENTERED, Left, Seat};
use super::RwLock;
use super::core::{Core, Mode};
use super::guard::{
    OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLockReadGuard, RwLockWriteGuard,
};
use crate::inspect::Location;

/// What the futures do alike.
struct Waiter {
    seat: Seat,
    mode: Mode,
}

impl Waiter {
    fn new(mode: Mode, at: Location) -> Self {
        Self { seat: Seat::new(mode.reason(), at, ()), mode }
    }

    /// Ready with the token of a new owner.
    ///
    /// # Safety
    /// It is pinned until `cancel` has returned, and always polled with the same lock.
    unsafe fn poll(&self, core: &Core, cx: &Context<'_>) -> Poll<u64> {
        let mode = self.mode;
        if self.seat.is_idle() {
            if !self.seat.may_begin(cx) {
                return Poll::Pending;
            }
            if let Some(token) = core.try_lock(mode, self.seat.at()) {
                return Poll::Ready(token);
            }
        }
        let (room, anchor) = core.room();
        // SAFETY: as the caller says; the room lives as long as the lock.
        let entered = unsafe {
            self.seat.poll(&room.lines, anchor, cx, |lines| {
                (!core.compete(lines, mode)).then(|| lines.line(mode))
            })
        };
        entered.map(|result| {
            if result != ENTERED && mode == Mode::Write {
                core.receive_write();
            }
            core.owned(mode, self.seat.at())
        })
    }

    /// Gives up: whatever was given to this waiter goes on.
    ///
    /// # Safety
    /// `core` is the one it was polled with.
    unsafe fn cancel(&self, core: &Core) {
        if self.seat.is_idle() {
            return;
        }
        let mode = self.mode;
        let lines = &core.room().0.lines;
        // SAFETY: as the caller says.
        let left = unsafe {
            let after = |lines: &mut _, wakes: &mut _| core.left_line(lines, mode, wakes);
            self.seat.leave(lines, |lines| lines.line(mode), after)
        };
        if let Left::Released(_) = left {
            core.decline(mode, self.seat.at());
        }
    }
}

macro_rules! locks {
    ($($(#[$doc:meta])* $name:ident<$($life:lifetime)?>($lock:ty, $mode:expr) -> $guard:ident;)*) => {$(
        $(#[$doc])*
        #[must_use = "futures do nothing unless awaited"]
        pub struct $name<$($life,)? T: ?Sized> {
            waiter: Waiter,
            lock: $lock,
        }

        impl<$($life,)? T: ?Sized> $name<$($life,)? T> {
            pub(in crate::sync) fn new(lock: $lock, at: Location) -> Self {
                Self { waiter: Waiter::new($mode, at), lock }
            }
        }

        impl<$($life,)? T: ?Sized> Future for $name<$($life,)? T> {
            type Output = $guard<$($life,)? T>;

            fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
                let this = self.as_ref().get_ref();
                // SAFETY: this future is pinned, has one lock, and cancels when it is dropped.
                let locked = unsafe { this.waiter.poll(this.lock.core(), cx) };
                locked.map(|token| $guard::new(this.lock.clone(), token, this.waiter.seat.at()))
            }
        }

        impl<$($life,)? T: ?Sized> Drop for $name<$($life,)? T> {
            fn drop(&mut self) {
                // SAFETY: the lock it was polled with.
                unsafe { self.waiter.cancel(self.lock.core()) };
            }
        }

        impl<$($life,)? T: ?Sized> fmt::Debug for $name<$($life,)? T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let at = self.waiter.seat.at();
                f.debug_struct(stringify!($name)).field("at", &at).finish_non_exhaustive()
            }
        }
    )*};
}

locks! {
    /// Locks a [`RwLock`] for reading. Made by [`RwLock::read`].
    ///
    /// # Cancel safety
    /// It can be dropped at any time: it gives its place in the line up, or back what it was handed.
    ReadLock<'a>(&'a RwLock<T>, Mode::Read) -> RwLockReadGuard;
    /// Locks a [`RwLock`] for writing. Made by [`RwLock::write`].
    ///
    /// # Cancel safety
    /// It can be dropped at any time: it gives its place in the line up, which may let readers in, or
    /// back what it was handed.
    WriteLock<'a>(&'a RwLock<T>, Mode::Write) -> RwLockWriteGuard;
    /// Locks a [`RwLock`] for reading and keeps it alive. Made by [`RwLock::read_owned`].
    ///
    /// # Cancel safety
    /// As [`ReadLock`].
    ReadLockOwned<>(Arc<RwLock<T>>, Mode::Read) -> OwnedRwLockReadGuard;
    /// Locks a [`RwLock`] for writing and keeps it alive. Made by [`RwLock::write_owned`].
    ///
    /// # Cancel safety
    /// As [`WriteLock`].
    WriteLockOwned<>(Arc<RwLock<T>>, Mode::Write) -> OwnedRwLockWriteGuard;
}
