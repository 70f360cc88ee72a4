//! A short list that needs no memory of its own while it is short.

use core::mem::MaybeUninit;
use core::ops::{Deref, DerefMut};

/// How many items fit in without memory from the heap.
const FEW: usize = 8;

/// A list of a few items; of many, too.
pub(super) struct Few<T> {
    /// How many of `near` there are; 0 once all are in `far`.
    len: usize,
    near: [MaybeUninit<T>; FEW],
    far: Vec<T>,
}

impl<T> Few<T> {
    #[inline]
    pub(super) fn new() -> Self {
        Self { len: 0, near: [const { MaybeUninit::uninit() }; FEW], far: Vec::new() }
    }

    #[inline]
    pub(super) fn push(&mut self, item: T) {
        if self.len < FEW && self.far.is_empty() {
            self.near[self.len].write(item);
            self.len += 1;
        } else {
            self.push_far(item);
        }
    }

    #[cold]
    fn push_far(&mut self, item: T) {
        let near = core::mem::take(&mut self.len);
        // SAFETY: so many were written; they are not read again, because none is counted any more.
        self.far.extend(self.near[..near].iter().map(|item| unsafe { item.assume_init_read() }));
        self.far.push(item);
    }
}

impl<T> Deref for Few<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        if self.far.is_empty() {
            // SAFETY: so many were written, and `MaybeUninit<T>` has the layout of `T`.
            unsafe { core::slice::from_raw_parts(self.near.as_ptr().cast(), self.len) }
        } else {
            &self.far
        }
    }
}

impl<T> DerefMut for Few<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [T] {
        if self.far.is_empty() {
            // SAFETY: as in `deref`.
            unsafe { core::slice::from_raw_parts_mut(self.near.as_mut_ptr().cast(), self.len) }
        } else {
            &mut self.far
        }
    }
}

impl<T> Drop for Few<T> {
    #[inline]
    fn drop(&mut self) {
        if core::mem::needs_drop::<T>() {
            for item in &mut self.near[..self.len] {
                // SAFETY: so many were written, and are dropped here only.
                unsafe { item.assume_init_drop() };
            }
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::{FEW, Few};
    use std::rc::Rc;

    #[test]
    fn items_stay_in_order_and_are_dropped_once() {
        for count in [0, 1, FEW - 1, FEW, FEW + 1, 3 * FEW] {
            let item = Rc::new(());
            let mut few = Few::new();
            (0..count).for_each(|i| few.push((i, item.clone())));
            assert!(few.iter().map(|(i, _)| *i).eq(0..count), "{count} items");
            few.iter_mut().for_each(|(i, _)| *i += 1);
            assert!(few.iter().map(|(i, _)| *i).eq(1..=count), "{count} items");
            assert_eq!(Rc::strong_count(&item), count + 1);
            drop(few);
            assert_eq!(Rc::strong_count(&item), 1);
        }
    }
}
