//! Goroutines that another runtime polls: a future of theirs, the host, stands for each in the run queue of
//! that runtime.
//!
//! The cell is a goroutine's in everything that an inspector asks: its leaves, its waker clones, its state
//! word, a trace poll, the drop of its future. Only who polls differs: to make it ready wakes the host, and
//! the host's poll is its poll. A future that is not `Send` is polled, traced and dropped on the thread
//! that made it, and nowhere else.

use core::cell::UnsafeCell;
use core::future::Future;
use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::panic::AssertUnwindSafe;
use core::pin::Pin;
use core::ptr::NonNull;
use core::task::{Context, Poll, Waker};
use std::any::Any;
use std::panic::catch_unwind;
use std::sync::Arc;
use std::thread::ThreadId;

use super::cell::{Header, Origin};
use super::future::Vtable;
use super::gref::GRef;
use super::panic::{Payload, drop_caught, forget_payload};
use super::state::{EndPoll, StartPoll, State};
use super::{Scope, current, waker};
use crate::inspect::{GoroutineId, Location};
use crate::sys::Lock;

/// What every hosted cell starts with.
#[repr(C)]
struct Head {
    header: Header,
    host: Lock<Host>,
    /// The one thread that may touch a future which is not `Send`.
    owner: Option<ThreadId>,
}

/// The host, as far as the goroutine knows it.
struct Host {
    /// What it was polled with last; shared, as a clone is code of that runtime.
    waker: Option<Arc<Waker>>,
    is_there: bool,
}

/// The future, then its output.
enum Stage<F: Future> {
    Future(F),
    Output(Result<F::Output, Payload>),
    Gone,
}

#[repr(C)]
struct Cell<F: Future> {
    head: Head,
    /// Never dropped with the cell: the future is gone by then, and the output is the host's.
    stage: UnsafeCell<ManuallyDrop<Stage<F>>>,
}

/// The host of a goroutine: a future for another runtime to poll. Dropping it drops the goroutine's future.
///
/// It resolves to the output, or to why there is none.
///
/// # Cancel safety
/// The goroutine ends with it.
#[must_use = "the goroutine runs when this is polled"]
pub struct Hosted<F: Future> {
    g: GRef,
    /// As `Send` as what it polls and hands over.
    future: PhantomData<(F, F::Output)>,
}

/// Why a hosted goroutine ended without an output.
#[derive(Debug)]
pub enum Ended {
    /// It panicked; the payload is for [`resume_unwind`](std::panic::resume_unwind).
    Panicked(Box<dyn Any + Send>),
    /// Its future was dropped: it was reaped, or aborted.
    Dropped,
}

impl<F: Future + 'static> Hosted<F> {
    /// Starts a goroutine in `scope`; the current one is its parent.
    pub fn new(scope: &Arc<Scope>, future: F, at: Location) -> Self
    where
        F: Send,
        F::Output: Send,
    {
        Self::start(&Origin::here(scope, at), future, None)
    }

    /// As [`new`](Self::new), for a future that need not be `Send`: only this thread looks into it.
    pub fn new_local(scope: &Arc<Scope>, future: F, at: Location) -> Self {
        Self::start(&Origin::here(scope, at), future, Some(std::thread::current().id()))
    }

    fn start(origin: &Origin<'_>, future: F, owner: Option<ThreadId>) -> Self {
        let cell = Box::new(Cell {
            head: Head {
                header: Header::new(State::new(false), Cell::<F>::VTABLE, origin),
                host: Lock::new(Host { waker: None, is_there: true }),
                owner,
            },
            stage: UnsafeCell::new(ManuallyDrop::new(Stage::Future(future))),
        });
        // SAFETY: a box is not null. The state counts one reference for the registry, one for the host.
        let g = unsafe { GRef::from_raw(NonNull::new_unchecked(Box::into_raw(cell).cast())) };
        if let (Some(watch), Some(parent)) = (origin.scope.watch(), origin.parent) {
            watch.inherit_context(parent, g.id());
            if let Some((at, by)) = current::origin() {
                watch.note_origin(parent, at, by);
            }
        }
        origin.scope.note_host();
        origin.scope.register(&g);
        if origin.scope.is_closed() {
            g.refuse_host();
        }
        Self { g, future: PhantomData }
    }

    /// The goroutine's id.
    pub fn id(&self) -> GoroutineId {
        self.g.id()
    }

    /// The output, if there is one that nobody took.
    fn take(&self) -> Option<Result<F::Output, Ended>> {
        if !self.g.snapshot().is_complete() {
            return None;
        }
        let cell = self.g.as_ptr().cast::<Cell<F>>();
        // SAFETY: complete, so nobody else uses the stage any more, and this is its one host. An output that
        // is not `Send` was stored by this thread: only that may poll, and the host cannot leave it.
        let stage = unsafe { &mut *cell.as_ref().stage.get() };
        match core::mem::replace(&mut **stage, Stage::Gone) {
            Stage::Output(Ok(output)) => Some(Ok(output)),
            Stage::Output(Err(payload)) => Some(Err(Ended::Panicked(payload))),
            Stage::Gone | Stage::Future(_) => Some(Err(Ended::Dropped)),
        }
    }
}

