//! The cell of a goroutine: one allocation with a 96-byte header and the future or its output.

use core::cell::UnsafeCell;
use core::future::Future;
use core::mem::ManuallyDrop;
use core::panic::AssertUnwindSafe;
use core::pin::Pin;
use core::ptr::NonNull;
use core::task::{Context, Poll};
use std::any::Any;
use std::panic::catch_unwind;
use std::sync::Arc;

use super::leaf::{FIRED, Joiner, Leaf, Wake};
use super::leaves::{LeafList, LockedList};
use super::scope::{Schedule, Scope};
use super::state::{DropJoin, EndPoll, Ready, Snapshot, StartPoll, State};
use super::{JoinError, current, exit, point, trace, waker};
use crate::inspect::{GoroutineId, Location, PanicNote};
use crate::list::Links;
use crate::sys::atomic::{AtomicBool, AtomicPtr, AtomicU32, Ordering};

/// What a panic carries.
pub(crate) type Payload = Box<dyn Any + Send>;

/// What differs between goroutines of different future types.
pub(super) struct Vtable {
    poll: unsafe fn(NonNull<Header>, &mut Context<'_>) -> Poll<()>,
    drop_future: unsafe fn(NonNull<Header>) -> Result<(), Payload>,
    pub(super) take_output: unsafe fn(NonNull<Header>, NonNull<()>),
    pub(super) drop_output: unsafe fn(NonNull<Header>),
    dealloc: unsafe fn(NonNull<Header>),
    /// Makes a thread-bound goroutine go on; `None` for goroutines that Ms poll.
    unpark: Option<unsafe fn(NonNull<Header>)>,
    /// Bytes of the whole cell: a leaf inside it needs no reference.
    size: usize,
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
            size: 0,
        }
    }
}

