//! The heart of a channel: its buffer, its two wait queues, and the operations under its lock.
//!
//! Only the capacity, and whether the channel is closed, are seen without the lock: they cost a send and a receive
//! nothing. The length does not, and so neither does a `try_recv` that finds nothing: every send and receive would have
//! to write the length where it can be read without the lock, which makes both of them 5 % longer in instructions
//! (`spsc_128`, `workers_24`), while the lock is one locked instruction for whoever looks, and once in its life the
//! revocation of a bias (`sys/README.md`). And on a channel without a buffer only the line of senders tells whether
//! there is a value: a sender in it may be the arm of a select that was won elsewhere.

use core::cell::UnsafeCell;
use core::mem::{MaybeUninit, offset_of};
use core::ptr::NonNull;
use std::any::Any;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use super::ring::Ring;
use crate::g::current;
use crate::g::leaf::{CLOSED, Claim, Claimed, FIRED, Leaf, WaitQueue, Wake};
use crate::inspect::{
    Anchor, Capability, Drain, Figure, Location, PrimitiveKind, WaitInfo, WaitReason,
};
use crate::sys::modelled::atomic::AtomicBool;
use crate::sys::{BriefGuard, BriefLock};
use crate::time::alarm::Alarm;

/// Where a value lies while it changes hands: in the parked peer's leaf.
pub(super) type Slot<T> = UnsafeCell<MaybeUninit<T>>;
/// A leaf that waits on a channel of `T`.
pub(super) type ChanLeaf<T> = Leaf<Slot<T>>;

/// The anchor of nil channels and of selects without arms: nothing ever releases a leaf on it.
pub(crate) static NIL: Anchor = Anchor { describe: describe_nil, record: None };

/// Who may hold a channel open.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ends {
    /// `Chan`: any handle sends and receives, and none closes by drop.
    Any,
    /// `Sender` and `Receiver`: each side closes by its last drop.
    Pair,
}

/// The shared part of a channel. The anchor comes first: leaves point to it.
#[repr(C)]
pub(super) struct Core<T> {
    anchor: Anchor,
    inner: BriefLock<Inner<T>>,
    /// As under the lock: never changed, and set once. May be looked at without it.
    cap: usize,
    closed: AtomicBool,
    ends: Ends,
    /// Live handles of a pair.
    pub(super) senders: AtomicUsize,
    pub(super) receivers: AtomicUsize,
    /// Live handles of a `Chan`.
    pub(super) handles: AtomicUsize,
    /// Sends the time when it rings: the channel of a timer.
    alarm: Option<Box<Alarm>>,
}

/// What the lock guards.
#[repr(C)]
pub(super) struct Inner<T> {
    lines: Lines,
    buffer: Ring<T>,
    cap: usize,
    closed: bool,
}

/// Who waits.
pub(super) struct Lines {
    receivers: WaitQueue,
    senders: WaitQueue,
}

/// The front part of a [`Core`], which is the same for all types of values.
#[repr(C)]
pub(super) struct Front {
    anchor: Anchor,
    pub(super) lines: BriefLock<Lines>,
}

const _: () = assert!(
    offset_of!(Front, lines) == offset_of!(Core<u8>, inner)
        && BriefLock::<Lines>::VALUE_AT == BriefLock::<Inner<u8>>::VALUE_AT
        && offset_of!(Inner<u8>, lines) == 0
);

impl Front {
    /// The front part of the core behind a leaf's anchor. While its lines are locked the caller has the
    /// whole channel locked.
    ///
    /// # Safety
    /// The anchor came from [`Core::anchor_ptr`] of a core that is alive for `'a`.
    pub(super) unsafe fn of<'a>(anchor: NonNull<Anchor>) -> &'a Self {
        // SAFETY: as the caller says; a core starts with the same fields at the same places.
        unsafe { anchor.cast::<Self>().as_ref() }
    }
}

impl Lines {
    /// The line of leaves that wait for this `reason`.
    pub(super) fn line(&mut self, reason: WaitReason) -> &mut WaitQueue {
        match reason {
            WaitReason::ChanSend => &mut self.senders,
            _ => &mut self.receivers,
        }
    }
}

/// How an attempt to receive ended.
pub(super) enum Taken<T> {
    /// A value, and the wake owed to the sender that moved up.
    Value(T, Option<Wake>),
    /// Closed and drained.
    Closed,
    /// Nothing there.
    Empty,
}

