//! The guards of a `RwLock`: whoever has one shares the lock, or owns it alone.

use core::fmt;
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};
use std::sync::Arc;

use super::RwLock;
use super::core::Mode;
use crate::inspect::Location;

macro_rules! guards {
    ($($(#[$doc:meta])* $name:ident<$($life:lifetime)?>($lock:ty, $value:ty, $mode:expr);)*) => {$(
        $(#[$doc])*
        #[must_use = "a dropped guard unlocks at once"]
        pub struct $name<$($life,)? T: ?Sized> {
            lock: $lock,
            /// Which entry of the list of holders is this guard's.
            token: u64,
            /// The line that locked it.
            at: Location,
            value: PhantomData<$value>,
        }

        impl<$($life,)? T: ?Sized> $name<$($life,)? T> {
            /// The caller has just locked it so, at the line `at`.
            pub(super) fn new(lock: $lock, token: u64, at: Location) -> Self {
                Self { lock, token, at, value: PhantomData }
            }

            /// The lock that this guard holds.
            pub fn rwlock(this: &Self) -> &$lock {
                &this.lock
            }
        }

        impl<$($life,)? T: ?Sized> Deref for $name<$($life,)? T> {
            type Target = T;
            fn deref(&self) -> &T {
                // SAFETY: while this guard lives nobody writes, except through it and `&mut self`.
                unsafe { &*self.lock.value() }
            }
        }

        impl<$($life,)? T: ?Sized> Drop for $name<$($life,)? T> {
            fn drop(&mut self) {
                self.lock.core().unlock($mode, self.token, self.at);
            }
        }

        impl<$($life,)? T: ?Sized + fmt::Debug> fmt::Debug for $name<$($life,)? T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&**self, f)
            }
        }

        impl<$($life,)? T: ?Sized + fmt::Display> fmt::Display for $name<$($life,)? T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&**self, f)
            }
        }
    )*};
}

guards! {
    /// Shares a [`RwLock`] with other readers until it is dropped. It may be moved to another goroutine.
    RwLockReadGuard<'a>(&'a RwLock<T>, &'a T, Mode::Read);
    /// Owns a [`RwLock`] alone until it is dropped. It may be moved to another goroutine.
    RwLockWriteGuard<'a>(&'a RwLock<T>, &'a mut T, Mode::Write);
    /// As [`RwLockReadGuard`], but keeps the lock alive instead of borrowing it.
    OwnedRwLockReadGuard<>(Arc<RwLock<T>>, T, Mode::Read);
    /// As [`RwLockWriteGuard`], but keeps the lock alive instead of borrowing it.
    OwnedRwLockWriteGuard<>(Arc<RwLock<T>>, T, Mode::Write);
}

impl<T: ?Sized> DerefMut for RwLockWriteGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: a write guard is the only guard, and `&mut self` makes this its only use.
        unsafe { &mut *self.lock.value() }
    }
}

impl<T: ?Sized> DerefMut for OwnedRwLockWriteGuard<T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above.
        unsafe { &mut *self.lock.value() }
    }
}
