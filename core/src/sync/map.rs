//! `Map`: a hash map that many goroutines use at a time.
//!
//! It is our own because no crate is better at all of it: ns of CPU time an operation in one run of
//! `core/benches/stores` (10,000 keys; "half of each" changes something with every second operation), in brackets what
//! part of theirs ours takes:
//!
//! | work, Ps | here | dashmap 6.2 | papaya 0.2 | scc 3.8 |
//! |---|---|---|---|---|
//! | read only, 1 | 40.9 | 35.0 (1.17) | 39.2 (1.04) | 42.2 (0.97) |
//! | read mostly, 1 | 42.9 | 35.7 (1.20) | 40.9 (1.05) | 41.6 (1.03) |
//! | half of each, 1 | 61.7 | 56.0 (1.10) | 98.2 (0.63) | 55.5 (1.11) |
//! | read only, 2 | 39.6 | 36.7 (1.08) | 39.5 (1.00) | 45.0 (0.88) |
//! | read mostly, 2 | 37.6 | 34.6 (1.09) | 44.4 (0.85) | 40.8 (0.92) |
//! | half of each, 2 | 71.9 | 59.6 (1.21) | 127.1 (0.57) | 55.8 (1.29) |
//!
//! dashmap is some nanoseconds faster. But when it grows it hashes keys under its locks, and when it is cleared it drops
//! under them; here the user's `Hash` and destructors run outside. Nor could a map of theirs be a `static` without a
//! lazy cell.

use core::borrow::Borrow;
use core::fmt;
use core::hash::{BuildHasher, BuildHasherDefault, Hash, Hasher};
use std::collections::HashMap;
use std::collections::hash_map::{Entry, RandomState};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use super::shards::Shards;
use crate::g::point;
use crate::inspect::Operation;

/// A hash map that many goroutines use at a time, as Go's `sync.Map`.
///
/// It is divided into parts, each with a lock of its own that readers share, so goroutines seldom meet.
/// Values are given out as `Arc`s: no lock is held while the caller looks at one. Of the user's own code
/// only `Eq` of the keys runs under a lock; it must not use the map.
///
/// ```
/// use gmp_core::sync::Map;
///
/// static HITS: Map<String, u32> = Map::new();
///
/// HITS.store("a".to_owned(), 1);
/// assert_eq!(HITS.load("a").as_deref(), Some(&1));
/// let (kept, loaded) = HITS.load_or_store("a".to_owned(), 9);
/// assert_eq!((*kept, loaded), (1, true));
/// assert_eq!(HITS.load_and_delete("a").as_deref(), Some(&1));
/// assert!(HITS.load("a").is_none());
/// ```
pub struct Map<K, V> {
    parts: Shards<RwLock<Table<K, V>>>,
    hasher: OnceLock<RandomState>,
}

/// One part: the pairs by the hash of their key, which is computed outside the lock.
type Table<K, V> = HashMap<u64, Bucket<K, V>, BuildHasherDefault<Hashed>>;

/// The pairs whose keys have one hash: almost always one.
enum Bucket<K, V> {
    One(Pair<K, V>),
    Many(Vec<Pair<K, V>>),
}

struct Pair<K, V> {
    key: Arc<K>,
    value: Arc<V>,
}

/// A hasher for hashes.
#[derive(Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, _: &[u8]) {
        unreachable!("only hashes are hashed")
    }
    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

impl<K, V> Bucket<K, V> {
    fn pairs(&self) -> &[Pair<K, V>] {
        match self {
            Self::One(pair) => core::slice::from_ref(pair),
            Self::Many(pairs) => pairs,
        }
    }

    fn pairs_mut(&mut self) -> &mut [Pair<K, V>] {
        match self {
            Self::One(pair) => core::slice::from_mut(pair),
            Self::Many(pairs) => pairs,
        }
    }

    fn push(self, pair: Pair<K, V>) -> Self {
        let mut pairs = match self {
            Self::One(first) => vec![first],
            Self::Many(pairs) => pairs,
        };
        pairs.push(pair);
        Self::Many(pairs)
    }
}

/// The place of `key` in a part.
fn find<'t, K: Borrow<Q>, V, Q: Eq + ?Sized>(
    table: &'t mut Table<K, V>,
    hash: u64,
    key: &Q,
) -> Option<&'t mut Pair<K, V>> {
    let pairs = table.get_mut(&hash)?.pairs_mut();
    pairs.iter_mut().find(|pair| (*pair.key).borrow() == key)
}

fn insert<K, V>(table: &mut Table<K, V>, hash: u64, pair: Pair<K, V>) {
    match table.entry(hash) {
        Entry::Vacant(entry) => drop(entry.insert(Bucket::One(pair))),
        Entry::Occupied(entry) => {
            let bucket = entry.remove();
            table.insert(hash, bucket.push(pair));
        }
    }
}

