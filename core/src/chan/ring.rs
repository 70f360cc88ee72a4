//! The buffer of a channel: a ring that grows as values arrive.
//!
//! Places are counted on and on, and a power of two of them is kept: then putting a value in and taking one out
//! are a handful of instructions under the channel's lock.

use core::mem::MaybeUninit;

/// Values in the order in which they came.
pub(super) struct Ring<T> {
    /// As many as a power of two, or none. `head..tail` hold values, modulo their number.
    slots: Box<[MaybeUninit<T>]>,
    head: usize,
    tail: usize,
}

/// Places that the first value takes.
const FIRST: usize = 4;

impl<T> Ring<T> {
    pub(super) fn new() -> Self {
        Self { slots: Box::new([]), head: 0, tail: 0 }
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.tail.wrapping_sub(self.head)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.head == self.tail
    }

    /// The slot of a place.
    ///
    /// # Safety
    /// There are slots.
    #[inline]
    unsafe fn slot(&mut self, place: usize) -> &mut MaybeUninit<T> {
        let at = place & (self.slots.len() - 1);
        // SAFETY: smaller than the number of slots, which is a power of two, and not zero as the caller says.
        unsafe { self.slots.get_unchecked_mut(at) }
    }

    #[inline]
    pub(super) fn push_back(&mut self, value: T) {
        if self.len() == self.slots.len() {
            self.grow();
        }
        let tail = self.tail;
        // SAFETY: there is room for one more.
        unsafe { self.slot(tail) }.write(value);
        self.tail = tail.wrapping_add(1);
    }

    pub(super) fn push_front(&mut self, value: T) {
        if self.len() == self.slots.len() {
            self.grow();
        }
        self.head = self.head.wrapping_sub(1);
        let head = self.head;
        // SAFETY: as in `push_back`.
        unsafe { self.slot(head) }.write(value);
    }

    #[inline]
    pub(super) fn pop_front(&mut self) -> Option<T> {
        if self.is_empty() {
            return None;
        }
        let head = self.head;
        self.head = head.wrapping_add(1);
        // SAFETY: the place is in front of the tail, so its slot, of which there is at least one, holds a value.
        // It is read once: the place is behind the head now.
        Some(unsafe { self.slot(head).assume_init_read() })
    }

    /// Takes everything out, and the memory with it.
    pub(super) fn take(&mut self) -> Self {
        core::mem::replace(self, Self::new())
    }

    /// Makes room for as many again.
    ///
    /// # Panics
    /// If there is no room for them in the memory.
    #[cold]
    #[inline(never)]
    fn grow(&mut self) {
        let more = self.slots.len().checked_mul(2).expect("gmp: a channel is too long");
        let mut slots = Box::new_uninit_slice(more.max(FIRST));
        let mut len = 0;
        while let Some(value) = self.pop_front() {
            slots[len].write(value);
            len += 1;
        }
        (self.slots, self.head, self.tail) = (slots, 0, len);
    }
}

impl<T> Drop for Ring<T> {
    fn drop(&mut self) {
        /// Drops what is left, even if one destructor panics.
        struct Rest<'a, T>(&'a mut Ring<T>);
        impl<T> Drop for Rest<'_, T> {
            fn drop(&mut self) {
                while let Some(value) = self.0.pop_front() {
                    drop(value);
                }
            }
        }
        let rest = Rest(self);
        while let Some(value) = rest.0.pop_front() {
            drop(value);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::Ring;
    use std::collections::VecDeque;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::rc::Rc;

    #[test]
    fn any_sequence_of_operations_agrees_with_a_queue() {
        let (mut ring, mut queue, mut random) = (Ring::new(), VecDeque::new(), 1u64);
        for n in 0..20_000 {
            random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            // Longer and shorter by turns.
            match (random >> 33) % 8 + n / 2_000 % 2 {
                0..3 => {
                    ring.push_back(n);
                    queue.push_back(n);
                }
                3 => {
                    ring.push_front(n);
                    queue.push_front(n);
                }
                _ => assert_eq!(ring.pop_front(), queue.pop_front()),
            }
            assert_eq!((ring.len(), ring.is_empty()), (queue.len(), queue.is_empty()));
        }
        (0..100).for_each(|n| ring.push_back(n));
        queue.extend(0..100);
        let mut all = ring.take();
        assert!(core::iter::from_fn(|| all.pop_front()).eq(queue));
        assert_eq!((ring.len(), ring.pop_front()), (0, None));
        ring.push_front(7);
        assert_eq!(ring.pop_front(), Some(7));
    }

    #[test]
    fn values_without_size_are_counted() {
        let mut ring = Ring::new();
        (0..1_000).for_each(|_| ring.push_back(()));
        ring.push_front(());
        assert_eq!(core::iter::from_fn(|| ring.pop_front()).count(), 1_001);
    }

    #[test]
    fn what_is_left_is_dropped_once_though_a_destructor_panics() {
        struct Value {
            _life: Rc<()>,
            panics: bool,
        }
        impl Drop for Value {
            fn drop(&mut self) {
                assert!(!self.panics, "expected by this test");
            }
        }
        let life = Rc::new(());
        let mut ring = Ring::new();
        (0..10).for_each(|n| ring.push_back(Value { _life: life.clone(), panics: n == 3 }));
        drop(ring.pop_front());
        assert!(catch_unwind(AssertUnwindSafe(|| drop(ring))).is_err());
        assert_eq!(Rc::strong_count(&life), 1);
    }
}
