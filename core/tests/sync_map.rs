//! `Map` and `Value`: what was stored last is loaded, whoever does it where.

mod support;

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use gmp_core::runtime::Builder;
use gmp_core::sync::{Map, Value};
use gmp_core::{go, yield_now};
use support::{Life, Rng, join_all, panic_text, rounds};

/// Random calls give what a plain map gives.
#[test]
fn a_map_does_what_a_plain_map_does() {
    for seed in 0..rounds(300) as u64 {
        let (mut rng, map, mut plain) = (Rng::new(seed), Map::new(), HashMap::new());
        for _ in 0..60 {
            let (key, value, old) = (rng.below(6), rng.below(3), rng.below(3));
            let copy = |v: Option<Arc<usize>>| v.map(|v| *v);
            let equal = plain.get(&key) == Some(&old);
            match rng.below(9) {
                0 | 1 => {
                    map.store(key, value);
                    plain.insert(key, value);
                }
                2 => assert_eq!(copy(map.swap(key, value)), plain.insert(key, value)),
                3 => {
                    let loaded = plain.contains_key(&key);
                    let kept = *plain.entry(key).or_insert(value);
                    let (stored, was_there) = map.load_or_store(key, value);
                    assert_eq!((*stored, was_there), (kept, loaded));
                }
                4 => assert_eq!(copy(map.load_and_delete(&key)), plain.remove(&key)),
                5 => {
                    assert_eq!(map.compare_and_swap(&key, &old, value), equal);
                    if equal {
                        plain.insert(key, value);
                    }
                }
                6 => {
                    assert_eq!(map.compare_and_delete(&key, &old), equal);
                    if equal {
                        plain.remove(&key);
                    }
                }
                7 => {
                    map.delete(&key);
                    plain.remove(&key);
                }
                _ => {
                    map.clear();
                    plain.clear();
                }
            }
            let ranged: HashMap<_, _> = map.range().map(|(key, value)| (*key, *value)).collect();
            assert_eq!(ranged, plain, "seed {seed}");
            for key in 0..6 {
                assert_eq!(copy(map.load(&key)), plain.get(&key).copied(), "seed {seed}");
            }
            assert_eq!((map.len(), map.is_empty()), (plain.len(), plain.is_empty()));
        }
    }
}

#[test]
fn a_map_drops_what_is_replaced_deleted_and_left() {
    let (life, map) = (Life::default(), Map::new());
    for id in 0..10 {
        map.store(id % 5, life.make(id));
    }
    assert_eq!(life.alive(), 5);
    let seen = map.load(&0);
    map.delete(&0);
    assert_eq!((life.alive(), seen.map(|v| v.id)), (5, Some(5)));
    assert_eq!(life.alive(), 4);
    map.clear();
    assert_eq!(life.alive(), 0);
    map.store(1, life.make(1));
    drop(map);
    assert_eq!(life.alive(), 0);
}