impl<F: Future> Unpin for Hosted<F> {}

impl<F: Future + 'static> Future for Hosted<F> {
    type Output = Result<F::Output, Ended>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.g.note_host(cx.waker());
        if self.g.poll_hosted() {
            // Made ready while it ran.
            cx.waker().wake_by_ref();
        }
        self.take().map_or(Poll::Pending, Poll::Ready)
    }
}

impl<F: Future> Drop for Hosted<F> {
    fn drop(&mut self) {
        let waker = self.g.leave_host();
        drop_caught(waker);
        // Whoever has claimed it drops it, or gives it back: then it stays until it is reaped.
        if !self.g.snapshot().is_complete() && !self.g.discard_idle() {
            self.g.clone().abort();
        }
        let cell = self.g.as_ptr().cast::<Cell<F>>();
        if self.g.snapshot().is_complete() {
            // SAFETY: as in `take`.
            let stage = unsafe { &mut *cell.as_ref().stage.get() };
            drop_caught(core::mem::replace(&mut **stage, Stage::Gone));
        }
    }
}

impl<F: Future> core::fmt::Debug for Hosted<F> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Hosted").field("g", &self.g).finish_non_exhaustive()
    }
}

impl GRef {
    /// What hosts have beside the header.
    fn head(&self) -> Option<&Head> {
        // SAFETY: only hosted goroutines have this vtable, and theirs begin with a `Head`; our reference
        // keeps the cell alive.
        self.is_hosted().then(|| unsafe { self.as_ptr().cast::<Head>().as_ref() })
    }

    /// Whether this thread may poll or drop its future, once it is claimed.
    pub(crate) fn may_be_touched_here(&self) -> bool {
        let owner = self.head().and_then(|head| head.owner);
        owner.is_none_or(|owner| owner == std::thread::current().id())
    }

    /// Whether it is hosted, and its host may still poll it.
    pub(crate) fn has_host(&self) -> bool {
        self.head().is_some_and(|head| head.host.lock().is_there)
    }

    /// In a closed scope it is not polled, and stays until it is reaped or its host goes.
    fn refuse_host(&self) {
        self.clone().refuse();
    }

    /// Its host is polled with `waker`.
    fn note_host(&self, waker: &Waker) {
        let Some(head) = self.head() else { return };
        let known = head.host.lock().waker.as_ref().is_some_and(|known| known.will_wake(waker));
        if !known {
            let new = Arc::new(waker.clone());
            let old = head.host.lock().waker.replace(new);
            drop_caught(old);
        }
    }

    /// Its host goes.
    fn leave_host(&self) -> Option<Arc<Waker>> {
        let mut host = self.head()?.host.lock();
        host.is_there = false;
        host.waker.take()
    }

    /// One poll, by its host. True if it was made ready meanwhile.
    fn poll_hosted(&self) -> bool {
        match self.state().start_poll() {
            StartPoll::Skip => return false,
            StartPoll::Cancel => return self.cancel_hosted(),
            // SAFETY: just claimed, so registered.
            StartPoll::Poll if unsafe { self.scope() }.is_closed() => {
                self.state().refuse_poll();
                return false;
            }
            StartPoll::Poll => {}
        }
        self.note_poll();
        let waker = waker::for_poll(self.as_ptr());
        let poll = || Header::poll(self.as_ptr(), &mut Context::from_waker(&waker));
        if let Poll::Ready(registered) = current::enter(self.as_ptr(), poll) {
            drop(registered);
            return false;
        }
        // SAFETY: still claimed, so registered.
        let now = unsafe { self.scope() }.schedule().timers().clock().now();
        self.set_parked_at((now / 1_000_000) as u32);
        match self.state().end_poll() {
            EndPoll::Parked => false,
            EndPoll::Requeue => true,
            EndPoll::Cancel => self.cancel_hosted(),
        }
    }

