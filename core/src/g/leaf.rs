//! A leaf: what a future of ours registers on the one primitive it waits for.
//!
//! A leaf is a node of two lists while it waits: of the primitive's wait queue, under the
//! primitive's lock, and of its goroutine's leaf list, under the cell's lock. The cell's lock is
//! never taken under a primitive's lock; the inspection takes them in the order cell, primitive.
//!
//! A peer that releases a leaf fires it under the primitive's lock: it takes a reference to the
//! goroutine first and marks the leaf as fired last, because the owner of a fired leaf may free it
//! without taking the lock.

use core::cell::{Cell, UnsafeCell};
use core::marker::PhantomPinned;
use core::panic::AssertUnwindSafe;
use core::ptr::NonNull;
use core::task::{Context, Waker};
use std::panic::catch_unwind;
use std::sync::Arc;

use super::cell::{GRef, Header, forget_payload};
use super::{current, trace, waker};
use crate::inspect::{Anchor, Location, WaitReason};
use crate::list::{Linked, Links, List};
use crate::sys::atomic::{AtomicPtr, AtomicU32, AtomicUsize, Ordering};

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

/// Whom a leaf wakes; one word.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(crate) struct Waiter(usize);

/// Low bits of a [`Waiter`].
mod tag {
    /// A goroutine whose cell contains the leaf: the leaf dies first, no reference needed.
    pub(super) const INLINE: usize = 0;
    /// A goroutine, with a reference.
    pub(super) const COUNTED: usize = 1;
    /// An `Arc<Foreign>`.
    pub(super) const FOREIGN: usize = 2;
    /// A select: the waiter is in its control leaf.
    pub(super) const SELECT: usize = 3;
    pub(super) const MASK: usize = 3;
}

/// A waker that is not the current goroutine's own: of another runtime, or of a combinator.
pub(crate) struct Foreign {
    waker: Waker,
    /// The goroutine in whose list the leaf is.
    g: Option<GRef>,
}

/// What the arms of one select share: the select's own leaf, whose slot is the commit point.
pub(crate) type Control = Leaf<Arms>;

/// The slot of a select's own leaf.
pub(crate) struct Arms {
    /// The address of the arm that won; 0 while open.
    winner: AtomicUsize,
    /// The arms, for the inspection; set while the select is parked.
    pub(crate) leaves: UnsafeCell<Vec<NonNull<Leaf>>>,
}

// SAFETY: `leaves` is written by the owner before the control leaf is listed and read under the
// cell's lock while the goroutine is frozen.
unsafe impl Send for Arms {}
// SAFETY: as above.
unsafe impl Sync for Arms {}

impl Arms {
    pub(crate) fn new() -> Self {
        Self { winner: AtomicUsize::new(0), leaves: UnsafeCell::new(Vec::new()) }
    }

    /// Commits to the arm at `leaf`; one arm wins.
    pub(crate) fn win(&self, leaf: NonNull<Leaf>) -> bool {
        // AcqRel: the winner's transfer happens after the registration of the other arms.
        let (new, order) = (leaf.addr().get(), Ordering::AcqRel);
        self.winner.compare_exchange(0, new, order, Ordering::Acquire).is_ok()
    }

    /// The address of the arm that won; 0 while open.
    pub(crate) fn winner(&self) -> usize {
        self.winner.load(Ordering::Acquire)
    }
}

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
            // Acquire: pairs with the release in `LockedList::drop`.
            let (new, ok) = (locked, Ordering::Acquire);
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

    unsafe fn link(&self, leaf: NonNull<Leaf>) {
        let mut list = self.lock();
        // SAFETY: the owner links its leaf once, and unlinks it before the leaf goes.
        unsafe { List::<Leaf, ListTag>::push_head(&mut list.head, leaf) };
    }

    unsafe fn unlink(&self, leaf: NonNull<Leaf>) {
        let mut list = self.lock();
        // SAFETY: the leaf was linked here by its owner.
        unsafe { List::<Leaf, ListTag>::remove_head(&mut list.head, leaf) };
    }
}

impl LockedList<'_> {
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

impl Waiter {
    const NONE: Self = Self(0);

