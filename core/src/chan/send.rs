//! The futures of a send: the one that panics on a closed channel as Go does, and the checked one.

use core::cell::UnsafeCell;
use core::fmt;
use core::future::Future;
use core::marker::PhantomData;
use core::mem::MaybeUninit;
use core::pin::Pin;
use core::ptr::NonNull;
use core::task::{Context, Poll};

use super::SendError;
use super::queue::{ChanLeaf, Core, NIL, Offered};
use crate::g::leaf::{CLOSED, FIRED, Leaf, Prepared, WAITING};
use crate::inspect::{Location, WaitReason};

/// Sends one value; an error if the channel is closed. Made by
/// [`Chan::send_checked`](crate::Chan::send_checked) and [`Sender::send`](crate::Sender::send).
///
/// # Cancel safety
/// If the future is dropped before a receiver took the value, the value is dropped with it and
/// nothing was sent. If a receiver took it, it counts as sent.
#[must_use = "futures do nothing unless awaited"]
pub struct SendChecked<'a, T> {
    leaf: ChanLeaf<T>,
    chan: PhantomData<&'a Core<T>>,
}

// The slot holds the value in every state but FIRED.
impl<'a, T> SendChecked<'a, T> {
    /// `None` is the nil channel.
    pub(super) fn new(core: Option<&'a Core<T>>, value: T, at: Location) -> Self {
        let (reason, anchor) = match core {
            Some(core) => (WaitReason::ChanSend, core.anchor_ptr()),
            None => (WaitReason::ChanSendNil, NonNull::from(&NIL)),
        };
        let slot = UnsafeCell::new(MaybeUninit::new(value));
        Self { leaf: Leaf::new(reason, anchor, at, slot), chan: PhantomData }
    }

    fn core(&self) -> Option<&'a Core<T>> {
        // SAFETY: not nil, so the anchor is that of the core borrowed for `'a`.
        (self.leaf.reason() != WaitReason::ChanSendNil)
            .then(|| unsafe { Core::of(self.leaf.anchor()) })
    }

    fn node(&self) -> NonNull<Leaf> {
        Leaf::erase(NonNull::from(&self.leaf))
    }

    /// The value back.
    ///
    /// # Safety
    /// The slot holds it and is marked as empty (FIRED) by the caller.
    unsafe fn value(&self) -> T {
        // SAFETY: as the caller says.
        unsafe { (*self.leaf.slot.get()).assume_init_read() }
    }

    fn poll_nil(&self, cx: &Context<'_>) -> Poll<Result<(), SendError<T>>> {
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

    fn poll_send(&self, cx: &Context<'_>) -> Poll<Result<(), SendError<T>>> {
        if self.leaf.traced(cx) {
            return Poll::Pending;
        }
        let Some(core) = self.core() else { return self.poll_nil(cx) };
        // Read once: a peer may fire the leaf between two looks.
        match self.leaf.state() {
            FIRED => {
                // SAFETY: fired, so out of the queue; enlisted when it parked. Withdrawing twice
                // finds no list and no waiter.
                unsafe { Leaf::withdraw(self.node()) };
                return Poll::Ready(Ok(()));
            }
            CLOSED => {
                // SAFETY: as above.
                unsafe { Leaf::withdraw(self.node()) };
                self.leaf.mark_fired();
                // SAFETY: a sender released by close keeps its value; marked as empty above.
                return Poll::Ready(Err(SendError(unsafe { self.value() })));
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
        let prepared =
            |waiter: Option<Prepared>| waiter.unwrap_or_else(|| Prepared::new(self.node(), cx));
        if !inner.can_offer() {
            // SAFETY: the lock is held; the leaf is idle, and pinned until it is withdrawn.
            unsafe { Leaf::park(self.node(), prepared(waiter), inner.senders()) };
            drop(inner);
            // SAFETY: parked just now.
            unsafe { Leaf::enlist(self.node()) };
            return Poll::Pending;
        }
        // SAFETY: an idle leaf's slot holds the value.
        match inner.offer(unsafe { self.value() }) {
            Offered::Sent(wake) => {
                drop(inner);
                self.leaf.mark_fired();
                if let Some(wake) = wake {
                    wake.wake();
                }
                Poll::Ready(Ok(()))
            }
            Offered::Closed(value) => {
                self.leaf.mark_fired();
                Poll::Ready(Err(SendError(value)))
            }
            Offered::Full(value) => {
                // All parked receivers were arms of selects that had been won elsewhere.
                // SAFETY: the slot is empty: `value` came out of it. Then as above.
                unsafe {
                    (*self.leaf.slot.get()).write(value);
                    Leaf::park(self.node(), prepared(waiter), inner.senders());
                    drop(inner);
                    Leaf::enlist(self.node());
                }
                Poll::Pending
            }
        }
    }

    /// Another task polls the parked leaf now: it keeps its place in the queue.
    fn move_to(&self, core: &Core<T>, cx: &Context<'_>) -> Poll<Result<(), SendError<T>>> {
        let waiter = Prepared::new(self.node(), cx);
        let inner = core.lock();
        if !self.leaf.is_waiting() {
            drop(inner);
            drop(waiter);
            return self.poll_send(cx);
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

impl<T> Future for SendChecked<'_, T> {
    type Output = Result<(), SendError<T>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.as_ref().get_ref().poll_send(cx)
    }
}

impl<T> Drop for SendChecked<'_, T> {
    fn drop(&mut self) {
        if !self.leaf.is_idle() {
            // A leaf that was fired is out of the queue, and no peer uses it: no lock is needed.
            if let Some(core) = self.core().filter(|_| self.leaf.is_waiting()) {
                let mut inner = core.lock();
                if self.leaf.is_waiting() {
                    // SAFETY: the lock is held and the leaf waits in this queue.
                    unsafe { inner.senders().remove(self.node()) };
                }
            }
            // SAFETY: out of the queue now, one way or the other.
            unsafe { Leaf::withdraw(self.node()) };
        }
        if self.leaf.state() != FIRED {
            // SAFETY: the slot holds the value in every state but FIRED; it is not used again.
            drop(unsafe { self.value() });
        }
    }
}

impl<T> fmt::Debug for SendChecked<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Send").field("at", &self.leaf.at()).finish_non_exhaustive()
    }
}

/// Sends one value; panics if the channel is closed. Made by [`Chan::send`](crate::Chan::send).
///
/// # Cancel safety
/// As [`SendChecked`].
#[must_use = "futures do nothing unless awaited"]
#[derive(Debug)]
pub struct Send<'a, T> {
    checked: SendChecked<'a, T>,
}

impl<'a, T> Send<'a, T> {
    pub(super) fn new(checked: SendChecked<'a, T>) -> Self {
        Self { checked }
    }
}

impl<T> Future for Send<'_, T> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match self.as_ref().get_ref().checked.poll_send(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(())) => Poll::Ready(()),
            Poll::Ready(Err(error)) => {
                // Before the panic: a value's destructor must not run while unwinding.
                drop(error);
                panic!("send on closed channel");
            }
        }
    }
}
