//! The run queue of a P: a ring of 256 slots with one producer and any number of takers.
//!
//! The algorithm is that of Go's `runqput`, `runqget` and `runqgrab` (`src/runtime/proc.go`): slots are
//! copied first, then a CAS on `head` decides who got them, so several thieves may race.

use core::ptr::NonNull;

use crate::g::{GRef, Header};
use crate::sys::modelled::atomic::{AtomicPtr, AtomicU32, Ordering};

/// Slots; a model check needs few.
pub(crate) const SLOTS: usize = if cfg!(loom) { 4 } else { 256 };

/// What the ring holds: something owned that fits into a pointer.
pub(crate) trait Item: Sized {
    /// What the pointer points to.
    type Node;
    /// The pointer, which owns the item from now on.
    fn into_raw(self) -> NonNull<Self::Node>;
    /// The item back.
    ///
    /// # Safety
    /// The pointer came from `into_raw`, and is given back once.
    unsafe fn from_raw(raw: NonNull<Self::Node>) -> Self;
}

impl Item for GRef {
    type Node = Header;
    fn into_raw(self) -> NonNull<Header> {
        self.into_raw()
    }
    unsafe fn from_raw(raw: NonNull<Header>) -> Self {
        // SAFETY: as the caller says.
        unsafe { Self::from_raw(raw) }
    }
}

/// The ring. `head..tail` holds references; both only grow, wrapping.
pub(crate) struct RunQueue<I: Item = GRef> {
    head: AtomicU32,
    tail: AtomicU32,
    slots: [AtomicPtr<I::Node>; SLOTS],
}

/// What does not fit into a full ring: half of it and the new one.
pub(crate) type Overflow<I> = Vec<I>;

impl<I: Item> RunQueue<I> {
    pub(crate) fn new() -> Self {
        Self {
            head: AtomicU32::new(0),
            tail: AtomicU32::new(0),
            slots: core::array::from_fn(|_| AtomicPtr::new(core::ptr::null_mut())),
        }
    }

    /// References in the ring; a hint for anybody but the producer.
    pub(crate) fn len(&self) -> usize {
        let (head, tail) = (self.head.load(Ordering::Acquire), self.tail.load(Ordering::Acquire));
        tail.wrapping_sub(head) as usize
    }

    fn slot(&self, at: u32) -> &AtomicPtr<I::Node> {
        &self.slots[at as usize % SLOTS]
    }

    /// Appends `g`. Only the producer calls this. A full ring gives back half of its content and
    /// `g`, for the global queue.
    pub(crate) fn put(&self, g: I) -> Result<(), Overflow<I>> {
        let mut g = g;
        loop {
            // Acquire: pairs with the CAS in `get` and `grab`: taken slots may be written again.
            let head = self.head.load(Ordering::Acquire);
            let tail = self.tail.load(Ordering::Relaxed);
            if tail.wrapping_sub(head) < SLOTS as u32 {
                self.slot(tail).store(g.into_raw().as_ptr(), Ordering::Relaxed);
                // Release: pairs with the load of `tail` by takers: they see the slot.
                self.tail.store(tail.wrapping_add(1), Ordering::Release);
                return Ok(());
            }
            match self.take_half(head, tail, g) {
                Ok(overflow) => return Err(overflow),
                // A thief was faster: there is room now.
                Err(back) => g = back,
            }
        }
    }

    fn take_half(&self, head: u32, tail: u32, g: I) -> Result<Overflow<I>, I> {
        let half = tail.wrapping_sub(head) / 2;
        let taken = self.copy(head, half);
        if !self.commit(head, half) {
            return Err(g);
        }
        let mut overflow: Overflow<I> = taken.into_iter().map(Self::own).collect();
        overflow.push(g);
        Ok(overflow)
    }

    /// Takes the oldest. Any thread may call it.
    pub(crate) fn get(&self) -> Option<I> {
        loop {
            // Acquire: pairs with the CAS of other takers.
            let head = self.head.load(Ordering::Acquire);
            // Acquire: pairs with the release in `put`.
            let tail = self.tail.load(Ordering::Acquire);
            if tail == head {
                return None;
            }
            let g = self.slot(head).load(Ordering::Relaxed);
            if self.commit(head, 1) {
                return NonNull::new(g).map(Self::own);
            }
        }
    }