/// How an attempt to send ended.
pub(super) enum Offered<T> {
    /// Handed over or buffered, and the wake owed to the receiver.
    Sent(Option<Wake>),
    /// Closed; the value comes back.
    Closed(T),
    /// No room; the value comes back.
    Full(T),
}

impl<T: Send + 'static> Drain for Core<T> {
    fn drain(&self) -> Option<Box<dyn Any + Send>> {
        let content = self.drain();
        if content.is_empty() { None } else { Some(Box::new(content)) }
    }
}

impl<T: Send + 'static> Core<T> {
    /// A channel whose buffer the inspection can drain.
    pub(super) fn shared(
        cap: usize,
        ends: Ends,
        at: Location,
        alarm: Option<(Box<Alarm>, PrimitiveKind)>,
    ) -> Arc<Self> {
        let core = Arc::new(Self::new(cap, ends, at, alarm));
        if let Some(record) = &core.anchor.record {
            let weak: Weak<Self> = Arc::downgrade(&core);
            record.set_drain(weak);
        }
        core
    }
}

impl<T> Core<T> {
    fn new(
        cap: usize,
        ends: Ends,
        at: Location,
        alarm: Option<(Box<Alarm>, PrimitiveKind)>,
    ) -> Self {
        let one = || AtomicUsize::new(1);
        let (alarm, kind) = match alarm {
            Some((alarm, kind)) => (Some(alarm), kind),
            None => (None, PrimitiveKind::Chan),
        };
        Self {
            anchor: Anchor { describe: describe::<T>, record: current::record(kind, at) },
            ends,
            senders: one(),
            receivers: one(),
            handles: one(),
            alarm,
            cap,
            closed: AtomicBool::new(false),
            inner: BriefLock::new(Inner {
                lines: Lines { receivers: WaitQueue::new(), senders: WaitQueue::new() },
                buffer: Ring::new(),
                cap,
                closed: false,
            }),
        }
    }

    pub(super) fn anchor(&self) -> &Anchor {
        &self.anchor
    }

    /// The anchor as leaves keep it: it leads back to the whole core.
    pub(super) fn anchor_ptr(&self) -> NonNull<Anchor> {
        NonNull::from(self).cast()
    }

    /// The core behind a leaf's anchor.
    ///
    /// # Safety
    /// The anchor came from [`anchor_ptr`](Self::anchor_ptr) of a `Core<T>` that is alive for `'a`.
    pub(super) unsafe fn of<'a>(anchor: NonNull<Anchor>) -> &'a Self {
        // SAFETY: as the caller says.
        unsafe { anchor.cast::<Self>().as_ref() }
    }

    pub(super) fn alarm(&self) -> Option<&Alarm> {
        self.alarm.as_deref()
    }

    #[inline]
    pub(super) fn lock(&self) -> BriefGuard<'_, Inner<T>> {
        self.inner.lock()
    }

    pub(super) fn cap(&self) -> usize {
        self.cap
    }

    pub(super) fn is_closed(&self) -> bool {
        // Acquire: pairs with `close`. Whoever sees it sees what came before the close.
        self.closed.load(Ordering::Acquire)
    }

    /// What the lock guards, for a select that has locked the lines.
    ///
    /// # Safety
    /// As for [`BriefLock::held`].
    #[expect(clippy::mut_from_ref, reason = "the caller has the lock")]
    pub(super) unsafe fn held(&self) -> &mut Inner<T> {
        // SAFETY: as the caller says.
        unsafe { self.inner.held() }
    }

    /// Closes the channel: everybody parked on it is released. False if it was closed already.
    pub(super) fn close(&self) -> bool {
        let mut inner = self.lock();
        if inner.closed {
            return false;
        }
        let wakes = inner.close();
        // Release: pairs with `is_closed`. Under the lock: who found the channel closed there sees it too.
        self.closed.store(true, Ordering::Release);
        drop(inner);
        wakes.into_iter().for_each(Wake::wake);
        true
    }

    /// Puts a value that a dropped receiver had been given back to the front, or hands it to the
    /// next receiver. Given back to the caller if no receiver can come any more.
    pub(super) fn give_back(&self, value: T) -> Option<T> {
        let mut inner = self.lock();
        if self.ends == Ends::Pair && self.receivers.load(Ordering::Acquire) == 0 {
            return Some(value);
        }
        let wake = match inner.next_receiver() {
            Some((leaf, claimed)) => Some(Inner::deliver(leaf, claimed, value)),
            None => {
                inner.buffer.push_front(value);
                None
            }
        };
        drop(inner);
        if let Some(wake) = wake {
            wake.wake();
        }
        None
    }

    /// Takes everything out of the buffer, to be dropped outside the lock.
    pub(super) fn drain(&self) -> Ring<T> {
        self.lock().buffer.take()
    }

    /// As [`drain`](Self::drain), by the last receiver.
    pub(super) fn drain_unread(&self) -> Ring<T> {
        let unread = self.drain();
        if !unread.is_empty() {
            self.anchor.left_undone(amount(unread.len()));
        }
        unread
    }

    fn figure(&self) -> Figure {
        if let Some(alarm) = self.alarm() {
            let handles = self.handles.load(Ordering::Relaxed);
            return Figure::TimerChan { timer: alarm.info(), handles };
        }
        let inner = self.lock();
        let (senders, receivers) = match self.ends {
            Ends::Any => {
                let handles = self.handles.load(Ordering::Relaxed);
                (handles, handles)
            }
            Ends::Pair => {
                (self.senders.load(Ordering::Relaxed), self.receivers.load(Ordering::Relaxed))
            }
        };
        let (len, pair) = (inner.buffer.len(), self.ends == Ends::Pair);
        Figure::Chan { len, cap: inner.cap, senders, receivers, pair }
    }
}

