//! Copies of one thing, so that goroutines on different Ps seldom meet at the same one.

use core::cell::Cell;
use core::num::NonZeroUsize;
use std::sync::OnceLock;
use std::thread::available_parallelism;

use crate::sched::p_here;
use crate::sys::atomic::{AtomicUsize, Ordering};

/// The most copies there are.
const MOST: usize = 64;

/// Copies of `T`, made when the first one is asked for. Which one a goroutine gets is a hint: nothing
/// goes wrong if its P changes meanwhile.
pub(super) struct Shards<T> {
    cells: OnceLock<Box<[Apart<T>]>>,
    /// Copies for each CPU.
    each: usize,
}

/// A copy on cache lines of its own. Some CPUs fetch lines in pairs.
#[repr(align(128))]
#[derive(Default)]
struct Apart<T>(T);

impl<T: Default> Shards<T> {
    /// `each` copies for each CPU.
    pub(super) const fn new(each: usize) -> Self {
        Self { cells: OnceLock::new(), each }
    }

    fn cells(&self) -> &[Apart<T>] {
        self.cells.get_or_init(|| {
            let cpus = available_parallelism().map_or(1, NonZeroUsize::get);
            let count = (cpus * self.each).next_power_of_two().min(MOST);
            (0..count).map(|_| Apart::default()).collect()
        })
    }

    /// The copies.
    pub(super) fn all(&self) -> impl Iterator<Item = &T> {
        self.cells().iter().map(|cell| &cell.0)
    }

    /// The copies, in an order that begins with the one of this P.
    pub(super) fn nearest_first(&self) -> impl Iterator<Item = &T> {
        let cells = self.cells();
        let (before, after) = cells.split_at(here() & (cells.len() - 1));
        after.iter().chain(before).map(|cell| &cell.0)
    }

    /// The copy of this P.
    pub(super) fn here(&self) -> &T {
        self.at(here())
    }

    /// The copy that belongs to `number`.
    pub(super) fn at(&self, number: usize) -> &T {
        let cells = self.cells();
        &cells[number & (cells.len() - 1)].0
    }

    /// The copies, if there are any yet.
    pub(super) fn made(&self) -> impl Iterator<Item = &T> {
        self.cells.get().into_iter().flatten().map(|cell| &cell.0)
    }
}

/// The number of this P; of this thread, where no goroutine runs.
fn here() -> usize {
    static THREADS: AtomicUsize = AtomicUsize::new(0);
    thread_local!(static THREAD: Cell<Option<usize>> = const { Cell::new(None) });
    p_here().unwrap_or_else(|| {
        THREAD.with(|thread| {
            thread.get().unwrap_or_else(|| {
                // Relaxed: only the number matters.
                let number = THREADS.fetch_add(1, Ordering::Relaxed);
                thread.set(Some(number));
                number
            })
        })
    })
}
