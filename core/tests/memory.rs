//! What goroutines cost, and that finished ones cost nothing.

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use gmp_core::{Chan, block_on, chan, go, yield_now};
use support::rounds;

/// Counts the bytes that are allocated.
struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);

// SAFETY: everything is passed on to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: as the caller says.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as the caller says.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn live() -> usize {
    LIVE.load(Ordering::Relaxed)
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
        let each = (live() - before) / parked;
        assert!(each <= 184, "a parked goroutine has {each} bytes");
        ch.close();
        yield_now().await;

        // Once around, for what the runtime keeps of cells that ended: nothing is added after that.
        let kept = all_that_ends(rounds(300_000)).await;
        for round in 0..3 {
            assert_eq!(all_that_ends(rounds(300_000)).await, kept, "round {round}");
        }
    });
}
