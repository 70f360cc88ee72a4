//! The one door to atomics and locks, so that model checks can swap them for their own.

pub(crate) mod asymmetric;
mod backoff;
mod brief;
mod gate;
#[cfg(all(test, loom))]
mod models;
#[cfg(any(loom, all(feature = "net", unix)))]
mod rounds;

pub(crate) use brief::{BriefGuard, BriefLock};
#[cfg(all(feature = "net", unix, not(loom)))]
pub(crate) use rounds::Rounds;
pub(crate) use std::sync::atomic;

/// The atomics and locks of the protocols that are model-checked. See `ci/loom.sh`.
pub(crate) mod modelled {
    use std::sync::PoisonError;
    use std::time::Instant;

    #[cfg(loom)]
    pub(crate) use loom::sync::{Condvar, MutexGuard, atomic};
    #[cfg(not(loom))]
    pub(crate) use std::sync::{Condvar, MutexGuard, atomic};

    #[cfg(not(loom))]
    pub(crate) use super::Lock;
    #[cfg(loom)]
    pub(crate) use super::model::{Lock, Track, Tracked};

    /// Waits until somebody tells, or for no reason, at most until `until`. False if that had come before.
    pub(crate) fn wait_until<'a, T>(
        condition: &Condvar,
        guard: MutexGuard<'a, T>,
        until: Option<Instant>,
    ) -> (MutexGuard<'a, T>, bool) {
        let Some(until) = until else {
            return (condition.wait(guard).unwrap_or_else(PoisonError::into_inner), true);
        };
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return (guard, false);
        }
        let waited = condition.wait_timeout(guard, left);
        (waited.unwrap_or_else(PoisonError::into_inner).0, true)
    }

    /// Lets a model see who uses what a lock guards. Nothing outside models.
    #[cfg(not(loom))]
    pub(crate) struct Track;

    /// A use in progress.
    #[cfg(not(loom))]
    pub(crate) struct Tracked;

    #[cfg(not(loom))]
    impl Track {
        #[inline]
        pub(crate) fn begin(&self) -> Tracked {
            Tracked
        }
    }

    #[cfg(not(loom))]
    impl Tracked {
        #[inline]
        pub(crate) fn end(&mut self) {}
    }
}

#[cfg(loom)]
pub(crate) mod model;

use std::sync::{Mutex as StdMutex, MutexGuard, PoisonError, TryLockError};

/// A lock around plain data, which a `Condvar` can be used with. Nothing of the user's runs under it, so
/// poison says nothing.
#[derive(Default)]
pub(crate) struct Lock<T>(StdMutex<T>);

impl<T> Lock<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(StdMutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The lock, if nobody has it.
    pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        match self.0.try_lock() {
            Ok(guard) => Some(guard),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    pub(crate) fn get_mut(&mut self) -> &mut T {
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner)
    }
}
