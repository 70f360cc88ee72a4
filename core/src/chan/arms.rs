//! The arms of a select: receive, send, and any future.

use core::future::Future;
use core::marker::PhantomPinned;
use core::pin::Pin;
use core::ptr::NonNull;
use core::task::{Context, Poll};

use super::SendError;
use super::queue::{Core, Offered, Taken};
use super::wait::Wait;
use crate::g::leaf::{CLOSED, FIRED, Leaf, Wake};
use crate::inspect::Location;

mod sealed {
    pub trait Sealed {}
}

/// One arm of a select. Implemented by this crate only; [`Select`](super::Select) alone calls its methods.
pub trait Arm: sealed::Sealed {
    /// Its leaf, which leads to the channel; `None` for futures.
    #[doc(hidden)]
    fn leaf(&self) -> Option<NonNull<()>>;
    /// Tries the operation of a channel arm.
    ///
    /// # Safety
    /// The channel is not nil, the caller has locked it, and nothing else uses what the lock guards. No
    /// peer may commit to the arm, and it has no result.
    #[doc(hidden)]
    unsafe fn attempt(self: Pin<&mut Self>) -> Attempt;
    /// Takes the result that a peer left in the leaf.
    ///
    /// # Safety
    /// The leaf is out of the line, and no listed select leads to it.
    #[doc(hidden)]
    unsafe fn collect(self: Pin<&mut Self>);
    /// Takes the arm back from a select that was forgotten while it was parked.
    #[doc(hidden)]
    fn renew(self: Pin<&mut Self>);
    /// Polls an arm that is a future. True if it is ready now.
    #[doc(hidden)]
    fn poll_future(self: Pin<&mut Self>, cx: &mut Context<'_>) -> bool;
}

/// How an attempt on an arm ended.
#[doc(hidden)]
pub struct Attempt(pub(super) Result<Option<Wake>, ()>);

/// An arm that receives.
#[doc(hidden)]
pub struct RecvArm<'a, T> {
    wait: Wait<'a, T>,
    result: Option<Option<T>>,
}

/// An arm that sends.
#[doc(hidden)]
pub struct SendArm<'a, T> {
    /// The slot holds the value until a peer takes it, which fires the leaf, or `emptied` is set.
    wait: Wait<'a, T>,
    emptied: bool,
    result: Option<Result<(), SendError<T>>>,
}

/// An arm that is a future.
#[doc(hidden)]
pub struct FutureArm<F: Future> {
    future: F,
    result: Option<F::Output>,
    _pinned: PhantomPinned,
}

/// Takes an arm out of its line whose select was forgotten while it was parked: a select that is dropped
/// leaves its arms idle.
fn abandon<T>(wait: &Wait<'_, T>) {
    let Some(core) = wait.core() else { return };
    // SAFETY: the select was not dropped and is pinned, so its memory is never used again.
    unsafe { Leaf::forget_arms(wait.node()) };
    let mut inner = core.lock();
    if wait.leaf.is_waiting() {
        // SAFETY: the lock is held and the leaf waits in this line.
        unsafe { inner.line(wait.leaf.reason()).remove(wait.node()) };
    }
}

impl<'a, T> RecvArm<'a, T> {
    pub(super) fn new(core: Option<&'a Core<T>>, at: Location) -> Self {
        Self { wait: Wait::to_receive(core, at), result: None }
    }

    /// Whether this arm won and its result was not taken.
    pub fn is_done(&self) -> bool {
        self.result.is_some()
    }

    /// The result, if this arm won: `Some(None)` for a closed channel.
    pub fn take(self: Pin<&mut Self>) -> Option<Option<T>> {
        // SAFETY: the result is not pinned.
        unsafe { self.get_unchecked_mut() }.result.take()
    }

    /// The select was forgotten while it was parked: takes the leaf out of the line, and what a peer left.
    #[cold]
    fn abandoned(mut self: Pin<&mut Self>) {
        abandon(&self.wait);
        // SAFETY: out of the line just now, and its select has forgotten it.
        unsafe { self.as_mut().collect() };
        // One that nobody fired.
        self.wait.leaf.reset();
    }
}

impl<T> sealed::Sealed for RecvArm<'_, T> {}

impl<T> Arm for RecvArm<'_, T> {
    fn leaf(&self) -> Option<NonNull<()>> {
        Some(self.wait.node().cast())
    }

    unsafe fn attempt(self: Pin<&mut Self>) -> Attempt {
        // SAFETY: nothing that is pinned is moved.
        let this = unsafe { self.get_unchecked_mut() };
        let Some(core) = this.wait.core() else { return Attempt(Err(())) };
        // SAFETY: as the caller says.
        let inner = unsafe { core.held() };
        if let Some(value) = inner.take_buffered() {
            this.result = Some(Some(value));
            return Attempt(Ok(None));
        }
        Attempt(match inner.take() {
            Taken::Value(value, wake) => {
                this.result = Some(Some(value));
                Ok(wake)
            }
            Taken::Closed => {
                this.result = Some(None);
                Ok(None)
            }
            Taken::Empty => Err(()),
        })
    }

    unsafe fn collect(self: Pin<&mut Self>) {
        // SAFETY: nothing that is pinned is moved.
        let this = unsafe { self.get_unchecked_mut() };
        match this.wait.leaf.state() {
            FIRED => {
                // SAFETY: fired: the peer wrote the value and does not use the slot again; it is
                // taken once because the leaf is reset.
                this.result = Some(Some(unsafe { this.wait.value() }));
            }
            CLOSED => this.result = Some(None),
            _ => return,
        }
        this.wait.leaf.reset();
    }

    #[inline]
    fn renew(self: Pin<&mut Self>) {
        if !self.wait.leaf.is_idle() {
            self.abandoned();
        }
    }

    fn poll_future(self: Pin<&mut Self>, _: &mut Context<'_>) -> bool {
        false
    }
}

