//! `after`: a channel that gets one value, the time, when a duration has passed.

use core::cell::UnsafeCell;
use core::ptr::NonNull;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::handle::Chan;
use super::queue::{Core, Ends, Offered};
use crate::g::Wake;
use crate::inspect::Watch;
use crate::time::Instant;
use crate::time::clock::{NEVER, Nanos};
use crate::time::current::{timers, watch};
use crate::time::heap::{Entry, Timers};

/// Makes a channel with room for one value, which gets the time when `duration` has passed: Go's
/// `time.After`. It is not closed then: a second receive waits for ever, as in Go.
///
/// The timer is stopped when the last handle of the channel is dropped.
///
/// ```
/// use gmp_core::time::after;
/// use std::time::Duration;
///
/// gmp_core::block_on(async {
///     let work = gmp_core::chan::<u32>(0);
///     let late = after(Duration::from_millis(1));
///     let in_time = gmp_core::select! {
///         recv(work) -> _ => true,
///         recv(late) -> _ => false,
///     };
///     assert!(!in_time);
/// });
/// ```
#[track_caller]
pub fn after(duration: Duration) -> Chan<Instant> {
    let timers = timers();
    let when = timers.clock().after(duration);
    let alarm = Box::new(Alarm {
        entry: Entry::new(fire),
        watch: watch().filter(|_| when != NEVER),
        when,
        armed: AtomicBool::new(false),
        target: UnsafeCell::new(None),
        timers,
    });
    let core = Core::shared(1, Ends::Any, Location::caller(), Some(alarm));
    if let Some(alarm) = core.alarm().filter(|_| when != NEVER) {
        alarm.arm(&core);
    }
    Chan::of(core)
}

/// The timer of a channel, owned by the channel's core. The entry comes first: the heap points to it.
///
/// While it is armed it keeps the core alive, and with it itself. The last handle disarms it, so at the
/// moment it fires a handle exists, and the reference it gives up is not the last.
#[repr(C)]
pub(super) struct Alarm {
    entry: Entry,
    timers: Arc<Timers>,
    watch: Option<Arc<Watch>>,
    when: Nanos,
    /// For the inspection.
    armed: AtomicBool,
    /// Filled while armed. Guarded by the timers' lock while the entry is in the heap; else whoever took
    /// it out of there has it alone.
    target: UnsafeCell<Option<Arc<Core<Instant>>>>,
}

// SAFETY: `target` is guarded as its comment says, and what it holds may be shared and sent.
unsafe impl Send for Alarm {}
// SAFETY: as above.
unsafe impl Sync for Alarm {}

impl Alarm {
    fn entry(&self) -> NonNull<Entry> {
        NonNull::from(self).cast()
    }

    /// Arms a new alarm.
    fn arm(&self, core: &Arc<Core<Instant>>) {
        if let Some(watch) = &self.watch {
            watch.timer_armed();
        }
        self.armed.store(true, Ordering::Relaxed);
        // SAFETY: nobody else knows a new alarm. It stays in place in its box, which lives as long as
        // the core, which the alarm keeps alive until it fired or was disarmed.
        unsafe {
            *self.target.get() = Some(core.clone());
            self.timers.arm(self.entry(), self.when);
        }
    }

    /// Stops the timer; by whoever dropped the last handle of the channel and still has the core.
    pub(super) fn disarm(&self) {
        // SAFETY: alive. Only the party that took the entry out of the heap uses the target.
        let target = unsafe {
            if !self.timers.disarm(self.entry()) {
                return;
            }
            (*self.target.get()).take()
        };
        self.rest();
        drop(target);
    }

    fn rest(&self) {
        // Relaxed: a figure of the report.
        self.armed.store(false, Ordering::Relaxed);
        if let Some(watch) = &self.watch {
            watch.timer_disarmed();
        }
    }

    /// Time until it fires; `None` if it is not armed.
    pub(super) fn due_in(&self) -> Option<Duration> {
        let left = self.when.saturating_sub(self.timers.clock().now());
        self.armed.load(Ordering::Relaxed).then(|| Duration::from_nanos(left))
    }
}

/// # Safety
/// As [`crate::time::heap::Fire`] asks; the entry is that of an [`Alarm`].
unsafe fn fire(entry: NonNull<Entry>, wakes: &mut Vec<Wake>) {
    // SAFETY: an armed alarm is alive, and the caller holds the timers' lock and has taken the entry out
    // of the heap.
    let (alarm, target) = unsafe {
        let alarm = entry.cast::<Alarm>().as_ref();
        (alarm, (*alarm.target.get()).take())
    };
    alarm.rest();
    let clock = alarm.timers.clock();
    let (Some(core), Some(now)) = (target, clock.instant(clock.now())) else { return };
    // If the user has filled or closed the channel the time is dropped, as in Go.
    if let Offered::Sent(Some(wake)) = core.lock().offer(now.into()) {
        wakes.push(wake);
    }
}
