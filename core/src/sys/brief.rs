//! A short lock around plain data, given back by a plain store.
//!
//! Giving back a lock that can put threads to sleep takes a second locked instruction, to learn whether
//! somebody sleeps. Every operation on a channel pays for it, and almost no lock is ever wanted twice
//! at a time. So whoever finds it taken spins, then lets other threads run, then naps: nobody has to be
//! woken, and a holder that lost its CPU gets it back.

use core::cell::UnsafeCell;
use core::marker::PhantomData;
use core::mem::offset_of;
use core::ops::{Deref, DerefMut};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::MutexGuard;
use std::time::Duration;

use super::modelled::atomic::{AtomicBool, Ordering};
use super::modelled::{Track, Tracked};

/// Looks at a taken lock before the thread lets others run: about 20 us.
const SPINS: u32 = 12;
/// Each look comes twice as late as the one before, up to two to the power of this, in pauses. Whoever has the lock
/// mostly takes it again, and each look takes the line of memory away from it.
const LONGEST_PAUSE: u32 = 6;
/// Looks before it naps between them.
const YIELDS: u32 = 32;
/// How long it naps.
const NAP: Duration = Duration::from_micros(50);

/// A short lock around plain data. Nothing of the user's runs under it, so a panic says nothing.
#[repr(C)]
pub(crate) struct BriefLock<T> {
    taken: AtomicBool,
    track: Track,
    value: UnsafeCell<T>,
}

/// The right to use what a [`BriefLock`] guards. Like a guard of the standard library it stays on its thread.
#[must_use]
pub(crate) struct BriefGuard<'a, T> {
    lock: &'a BriefLock<T>,
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
        Self { taken: AtomicBool::new(false), track: Track, value: UnsafeCell::new(value) }
    }

    #[cfg(loom)]
    pub(crate) fn new(value: T) -> Self {
        Self { taken: AtomicBool::new(false), track: Track::new(), value: UnsafeCell::new(value) }
    }

    #[inline]
    pub(crate) fn lock(&self) -> BriefGuard<'_, T> {
        if !self.take() {
            self.wait();
        }
        BriefGuard { lock: self, tracked: self.track.begin(), _stays: PhantomData }
    }

    /// As [`lock`](Self::lock), without a locked instruction.
    ///
    /// # Safety
    /// No other thread uses the lock until the guard is gone, and what other threads did with it before comes
    /// before this.
    #[inline]
    pub(crate) unsafe fn lock_alone(&self) -> BriefGuard<'_, T> {
        // Relaxed: nobody else is there. The mark keeps this thread from having two guards.
        assert!(!self.taken.load(Ordering::Relaxed), "gmp: a lock is taken twice by one thread");
        self.taken.store(true, Ordering::Relaxed);
        BriefGuard { lock: self, tracked: self.track.begin(), _stays: PhantomData }
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

    pub(crate) fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }

    #[inline]
    fn take(&self) -> bool {
        // Acquire: pairs with the store in `BriefGuard::drop`.
        self.taken.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    #[cfg(loom)]
    fn wait(&self) {
        while !self.take() {
            loom::thread::yield_now();
        }
    }

    #[cfg(not(loom))]
    #[cold]
    #[inline(never)]
    fn wait(&self) {
        let mut looks = 0;
        while self.taken.load(Ordering::Relaxed) || !self.take() {
            match looks {
                0..SPINS => {
                    (0..1 << looks.min(LONGEST_PAUSE)).for_each(|_| core::hint::spin_loop());
                }
                SPINS..YIELDS => std::thread::yield_now(),
                _ => std::thread::sleep(NAP),
            }
            looks = (looks + 1).min(YIELDS);
        }
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
        // Release: pairs with `take`.
        self.lock.taken.store(false, Ordering::Release);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::{BriefLock, YIELDS};
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

#[cfg(all(test, loom))]
mod models {
    use super::BriefLock;
    use loom::sync::Arc;

    #[test]
    fn one_has_it_at_a_time_and_sees_what_the_others_did() {
        loom::model(|| {
            let lock = Arc::new(BriefLock::new(0));
            let other = lock.clone();
            let thread = loom::thread::spawn(move || *other.lock() += 1);
            *lock.lock() += 1;
            thread.join().expect("the other");
            assert_eq!(*lock.lock(), 2);
        });
    }
}
