//! The global run queue: an intrusive list under a lock, filled by threads without a P and by
//! overflowing rings.

use core::ptr::NonNull;

use crate::g::{GRef, Header};
use crate::sys::BriefLock;
use crate::sys::atomic::{AtomicUsize, Ordering};

/// First in, first out.
pub(crate) struct Global {
    len: AtomicUsize,
    queue: BriefLock<Queue>,
}

struct Queue {
    head: Option<NonNull<Header>>,
    tail: Option<NonNull<Header>>,
}

/// What was taken from the front, in order.
pub(crate) struct Chain {
    head: Option<NonNull<Header>>,
}

// SAFETY: the queue owns a reference to each goroutine in it.
unsafe impl Send for Queue {}

impl Global {
    pub(crate) fn new() -> Self {
        let queue = BriefLock::new(Queue { head: None, tail: None });
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
        self.set_len(self.len() + n);
    }

    pub(crate) fn pop(&self) -> Option<GRef> {
        if self.is_empty() {
            return None;
        }
        let mut queue = self.queue.lock();
        let g = pop(&mut queue.head)?;
        if queue.head.is_none() {
            queue.tail = None;
        }
        self.set_len(self.len() - 1);
        Some(g)
    }

    /// Under the lock, whose holder alone writes it.
    fn set_len(&self, len: usize) {
        // Release: pairs with the load in `is_empty`.
        self.len.store(len, Ordering::Release);
    }
}

impl Global {
    /// Takes one of `sharers` equal parts, rounded up, and at most `limit`.
    pub(crate) fn pop_share(&self, sharers: usize, limit: usize) -> Chain {
        if self.is_empty() {
            return Chain { head: None };
        }
        let mut queue = self.queue.lock();
        let len = self.len();
        let share = (len / sharers + 1).min(limit);
        let Some(mut last) = queue.head.filter(|_| share > 0) else { return Chain { head: None } };
        let mut taken = 1;
        // SAFETY: the queue owns a reference to each in it.
        while let Some(next) = unsafe { *GRef::run_next(last) }.filter(|_| taken < share) {
            last = next;
            taken += 1;
        }
        // SAFETY: as above.
        let rest = unsafe { (*GRef::run_next(last)).take() };
        let head = core::mem::replace(&mut queue.head, rest);
        if queue.head.is_none() {
            queue.tail = None;
        }
        self.set_len(len - taken);
        Chain { head }
    }
}

/// The first of a list, which is the caller's from now on.
fn pop(head: &mut Option<NonNull<Header>>) -> Option<GRef> {
    let g = (*head)?;
    // SAFETY: the list owns a reference to each in it.
    *head = unsafe { (*GRef::run_next(g)).take() };
    // SAFETY: the list's reference goes to the caller.
    Some(unsafe { GRef::from_raw(g) })
}

impl Iterator for Chain {
    type Item = GRef;

    fn next(&mut self) -> Option<GRef> {
        pop(&mut self.head)
    }
}

impl Drop for Chain {
    fn drop(&mut self) {
        self.for_each(drop);
    }
}

impl Drop for Global {
    fn drop(&mut self) {
        while self.pop().is_some() {}
    }
}
