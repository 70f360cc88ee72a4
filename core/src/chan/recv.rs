//! The future of a receive, and the stream over a channel.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

use futures_core::Stream;

use super::queue::{Core, Inner, Taken};
use super::wait::Wait;
use crate::g::leaf::{CLOSED, FIRED, Prepared};
use crate::inspect::Location;
use crate::sys::BriefGuard;

/// Receives one value. Made by [`Chan::recv`](crate::Chan::recv) and
/// [`Receiver::recv`](crate::Receiver::recv).
///
/// # Cancel safety
/// Nothing is lost: if the future is dropped after a sender handed it a value, the value goes back to
/// the front of the channel, or to the next receiver.
#[must_use = "futures do nothing unless awaited"]
pub struct Recv<'a, T> {
    wait: Wait<'a, T>,
}

impl<'a, T> Recv<'a, T> {
    /// `None` is the nil channel.
    pub(super) fn new(core: Option<&'a Core<T>>, at: Location) -> Self {
        Self { wait: Wait::to_receive(core, at) }
    }

    /// Called with the future pinned.
    #[inline(always)]
    fn poll_recv(&self, cx: &Context<'_>) -> Poll<Option<T>> {
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
        match inner.take_buffered() {
            Some(value) => Poll::Ready(Some(value)),
            None => self.take_or_park(core, inner, cx),
        }
    }

    #[inline(never)]
    fn take_or_park<'c>(
        &self,
        core: &'c Core<T>,
        mut inner: BriefGuard<'c, Inner<T>>,
        cx: &Context<'_>,
    ) -> Poll<Option<T>> {
        let mut foreign = None;
        loop {
            let taken = inner.take();
            if let Taken::Empty = taken {
                let node = self.wait.node();
                if let Some(waiter) = foreign.take().or_else(|| Prepared::own(node, cx)) {
                    // SAFETY: pinned until `drop` or `settle`.
                    unsafe { self.wait.park(inner, waiter) };
                    return Poll::Pending;
                }
            }
            // Wakes, and a foreign waker's clone and drop, run outside the lock.
            drop(inner);
            match taken {
                Taken::Value(value, wake) => {
                    if let Some(wake) = wake {
                        wake.wake();
                    }
                    return Poll::Ready(Some(value));
                }
                Taken::Closed => return Poll::Ready(None),
                Taken::Empty => foreign = Some(Prepared::new(self.wait.node(), cx)),
            }
            inner = core.lock();
        }
    }

    fn poll_parked(&self, cx: &Context<'_>) -> Poll<Option<T>> {
        // Read once: a peer may fire the leaf between two looks.
        match self.wait.leaf.state() {
            FIRED => {
                // SAFETY: the peer wrote the slot before it fired the leaf, and does not use it again;
                // `settle` makes sure that it is taken once.
                let value = unsafe { self.wait.value() };
                self.wait.settle();
                Poll::Ready(Some(value))
            }
            CLOSED => {
                self.wait.settle();
                Poll::Ready(None)
            }
            _ if self.wait.still_waits(cx) => Poll::Pending,
            _ => self.poll_parked(cx),
        }
    }

    #[inline(never)]
    fn give_up(&self) {
        self.wait.leave();
        if self.wait.leaf.state() == FIRED
            && let Some(core) = self.wait.core()
        {
            // SAFETY: fired, and never taken: a taken value resets the leaf.
            let value = unsafe { self.wait.value() };
            drop(core.give_back(value));
        }
    }
}

impl<T> Future for Recv<'_, T> {
    type Output = Option<T>;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.as_ref().get_ref().poll_recv(cx)
    }
}

impl<T> Drop for Recv<'_, T> {
    #[inline]
    fn drop(&mut self) {
        if !self.wait.leaf.is_idle() {
            self.give_up();
        }
    }
}

impl<T> fmt::Debug for Recv<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recv").field("at", &self.wait.leaf.at()).finish_non_exhaustive()
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
