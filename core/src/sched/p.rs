//! A P: the right to run goroutines, with its run queue, the `runnext` slot and a tick.

use core::ptr::{NonNull, null_mut};
use std::time::{Duration, Instant};

use super::global::Global;
use super::m::Pushed;
use super::metrics::Meters;
use super::owner::Owner;
use super::runq::{RunQueue, SLOTS};
use crate::g::{GRef, Header};
use crate::sys::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use crate::sys::modelled::atomic::AtomicPtr;

/// The global queue is looked at first on every 61st dispatch, so that two goroutines that keep
/// making each other ready cannot starve it. Go's number.
pub(super) const GLOBAL_TICK: u64 = 61;

/// Dispatches out of `runnext` in a row, after which the queue has its turn: two goroutines that keep
/// making each other ready must not starve it. Go caps the time slice that they inherit; counted dispatches
/// keep one P deterministic.
const NEXT_IN_A_ROW: u32 = 256;
/// The same where sysmon caps the slice, see [`P::end_streak`]: for short polls, which have had enough long
/// before.
const NEXT_IN_A_SLICE: u32 = 4096;

/// So many in the queue are worth the end of a nap.
const MANY: usize = 8;

/// How long a thief leaves alone what a P that runs is about to run next: two goroutines that hand work
/// to each other would only be torn apart. Go's number.
const NEXT_IS_LEFT: Duration = Duration::from_micros(3);

/// The right to run goroutines. Cells are used by its owner only.
pub(crate) struct P {
    pub(super) owner: Owner,
    pub(super) index: usize,
    /// Whether other Ps may steal from this one. Set once, by its owner: as long as there is one P its
    /// owner needs no read-modify-write to take from the queue.
    open: AtomicBool,
    queue: RunQueue,
    /// Owns a reference. Its owner fills and empties it, a thief may empty it.
    next: AtomicPtr<Header>,
    /// Looks for something to run so far. Only the owner writes.
    tick: AtomicU64,
    /// Set by sysmon: the poll is to yield at its next operation.
    yields: AtomicBool,
    /// Dispatches out of `next` since the queue had its turn. Only the owner writes.
    streak: AtomicU32,
    most_in_a_row: u32,
    /// Set by sysmon: the queue is to have its turn.
    ends_streak: AtomicBool,
    pub(super) meters: Meters,
}

// SAFETY: the cell in `meters` is used by the M that owns the P, as the ownership word decides; the word's orderings
// hand it over.
unsafe impl Sync for P {}
// SAFETY: as above; `next` owns a reference, which is `Send`.
unsafe impl Send for P {}

impl P {
    pub(super) fn new(index: usize, open: bool, has_sysmon: bool) -> Self {
        Self {
            owner: Owner::new(),
            index,
            open: AtomicBool::new(open),
            queue: RunQueue::new(),
            next: AtomicPtr::new(null_mut()),
            tick: AtomicU64::new(0),
            yields: AtomicBool::new(false),
            streak: AtomicU32::new(0),
            most_in_a_row: if has_sysmon { NEXT_IN_A_SLICE } else { NEXT_IN_A_ROW },
            ends_streak: AtomicBool::new(false),
            meters: Meters::new(),
        }
    }

    /// Asks the poll that goes on to yield at its next operation. Should it end meanwhile, the next one yields
    /// instead.
    pub(super) fn ask_to_yield(&self) {
        // Relaxed: a hint.
        self.yields.store(true, Ordering::Relaxed);
    }

    /// Where the poll that is about to begin finds that it was asked to yield; it was not yet.
    pub(super) fn asked_to_yield(&self) -> &AtomicBool {
        if self.yields.load(Ordering::Relaxed) {
            self.yields.store(false, Ordering::Relaxed);
        }
        &self.yields
    }

    /// Whether other Ps may steal from this one.
    pub(super) fn is_open(&self) -> bool {
        // Acquire: pairs with `open`: a thief sees the queue as its owner left it.
        self.open.load(Ordering::Acquire)
    }

