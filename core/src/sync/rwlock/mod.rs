//! `RwLock<T>`: many readers or one writer, as Go's `sync.RWMutex`.

mod core;
mod guard;
mod lock;

use ::core::cell::UnsafeCell;
use ::core::fmt;
use std::panic::Location as Panic;
use std::sync::Arc;

use self::core::{Core, Mode};
pub use self::guard::{
    OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLockReadGuard, RwLockWriteGuard,
};
pub use self::lock::{ReadLock, ReadLockOwned, WriteLock, WriteLockOwned};
use crate::g::{block_on, current, point};
use crate::inspect::{Operation, PrimitiveKind};

/// A lock around a `T` that any number of readers share, or one writer has for itself.
///
/// A writer that waits stops new readers, so it gets its turn. For the same reason a goroutine that holds
/// a read guard must not ask for a second one: if a writer came in between, both wait for ever. When a
/// writer lets go, all readers that wait come in before the next writer. Guards may be sent to
/// another goroutine and dropped there. A panic while it is held unlocks it; there is no poison.
///
/// ```
/// use std::sync::Arc;
/// use gmp_core::sync::RwLock;
///
/// gmp_core::block_on(async {
///     let config = Arc::new(RwLock::new(vec![1]));
///     let reader = config.clone();
///     let sum = gmp_core::go(async move { reader.read().await.iter().sum::<i32>() });
///     config.write().await.push(2);
///     assert_eq!(sum.await.unwrap(), 3);
/// });
/// ```
pub struct RwLock<T: ?Sized> {
    core: Core,
    value: UnsafeCell<T>,
}

// SAFETY: the value goes where the lock goes.
unsafe impl<T: ?Sized + Send> Send for RwLock<T> {}
// SAFETY: readers on several threads share the value, and one writer at a time has it, on any thread.
unsafe impl<T: ?Sized + Send + Sync> Sync for RwLock<T> {}

impl<T> RwLock<T> {
    /// An unlocked lock.
    #[track_caller]
    pub fn new(value: T) -> Self {
        let record = current::record(PrimitiveKind::RwLock, Panic::caller());
        Self { core: Core::new(record), value: UnsafeCell::new(value) }
    }

    /// An unlocked lock for a `static`. The leak detector keeps no record of it.
    ///
    /// ```
    /// use gmp_core::sync::RwLock;
    /// static LIMITS: RwLock<(u32, u32)> = RwLock::const_new((0, 9));
    /// ```
    pub const fn const_new(value: T) -> Self {
        Self { core: Core::new(None), value: UnsafeCell::new(value) }
    }

    /// The value.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> RwLock<T> {
    /// Locks for reading; waits while a writer owns the lock or waits for it.
    ///
    /// # Cancel safety
    /// See [`ReadLock`]: a future that is dropped after it was handed the lock gives it back.
    #[track_caller]
    pub fn read(&self) -> ReadLock<'_, T> {
        ReadLock::new(self, Panic::caller())
    }

    /// Locks for writing; waits while anybody else owns the lock.
    ///
    /// # Cancel safety
    /// See [`WriteLock`]: a future that is dropped after it was handed the lock gives it back, and one that
    /// is dropped in the line lets the readers behind it in.
    #[track_caller]
    pub fn write(&self) -> WriteLock<'_, T> {
        WriteLock::new(self, Panic::caller())
    }

    /// As [`read`](Self::read), with a guard that keeps the lock alive instead of borrowing it.
    #[track_caller]
    pub fn read_owned(self: Arc<Self>) -> ReadLockOwned<T> {
        ReadLockOwned::new(self, Panic::caller())
    }

    /// As [`write`](Self::write), with a guard that keeps the lock alive instead of borrowing it.
    #[track_caller]
    pub fn write_owned(self: Arc<Self>) -> WriteLockOwned<T> {
        WriteLockOwned::new(self, Panic::caller())
    }

    /// Locks for reading if no writer owns the lock or waits for it.
    #[track_caller]
    pub fn try_read(&self) -> Option<RwLockReadGuard<'_, T>> {
        point::before(Operation::TryLock, Some(Panic::caller()));
        let at = Panic::caller();
        let token = self.core.try_lock(Mode::Read, at)?;
        Some(RwLockReadGuard::new(self, token, at))
    }

    /// Locks for writing if nobody owns the lock.
    #[track_caller]
    pub fn try_write(&self) -> Option<RwLockWriteGuard<'_, T>> {
        point::before(Operation::TryLock, Some(Panic::caller()));
        let at = Panic::caller();
        let token = self.core.try_lock(Mode::Write, at)?;
        Some(RwLockWriteGuard::new(self, token, at))
    }

    /// As [`try_read`](Self::try_read), with a guard that keeps the lock alive.
    #[track_caller]
    pub fn try_read_owned(self: Arc<Self>) -> Option<OwnedRwLockReadGuard<T>> {
        point::before(Operation::TryLock, Some(Panic::caller()));
        let at = Panic::caller();
        let token = self.core.try_lock(Mode::Read, at)?;
        Some(OwnedRwLockReadGuard::new(self, token, at))
    }

    /// As [`try_write`](Self::try_write), with a guard that keeps the lock alive.
    #[track_caller]
    pub fn try_write_owned(self: Arc<Self>) -> Option<OwnedRwLockWriteGuard<T>> {
        point::before(Operation::TryLock, Some(Panic::caller()));
        let at = Panic::caller();
        let token = self.core.try_lock(Mode::Write, at)?;
        Some(OwnedRwLockWriteGuard::new(self, token, at))
    }

    /// Locks for reading on a plain thread, which waits.
    ///
    /// # Panics
    /// Inside a goroutine.
    #[track_caller]
    pub fn blocking_read(&self) -> RwLockReadGuard<'_, T> {
        block_on(self.read())
    }

    /// Locks for writing on a plain thread, which waits.
    ///
    /// # Panics
    /// Inside a goroutine.
    #[track_caller]
    pub fn blocking_write(&self) -> RwLockWriteGuard<'_, T> {
        block_on(self.write())
    }

    /// As [`blocking_read`](Self::blocking_read), with a guard that keeps the lock alive.
    ///
    /// # Panics
    /// Inside a goroutine.
    #[track_caller]
    pub fn blocking_read_owned(self: Arc<Self>) -> OwnedRwLockReadGuard<T> {
        block_on(self.read_owned())
    }

    /// As [`blocking_write`](Self::blocking_write), with a guard that keeps the lock alive.
    ///
    /// # Panics
    /// Inside a goroutine.
    #[track_caller]
    pub fn blocking_write_owned(self: Arc<Self>) -> OwnedRwLockWriteGuard<T> {
        block_on(self.write_owned())
    }

    /// The value, without locking: whoever has the lock to themselves needs no lock.
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }

    fn core(&self) -> &Core {
        &self.core
    }

    /// Where the value is; owners of the lock may use it.
    fn value(&self) -> *mut T {
        self.value.get()
    }
}

impl<T: Default> Default for RwLock<T> {
    #[track_caller]
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> From<T> for RwLock<T> {
    #[track_caller]
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("RwLock");
        match self.try_read() {
            Some(value) => out.field("value", &&*value),
            None => out.field("value", &format_args!("<locked>")),
        };
        out.finish()
    }
}
