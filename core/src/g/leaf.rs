//! A leaf: what a future of ours registers on the one primitive it waits for.
//!
//! A leaf is a node of two lists while it waits: of the primitive's wait queue, under the
//! primitive's lock, and of its goroutine's leaf list, under the cell's lock. The cell's lock is
//! never taken under a primitive's lock; the inspection takes them in the order cell, primitive.
//!
//! A peer that releases a leaf fires it under the primitive's lock: it takes a reference to the
//! goroutine first and marks the leaf as fired last, because the owner of a fired leaf may free it
//! without taking the lock.

use core::cell::Cell;
use core::marker::PhantomPinned;
use core::ptr::NonNull;
use core::task::Context;

pub(crate) use super::arms::{Arms, Claim, Claimed, Control};
use super::waiter::Waiter;
pub(crate) use super::waiter::{Prepared, Wake};
use super::{current, point, trace};
use crate::inspect::{Anchor, GoroutineId, Location, WaitReason};
use crate::list::{Linked, Links, List};
use crate::sys::modelled::atomic::{AtomicU32, Ordering};

/// The list tag of a primitive's wait queue.
pub(crate) struct WaitTag;
/// The list tag of a goroutine's leaf list.
pub(crate) struct ListTag;
/// The wait queue of a primitive, first come first served.
pub(crate) type WaitQueue = List<Leaf, WaitTag>;

/// The state is the low byte of a leaf's word, the wait reason the next.
const STATE: u32 = 0xff;

/// Not registered.
const IDLE: u32 = 0;
/// In the primitive's wait queue.
pub(crate) const WAITING: u32 = 1;
/// Released by a peer: out of the queue. Larger states are the primitive's own results.
pub(crate) const FIRED: u32 = 2;
/// Released because the primitive was closed.
pub(crate) const CLOSED: u32 = 3;
/// An arm whose select had been won by another arm: out of the queue, not fired.
const LOST: u32 = 4;

/// A wait of one goroutine (or foreign task, or plain thread) on one primitive. `slot` carries a
/// value between the peers; its layout does not move the other fields.
#[repr(C)]
pub(crate) struct Leaf<S = ()> {
    wait: Links<Leaf>,
    list: Links<Leaf>,
    anchor: Cell<NonNull<Anchor>>,
    at: Location,
    waiter: Cell<Waiter>,
    /// State and wait reason.
    word: AtomicU32,
    pub(crate) slot: S,
    pinned: PhantomPinned,
}

// SAFETY: raw pointers and cells are used under the locks named at the top of the file.
unsafe impl<S: Send> Send for Leaf<S> {}
// SAFETY: as above; the slot is used by whoever holds the primitive's lock, or by the owner.
unsafe impl<S: Send> Sync for Leaf<S> {}
// SAFETY: projects to the one field.
unsafe impl Linked<WaitTag> for Leaf {
    fn links(node: NonNull<Self>) -> NonNull<Links<Self>> {
        // SAFETY: in bounds of a live leaf.
        unsafe { NonNull::new_unchecked(&raw mut (*node.as_ptr()).wait) }
    }
}

// SAFETY: projects to the one field.
unsafe impl Linked<ListTag> for Leaf {
    fn links(node: NonNull<Self>) -> NonNull<Links<Self>> {
        // SAFETY: in bounds of a live leaf.
        unsafe { NonNull::new_unchecked(&raw mut (*node.as_ptr()).list) }
    }
}

impl<S> Leaf<S> {
    pub(crate) fn new(reason: WaitReason, anchor: NonNull<Anchor>, at: Location, slot: S) -> Self {
        Self {
            wait: Links::new(),
            list: Links::new(),
            anchor: Cell::new(anchor),
            at,
            waiter: Cell::new(Waiter::NONE),
            word: AtomicU32::new(IDLE | (reason as u32) << 8),
            slot,
            pinned: PhantomPinned,
        }
    }

    pub(crate) fn at(&self) -> Location {
        self.at
    }

    pub(crate) fn anchor(&self) -> NonNull<Anchor> {
        self.anchor.get()
    }

    /// Says which primitive an idle leaf will wait on; by its owner, before it parks.
    pub(crate) fn set_anchor(&self, anchor: NonNull<Anchor>) {
        self.anchor.set(anchor);
    }

