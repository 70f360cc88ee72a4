//! The guards of a `Mutex`: whoever has one owns the lock.

use core::fmt;
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};
use std::sync::Arc;

use super::Mutex;
use crate::inspect::Location;

/// Owns the lock of a [`Mutex`] until it is dropped. It may be moved to another goroutine.
#[must_use = "a dropped guard unlocks the mutex at once"]
pub struct MutexGuard<'a, T: ?Sized> {
    mutex: &'a Mutex<T>,
    /// The line that locked it.
    at: Location,
    /// A guard is as shareable as the `&mut T` it stands for.
    value: PhantomData<&'a mut T>,
}

/// As [`MutexGuard`], but keeps the mutex alive instead of borrowing it.
#[must_use = "a dropped guard unlocks the mutex at once"]
pub struct OwnedMutexGuard<T: ?Sized> {
    mutex: Arc<Mutex<T>>,
    at: Location,
    value: PhantomData<T>,
}

impl<'a, T: ?Sized> MutexGuard<'a, T> {
    /// The caller has just become the owner, at the line `at`.
    pub(super) fn new(mutex: &'a Mutex<T>, at: Location) -> Self {
        Self { mutex, at, value: PhantomData }
    }

    /// The mutex that this guard locks.
    pub fn mutex(this: &Self) -> &'a Mutex<T> {
        this.mutex
    }
}

impl<T: ?Sized> OwnedMutexGuard<T> {
    /// The caller has just become the owner, at the line `at`.
    pub(super) fn new(mutex: Arc<Mutex<T>>, at: Location) -> Self {
        Self { mutex, at, value: PhantomData }
    }

    /// The mutex that this guard locks.
    pub fn mutex(this: &Self) -> &Arc<Mutex<T>> {
        &this.mutex
    }
}

macro_rules! guard {
    ($($guard:ty),*) => {$(
        impl<T: ?Sized> Deref for $guard {
            type Target = T;
            fn deref(&self) -> &T {
                // SAFETY: a guard exists only while its lock is owned, by it alone.
                unsafe { &*self.mutex.value() }
            }
        }

        impl<T: ?Sized> DerefMut for $guard {
            fn deref_mut(&mut self) -> &mut T {
                // SAFETY: as above; `&mut self` makes it the only use.
                unsafe { &mut *self.mutex.value() }
            }
        }

        impl<T: ?Sized> Drop for $guard {
            fn drop(&mut self) {
                self.mutex.core().unlock(self.at);
            }
        }

        impl<T: ?Sized + fmt::Debug> fmt::Debug for $guard {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&**self, f)
            }
        }

        impl<T: ?Sized + fmt::Display> fmt::Display for $guard {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&**self, f)
            }
        }
    )*};
}

guard!(MutexGuard<'_, T>, OwnedMutexGuard<T>);
