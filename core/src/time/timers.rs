//! The timers of a runtime: a heap for each P, and the clock they go by.
//!
//! A timer is armed in the heap of the P that arms it. The M of that P looks at it between two polls; Ms
//! without work, and now and then all others, look at all heaps.

use core::cell::Cell;
use core::marker::PhantomPinned;
use core::ptr::NonNull;
use std::sync::Arc;

use super::clock::{Clock, NEVER, Nanos};
use super::earliest::Earliest;
use super::heap::Heap;
use crate::g::{Wake, drop_caught};
use crate::sched::p_here;
use crate::sys::BriefLock;
use crate::sys::atomic::{AtomicU64, Ordering};

/// Not in a heap.
const OUT: u32 = u32::MAX;

/// What happens to an entry. Both run under the heap's lock, with the entry out of the heap, and call nothing
/// of the user's.
pub(crate) struct Acts {
    /// Its moment has come: marks it and hands out wakes. The moment to arm it for again, if there is one.
    pub(crate) fire: unsafe fn(NonNull<Entry>, &mut Firing) -> Option<Nanos>,
    /// The runtime ends: it will not fire. What it kept is to be dropped outside the lock.
    pub(crate) evict: unsafe fn(NonNull<Entry>) -> Option<Arc<dyn Kept>>,
    /// Whether nothing would come of firing it until a goroutine has done something.
    pub(crate) in_vain: unsafe fn(NonNull<Entry>) -> bool,
}

impl Acts {
    /// Something comes of it.
    ///
    /// # Safety
    /// None is asked for; the type is that of [`Acts::in_vain`].
    pub(crate) unsafe fn never_in_vain(_: NonNull<Entry>) -> bool {
        false
    }
}

/// What an entry may keep alive while it is armed.
pub(crate) trait Kept: Send + Sync {}

/// A look at the timers that are due.
pub(crate) struct Firing {
    /// The time of the look.
    pub(crate) now: Nanos,
    /// The wakes that are owed.
    pub(crate) wakes: Vec<Wake>,
}

/// An armed timer; the first field of whatever waits for it.
pub(crate) struct Entry {
    /// Its slot in the heap it is in. Guarded by that heap's lock.
    slot: Cell<u32>,
    acts: &'static Acts,
    /// The heap has its address: a box of it says nothing about who else uses it.
    _pinned: PhantomPinned,
}

// SAFETY: the cell is used under the lock of the one heap that the entry is in, was in last, or will be in.
unsafe impl Send for Entry {}
// SAFETY: as above.
unsafe impl Sync for Entry {}

impl Entry {
    pub(crate) fn new(acts: &'static Acts) -> Self {
        Self { slot: Cell::new(OUT), acts, _pinned: PhantomPinned }
    }
}

/// The timers that were armed on one P.
#[repr(align(128))]
pub(crate) struct Home {
    /// The earliest moment.
    next: Earliest,
    clock: Arc<Clock>,
    inner: BriefLock<Inner>,
}

struct Inner {
    heap: Heap<NonNull<Entry>>,
    /// The runtime has ended: nothing is armed any more.
    closed: bool,
}

// SAFETY: the entries are pinned and alive while they are in the heap, and used under its lock.
unsafe impl Send for Inner {}

/// All timers of a runtime.
pub(crate) struct Timers {
    clock: Arc<Clock>,
    /// A power of two of them. A P that has none of its own shares one.
    homes: Box<[Arc<Home>]>,
    /// Told when a timer became the earliest of its heap, and when that is due: an M that sleeps longer has
    /// to look again.
    earlier: Box<dyn Fn(Nanos) + Send + Sync>,
    /// How often somebody began to fire what is due, and how often all wakes of that were run. In between a
    /// timer is not armed any more, and whoever it wakes is not ready yet.
    begun: AtomicU64,
    delivered: AtomicU64,
}

impl Timers {
    pub(crate) fn new(
        clock: Clock,
        homes: usize,
        earlier: Box<dyn Fn(Nanos) + Send + Sync>,
    ) -> Arc<Self> {
        let clock = Arc::new(clock);
        let home = |_| Arc::new(Home::new(clock.clone()));
        let homes = (0..homes.next_power_of_two()).map(home).collect();
        let (begun, delivered) = (AtomicU64::new(0), AtomicU64::new(0));
        Arc::new(Self { clock, homes, earlier, begun, delivered })
    }

