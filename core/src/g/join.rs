//! Join and abort handles, and the error a join can end with.

use core::fmt;
use core::future::Future;
use core::marker::PhantomData;
use core::mem::{ManuallyDrop, MaybeUninit};
use core::pin::Pin;
use core::ptr::NonNull;
use core::task::{Context, Poll};
use std::any::Any;
use std::sync::Arc;

use super::cell::Header;
use super::gref::GRef;
use super::leaf::{Joiner, Leaf, Prepared};
use super::panic::payload_message;
use super::{current, point};
use crate::inspect::{
    Anchor, Figure, GoroutineId, Location, Operation, WaitInfo, WaitReason, Watch,
};

/// Waits for a goroutine and takes its result. Made by [`go`](fn@crate::go).
///
/// Dropping the handle detaches the goroutine: it goes on.
///
/// ```
/// gmp_core::block_on(async {
///     let sum = gmp_core::go(async { 1 + 2 });
///     assert_eq!(sum.await.unwrap(), 3);
///     let fails = gmp_core::go(async { panic!("no disk") });
///     let error = fails.await.unwrap_err();
///     assert_eq!(error.to_string(), "the goroutine panicked: no disk");
/// });
/// ```
///
/// # Cancel safety
/// `JoinHandle` is a future that can be polled, dropped or kept at any time; the result stays in
/// the goroutine's cell until it is taken.
pub struct JoinHandle<T> {
    /// Boxed on the first poll: most handles are never awaited.
    leaf: Option<Pin<Box<Leaf<Target>>>>,
    /// Its reference is given up in `drop`.
    g: ManuallyDrop<GRef>,
    watch: Option<Arc<Watch>>,
    at: Location,
    output: PhantomData<fn() -> T>,
}

/// Aborts a goroutine. Made by [`JoinHandle::abort_handle`].
pub struct AbortHandle {
    g: GRef,
    watch: Option<Arc<Watch>>,
}

/// Why a goroutine ended without a result.
pub struct JoinError(Repr);

enum Repr {
    Aborted,
    Exited,
    Panicked(Box<dyn Any + Send>),
}

/// The goroutine that a leaf joins; the handle around the leaf has a reference.
struct Target(NonNull<Header>);

// SAFETY: as a reference to a header, which is `Sync`.
unsafe impl Send for Target {}
// SAFETY: as above.
unsafe impl Sync for Target {}

static JOIN: Anchor = Anchor { describe, record: None };

/// # Safety
/// `leaf` is a live `Leaf<Target>`.
unsafe fn describe(_: NonNull<Anchor>, leaf: NonNull<()>, out: &mut dyn FnMut(WaitInfo)) {
    // SAFETY: leaves on the `JOIN` anchor have this slot.
    let leaf = unsafe { leaf.cast::<Leaf<Target>>().as_ref() };
    // SAFETY: the leaf is listed, and the handle unlists it before it gives up its reference.
    let target = unsafe { leaf.slot.0.as_ref() }.id();
    out(WaitInfo {
        reason: WaitReason::Join,
        in_select: false,
        at: leaf.at(),
        figure: Figure::Goroutine { target },
        record: None,
        due_in: None,
        capabilities: Vec::new(),
        complete: true,
    });
}

impl<T> JoinHandle<T> {
    /// The handle of a new goroutine; `g` is the reference made for it.
    pub(crate) fn new(g: GRef, watch: Option<Arc<Watch>>, at: Location) -> Self {
        Self { leaf: None, g: ManuallyDrop::new(g), watch, at, output: PhantomData }
    }

    /// The goroutine's id.
    pub fn id(&self) -> GoroutineId {
        self.g.id()
    }

    /// Asks for the goroutine to be aborted: its future is dropped the next time it would be
    /// polled, and joining it gives an error with [`JoinError::is_aborted`]. A goroutine inside a
    /// poll finishes that poll first. Does nothing to a goroutine that has finished.
    ///
    /// ```
    /// gmp_core::block_on(async {
    ///     let stuck = gmp_core::go(std::future::pending::<()>());
    ///     stuck.abort();
    ///     assert!(stuck.await.unwrap_err().is_aborted());
    /// });
    /// ```
    #[track_caller]
    pub fn abort(&self) {
        point::before(Operation::Abort, Some(core::panic::Location::caller()));
        GRef::clone(&self.g).abort();
    }

    /// A handle that can only abort, and may be cloned and sent elsewhere.
    pub fn abort_handle(&self) -> AbortHandle {
        AbortHandle { g: GRef::clone(&self.g), watch: self.watch.clone() }
    }

    /// Whether the goroutine has finished, in whichever way.
    #[track_caller]
    pub fn is_finished(&self) -> bool {
        point::before(Operation::Look, Some(core::panic::Location::caller()));
        self.g.snapshot().is_complete()
    }

    fn take(&self) -> Option<Result<T, JoinError>> {
        if !self.g.snapshot().is_complete() {
            return None;
        }
        if !self.g.state().take_output() {
            return Some(Err(JoinError(Repr::Aborted)));
        }
        let mut output = MaybeUninit::<Result<T, JoinError>>::uninit();
        // SAFETY: the state word gave the output to us; the goroutine was made with a future whose
        // output is `T`, so the cell holds this very type.
        let output = unsafe {
            let to = NonNull::from(&mut output).cast();
            (self.g.vtable().take_output)(self.g.as_ptr(), to);
            output.assume_init()
        };
        if let (Err(_), Some(watch)) = (&output, &self.watch) {
            watch.handled(self.g.id());
        }
        Some(output)
    }

