//! What depends on the type of a goroutine's future: the stage behind the header, and the table of functions
//! that the header reaches it by.

use core::cell::UnsafeCell;
use core::future::Future;
use core::mem::ManuallyDrop;
use core::panic::AssertUnwindSafe;
use core::pin::Pin;
use core::ptr::NonNull;
use core::task::{Context, Poll};
use std::panic::catch_unwind;

use super::cell::{Header, Origin};
use super::cells::{self, CellLayout};
use super::gref::GRef;
use super::panic::{Payload, drop_caught, forget_payload, panicked};
use super::state::State;
use super::{JoinError, exit};

/// What differs between goroutines of different future types.
pub(super) struct Vtable {
    pub(super) poll: unsafe fn(NonNull<Header>, &mut Context<'_>) -> Poll<()>,
    pub(super) drop_future: unsafe fn(NonNull<Header>) -> Result<(), Payload>,
    pub(super) take_output: unsafe fn(NonNull<Header>, NonNull<()>),
    pub(super) drop_output: unsafe fn(NonNull<Header>),
    pub(super) dealloc: unsafe fn(NonNull<Header>),
    /// Makes a goroutine go on that is a thread's call or hosted; `None` for goroutines that Ms poll.
    pub(super) unpark: Option<unsafe fn(NonNull<Header>)>,
    /// Polled by a future of another runtime, see `host.rs`.
    pub(super) is_hosted: bool,
    /// Bytes of the whole cell: a leaf inside it needs no reference.
    pub(super) size: usize,
}

impl Vtable {
    /// The vtable of a goroutine that is a thread's own call.
    pub(super) const fn thread(
        unpark: unsafe fn(NonNull<Header>),
        dealloc: unsafe fn(NonNull<Header>),
    ) -> Self {
        Self {
            poll: |_, _| Poll::Pending,
            drop_future: |_| Ok(()),
            take_output: |_, _| {},
            drop_output: |_| {},
            dealloc,
            unpark: Some(unpark),
            is_hosted: false,
            size: 0,
        }
    }
}

/// The future, or the output once it is done. The state word says which.
union Stage<F: Future> {
    future: ManuallyDrop<F>,
    output: ManuallyDrop<Result<F::Output, JoinError>>,
}

#[repr(C)]
struct Cell<F: Future> {
    header: Header,
    stage: UnsafeCell<Stage<F>>,
}

impl GRef {
    /// A new goroutine with a join handle's reference beside the returned one, which is the run
    /// queue's.
    pub(crate) fn new<F>(future: F, origin: &Origin<'_>) -> (GRef, GRef)
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        // SAFETY: future and output are `Send`.
        unsafe { Self::new_unchecked(future, origin) }
    }

    /// As [`new`](Self::new), for a future that need not be `Send`.
    ///
    /// # Safety
    /// If the future or its output is not `Send`, only this thread polls it, drops it and takes the
    /// output.
    pub(crate) unsafe fn new_unchecked<F>(future: F, origin: &Origin<'_>) -> (GRef, GRef)
    where
        F: Future + 'static,
    {
        let cell = cells::allocate(Cell::<F>::LAYOUT).cast::<Cell<F>>();
        // SAFETY: the memory is for such a cell, and nobody else's.
        // In two parts: a whole cell would be put together on the stack first, and copied.
        unsafe {
            let cell = cell.as_ptr();
            (&raw mut (*cell).header).write(Header::new(
                State::new(true),
                Cell::<F>::VTABLE,
                origin,
            ));
            (&raw mut (*cell).stage)
                .write(UnsafeCell::new(Stage { future: ManuallyDrop::new(future) }));
        }
        let g = cell.cast::<Header>();
        // SAFETY: the state counts one reference for the queue, one for the join handle.
        let (queued, joins) = unsafe { (Self::from_raw(g), Self::from_raw(g)) };
        origin.scope.register(&queued);
        (queued, joins)
    }
}

impl<F: Future + 'static> Cell<F> {
    const LAYOUT: CellLayout = CellLayout::of::<Self>();