    /// As [`get`](Self::get), while nobody else takes.
    ///
    /// # Safety
    /// Only the producer calls this, and no other thread takes before it has seen, by an acquire, what the
    /// producer does after.
    pub(crate) unsafe fn get_alone(&self) -> Option<I> {
        // Relaxed: nobody else writes either of them.
        let (head, tail) = (self.head.load(Ordering::Relaxed), self.tail.load(Ordering::Relaxed));
        if tail == head {
            return None;
        }
        let g = self.slot(head).load(Ordering::Relaxed);
        self.head.store(head.wrapping_add(1), Ordering::Relaxed);
        NonNull::new(g).map(Self::own)
    }

    /// Takes the older half, rounded up, for another P. Any thread may call it.
    pub(crate) fn grab(&self) -> Vec<I> {
        loop {
            let head = self.head.load(Ordering::Acquire);
            let tail = self.tail.load(Ordering::Acquire);
            let n = tail.wrapping_sub(head);
            let n = n - n / 2;
            if n == 0 {
                return Vec::new();
            }
            if n > SLOTS as u32 / 2 {
                // `head` and `tail` were not read at one moment.
                continue;
            }
            let taken = self.copy(head, n);
            if self.commit(head, n) {
                return taken.into_iter().map(Self::own).collect();
            }
        }
    }

    fn copy(&self, head: u32, n: u32) -> Vec<NonNull<I::Node>> {
        let at = |i| NonNull::new(self.slot(head.wrapping_add(i)).load(Ordering::Relaxed));
        (0..n).filter_map(at).collect()
    }

    /// Decides who got `n` slots from `head` on.
    fn commit(&self, head: u32, n: u32) -> bool {
        // Release, as in Go: our reads of the slots come before the producer writes them again. What is in them was
        // published by `tail`, and the next load covers a failure.
        let (to, ok) = (head.wrapping_add(n), Ordering::Release);
        self.head.compare_exchange(head, to, ok, Ordering::Relaxed).is_ok()
    }

    fn own(g: NonNull<I::Node>) -> I {
        // SAFETY: `put` stored an owned reference, and the CAS on `head` gave it to us alone.
        unsafe { I::from_raw(g) }
    }
}

impl<I: Item> Drop for RunQueue<I> {
    fn drop(&mut self) {
        while self.get().is_some() {}
    }
}

/// A number from 1 on.
#[cfg(test)]
#[derive(Debug, PartialEq)]
struct Number(usize);

#[cfg(test)]
impl Item for Number {
    type Node = ();
    fn into_raw(self) -> NonNull<()> {
        NonNull::new(core::ptr::without_provenance_mut(self.0)).expect("not zero")
    }
    unsafe fn from_raw(raw: NonNull<()>) -> Self {
        Self(raw.addr().get())
    }
}

#[cfg(all(test, loom))]
mod models {
    use super::*;
    use loom::sync::Arc;
    use loom::thread;

    fn numbers(items: impl IntoIterator<Item = Number>) -> Vec<usize> {
        items.into_iter().map(|n| n.0).collect()
    }

    /// Puts `1..=n` while `thieves` take as they like; each number comes out once.
    fn each_comes_out_once(
        n: usize,
        before: usize,
        thieves: &[fn(&RunQueue<Number>) -> Vec<Number>],
    ) {
        let thieves = thieves.to_vec();
        loom::model(move || {
            let queue = Arc::new(RunQueue::<Number>::new());
            let mut seen = Vec::new();
            let put = |i, seen: &mut Vec<usize>| {
                if let Err(overflow) = queue.put(Number(i)) {
                    seen.extend(numbers(overflow));
                }
            };
            (1..=before).for_each(|i| put(i, &mut seen));
            let thieves: Vec<_> = thieves
                .iter()
                .map(|&thief| {
                    let queue = queue.clone();
                    thread::spawn(move || numbers(thief(&queue)))
                })
                .collect();
            (before + 1..=n).for_each(|i| put(i, &mut seen));
            seen.extend(numbers(queue.get()));
            for thief in thieves {
                seen.extend(thief.join().expect("a thief"));
            }
            seen.extend(std::iter::from_fn(|| queue.get()).map(|n| n.0));
            seen.sort_unstable();
            assert!(seen.iter().copied().eq(1..=n), "{seen:?}");
        });
    }

