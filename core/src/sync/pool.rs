//! `Pool`: values that are kept to be used again, in a cache for each P.
//!
//! As in Go's `sync.Pool` (`src/sync/pool.go`) a value lives through two generations: what nobody took
//! during one becomes a victim, and what nobody took as a victim is dropped. Go's collector ends the
//! generations; here a cache ends its own after so many `put`s, or the user ends all.

use core::fmt;
use core::ops::{Deref, DerefMut};

use super::shards::Shards;
use crate::g::point;
use crate::inspect::Operation;
use crate::sys::BriefLock;
use crate::sys::atomic::{AtomicUsize, Ordering};

/// The `put`s on one P that end a generation of its cache. A loop that takes and puts back needs far
/// fewer values than this, and gets rid of what an earlier burst left.
const GENERATION: usize = 4096;

/// Values that are kept to be used again instead of being made again, as Go's `sync.Pool`.
///
/// Any value may be dropped at any time: what is not taken for two generations goes. A generation lasts
/// 4,096 calls of [`put`](Self::put) on one P, or until [`age`](Self::age) is called. A pool never waits.
///
/// ```
/// use gmp_core::sync::Pool;
///
/// static BUFFERS: Pool<Vec<u8>> = Pool::new(Vec::new);
///
/// let mut buffer = BUFFERS.get();
/// buffer.extend(b"work");
/// buffer.clear();
/// BUFFERS.put(buffer);
/// assert!(BUFFERS.get().capacity() >= 4);
/// ```
pub struct Pool<T, F = fn() -> T> {
    caches: Shards<Shared<T>>,
    make: F,
}

/// The cache of one P.
struct Shared<T> {
    cache: BriefLock<Cache<T>>,
    /// How many values the cache has, so that an empty one is passed by.
    kept: AtomicUsize,
}

struct Cache<T> {
    fresh: Vec<T>,
    /// Those of the generation before.
    victims: Vec<T>,
    /// `put`s in this generation.
    puts: usize,
}

impl<T> Default for Shared<T> {
    fn default() -> Self {
        let cache = Cache { fresh: Vec::new(), victims: Vec::new(), puts: 0 };
        Self { cache: BriefLock::new(cache), kept: AtomicUsize::new(0) }
    }
}

impl<T> Shared<T> {
    /// Runs `f` under the lock. What it returns may hold values, which are dropped outside.
    fn with<R>(&self, f: impl FnOnce(&mut Cache<T>) -> R) -> R {
        let mut cache = self.cache.lock();
        let result = f(&mut cache);
        // Relaxed: a hint; who needs to be sure takes the lock.
        self.kept.store(cache.fresh.len() + cache.victims.len(), Ordering::Relaxed);
        result
    }

    fn take(&self, from: impl FnOnce(&mut Cache<T>) -> &mut Vec<T>) -> Option<T> {
        if self.kept.load(Ordering::Relaxed) == 0 {
            return None;
        }
        self.with(|cache| from(cache).pop())
    }
}

impl<T> Cache<T> {
    /// Ends the generation. The victims come out.
    fn age(&mut self) -> Vec<T> {
        self.puts = 0;
        let fresh = core::mem::take(&mut self.fresh);
        core::mem::replace(&mut self.victims, fresh)
    }
}

impl<T, F> Pool<T, F> {
    /// An empty pool that makes values with `make`. It may be a `static`.
    pub const fn new(make: F) -> Self {
        Self { caches: Shards::new(1), make }
    }

    /// A kept value: of this P's cache, or else of another one. `None` if there is none.
    ///
    /// ```
    /// let pool = gmp_core::sync::Pool::<u32>::new(|| 0);
    /// assert_eq!(pool.try_get(), None);
    /// pool.put(7);
    /// assert_eq!(pool.try_get(), Some(7));
    /// ```
    #[track_caller]
    pub fn try_get(&self) -> Option<T> {
        point::before(Operation::Store, Some(core::panic::Location::caller()));
        let fresh = self.caches.nearest_first().find_map(|shared| shared.take(|c| &mut c.fresh));
        fresh.or_else(|| {
            self.caches.nearest_first().find_map(|shared| shared.take(|c| &mut c.victims))
        })
    }

    /// Keeps `value` in the cache of this P.
    #[track_caller]
    pub fn put(&self, value: T) {
        point::before(Operation::Store, Some(core::panic::Location::caller()));
        let old = self.caches.here().with(|cache| {
            cache.fresh.push(value);
            cache.puts += 1;
            if cache.puts >= GENERATION { cache.age() } else { Vec::new() }
        });
        drop(old);
    }

    /// Ends the generation of all caches: what is kept now is dropped by the next call, unless it is
    /// taken before. Go's collector does this each time it runs.
    ///
    /// ```
    /// let pool = gmp_core::sync::Pool::<u32>::new(|| 0);
    /// pool.put(7);
    /// pool.age();
    /// assert_eq!(pool.try_get(), Some(7));
    /// pool.put(8);
    /// pool.age();
    /// pool.age();
    /// assert_eq!(pool.try_get(), None);
    /// ```
    pub fn age(&self) {
        for shared in self.caches.made() {
            let old = shared.with(Cache::age);
            drop(old);
        }
    }

    /// How many values are kept. Other goroutines may have changed it when this returns.
    pub fn kept(&self) -> usize {
        self.caches.made().map(|shared| shared.kept.load(Ordering::Relaxed)).sum()
    }
}

impl<T, F: Fn() -> T> Pool<T, F> {
    /// A kept value, or a new one.
    #[track_caller]
    pub fn get(&self) -> T {
        self.try_get().unwrap_or_else(|| (self.make)())
    }

    /// As [`get`](Self::get); the value comes back to the pool when the guard is dropped. So nothing
    /// that ends early forgets to put it back.
    ///
    /// ```
    /// let pool = gmp_core::sync::Pool::<String>::new(String::new);
    /// pool.lend().push_str("reused");
    /// assert_eq!(pool.try_get().as_deref(), Some("reused"));
    /// ```
    #[track_caller]
    pub fn lend(&self) -> Lent<'_, T, F> {
        Lent { value: Some(self.get()), pool: self }
    }
}

/// A value of a [`Pool`], which comes back to it when this is dropped. Made by [`Pool::lend`].
#[must_use = "a dropped guard gives the value back at once"]
pub struct Lent<'a, T, F = fn() -> T> {
    /// `None` while it is dropped.
    value: Option<T>,
    pool: &'a Pool<T, F>,
}

impl<T, F> Lent<'_, T, F> {
    /// Keeps the value: it does not come back to the pool.
    pub fn keep(mut this: Self) -> T {
        this.value.take().expect("a guard has its value until it is dropped")
    }
}

impl<T, F> Deref for Lent<'_, T, F> {
    type Target = T;
    fn deref(&self) -> &T {
        self.value.as_ref().expect("a guard has its value until it is dropped")
    }
}

impl<T, F> DerefMut for Lent<'_, T, F> {
    fn deref_mut(&mut self) -> &mut T {
        self.value.as_mut().expect("a guard has its value until it is dropped")
    }
}

impl<T, F> Drop for Lent<'_, T, F> {
    fn drop(&mut self) {
        // A value that a panic interrupted may be half-changed: it is not used again.
        if let Some(value) = self.value.take().filter(|_| !std::thread::panicking()) {
            self.pool.put(value);
        }
    }
}

impl<T: fmt::Debug, F> fmt::Debug for Lent<'_, T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl<T, F> fmt::Debug for Pool<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("kept", &self.kept()).finish_non_exhaustive()
    }
}
