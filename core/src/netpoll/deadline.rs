//! The deadlines of a source, one a direction: when one passes, every attempt fails until another is set.

use crate::time::Instant;
use core::ptr::NonNull;
use core::time::Duration;
use std::sync::Arc;

use super::edges::word;
use super::source::Head;
use crate::g::Wake;
use crate::inspect::IoWant;
use crate::sys::Lock;
use crate::time::clock::Nanos;
use crate::time::current::with_timers;
use crate::time::timers::{Acts, Entry, Firing, Home, Kept};

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
    home: Arc<Home>,
    when: Nanos,
}

// SAFETY: the head, which owns this, is used as its own locks ask.
unsafe impl Send for Deadline {}
// SAFETY: as above.
unsafe impl Sync for Deadline {}

static ACTS: Acts = Acts { fire, evict, in_vain: Acts::never_in_vain };

/// # Safety
/// As [`Acts`] asks; the entry is that of a [`Deadline`].
unsafe fn fire(entry: NonNull<Entry>, firing: &mut Firing) -> Option<Nanos> {
    // SAFETY: an armed entry is alive, and so is its head, which disarms it before it goes.
    let (head, want) = unsafe {
        let deadline = entry.cast::<Deadline>().as_ref();
        (deadline.head.as_ref(), deadline.want)
    };
    head.edges.change(want, &mut firing.wakes, |word| word | word::EXPIRED);
    None
}

/// # Safety
/// As for [`fire`]. The runtime has ended, and nobody tries the source any more.
unsafe fn evict(_: NonNull<Entry>) -> Option<Arc<dyn Kept>> {
    None
}

impl Deadline {
    pub(super) fn new(want: IoWant, head: &Head) -> Self {
        Self { entry: Entry::new(&ACTS), want, head: NonNull::from(head), armed: Lock::default() }
    }

    /// Sets it. A moment that has come already fails whatever waits at once.
    pub(super) fn set(&self, head: &Head, moment: Option<Instant>) {
        let mut armed = self.armed.lock();
        self.disarm(&mut armed);
        let timers = with_timers(Arc::clone);
        let when = moment.map(|moment| timers.clock().nanos_of(moment.into()));
        if when.is_some_and(|when| when <= timers.clock().now()) {
            drop(armed);
            let mut wakes = Vec::new();
            head.edges.change(self.want, &mut wakes, |word| word | word::EXPIRED);
            return wakes.into_iter().for_each(Wake::wake);
        }
        head.edges.revive(self.want);
        if let Some(when) = when {
            let home = timers.home().clone();
            // SAFETY: it stays in its box until the head goes, which disarms it.
            unsafe { timers.arm(&home, NonNull::from(self).cast(), when, |_| {}) };
            *armed = Some(Armed { home, when });
        }
    }

    /// Time until it passes, if it is set.
    pub(super) fn due_in(&self) -> Option<Duration> {
        let armed = self.armed.lock();
        let left = |a: &Armed| Duration::from_nanos(a.when.saturating_sub(a.home.clock().now()));
        armed.as_ref().map(left)
    }

    /// Ends it.
    pub(super) fn end(&self) {
        self.disarm(&mut self.armed.lock());
    }

    fn disarm(&self, armed: &mut Option<Armed>) {
        if let Some(Armed { home, .. }) = armed.take() {
            // SAFETY: alive, and armed there or nowhere.
            unsafe { home.disarm(NonNull::from(self).cast(), |_| {}) };
        }
    }
}
