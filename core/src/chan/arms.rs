//! The arms of a select: receive, send, and any future.

use core::cell::UnsafeCell;
use core::future::Future;
use core::marker::PhantomPinned;
use core::mem::MaybeUninit;
use core::pin::Pin;
use core::ptr::NonNull;
use core::task::{Context, Poll};

use super::SendError;
use super::queue::{ChanLeaf, Core, Inner, NIL, Offered, Taken};
use crate::g::leaf::{CLOSED, Control, FIRED, Leaf, Prepared, Wake};
use crate::inspect::{Location, WaitReason};
use crate::sys::BriefGuard;

mod sealed {
    pub trait Sealed {}
}

/// One arm of a select. Implemented by this crate only.
///
/// The methods that speak of a lock are called by [`Select`](super::Select) alone, which locks all
/// channels of its arms in the order of their addresses.
pub trait Arm: sealed::Sealed {
    /// Which lock this arm needs; 0 for none.
    #[doc(hidden)]
    fn lock_order(&self) -> usize;
    /// Takes the lock and keeps it.
    #[doc(hidden)]
    fn lock(self: Pin<&mut Self>) -> NonNull<()>;
    /// Gives the lock back.
    #[doc(hidden)]
    fn unlock(self: Pin<&mut Self>);
    /// Tries the operation. The lock is held and `inner` is what it guards.
    #[doc(hidden)]
    fn attempt(self: Pin<&mut Self>, inner: NonNull<()>) -> Attempt;
    /// Registers the arm on its channel. The lock is held.
    #[doc(hidden)]
    fn park(self: Pin<&mut Self>, inner: NonNull<()>, control: NonNull<()>);
    /// Takes the arm out of its channel's queue. The lock is held.
    #[doc(hidden)]
    fn unpark(self: Pin<&mut Self>, inner: NonNull<()>);
    /// The leaf, for the inspection and to learn who won; `None` for futures.
    #[doc(hidden)]
    fn leaf(&self) -> Option<NonNull<()>>;
    /// Takes the result that a peer left in the leaf.
    #[doc(hidden)]
    fn collect(self: Pin<&mut Self>);
    /// Polls an arm that is a future. True if it is ready now.
    #[doc(hidden)]
    fn poll_future(self: Pin<&mut Self>, cx: &mut Context<'_>) -> bool;
    /// Whether the arm is a future.
    #[doc(hidden)]
    fn is_future(&self) -> bool;
}

/// How an attempt on an arm ended.
#[doc(hidden)]
pub struct Attempt(pub(super) Result<Option<Wake>, ()>);

/// An arm that receives.
#[doc(hidden)]
pub struct RecvArm<'a, T> {
    leaf: ChanLeaf<T>,
    core: Option<&'a Core<T>>,
    guard: Option<BriefGuard<'a, Inner<T>>>,
    result: Option<Option<T>>,
}

/// An arm that sends.
#[doc(hidden)]
pub struct SendArm<'a, T> {
    leaf: ChanLeaf<T>,
    core: Option<&'a Core<T>>,
    guard: Option<BriefGuard<'a, Inner<T>>>,
    /// The value, while the arm is not parked.
    value: Option<T>,
    result: Option<Result<(), SendError<T>>>,
}

/// An arm that is a future.
#[doc(hidden)]
pub struct FutureArm<F: Future> {
    future: F,
    result: Option<F::Output>,
    _pinned: PhantomPinned,
}

fn leaf<T>(reason: WaitReason, core: Option<&Core<T>>, at: Location) -> ChanLeaf<T> {
    let anchor = core.map_or(NonNull::from(&NIL), Core::anchor_ptr);
    Leaf::new(reason, anchor, at, UnsafeCell::new(MaybeUninit::uninit()))
}

