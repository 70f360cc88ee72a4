//! The future of a receive, and the stream over a channel.

use core::cell::UnsafeCell;
use core::fmt;
use core::future::Future;
use core::marker::PhantomData;
use core::mem::MaybeUninit;
use core::pin::Pin;
use core::ptr::NonNull;
use core::task::{Context, Poll, ready};

use futures_core::Stream;

use super::queue::{ChanLeaf, Core, NIL, Taken};
use crate::g::leaf::{CLOSED, FIRED, Leaf, Prepared, WAITING};
use crate::inspect::{Location, WaitReason};

/// Receives one value. Made by [`Chan::recv`](crate::Chan::recv) and
/// [`Receiver::recv`](crate::Receiver::recv).
///
/// # Cancel safety
/// Nothing is lost: if the future is dropped after a sender handed it a value, the value goes back to
/// the front of the channel, or to the next receiver.
#[must_use = "futures do nothing unless awaited"]
pub struct Recv<'a, T> {
    leaf: ChanLeaf<T>,
    chan: PhantomData<&'a Core<T>>,
}

impl<'a, T> Recv<'a, T> {
    /// `None` is the nil channel.
    pub(super) fn new(core: Option<&'a Core<T>>, at: Location) -> Self {
        let (reason, anchor) = match core {
            Some(core) => (WaitReason::ChanReceive, core.anchor_ptr()),
            None => (WaitReason::ChanReceiveNil, NonNull::from(&NIL)),
        };
        let slot = UnsafeCell::new(MaybeUninit::uninit());
        Self { leaf: Leaf::new(reason, anchor, at, slot), chan: PhantomData }
    }

    fn core(&self) -> Option<&'a Core<T>> {
        // SAFETY: not nil, so the anchor is that of the core borrowed for `'a`.
        (self.leaf.reason() != WaitReason::ChanReceiveNil)
            .then(|| unsafe { Core::of(self.leaf.anchor()) })
    }

    fn node(&self) -> NonNull<Leaf> {
        Leaf::erase(NonNull::from(&self.leaf))
    }

    /// The value a peer left.
    ///
    /// # Safety
    /// The leaf has fired, and the value was not taken.
    unsafe fn value(&self) -> T {
        // SAFETY: the peer wrote the slot before it fired the leaf, and does not use it again.
        unsafe { (*self.leaf.slot.get()).assume_init_read() }
    }

    /// Ends the registration of a leaf that was fired.
    fn settle(&self) {
        // SAFETY: fired, so out of the queue; it was enlisted when it parked.
        unsafe { Leaf::withdraw(self.node()) };
        self.leaf.reset();
    }

    fn poll_nil(&self, cx: &Context<'_>) -> Poll<Option<T>> {
        if !self.leaf.waits_for(cx) {
            let waiter = Prepared::new(self.node(), cx);
            // SAFETY: pinned, idle or moved to another task, withdrawn on drop; no peer uses it.
            unsafe {
                if self.leaf.is_idle() {
                    Leaf::park_alone(self.node(), waiter);
                    Leaf::enlist(self.node());
                } else {
                    Leaf::relist(self.node(), Leaf::swap_waiter(self.node(), waiter));
                }
            }
        }
        Poll::Pending
    }

    fn poll_recv(&self, cx: &Context<'_>) -> Poll<Option<T>> {
        if self.leaf.traced(cx) {
            return Poll::Pending;
        }
        let Some(core) = self.core() else { return self.poll_nil(cx) };
        // Read once: a peer may fire the leaf between two looks.
        match self.leaf.state() {
            FIRED => {
                // SAFETY: fired; `settle` makes sure that it is taken once.
                let value = unsafe { self.value() };
                self.settle();
                return Poll::Ready(Some(value));
            }
            CLOSED => {
                self.settle();
                return Poll::Ready(None);
            }
            WAITING if self.leaf.is_for(cx) => return Poll::Pending,
            WAITING => return self.move_to(core, cx),
            _ => {}
        }
        if !Leaf::<()>::proceed(cx) {
            return Poll::Pending;
        }
        let waiter = Prepared::if_foreign(self.node(), cx);
        let mut inner = core.lock();
        match inner.take() {
            Taken::Value(value, wake) => {
                drop(inner);
                if let Some(wake) = wake {
                    wake.wake();
                }
                Poll::Ready(Some(value))
            }
            Taken::Closed => Poll::Ready(None),
            Taken::Empty => {
                let waiter = waiter.unwrap_or_else(|| Prepared::new(self.node(), cx));
                // SAFETY: the lock is held; the leaf is idle, and pinned until `drop` or `settle`
                // withdrew it.
                unsafe { Leaf::park(self.node(), waiter, inner.receivers()) };
                drop(inner);
                // SAFETY: parked just now.
                unsafe { Leaf::enlist(self.node()) };
                Poll::Pending
            }
        }
    }

    /// Another task polls the parked leaf now: it keeps its place in the queue.
    fn move_to(&self, core: &Core<T>, cx: &Context<'_>) -> Poll<Option<T>> {
        let waiter = Prepared::new(self.node(), cx);
        let inner = core.lock();
        if !self.leaf.is_waiting() {
            drop(inner);
            drop(waiter);
            return self.poll_recv(cx);
        }
        // SAFETY: the lock is held and the leaf waits; we are its owner.
        unsafe {
            let before = Leaf::swap_waiter(self.node(), waiter);
            drop(inner);
            Leaf::relist(self.node(), before);
        }
        Poll::Pending
    }
}

impl<T> Future for Recv<'_, T> {
    type Output = Option<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.as_ref().get_ref().poll_recv(cx)
    }
}

impl<T> Drop for Recv<'_, T> {
    fn drop(&mut self) {
        if self.leaf.is_idle() {
            return;
        }
        let core = self.core();
        // A leaf that was fired is out of the queue, and no peer uses it: no lock is needed.
        if let Some(core) = core.filter(|_| self.leaf.is_waiting()) {
            let mut inner = core.lock();
            if self.leaf.is_waiting() {
                // SAFETY: the lock is held and the leaf waits in this queue.
                unsafe { inner.receivers().remove(self.node()) };
            }
        }
        // SAFETY: out of the queue now, one way or the other; enlisted when it parked.
        unsafe { Leaf::withdraw(self.node()) };
        if let Some(core) = core.filter(|_| self.leaf.state() == FIRED) {
            // SAFETY: fired, and never taken: a taken value resets the leaf.
            let value = unsafe { self.value() };
            drop(core.give_back(value));
        }
    }
}

impl<T> fmt::Debug for Recv<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recv").field("at", &self.leaf.at()).finish_non_exhaustive()
    }
}

/// The values of a channel until it is closed and drained, as a [`Stream`]: Go's `for range`. Made by
/// [`Chan::range`](crate::Chan::range).
#[must_use = "streams do nothing unless polled"]
#[derive(Debug)]
pub struct Range<'a, T> {
    recv: Recv<'a, T>,
}

impl<'a, T> Range<'a, T> {
    pub(super) fn new(recv: Recv<'a, T>) -> Self {
        Self { recv }
    }
}

impl<T> Stream for Range<'_, T> {
    type Item = T;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        Poll::Ready(ready!(self.as_ref().get_ref().recv.poll_recv(cx)))
    }
}
