//! The leaf of a channel operation: what receives, sends and the arms of a select do alike.

use core::cell::UnsafeCell;
use core::marker::PhantomData;
use core::mem::MaybeUninit;
use core::ptr::NonNull;
use core::task::Context;

use super::queue::{ChanLeaf, Core, Inner, NIL};
use crate::g::leaf::{Leaf, Prepared};
use crate::inspect::{Anchor, Location, WaitReason};
use crate::sys::BriefGuard;

/// A leaf on a channel of `T`. Whoever has one pins it from the first poll on, and calls
/// [`leave`](Self::leave) before it goes.
pub(super) struct Wait<'a, T> {
    pub(super) leaf: ChanLeaf<T>,
    chan: PhantomData<&'a Core<T>>,
}

impl<'a, T> Wait<'a, T> {
    /// To receive; `None` is the nil channel.
    pub(super) fn to_receive(core: Option<&'a Core<T>>, at: Location) -> Self {
        let (reason, anchor) = match core {
            Some(core) => (WaitReason::ChanReceive, core.anchor_ptr()),
            None => (WaitReason::ChanReceiveNil, NonNull::from(&NIL)),
        };
        Self::new(reason, anchor, at, MaybeUninit::uninit())
    }

    /// To send what is in the slot then; `None` is the nil channel.
    pub(super) fn to_send(core: Option<&'a Core<T>>, value: T, at: Location) -> Self {
        let (reason, anchor) = match core {
            Some(core) => (WaitReason::ChanSend, core.anchor_ptr()),
            None => (WaitReason::ChanSendNil, NonNull::from(&NIL)),
        };
        Self::new(reason, anchor, at, MaybeUninit::new(value))
    }

    fn new(
        reason: WaitReason,
        anchor: NonNull<Anchor>,
        at: Location,
        slot: MaybeUninit<T>,
    ) -> Self {
        Self { leaf: Leaf::new(reason, anchor, at, UnsafeCell::new(slot)), chan: PhantomData }
    }

    /// The channel; `None` is the nil channel.
    #[inline]
    pub(super) fn core(&self) -> Option<&'a Core<T>> {
        let anchor = self.leaf.anchor();
        // SAFETY: not nil, so the anchor is that of the core borrowed for `'a`.
        (anchor != NonNull::from(&NIL)).then(|| unsafe { Core::of(anchor) })
    }

    pub(super) fn node(&self) -> NonNull<Leaf> {
        Leaf::erase(NonNull::from(&self.leaf))
    }

    /// Takes the value out of the slot.
    ///
    /// # Safety
    /// There is one, it is the owner's to take, and is taken once.
    pub(super) unsafe fn value(&self) -> T {
        // SAFETY: as the caller says.
        unsafe { (*self.leaf.slot.get()).assume_init_read() }
    }

    /// Puts a value into the slot.
    ///
    /// # Safety
    /// The slot is empty and the owner's to use.
    pub(super) unsafe fn put(&self, value: T) {
        // SAFETY: as the caller says.
        unsafe { (*self.leaf.slot.get()).write(value) };
    }

    /// Parks the idle leaf in the line of its kind, and gives the lock back.
    ///
    /// # Safety
    /// It is pinned until `leave` or `settle` has returned.
    pub(super) unsafe fn park(&self, mut inner: BriefGuard<'_, Inner<T>>, waiter: Prepared) {
        let line = inner.line(self.leaf.reason());
        // SAFETY: the lock is held; the leaf is idle, and pinned as the caller says. It is enlisted
        // outside the lock.
        unsafe {
            Leaf::park(self.node(), waiter, line);
            drop(inner);
            Leaf::enlist(self.node());
        }
    }

    /// Parks a leaf on the nil channel.
    ///
    /// # Safety
    /// As for [`park`](Self::park); the leaf is idle.
    #[cold]
    pub(super) unsafe fn park_for_ever(&self, cx: &Context<'_>) {
        let waiter = Prepared::new(self.node(), cx);
        // SAFETY: as the caller says; no peer ever uses it.
        unsafe {
            Leaf::park_alone(self.node(), waiter);
            Leaf::enlist(self.node());
        }
    }

    /// A leaf that was seen waiting is polled with `cx`, perhaps by another task: it keeps its place. False
    /// if it was released meanwhile.
    pub(super) fn still_waits(&self, cx: &Context<'_>) -> bool {
        if self.leaf.is_for(cx) {
            return true;
        }
        // SAFETY: the owner calls; it was enlisted when it parked, on this channel.
        unsafe {
            match self.core() {
                Some(core) => Leaf::adopt(self.node(), cx, || core.lock()),
                None => Leaf::adopt(self.node(), cx, || ()),
            }
        }
    }

    /// Ends the registration of a leaf that is out of its line.
    pub(super) fn settle(&self) {
        // SAFETY: the owner calls; it was enlisted when it parked.
        unsafe { Leaf::settle(self.node()) };
    }

    /// Takes a parked leaf out of its line, if it is still there. The state stays: it tells who was first.
    pub(super) fn leave(&self) {
        // A leaf that was released is out of the line, and no peer uses it: no lock is needed.
        if let Some(core) = self.core().filter(|_| self.leaf.is_waiting()) {
            let mut inner = core.lock();
            if self.leaf.is_waiting() {
                // SAFETY: the lock is held and the leaf waits in this line.
                unsafe { inner.line(self.leaf.reason()).remove(self.node()) };
            }
        }
        // SAFETY: the owner calls; out of the line now, one way or the other; enlisted when it parked.
        unsafe { Leaf::withdraw(self.node()) };
    }
}