    /// Lets other Ps steal from this one.
    ///
    /// # Safety
    /// The caller owns the P.
    pub(super) unsafe fn open(&self) {
        // Release: pairs with `is_open`.
        self.open.store(true, Ordering::Release);
    }

    /// Looks for something to run so far: two equal readings mean that the same poll goes on.
    pub(super) fn tick(&self) -> u64 {
        // Relaxed: a hint for anybody but the owner.
        self.tick.load(Ordering::Relaxed)
    }

    /// Dispatches out of `runnext` since the queue had its turn.
    pub(super) fn streak(&self) -> u32 {
        // Relaxed: a hint for anybody but the owner.
        self.streak.load(Ordering::Relaxed)
    }

    /// Has the queue have its turn at the next dispatch: what made each other ready in `runnext` has used the
    /// slice that it inherits.
    pub(super) fn end_streak(&self) {
        // Relaxed: a hint. If the streak has just ended by itself, the next one is a short one.
        self.ends_streak.store(true, Ordering::Relaxed);
    }

    /// Puts `new` into `next` and gives what was there.
    fn swap_next(&self, new: *mut Header) -> Option<GRef> {
        let before = if self.is_open() {
            // AcqRel: pairs with itself and with `steal_next`: who takes a goroutine sees what was
            // written before it was put there.
            self.next.swap(new, Ordering::AcqRel)
        } else {
            let before = self.next.load(Ordering::Relaxed);
            self.next.store(new, Ordering::Relaxed);
            before
        };
        // SAFETY: `next` owns a reference; the swap gave it to us alone. Without thieves the P's owner is
        // the only one that uses it.
        NonNull::new(before).map(|g| unsafe { GRef::from_raw(g) })
    }

    fn take_next(&self) -> Option<GRef> {
        // Relaxed: only the owner fills it, and the owner asks.
        if self.next.load(Ordering::Relaxed).is_null() { None } else { self.swap_next(null_mut()) }
    }

    /// Makes `g` the next to run; what was next goes to the end of the queue.
    ///
    /// # Safety
    /// The caller owns the P.
    pub(super) unsafe fn put_next(&self, g: GRef, global: &Global) -> Pushed {
        if let Some(before) = self.swap_next(g.into_raw().as_ptr()) {
            // SAFETY: the P is the caller's.
            unsafe { self.put(before, global) };
        }
        match () {
            () if !self.is_open() => Pushed::Alone,
            () if self.queue.len() >= MANY => Pushed::Many,
            () => Pushed::Few,
        }
    }

    /// Appends `g` to the queue, or half of a full queue and `g` to the global one.
    ///
    /// # Safety
    /// The caller owns the P.
    unsafe fn put(&self, g: GRef, global: &Global) {
        if let Err(overflow) = self.queue.put(g) {
            global.push_all(overflow);
        }
    }

    /// Queues `g` behind all that are ready now: those in the global queue run after the P's own.
    ///
    /// # Safety
    /// The caller owns the P.
    pub(super) unsafe fn put_last(&self, g: GRef, global: &Global) {
        if global.is_empty() {
            // SAFETY: as the caller says.
            unsafe { self.put(g, global) };
        } else {
            global.push(g);
        }
    }

    /// The next goroutine to run, in Go's order. What the global queue has is shared with `sharers` Ps,
    /// this one included.
    ///
    /// # Safety
    /// The caller owns the P.
    pub(super) unsafe fn pick(&self, global: &Global, sharers: usize) -> Option<GRef> {
        let tick = self.tick() + 1;
        self.tick.store(tick, Ordering::Relaxed);
        if tick.is_multiple_of(GLOBAL_TICK)
            && let Some(g) = global.pop()
        {
            self.meters.global.add(1);
            return Some(g);
        }
        if let Some(g) = self.take_next() {
            let streak = self.streak.load(Ordering::Relaxed);
            if streak < self.most_in_a_row && !self.ends_streak.load(Ordering::Relaxed) {
                self.streak.store(streak + 1, Ordering::Relaxed);
                return Some(g);
            }
            self.ends_streak.store(false, Ordering::Relaxed);
            // SAFETY: the P is the caller's.
            unsafe { self.put_last(g, global) };
        }
        self.streak.store(0, Ordering::Relaxed);
        // SAFETY: the P is the caller's.
        unsafe { self.get() }.or_else(|| unsafe { self.pick_global(global, sharers) })
    }

