//! The global run queue: an intrusive list under a lock, filled by threads without a P and by
//! overflowing rings.

use core::ptr::NonNull;

use crate::g::{GRef, Header};
use crate::sys::Lock;
use crate::sys::atomic::{AtomicUsize, Ordering};

/// First in, first out.
pub(crate) struct Global {
    len: AtomicUsize,
    queue: Lock<Queue>,
}

struct Queue {
    head: Option<NonNull<Header>>,
    tail: Option<NonNull<Header>>,
}

// SAFETY: the queue owns a reference to each goroutine in it.
unsafe impl Send for Queue {}

impl Global {
    pub(crate) fn new() -> Self {
        let queue = Lock::new(Queue { head: None, tail: None });
        Self { len: AtomicUsize::new(0), queue }
    }

    pub(crate) fn is_empty(&self) -> bool {
        // Acquire: a hint; whoever must not miss a push fences first, see `Shared::wake`.
        self.len.load(Ordering::Acquire) == 0
    }

    pub(crate) fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    pub(crate) fn push(&self, g: GRef) {
        self.push_all([g]);
    }

    /// Appends all, in order.
    pub(crate) fn push_all(&self, all: impl IntoIterator<Item = GRef>) {
        let mut queue = self.queue.lock();
        let mut n = 0;
        for g in all {
            let g = g.into_raw();
            // SAFETY: we own the queue's reference, which makes the link ours.
            unsafe { *GRef::run_next(g) = None };
            match queue.tail.replace(g) {
                // SAFETY: the queue owns a reference to its tail.
                Some(tail) => unsafe { *GRef::run_next(tail) = Some(g) },
                None => queue.head = Some(g),
            }
            n += 1;
        }
        self.len.fetch_add(n, Ordering::Release);
    }

    pub(crate) fn pop(&self) -> Option<GRef> {
        if self.is_empty() {
            return None;
        }
        let mut queue = self.queue.lock();
        let g = queue.pop()?;
        self.len.fetch_sub(1, Ordering::Release);
        Some(g)
    }
}

impl Global {
    /// Takes one of `sharers` equal parts, rounded up, and at most `limit`.
    pub(crate) fn pop_share(&self, sharers: usize, limit: usize) -> Vec<GRef> {
        if self.is_empty() {
            return Vec::new();
        }
        let mut queue = self.queue.lock();
        // Relaxed: written under the lock.
        let share = (self.len.load(Ordering::Relaxed) / sharers + 1).min(limit);
        let taken: Vec<GRef> = core::iter::from_fn(|| queue.pop()).take(share).collect();
        self.len.fetch_sub(taken.len(), Ordering::Release);
        taken
    }
}

impl Queue {
    fn pop(&mut self) -> Option<GRef> {
        let g = self.head?;
        // SAFETY: the queue owns a reference to its head.
        self.head = unsafe { (*GRef::run_next(g)).take() };
        if self.head.is_none() {
            self.tail = None;
        }
        // SAFETY: the queue's reference goes to the caller.
        Some(unsafe { GRef::from_raw(g) })
    }
}

impl Drop for Global {
    fn drop(&mut self) {
        while self.pop().is_some() {}
    }
}
