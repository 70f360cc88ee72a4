//! Go's tests of what `sync` and `sync/atomic` keep values in.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicU64, Ordering};

use gmp::sync::{Map, Pool, Value, WaitGroup};
use gmp::yield_now;

/// <https://github.com/golang/go/blob/master/src/sync/pool_test.go>
///
/// Left out: the ring and the chain of rings that Go's pool is made of, which ours has not. Go takes the
/// first value it put before the others, as each P has a place for one; ours takes the last, and says
/// nothing of the order.
mod pool_test {
    use super::*;

    /// A pool that makes nothing.
    fn pool<T>() -> Pool<T> {
        Pool::new(|| unreachable!("only `try_get` is called"))
    }

    #[gmp::test]
    async fn what_is_put_is_got_once() {
        let pool = pool();
        assert_eq!(pool.try_get(), None);
        pool.put("a");
        pool.put("b");
        let got: HashSet<_> = [pool.try_get(), pool.try_get()].into();
        assert_eq!(got, HashSet::from([Some("a"), Some("b")]));
        assert_eq!(pool.try_get(), None);
    }

    #[gmp::test]
    async fn values_survive_one_generation_and_not_two() {
        let pool = pool();
        for _ in 0..100 {
            pool.put("c");
        }
        pool.age();
        assert_eq!(pool.try_get(), Some("c"));
        pool.age();
        assert_eq!(pool.try_get(), None);
    }

    #[gmp::test]
    async fn a_new_value_is_made_where_none_is_kept() {
        let made = AtomicI32::new(0);
        let pool = Pool::<i32, _>::new(|| made.fetch_add(1, Ordering::Relaxed) + 1);
        assert_eq!((pool.get(), pool.get()), (1, 2));
        pool.put(42);
        assert_eq!((pool.get(), pool.get()), (42, 3));
    }

    struct Counted(Arc<AtomicU32>);

    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[gmp::test]
    async fn values_that_were_got_or_outlived_are_dropped() {
        for drain in [true, false] {
            let (pool, dropped) = (pool(), Arc::new(AtomicU32::new(0)));
            for _ in 0..100 {
                pool.put(Counted(dropped.clone()));
            }
            if drain {
                while let Some(value) = pool.try_get() {
                    drop(value);
                }
            } else {
                pool.age();
                pool.age();
            }
            assert_eq!(dropped.load(Ordering::Relaxed), 100);
        }
    }

    #[gmp::test]
    async fn ten_goroutines_put_and_get() {
        let (pool, wg) = (Arc::new(pool::<u32>()), WaitGroup::new());
        for _ in 0..10 {
            let pool = pool.clone();
            wg.go(async move {
                for _ in 0..2_000 {
                    pool.put(0);
                    assert!(pool.try_get().is_none_or(|value| value == 0));
                }
            });
        }
        wg.wait().await;
    }
}

/// <https://github.com/golang/go/blob/master/src/sync/map_test.go>
///
/// Left out: the comparison with Go's other maps (ours is compared with a plain one), and the numbers of
/// allocations: a range here copies one part of the map at a time, so that no lock is held between pairs.
mod map_test {
    use super::*;

    /// One call on a map: what it returned.
    fn call(map: &Map<usize, usize>, which: usize, key: usize, value: usize) -> Option<usize> {
        let copy = |value: Option<Arc<usize>>| value.map(|value| *value);
        match which {
            0 => copy(map.load(&key)),
            1 => {
                map.store(key, value);
                None
            }
            2 => Some(*map.load_or_store(key, value).0),
            3 => copy(map.load_and_delete(&key)),
            4 => copy(map.swap(key, value)),
            5 => Some(map.compare_and_swap(&key, &value, value + 1).into()),
            6 => Some(map.compare_and_delete(&key, &value).into()),
            _ => {
                map.delete(&key);
                None
            }
        }
    }