/// Takes out the pair of `key` if `wanted` holds for its value.
fn remove<K: Borrow<Q>, V, Q: Eq + ?Sized>(
    table: &mut Table<K, V>,
    hash: u64,
    key: &Q,
    wanted: impl FnOnce(&Arc<V>) -> bool,
) -> Option<Pair<K, V>> {
    let Entry::Occupied(mut entry) = table.entry(hash) else { return None };
    let is_it = |pair: &Pair<K, V>| (*pair.key).borrow() == key;
    let at = entry.get().pairs().iter().position(is_it)?;
    if !wanted(&entry.get().pairs()[at].value) {
        return None;
    }
    match entry.get_mut() {
        Bucket::Many(pairs) if pairs.len() > 1 => Some(pairs.swap_remove(at)),
        _ => match entry.remove() {
            Bucket::One(pair) => Some(pair),
            Bucket::Many(mut pairs) => pairs.pop(),
        },
    }
}

impl<K, V> Map<K, V> {
    /// An empty map. It may be a `static`.
    pub const fn new() -> Self {
        Self { parts: Shards::new(4), hasher: OnceLock::new() }
    }

    /// How many keys there are. Other goroutines may have changed it when this returns.
    #[track_caller]
    pub fn len(&self) -> usize {
        point::before(Operation::Look, Some(core::panic::Location::caller()));
        let size = |table: &Table<K, V>| table.values().map(|b| b.pairs().len()).sum::<usize>();
        self.parts.made().map(|part| read(part, size)).sum()
    }

    /// Whether there is no key.
    #[track_caller]
    pub fn is_empty(&self) -> bool {
        point::before(Operation::Look, Some(core::panic::Location::caller()));
        self.parts.made().all(|part| read(part, |table| table.is_empty()))
    }

    /// Deletes all.
    #[track_caller]
    pub fn clear(&self) {
        point::before(Operation::Store, Some(core::panic::Location::caller()));
        for part in self.parts.made() {
            // Dropped outside the lock.
            let table = write(part, core::mem::take);
            drop(table);
        }
    }

    /// The keys and values, part by part, in no order: Go's `Range`. No lock is held between two pairs.
    /// A key comes at most once; one that is stored or deleted meanwhile may come or not.
    ///
    /// ```
    /// let map = gmp_core::sync::Map::new();
    /// for n in 0..10 {
    ///     map.store(n, n * n);
    /// }
    /// assert_eq!(map.range().map(|(_, square)| *square).sum::<u32>(), 285);
    /// ```
    #[track_caller]
    pub fn range(&self) -> impl Iterator<Item = (Arc<K>, Arc<V>)> {
        point::before(Operation::Look, Some(core::panic::Location::caller()));
        let shared = |pair: &Pair<K, V>| (pair.key.clone(), pair.value.clone());
        let copy = move |table: &Table<K, V>| -> Vec<_> {
            table.values().flat_map(Bucket::pairs).map(shared).collect()
        };
        self.parts.made().flat_map(move |part| read(part, copy))
    }
}

/// Runs `f` on a part that others may read too. A panic of the user's `Eq` leaves the table whole.
fn read<T, R>(part: &RwLock<T>, f: impl FnOnce(&T) -> R) -> R {
    f(&part.read().unwrap_or_else(PoisonError::into_inner))
}

/// Runs `f` on a part that is the caller's alone. What comes out is dropped outside the lock.
fn write<T, R>(part: &RwLock<T>, f: impl FnOnce(&mut T) -> R) -> R {
    f(&mut part.write().unwrap_or_else(PoisonError::into_inner))
}

impl<K: Hash + Eq, V> Map<K, V> {
    fn hash<Q: Hash + ?Sized>(&self, key: &Q) -> u64 {
        self.hasher.get_or_init(RandomState::new).hash_one(key)
    }

    /// The part of a hash. The table inside uses its lowest and highest bits.
    fn part(&self, hash: u64) -> &RwLock<Table<K, V>> {
        self.parts.at((hash >> 32) as usize)
    }

