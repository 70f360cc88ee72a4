//! A short lock around plain data, given back by a plain store, and mostly taken by plain stores too.
//!
//! Giving back a lock that can put threads to sleep takes a second locked instruction, to learn whether
//! somebody sleeps. Every operation on a channel pays for it, and almost no lock is ever wanted twice
//! at a time. So whoever finds it taken looks again and again, see `backoff.rs`. Who may go in says `gate.rs`.

use core::cell::UnsafeCell;
use core::marker::PhantomData;
use core::mem::offset_of;
use core::ops::{Deref, DerefMut};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::MutexGuard;

use super::gate::{Gate, Way};
use super::modelled::{Track, Tracked};

/// A short lock around plain data. Nothing of the user's runs under it, so a panic says nothing.
#[repr(C)]
pub(crate) struct BriefLock<T> {
    gate: Gate,
    track: Track,
    value: UnsafeCell<T>,
}

/// The right to use what a [`BriefLock`] guards. Like a guard of the standard library it stays on its thread.
#[must_use]
pub(crate) struct BriefGuard<'a, T> {
    lock: &'a BriefLock<T>,
    way: Way,
    /// Given back before the lock.
    tracked: Tracked,
    _stays: PhantomData<MutexGuard<'a, T>>,
}

// SAFETY: the value moves between threads with the lock.
unsafe impl<T: Send> Send for BriefLock<T> {}
// SAFETY: one guard at a time reaches the value.
unsafe impl<T: Send> Sync for BriefLock<T> {}

impl<T: Default> Default for BriefLock<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> UnwindSafe for BriefLock<T> {}
impl<T> RefUnwindSafe for BriefLock<T> {}

impl<T> BriefLock<T> {
    /// Where in the lock the value is.
    pub(crate) const VALUE_AT: usize = offset_of!(Self, value);

    #[cfg(not(loom))]
    pub(crate) const fn new(value: T) -> Self {
        Self { gate: Gate::new(), track: Track, value: UnsafeCell::new(value) }
    }

    #[cfg(loom)]
    pub(crate) fn new(value: T) -> Self {
        Self { gate: Gate::new(false), track: Track::new(), value: UnsafeCell::new(value) }
    }

    /// One that can be biased to a thread, as all are outside models.
    #[cfg(loom)]
    pub(super) fn learning(value: T) -> Self {
        Self { gate: Gate::new(true), track: Track::new(), value: UnsafeCell::new(value) }
    }

    #[inline]
    pub(crate) fn lock(&self) -> BriefGuard<'_, T> {
        self.guard(self.gate.enter())
    }

    #[inline]
    fn guard(&self, way: Way) -> BriefGuard<'_, T> {
        BriefGuard { lock: self, way, tracked: self.track.begin(), _stays: PhantomData }
    }

    /// As [`lock`](Self::lock), without a locked instruction.
    ///
    /// # Safety
    /// No other thread uses the lock until the guard is gone, and what other threads did with it before comes
    /// before this.
    #[inline]
    pub(crate) unsafe fn lock_alone(&self) -> BriefGuard<'_, T> {
        self.guard(self.gate.enter_alone())
    }

    /// The value, for whoever has the lock and not the guard at hand.
    ///
    /// # Safety
    /// The caller has the lock, and nothing else uses the value while the reference lives.
    #[expect(clippy::mut_from_ref, reason = "the caller has the lock")]
    pub(crate) unsafe fn held(&self) -> &mut T {
        // SAFETY: as the caller says.
        unsafe { &mut *self.value.get() }
    }

    /// Whether it is biased to a thread.
    #[cfg(test)]
    pub(super) fn is_biased(&self) -> bool {
        self.gate.is_biased()
    }

    pub(crate) fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }
}

impl<T> Deref for BriefGuard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: the guard has the lock.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T> DerefMut for BriefGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the guard has the lock, and is borrowed exclusively.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T> Drop for BriefGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.tracked.end();
        self.lock.gate.leave(self.way);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::BriefLock;
    use crate::sys::backoff::YIELDS;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    #[test]
    fn no_increment_is_lost_between_threads() {
        let count = BriefLock::new(0u32);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..10_000).for_each(|_| *count.lock() += 1));
            }
        });
        assert_eq!(*count.lock(), 40_000);
    }

    #[test]
    fn whoever_waits_past_the_spins_gets_it_too() {
        let lock = BriefLock::new(0);
        let mut guard = lock.lock();
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| *lock.lock());
            (0..YIELDS * 10).for_each(|_| std::thread::yield_now());
            *guard = 7;
            drop(guard);
            assert_eq!(waiter.join().ok(), Some(7));
        });
    }

    #[test]
    fn a_panic_under_the_lock_gives_it_back() {
        let lock = BriefLock::new(1);
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let mut guard = lock.lock();
            *guard = 2;
            panic!("expected by this test");
        }));
        assert!(panicked.is_err());
        assert_eq!(*lock.lock(), 2);
    }
}
