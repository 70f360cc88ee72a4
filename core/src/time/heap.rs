//! A 4-ary heap of armed timers in nanoseconds, first armed first for equal moments.
//!
//! Entries live inside futures and know their place in the heap, so that disarming is O(log n)
//! without a search. One lock guards the heap and the entries in it.

use core::cell::Cell;
use core::ptr::NonNull;
use std::sync::Arc;

use super::clock::{Clock, NEVER, Nanos};
use crate::sys::BriefLock;
use crate::sys::atomic::{AtomicU64, Ordering};

/// Not in the heap.
const OUT: usize = usize::MAX;

/// What an entry does when its moment comes. It runs under the heap's lock and only marks the entry
/// and moves wakes into the list; no user code.
pub(crate) type Fire = unsafe fn(NonNull<Entry>, &mut Vec<crate::g::Wake>);

/// An armed timer; the first field of whatever waits for it.
pub(crate) struct Entry {
    /// Where it is in the heap.
    place: Cell<usize>,
    fire: Fire,
}

// SAFETY: the cells are used under the heap's lock.
unsafe impl Send for Entry {}
// SAFETY: as above.
unsafe impl Sync for Entry {}

impl Entry {
    pub(crate) fn new(fire: Fire) -> Self {
        Self { place: Cell::new(OUT), fire }
    }
}

/// The timers of a P.
pub(crate) struct Timers {
    clock: Arc<Clock>,
    /// The earliest moment, readable without the lock.
    next: AtomicU64,
    /// Called when a timer became the earliest: an M that sleeps longer has to look again.
    earlier: Box<dyn Fn() + Send + Sync>,
    heap: BriefLock<Heap>,
}

#[derive(Default)]
struct Heap {
    /// Key beside pointer: comparisons stay inside the array.
    items: Vec<(Nanos, u64, NonNull<Entry>)>,
    sequence: u64,
}

// SAFETY: the entries are pinned and alive while they are in the heap, and used under its lock.
unsafe impl Send for Heap {}

impl Timers {
    pub(crate) fn new(clock: Arc<Clock>, earlier: Box<dyn Fn() + Send + Sync>) -> Arc<Self> {
        let (next, heap) = (AtomicU64::new(NEVER), BriefLock::new(Heap::default()));
        Arc::new(Self { clock, next, earlier, heap })
    }

    pub(crate) fn clock(&self) -> &Arc<Clock> {
        &self.clock
    }

    /// The moment of the earliest timer, `NEVER` if there is none.
    pub(crate) fn next(&self) -> Nanos {
        // SeqCst: pairs with the store in `refresh`: an M that goes to sleep sees the timer, or
        // whoever armed it sees the M asleep.
        self.next.load(Ordering::SeqCst)
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.heap.lock().items.len()
    }

    /// Arms `entry` for `when`, or moves it there.
    ///
    /// # Safety
    /// The entry stays in place until it fired or [`disarm`](Self::disarm) returned; it is only ever
    /// armed on these timers.
    pub(crate) unsafe fn arm(&self, entry: NonNull<Entry>, when: Nanos) {
        let mut heap = self.heap.lock();
        // SAFETY: alive, as the caller says; its cells are ours under the lock.
        let fields = unsafe { entry.as_ref() };
        if fields.place.get() != OUT {
            heap.remove(fields.place.get());
        }
        heap.sequence += 1;
        let sequence = heap.sequence;
        heap.push((when, sequence, entry));
        let earliest = self.refresh(&heap);
        drop(heap);
        if earliest {
            (self.earlier)();
        }
    }

    /// Disarms `entry`. True if it was armed.
    ///
    /// # Safety
    /// The entry is alive.
    pub(crate) unsafe fn disarm(&self, entry: NonNull<Entry>) -> bool {
        let mut heap = self.heap.lock();
        // SAFETY: alive, as the caller says.
        let place = unsafe { entry.as_ref() }.place.get();
        if place == OUT {
            return false;
        }
        heap.remove(place);
        self.refresh(&heap);
        true
    }

    /// Fires everything that is due at `now`, in order, and returns the wakes that are owed.
    pub(crate) fn fire_due(&self, now: Nanos) -> Vec<crate::g::Wake> {
        let mut wakes = Vec::new();
        let mut heap = self.heap.lock();
        while let Some(&(when, _, entry)) = heap.items.first() {
            if when > now {
                break;
            }
            heap.remove(0);
            // SAFETY: an entry in the heap is alive, and it is out of the heap now.
            unsafe { (entry.as_ref().fire)(entry, &mut wakes) };
        }
        self.refresh(&heap);
        wakes
    }

