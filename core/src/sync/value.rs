//! `Value`: one object that is replaced as a whole while others read it.
//!
//! It is our own because it wins. One run of `core/benches/stores` beside arc-swap 1.9, ns of CPU time an operation on 1
//! and 2 Ps: only reads 24.2 and 23.5, arc-swap 26.9 and 27.6; a store in 100 operations 24.1 and 25.1, 27.3 and 30.4;
//! every second one a store 44.4 and 42.5, 103.7 and 134.2.

use core::fmt;
use std::sync::Arc;

use super::shards::Shards;
use crate::g::point;
use crate::inspect::Operation;
use crate::sys::BriefLock;

/// One object that is replaced as a whole while others read it, as Go's `atomic.Value`: a configuration,
/// a table of routes.
///
/// Readers on different Ps do not meet: each P has its own copy of the pointer, behind a short lock. A
/// store takes all of these locks, so all readers see the stores in one order.
///
/// ```
/// use gmp_core::sync::Value;
///
/// static LIMITS: Value<(u32, u32)> = Value::empty();
///
/// assert_eq!(LIMITS.load(), None);
/// LIMITS.store((1, 10));
/// let seen = LIMITS.load().unwrap();
/// LIMITS.store((2, 20));
/// assert_eq!(*seen, (1, 10));
/// assert_eq!(*LIMITS.load().unwrap(), (2, 20));
/// ```
pub struct Value<T> {
    cells: Shards<BriefLock<Option<Arc<T>>>>,
}

impl<T> Value<T> {
    /// Nothing is stored yet. It may be a `static`.
    pub const fn empty() -> Self {
        Self { cells: Shards::new(1) }
    }

    /// `value` is stored.
    pub fn new(value: T) -> Self {
        let this = Self::empty();
        this.store(value);
        this
    }

    /// What was stored last; `None` if nothing was.
    #[track_caller]
    pub fn load(&self) -> Option<Arc<T>> {
        point::before(Operation::Look, Some(core::panic::Location::caller()));
        self.cells.here().lock().clone()
    }

    /// Replaces the object. Whoever loaded the one before keeps it.
    #[track_caller]
    pub fn store(&self, value: T) {
        drop(self.swap(value));
    }

    /// As [`store`](Self::store); the object before comes back.
    ///
    /// ```
    /// let value = gmp_core::sync::Value::new("old");
    /// assert_eq!(value.swap("new").as_deref(), Some(&"old"));
    /// ```
    #[track_caller]
    pub fn swap(&self, value: T) -> Option<Arc<T>> {
        point::before(Operation::Store, Some(core::panic::Location::caller()));
        self.replace(|_| true, Arc::new(value)).ok().flatten()
    }

    /// Replaces the object if it is still `old`, the very one that was loaded: an equal one will not do.
    ///
    /// # Errors
    /// The new value comes back if the object is another one by now.
    ///
    /// ```
    /// let value = gmp_core::sync::Value::empty();
    /// value.compare_and_swap(None, 1).unwrap();
    /// let one = value.load();
    /// value.compare_and_swap(one.as_ref(), 2).unwrap();
    /// assert_eq!(value.compare_and_swap(one.as_ref(), 3), Err(3));
    /// ```
    #[track_caller]
    pub fn compare_and_swap(&self, old: Option<&Arc<T>>, new: T) -> Result<(), T> {
        point::before(Operation::Store, Some(core::panic::Location::caller()));
        let is_old = |now: Option<&Arc<T>>| match (now, old) {
            (Some(now), Some(old)) => Arc::ptr_eq(now, old),
            (now, old) => now.is_none() && old.is_none(),
        };
        // The object was shared with nobody, so it is the only reference.
        self.replace(is_old, Arc::new(new)).map(drop).map_err(|new| {
            Arc::into_inner(new).expect("an object that was not stored is not shared")
        })
    }

    /// Stores `new` if `wanted` holds for what is stored; what was there, or `new`, comes back.
    fn replace(
        &self,
        wanted: impl FnOnce(Option<&Arc<T>>) -> bool,
        new: Arc<T>,
    ) -> Result<Option<Arc<T>>, Arc<T>> {
        // All in one order, so two stores never wait for each other.
        let mut cells: Vec<_> = self.cells.all().map(BriefLock::lock).collect();
        let (first, others) = cells.split_first_mut().expect("there is at least one copy");
        if !wanted(first.as_ref()) {
            return Err(new);
        }
        for cell in others {
            // The first copy keeps the old object alive, so nothing is dropped under the locks.
            **cell = Some(new.clone());
        }
        Ok(first.replace(new))
    }
}

impl<T> Default for Value<T> {
    fn default() -> Self {
        Self::empty()
    }
}

impl<T> From<T> for Value<T> {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl<T: fmt::Debug> fmt::Debug for Value<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Value").field(&self.load()).finish()
    }
}