    const VTABLE: &'static Vtable = &Vtable {
        poll: Self::poll,
        drop_future: Self::drop_future,
        take_output: Self::take_output,
        drop_output: Self::drop_output,
        dealloc: Self::dealloc,
        unpark: None,
        is_hosted: false,
        size: size_of::<Self>(),
    };

    /// # Safety
    /// The caller has claimed the goroutine, and its future is not gone.
    unsafe fn poll(g: NonNull<Header>, cx: &mut Context<'_>) -> Poll<()> {
        let cell = g.cast::<Self>();
        // SAFETY: the claim makes us the only user of the stage, which holds the future. The cell
        // is never moved, so the future is pinned.
        let future = unsafe { Pin::new_unchecked(&mut *(*cell.as_ref().stage.get()).future) };
        let output = match catch_unwind(AssertUnwindSafe(|| future.poll(cx))) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(output)) => Ok(output),
            Err(payload) => Err(payload),
        };
        // SAFETY: as above; the future is not used again.
        let dropped = unsafe { Self::drop_future(g) };
        // Whatever is not kept is dropped with its own panics caught.
        let output = match (output, dropped) {
            (Ok(output), Ok(())) => Ok(output),
            (Err(payload), Ok(())) => Err(panicked(g, payload)),
            (Ok(output), Err(payload)) => {
                drop_caught(output);
                Err(panicked(g, payload))
            }
            (Err(exit), Err(payload)) if exit::is_exit(&exit) => Err(panicked(g, payload)),
            (Err(payload), Err(second)) => {
                forget_payload(second);
                Err(panicked(g, payload))
            }
        };
        // SAFETY: the stage is empty now, and still ours alone.
        unsafe { (*cell.as_ref().stage.get()).output = ManuallyDrop::new(output) };
        // SAFETY: the caller's reference keeps the cell alive.
        if !unsafe { g.as_ref() }.state.complete(true) {
            // SAFETY: nobody wants the output, so it is ours to drop.
            unsafe { Self::drop_output(g) };
        }
        Header::finish(g);
        Poll::Ready(())
    }

    /// # Safety
    /// The caller has claimed the goroutine, and the stage holds the future.
    unsafe fn drop_future(g: NonNull<Header>) -> Result<(), Payload> {
        let stage = g.cast::<Self>();
        catch_unwind(AssertUnwindSafe(|| {
            // SAFETY: the caller says so; it is not used again, whether or not the drop panics.
            unsafe { ManuallyDrop::drop(&mut (*stage.as_ref().stage.get()).future) }
        }))
    }

    /// # Safety
    /// The caller got the output from the state word; `to` points to a `Result` of its type.
    unsafe fn take_output(g: NonNull<Header>, to: NonNull<()>) {
        let stage = g.cast::<Self>();
        // SAFETY: the caller owns the output now.
        unsafe {
            let output = ManuallyDrop::take(&mut (*stage.as_ref().stage.get()).output);
            to.cast::<Result<F::Output, JoinError>>().write(output);
        }
    }

    /// # Safety
    /// The caller got the output from the state word.
    unsafe fn drop_output(g: NonNull<Header>) {
        let stage = g.cast::<Self>();
        let _ = catch_unwind(AssertUnwindSafe(|| {
            // SAFETY: the caller owns the output now.
            unsafe { ManuallyDrop::drop(&mut (*stage.as_ref().stage.get()).output) }
        }))
        .map_err(forget_payload);
    }

    /// # Safety
    /// Neither a reference nor a waker is left.
    unsafe fn dealloc(g: NonNull<Header>) {
        // SAFETY: the cell was made with this type and this layout, and is used no more; the stage is a union and
        // drops nothing: a goroutine completes before the registry gives up its reference.
        unsafe {
            g.cast::<Self>().drop_in_place();
            cells::free(g.cast(), Self::LAYOUT);
        }
    }
}
