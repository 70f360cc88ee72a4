//! The counted reference to a goroutine, and what whoever has one may ask of it.

use core::mem::ManuallyDrop;
use core::ptr::NonNull;
use std::sync::Arc;

use super::cell::Header;
use super::scope::Schedule;
use super::state::{DropJoin, Ready};
use super::{current, trace};

/// An owned reference to a goroutine's cell.
pub(crate) struct GRef(NonNull<Header>);

// SAFETY: the header is `Send + Sync`, the count is atomic.
unsafe impl Send for GRef {}
// SAFETY: as above.
unsafe impl Sync for GRef {}

impl core::fmt::Debug for GRef {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::fmt::Debug::fmt(&self.id, f)
    }
}

impl core::ops::Deref for GRef {
    type Target = Header;
    fn deref(&self) -> &Header {
        // SAFETY: our reference keeps the cell alive.
        unsafe { self.0.as_ref() }
    }
}

impl Clone for GRef {
    fn clone(&self) -> Self {
        self.state.ref_inc();
        Self(self.0)
    }
}

impl Drop for GRef {
    fn drop(&mut self) {
        if self.state.ref_dec() {
            // SAFETY: neither a reference nor a waker is left; nobody else can reach the cell.
            unsafe { (self.vtable.dealloc)(self.0) };
        }
    }
}

impl GRef {
    /// # Safety
    /// The caller owns a reference, which goes over to the result.
    pub(crate) unsafe fn from_raw(g: NonNull<Header>) -> Self {
        Self(g)
    }

    /// # Safety
    /// The cell is alive.
    pub(crate) unsafe fn clone_from_raw(g: NonNull<Header>) -> Self {
        // SAFETY: the caller says so.
        unsafe { g.as_ref() }.state.ref_inc();
        Self(g)
    }

    pub(crate) fn into_raw(self) -> NonNull<Header> {
        ManuallyDrop::new(self).0
    }

    pub(crate) fn as_ptr(&self) -> NonNull<Header> {
        self.0
    }

    /// Drops this reference and another one of the same goroutine.
    pub(super) fn drop_both(self, other: GRef) {
        debug_assert_eq!(self.0, other.0);
        let (g, _) = (self.into_raw(), other.into_raw());
        // SAFETY: two references, given up here; if they were the last nobody else can reach the cell.
        unsafe {
            if g.as_ref().state.ref_dec_by(2) {
                (g.as_ref().vtable.dealloc)(g);
            }
        }
    }

    /// The link of the global queue.
    ///
    /// # Safety
    /// The caller owns the reference of the run queue.
    pub(crate) unsafe fn run_next(g: NonNull<Header>) -> *mut Option<NonNull<Header>> {
        // SAFETY: the reference keeps the cell alive.
        unsafe { g.as_ref().run_next.get() }
    }

    /// Makes the goroutine ready; the reference goes to the run queue if it has to be queued.
    pub(crate) fn ready(self) {
        if self.state.ready() == Ready::Enqueue {
            self.enqueue();
        }
    }

    /// Asks for it to be aborted.
    pub(crate) fn abort(self) {
        if self.state.abort() == Ready::Enqueue {
            self.enqueue();
        }
    }

    pub(super) fn enqueue(self) {
        trace::progressed();
        if let Some(unpark) = self.vtable.unpark {
            // SAFETY: the reference goes over to the callee.
            return unsafe { unpark(self.into_raw()) };
        }
        // What runs here is in the same scope: no lock and no reference is needed to know where.
        if let Some(schedule) = current::schedule_of(self.scope) {
            // SAFETY: what `enter_poll` was given outlives the poll.
            return unsafe { schedule.as_ref() }.enqueue(self);
        }
        if let Some(schedule) = self.schedule() {
            schedule.enqueue(self);
        }
    }

    /// Where it runs; `None` if it is done. Whoever reaps it may end its life, and its scope's, at any
    /// moment: the cell's lock, which `finish` takes before it unregisters, keeps both until we have
    /// a reference.
    fn schedule(&self) -> Option<Arc<dyn Schedule>> {
        let _lock = self.leaves.lock();
        if self.snapshot().is_complete() {
            return None;
        }
        // SAFETY: not complete under the lock, so still registered.
        Some(unsafe { self.scope() }.schedule().clone())
    }

    /// Ends a goroutine that was started in a closed scope: it is never run, and stays registered
    /// until it is reaped.
    pub(crate) fn refuse(self) {
        self.state.refuse_start();
    }

    /// Freezes a goroutine that nobody runs, even if it sits in a run queue: the queue's M will skip
    /// it. False if it is inside a poll or done.
    pub(crate) fn seize(&self) -> bool {
        self.state.seize()
    }

    /// A join handle goes, with the output that it left.
    pub(super) fn drop_join_and_self(self) {
        let g = self.into_raw();
        // SAFETY: the reference keeps the cell alive. The state word says whether it is given up already, and
        // gave us the output, or the cell.
        unsafe {
            let header = g.as_ref();
            match header.state.drop_join_and_ref() {
                DropJoin::Done => {}
                DropJoin::Last => (header.vtable.dealloc)(g),
                DropJoin::Output => {
                    (header.vtable.drop_output)(g);
                    drop(GRef::from_raw(g));
                }
            }
        }
    }

    /// The join handle of a goroutine whose output is nobody's goes.
    pub(crate) fn drop_join(&self) -> bool {
        self.state.drop_join()
    }

    pub(crate) fn freeze(&self) -> bool {
        self.state.freeze()
    }

    /// Gives a frozen goroutine back to its scheduler.
    pub(crate) fn thaw(self) {
        if self.state.thaw() == Ready::Enqueue {
            self.enqueue();
        }
    }

    /// Claims a frozen goroutine for a trace poll or for being dropped.
    pub(crate) fn claim_frozen(&self) -> bool {
        self.state.claim_frozen()
    }

    pub(crate) fn release_frozen(&self) {
        self.state.release_frozen();
    }
}