    /// Runs `deliver`, which fires what is due and runs the wakes.
    pub(crate) fn delivering<R>(&self, deliver: impl FnOnce() -> R) -> R {
        // SeqCst, both: pairs with `at_rest`, which reads around looks at the goroutines.
        self.begun.fetch_add(1, Ordering::SeqCst);
        let result = deliver();
        self.delivered.fetch_add(1, Ordering::SeqCst);
        result
    }

    /// A number that changes whenever timers fire; `None` while somebody is owed a wake. If it is the same
    /// before and after a look at the goroutines, no timer made one ready meanwhile.
    pub(crate) fn at_rest(&self) -> Option<u64> {
        let delivered = self.delivered.load(Ordering::SeqCst);
        (self.begun.load(Ordering::SeqCst) == delivered).then_some(delivered)
    }

    /// Whether a timer of the P number `p` is due at `now`.
    pub(crate) fn is_due(&self, p: usize, now: Nanos) -> bool {
        self.home_of(p).next.hint() <= now
    }

    pub(crate) fn clock(&self) -> &Arc<Clock> {
        &self.clock
    }

    /// Where what is armed here belongs.
    pub(crate) fn home(&self) -> &Arc<Home> {
        self.home_of(p_here().unwrap_or(0))
    }

    fn home_of(&self, p: usize) -> &Arc<Home> {
        &self.homes[p & (self.homes.len() - 1)]
    }

    /// The moment of the earliest timer, `NEVER` if there is none.
    pub(crate) fn next(&self) -> Nanos {
        let next = |home: &Arc<Home>| home.next.get();
        match &*self.homes {
            [home] => next(home),
            homes => homes.iter().map(next).min().unwrap_or(NEVER),
        }
    }

    /// As [`next`](Self::next), of the timers of which something comes while no goroutine does anything.
    pub(crate) fn next_not_in_vain(&self) -> Nanos {
        self.homes.iter().map(|home| home.next_not_in_vain()).min().unwrap_or(NEVER)
    }

    /// Arms `entry` for `when`, or moves it there. `under` runs under the lock and is told whether it was
    /// armed. False if the runtime has ended: then it is not armed, and `under` does not run.
    ///
    /// # Safety
    /// The entry stays in place until it fired, was evicted, or [`Home::disarm`] returned. `home` is one of
    /// these, and the only one that the entry is in.
    pub(crate) unsafe fn arm(
        &self,
        home: &Home,
        entry: NonNull<Entry>,
        when: Nanos,
        under: impl FnOnce(bool),
    ) -> bool {
        // SAFETY: alive, as the caller says; its cell is ours under the lock.
        let slot = unsafe { &entry.as_ref().slot };
        let mut inner = home.inner.lock();
        if inner.closed {
            return false;
        }
        let was_armed = inner.take_out(slot);
        slot.set(inner.heap.insert(when, entry));
        under(was_armed);
        let is_earliest = home.publish(&inner.heap);
        drop(inner);
        if is_earliest {
            (self.earlier)(when);
        }
        true
    }

    /// Whether a timer of the P number `p` may be due; a hint for anybody but its M.
    #[inline]
    pub(crate) fn has_any(&self, p: usize) -> bool {
        self.home_of(p).next.hint() != NEVER
    }

    /// Fires what is due at `now` on the P number `p`, in order, and returns the wakes that are owed.
    pub(crate) fn fire_due(&self, p: usize, now: Nanos) -> Vec<Wake> {
        self.home_of(p).fire_due(now)
    }

    /// As [`fire_due`](Self::fire_due), on all Ps.
    pub(crate) fn fire_all_due(&self, now: Nanos) -> Vec<Wake> {
        let due = |home: &Arc<Home>| home.fire_due(now);
        self.homes.iter().flat_map(due).collect()
    }

    /// The runtime has ended: nothing fires any more.
    pub(crate) fn close(&self) {
        for home in &self.homes {
            // A function that will not run is the user's to the end.
            home.close().into_iter().for_each(drop_caught);
        }
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.homes.iter().map(|home| home.inner.lock().heap.len()).sum()
    }
}

