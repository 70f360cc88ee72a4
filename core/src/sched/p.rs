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

/// The right to run goroutines. Cells are used by its owner only.
pub(crate) struct P {
    pub(crate) owner: Owner,
    queue: RunQueue,
    next: Cell<Option<NonNull<Header>>>,
    tick: Cell<u32>,
}

// SAFETY: `next` and `tick` are used by the M that owns the P, as the ownership word decides; the
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
        self.next
            .take()
            // SAFETY: `next` owned this reference.
            .map(|g| unsafe { GRef::from_raw(g) })
            .or_else(|| self.queue.get())
            .or_else(|| global.pop())
    }
}

impl Drop for P {
    fn drop(&mut self) {
        // SAFETY: `next` owned this reference.
        drop(self.next.take().map(|g| unsafe { GRef::from_raw(g) }));
    }
}