    fn cancel_hosted(&self) -> bool {
        if let Err(payload) = self.discard() {
            forget_payload(payload);
        }
        false
    }
}

/// # Safety
/// `g` is a live hosted goroutine whose queue reference is the caller's.
unsafe fn unpark(g: NonNull<Header>) {
    // SAFETY: as the caller says.
    let g = unsafe { GRef::from_raw(g) };
    if !g.has_host() {
        // The host goes, or went while somebody had claimed the goroutine: aborted or not, nobody polls it any more.
        if g.may_be_touched_here() && g.state().start_poll() != StartPoll::Skip {
            g.cancel_hosted();
        }
        return;
    }
    let waker: Option<Arc<Waker>> = g.head().and_then(|head| head.host.lock().waker.clone());
    // It belongs to another runtime: its panics end here.
    let woken = catch_unwind(AssertUnwindSafe(|| {
        if let Some(waker) = &waker {
            waker.wake_by_ref();
        }
    }));
    drop_caught(waker);
    if let Err(payload) = woken {
        forget_payload(payload);
    }
}

impl<F: Future + 'static> Cell<F> {
    const VTABLE: &'static Vtable = &Vtable {
        poll: Self::poll,
        drop_future: Self::drop_future,
        take_output: |_, _| {},
        drop_output: |_| {},
        dealloc: Self::dealloc,
        unpark: Some(unpark),
        is_hosted: true,
        size: size_of::<Self>(),
    };

    /// # Safety
    /// The caller has claimed the goroutine, and its future is not gone.
    unsafe fn poll(g: NonNull<Header>, cx: &mut Context<'_>) -> Poll<()> {
        let cell = g.cast::<Self>();
        // SAFETY: the claim makes us the only user of the stage.
        let stage = unsafe { &mut *cell.as_ref().stage.get() };
        let Stage::Future(future) = &mut **stage else { return Poll::Pending };
        // SAFETY: the cell is never moved, and the future is dropped in place.
        let future = unsafe { Pin::new_unchecked(future) };
        let output = match catch_unwind(AssertUnwindSafe(|| future.poll(cx))) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(output)) => Ok(output),
            Err(payload) => Err(payload),
        };
        // SAFETY: as above; the future is not used again.
        let dropped = unsafe { Self::drop_future(g) };
        let output = match (output, dropped) {
            (output, Ok(())) => output,
            (Ok(output), Err(payload)) => {
                drop_caught(output);
                Err(payload)
            }
            (Err(payload), Err(second)) => {
                forget_payload(second);
                Err(payload)
            }
        };
        // SAFETY: still ours alone, and empty.
        unsafe { *cell.as_ref().stage.get() = ManuallyDrop::new(Stage::Output(output)) };
        // SAFETY: the caller's reference keeps the cell alive.
        let _ = unsafe { g.as_ref() }.state().complete(false);
        Header::finish(g);
        Poll::Ready(())
    }

    /// # Safety
    /// The caller has claimed the goroutine, and the stage holds the future.
    unsafe fn drop_future(g: NonNull<Header>) -> Result<(), Payload> {
        let stage = g.cast::<Self>();
        // SAFETY: the claim makes us the only user of the stage.
        let stage = unsafe { &mut *stage.as_ref().stage.get() };
        let dropped = catch_unwind(AssertUnwindSafe(|| {
            // SAFETY: dropped in place, once: whether or not that panics, `Gone` replaces it.
            unsafe { ManuallyDrop::drop(stage) }
        }));
        // Nothing is dropped by this: the old value is inside a `ManuallyDrop`.
        *stage = ManuallyDrop::new(Stage::Gone);
        dropped
    }

    /// # Safety
    /// Neither a reference nor a waker is left.
    unsafe fn dealloc(g: NonNull<Header>) {
        // SAFETY: the cell was made by `Box` with this type, and nobody can reach it any more.
        drop(unsafe { Box::from_raw(g.cast::<Self>().as_ptr()) });
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