    /// The leaf without the type of its slot.
    pub(crate) fn erase(this: NonNull<Self>) -> NonNull<Leaf> {
        this.cast()
    }

    /// Why this leaf waits.
    pub(crate) fn reason(&self) -> WaitReason {
        WaitReason::from_u8((self.word.load(Ordering::Relaxed) >> 8) as u8)
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.state() == IDLE
    }

    pub(crate) fn is_waiting(&self) -> bool {
        self.state() == WAITING
    }

    /// The state: waiting, or what a peer left.
    pub(crate) fn state(&self) -> u32 {
        // Acquire: pairs with `fire_with`; a fired leaf's slot is the owner's again.
        self.word.load(Ordering::Acquire) & STATE
    }

    /// Only one party at a time writes: the owner of an idle or fired leaf, or whoever holds the
    /// primitive's lock while it waits. So the reason can be written back by a plain store.
    fn set_state(&self, state: u32, order: Ordering) {
        let reason = self.word.load(Ordering::Relaxed) & !STATE;
        self.word.store(reason | state, order);
    }

    /// Notes a state of the primitive's own, by the owner of a leaf that is not registered.
    #[inline]
    pub(crate) fn mark(&self, state: u32) {
        self.set_state(state, Ordering::Relaxed);
    }

    /// A fired leaf whose result was taken may be used again.
    pub(crate) fn reset(&self) {
        self.set_state(IDLE, Ordering::Relaxed);
    }

    /// The first thing every poll of a leaf does. True: this is a trace poll, return `Pending`.
    #[inline]
    pub(crate) fn traced(&self, cx: &Context<'_>) -> bool {
        current::tracing().is_some() && self.trace(cx)
    }

    #[cold]
    #[inline(never)]
    fn trace(&self, cx: &Context<'_>) -> bool {
        let untouched = self.is_waiting() && self.waiter.get().is_for(cx);
        trace::leaf(self.at, untouched);
        if !untouched {
            cx.waker().wake_by_ref();
        }
        true
    }

    /// Whether a poll may complete an operation; if not, the goroutine has been made ready and the
    /// poll returns `Pending`, so that others run.
    #[inline]
    pub(crate) fn proceed(&self, cx: &Context<'_>) -> bool {
        let proceed = match point::explored() {
            false => current::spend(),
            true => point::awaited(self.at, self.reason()),
        };
        if !proceed {
            cx.waker().wake_by_ref();
        }
        proceed
    }

    /// Whether the leaf waits, and for whoever polls it with `cx`: nothing has to be done. If not, it
    /// may have fired since an earlier look at its state.
    pub(crate) fn waits_for(&self, cx: &Context<'_>) -> bool {
        self.is_waiting() && self.is_for(cx)
    }

    /// Whether a leaf that was seen waiting is registered for whoever polls it with `cx`. Only the
    /// owner calls this: a peer never changes the waiter.
    pub(crate) fn is_for(&self, cx: &Context<'_>) -> bool {
        self.waiter.get().is_for(cx)
    }
}

impl Leaf {
    /// Registers the leaf: `enqueue` links it into the primitive's wait queue.
    ///
    /// # Safety
    /// The primitive's lock is held, the leaf is idle, pinned, and stays in place until
    /// [`withdraw`](Self::withdraw) has returned.
    pub(crate) unsafe fn park(this: NonNull<Self>, waiter: Prepared, queue: &mut WaitQueue) {
        // SAFETY: pinned and alive, as the caller says.
        let leaf = unsafe { this.as_ref() };
        leaf.waiter.set(waiter.take());
        // Relaxed: the primitive's lock publishes it.
        leaf.set_state(WAITING, Ordering::Relaxed);
        // SAFETY: an idle leaf is in no queue.
        unsafe { queue.push_back(this) };
    }

    /// As [`park`](Self::park), at the front of the queue: for a waiter that had its turn and lost it.
    ///
    /// # Safety
    /// As for `park`.
    pub(crate) unsafe fn park_first(this: NonNull<Self>, waiter: Prepared, queue: &mut WaitQueue) {
        // SAFETY: as the caller says; an idle leaf is in no queue.
        unsafe {
            Self::park_alone(this, waiter);
            queue.push_front(this);
        }
    }

