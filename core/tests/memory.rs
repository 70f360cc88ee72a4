//! What goroutines cost, and that finished ones cost nothing.

mod support;

use core::cell::Cell;
use std::alloc::{GlobalAlloc, Layout, System};

use gmp_core::{Chan, block_on, chan, go, yield_now};
use support::rounds;

/// Counts the bytes that are allocated, and the calls, by each thread for itself: that which waits for the test
/// allocates whenever it gets to run, and the test drives its runtime alone.
struct Counting;

thread_local! {
    static LIVE: Cell<usize> = const { Cell::new(0) };
    static CALLS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: everything is passed on to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.set(live().wrapping_add(layout.size()));
        CALLS.set(CALLS.get() + 1);
        // SAFETY: as the caller says.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // What another thread has allocated may be freed here.
        LIVE.set(live().wrapping_sub(layout.size()));
        // SAFETY: as the caller says.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn live() -> usize {
    LIVE.get()
}

async fn worker(ch: Chan<u32>) {
    ch.recv().await;
}

/// Goroutines of many shapes that all end. Gives the bytes that are allocated then.
async fn all_that_ends(n: usize) -> usize {
    for _ in 0..n {
        go(async {}).await.unwrap();
    }
    // Leaves on the heap refer to their goroutine: of a join, and of a boxed receive.
    let ch = chan::<u32>(0);
    for round in 0..n / 100 + 2 {
        let rx = ch.clone();
        let nested = go(async move {
            let inner = go(async move { Box::pin(rx.recv()).await });
            inner.await.unwrap()
        });
        yield_now().await;
        if round % 2 == 0 {
            ch.send(1).await;
            assert_eq!(nested.await.unwrap(), Some(1));
        } else {
            nested.abort();
            assert!(nested.await.is_err());
            ch.send(2).await;
            yield_now().await;
        }
    }
    drop(ch);
    // Many at a time: more than are kept.
    let all: Vec<_> = (0..n / 3).map(|i| go(async move { i })).collect();
    for (i, handle) in all.into_iter().enumerate() {
        assert_eq!(handle.await.unwrap(), i);
    }
    live()
}

/// How often a wave of `n` goroutines, which have ended then, asks the allocator for memory; on one thread.
async fn allocations(n: usize) -> usize {
    let before = CALLS.get();
    (0..n).for_each(|_| drop(go(async {})));
    yield_now().await;
    CALLS.get() - before
}

// One test: others in this process would be counted too.
#[test]
fn goroutines_cost_little_while_parked_and_nothing_when_done() {
    block_on(async {
        let ch = chan::<u32>(0);
        let parked = rounds(10_000);
        let before = live();
        for _ in 0..parked {
            drop(go(worker(ch.clone())));
        }
        yield_now().await;
        let each = live().wrapping_sub(before) / parked;
        assert!(each <= 184, "a parked goroutine has {each} bytes");
        ch.close();
        yield_now().await;

        // A wave has the cells of the one before. Whoever looks for the misuse of memory has none kept.
        let n = rounds(32);
        allocations(n).await;
        let kept = !std::env::var("GMP_DEBUG").is_ok_and(|debug| debug.contains("cellcacheoff"));
        for wave in 0..10 {
            assert_eq!(allocations(n).await, if kept { 0 } else { n }, "wave {wave}");
        }

        // Once around, for what the runtime keeps of cells that ended: nothing is added after that.
        let kept = all_that_ends(rounds(300_000)).await;
        for round in 0..3 {
            assert_eq!(all_that_ends(rounds(300_000)).await, kept, "round {round}");
        }
    });
}
