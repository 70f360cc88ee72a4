//! What the arms of one select share: the commit point, and the list of the arms.

use core::cell::UnsafeCell;
use core::ptr::NonNull;

use super::leaf::{Leaf, ListTag};
use crate::list::List;
use crate::sys::modelled::atomic::{AtomicUsize, Ordering};

/// What the arms of one select share: the select's own leaf, whose slot is the commit point.
pub(crate) type Control = Leaf<Arms>;

/// The slot of a select's own leaf.
pub(crate) struct Arms {
    /// The address of the arm that won; 0 while open, `HELD` while the owner looks at the arms.
    winner: AtomicUsize,
    /// The arms, linked by their list links, for the inspection; set while the select is parked.
    head: UnsafeCell<Option<NonNull<Leaf>>>,
}

/// No arm's address: leaves are aligned.
const HELD: usize = 1;

// SAFETY: `head` is written by the owner before the control leaf is listed, and used under the cell's
// lock afterwards.
unsafe impl Send for Arms {}
// SAFETY: as above.
unsafe impl Sync for Arms {}

impl Arms {
    pub(crate) fn new() -> Self {
        Self { winner: AtomicUsize::new(0), head: UnsafeCell::new(None) }
    }

    /// Commits to the arm at `leaf`; one arm wins.
    pub(super) fn win(&self, leaf: NonNull<Leaf>) -> Claim {
        // AcqRel: the winner's transfer happens after the registration of the other arms, and after
        // what the owner did while it held the select.
        let (new, order) = (leaf.addr().get(), Ordering::AcqRel);
        match self.winner.compare_exchange(0, new, order, Ordering::Acquire) {
            Ok(_) => Claim::Won(Claimed(())),
            Err(HELD) => Claim::Held,
            Err(_) => Claim::Lost,
        }
    }

    /// Keeps peers from committing until [`resume`](Self::resume); by the owner. False if one has.
    pub(crate) fn hold(&self) -> bool {
        // Acquire: pairs with `win`. A select whose poll panicked is held already.
        let held = self.winner.compare_exchange(0, HELD, Ordering::Acquire, Ordering::Acquire);
        matches!(held, Ok(_) | Err(HELD))
    }

    /// Lets peers commit again; under the locks of all channels of the arms.
    pub(crate) fn resume(&self) {
        // Release: pairs with `win`.
        self.winner.store(0, Ordering::Release);
    }

    /// The address of the arm that won; 0 if none has.
    pub(crate) fn winner(&self) -> usize {
        match self.winner.load(Ordering::Acquire) {
            HELD => 0,
            winner => winner,
        }
    }

    /// Says which leaves the arms are, the last first.
    ///
    /// # Safety
    /// The owner calls, before the control leaf is listed. The leaves are in no list and stay in place
    /// until it has left the list.
    pub(crate) unsafe fn set(&self, leaves: impl Iterator<Item = NonNull<Leaf>>) {
        let mut head = None;
        for leaf in leaves {
            // SAFETY: as the caller says.
            unsafe { List::<Leaf, ListTag>::push_head(&mut head, leaf) };
        }
        // SAFETY: nobody reads it before the control leaf is listed.
        unsafe { *self.head.get() = head };
    }

    /// Calls `visit` with each arm, in order.
    ///
    /// # Safety
    /// The control leaf is listed, and its goroutine's cell lock is held.
    pub(crate) unsafe fn walk(&self, mut visit: impl FnMut(NonNull<Leaf>)) {
        // SAFETY: as the caller says.
        let head = unsafe { *self.head.get() };
        List::<Leaf, ListTag>::walk_head(head, |leaf| {
            visit(leaf);
            true
        });
    }

    /// Forgets all arms.
    ///
    /// # Safety
    /// As for [`walk`](Self::walk), if the control leaf is listed.
    pub(super) unsafe fn clear(&self) {
        // SAFETY: as the caller says.
        unsafe { *self.head.get() = None };
    }

    /// Forgets one arm.
    ///
    /// # Safety
    /// As for [`clear`](Self::clear); it is one of the arms.
    pub(super) unsafe fn remove(&self, leaf: NonNull<Leaf>) {
        // SAFETY: as the caller says.
        unsafe { List::<Leaf, ListTag>::remove_head(&mut *self.head.get(), leaf) };
    }
}

/// Whether a leaf may be fired.
#[must_use]
pub(crate) enum Claim {
    /// Yes, by whoever asked.
    Won(Claimed),
    /// It is an arm of a select that another arm won.
    Lost,
    /// It is an arm of a select whose owner holds it: pass it by, the owner will look again.
    Held,
}

/// The right to fire a leaf.
#[must_use]
pub(crate) struct Claimed(pub(super) ());