    /// Publishes the earliest moment. True if it became earlier.
    fn refresh(&self, heap: &Heap) -> bool {
        let next = heap.items.first().map_or(NEVER, |item| item.0);
        // SeqCst: pairs with `next`.
        next < self.next.swap(next, Ordering::SeqCst)
    }
}

impl Heap {
    fn push(&mut self, item: (Nanos, u64, NonNull<Entry>)) {
        self.items.push(item);
        self.up(self.items.len() - 1);
    }

    fn remove(&mut self, place: usize) {
        let (_, _, entry) = self.items.swap_remove(place);
        // SAFETY: entries in the heap are alive, and this one is handed back to its owner here.
        unsafe { entry.as_ref() }.place.set(OUT);
        if place < self.items.len() {
            let place = self.up(place);
            self.down(place);
        }
    }

    fn key(&self, place: usize) -> (Nanos, u64) {
        (self.items[place].0, self.items[place].1)
    }

    fn settle(&self, place: usize) {
        // SAFETY: entries in the heap are alive, and their cells are ours under the lock.
        unsafe { self.items[place].2.as_ref() }.place.set(place);
    }

    fn up(&mut self, mut place: usize) -> usize {
        while place > 0 {
            let parent = (place - 1) / 4;
            if self.key(parent) <= self.key(place) {
                break;
            }
            self.items.swap(parent, place);
            self.settle(place);
            place = parent;
        }
        self.settle(place);
        place
    }

    fn down(&mut self, mut place: usize) {
        loop {
            let first = place * 4 + 1;
            let children = first..(first + 4).min(self.items.len());
            let Some(least) = children.min_by_key(|&child| self.key(child)) else { break };
            if self.key(place) <= self.key(least) {
                break;
            }
            self.items.swap(place, least);
            self.settle(place);
            place = least;
        }
        if place < self.items.len() {
            self.settle(place);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// Entries that note when they fired, and a heap whose clock nobody reads.
    #[repr(C)]
    struct Probe {
        entry: Entry,
        id: usize,
        fired: Cell<bool>,
    }

    thread_local!(static FIRED: std::cell::RefCell<Vec<usize>> = const { std::cell::RefCell::new(Vec::new()) });

    unsafe fn note(entry: NonNull<Entry>, _: &mut Vec<crate::g::Wake>) {
        // SAFETY: all entries of these tests are probes.
        let probe = unsafe { entry.cast::<Probe>().as_ref() };
        probe.fired.set(true);
        FIRED.with(|f| f.borrow_mut().push(probe.id));
    }

    #[expect(clippy::vec_box, reason = "probes must stay in place while they are armed")]
    fn probes(n: usize) -> Vec<Box<Probe>> {
        let probe = |id| Probe { entry: Entry::new(note), id, fired: Cell::new(false) };
        (0..n).map(|id| Box::new(probe(id))).collect()
    }

    #[test]
    fn any_order_of_arming_and_disarming_fires_by_moment_then_by_arming() {
        let timers = Timers::new(Arc::new(Clock::real()), Box::new(|| {}));
        let probes = probes(2_000);
        // A small linear congruential sequence: many equal moments, no pattern.
        let mut random = 12345u64;
        let mut expected = Vec::new();
        for probe in &probes {
            random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let when = (random >> 33) % 97;
            // SAFETY: the probes are boxed and outlive the heap's use of them.
            unsafe { timers.arm(NonNull::from(&**probe).cast(), when) };
            expected.push((when, probe.id));
        }
        for gone in (0..2_000).step_by(3) {
            // SAFETY: as above.
            unsafe {
                let entry = NonNull::from(&*probes[gone]).cast();
                assert!(timers.disarm(entry) && !timers.disarm(entry));
            }
        }
        expected.retain(|(_, id)| id % 3 != 0);
        expected.sort();
        let due: Vec<_> = expected.iter().filter(|e| e.0 <= 50).map(|e| e.1).collect();
        FIRED.with(|f| f.borrow_mut().clear());
        let _ = timers.fire_due(50);
        FIRED.with(|f| assert_eq!(*f.borrow(), due));
        assert_eq!(timers.next(), 51);
        let _ = timers.fire_due(NEVER - 1);
        FIRED.with(|f| assert_eq!(f.borrow().len(), expected.len()));
        assert_eq!((timers.next(), timers.len()), (NEVER, 0));
    }
}