    /// The value of `key`.
    #[track_caller]
    pub fn load<Q>(&self, key: &Q) -> Option<Arc<V>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        point::before(Operation::Look, Some(core::panic::Location::caller()));
        self.value_of(key)
    }

    fn value_of<Q>(&self, key: &Q) -> Option<Arc<V>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let hash = self.hash(key);
        read(self.part(hash), |table| {
            let mut pairs = table.get(&hash)?.pairs().iter();
            pairs.find(|pair| (*pair.key).borrow() == key).map(|pair| pair.value.clone())
        })
    }

    /// Gives `key` the value `value`.
    #[track_caller]
    pub fn store(&self, key: K, value: V) {
        drop(self.swap(key, value));
    }

    /// As [`store`](Self::store); the value before comes back.
    #[track_caller]
    pub fn swap(&self, key: K, value: V) -> Option<Arc<V>> {
        point::before(Operation::Store, Some(core::panic::Location::caller()));
        let hash = self.hash(&key);
        let pair = Pair { key: Arc::new(key), value: Arc::new(value) };
        let (before, _unused) =
            write(self.part(hash), |table| match find(table, hash, &*pair.key) {
                Some(known) => {
                    let before = core::mem::replace(&mut known.value, pair.value);
                    (Some(before), Some(pair.key))
                }
                None => {
                    insert(table, hash, pair);
                    (None, None)
                }
            });
        before
    }

    /// The value of `key` if it has one, and true; else `value`, which is stored, and false.
    #[track_caller]
    pub fn load_or_store(&self, key: K, value: V) -> (Arc<V>, bool) {
        point::before(Operation::Store, Some(core::panic::Location::caller()));
        let hash = self.hash(&key);
        let pair = Pair { key: Arc::new(key), value: Arc::new(value) };
        let (value, unused) = write(self.part(hash), |table| {
            if let Some(known) = find(table, hash, &*pair.key) {
                return (known.value.clone(), Some(pair));
            }
            let value = pair.value.clone();
            insert(table, hash, pair);
            (value, None)
        });
        (value, unused.is_some())
    }

    /// Deletes `key`; its value comes back.
    #[track_caller]
    pub fn load_and_delete<Q>(&self, key: &Q) -> Option<Arc<V>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        point::before(Operation::Store, Some(core::panic::Location::caller()));
        let hash = self.hash(key);
        write(self.part(hash), |table| remove(table, hash, key, |_| true)).map(|pair| pair.value)
    }

    /// Deletes `key`, if it is there.
    #[track_caller]
    pub fn delete<Q>(&self, key: &Q)
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        drop(self.load_and_delete(key));
    }

    /// Gives `key` the value `new` if it has a value equal to `old`. True if it did.
    ///
    /// ```
    /// let map = gmp_core::sync::Map::<String, u32>::new();
    /// assert!(!map.compare_and_swap("a", &1, 2));
    /// map.store("a".to_owned(), 1);
    /// assert!(map.compare_and_swap("a", &1, 2));
    /// assert!(!map.compare_and_delete("a", &1));
    /// assert!(map.compare_and_delete("a", &2));
    /// ```
    #[track_caller]
    pub fn compare_and_swap<Q>(&self, key: &Q, old: &V, new: V) -> bool
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
        V: PartialEq,
    {
        point::before(Operation::Store, Some(core::panic::Location::caller()));
        let (hash, new) = (self.hash(key), Arc::new(new));
        self.while_equal(key, old, |now| {
            write(self.part(hash), |table| {
                let known = find(table, hash, key).filter(|pair| Arc::ptr_eq(&pair.value, now))?;
                Some(core::mem::replace(&mut known.value, new.clone()))
            })
            .is_some()
        })
    }

    /// Deletes `key` if it has a value equal to `old`. True if it did.
    #[track_caller]
    pub fn compare_and_delete<Q>(&self, key: &Q, old: &V) -> bool
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
        V: PartialEq,
    {
        point::before(Operation::Store, Some(core::panic::Location::caller()));
        let hash = self.hash(key);
        self.while_equal(key, old, |now| {
            let is_now = |value: &Arc<V>| Arc::ptr_eq(value, now);
            write(self.part(hash), |table| remove(table, hash, key, is_now)).is_some()
        })
    }

    /// Calls `change` with the value of `key` until it succeeds, as long as that value equals `old`.
    /// Values are compared outside the lock; `change` sees whether it is still the same object.
    fn while_equal<Q>(&self, key: &Q, old: &V, mut change: impl FnMut(&Arc<V>) -> bool) -> bool
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
        V: PartialEq,
    {
        while let Some(now) = self.value_of(key).filter(|now| **now == *old) {
            if change(&now) {
                return true;
            }
        }
        false
    }
}

impl<K, V> Default for Map<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: fmt::Debug, V: fmt::Debug> fmt::Debug for Map<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.range()).finish()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// All of them have one hash.
    #[derive(PartialEq, Eq, Debug)]
    struct Same(u32);

    impl Hash for Same {
        fn hash<H: Hasher>(&self, _: &mut H) {}
    }

    #[test]
    fn keys_with_one_hash_are_told_apart() {
        let map = Map::new();
        for n in 0..5 {
            map.store(Same(n), n);
        }
        assert_eq!(map.len(), 5);
        assert_eq!(map.load(&Same(3)).as_deref(), Some(&3));
        assert!(map.load(&Same(5)).is_none());
        for n in [2, 0, 4, 1, 3] {
            assert_eq!(map.load_and_delete(&Same(n)).as_deref(), Some(&n));
            assert!(map.load_and_delete(&Same(n)).is_none());
        }
        assert!(map.is_empty());
        map.store(Same(7), 7);
        assert_eq!(map.range().count(), 1);
    }
}
