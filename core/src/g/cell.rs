//! The header of a goroutine's cell: 96 bytes before the future or its output, in one allocation.

use core::cell::UnsafeCell;
use core::mem::ManuallyDrop;
use core::ptr::NonNull;
use std::sync::Arc;

use super::current;
use super::future::Vtable;
use super::gref::GRef;
use super::leaf::Joiner;
use super::leaves::{LeafList, LockedList};
use super::scope::Scope;
use super::state::{Ready, Snapshot, State};
use crate::inspect::{GoroutineId, Location};
use crate::list::Links;
use crate::sys::atomic::{AtomicPtr, AtomicU32, Ordering};

/// What every goroutine starts with. 96 bytes.
#[repr(C)]
pub(crate) struct Header {
    pub(super) state: State,
    pub(super) vtable: &'static Vtable,
    /// Next in a global queue. Whoever holds the queue's reference owns it.
    pub(super) run_next: UnsafeCell<Option<NonNull<Header>>>,
    registry: Links<Header>,
    pub(super) id: GoroutineId,
    parent: Option<GoroutineId>,
    /// Alive while the goroutine is registered: the registry keeps it.
    pub(super) scope: NonNull<Scope>,
    pub(super) created_at: Location,
    /// What it waits for, and the lock of the cell.
    pub(super) leaves: LeafList,
    /// Who joins it; written under the cell's lock.
    pub(super) joiner: AtomicPtr<Joiner>,
    /// Coarse time of the last park in milliseconds of the runtime's clock, see `marks.rs`.
    pub(super) parked_at: AtomicU32,
    /// Polls so far, and marks, see `marks.rs`.
    pub(super) polls: AtomicU32,
}

const _: () = assert!(size_of::<Header>() == 96 || cfg!(loom) || size_of::<usize>() != 8);

// SAFETY: fields are atomics, or guarded as their comments say: `run_next` by the queue's
// reference, `registry` by the shard's lock, `joiner` and the leaves by the cell's lock. The future
// behind the header is `Send`, or pinned to the one M that may poll and drop it.
unsafe impl Send for Header {}
// SAFETY: as above.
unsafe impl Sync for Header {}

/// Who starts a goroutine and where.
pub(crate) struct Origin<'a> {
    pub(crate) scope: &'a Arc<Scope>,
    pub(crate) parent: Option<GoroutineId>,
    pub(crate) at: Location,
}

impl<'a> Origin<'a> {
    /// For a goroutine started here, in `scope`.
    #[inline]
    pub(crate) fn here(scope: &'a Arc<Scope>, at: Location) -> Self {
        Self { scope, parent: current::id(), at }
    }
}

/// The scope's address; an `Arc` may be made of it again.
fn scope_ptr(scope: &Arc<Scope>) -> NonNull<Scope> {
    // SAFETY: an `Arc` is not null.
    unsafe { NonNull::new_unchecked(Arc::as_ptr(scope).cast_mut()) }
}

impl Header {
    #[inline]
    pub(super) fn new(state: State, vtable: &'static Vtable, origin: &Origin<'_>) -> Self {
        Self {
            state,
            vtable,
            run_next: UnsafeCell::new(None),
            registry: Links::new(),
            id: current::next_id(),
            parent: origin.parent,
            scope: scope_ptr(origin.scope),
            created_at: origin.at,
            leaves: LeafList::new(),
            joiner: AtomicPtr::new(core::ptr::null_mut()),
            parked_at: AtomicU32::new(0),
            polls: AtomicU32::new(0),
        }
    }

    pub(crate) fn id(&self) -> GoroutineId {
        self.id
    }
    pub(crate) fn parent(&self) -> Option<GoroutineId> {
        self.parent
    }
    pub(crate) fn created_at(&self) -> Location {
        self.created_at
    }
    pub(super) fn state(&self) -> &State {
        &self.state
    }
    pub(crate) fn snapshot(&self) -> Snapshot {
        self.state.load()
    }
    pub(crate) fn leaves(&self) -> &LeafList {
        &self.leaves
    }
    pub(super) fn vtable(&self) -> &'static Vtable {
        self.vtable
    }
    /// Whether it is a thread's own call instead of a future.
    pub(crate) fn is_thread_bound(&self) -> bool {
        self.vtable.unpark.is_some() && !self.is_hosted()
    }
    /// Whether a future of another runtime polls it.
    pub(crate) fn is_hosted(&self) -> bool {
        self.vtable.is_hosted
    }
    /// Whether `address` lies in this cell.
    pub(super) fn contains(&self, address: usize) -> bool {
        let start = core::ptr::from_ref(self).addr();
        (start..start + self.vtable.size).contains(&address)
    }

    /// The scope.
    ///
    /// # Safety
    /// The goroutine is registered: it is being polled, or the caller saw it registered and holds
    /// the scope.
    pub(crate) unsafe fn scope(&self) -> &Scope {
        // SAFETY: the registry keeps the scope while it has members.
        unsafe { self.scope.as_ref() }
    }

    /// A reference of one's own to the scope.
    ///
    /// # Safety
    /// As for [`scope`](Self::scope).
    pub(crate) unsafe fn scope_arc(&self) -> Arc<Scope> {
        // SAFETY: the pointer came from an `Arc` that the registry keeps alive.
        unsafe {
            Arc::increment_strong_count(self.scope.as_ptr());
            Arc::from_raw(self.scope.as_ptr())
        }
    }

    /// Runs `f` with the scope, without counting a reference.
    ///
    /// # Safety
    /// The goroutine is registered until `f` has returned.
    pub(crate) unsafe fn with_scope<R>(&self, f: impl FnOnce(&Arc<Scope>) -> R) -> R {
        // SAFETY: the pointer came from an `Arc` that the registry keeps alive; what is made here is
        // borrowed, and never dropped.
        let scope = ManuallyDrop::new(unsafe { Arc::from_raw(self.scope.as_ptr()) });
        f(&scope)
    }

    pub(super) fn registry_links(g: NonNull<Header>) -> NonNull<Links<Header>> {
        // SAFETY: in bounds of a live header; a projection of a non-null pointer is not null.
        unsafe { NonNull::new_unchecked(&raw mut (*g.as_ptr()).registry) }
    }

    /// Drops one counted waker.
    ///
    /// # Safety
    /// The waker was counted and is not used again.
    pub(super) unsafe fn drop_waker(g: NonNull<Header>) {
        // SAFETY: the waker kept the cell alive until here; the last one frees it.
        unsafe {
            if g.as_ref().state.waker_dec() {
                (g.as_ref().vtable.dealloc)(g);
            }
        }
    }

    /// Makes the goroutine ready, for somebody whose waker keeps the cell alive.
    pub(super) fn ready_by_ref(g: NonNull<Header>) {
        if current::wake_polled(g) {
            return;
        }
        // SAFETY: the caller's waker keeps the cell alive.
        if unsafe { g.as_ref() }.state.ready_by_ref() == Ready::Enqueue {
            // SAFETY: the state word made this reference.
            unsafe { GRef::from_raw(g) }.enqueue();
        }
    }

    /// Says who joins this goroutine. The caller holds the lock of this cell.
    pub(super) fn set_joiner(&self, _lock: &LockedList<'_>, joiner: Option<NonNull<Joiner>>) {
        let joiner = joiner.map_or(core::ptr::null_mut(), NonNull::as_ptr);
        // Release: pairs with the load in `finish`.
        self.joiner.store(joiner, Ordering::Release);
    }
}
