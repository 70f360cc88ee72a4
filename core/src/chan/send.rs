//! The futures of a send: the one that panics on a closed channel as Go does, and the checked one.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};

use super::SendError;
use super::queue::{Core, Inner, Offered};
use super::wait::Wait;
use crate::g::leaf::{CLOSED, FIRED, Prepared};
use crate::inspect::Location;
use crate::sys::BriefGuard;

/// The value has left the slot: it was sent, or given back. Neither waiting nor idle.
pub(super) const GONE: u32 = 8;

/// Sends one value; an error if the channel is closed. Made by
/// [`Chan::send_checked`](crate::Chan::send_checked) and [`Sender::send`](crate::Sender::send).
///
/// # Cancel safety
/// If the future is dropped before a receiver took the value, the value is dropped with it and
/// nothing was sent. If a receiver took it, it counts as sent.
#[must_use = "futures do nothing unless awaited"]
pub struct SendChecked<'a, T> {
    /// The slot holds the value in every state but `FIRED` and `GONE`.
    wait: Wait<'a, T>,
}

impl<'a, T> SendChecked<'a, T> {
    /// `None` is the nil channel.
    pub(super) fn new(core: Option<&'a Core<T>>, value: T, at: Location) -> Self {
        Self { wait: Wait::to_send(core, value, at) }
    }

    /// Called with the future pinned.
    #[inline(always)]
    fn poll_send(&self, cx: &Context<'_>) -> Poll<Result<(), SendError<T>>> {
        let leaf = &self.wait.leaf;
        if leaf.traced(cx) {
            return Poll::Pending;
        }
        if !leaf.is_idle() {
            return self.poll_parked(cx);
        }
        let Some(core) = self.wait.core() else {
            // SAFETY: idle, and pinned until `drop` has it left.
            unsafe { self.wait.park_for_ever(cx) };
            return Poll::Pending;
        };
        if !leaf.proceed(cx) {
            return Poll::Pending;
        }
        let mut inner = core.lock();
        if !inner.has_room() {
            return self.offer_or_park(core, inner, cx);
        }
        // SAFETY: an idle leaf's slot holds the value; marked as empty right after.
        inner.buffer(unsafe { self.wait.value() });
        leaf.mark(GONE);
        Poll::Ready(Ok(()))
    }

    #[inline(never)]
    fn offer_or_park<'c>(
        &self,
        core: &'c Core<T>,
        mut inner: BriefGuard<'c, Inner<T>>,
        cx: &Context<'_>,
    ) -> Poll<Result<(), SendError<T>>> {
        let mut foreign = None;
        loop {
            if inner.can_offer() {
                // SAFETY: an idle leaf's slot holds the value.
                let offered = inner.offer(unsafe { self.wait.value() });
                match offered {
                    // All parked receivers were arms of selects that had been won elsewhere.
                    // SAFETY: the slot is empty: `value` came out of it.
                    Offered::Full(value) => unsafe { self.wait.put(value) },
                    Offered::Sent(wake) => {
                        drop(inner);
                        self.wait.leaf.mark(GONE);
                        if let Some(wake) = wake {
                            wake.wake();
                        }
                        return Poll::Ready(Ok(()));
                    }
                    Offered::Closed(value) => {
                        drop(inner);
                        self.wait.leaf.mark(GONE);
                        return Poll::Ready(Err(SendError(value)));
                    }
                }
            }
            let node = self.wait.node();
            if let Some(waiter) = foreign.take().or_else(|| Prepared::own(node, cx)) {
                // SAFETY: pinned until `drop` or `poll_parked` withdrew it.
                unsafe { self.wait.park(inner, waiter) };
                return Poll::Pending;
            }
            // A foreign waker's clone and drop run outside the lock.
            drop(inner);
            foreign = Some(Prepared::new(node, cx));
            inner = core.lock();
        }
    }

    fn poll_parked(&self, cx: &Context<'_>) -> Poll<Result<(), SendError<T>>> {
        // Read once: a peer may fire the leaf between two looks.
        match self.wait.leaf.state() {
            FIRED => {
                self.wait.settle();
                self.wait.leaf.mark(GONE);
                Poll::Ready(Ok(()))
            }
            CLOSED => {
                self.wait.settle();
                self.wait.leaf.mark(GONE);
                // SAFETY: a sender released by close keeps its value; marked as empty above.
                Poll::Ready(Err(SendError(unsafe { self.wait.value() })))
            }
            GONE => Poll::Ready(Ok(())),
            _ if self.wait.still_waits(cx) => Poll::Pending,
            _ => self.poll_parked(cx),
        }
    }

    #[inline(never)]
    fn give_up(&self) {
        if !self.wait.leaf.is_idle() {
            self.wait.leave();
        }
        if self.wait.leaf.state() != FIRED {
            // SAFETY: neither fired nor gone, so the slot holds the value; it is not used again.
            drop(unsafe { self.wait.value() });
        }
    }
}

impl<T> Future for SendChecked<'_, T> {
    type Output = Result<(), SendError<T>>;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.as_ref().get_ref().poll_send(cx)
    }
}

impl<T> Drop for SendChecked<'_, T> {
    #[inline]
    fn drop(&mut self) {
        if self.wait.leaf.state() != GONE {
            self.give_up();
        }
    }
}

impl<T> fmt::Debug for SendChecked<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Send").field("at", &self.wait.leaf.at()).finish_non_exhaustive()
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

    #[inline(always)]
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