/// Takes an arm out of its queue, by `remove`, whose select was forgotten while it was parked: a select
/// that is dropped leaves its arms idle.
#[cold]
fn abandon<T>(
    core: Option<&Core<T>>,
    leaf: &ChanLeaf<T>,
    remove: impl FnOnce(&mut BriefGuard<'_, Inner<T>>),
) {
    let Some(core) = core else { return };
    // SAFETY: the select was not dropped and is pinned, so its memory is never used again.
    unsafe { Leaf::forget_arms(Leaf::erase(NonNull::from(leaf))) };
    let mut inner = core.lock();
    if leaf.is_waiting() {
        remove(&mut inner);
    }
}

// SAFETY: the guard, which must stay on its thread, is there only within one poll.
unsafe impl<T: Send> Send for RecvArm<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Send> Send for SendArm<'_, T> {}

/// What both kinds of channel arm do alike. None of them moves the arm.
macro_rules! channel_arm {
    () => {
        fn lock_order(&self) -> usize {
            self.core.map_or(0, |core| core.anchor_ptr().addr().get())
        }

        fn lock(self: Pin<&mut Self>) -> NonNull<()> {
            // SAFETY: nothing is moved out of the arm.
            let this = unsafe { self.get_unchecked_mut() };
            match this.core {
                Some(core) => NonNull::from(&mut **this.guard.insert(core.lock())).cast(),
                None => NonNull::dangling(),
            }
        }

        fn unlock(self: Pin<&mut Self>) {
            // SAFETY: nothing that is pinned is moved.
            drop(unsafe { self.get_unchecked_mut() }.guard.take());
        }

        fn leaf(&self) -> Option<NonNull<()>> {
            Some(NonNull::from(&self.leaf).cast())
        }

        fn poll_future(self: Pin<&mut Self>, _: &mut Context<'_>) -> bool {
            false
        }

        fn is_future(&self) -> bool {
            false
        }
    };
}

impl<'a, T> RecvArm<'a, T> {
    pub(super) fn new(core: Option<&'a Core<T>>, at: Location) -> Self {
        let leaf = leaf(WaitReason::ChanReceive, core, at);
        Self { leaf, core, guard: None, result: None }
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
}

impl<T> sealed::Sealed for RecvArm<'_, T> {}

impl<T> Arm for RecvArm<'_, T> {
    channel_arm!();

    fn attempt(self: Pin<&mut Self>, inner: NonNull<()>) -> Attempt {
        // SAFETY: nothing that is pinned is moved.
        let this = unsafe { self.get_unchecked_mut() };
        if this.core.is_none() {
            return Attempt(Err(()));
        }
        // SAFETY: `inner` is the locked inside of this arm's channel.
        let taken = unsafe { inner.cast::<Inner<T>>().as_mut().take() };
        Attempt(match taken {
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

    fn park(self: Pin<&mut Self>, inner: NonNull<()>, control: NonNull<()>) {
        let this = self.as_ref().get_ref();
        if this.core.is_none() {
            return;
        }
        let node = Leaf::erase(NonNull::from(&this.leaf));
        let waiter = Prepared::arm(control.cast::<Control>());
        // SAFETY: `inner` is the locked inside of this arm's channel; the leaf is idle, and pinned
        // until `unpark` or `collect`, which `Select` calls before it goes.
        unsafe {
            Leaf::park(
                node,
                waiter,
                inner.cast::<Inner<T>>().as_mut().line(WaitReason::ChanReceive),
            )
        };
    }

    fn unpark(self: Pin<&mut Self>, inner: NonNull<()>) {
        let this = self.as_ref().get_ref();
        if this.core.is_some() && this.leaf.is_waiting() {
            let node = Leaf::erase(NonNull::from(&this.leaf));
            // SAFETY: `inner` is the locked inside of this arm's channel, in whose queue the waiting
            // leaf is.
            unsafe { inner.cast::<Inner<T>>().as_mut().line(WaitReason::ChanReceive).remove(node) };
        }
        if !matches!(this.leaf.state(), FIRED | CLOSED) {
            this.leaf.reset();
        }
    }

    fn collect(self: Pin<&mut Self>) {
        // SAFETY: nothing that is pinned is moved.
        let this = unsafe { self.get_unchecked_mut() };
        match this.leaf.state() {
            FIRED => {
                // SAFETY: fired: the peer wrote the value and does not use the slot again; it is
                // taken once because the leaf is reset.
                this.result = Some(Some(unsafe { (*this.leaf.slot.get()).assume_init_read() }));
            }
            CLOSED => this.result = Some(None),
            _ => return,
        }
        this.leaf.reset();
    }
}

impl<T> Drop for RecvArm<'_, T> {
    fn drop(&mut self) {
        if !self.leaf.is_idle() {
            let node = Leaf::erase(NonNull::from(&self.leaf));
            abandon(self.core, &self.leaf, |inner| {
                // SAFETY: the lock is held and the leaf waits in this queue.
                unsafe { inner.line(WaitReason::ChanReceive).remove(node) };
            });
            // SAFETY: pinned here until the end of this call.
            unsafe { Pin::new_unchecked(&mut *self) }.collect();
        }
        // A select that is dropped after an arm won leaves the value here: it goes back.
        if let (Some(core), Some(Some(value))) = (self.core, self.result.take()) {
            drop(core.give_back(value));
        }
    }
}

impl<'a, T> SendArm<'a, T> {
    pub(super) fn new(core: Option<&'a Core<T>>, value: T, at: Location) -> Self {
        let leaf = leaf(WaitReason::ChanSend, core, at);
        Self { leaf, core, guard: None, value: Some(value), result: None }
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
}

impl<T> SendArm<'_, T> {
    /// Takes the value back out of the leaf's slot.
    ///
    /// # Safety
    /// The leaf was parked and did not fire.
    unsafe fn reclaim(&mut self) {
        // SAFETY: the slot holds the value that `park` put there, and nobody else can reach it.
        self.value = Some(unsafe { (*self.leaf.slot.get()).assume_init_read() });
    }
}

impl<T> sealed::Sealed for SendArm<'_, T> {}

impl<T> Arm for SendArm<'_, T> {
    channel_arm!();

    fn attempt(self: Pin<&mut Self>, inner: NonNull<()>) -> Attempt {
        // SAFETY: nothing that is pinned is moved.
        let this = unsafe { self.get_unchecked_mut() };
        // An arm on a nil channel keeps its value: nothing of the user's is dropped under the locks.
        let Some(value) = this.core.and_then(|_| this.value.take()) else {
            return Attempt(Err(()));
        };
        // SAFETY: `inner` is the locked inside of this arm's channel.
        let offered = unsafe { inner.cast::<Inner<T>>().as_mut().offer(value) };
        Attempt(match offered {
            Offered::Sent(wake) => {
                this.result = Some(Ok(()));
                Ok(wake)
            }
            Offered::Closed(value) => {
                this.result = Some(Err(SendError(value)));
                Ok(None)
            }
            Offered::Full(value) => {
                this.value = Some(value);
                Err(())
            }
        })
    }

    fn park(self: Pin<&mut Self>, inner: NonNull<()>, control: NonNull<()>) {
        // SAFETY: the leaf is not moved.
        let this = unsafe { self.get_unchecked_mut() };
        let Some(value) = this.core.and_then(|_| this.value.take()) else { return };
        let node = Leaf::erase(NonNull::from(&this.leaf));
        let waiter = Prepared::arm(control.cast::<Control>());
        // SAFETY: `inner` is the locked inside of this arm's channel; the leaf is idle, and pinned
        // until `unpark` or `collect`, which `Select` calls before it goes. Its slot is empty.
        unsafe {
            (*this.leaf.slot.get()).write(value);
            Leaf::park(node, waiter, inner.cast::<Inner<T>>().as_mut().line(WaitReason::ChanSend));
        }
    }

    fn unpark(self: Pin<&mut Self>, inner: NonNull<()>) {
        // SAFETY: nothing that is pinned is moved.
        let this = unsafe { self.get_unchecked_mut() };
        if this.core.is_none() || this.leaf.is_idle() {
            return;
        }
        if this.leaf.is_waiting() {
            let node = Leaf::erase(NonNull::from(&this.leaf));
            // SAFETY: `inner` is the locked inside of this arm's channel, in whose queue the waiting
            // leaf is.
            unsafe { inner.cast::<Inner<T>>().as_mut().line(WaitReason::ChanSend).remove(node) };
        }
        if !matches!(this.leaf.state(), FIRED | CLOSED) {
            // SAFETY: parked, not fired, and out of the queue.
            unsafe { this.reclaim() };
            this.leaf.reset();
        }
    }

    fn collect(self: Pin<&mut Self>) {
        // SAFETY: nothing that is pinned is moved.
        let this = unsafe { self.get_unchecked_mut() };
        match this.leaf.state() {
            FIRED => this.result = Some(Ok(())),
            CLOSED => {
                // SAFETY: released by close: the value is still in the slot.
                let value = unsafe { (*this.leaf.slot.get()).assume_init_read() };
                this.result = Some(Err(SendError(value)));
            }
            _ => return,
        }
        this.leaf.reset();
    }
}

impl<T> Drop for SendArm<'_, T> {
    fn drop(&mut self) {
        if self.leaf.is_idle() {
            return;
        }
        let node = Leaf::erase(NonNull::from(&self.leaf));
        abandon(self.core, &self.leaf, |inner| {
            // SAFETY: the lock is held and the leaf waits in this queue.
            unsafe { inner.line(WaitReason::ChanSend).remove(node) };
        });
        if self.leaf.state() != FIRED {
            // SAFETY: parked and not fired: the value is still in the slot.
            drop(unsafe { (*self.leaf.slot.get()).assume_init_read() });
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
    fn lock_order(&self) -> usize {
        0
    }
    fn lock(self: Pin<&mut Self>) -> NonNull<()> {
        NonNull::dangling()
    }
    fn unlock(self: Pin<&mut Self>) {}
    fn attempt(self: Pin<&mut Self>, _: NonNull<()>) -> Attempt {
        Attempt(Err(()))
    }
    fn park(self: Pin<&mut Self>, _: NonNull<()>, _: NonNull<()>) {}
    fn unpark(self: Pin<&mut Self>, _: NonNull<()>) {}
    fn leaf(&self) -> Option<NonNull<()>> {
        None
    }
    fn collect(self: Pin<&mut Self>) {}

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

    fn is_future(&self) -> bool {
        true
    }
}
