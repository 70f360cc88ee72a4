//! The list of leaves that a goroutine waits on, which is also the lock of its cell.

use core::ptr::NonNull;

use super::leaf::{Leaf, ListTag};
use crate::inspect::{Location, WaitReason};
use crate::list::List;
use crate::sys::atomic::{AtomicPtr, Ordering};

/// The list of leaves a goroutine waits on, and the lock of its cell in the lowest bit.
pub(crate) struct LeafList(AtomicPtr<Leaf>);

const LOCKED: usize = 1;

/// Holds the lock of a cell.
pub(crate) struct LockedList<'a> {
    list: &'a LeafList,
    head: Option<NonNull<Leaf>>,
}

impl LeafList {
    pub(super) fn new() -> Self {
        Self(AtomicPtr::new(core::ptr::null_mut()))
    }

    /// Locks the cell. Held for a few instructions, or by the inspection while it walks the list.
    pub(crate) fn lock(&self) -> LockedList<'_> {
        let mut spins = 0u32;
        loop {
            let head = self.0.load(Ordering::Relaxed).map_addr(|a| a & !LOCKED);
            let locked = head.map_addr(|a| a | LOCKED);
            // Acquire: pairs with the release in `LockedList::drop`. SeqCst: pairs with `is_free`.
            let (new, ok) = (locked, Ordering::SeqCst);
            if self.0.compare_exchange_weak(head, new, ok, Ordering::Relaxed).is_ok() {
                return LockedList { list: self, head: NonNull::new(head) };
            }
            spins += 1;
            if spins.is_multiple_of(64) {
                std::thread::yield_now();
            } else {
                core::hint::spin_loop();
            }
        }
    }

    /// Whether nobody holds the lock. The caller has just marked the goroutine as complete: whoever takes
    /// the lock later, and then looks, sees that.
    pub(super) fn is_free(&self) -> bool {
        // SeqCst: the mark and this load, and the taking of the lock and the look at the mark, are four
        // accesses in one order: one of the two sees the other. Acquire: pairs with the release in
        // `LockedList::drop`: what was written under the lock is seen.
        self.0.load(Ordering::SeqCst).addr() & LOCKED == 0
    }

    /// Links a leaf.
    ///
    /// # Safety
    /// Its owner calls, and unlinks it before the leaf goes.
    pub(super) unsafe fn link(&self, leaf: NonNull<Leaf>) {
        let mut list = self.lock();
        // SAFETY: the owner links its leaf once, and unlinks it before the leaf goes.
        unsafe { List::<Leaf, ListTag>::push_head(&mut list.head, leaf) };
    }

    /// Unlinks a leaf.
    ///
    /// # Safety
    /// It was linked here, by its owner who calls.
    pub(super) unsafe fn unlink(&self, leaf: NonNull<Leaf>) {
        // SAFETY: as the caller says.
        unsafe { self.lock().remove(leaf) };
    }
}

impl LockedList<'_> {
    /// Unlinks a leaf.
    ///
    /// # Safety
    /// It is linked in this list.
    pub(super) unsafe fn remove(&mut self, leaf: NonNull<Leaf>) {
        // SAFETY: as the caller says; the lock is held.
        unsafe { List::<Leaf, ListTag>::remove_head(&mut self.head, leaf) };
    }

    /// Why the goroutine waits, and where: what was registered last says. Nothing that its owner could be
    /// changing meanwhile is read.
    pub(crate) fn first(&self) -> Option<(WaitReason, Location)> {
        // SAFETY: the owner unlinks a leaf under this lock before it goes; why and where it waits never
        // changes.
        self.head.map(|leaf| unsafe { (leaf.as_ref().reason(), leaf.as_ref().at()) })
    }

    /// Calls `visit` with each leaf, the last registered first.
    pub(crate) fn walk(&self, mut visit: impl FnMut(NonNull<Leaf>)) {
        List::<Leaf, ListTag>::walk_head(self.head, |leaf| {
            visit(leaf);
            true
        });
    }
}

impl Drop for LockedList<'_> {
    fn drop(&mut self) {
        let head = self.head.map_or(core::ptr::null_mut(), NonNull::as_ptr);
        // Release: pairs with the acquire in `lock`.
        self.list.0.store(head, Ordering::Release);
    }
}