    /// Marks the leaf as waiting without a queue of the primitive's own (a join slot, a nil
    /// channel).
    ///
    /// # Safety
    /// As for [`park`](Self::park), the queue apart.
    pub(crate) unsafe fn park_alone(this: NonNull<Self>, waiter: Prepared) {
        // SAFETY: pinned and alive, as the caller says.
        let leaf = unsafe { this.as_ref() };
        leaf.waiter.set(waiter.take());
        leaf.set_state(WAITING, Ordering::Relaxed);
    }

    /// Links a parked leaf into its goroutine's list; after the primitive's lock was released.
    ///
    /// # Safety
    /// The leaf was parked by this poll, and is pinned until it is withdrawn.
    pub(crate) unsafe fn enlist(this: NonNull<Self>) {
        // SAFETY: the owner calls, so the leaf is alive and its waiter is the owner's to read.
        unsafe {
            if let Some(g) = this.as_ref().waiter.get().goroutine() {
                g.as_ref().leaves().link(this);
            }
        }
    }

    /// Replaces the waiter of a leaf that still waits, so that a poll with another waker keeps its
    /// place in the queue. The waiter given back is to be passed to [`relist`](Self::relist).
    ///
    /// # Safety
    /// The primitive's lock is held and the leaf is waiting.
    pub(crate) unsafe fn swap_waiter(this: NonNull<Self>, waiter: Prepared) -> Prepared {
        // SAFETY: alive, as the caller says.
        Prepared(unsafe { this.as_ref() }.waiter.replace(waiter.take()))
    }

    /// Moves a leaf whose waiter was swapped into the list of its new goroutine.
    ///
    /// # Safety
    /// Called by the owner outside the primitive's lock, right after `swap_waiter`.
    pub(crate) unsafe fn relist(this: NonNull<Self>, before: Prepared) {
        // SAFETY: the owner calls; the leaf is in the list of `before`'s goroutine, if any.
        unsafe {
            if let Some(g) = before.0.goroutine() {
                g.as_ref().leaves().unlink(this);
            }
            Self::enlist(this);
        }
    }

    /// Takes the leaf out of its goroutine's list and gives up the waiter. The leaf is out of the
    /// primitive's queue already.
    ///
    /// # Safety
    /// Called by the owner, outside the primitive's lock, once for each `enlist`.
    pub(crate) unsafe fn withdraw(this: NonNull<Self>) {
        // SAFETY: the owner calls, so the leaf is alive; fired or unlinked, nobody else reads it.
        unsafe {
            let waiter = this.as_ref().waiter.replace(Waiter::NONE);
            if let Some(g) = waiter.goroutine() {
                g.as_ref().leaves().unlink(this);
            }
            waiter.release();
        }
    }

    /// Makes the inspection forget all arms of the select that `arm` belongs to.
    ///
    /// # Safety
    /// The arm is parked, and the memory of its select stays valid.
    pub(crate) unsafe fn forget_arms(arm: NonNull<Self>) {
        // SAFETY: a parked arm's waiter leads to the control leaf, which is alive as the caller says;
        // the cell's lock guards the list of arms once the control leaf is listed.
        unsafe {
            let control = arm.as_ref().waiter.get().control();
            let g = control.as_ref().waiter.get().goroutine();
            let _lock = g.as_ref().map(|g| g.as_ref().leaves().lock());
            control.as_ref().slot.clear();
        }
    }

    /// Fires a leaf that is out of the queue, and no arm of a select, with the result `state`.
    ///
    /// # Safety
    /// The primitive's lock is held, and the leaf is waiting. After this call it may be gone.
    pub(crate) unsafe fn fire(this: NonNull<Self>, state: u32) -> Wake {
        // SAFETY: as the caller says.
        unsafe { Self::fire_with(this, Claimed(()), state) }
    }

    /// Claims the right to fire this leaf: at once for a plain leaf, by one CAS for a select's arm.
    ///
    /// # Safety
    /// The primitive's lock is held, and the leaf is waiting.
    #[inline]
    pub(crate) unsafe fn claim(this: NonNull<Self>) -> Claim {
        // SAFETY: a waiting leaf is alive while the primitive's lock is held.
        let waiter = unsafe { this.as_ref() }.waiter.get();
        if !waiter.is_select() {
            return Claim::Won(Claimed(()));
        }
        // SAFETY: the control leaf outlives its arms' registration.
        unsafe { waiter.control().as_ref() }.slot.win(this)
    }