/// What every goroutine starts with. 96 bytes.
#[repr(C)]
pub(crate) struct Header {
    state: State,
    vtable: &'static Vtable,
    /// Next in a global queue. Whoever holds the queue's reference owns it.
    run_next: UnsafeCell<Option<NonNull<Header>>>,
    registry: Links<Header>,
    id: GoroutineId,
    parent: Option<GoroutineId>,
    /// Alive while the goroutine is registered: the registry keeps it.
    scope: NonNull<Scope>,
    created_at: Location,
    /// What it waits for, and the lock of the cell.
    leaves: LeafList,
    /// Who joins it; written under the cell's lock.
    joiner: AtomicPtr<Joiner>,
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
    pub(crate) fn here(scope: &'a Arc<Scope>, at: Location) -> Self {
        Self { scope, parent: current::id(), at }
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

/// What became of a goroutine that an M ran.
#[must_use]
pub(crate) enum Polled {
    /// It finished or is parked; nothing to do.
    Gone,
    /// It was made ready while it ran.
    Requeue(GRef),
}

/// The scope's address; an `Arc` may be made of it again.
fn scope_ptr(scope: &Arc<Scope>) -> NonNull<Scope> {
    // SAFETY: an `Arc` is not null.
    unsafe { NonNull::new_unchecked(Arc::as_ptr(scope).cast_mut()) }
}

impl Header {
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
        self.vtable.unpark.is_some()
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

    /// Polls the future once. It is completed by this call if it is ready or panics; the registry's
    /// reference is the caller's then.
    pub(super) fn poll(g: NonNull<Header>, cx: &mut Context<'_>) -> Poll<GRef> {
        // SAFETY: callers have claimed the goroutine: the state word says RUNNING, by them. If it is done
        // `Cell::poll` has taken it out of the registry.
        unsafe { (g.as_ref().vtable.poll)(g, cx).map(|()| GRef::from_raw(g)) }
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

    /// The end of a goroutine's life, which is complete already: wakes whoever joins it and takes it out of
    /// the registry. The registry's reference is the caller's from now on.
    fn finish(g: NonNull<Header>) {
        // SAFETY: the caller polls or reaps the goroutine and has a reference.
        let header = unsafe { g.as_ref() };
        // Whoever takes the lock from now on finds it complete, and leaves joiner and scope alone.
        let joiner =
            match header.leaves.is_free() && header.joiner.load(Ordering::Acquire).is_null() {
                true => None,
                false => header.fire_joiner(),
            };
        // SAFETY: it is registered until this call. The scope is kept until it has returned.
        drop(unsafe { header.scope().unregister(g) });
        if let Some(wake) = joiner {
            wake.wake();
        }
    }

    fn fire_joiner(&self) -> Option<Wake> {
        let lock = self.leaves.lock();
        let joiner = NonNull::new(self.joiner.load(Ordering::Relaxed))?;
        self.set_joiner(&lock, None);
        // SAFETY: the cell's lock guards the slot, and a joiner unhooks itself under the same lock before
        // it goes.
        Some(unsafe { Leaf::fire(Joiner::leaf(joiner), FIRED) })
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
    fn drop_both(self, other: GRef) {
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

    fn enqueue(self) {
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

    /// Runs a goroutine that was taken from a run queue of `schedule`, which is that of its scope: one
    /// poll. It yields when `asked` says so; without, after a number of operations.
    pub(crate) fn run(
        self,
        now_millis: u32,
        schedule: &dyn Schedule,
        asked: Option<&AtomicBool>,
    ) -> Polled {
        match self.state.start_poll() {
            StartPoll::Skip => return Polled::Gone,
            StartPoll::Cancel => return self.cancel(),
            // SAFETY: just claimed, so registered.
            StartPoll::Poll if unsafe { self.scope() }.is_closed() => {
                self.state.refuse_poll();
                return Polled::Gone;
            }
            StartPoll::Poll => {}
        }
        self.note_poll();
        let waker = waker::for_poll(self.0);
        let poll = || Header::poll(self.0, &mut Context::from_waker(&waker));
        let (polled, woken) = current::enter_poll(self.0, self.scope, schedule, asked, poll);
        if let Poll::Ready(registrys) = polled {
            self.drop_both(registrys);
            return Polled::Gone;
        }
        self.set_parked_at(now_millis);
        match self.state.end_own_poll(woken) {
            EndPoll::Parked => {
                // Given up with the claim.
                let _ = self.into_raw();
                Polled::Gone
            }
            EndPoll::Requeue => Polled::Requeue(self),
            EndPoll::Cancel => self.cancel(),
        }
    }

    /// Ends an aborted goroutine that this M has claimed.
    fn cancel(&self) -> Polled {
        if let Err(payload) = self.discard() {
            forget_payload(payload);
        }
        Polled::Gone
    }

    /// Drops the future of a goroutine that the caller has claimed, with panics caught, and ends
    /// its life. The panic's payload is returned.
    pub(crate) fn discard(&self) -> Result<(), Payload> {
        // SAFETY: the caller has claimed the goroutine, so nobody polls or drops the future.
        let dropped = current::enter(self.0, || unsafe { (self.vtable.drop_future)(self.0) });
        self.finish_without_output();
        dropped
    }

    /// Drops the future of a goroutine that nobody runs. False if there is somebody, or it is done.
    pub(crate) fn discard_idle(&self) -> bool {
        if !(self.seize() && self.claim_frozen()) {
            return false;
        }
        if let Err(payload) = self.discard() {
            forget_payload(payload);
        }
        true
    }

    /// Ends a thread-bound goroutine, on its thread.
    pub(super) fn finish_thread(&self) {
        self.finish_without_output();
    }

    fn finish_without_output(&self) {
        self.state.complete(false);
        Header::finish(self.0);
        // SAFETY: the registry's reference, given up here.
        drop(unsafe { GRef::from_raw(self.0) });
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
        let cell = Box::new(Cell {
            header: Header::new(State::new(true), Cell::<F>::VTABLE, origin),
            stage: UnsafeCell::new(Stage { future: ManuallyDrop::new(future) }),
        });
        // SAFETY: a box is not null.
        let g = unsafe { NonNull::new_unchecked(Box::into_raw(cell).cast::<Header>()) };
        let queued = Self(g);
        origin.scope.register(&queued);
        (queued, Self(g))
    }
}

impl<F: Future + 'static> Cell<F> {
    const VTABLE: &'static Vtable = &Vtable {
        poll: Self::poll,
        drop_future: Self::drop_future,
        take_output: Self::take_output,
        drop_output: Self::drop_output,
        dealloc: Self::dealloc,
        unpark: None,
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
        // SAFETY: the cell was made by `Box` with this type; the stage is a union and drops
        // nothing: a goroutine completes before the registry gives up its reference.
        drop(unsafe { Box::from_raw(g.cast::<Self>().as_ptr()) });
    }
}

/// A payload whose own destructor panics would take the process down; it is leaked instead.
pub(crate) fn forget_payload(payload: Payload) {
    if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        core::mem::forget(second);
    }
}

/// Drops a value of the user's; a panic ends here.
fn drop_caught<T>(value: T) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(value))) {
        forget_payload(payload);
    }
}

/// Notes a panic of `g` in its scope, unless it is an exit.
fn panicked(g: NonNull<Header>, payload: Payload) -> JoinError {
    if exit::is_exit(&payload) {
        return JoinError::exited();
    }
    point::panicked();
    // SAFETY: the goroutine is being polled, so it is alive and registered.
    let (header, scope) = unsafe { (g.as_ref(), g.as_ref().scope()) };
    let (goroutine, created_at) = (header.id, header.created_at);
    let note = PanicNote { goroutine, created_at, message: payload_message(&*payload) };
    scope.schedule().on_panic(&note, header.parent());
    if let Some(watch) = scope.watch() {
        watch.note_panic(note);
    }
    JoinError::panicked(payload)
}

/// The text of a panic payload.
pub(crate) fn payload_message(payload: &(dyn Any + Send)) -> String {
    payload
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic whose payload is no text".to_string())
}
