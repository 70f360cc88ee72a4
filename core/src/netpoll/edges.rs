//! The edges of a source: what the system told, and who waits for the next.
//!
//! For each direction a word counts the edges that the system told. Whoever finds that it would have to
//! wait registers a leaf only if no edge came since it read the word: so none is lost, however many try at
//! a time.

use core::ptr::NonNull;
use core::task::Context;

use crate::g::Wake;
use crate::g::leaf::{FIRED, Leaf, Prepared, WaitQueue};
use crate::inspect::IoWant;
use crate::sys::BriefLock;
use crate::sys::modelled::atomic::{AtomicU32, Ordering};

/// What a goroutine registers on a source; the slot says what it wants.
pub(crate) type IoLeaf = Leaf<IoWant>;

/// The bits of a direction's word; the count of edges comes above them.
pub(super) mod word {
    /// What there was has been taken: an attempt would find nothing until the next edge.
    pub(crate) const DRY: u32 = 1;
    /// Nothing has to be waited for any more: the peer has ended, or an error waits.
    pub(crate) const ENDED: u32 = 2;
    /// The deadline has passed.
    pub(crate) const EXPIRED: u32 = 4;
    /// It was closed on this side.
    pub(crate) const CLOSED: u32 = 8;
    /// One edge.
    pub(crate) const EDGE: u32 = 16;
}

/// The words of both directions and who waits there.
pub(super) struct Edges {
    words: [AtomicU32; 2],
    queues: BriefLock<[WaitQueue; 2]>,
}

// SAFETY: the leaves in the queues are used under their lock.
unsafe impl Send for Edges {}
// SAFETY: as above.
unsafe impl Sync for Edges {}

impl Edges {
    pub(super) fn new() -> Self {
        Self {
            words: [AtomicU32::new(0), AtomicU32::new(0)],
            queues: BriefLock::new([WaitQueue::new(), WaitQueue::new()]),
        }
    }

    fn word(&self, want: IoWant) -> &AtomicU32 {
        &self.words[side(want)]
    }

    /// The word before an attempt.
    #[inline]
    pub(super) fn before(&self, want: IoWant) -> u32 {
        // Acquire: pairs with `change`; what was ready then is found by the attempt.
        self.word(want).load(Ordering::Acquire)
    }

    /// An attempt that began at `before` has taken all there was.
    #[inline]
    pub(super) fn is_dry(&self, want: IoWant, before: u32) {
        if before & word::ENDED == 0 {
            // Fails if an edge came since: then there is more. Relaxed: a hint.
            let (dry, order) = (before | word::DRY, Ordering::Relaxed);
            let _ = self.word(want).compare_exchange(before, dry, order, order);
        }
    }

    /// Attempts may succeed again after a deadline.
    pub(super) fn revive(&self, want: IoWant) {
        let _queues = self.queues.lock();
        // Relaxed: it changes under the lock.
        self.word(want).fetch_and(!word::EXPIRED, Ordering::Relaxed);
    }

    /// Whether somebody waits to read, and to write.
    pub(super) fn waited_for(&self) -> [bool; 2] {
        self.queues.lock().each_ref().map(|queue| !queue.is_empty())
    }

    /// Registers a leaf, unless something has changed since `before`. False: try again.
    ///
    /// # Safety
    /// The leaf is idle, pinned, and stays until [`withdraw`](Self::withdraw) has returned.
    pub(super) unsafe fn park(&self, leaf: NonNull<IoLeaf>, cx: &Context<'_>, before: u32) -> bool {
        let node = Leaf::erase(leaf);
        // SAFETY: alive, as the caller says.
        let want = unsafe { leaf.as_ref() }.slot;
        let waiter = Prepared::new(node, cx);
        let mut queues = self.queues.lock();
        // Relaxed: it changes under the lock only, the hint apart.
        if self.word(want).load(Ordering::Relaxed) & !word::DRY != before & !word::DRY {
            drop(queues);
            drop(waiter);
            return false;
        }
        // SAFETY: as the caller says.
        unsafe {
            Leaf::park(node, waiter, &mut queues[side(want)]);
            drop(queues);
            Leaf::enlist(node);
        }
        true
    }

    /// Ends the registration of a leaf that is not idle: it may be used again, or go.
    ///
    /// # Safety
    /// Called by the owner of a leaf that parked here.
    pub(super) unsafe fn withdraw(&self, leaf: NonNull<IoLeaf>) {
        let node = Leaf::erase(leaf);
        // SAFETY: as the caller says; a leaf that waits is in the queue of its side.
        unsafe {
            let mut queues = self.queues.lock();
            if leaf.as_ref().is_waiting() {
                queues[side(leaf.as_ref().slot)].remove(node);
            }
            drop(queues);
            Leaf::settle(node);
        }
    }

    /// Changes the word of a direction and releases whoever waits there.
    pub(super) fn change(&self, want: IoWant, wakes: &mut Vec<Wake>, f: impl Fn(u32) -> u32) {
        let mut queues = self.queues.lock();
        // Release: pairs with `before`. Under the lock, so that `park` sees it or is seen.
        let (set, fetch) = (Ordering::Release, Ordering::Relaxed);
        let _ = self.word(want).fetch_update(set, fetch, |word| Some(f(word)));
        while let Some(leaf) = queues[side(want)].pop_front() {
            // SAFETY: in the queue, hence waiting; the lock is held.
            wakes.push(unsafe { Leaf::fire(leaf, FIRED) });
        }
    }
}

/// The index of a direction.
pub(super) fn side(want: IoWant) -> usize {
    match want {
        IoWant::Write | IoWant::Connect => 1,
        _ => 0,
    }
}

#[cfg(all(test, loom))]
mod models;
