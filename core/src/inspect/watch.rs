//! What a watching scope keeps: the live records of its primitives, and the reap log.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use super::context::ContextNotes;
use super::panics::{PanicNote, Panics};
use super::residue::Residues;
use super::{Capability, GoroutineId, Location, PrimitiveId, Record};
use crate::sys::Lock;

/// A moment of the reap log: the number of an event, not a time. Later events have larger ticks.
pub type Tick = u64;

thread_local! {
    /// The watch that this thread is reaping for.
    static REAPING: Cell<*const Watch> = const { Cell::new(core::ptr::null()) };
    /// What this thread does at the moment it does in the place of somebody outside.
    static OUTSIDE: Cell<bool> = const { Cell::new(false) };
}

/// The inspection side of a scope. Records and the scope share it; it knows neither the
/// goroutines nor the primitives.
pub struct Watch {
    closed: AtomicBool,
    clock: AtomicU64,
    timers: AtomicUsize,
    records: Lock<Slots>,
    panics: Panics,
    /// When, after the scope was closed, the last join or abort handle of a goroutine was dropped;
    /// `None` if another thread than the reaper dropped one.
    handles: Lock<HashMap<GoroutineId, Option<Tick>>>,
    contexts: ContextNotes,
    /// The goroutine whose future is being dropped; 0 for none.
    dropping: AtomicU64,
    held: Lock<Vec<Held>>,
    held_is_cut: AtomicBool,
    residues: Residues,
    origins: Lock<HashMap<GoroutineId, Spawned>>,
}

/// Entries of the reap log. Beyond that the log says nothing more, and the graph made of it has fewer
/// edges.
const HELD: usize = 1 << 21;
/// Goroutines whose own start is remembered for their children.
const ORIGINS: usize = 1 << 16;

/// A line of the reap log: with the future of this goroutine a handle went, or was used by a destructor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// Whose future was dropped.
    pub by: GoroutineId,
    /// The primitive.
    pub primitive: PrimitiveId,
    /// What the handle could do.
    pub capability: Capability,
}

/// How a goroutine was started that started others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spawned {
    /// Where.
    pub at: Location,
    /// By whom; `None` from outside the runtime.
    pub by: Option<GoroutineId>,
}

/// Live records by slot; a record frees its slot when it is dropped.
#[derive(Default)]
struct Slots {
    entries: Vec<Option<Weak<Record>>>,
    free: Vec<usize>,
}

