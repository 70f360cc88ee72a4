//! Memory of goroutines that ended, kept on each thread for the next ones.
//!
//! Go keeps such a list with each P. Here a P can be taken away in the middle of a poll, at any instruction; the
//! thread stays. What does not fit goes to other threads, by way of the depot, or to the allocator.

use core::alloc::Layout;
use core::cell::{OnceCell, RefCell};
use core::ptr::NonNull;
use std::alloc::{alloc, dealloc, handle_alloc_error};
use std::sync::Arc;

use super::depot::{self, Kept, Magazine};
use crate::debug::debug;
use crate::sys::Lock;
use crate::sys::atomic::{AtomicUsize, Ordering};

/// What the size of a cell is a multiple of, and its alignment, mostly; others are not kept.
const WORD: usize = align_of::<u64>();
/// Sizes: the largest cell that is kept has 1 KiB. None is rounded up: memory per goroutine counts more.
pub(super) const SIZES: usize = 1024 / WORD;

/// How cells of one type are allocated.
#[derive(Clone, Copy)]
pub(super) struct CellLayout {
    layout: Layout,
    /// Among the sizes that are kept.
    size: Option<usize>,
}

impl CellLayout {
    /// That of a cell of type `T`.
    pub(super) const fn of<T>() -> Self {
        let layout = Layout::new::<T>();
        let words = layout.size() / WORD;
        let is_kept =
            layout.align() == WORD && layout.size() >= size_of::<Kept>() && words <= SIZES;
        Self { layout, size: if is_kept { Some(words - 1) } else { None } }
    }
}

/// The cells of one size that a thread keeps. Two magazines, so that a thread which starts a goroutine and ends one
/// in turns does not go to the depot each time.
struct Pair {
    loaded: Magazine,
    /// Full or empty.
    previous: Magazine,
}

/// What a thread keeps.
struct Cells {
    pairs: [RefCell<Pair>; SIZES],
    /// How many in all; made with the first, listed in `COUNTS`.
    count: OnceCell<Arc<AtomicUsize>>,
}

/// What each thread that keeps cells counts.
static COUNTS: Lock<Vec<Arc<AtomicUsize>>> = Lock::new(Vec::new());

thread_local! {
    static CELLS: Cells = const {
        Cells {
            pairs: [const { RefCell::new(Pair::EMPTY) }; SIZES],
            count: OnceCell::new(),
        }
    };
}

impl Cells {
    /// Notes that there are as many more, or fewer.
    fn count(&self, more: isize) {
        let count = self.count.get_or_init(|| {
            let count = Arc::new(AtomicUsize::new(0));
            COUNTS.lock().push(count.clone());
            count
        });
        // Relaxed, and no read-modify-write: this thread alone writes, others read a figure.
        count.store(count.load(Ordering::Relaxed).wrapping_add_signed(more), Ordering::Relaxed);
    }

    fn take(&self, size: usize) -> Option<NonNull<u8>> {
        let mut pair = self.pairs[size].borrow_mut();
        if pair.loaded.len == 0 {
            if pair.previous.len == 0 {
                pair.previous = depot::fetch(size)?;
                self.count(pair.previous.len.cast_signed());
            }
            pair.swap();
        }
        let cell = pair.loaded.pop();
        self.count(-1);
        cell
    }

    /// False if it is not kept.
    ///
    /// # Safety
    /// As for [`free`]; if true it is this thread's from now on.
    unsafe fn keep(&self, cell: NonNull<u8>, size: usize) -> bool {
        if debug().cellcacheoff {
            return false;
        }
        let mut pair = self.pairs[size].borrow_mut();
        if pair.loaded.is_full() {
            if pair.previous.is_full() {
                let full = core::mem::replace(&mut pair.previous, Magazine::EMPTY);
                self.count(-full.len.cast_signed());
                if let Some(full) = depot::leave(full, size) {
                    deallocate(full, size);
                }
            }
            pair.swap();
        }
        // SAFETY: as the caller says; there is a list for this size.
        unsafe { pair.loaded.push(cell) };
        self.count(1);
        true
    }
}

impl Pair {
    const EMPTY: Self = Self { loaded: Magazine::EMPTY, previous: Magazine::EMPTY };

    fn swap(&mut self) {
        core::mem::swap(&mut self.loaded, &mut self.previous);
    }
}

/// Gives the cells of a magazine to the allocator.
fn deallocate(mut magazine: Magazine, size: usize) {
    while let Some(cell) = magazine.pop() {
        // SAFETY: only cells with this layout are kept there, see `CellLayout::of`.
        unsafe {
            let layout = Layout::from_size_align_unchecked((size + 1) * WORD, WORD);
            dealloc(cell.as_ptr(), layout);
        }
    }
}

impl Drop for Cells {
    fn drop(&mut self) {
        for (size, pair) in self.pairs.iter_mut().enumerate() {
            let pair = core::mem::replace(pair.get_mut(), Pair::EMPTY);
            deallocate(pair.loaded, size);
            deallocate(pair.previous, size);
        }
        if let Some(own) = self.count.get() {
            own.store(0, Ordering::Relaxed);
            COUNTS.lock().retain(|count| !Arc::ptr_eq(count, own));
        }
    }
}

/// Memory for a cell, uninitialized.
pub(super) fn allocate(of: CellLayout) -> NonNull<u8> {
    // A thread that ends has none.
    let kept = of.size.and_then(|size| CELLS.try_with(|cells| cells.take(size)).ok().flatten());
    kept.unwrap_or_else(|| {
        // SAFETY: a cell has a header, so the layout is not empty.
        let cell = unsafe { alloc(of.layout) };
        NonNull::new(cell).unwrap_or_else(|| handle_alloc_error(of.layout))
    })
}

