//! The deadlines of a source, one a direction: when one passes, every attempt fails until another is set.

use crate::time::Instant;
use core::ptr::NonNull;
use core::time::Duration;
use std::sync::Arc;

use super::source::{Head, word};
use crate::g::Wake;
use crate::inspect::IoWant;
use crate::sys::Lock;
use crate::time::clock::Nanos;
use crate::time::current::timers;
use crate::time::heap::{Entry, Timers};

/// A deadline of one direction. The entry comes first: the timers point to it.
#[repr(C)]
pub(super) struct Deadline {
    entry: Entry,
    want: IoWant,
    head: NonNull<Head>,
    armed: Lock<Option<Armed>>,
}

/// Where and for when it is armed, or was until it fired.
struct Armed {
    timers: Arc<Timers>,
    when: Nanos,
}

// SAFETY: the head, which owns this, is used as its own locks ask.
unsafe impl Send for Deadline {}
// SAFETY: as above.
unsafe impl Sync for Deadline {}

/// # Safety
/// As [`Fire`](crate::time::heap::Fire) asks; the entry is that of a [`Deadline`].
unsafe fn fire(entry: NonNull<Entry>, wakes: &mut Vec<Wake>) {
    // SAFETY: an armed entry is alive, and so is its head, which disarms it before it goes.
    let (head, want) = unsafe {
        let deadline = entry.cast::<Deadline>().as_ref();
        (deadline.head.as_ref(), deadline.want)
    };
    head.change(want, wakes, |word| word | word::EXPIRED);
}

impl Deadline {
    pub(super) fn new(want: IoWant, head: &Head) -> Self {
        Self { entry: Entry::new(fire), want, head: NonNull::from(head), armed: Lock::default() }
    }

    /// Sets it. A moment that has come already fails whatever waits at once.
    pub(super) fn set(&self, head: &Head, moment: Option<Instant>) {
        let mut armed = self.armed.lock();
        self.disarm(&mut armed);
        let timers = timers();
        let when = moment.map(|moment| timers.clock().nanos_of(moment.into()));
        if when.is_some_and(|when| when <= timers.clock().now()) {
            drop(armed);
            let mut wakes = Vec::new();
            head.change(self.want, &mut wakes, |word| word | word::EXPIRED);
            return wakes.into_iter().for_each(Wake::wake);
        }
        head.revive(self.want);
        if let Some(when) = when {
            *armed = Some(Armed { timers: timers.clone(), when });
            // SAFETY: it stays in its box until the head goes, which disarms it.
            unsafe { timers.arm(NonNull::from(self).cast(), when) };
        }
    }

    /// Time until it passes, if it is set.
    pub(super) fn due_in(&self) -> Option<Duration> {
        let armed = self.armed.lock();
        let left = |a: &Armed| Duration::from_nanos(a.when.saturating_sub(a.timers.clock().now()));
        armed.as_ref().map(left)
    }

    /// Ends it.
    pub(super) fn end(&self) {
        self.disarm(&mut self.armed.lock());
    }

    fn disarm(&self, armed: &mut Option<Armed>) {
        if let Some(Armed { timers, .. }) = armed.take() {
            // SAFETY: alive, and armed on these timers.
            unsafe { timers.disarm(NonNull::from(self).cast()) };
        }
    }
}