    /// The same call on a plain map.
    fn call_plain(
        map: &mut HashMap<usize, usize>,
        which: usize,
        key: usize,
        value: usize,
    ) -> Option<usize> {
        let same = map.get(&key) == Some(&value);
        match which {
            0 => map.get(&key).copied(),
            1 => {
                map.insert(key, value);
                None
            }
            2 => Some(*map.entry(key).or_insert(value)),
            3 => map.remove(&key),
            4 => map.insert(key, value),
            5 => {
                map.entry(key).and_modify(|known| *known += usize::from(same));
                Some(same.into())
            }
            6 => {
                map.retain(|known, _| *known != key || !same);
                Some(same.into())
            }
            _ => {
                map.remove(&key);
                None
            }
        }
    }

    #[gmp::test]
    async fn random_calls_match_a_plain_map() {
        for _ in 0..100 {
            let (map, mut plain) = (Map::new(), HashMap::new());
            for _ in 0..50 {
                let [which, key, value] = [8, 4, 4].map(gmp::choose);
                let (ours, theirs) =
                    (call(&map, which, key, value), call_plain(&mut plain, which, key, value));
                assert_eq!(ours, theirs);
            }
            let ranged: HashMap<_, _> = map.range().map(|(k, v)| (*k, *v)).collect();
            assert_eq!(ranged, plain);
        }
    }

    #[gmp::test]
    async fn a_range_beside_stores_visits_each_key_once() {
        const SIZE: u64 = 256;
        let (map, stop) = (Arc::new(Map::new()), Arc::new(AtomicBool::new(false)));
        for n in 1..=SIZE {
            map.store(n, n);
        }
        let wg = WaitGroup::new();
        for g in 1..=4 {
            let (map, stop) = (map.clone(), stop.clone());
            wg.go(async move {
                for round in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    for n in 1..=SIZE {
                        match gmp::choose(SIZE as usize) {
                            0 => map.store(n, n * round * g),
                            _ => drop(map.load(&n)),
                        }
                    }
                    yield_now().await;
                }
            });
        }
        for _ in 0..16 {
            let mut seen = HashSet::new();
            for (key, value) in map.range() {
                assert_eq!(*value % *key, 0, "multiples of the key are stored");
                assert!(seen.insert(*key), "{key} was visited twice");
            }
            assert_eq!(seen.len() as u64, SIZE);
            yield_now().await;
        }
        stop.store(true, Ordering::Relaxed);
        wg.wait().await;
    }

    #[gmp::test]
    async fn deleted_keys_are_dropped() {
        let (map, key) = (Map::new(), Arc::new(7));
        map.store(key.clone(), ());
        map.delete(&key);
        assert_eq!(Arc::strong_count(&key), 1);
    }

    #[gmp::test]
    async fn a_range_inside_a_range_sees_stores_and_deletes() {
        let map = Map::new();
        for (n, word) in ["hello", "world", "Go"].into_iter().enumerate() {
            map.store(n, word);
        }
        for (key, _) in map.range() {
            for (inner, value) in map.range() {
                assert_eq!(map.load(&*inner), Some(value));
                assert!(!map.load_or_store(42, "dummy").1, "it was deleted");
                map.store(42, "sync.Map");
                assert_eq!(map.load_and_delete(&42).as_deref(), Some(&"sync.Map"));
            }
            map.delete(&*key);
        }
        assert_eq!(map.range().count(), 0);
    }

    #[gmp::test]
    async fn compare_and_swap_of_a_key_that_is_not_there_fails() {
        let map = Map::<String, Option<i32>>::new();
        assert!(!map.compare_and_swap("key", &None, Some(42)));
        assert!(map.is_empty());
    }

    #[gmp::test]
    async fn clear_beside_stores_and_loads() {
        let (map, wg) = (Arc::new(Map::new()), WaitGroup::new());
        for n in 0..10_u32 {
            let [stores, loads, clears] = [(); 3].map(|()| map.clone());
            wg.go(async move { stores.store(n, n * 10) });
            wg.go(async move { assert!(loads.load(&n).is_none_or(|value| *value == n * 10)) });
            wg.go(async move { clears.clear() });
        }
        wg.wait().await;
        map.clear();
        assert_eq!((map.range().count(), map.len()), (0, 0));
    }
}