    /// The waiter for a leaf at `leaf` that is polled with `cx`.
    fn new(leaf: usize, cx: &Context<'_>) -> Self {
        let g = current::goroutine();
        if let Some(g) = g.filter(|g| waker::is_of(cx.waker(), *g)) {
            // SAFETY: the goroutine being polled is alive.
            let inline = unsafe { g.as_ref() }.contains(leaf);
            if inline {
                return Self(g.as_ptr().expose_provenance() | tag::INLINE);
            }
            // SAFETY: as above. The reference is given up in `release`.
            let g = unsafe { GRef::clone_from_raw(g) }.into_raw();
            return Self(g.as_ptr().expose_provenance() | tag::COUNTED);
        }
        // SAFETY: the goroutine being polled is alive.
        let g = g.map(|g| unsafe { GRef::clone_from_raw(g) });
        let foreign = Arc::into_raw(Arc::new(Foreign { waker: cx.waker().clone(), g }));
        Self(foreign.expose_provenance() | tag::FOREIGN)
    }

    fn address(self) -> usize {
        self.0 & !tag::MASK
    }

    fn header(self) -> NonNull<Header> {
        // SAFETY: callers saw a tag that stands for a goroutine; `new` stored a non-null pointer.
        unsafe { NonNull::new_unchecked(core::ptr::with_exposed_provenance_mut(self.address())) }
    }

    fn control(self) -> NonNull<Control> {
        self.header().cast()
    }

    fn foreign(self) -> *const Foreign {
        core::ptr::with_exposed_provenance(self.address())
    }

    /// The waiter of an arm of the select at `control`.
    fn arm(control: NonNull<Control>) -> Self {
        Self(control.as_ptr().expose_provenance() | tag::SELECT)
    }

    /// Whether a poll with `cx` would store the same waiter.
    fn is_for(self, cx: &Context<'_>) -> bool {
        if self.0 == 0 {
            return false;
        }
        match self.0 & tag::MASK {
            tag::FOREIGN => {
                // SAFETY: the leaf owns a reference to it until `release`.
                let foreign = unsafe { &*self.foreign() };
                foreign.waker.will_wake(cx.waker())
                    && foreign.g.as_ref().map(GRef::as_ptr) == current::goroutine()
            }
            _ => {
                waker::is_of(cx.waker(), self.header())
                    && current::goroutine() == Some(self.header())
            }
        }
    }

    /// The goroutine in whose list the leaf is.
    fn goroutine(self) -> Option<NonNull<Header>> {
        if self.0 == 0 {
            return None;
        }
        match self.0 & tag::MASK {
            // SAFETY: the leaf owns a reference to it until `release`.
            tag::FOREIGN => unsafe { &*self.foreign() }.g.as_ref().map(GRef::as_ptr),
            _ => Some(self.header()),
        }
    }

    /// What wakes this waiter. Called under the primitive's lock while the leaf waits.
    fn wake(self) -> Wake {
        match self.0 & tag::MASK {
            tag::FOREIGN => {
                // SAFETY: the leaf owns a reference until `release`; we take one of our own.
                Wake::Foreign(unsafe {
                    Arc::increment_strong_count(self.foreign());
                    Arc::from_raw(self.foreign())
                })
            }
            // SAFETY: a waiting leaf is either inside the cell or owns a reference to it.
            _ => Wake::G(unsafe { GRef::clone_from_raw(self.header()) }),
        }
    }

    /// Gives up what the waiter owns. User code (a foreign waker's drop) may run here.
    fn release(self) {
        if self.0 == 0 {
            return;
        }
        match self.0 & tag::MASK {
            // SAFETY: `new` made these references, and the leaf gives each up once.
            tag::COUNTED => drop(unsafe { GRef::from_raw(self.header()) }),
            // SAFETY: as above.
            tag::FOREIGN => drop_foreign(unsafe { Arc::from_raw(self.foreign()) }),
            _ => {}
        }
    }
}

/// Drops a foreign waker with its panics caught.
fn drop_foreign(foreign: Arc<Foreign>) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(foreign))) {
        forget_payload(payload);
    }
}

/// A waiter made before the primitive's lock is taken, because making it may run user code.
pub(crate) struct Prepared(Waiter);

impl Prepared {
    /// The waiter of `leaf` when polled with `cx`.
    pub(crate) fn new(leaf: NonNull<Leaf>, cx: &Context<'_>) -> Self {
        Self(Waiter::new(leaf.addr().get(), cx))
    }

