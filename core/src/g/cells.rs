//! Memory of goroutines that ended, kept on each thread for the next ones.
//!
//! Go keeps such a list with each P. Here a P can be taken away in the middle of a poll, at any instruction; the
//! thread stays. What does not fit goes to the allocator, which all threads share.

use core::alloc::Layout;
use core::cell::{Cell, OnceCell};
use core::ptr::NonNull;
use std::alloc::{alloc, dealloc, handle_alloc_error};
use std::sync::Arc;

use crate::debug::debug;
use crate::sys::Lock;
use crate::sys::atomic::{AtomicUsize, Ordering};

/// What the size of a cell is a multiple of, and its alignment, mostly; others are not kept.
const WORD: usize = align_of::<u64>();
/// Sizes: the largest cell that is kept has 1 KiB. None is rounded up: memory per goroutine counts more.
const SIZES: usize = 1024 / WORD;
/// Cells that a thread keeps of each size.
const KEPT: usize = 64;

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
        let is_kept = layout.align() == WORD && words != 0 && words <= SIZES;
        Self { layout, size: if is_kept { Some(words - 1) } else { None } }
    }
}

/// The first word of a cell that is kept.
struct Kept {
    next: Option<NonNull<Kept>>,
}

/// The cells of one size.
struct List {
    first: Cell<Option<NonNull<Kept>>>,
    len: Cell<usize>,
}

/// What a thread keeps.
struct Cells {
    lists: [List; SIZES],
    /// How many in all; made with the first, listed in `COUNTS`.
    count: OnceCell<Arc<AtomicUsize>>,
}

/// What each thread that keeps cells counts.
static COUNTS: Lock<Vec<Arc<AtomicUsize>>> = Lock::new(Vec::new());

thread_local! {
    static CELLS: Cells = const {
        Cells {
            lists: [const { List { first: Cell::new(None), len: Cell::new(0) } }; SIZES],
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
        let list = &self.lists[size];
        let cell = list.first.get()?;
        // SAFETY: `keep` wrote it, and nobody else has it.
        list.first.set(unsafe { cell.as_ref() }.next);
        list.len.set(list.len.get() - 1);
        self.count(-1);
        Some(cell.cast())
    }

    /// False if there are enough.
    ///
    /// # Safety
    /// As for [`free`]; if true it is this thread's from now on.
    unsafe fn keep(&self, cell: NonNull<u8>, size: usize) -> bool {
        let list = &self.lists[size];
        if list.len.get() == KEPT || debug().cellcacheoff {
            return false;
        }
        let kept = cell.cast::<Kept>();
        // SAFETY: the caller's memory is at least a word long, aligned for it, and used by nobody.
        unsafe { kept.write(Kept { next: list.first.get() }) };
        list.first.set(Some(kept));
        list.len.set(list.len.get() + 1);
        self.count(1);
        true
    }
}

impl Drop for Cells {
    fn drop(&mut self) {
        for size in 0..SIZES {
            while let Some(cell) = self.take(size) {
                // SAFETY: only cells with this layout are kept there, see `CellLayout::of`.
                unsafe {
                    let layout = Layout::from_size_align_unchecked((size + 1) * WORD, WORD);
                    dealloc(cell.as_ptr(), layout);
                }
            }
        }
        if let Some(own) = self.count.get() {
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

/// Cells that all threads of the process keep.
pub(crate) fn kept() -> usize {
    COUNTS.lock().iter().map(|count| count.load(Ordering::Relaxed)).sum()
}

#[cfg(all(test, not(loom)))]
mod tests {
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

    #[test]
    fn a_thread_keeps_so_many_of_each_size_and_leaves_none_behind() {
        let count = on_a_new_thread(|| {
            let of = CellLayout::of::<[u64; 12]>();
            let all: Vec<usize> =
                (0..KEPT + 10).map(|_| allocate(of).as_ptr().expose_provenance()).collect();
            for cell in all {
                let cell = NonNull::new(core::ptr::with_exposed_provenance_mut(cell));
                // SAFETY: from `allocate`, given back once.
                unsafe { free(cell.expect("not null"), of) };
            }
            assert_eq!(own_count(), KEPT);
            CELLS.with(|cells| cells.count.get().cloned()).expect("it has some")
        });
        assert_eq!(count.load(Ordering::Relaxed), 0);
        assert!(!COUNTS.lock().iter().any(|other| Arc::ptr_eq(other, &count)));
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
