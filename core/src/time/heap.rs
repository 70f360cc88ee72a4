//! A 4-ary heap by moments in nanoseconds, first in first out for equal moments.
//!
//! What is taken out before its moment leaves a dead item behind, unless that is the first or the last one:
//! so arming and stopping a timer that is due later than others costs no walk through the heap, and nobody
//! has to know where in the heap it is. Dead items are swept out when they are more than the living.

use super::clock::{NEVER, Nanos};

/// Dead items that are not worth a sweep.
const FEW: usize = 64;
/// Room for so many is kept when the heap is empty.
const KEPT: usize = 1 << 12;

/// Values by their moments. Whoever puts one in gets the number of its slot.
pub(super) struct Heap<T> {
    items: Vec<Item>,
    /// The values by slot; `None`: free, or of a dead item.
    slots: Vec<Option<T>>,
    free: Vec<u32>,
    dead: usize,
    sequence: u32,
}

/// Small, so that four children share a cache line.
#[derive(Clone, Copy)]
struct Item {
    when: Nanos,
    /// Tells which came first; compared with wrap-around.
    sequence: u32,
    slot: u32,
}

impl Item {
    #[inline]
    fn is_before(&self, other: &Self) -> bool {
        let first = || (self.sequence.wrapping_sub(other.sequence) as i32) < 0;
        self.when < other.when || (self.when == other.when && first())
    }
}

impl<T: Copy> Heap<T> {
    pub(super) fn new() -> Self {
        let (items, slots, free) = (Vec::new(), Vec::new(), Vec::new());
        Self { items, slots, free, dead: 0, sequence: 0 }
    }