/// Gives the memory of a cell back.
///
/// # Safety
/// [`allocate`] made it with the same layout, and nobody uses it any more.
pub(super) unsafe fn free(cell: NonNull<u8>, of: CellLayout) {
    // SAFETY: as the caller says.
    let keep = |size| CELLS.try_with(|cells| unsafe { cells.keep(cell, size) }).unwrap_or(false);
    if !of.size.is_some_and(keep) {
        // SAFETY: as the caller says; it was not kept.
        unsafe { dealloc(cell.as_ptr(), of.layout) };
    }
}

/// Cells that all threads of the process keep, and those on their way between them.
pub(crate) fn kept() -> usize {
    let threads: usize = COUNTS.lock().iter().map(|count| count.load(Ordering::Relaxed)).sum();
    threads + depot::kept()
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::super::depot::FULL;
    use super::*;

    fn on_a_new_thread<R: Send>(f: impl FnOnce() -> R + Send) -> R {
        std::thread::scope(|threads| threads.spawn(f).join().expect("no panic"))
    }

    fn own_count() -> usize {
        CELLS.with(|cells| cells.count.get().map_or(0, |count| count.load(Ordering::Relaxed)))
    }

    #[test]
    fn the_cell_that_ended_last_is_the_next_of_its_size() {
        on_a_new_thread(|| {
            let (small, large) = (CellLayout::of::<[u64; 9]>(), CellLayout::of::<[u64; 17]>());
            let (a, b, c) = (allocate(small), allocate(small), allocate(large));
            // SAFETY: each is given back once, with its layout.
            unsafe {
                free(a, small);
                free(b, small);
                free(c, large);
            }
            assert_eq!(own_count(), 3);
            assert_eq!([allocate(small), allocate(large), allocate(small)], [b, c, a]);
            assert_eq!(own_count(), 0);
            // SAFETY: as above.
            unsafe {
                free(a, small);
                free(b, small);
                free(c, large);
            }
        });
    }

    /// So many cells, by their addresses.
    fn allocate_all(of: CellLayout, n: usize) -> Vec<usize> {
        (0..n).map(|_| allocate(of).as_ptr().expose_provenance()).collect()
    }

    fn free_all(of: CellLayout, cells: &[usize]) {
        for &cell in cells {
            let cell = NonNull::new(core::ptr::with_exposed_provenance_mut(cell));
            // SAFETY: from `allocate`, given back once.
            unsafe { free(cell.expect("not null"), of) };
        }
    }

    #[test]
    fn a_thread_keeps_two_magazines_of_each_size_and_leaves_none_behind() {
        let count = on_a_new_thread(|| {
            let of = CellLayout::of::<[u64; 12]>();
            free_all(of, &allocate_all(of, 3 * FULL + 1));
            assert!((FULL + 1..=2 * FULL).contains(&own_count()));
            CELLS.with(|cells| cells.count.get().cloned()).expect("it has some")
        });
        assert_eq!(count.load(Ordering::Relaxed), 0);
        assert!(!COUNTS.lock().iter().any(|other| Arc::ptr_eq(other, &count)));
    }

    #[test]
    fn what_one_thread_has_too_much_of_another_uses() {
        // Of a size that no goroutine of these tests has.
        let of = CellLayout::of::<[u64; 113]>();
        let cells = on_a_new_thread(|| {
            let cells = allocate_all(of, 3 * FULL);
            free_all(of, &cells);
            cells
        });
        let used = on_a_new_thread(|| {
            let used = allocate_all(of, FULL);
            free_all(of, &used);
            used
        });
        assert!(used.iter().all(|cell| cells.contains(cell)));
    }

    #[test]
    fn a_thread_that_starts_and_ends_in_turns_keeps_what_it_has() {
        on_a_new_thread(|| {
            let of = CellLayout::of::<[u64; 115]>();
            let cells = allocate_all(of, 2 * FULL);
            free_all(of, &cells);
            for turn in 1..=2 * FULL {
                let used = allocate_all(of, turn);
                assert!(used.iter().all(|cell| cells.contains(cell)));
                free_all(of, &used);
                assert_eq!(own_count(), 2 * FULL, "none went to the depot");
            }
        });
    }

    #[test]
    fn cells_on_their_way_between_threads_are_counted_and_only_so_many() {
        let of = CellLayout::of::<[u64; 117]>();
        on_a_new_thread(|| free_all(of, &allocate_all(of, 200 * FULL)));
        assert_eq!(depot::kept_of(of.size.expect("it is kept")), depot::WAITING * FULL);
        assert!(kept() >= depot::WAITING * FULL);
    }

    /// As in a forked child, where the thread that has the depot is missing.
    #[test]
    fn who_finds_the_depot_taken_goes_to_the_allocator() {
        let of = CellLayout::of::<[u64; 119]>();
        let held = depot::hold(of.size.expect("it is kept"));
        let (done, is_done) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            free_all(of, &allocate_all(of, 4 * FULL));
            let _ = done.send(());
        });
        assert_eq!(is_done.recv_timeout(std::time::Duration::from_secs(60)), Ok(()));
        drop(held);
    }

    #[test]
    fn what_is_large_or_oddly_aligned_is_not_kept() {
        #[repr(align(64))]
        struct Odd(#[expect(dead_code)] u8);
        on_a_new_thread(|| {
            for of in [CellLayout::of::<[u64; 129]>(), CellLayout::of::<Odd>()] {
                let cell = allocate(of);
                assert!(cell.as_ptr().addr().is_multiple_of(of.layout.align()));
                // SAFETY: from `allocate`, given back once.
                unsafe { free(cell, of) };
                assert_eq!(own_count(), 0);
            }
        });
    }
}
