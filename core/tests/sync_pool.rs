//! `Pool`: what is put is taken again, or dropped after two generations, on however many Ps.

mod support;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use gmp_core::runtime::Builder;
use gmp_core::sync::{Lent, Pool};
use gmp_core::{block_on, go, yield_now};
use support::{Life, Living, join_all, rounds};

/// A pool that makes nothing.
fn empty() -> Pool<Living> {
    Pool::new(|| unreachable!("it was filled"))
}

#[test]
fn what_was_put_is_taken_before_anything_is_made() {
    block_on(async {
        let pool = Pool::<u32, _>::new(|| 0);
        assert_eq!((pool.get(), pool.kept()), (0, 0));
        pool.put(1);
        pool.put(2);
        assert_eq!(pool.kept(), 2);
        let mut two = [pool.get(), pool.get()];
        two.sort_unstable();
        assert_eq!((two, pool.get()), ([1, 2], 0));
    });
}

#[test]
fn a_value_that_nobody_takes_is_dropped_after_two_generations() {
    let (life, pool) = (Life::default(), empty());
    for id in 0..100 {
        pool.put(life.make(id));
    }
    pool.age();
    assert_eq!((life.alive(), pool.kept()), (100, 100), "a victim can still be taken");
    let taken = pool.get();
    pool.put(taken);
    pool.age();
    assert_eq!((life.alive(), pool.kept()), (1, 1), "what was used meanwhile stays");
    pool.age();
    assert_eq!((life.alive(), pool.kept()), (0, 0));
}

#[test]
fn a_burst_is_forgotten_while_a_few_values_go_round() {
    let (life, pool) = (Life::default(), empty());
    block_on(async {
        for id in 0..1_000 {
            pool.put(life.make(id));
        }
        // Three generations of one cache, whatever the size of the burst.
        for _ in 0..3 * 4_096 {
            pool.put(pool.get());
        }
        assert!(life.alive() < 10, "{} are left of a burst of 1,000", life.alive());
        assert!(life.alive() > 0, "what goes round is not dropped");
    });
}

#[test]
fn what_one_thread_put_another_takes() {
    let (life, pool) = (Life::default(), empty());
    for id in 0..8 {
        std::thread::scope(|scope| scope.spawn(|| pool.put(life.make(id))).join().unwrap());
    }
    for _ in 0..8 {
        drop(pool.get());
    }
    assert!(pool.try_get().is_none());
    assert_eq!(life.alive(), 0);
}

#[test]
fn a_pool_drops_its_values_with_itself() {
    let (life, pool) = (Life::default(), empty());
    pool.put(life.make(1));
    pool.age();
    pool.put(life.make(2));
    drop(pool);
    assert_eq!(life.alive(), 0);
}

#[test]
fn a_lent_value_comes_back_unless_it_is_kept_or_a_panic_tears_it() {
    let pool = Pool::<Vec<u32>, _>::new(Vec::new);
    pool.lend().push(1);
    assert_eq!(pool.kept(), 1);
    assert_eq!(Lent::keep(pool.lend()), [1]);
    assert_eq!(pool.kept(), 0);
    let torn = catch_unwind(AssertUnwindSafe(|| {
        let mut lent = pool.lend();
        lent.push(2);
        panic!("expected by this test");
    }));
    assert!(torn.is_err());
    assert_eq!(pool.kept(), 0, "a value that may be half-changed is not used again");
}

#[test]
fn a_pool_in_a_static_serves_every_runtime() {
    static POOL: Pool<u32> = Pool::new(|| 0);
    for n in 1..4 {
        block_on(async { POOL.put(n) });
        Builder::new().procs(2).build().block_on(async { assert_eq!(POOL.get(), n) });
    }
}

#[test]
fn a_destructor_may_use_the_pool_that_drops_it() {
    struct Again(Arc<Pool<Again>>, bool);
    impl Drop for Again {
        fn drop(&mut self) {
            if self.1 {
                self.0.put(Again(self.0.clone(), false));
            }
        }
    }
    let pool: Arc<Pool<Again>> = Arc::new(Pool::new(|| unreachable!("it was filled")));
    pool.put(Again(pool.clone(), true));
    pool.age();
    pool.age();
    assert_eq!(pool.kept(), 1, "the one that the destructor put");
    drop(pool.try_get());
}

/// Goroutines take and put back while the number of Ps changes and generations end. No value is given
/// to two of them at a time, and none is lost that is not dropped.
#[test]
fn no_value_is_given_out_twice_while_ps_come_and_go() {
    let (life, pool) = (
        Life::default(),
        Arc::new(Pool::<(Living, AtomicBool), _>::new({
            let life = Life::default();
            move || (life.make(0), AtomicBool::new(false))
        })),
    );
    let runtime = Builder::new().procs(4).build();
    runtime.block_on(async {
        let mut workers = Vec::new();
        for id in 0..8 {
            pool.put((life.make(id), AtomicBool::new(false)));
        }
        for _ in 0..8 {
            let pool = pool.clone();
            workers.push(go(async move {
                for n in 0..rounds(2_000) {
                    let (living, taken) = pool.get();
                    assert!(!taken.swap(true, Ordering::Relaxed), "{} is in use", living.id);
                    if n % 16 == 0 {
                        yield_now().await;
                    }
                    assert!(taken.swap(false, Ordering::Relaxed));
                    pool.put((living, taken));
                }
            }));
        }
        for n in 0..rounds(200) {
            runtime.set_procs(1 + n % 4);
            if n % 8 == 0 {
                pool.age();
            }
            yield_now().await;
        }
        join_all(workers).await;
    });
    drop(pool);
    assert_eq!(life.alive(), 0);
}