    /// The waiter of an arm of `control`, which is pinned until the arm is withdrawn.
    pub(crate) fn arm(control: NonNull<Control>) -> Self {
        Self(Waiter::arm(control))
    }

    fn take(self) -> Waiter {
        core::mem::ManuallyDrop::new(self).0
    }
}

impl Drop for Prepared {
    fn drop(&mut self) {
        self.0.release();
    }
}

/// A wake that is owed to a leaf's owner; it is run outside all locks.
#[must_use]
pub(crate) enum Wake {
    G(GRef),
    Foreign(Arc<Foreign>),
}

impl Wake {
    /// A wake that is a waker's.
    pub(crate) fn of(waker: Waker) -> Self {
        Self::Foreign(Arc::new(Foreign { waker, g: None }))
    }

    /// Makes the owner of the leaf go on.
    pub(crate) fn wake(self) {
        match self {
            Self::G(g) => g.ready(),
            Self::Foreign(foreign) => {
                let woken = catch_unwind(AssertUnwindSafe(|| foreign.waker.wake_by_ref()));
                if let Err(payload) = woken {
                    forget_payload(payload);
                }
                drop_foreign(foreign);
            }
        }
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

    /// Marks an idle or closed leaf as done, by its owner.
    pub(crate) fn mark_fired(&self) {
        self.set_state(FIRED, Ordering::Relaxed);
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
    pub(crate) fn proceed(cx: &Context<'_>) -> bool {
        let proceed = current::spend();
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
            (*control.as_ref().slot.leaves.get()).clear();
        }
    }

    /// Fires a leaf that is out of the queue; `None` if it belongs to a select that another arm won.
    ///
    /// # Safety
    /// The primitive's lock is held, and the leaf is waiting.
    pub(crate) unsafe fn fire(this: NonNull<Self>) -> Option<Wake> {
        // SAFETY: as the caller says.
        unsafe { Self::claim(this).map(|claimed| Self::fire_with(this, claimed, FIRED)) }
    }

    /// Claims the right to fire this leaf: at once for a plain leaf, by one CAS for a select's arm.
    ///
    /// # Safety
    /// The primitive's lock is held, and the leaf is waiting.
    pub(crate) unsafe fn claim(this: NonNull<Self>) -> Option<Claimed> {
        // SAFETY: a waiting leaf is alive while the primitive's lock is held.
        let waiter = unsafe { this.as_ref() }.waiter.get();
        if waiter.0 & tag::MASK != tag::SELECT {
            return Some(Claimed(()));
        }
        // SAFETY: the control leaf outlives its arms' registration.
        let control = unsafe { waiter.control().as_ref() };
        if control.slot.win(this) {
            return Some(Claimed(()));
        }
        // The caller took it out of the queue; its owner needs the primitive's lock to go.
        // SAFETY: alive while the primitive's lock is held.
        unsafe { this.as_ref() }.set_state(LOST, Ordering::Release);
        None
    }

    /// Fires a claimed leaf with the result `state`.
    ///
    /// # Safety
    /// The primitive's lock is held. After this call the leaf may be gone.
    pub(crate) unsafe fn fire_with(this: NonNull<Self>, _: Claimed, state: u32) -> Wake {
        // SAFETY: a waiting leaf is alive while the primitive's lock is held.
        let leaf = unsafe { this.as_ref() };
        let waiter = leaf.waiter.get();
        let wake = match waiter.0 & tag::MASK {
            // SAFETY: as in `claim`.
            tag::SELECT => unsafe { waiter.control().as_ref() }.waiter.get().wake(),
            _ => waiter.wake(),
        };
        // Release: pairs with `state`. Last, because the owner may free the leaf from here on.
        leaf.set_state(state, Ordering::Release);
        wake
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
                let select = waiter.0 & tag::MASK == tag::SELECT;
                let listed = if select { waiter.control().as_ref().waiter.get() } else { waiter };
                if let Some(g) = listed.goroutine() {
                    let mut list = g.as_ref().leaves().lock();
                    if select {
                        let arms = &waiter.control().as_ref().slot.leaves;
                        (*arms.get()).retain(|arm| *arm != leaf);
                    } else {
                        List::<Leaf, ListTag>::remove_head(&mut list.head, leaf);
                    }
                }
                leaf.as_ref().set_state(LOST, Ordering::Relaxed);
            }
        }
    }
}

/// The right to fire a leaf.
#[must_use]
pub(crate) struct Claimed(());

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