    fn unhook(&mut self) {
        let Some(leaf) = self.leaf.take() else { return };
        if leaf.is_idle() {
            return;
        }
        let node = Leaf::erase(NonNull::from(&*leaf));
        // One that has fired is out of the slot, and nobody else uses it.
        if leaf.is_waiting() {
            let lock = self.g.leaves().lock();
            if leaf.is_waiting() {
                // One handle, so the joiner is ours.
                self.g.set_joiner(&lock, None);
            }
        }
        // SAFETY: parked and enlisted by `poll`; out of the slot, and pinned in its box until here.
        unsafe { Leaf::withdraw(node) };
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if current::tracing().is_none() {
            if this.g.snapshot().is_complete() {
                this.unhook();
                // `is_complete` was seen, so `take` has an answer.
                return this.take().map_or(Poll::Pending, Poll::Ready);
            }
            if this.leaf.as_ref().is_some_and(|leaf| !leaf.waits_for(cx)) {
                // Another task polls it now.
                this.unhook();
            }
        }
        let (g, at) = (&this.g, this.at);
        let leaf = this.leaf.get_or_insert_with(|| {
            Box::pin(Leaf::new(WaitReason::Join, NonNull::from(&JOIN), at, Target(g.as_ptr())))
        });
        // Not idle: parked for us, or fired since we looked; then a wake is on its way.
        if leaf.traced(cx) || !leaf.is_idle() {
            return Poll::Pending;
        }
        let node = Leaf::erase(NonNull::from(&**leaf));
        let waiter = Prepared::new(node, cx);
        {
            let lock = this.g.leaves().lock();
            if this.g.snapshot().is_complete() {
                drop(lock);
                drop(waiter);
                this.leaf = None;
                return this.take().map_or(Poll::Pending, Poll::Ready);
            }
            // SAFETY: the cell's lock guards the slot; the leaf is idle and pinned in its box until
            // `unhook` took it out.
            unsafe { Leaf::park_alone(node, waiter) };
            this.g.set_joiner(&lock, Some(Joiner::of(node)));
        }
        // SAFETY: parked just now; withdrawn by `unhook`.
        unsafe { Leaf::enlist(node) };
        Poll::Pending
    }
}

impl<T> Drop for JoinHandle<T> {
    fn drop(&mut self) {
        self.unhook();
        if let Some(watch) = &self.watch {
            watch.handle_dropped(self.g.id());
        }
        // SAFETY: `g` is not used again.
        unsafe { ManuallyDrop::take(&mut self.g) }.drop_join_and_self();
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle").field("id", &self.id()).finish_non_exhaustive()
    }
}

impl AbortHandle {
    /// As [`JoinHandle::abort`].
    #[track_caller]
    pub fn abort(&self) {
        point::before(Operation::Abort, Some(core::panic::Location::caller()));
        self.g.clone().abort();
    }

    /// Whether the goroutine has finished.
    #[track_caller]
    pub fn is_finished(&self) -> bool {
        point::before(Operation::Look, Some(core::panic::Location::caller()));
        self.g.snapshot().is_complete()
    }
}

impl Clone for AbortHandle {
    fn clone(&self) -> Self {
        Self { g: self.g.clone(), watch: self.watch.clone() }
    }
}

impl Drop for AbortHandle {
    fn drop(&mut self) {
        if let Some(watch) = &self.watch {
            watch.handle_dropped(self.g.id());
        }
    }
}

impl fmt::Debug for AbortHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AbortHandle").field("id", &self.g.id()).finish_non_exhaustive()
    }
}

impl JoinError {
    pub(super) fn panicked(payload: Box<dyn Any + Send>) -> Self {
        Self(Repr::Panicked(payload))
    }

    pub(super) fn exited() -> Self {
        Self(Repr::Exited)
    }

    /// The goroutine ended itself by [`exit_goroutine`](crate::runtime::exit_goroutine).
    pub fn is_exited(&self) -> bool {
        matches!(self.0, Repr::Exited)
    }

    /// The goroutine was aborted, or reaped with its scope, before it finished.
    pub fn is_aborted(&self) -> bool {
        matches!(self.0, Repr::Aborted)
    }

    /// The goroutine panicked.
    pub fn is_panic(&self) -> bool {
        matches!(self.0, Repr::Panicked(_))
    }

    /// The payload of the panic, for [`std::panic::resume_unwind`].
    ///
    /// # Errors
    /// Gives the error back if it was no panic.
    pub fn try_into_panic(self) -> Result<Box<dyn Any + Send>, Self> {
        match self.0 {
            Repr::Panicked(payload) => Ok(payload),
            other => Err(Self(other)),
        }
    }
}

// SAFETY: the payload is only handed out by value; `&JoinError` gives no access to it beyond text,
// which is read from `&str` and `String`.
unsafe impl Sync for JoinError {}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Repr::Aborted => f.write_str("the goroutine was aborted"),
            Repr::Exited => f.write_str("the goroutine exited before it had a result"),
            Repr::Panicked(payload) => {
                write!(f, "the goroutine panicked: {}", payload_message(&**payload))
            }
        }
    }
}

impl fmt::Debug for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Repr::Aborted => f.write_str("JoinError::Aborted"),
            Repr::Exited => f.write_str("JoinError::Exited"),
            Repr::Panicked(payload) => {
                write!(f, "JoinError::Panicked({:?})", payload_message(&**payload))
            }
        }
    }
}

impl std::error::Error for JoinError {}