impl Home {
    fn new(clock: Arc<Clock>) -> Self {
        let inner = BriefLock::new(Inner { heap: Heap::new(), closed: false });
        Self { next: Earliest::new(), clock, inner }
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Disarms `entry`. `under` runs under the lock and is told whether it was armed.
    ///
    /// # Safety
    /// The entry is alive, and this is where it is armed if it is.
    pub(crate) unsafe fn disarm<R>(
        &self,
        entry: NonNull<Entry>,
        under: impl FnOnce(bool) -> R,
    ) -> R {
        // SAFETY: alive, as the caller says; its cell is ours under the lock.
        let slot = unsafe { &entry.as_ref().slot };
        let mut inner = self.inner.lock();
        let was_armed = inner.take_out(slot);
        if was_armed {
            self.publish(&inner.heap);
        }
        under(was_armed)
    }

    fn fire_due(&self, now: Nanos) -> Vec<Wake> {
        let mut firing = Firing { now, wakes: Vec::new() };
        if self.next.hint() > now {
            return firing.wakes;
        }
        let mut inner = self.inner.lock();
        while let Some((_, entry)) = inner.heap.pop_due(now) {
            // SAFETY: an entry in the heap is alive, and it is out of the heap now.
            let again = unsafe {
                entry.as_ref().slot.set(OUT);
                (entry.as_ref().acts.fire)(entry, &mut firing)
            };
            if let Some(when) = again {
                let slot = inner.heap.insert(when.max(now.saturating_add(1)), entry);
                // SAFETY: armed again, so it is alive; its cell is ours under the lock.
                unsafe { entry.as_ref() }.slot.set(slot);
            }
        }
        self.publish(&inner.heap);
        drop(inner);
        firing.wakes
    }

    fn next_not_in_vain(&self) -> Nanos {
        let inner = self.inner.lock();
        // SAFETY: an entry in the heap is alive.
        let counts = |entry: &NonNull<Entry>| !unsafe { (entry.as_ref().acts.in_vain)(*entry) };
        inner
            .heap
            .iter()
            .filter(|(_, entry)| counts(entry))
            .map(|(when, _)| when)
            .min()
            .unwrap_or(NEVER)
    }

    fn close(&self) -> Vec<Arc<dyn Kept>> {
        let mut inner = self.inner.lock();
        inner.closed = true;
        let evict = |entry: NonNull<Entry>| {
            // SAFETY: an entry in the heap is alive, and it is out of the heap now.
            unsafe {
                entry.as_ref().slot.set(OUT);
                (entry.as_ref().acts.evict)(entry)
            }
        };
        let kept = inner.heap.take_all().into_iter().filter_map(evict).collect();
        self.publish(&inner.heap);
        kept
    }

    /// Publishes the earliest moment, under the lock. True if it became earlier.
    fn publish(&self, heap: &Heap<NonNull<Entry>>) -> bool {
        self.next.publish(heap.next())
    }
}

impl Inner {
    fn take_out(&mut self, slot: &Cell<u32>) -> bool {
        let was_armed = slot.get() != OUT;
        if was_armed {
            self.heap.remove(slot.replace(OUT));
        }
        was_armed
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::cell::RefCell;

    /// An entry that notes when it fired, and fires a second time `again` later.
    #[repr(C)]
    struct Probe {
        entry: Entry,
        id: usize,
        again: Cell<Option<Nanos>>,
    }

    thread_local!(static FIRED: RefCell<Vec<(usize, Nanos)>> = const { RefCell::new(Vec::new()) });

    static NOTE: Acts = Acts { fire: note, evict, in_vain: Acts::never_in_vain };

    unsafe fn note(entry: NonNull<Entry>, firing: &mut Firing) -> Option<Nanos> {
        // SAFETY: all entries of these tests are probes.
        let probe = unsafe { entry.cast::<Probe>().as_ref() };
        FIRED.with(|f| f.borrow_mut().push((probe.id, firing.now)));
        probe.again.take()
    }

    unsafe fn evict(entry: NonNull<Entry>) -> Option<Arc<dyn Kept>> {
        // SAFETY: as above.
        let probe = unsafe { entry.cast::<Probe>().as_ref() };
        FIRED.with(|f| f.borrow_mut().push((probe.id, NEVER)));
        None
    }

    fn fired() -> Vec<(usize, Nanos)> {
        FIRED.with(|f| core::mem::take(&mut *f.borrow_mut()))
    }

    fn probe(id: usize) -> Box<Probe> {
        Box::new(Probe { entry: Entry::new(&NOTE), id, again: Cell::new(None) })
    }

    fn timers(homes: usize) -> Arc<Timers> {
        Timers::new(Clock::virtual_time(), homes, Box::new(|_| {}))
    }

    fn arm(timers: &Timers, home: usize, probe: &Probe, when: Nanos) -> Option<bool> {
        let mut was_armed = None;
        let home = timers.home_of(home).clone();
        // SAFETY: the probes are boxed, and outlive the timers' use of them.
        unsafe {
            timers.arm(&home, NonNull::from(probe).cast(), when, |was| was_armed = Some(was))
        };
        was_armed
    }

    fn disarm(timers: &Timers, home: usize, probe: &Probe) -> bool {
        // SAFETY: as above.
        unsafe { timers.home_of(home).disarm(NonNull::from(probe).cast(), |was| was) }
    }

    #[test]
    fn an_entry_is_moved_stopped_and_fired_once() {
        let (timers, a, b) = (timers(1), probe(1), probe(2));
        assert_eq!((arm(&timers, 0, &a, 5), arm(&timers, 0, &b, 7)), (Some(false), Some(false)));
        assert_eq!((arm(&timers, 0, &a, 9), timers.next(), timers.len()), (Some(true), 7, 2));
        assert_eq!((disarm(&timers, 0, &b), disarm(&timers, 0, &b)), (true, false));
        assert!(timers.fire_due(0, 8).is_empty() && fired().is_empty());
        assert!(timers.fire_due(0, 9).is_empty() && !disarm(&timers, 0, &a));
        assert_eq!((fired(), timers.next()), (vec![(1, 9)], NEVER));
    }

    #[test]
    fn an_entry_that_fires_again_is_never_due_in_the_same_look() {
        let (timers, a) = (timers(1), probe(1));
        arm(&timers, 0, &a, 5);
        a.again.set(Some(5));
        drop(timers.fire_due(0, 8));
        assert_eq!((fired(), timers.next()), (vec![(1, 8)], 9));
        assert!(disarm(&timers, 0, &a));
    }

    #[test]
    fn each_p_has_a_heap_and_anybody_may_look_at_all() {
        let (timers, a, b) = (timers(2), probe(1), probe(2));
        arm(&timers, 0, &a, 5);
        arm(&timers, 1, &b, 3);
        assert_eq!((timers.next(), timers.has_any(0), timers.has_any(1)), (3, true, true));
        drop(timers.fire_due(0, 4));
        assert!(fired().is_empty());
        drop(timers.fire_all_due(4));
        assert_eq!((fired(), timers.has_any(1)), (vec![(2, 4)], false));
        drop(timers.fire_all_due(5));
        assert_eq!((fired(), timers.next()), (vec![(1, 5)], NEVER));
    }

    #[test]
    fn the_end_evicts_everything_and_nothing_is_armed_any_more() {
        let (timers, a) = (timers(1), probe(1));
        arm(&timers, 0, &a, 5);
        timers.close();
        assert_eq!(fired(), [(1, NEVER)]);
        assert_eq!((arm(&timers, 0, &a, 6), timers.next()), (None, NEVER));
        assert!(!disarm(&timers, 0, &a));
    }

    #[test]
    fn whoever_becomes_the_earliest_is_told() {
        let told = Arc::new(crate::sys::Lock::new(Vec::new()));
        let tell = told.clone();
        let timers =
            Timers::new(Clock::virtual_time(), 1, Box::new(move |at| tell.lock().push(at)));
        let (a, b, c) = (probe(1), probe(2), probe(3));
        arm(&timers, 0, &a, 5);
        arm(&timers, 0, &b, 7);
        arm(&timers, 0, &c, 3);
        disarm(&timers, 0, &c);
        arm(&timers, 0, &a, 9);
        assert_eq!(*told.lock(), [5, 3]);
        timers.close();
        fired();
    }
}