#[test]
fn keys_are_found_by_what_they_borrow_as() {
    let map: Map<String, u32> = Map::default();
    map.store("one".to_owned(), 1);
    assert_eq!(map.load("one").as_deref(), Some(&1));
    assert_eq!(format!("{map:?}"), r#"{"one": 1}"#);
    map.delete("one");
    assert!(map.load("one").is_none());
}

#[test]
fn destructors_and_ranges_may_use_the_map() {
    struct Stores(Arc<Map<u32, Option<Stores>>>);
    impl Drop for Stores {
        fn drop(&mut self) {
            self.0.store(9, None);
        }
    }
    let map = Arc::new(Map::new());
    map.store(1, Some(Stores(map.clone())));
    map.store(1, None);
    assert_eq!(map.range().map(|(key, _)| *key).max(), Some(9));
    for (key, _) in map.range() {
        map.delete(&*key);
    }
    assert!(map.is_empty());
}

#[test]
fn a_key_whose_comparison_panics_leaves_the_map_whole() {
    struct Picky(u32);
    impl Hash for Picky {
        fn hash<H: Hasher>(&self, hasher: &mut H) {
            self.0.hash(hasher);
        }
    }
    impl PartialEq for Picky {
        fn eq(&self, other: &Self) -> bool {
            assert!(self.0 == other.0 && self.0 != 13, "13 is not compared");
            true
        }
    }
    impl Eq for Picky {}
    let map = Map::new();
    map.store(Picky(1), 1);
    map.store(Picky(13), 13);
    assert_eq!(panic_text(|| map.store(Picky(13), 0)), "13 is not compared");
    assert_eq!(panic_text(|| drop(map.load(&Picky(13)))), "13 is not compared");
    assert_eq!((map.load(&Picky(1)).as_deref(), map.len()), (Some(&1), 2));
}

#[test]
fn one_of_many_stores_a_key_first() {
    let runtime = Builder::new().procs(4).build();
    runtime.block_on(async {
        let (map, first) = (Arc::new(Map::new()), Arc::new(AtomicUsize::new(0)));
        let mut workers = Vec::new();
        for me in 0..8 {
            let (map, first) = (map.clone(), first.clone());
            workers.push(go(async move {
                for key in 0..rounds(500) {
                    if !map.load_or_store(key, me).1 {
                        first.fetch_add(1, Ordering::Relaxed);
                    }
                }
            }));
        }
        join_all(workers).await;
        assert_eq!((map.len(), first.load(Ordering::Relaxed)), (rounds(500), rounds(500)));
    });
}

#[test]
fn no_compare_and_swap_of_many_is_lost() {
    let runtime = Builder::new().procs(4).build();
    runtime.block_on(async {
        let (map, value) = (Arc::new(Map::new()), Arc::new(Value::new(0_usize)));
        map.store("count", 0_usize);
        let mut workers = Vec::new();
        for _ in 0..8 {
            let (map, value) = (map.clone(), value.clone());
            workers.push(go(async move {
                for _ in 0..rounds(500) {
                    while map
                        .load("count")
                        .is_some_and(|n| !map.compare_and_swap("count", &n, *n + 1))
                    {
                        yield_now().await;
                    }
                    loop {
                        let now = value.load();
                        let next = now.as_deref().map_or(0, |n| n + 1);
                        if value.compare_and_swap(now.as_ref(), next).is_ok() {
                            break;
                        }
                        yield_now().await;
                    }
                }
            }));
        }
        join_all(workers).await;
        let all = 8 * rounds(500);
        assert_eq!(
            (map.load("count").as_deref(), value.load().as_deref()),
            (Some(&all), Some(&all))
        );
    });
}

/// Objects are replaced as wholes, and all readers see them in the order of the stores.
#[test]
fn readers_see_whole_objects_and_never_an_older_one_again() {
    let runtime = Builder::new().procs(4).build();
    runtime.block_on(async {
        let value = Arc::new(Value::new([0_usize; 8]));
        let mut workers = Vec::new();
        for _ in 0..4 {
            let value = value.clone();
            workers.push(go(async move {
                let mut last = 0;
                while last < rounds(2_000) {
                    let now = value.load().unwrap();
                    assert!(now.iter().all(|n| *n == now[0]), "half an object: {now:?}");
                    assert!(now[0] >= last, "{} after {last}", now[0]);
                    last = now[0];
                    yield_now().await;
                }
            }));
        }
        for n in 1..=rounds(2_000) {
            value.store([n; 8]);
            if n % 16 == 0 {
                yield_now().await;
            }
        }
        join_all(workers).await;
    });
}

#[test]
fn a_value_drops_each_object_once() {
    let life = Life::default();
    let value = Value::empty();
    for id in 0..10 {
        value.store(life.make(id));
        assert_eq!(life.alive(), 1);
    }
    let loaded = value.load();
    let rejected = value.compare_and_swap(None, life.make(10)).unwrap_err();
    assert_eq!((rejected.id, life.alive()), (10, 2));
    drop((value, rejected));
    assert_eq!(life.alive(), 1);
    drop(loaded);
    assert_eq!(life.alive(), 0);
}

#[test]
fn a_destructor_may_store_into_the_value_that_drops_it() {
    struct Stores(Arc<Value<Option<Stores>>>);
    impl Drop for Stores {
        fn drop(&mut self) {
            self.0.store(None);
        }
    }
    let value = Arc::new(Value::empty());
    value.store(Some(Stores(value.clone())));
    value.store(None);
    assert!(value.load().is_some_and(|object| object.is_none()));
}