    fn grab(queue: &RunQueue<Number>) -> Vec<Number> {
        queue.grab()
    }

    fn get(queue: &RunQueue<Number>) -> Vec<Number> {
        queue.get().into_iter().collect()
    }

    #[test]
    fn a_producer_and_a_thief() {
        each_comes_out_once(3, 1, &[grab]);
    }

    #[test]
    fn the_first_one_is_seen_whole() {
        each_comes_out_once(1, 0, &[get]);
    }

    #[test]
    fn a_full_ring_and_a_thief() {
        each_comes_out_once(5, 4, &[grab]);
    }

    #[test]
    fn two_thieves_race() {
        each_comes_out_once(3, 2, &[grab, get]);
    }

    #[test]
    fn slots_are_used_again() {
        each_comes_out_once(6, 4, &[get]);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn with(n: usize) -> RunQueue<Number> {
        let queue = RunQueue::new();
        (1..=n).for_each(|i| assert!(queue.put(Number(i)).is_ok()));
        queue
    }

    fn all(queue: &RunQueue<Number>) -> Vec<usize> {
        core::iter::from_fn(|| queue.get()).map(|n| n.0).collect()
    }

    /// The fact of Go's `TestSchedLocalQueue`.
    #[test]
    fn it_is_first_in_first_out_around_the_end_of_the_ring() {
        let queue = with(0);
        let mut next = 1;
        for i in 1..=3 * SLOTS {
            assert!(queue.put(Number(i)).is_ok());
            if i % 3 == 0 {
                for _ in 0..3 {
                    assert_eq!(queue.get(), Some(Number(next)));
                    next += 1;
                }
            }
        }
        assert_eq!(queue.get(), None);
    }

    /// The fact of Go's `TestSchedLocalQueueSteal`: the older half goes, in its order.
    #[test]
    fn a_thief_takes_the_older_half_rounded_up_in_its_order() {
        for n in 1..=SLOTS {
            let queue = with(n);
            let stolen: Vec<usize> = queue.grab().into_iter().map(|n| n.0).collect();
            let half = n.div_ceil(2);
            assert!(stolen.iter().copied().eq(1..=half), "{n}: {stolen:?}");
            assert!(all(&queue).into_iter().eq(half + 1..=n), "{n}");
        }
        assert_eq!(with(0).grab(), []);
    }

    #[test]
    fn a_full_ring_gives_its_older_half_and_the_new_one_away() {
        let queue = with(SLOTS);
        let overflow = queue.put(Number(SLOTS + 1)).expect_err("it is full");
        let given: Vec<usize> = overflow.into_iter().map(|n| n.0).collect();
        assert!(given.iter().copied().eq((1..=SLOTS / 2).chain([SLOTS + 1])), "{given:?}");
        assert!(all(&queue).into_iter().eq(SLOTS / 2 + 1..=SLOTS));
    }

    /// The fact of Go's `TestSchedLocalQueueSteal` with takers at once: each number comes out once.
    #[test]
    fn the_owner_and_a_thief_take_each_once() {
        let queue = with(SLOTS);
        let stop = std::sync::atomic::AtomicBool::new(false);
        let (own, stolen) = std::thread::scope(|threads| {
            let thief = threads.spawn(|| {
                let mut stolen = Vec::new();
                while !stop.load(std::sync::atomic::Ordering::Acquire) {
                    stolen.extend(queue.grab().into_iter().map(|n| n.0));
                }
                stolen
            });
            let mut own = Vec::new();
            for i in SLOTS + 1..=100 * SLOTS {
                match queue.put(Number(i)) {
                    Ok(()) if i % 2 == 0 => own.extend(queue.get().map(|n| n.0)),
                    Ok(()) => {}
                    Err(overflow) => own.extend(overflow.into_iter().map(|n| n.0)),
                }
            }
            own.extend(all(&queue));
            stop.store(true, std::sync::atomic::Ordering::Release);
            (own, thief.join().expect("no panic"))
        });
        let mut seen = [own, stolen].concat();
        seen.sort_unstable();
        assert!(seen.into_iter().eq(1..=100 * SLOTS));
    }
}