    /// Marks a leaf that is out of the queue as the arm of a select that another arm won.
    ///
    /// # Safety
    /// The primitive's lock is held: the leaf's owner needs it to go.
    pub(crate) unsafe fn lose(this: NonNull<Self>) {
        // SAFETY: alive while the primitive's lock is held.
        unsafe { this.as_ref() }.set_state(LOST, Ordering::Release);
    }

    /// Fires a claimed leaf with the result `state`.
    ///
    /// # Safety
    /// The primitive's lock is held. After this call the leaf may be gone.
    pub(crate) unsafe fn fire_with(this: NonNull<Self>, _: Claimed, state: u32) -> Wake {
        // SAFETY: a waiting leaf is alive while the primitive's lock is held.
        let leaf = unsafe { this.as_ref() };
        let waiter = leaf.waiter.get();
        let wake = if waiter.is_select() {
            // SAFETY: as in `claim`.
            unsafe { waiter.control().as_ref() }.waiter.get().wake()
        } else {
            waiter.wake()
        };
        // Release: pairs with `state`. Last, because the owner may free the leaf from here on.
        leaf.set_state(state, Ordering::Release);
        wake
    }

    /// The goroutine that a waiting leaf is listed in; `None` for somebody foreign.
    ///
    /// # Safety
    /// The primitive's lock is held and the leaf is in its queue.
    pub(crate) unsafe fn goroutine(this: NonNull<Self>) -> Option<GoroutineId> {
        // SAFETY: a waiting leaf is alive while the primitive's lock is held, and keeps its waiter, which
        // is swapped under the same lock, and with it the goroutine.
        unsafe { this.as_ref().waiter.get().goroutine().map(|g| g.as_ref().id()) }
    }

    /// What this leaf waits for, told to `out`; nothing if it was released.
    ///
    /// # Safety
    /// The leaf is listed, or an arm of a listed select, and its goroutine's cell lock is held.
    pub(crate) unsafe fn describe(
        this: NonNull<Self>,
        out: &mut dyn FnMut(crate::inspect::WaitInfo),
    ) {
        // SAFETY: a listed leaf is alive. While it waits its primitive is alive too: its future
        // borrows it, or was leaked, and then `orphan_all` waits for the cell's lock.
        unsafe {
            // An idle leaf that can be reached is the arm of a select on a nil channel.
            if matches!(this.as_ref().state(), IDLE | WAITING) {
                let anchor = this.as_ref().anchor();
                (anchor.as_ref().describe)(anchor, this.cast(), out);
            }
        }
    }

    /// Forgets the leaves in the queue of a primitive that is being dropped. Their futures no longer
    /// borrow it, so they were leaked: nothing will ever withdraw these leaves, and their memory
    /// stays. Their goroutines' lists must not lead to the primitive any more.
    pub(crate) fn orphan_all(queue: &mut WaitQueue) {
        while let Some(leaf) = queue.pop_front() {
            // SAFETY: pinned memory of a future that was not dropped is never reused. The waiter of a
            // waiting leaf refers to a live cell, and that cell's lock guards its list and the arms of
            // its selects.
            unsafe {
                let waiter = leaf.as_ref().waiter.get();
                let select = waiter.is_select();
                let listed = if select { waiter.control().as_ref().waiter.get() } else { waiter };
                if let Some(g) = listed.goroutine() {
                    let mut list = g.as_ref().leaves().lock();
                    if select {
                        waiter.control().as_ref().slot.remove(leaf);
                    } else {
                        list.remove(leaf);
                    }
                }
                leaf.as_ref().set_state(LOST, Ordering::Relaxed);
            }
        }
    }
}

/// The leaf of a join handle: it hooks into the target's joiner slot.
#[repr(transparent)]
pub(crate) struct Joiner(Leaf);

impl Joiner {
    pub(super) fn of(leaf: NonNull<Leaf>) -> NonNull<Self> {
        leaf.cast()
    }
    pub(super) fn leaf(this: NonNull<Self>) -> NonNull<Leaf> {
        this.cast()
    }
}