impl<T> Drop for RecvArm<'_, T> {
    fn drop(&mut self) {
        // SAFETY: pinned here until the end of this call.
        unsafe { Pin::new_unchecked(&mut *self) }.renew();
        // A select that is dropped after an arm won leaves the value here: it goes back.
        if let (Some(core), Some(Some(value))) = (self.wait.core(), self.result.take()) {
            drop(core.give_back(value));
        }
    }
}

impl<'a, T> SendArm<'a, T> {
    pub(super) fn new(core: Option<&'a Core<T>>, value: T, at: Location) -> Self {
        Self { wait: Wait::to_send(core, value, at), emptied: false, result: None }
    }

    /// Whether this arm won and its result was not taken.
    pub fn is_done(&self) -> bool {
        self.result.is_some()
    }

    /// The result, if this arm won.
    pub fn take(self: Pin<&mut Self>) -> Option<Result<(), SendError<T>>> {
        // SAFETY: the result is not pinned.
        unsafe { self.get_unchecked_mut() }.result.take()
    }

    /// The slot is empty: this is what became of the value.
    fn emptied(&mut self, result: Result<(), SendError<T>>) {
        self.emptied = true;
        self.result = Some(result);
    }

    /// The select was forgotten while it was parked: takes the leaf out of the line, and what a peer left.
    #[cold]
    fn abandoned(mut self: Pin<&mut Self>) {
        abandon(&self.wait);
        // SAFETY: out of the line just now, and its select has forgotten it.
        unsafe { self.as_mut().collect() };
        // One that nobody fired.
        self.wait.leaf.reset();
    }
}

impl<T> sealed::Sealed for SendArm<'_, T> {}

impl<T> Arm for SendArm<'_, T> {
    /// None once its value has gone, should a select that is over be polled again: nothing is left to wait with.
    fn leaf(&self) -> Option<NonNull<()>> {
        let waits = !self.emptied || !self.wait.leaf.is_idle();
        waits.then(|| self.wait.node().cast())
    }

    unsafe fn attempt(self: Pin<&mut Self>) -> Attempt {
        // SAFETY: nothing that is pinned is moved.
        let this = unsafe { self.get_unchecked_mut() };
        let Some(core) = this.wait.core() else { return Attempt(Err(())) };
        // SAFETY: as the caller says.
        let inner = unsafe { core.held() };
        if this.emptied || !inner.can_offer() {
            return Attempt(Err(()));
        }
        // SAFETY: no peer may commit, and the value was not given to anybody: the slot holds it.
        let offered = inner.offer(unsafe { this.wait.value() });
        Attempt(match offered {
            Offered::Sent(wake) => {
                this.emptied(Ok(()));
                Ok(wake)
            }
            Offered::Closed(value) => {
                this.emptied(Err(SendError(value)));
                Ok(None)
            }
            Offered::Full(value) => {
                // SAFETY: `value` came out of the slot.
                unsafe { this.wait.put(value) };
                Err(())
            }
        })
    }

    unsafe fn collect(self: Pin<&mut Self>) {
        // SAFETY: nothing that is pinned is moved.
        let this = unsafe { self.get_unchecked_mut() };
        let result = match this.wait.leaf.state() {
            FIRED => Ok(()),
            // SAFETY: released by close: the value is still in the slot, and taken once because the leaf
            // is reset.
            CLOSED => Err(SendError(unsafe { this.wait.value() })),
            _ => return,
        };
        this.emptied(result);
        this.wait.leaf.reset();
    }

    #[inline]
    fn renew(self: Pin<&mut Self>) {
        if !self.wait.leaf.is_idle() {
            self.abandoned();
        }
    }

    fn poll_future(self: Pin<&mut Self>, _: &mut Context<'_>) -> bool {
        false
    }
}

impl<T> Drop for SendArm<'_, T> {
    fn drop(&mut self) {
        // SAFETY: pinned here until the end of this call.
        unsafe { Pin::new_unchecked(&mut *self) }.renew();
        if !self.emptied {
            // SAFETY: no peer took the value, and it was not given to anybody: it is in the slot.
            drop(unsafe { self.wait.value() });
        }
    }
}

impl<F: Future> FutureArm<F> {
    /// An arm that is ready when `future` is.
    pub fn new(future: F) -> Self {
        Self { future, result: None, _pinned: PhantomPinned }
    }

    /// Whether this arm won and its result was not taken.
    pub fn is_done(&self) -> bool {
        self.result.is_some()
    }

    /// The output, if this arm won.
    pub fn take(self: Pin<&mut Self>) -> Option<F::Output> {
        // SAFETY: the result is not pinned.
        unsafe { self.get_unchecked_mut() }.result.take()
    }
}

impl<F: Future> sealed::Sealed for FutureArm<F> {}

impl<F: Future> Arm for FutureArm<F> {
    fn leaf(&self) -> Option<NonNull<()>> {
        None
    }

    unsafe fn attempt(self: Pin<&mut Self>) -> Attempt {
        Attempt(Err(()))
    }

    unsafe fn collect(self: Pin<&mut Self>) {}

    fn renew(self: Pin<&mut Self>) {}

    fn poll_future(self: Pin<&mut Self>, cx: &mut Context<'_>) -> bool {
        // SAFETY: the future is not moved; the result is not pinned.
        let this = unsafe { self.get_unchecked_mut() };
        // SAFETY: a projection of a pinned arm whose drop does not move the future.
        match unsafe { Pin::new_unchecked(&mut this.future) }.poll(cx) {
            Poll::Ready(output) => {
                this.result = Some(output);
                true
            }
            Poll::Pending => false,
        }
    }
}
