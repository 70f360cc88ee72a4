//! Full magazines of cells, on their way from threads where goroutines end to threads that start some.
//!
//! The allocator keeps the memory that one thread frees for the thread that allocated it, behind a lock. Where one
//! starts goroutines and another runs them, each cell would pass that lock; here one of 32 passes ours.
//! Magazines and depot: Bonwick, Adams, "Magazines and Vmem", USENIX 2001.

use core::ptr::NonNull;

use super::cells::SIZES;
use crate::sys::Lock;

/// Cells in a full magazine.
pub(super) const FULL: usize = 32;
/// Magazines of each size that wait here; what comes on top goes to the allocator.
pub(super) const WAITING: usize = 64;

/// The first words of a cell that is kept. No cell is smaller: see `CellLayout::of`.
pub(super) struct Kept {
    /// The next in its magazine.
    next: Option<NonNull<Kept>>,
    /// In the first cell of a magazine that waits here: that of the next one.
    below: Option<NonNull<Kept>>,
}

/// Cells of one size that are passed on together, linked by their first words.
pub(super) struct Magazine {
    first: Option<NonNull<Kept>>,
    pub(super) len: usize,
}

/// Full magazines of one size.
struct Stack {
    top: Option<NonNull<Kept>>,
    len: usize,
}

// SAFETY: memory that nobody else uses.
unsafe impl Send for Stack {}

static DEPOT: [Lock<Stack>; SIZES] = [const { Lock::new(Stack { top: None, len: 0 }) }; SIZES];

impl Magazine {
    pub(super) const EMPTY: Self = Self { first: None, len: 0 };

    pub(super) fn is_full(&self) -> bool {
        self.len == FULL
    }

    /// Adds a cell.
    ///
    /// # Safety
    /// It is memory of a kept size, which is the magazine's from now on.
    pub(super) unsafe fn push(&mut self, cell: NonNull<u8>) {
        let kept = cell.cast::<Kept>();
        // SAFETY: the caller's memory is large enough and aligned for it, and used by nobody.
        unsafe { kept.write(Kept { next: self.first, below: None }) };
        self.first = Some(kept);
        self.len += 1;
    }

    /// The cell that was added last.
    pub(super) fn pop(&mut self) -> Option<NonNull<u8>> {
        let cell = self.first?;
        // SAFETY: `push` wrote it, and nobody else has it.
        self.first = unsafe { cell.as_ref() }.next;
        self.len -= 1;
        Some(cell.cast())
    }
}

// Nobody waits for a lock here: it may belong to a thread that a forked child does not have, and whoever finds it
// taken has the allocator, whose locks survive a fork.

/// Leaves a full magazine. Gives it back if enough of its size wait, or somebody else is at them.
pub(super) fn leave(full: Magazine, size: usize) -> Option<Magazine> {
    let Some(mut stack) = DEPOT[size].try_lock() else { return Some(full) };
    let Some(mut first) = full.first.filter(|_| stack.len < WAITING) else { return Some(full) };
    // SAFETY: `push` wrote it; the magazine is ours.
    unsafe { first.as_mut() }.below = stack.top;
    stack.top = Some(first);
    stack.len += 1;
    None
}

/// Takes a full magazine, the one that was left last, unless somebody else is at them.
pub(super) fn fetch(size: usize) -> Option<Magazine> {
    let mut stack = DEPOT[size].try_lock()?;
    let first = stack.top?;
    // SAFETY: `leave` wrote it; the magazine is the depot's.
    stack.top = unsafe { first.as_ref() }.below;
    stack.len -= 1;
    Some(Magazine { first: Some(first), len: FULL })
}

/// Somebody is at the magazines of this size while the value lives.
#[cfg(test)]
pub(super) fn hold(size: usize) -> impl Sized {
    DEPOT[size].lock()
}

/// Cells that wait here. A figure: those that somebody is at do not count.
pub(super) fn kept() -> usize {
    (0..SIZES).map(kept_of).sum()
}

/// Those of one size.
pub(super) fn kept_of(size: usize) -> usize {
    DEPOT[size].try_lock().map_or(0, |stack| stack.len * FULL)
}