impl<T> Drop for Core<T> {
    fn drop(&mut self) {
        self.anchor.died(Capability::Release);
        self.anchor.died(Capability::Receive);
        let inner = self.inner.get_mut();
        if !inner.buffer.is_empty() && self.alarm.is_none() {
            self.anchor.left_undone(amount(inner.buffer.len()));
        }
        Leaf::orphan_all(&mut inner.lines.receivers);
        Leaf::orphan_all(&mut inner.lines.senders);
    }
}

/// A number of values as a figure of the report.
fn amount(values: usize) -> i64 {
    i64::try_from(values).unwrap_or(i64::MAX)
}

impl<T> Inner<T> {
    pub(super) fn len(&self) -> usize {
        self.buffer.len()
    }

    pub(super) fn line(&mut self, reason: WaitReason) -> &mut WaitQueue {
        self.lines.line(reason)
    }

    /// The oldest value, unless a sender has to move up then.
    #[inline]
    pub(super) fn take_buffered(&mut self) -> Option<T> {
        if self.lines.senders.is_empty() { self.buffer.pop_front() } else { None }
    }

    /// Whether a value goes into the buffer, past no receiver.
    #[inline]
    pub(super) fn has_room(&self) -> bool {
        self.buffer.len() < self.cap && self.lines.receivers.is_empty() && !self.closed
    }

    /// Buffers a value; there is room.
    #[inline]
    pub(super) fn buffer(&mut self, value: T) {
        self.buffer.push_back(value);
    }

    /// Takes the oldest value, and lets the first parked sender move up.
    pub(super) fn take(&mut self) -> Taken<T> {
        if let Some(value) = self.buffer.pop_front() {
            let mut wake = None;
            if self.buffer.len() < self.cap
                && let Some((leaf, claimed)) = self.next_sender()
            {
                let (moved, owed) = Self::collect(leaf, claimed);
                self.buffer.push_back(moved);
                wake = Some(owed);
            }
            return Taken::Value(value, wake);
        }
        if let Some((leaf, claimed)) = self.next_sender() {
            let (value, wake) = Self::collect(leaf, claimed);
            return Taken::Value(value, Some(wake));
        }
        if self.closed { Taken::Closed } else { Taken::Empty }
    }

    /// Hands `value` to the first parked receiver, or buffers it.
    pub(super) fn offer(&mut self, value: T) -> Offered<T> {
        if self.closed {
            return Offered::Closed(value);
        }
        if let Some((leaf, claimed)) = self.next_receiver() {
            return Offered::Sent(Some(Self::deliver(leaf, claimed, value)));
        }
        if self.buffer.len() < self.cap {
            self.buffer.push_back(value);
            return Offered::Sent(None);
        }
        Offered::Full(value)
    }

    /// Whether `offer` would do something.
    pub(super) fn can_offer(&self) -> bool {
        self.closed || self.buffer.len() < self.cap || !self.lines.receivers.is_empty()
    }

