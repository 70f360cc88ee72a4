//! A P: the right to run goroutines, with its run queue, the `runnext` slot and a tick.

use core::cell::Cell;
use core::ptr::NonNull;

use super::global::Global;
use super::owner::Owner;
use super::runq::RunQueue;
use crate::g::{GRef, Header};

/// The global queue is looked at first on every 61st dispatch, so that two goroutines that keep
/// making each other ready cannot starve it. Go's number.
const GLOBAL_TICK: u32 = 61;

/// Dispatches out of `runnext` in a row, after which the queue has its turn: two goroutines that keep
/// making each other ready must not starve it. Go caps the time slice that they inherit; counted
/// dispatches keep one P deterministic.
const NEXT_IN_A_ROW: u32 = 256;

/// The right to run goroutines. Cells are used by its owner only.
pub(crate) struct P {
    pub(crate) owner: Owner,
    queue: RunQueue,
    next: Cell<Option<NonNull<Header>>>,
    tick: Cell<u32>,
    /// Dispatches out of `next` since the queue had its turn.
    streak: Cell<u32>,
}

// SAFETY: `next`, `tick` and `streak` are used by the M that owns the P, as the ownership word decides; the
// word's orderings hand them over. `next` owns a reference.
unsafe impl Sync for P {}
// SAFETY: as above.
unsafe impl Send for P {}

impl P {
    pub(crate) fn new() -> Self {
        Self {
            owner: Owner::new(),
            queue: RunQueue::new(),
            next: Cell::new(None),
            tick: Cell::new(0),
            streak: Cell::new(0),
        }
    }

    /// Makes `g` the next to run; what was next goes to the end of the queue.
    ///
    /// # Safety
    /// The caller owns the P.
    pub(crate) unsafe fn put_next(&self, g: GRef, global: &Global) {
        if let Some(before) = self.next.replace(Some(g.into_raw())) {
            // SAFETY: `next` owned this reference; the P is the caller's.
            unsafe { self.put(GRef::from_raw(before), global) };
        }
    }

    /// Appends `g` to the queue, or half of a full queue and `g` to the global one.
    ///
    /// # Safety
    /// The caller owns the P.
    pub(crate) unsafe fn put(&self, g: GRef, global: &Global) {
        if let Err(overflow) = self.queue.put(g) {
            global.push_all(overflow);
        }
    }

    /// Queues `g` behind all that are ready now: those in the global queue run after the P's own.
    ///
    /// # Safety
    /// The caller owns the P.
    pub(crate) unsafe fn put_last(&self, g: GRef, global: &Global) {
        if global.is_empty() {
            // SAFETY: as the caller says.
            unsafe { self.put(g, global) };
        } else {
            global.push(g);
        }
    }

    /// The next goroutine to run, in Go's order.
    ///
    /// # Safety
    /// The caller owns the P.
    pub(crate) unsafe fn pick(&self, global: &Global) -> Option<GRef> {
        let tick = self.tick.get().wrapping_add(1);
        self.tick.set(tick);
        if tick.is_multiple_of(GLOBAL_TICK)
            && let Some(g) = global.pop()
        {
            return Some(g);
        }
        // SAFETY: `next` owned this reference.
        if let Some(g) = self.next.take().map(|g| unsafe { GRef::from_raw(g) }) {
            if self.streak.get() < NEXT_IN_A_ROW {
                self.streak.set(self.streak.get() + 1);
                return Some(g);
            }
            // SAFETY: the P is the caller's.
            unsafe { self.put_last(g, global) };
        }
        self.streak.set(0);
        self.queue.get().or_else(|| global.pop())
    }
}

impl Drop for P {
    fn drop(&mut self) {
        // SAFETY: `next` owned this reference.
        drop(self.next.take().map(|g| unsafe { GRef::from_raw(g) }));
    }
}