impl Watch {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            closed: AtomicBool::new(false),
            // 0 stands for "alive" and 1 for "dead before the scope was closed".
            clock: AtomicU64::new(2),
            timers: AtomicUsize::new(0),
            records: Lock::new(Slots::default()),
            panics: Panics::default(),
            handles: Lock::new(HashMap::new()),
            contexts: ContextNotes::default(),
            dropping: AtomicU64::new(0),
            held: Lock::new(Vec::new()),
            held_is_cut: AtomicBool::new(false),
            residues: Residues::default(),
            origins: Lock::new(HashMap::new()),
        })
    }

    /// Whether the scope is closed: wakes are recorded instead of run, and `go` is refused.
    pub fn is_closed(&self) -> bool {
        // SeqCst: pairs with the state transitions of a poll. Either the M that starts a poll sees
        // the scope closed, or whoever closed it sees the goroutine running.
        self.closed.load(Ordering::SeqCst)
    }

    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }

    /// The next moment of the reap log.
    pub fn tick(&self) -> Tick {
        // SeqCst: ticks taken on different threads agree with the order of the drops they log.
        self.clock.fetch_add(1, Ordering::SeqCst)
    }

    /// Marks this thread as one that reaps for this scope, until the guard is dropped.
    pub fn reaping(self: &Arc<Self>) -> Reaping {
        let before = REAPING.with(|r| r.replace(Arc::as_ptr(self)));
        Reaping { before, _watch: self.clone() }
    }

    /// Marks this thread as one that reaps for this scope, until [`end_reaping`](Self::end_reaping).
    pub(crate) fn begin_reaping(&self) {
        REAPING.with(|r| r.set(self));
    }

    /// This thread reaps no more.
    pub(crate) fn end_reaping() {
        REAPING.with(|r| r.set(core::ptr::null()));
    }

    /// Whether this thread reaps for this scope.
    pub(crate) fn is_reaper(&self) -> bool {
        REAPING.with(|r| core::ptr::eq(r.get(), self)) && !OUTSIDE.get()
    }

    /// Runs `f`, code of a foreign waker, on a thread that may be reaping. The leaf that had the waker is
    /// listed in `listed`.
    ///
    /// Whoever could have released that leaf could have made this code run. If that is the goroutine whose
    /// future is being dropped, it had the leaf in its wait set, so the proof knows what could release it.
    /// In all other cases nobody does: then what `f` uses or drops counts as used by somebody outside.
    pub(crate) fn waker_code<R>(listed: Option<GoroutineId>, f: impl FnOnce() -> R) -> R {
        let reaping = REAPING.get();
        if reaping.is_null() {
            return f();
        }
        // SAFETY: the watch of a reap is alive until this thread reaps no more.
        let dropping = unsafe { &*reaping }.dropping.load(Ordering::Relaxed);
        if listed.is_some_and(|listed| listed.get() == dropping) {
            return f();
        }
        let outside = Outside(OUTSIDE.replace(true));
        let result = f();
        drop(outside);
        result
    }

    /// Whether this thread reaps for any scope: a call that would park unwinds instead.
    pub(crate) fn on_reaper_thread() -> bool {
        REAPING.with(|r| !r.get().is_null())
    }

    pub(crate) fn insert(&self, record: &Weak<Record>) -> usize {
        let mut slots = self.records.lock();
        match slots.free.pop() {
            Some(slot) => {
                slots.entries[slot] = Some(record.clone());
                slot
            }
            None => {
                slots.entries.push(Some(record.clone()));
                slots.entries.len() - 1
            }
        }
    }

    pub(crate) fn remove(&self, slot: usize) {
        let mut slots = self.records.lock();
        let gone = slots.entries[slot].take();
        slots.free.push(slot);
        drop(slots);
        drop(gone);
    }

    /// The records of all live primitives that were created in this scope.
    pub fn records(&self) -> Vec<Arc<Record>> {
        let slots = self.records.lock();
        slots.entries.iter().flatten().filter_map(Weak::upgrade).collect()
    }

    pub(crate) fn note_panic(&self, note: PanicNote) {
        self.panics.note(note);
    }

    /// A join handle received the panic of this goroutine, if it panicked: it is handled.
    pub(crate) fn handled(&self, id: GoroutineId) {
        self.panics.handled(id);
    }

    /// Panics that ended goroutines and that no join handle received, oldest first.
    pub fn panics(&self) -> Vec<PanicNote> {
        self.panics.all()
    }

    /// A join or abort handle of `id` goes.
    pub(crate) fn handle_dropped(&self, id: GoroutineId) {
        if !self.is_closed() {
            return;
        }
        let tick = self.is_reaper().then(|| self.tick());
        let mut handles = self.handles.lock();
        match handles.get(&id) {
            Some(None) => {}
            _ => drop(handles.insert(id, tick)),
        }
    }

    /// Handles of `id` that were dropped after the scope was closed: `None` if there were none,
    /// `Some(None)` if another thread than the reaper had one, else the moment of the last.
    pub fn handles_died(&self, id: GoroutineId) -> Option<Option<Tick>> {
        self.handles.lock().get(&id).copied()
    }

    /// From now on it is the future of `id` that the reaper drops.
    pub(crate) fn drops(&self, id: Option<GoroutineId>) {
        // Relaxed: written and read by the thread that reaps, or handed over with the call that unwinds.
        self.dropping.store(id.map_or(0, GoroutineId::get), Ordering::Relaxed);
    }

    /// No goroutine's future is dropped from now on.
    pub fn drops_nobody(&self) {
        self.drops(None);
    }

    /// The reaper let go of a handle with this capability.
    pub(crate) fn let_go(&self, primitive: PrimitiveId, capability: Capability) {
        let Some(by) = GoroutineId::from_u64(self.dropping.load(Ordering::Relaxed)) else { return };
        let entry = Held { by, primitive, capability };
        let mut held = self.held.lock();
        if held.last() == Some(&entry) {
            return;
        }
        match held.len() < HELD {
            true => held.push(entry),
            // Relaxed: read by the thread that reaped.
            false => self.held_is_cut.store(true, Ordering::Relaxed),
        }
    }

    /// Whether more went than the reap log holds: the graph that is made of it lacks edges.
    pub fn held_is_cut(&self) -> bool {
        self.held_is_cut.load(Ordering::Relaxed)
    }

    /// The reap log: who held what, in the order of the drops. Taken out.
    pub fn take_held(&self) -> Vec<Held> {
        core::mem::take(&mut *self.held.lock())
    }

    pub(crate) fn residues(&self) -> &Residues {
        &self.residues
    }

    /// `parent`, started by `by` at `at`, starts a goroutine: its children outlive what is known of it.
    pub(crate) fn note_origin(&self, parent: GoroutineId, at: Location, by: Option<GoroutineId>) {
        let mut origins = self.origins.lock();
        if origins.len() < ORIGINS {
            origins.entry(parent).or_insert(Spawned { at, by });
        }
    }

    /// How `id` was started, if it started goroutines itself.
    pub fn origin(&self, id: GoroutineId) -> Option<Spawned> {
        self.origins.lock().get(&id).copied()
    }

    pub(super) fn context_notes(&self) -> &ContextNotes {
        &self.contexts
    }

    pub(crate) fn timer_armed(&self) {
        // Relaxed: a figure of the stock, read when the scope is quiescent.
        self.timers.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn timer_disarmed(&self) {
        self.timers.fetch_sub(1, Ordering::Relaxed);
    }

    /// Timers of this scope that are armed.
    pub fn armed_timers(&self) -> usize {
        self.timers.load(Ordering::Relaxed)
    }
}

/// Sets [`OUTSIDE`] back, also when a waker panics.
struct Outside(bool);

impl Drop for Outside {
    fn drop(&mut self) {
        OUTSIDE.set(self.0);
    }
}

/// Marks a thread as reaping while it lives.
pub struct Reaping {
    before: *const Watch,
    _watch: Arc<Watch>,
}

impl Drop for Reaping {
    fn drop(&mut self) {
        REAPING.with(|r| r.set(self.before));
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_reap_log_says_when_it_is_full() {
        let watch = Watch::new();
        let ids: Vec<_> = (1..=2).filter_map(PrimitiveId::from_u64).collect();
        watch.drops(GoroutineId::from_u64(7));
        // What is logged twice in a row takes no room.
        let let_go = |n: usize| watch.let_go(ids[n % 2], Capability::Release);
        (0..HELD).for_each(let_go);
        watch.let_go(ids[1], Capability::Release);
        assert!(!watch.held_is_cut());
        let_go(0);
        assert!(watch.held_is_cut());
        assert_eq!(watch.take_held().len(), HELD);
    }
}