    /// Whether nothing comes of what is offered, until somebody receives.
    pub(super) fn offers_in_vain(&self) -> bool {
        self.closed || !self.can_offer()
    }

    fn close(&mut self) -> Vec<Wake> {
        self.closed = true;
        let mut wakes = Vec::new();
        for queue in [&mut self.lines.receivers, &mut self.lines.senders] {
            while let Some((leaf, claimed)) = next(queue) {
                // SAFETY: claimed from a queue of this channel, whose lock is held.
                wakes.push(unsafe { Leaf::fire_with(leaf, claimed, CLOSED) });
            }
        }
        wakes
    }

    fn next_sender(&mut self) -> Option<(NonNull<Leaf>, Claimed)> {
        next(&mut self.lines.senders)
    }

    fn next_receiver(&mut self) -> Option<(NonNull<Leaf>, Claimed)> {
        next(&mut self.lines.receivers)
    }

    /// Moves the value out of a claimed sender.
    fn collect(leaf: NonNull<Leaf>, claimed: Claimed) -> (T, Wake) {
        // SAFETY: leaves in this channel's queues are `ChanLeaf<T>`. A waiting sender's slot holds
        // its value, and the claim makes it ours; it is marked as sent by firing the leaf.
        unsafe {
            let value = (*leaf.cast::<ChanLeaf<T>>().as_ref().slot.get()).assume_init_read();
            (value, Leaf::fire_with(leaf, claimed, FIRED))
        }
    }

    /// Moves `value` into a claimed receiver.
    fn deliver(leaf: NonNull<Leaf>, claimed: Claimed, value: T) -> Wake {
        // SAFETY: as in `collect`; a waiting receiver's slot is empty and ours to write.
        unsafe {
            (*leaf.cast::<ChanLeaf<T>>().as_ref().slot.get()).write(value);
            Leaf::fire_with(leaf, claimed, FIRED)
        }
    }
}

/// The first leaf of the queue that may be fired, claimed and unlinked. Arms of selects that were won
/// elsewhere leave the queue; arms of those that are held keep their places.
#[inline]
fn next(queue: &mut WaitQueue) -> Option<(NonNull<Leaf>, Claimed)> {
    let mut place = queue.front();
    while let Some(leaf) = place {
        // SAFETY: it waits in a queue whose lock the caller holds.
        unsafe {
            place = queue.after(leaf);
            match Leaf::claim(leaf) {
                Claim::Won(claimed) => {
                    queue.remove(leaf);
                    return Some((leaf, claimed));
                }
                Claim::Lost => {
                    queue.remove(leaf);
                    Leaf::lose(leaf);
                }
                Claim::Held => {}
            }
        }
    }
    None
}

/// # Safety
/// As [`Describe`](crate::inspect::anchor::Describe) asks; the leaf is a `ChanLeaf<T>` on a `Core<T>`.
unsafe fn describe<T>(anchor: NonNull<Anchor>, leaf: NonNull<()>, out: &mut dyn FnMut(WaitInfo)) {
    // SAFETY: as the caller says.
    let (core, leaf) = unsafe { (Core::<T>::of(anchor), leaf.cast::<ChanLeaf<T>>().as_ref()) };
    let capability = match (leaf.reason(), core.ends) {
        (WaitReason::ChanSend, Ends::Pair) => Capability::Receive,
        _ => Capability::Release,
    };
    let capabilities = core.anchor.only(capability);
    out(WaitInfo {
        reason: leaf.reason(),
        in_select: false,
        at: leaf.at(),
        figure: core.figure(),
        record: core.anchor.record.clone(),
        due_in: match leaf.reason() {
            WaitReason::ChanReceive => core.alarm().and_then(Alarm::due_in),
            _ => None,
        },
        complete: !capabilities.is_empty(),
        capabilities,
    });
}

/// # Safety
/// The leaf is alive.
unsafe fn describe_nil(_: NonNull<Anchor>, leaf: NonNull<()>, out: &mut dyn FnMut(WaitInfo)) {
    // SAFETY: every leaf starts with the fields of `Leaf<()>`.
    let leaf = unsafe { leaf.cast::<Leaf>().as_ref() };
    out(WaitInfo {
        reason: leaf.reason(),
        in_select: false,
        at: leaf.at(),
        figure: Figure::Nil,
        record: None,
        due_in: None,
        capabilities: Vec::new(),
        complete: true,
    });
}