    /// The oldest in the queue.
    ///
    /// # Safety
    /// The caller owns the P.
    unsafe fn get(&self) -> Option<GRef> {
        // SAFETY: the caller is the producer, and nobody steals from a P that is not open.
        if self.is_open() { self.queue.get() } else { unsafe { self.queue.get_alone() } }
    }

    /// Picks out of the global queue.
    ///
    /// # Safety
    /// The caller owns the P.
    unsafe fn pick_global(&self, global: &Global, sharers: usize) -> Option<GRef> {
        // SAFETY: as the caller says.
        let g = unsafe { self.take_share(global, sharers) };
        let count = if g.is_some() { &self.meters.global } else { &self.meters.empty };
        count.add(1);
        g
    }

    /// One goroutine of the global queue, and this P's share of the others into its own, empty one.
    ///
    /// # Safety
    /// The caller owns the P.
    unsafe fn take_share(&self, global: &Global, sharers: usize) -> Option<GRef> {
        if sharers == 1 {
            return global.pop();
        }
        let mut share = global.pop_share(sharers, SLOTS / 2);
        let first = share.next();
        for g in share {
            // SAFETY: as the caller says.
            unsafe { self.put(g, global) };
        }
        first
    }

    /// Goroutines that are ready here; a hint.
    pub(super) fn len(&self) -> usize {
        self.queue.len() + usize::from(!self.next.load(Ordering::Relaxed).is_null())
    }

    /// Whether nothing is ready here; a hint for anybody but the owner.
    pub(super) fn is_empty(&self) -> bool {
        self.next.load(Ordering::Acquire).is_null() && self.queue.len() == 0
    }

    /// Takes half of what `victim` has queued: one to run, the others into this P's queue. With
    /// `next_too`, and if nothing is queued, what the victim would run next.
    ///
    /// # Safety
    /// The caller owns this P, and its queue is empty.
    pub(super) unsafe fn steal(&self, victim: &P, next_too: bool, global: &Global) -> Option<GRef> {
        if !victim.is_open() {
            return None;
        }
        let mut stolen = victim.queue.grab().into_iter();
        let first = stolen.next();
        // SAFETY: as the caller says.
        stolen.for_each(|g| unsafe { self.put(g, global) });
        if first.is_none() && next_too { victim.steal_next() } else { first }
    }

    /// Takes what is about to run next, unless its P comes to it first.
    fn steal_next(&self) -> Option<GRef> {
        let g = self.next.load(Ordering::Relaxed);
        if g.is_null() {
            return None;
        }
        let waiting = Instant::now();
        while waiting.elapsed() < NEXT_IS_LEFT {
            core::hint::spin_loop();
            if self.next.load(Ordering::Relaxed) != g {
                return None;
            }
        }
        // Acquire: pairs with `swap_next`. If it is the same goroutine again, it is in `next` again.
        let taken = self.next.compare_exchange(g, null_mut(), Ordering::AcqRel, Ordering::Relaxed);
        // SAFETY: `next` owns a reference; the exchange gave it to us alone.
        NonNull::new(taken.ok()?).map(|g| unsafe { GRef::from_raw(g) })
    }

    /// Moves everything that is ready here to the global queue.
    ///
    /// # Safety
    /// The caller owns the P.
    pub(super) unsafe fn drain(&self, global: &Global) {
        let next = self.take_next().into_iter();
        global.push_all(next.chain(core::iter::from_fn(|| self.queue.get())));
    }
}

impl Drop for P {
    fn drop(&mut self) {
        drop(self.take_next());
    }
}

#[cfg(all(test, not(loom)))]
mod tests;

#[cfg(all(test, loom))]
mod models;