    /// Values in it.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.items.len() - self.dead
    }

    /// The earliest moment, `NEVER` if it is empty.
    pub(super) fn next(&self) -> Nanos {
        // The first item is never dead.
        self.items.first().map_or(NEVER, |item| item.when)
    }

    /// Puts `value` in and returns its slot.
    ///
    /// # Panics
    /// If more than 2^32 values are in it.
    pub(super) fn insert(&mut self, when: Nanos, value: T) -> u32 {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            u32::try_from(self.slots.len() - 1).expect("gmp: more than 2^32 timers")
        });
        self.slots[slot as usize] = Some(value);
        self.push(when, slot);
        slot
    }

    fn push(&mut self, when: Nanos, slot: u32) {
        self.sequence = self.sequence.wrapping_add(1);
        self.items.push(Item { when, sequence: self.sequence, slot });
        self.up(self.items.len() - 1);
    }

    /// Takes the value of a slot out.
    pub(super) fn remove(&mut self, slot: u32) -> Option<T> {
        let value = self.slots[slot as usize].take()?;
        self.dead += 1;
        if self.items.last().is_some_and(|item| item.slot == slot) {
            self.items.pop();
            self.bury(slot);
        }
        self.drop_dead_first();
        if self.dead > FEW && self.dead > self.items.len() / 2 {
            self.sweep();
        }
        self.give_back_memory();
        Some(value)
    }

    /// Takes the earliest value out, if it is due at `now`.
    pub(super) fn pop_due(&mut self, now: Nanos) -> Option<(Nanos, T)> {
        let item = *self.items.first().filter(|item| item.when <= now)?;
        let value = self.slots[item.slot as usize].take();
        self.dead += 1;
        self.drop_dead_first();
        self.give_back_memory();
        value.map(|value| (item.when, value))
    }

    /// Everything in it with its moment, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Nanos, T)> {
        self.items.iter().filter_map(|item| Some((item.when, self.slots[item.slot as usize]?)))
    }

    /// Takes everything out, in no order.
    pub(super) fn take_all(&mut self) -> Vec<T> {
        let all = core::mem::replace(self, Self::new());
        all.slots.into_iter().flatten().collect()
    }

    /// The item of a dead slot is gone: the slot may be used again.
    fn bury(&mut self, slot: u32) {
        self.dead -= 1;
        self.free.push(slot);
    }

    fn drop_dead_first(&mut self) {
        while let Some(first) = self.items.first() {
            let slot = first.slot;
            if self.slots[slot as usize].is_some() {
                return;
            }
            self.items.swap_remove(0);
            self.down(0);
            self.bury(slot);
        }
    }

    /// Drops all dead items.
    fn sweep(&mut self) {
        let Self { items, slots, free, .. } = self;
        items.retain(|item| {
            let lives = slots[item.slot as usize].is_some();
            if !lives {
                free.push(item.slot);
            }
            lives
        });
        self.dead = 0;
        if self.items.len() > 1 {
            for place in (0..=(self.items.len() - 2) / 4).rev() {
                self.down(place);
            }
        }
    }

    fn give_back_memory(&mut self) {
        if self.items.is_empty() && self.slots.len() > KEPT {
            *self = Self { sequence: self.sequence, ..Self::new() };
        }
    }

    fn up(&mut self, mut place: usize) {
        let item = self.items[place];
        while place > 0 {
            let parent = (place - 1) / 4;
            if !item.is_before(&self.items[parent]) {
                break;
            }
            self.items[place] = self.items[parent];
            place = parent;
        }
        self.items[place] = item;
    }

    fn down(&mut self, mut place: usize) {
        let items = &mut self.items[..];
        let Some(&item) = items.get(place) else { return };
        loop {
            let first = place * 4 + 1;
            let children = &items[first.min(items.len())..(first + 4).min(items.len())];
            let Some((mut least, rest)) = children.split_first() else { break };
            let mut at = first;
            for (n, child) in rest.iter().enumerate() {
                if child.is_before(least) {
                    (least, at) = (child, first + 1 + n);
                }
            }
            if !least.is_before(&item) {
                break;
            }
            items[place] = *least;
            place = at;
        }
        items[place] = item;
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// A small linear congruential sequence, the same in every run.
    struct Random(u64);

    impl Random {
        fn below(&mut self, limit: u64) -> u64 {
            self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (self.0 >> 33) % limit
        }
    }

    /// The heap beside a sorted map from moment and number to slot.
    #[derive(Default)]
    struct Model(BTreeMap<(Nanos, u64), u32>);

    impl Model {
        fn next(&self) -> Nanos {
            self.0.keys().next().map_or(NEVER, |key| key.0)
        }
    }

    #[test]
    fn any_sequence_of_operations_agrees_with_a_sorted_map() {
        for (seed, span) in [(1, 3), (2, 50), (3, 1_000_000)] {
            let (mut random, mut heap, mut model) = (Random(seed), Heap::new(), Model::default());
            let mut now = 0;
            for number in 0..20_000u64 {
                match random.below(10) {
                    0..5 => {
                        let when = now + random.below(span);
                        model.0.insert((when, number), heap.insert(when, number));
                    }
                    5..9 => {
                        let at = random.below(model.0.len().max(1) as u64) as usize;
                        if let Some((&key, &slot)) = model.0.iter().nth(at) {
                            model.0.remove(&key);
                            assert_eq!(heap.remove(slot), Some(key.1));
                        }
                    }
                    _ => {
                        now += random.below(span);
                        let due: Vec<_> =
                            model.0.keys().copied().take_while(|key| key.0 <= now).collect();
                        model.0.retain(|key, _| key.0 > now);
                        let popped: Vec<_> = core::iter::from_fn(|| heap.pop_due(now)).collect();
                        assert_eq!(popped, due);
                    }
                }
                assert_eq!((heap.len(), heap.next()), (model.0.len(), model.next()));
            }
        }
    }

    #[test]
    fn a_million_timers_are_stopped_in_random_order() {
        const TIMERS: u32 = 1_000_000;
        let (mut random, mut heap) = (Random(7), Heap::new());
        let mut slots: Vec<u32> =
            (0..TIMERS).map(|n| heap.insert(random.below(1 << 30), n)).collect();
        assert_eq!(heap.len(), TIMERS as usize);
        for left in (1..=slots.len()).rev() {
            let slot = slots.swap_remove(random.below(left as u64) as usize);
            assert!(heap.remove(slot).is_some());
            assert!(heap.items.len() < left + FEW.max(left), "dead items are swept");
        }
        assert_eq!((heap.len(), heap.next(), heap.slots.capacity()), (0, NEVER, 0));
    }

    /// What a server does: the timer of a request is stopped long before it is due.
    #[test]
    fn timers_that_are_stopped_at_once_leave_nothing_behind() {
        let mut heap = Heap::new();
        (0..1_000).for_each(|n| _ = heap.insert(n, n));
        for n in 0..100_000 {
            let slot = heap.insert(500 + n % 1_000, n);
            heap.remove(slot);
            assert!(heap.items.len() <= 2 * 1_000 + FEW && heap.slots.len() <= 2 * 1_000 + FEW);
        }
        let order: Vec<_> = core::iter::from_fn(|| heap.pop_due(NEVER)).collect();
        assert!(order.iter().map(|(when, n)| (*when, *n)).eq((0..1_000).map(|n| (n, n))));
    }

    #[test]
    fn the_order_of_equal_moments_survives_the_wrap_of_the_sequence() {
        let mut heap = Heap { sequence: u32::MAX - 2, ..Heap::new() };
        (0..6).for_each(|n| _ = heap.insert(5, n));
        let order: Vec<_> = core::iter::from_fn(|| heap.pop_due(5)).map(|due| due.1).collect();
        assert_eq!(order, [0, 1, 2, 3, 4, 5]);
    }
}