/// <https://github.com/golang/go/blob/master/src/sync/atomic/value_test.go>
///
/// Left out: storing nil and storing another type, which the type of the value makes impossible. Go
/// compares what is stored with `==`; ours asks for the very object that was loaded.
mod value_test {
    use super::*;

    #[gmp::test]
    async fn what_was_stored_last_is_loaded() {
        let number = Value::empty();
        assert!(number.load().is_none());
        for n in [42, 84] {
            number.store(n);
            assert_eq!(number.load().as_deref(), Some(&n));
        }
        let text = Value::empty();
        for word in ["foo", "barbaz"] {
            text.store(word.to_owned());
            assert_eq!(text.load().unwrap().as_str(), word);
        }
    }

    #[gmp::test]
    async fn only_what_was_stored_is_loaded() {
        const OBJECTS: [(u64, u64); 4] = [(0, 0), (1, 2), (3, 4), (5, 6)];
        let (value, wg) = (Arc::new(Value::empty()), WaitGroup::new());
        for _ in 0..8 {
            let value = value.clone();
            wg.go(async move {
                for _ in 0..1_000 {
                    value.store(OBJECTS[gmp::choose(4)]);
                    assert!(OBJECTS.contains(&*value.load().unwrap()));
                }
            });
        }
        wg.wait().await;
    }

    #[gmp::test]
    async fn swap_gives_what_was_there() {
        let value = Value::empty();
        assert!(value.swap(true).is_none());
        assert_eq!(value.swap(false).as_deref(), Some(&true));
        assert_eq!(value.load().as_deref(), Some(&false));
    }

    #[gmp::test]
    async fn no_swap_of_many_is_lost() {
        const GOROUTINES: u64 = 20;
        const EACH: u64 = 100;
        let (value, sum) = (Arc::new(Value::empty()), Arc::new(AtomicU64::new(0)));
        let wg = WaitGroup::new();
        for g in 0..GOROUTINES {
            let (value, sum) = (value.clone(), sum.clone());
            wg.go(async move {
                let swap = |n| value.swap(n).map_or(0, |old: Arc<u64>| *old);
                let own: u64 = (g * EACH..(g + 1) * EACH).map(swap).sum();
                sum.fetch_add(own, Ordering::Relaxed);
            });
        }
        wg.wait().await;
        let all = GOROUTINES * EACH;
        assert_eq!(sum.load(Ordering::Relaxed) + *value.load().unwrap(), all * (all - 1) / 2);
    }

    #[gmp::test]
    async fn compare_and_swap_takes_the_object_that_was_loaded() {
        let value = Value::empty();
        assert_eq!(value.compare_and_swap(Some(&Arc::new(true)), true), Err(true));
        assert_eq!(value.compare_and_swap(None, true), Ok(()));
        assert_eq!(value.compare_and_swap(None, false), Err(false));
        let now = value.load();
        assert_eq!(value.compare_and_swap(now.as_ref(), false), Ok(()));
    }

    #[gmp::test]
    async fn goroutines_take_turns_by_compare_and_swap() {
        const GOROUTINES: usize = 20;
        const TURNS: usize = 20;
        let (value, wg) = (Arc::new(Value::new(0)), WaitGroup::new());
        for g in 0..GOROUTINES {
            let value = value.clone();
            wg.go(async move {
                let mut mine = g;
                while mine < GOROUTINES * TURNS {
                    let now = value.load();
                    if now.as_deref() == Some(&mine) {
                        assert!(value.compare_and_swap(now.as_ref(), mine + 1).is_ok());
                        mine += GOROUTINES;
                    }
                    yield_now().await;
                }
            });
        }
        wg.wait().await;
        assert_eq!(value.load().as_deref(), Some(&(GOROUTINES * TURNS)));
    }
}
