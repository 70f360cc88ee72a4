//! An alarm: a timer that rings something on the heap, such as a channel, a context or a function.

use core::cell::UnsafeCell;
use core::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use super::clock::{NEVER, Nanos, nanos};
use super::current::{watch, with_timers};
use super::timers::{Acts, Entry, Firing, Home, Kept, Timers};
use crate::g::Wake;
use crate::inspect::{TimerInfo, Watch};

/// What an alarm rings.
pub(crate) trait Ring: Send + Sync {
    /// The moment has come, it is `now`. Runs under the timers' lock: no user code, wakes go to the list. The
    /// alarm drops its reference to this right after; it must not be the last.
    fn ring(&self, now: super::Instant, wakes: &mut Vec<Wake>);

    /// Whether nothing would come of ringing until a goroutine has done something. Runs under the timers' lock.
    fn rings_in_vain(&self) -> bool {
        false
    }
}

impl Kept for Target {}

/// An `Arc<dyn Ring>` as something to be dropped.
struct Target(#[allow(dead_code, reason = "kept to be dropped")] Arc<dyn Ring>);

/// An alarm, armed and stopped by anybody who has a reference. The entry comes first: the heap points to it.
#[repr(C)]
pub(crate) struct Alarm {
    entry: Entry,
    timers: Arc<Timers>,
    home: Arc<Home>,
    watch: Option<Arc<Watch>>,
    /// When it rings next, if it is armed; and how long after that again, 0 for never. Written under the
    /// timers' lock, read by the inspection.
    when: AtomicU64,
    period: AtomicU64,
    armed: AtomicBool,
    resets: AtomicU32,
    /// Filled while it is in the heap. Guarded by the timers' lock.
    target: UnsafeCell<Option<Arc<dyn Ring>>>,
}

// SAFETY: `target` is guarded as its comment says, and what it holds may be shared and sent.
unsafe impl Send for Alarm {}
// SAFETY: as above.
unsafe impl Sync for Alarm {}

static ACTS: Acts = Acts { fire, evict, in_vain };

impl Alarm {
    /// An alarm that goes by the clock here, and is not armed.
    pub(crate) fn new() -> Self {
        let (timers, home) = with_timers(|timers| (timers.clone(), timers.home().clone()));
        Self {
            entry: Entry::new(&ACTS),
            timers,
            home,
            watch: watch(),
            when: AtomicU64::new(NEVER),
            period: AtomicU64::new(0),
            armed: AtomicBool::new(false),
            resets: AtomicU32::new(0),
            target: UnsafeCell::new(None),
        }
    }

    pub(crate) fn timers(&self) -> &Timers {
        &self.timers
    }

    fn entry(&self) -> NonNull<Entry> {
        NonNull::from(self).cast()
    }

    /// Arms it for `when`, and from then on every `period` if that is not zero. `NEVER` is armed too, but
    /// rings nobody.
    ///
    /// # Safety
    /// The alarm stays in place until it rang for the last time, was disarmed, or its runtime ended: `target`
    /// owns it, or its owner disarms it before it goes.
    pub(crate) unsafe fn arm(&self, target: Arc<dyn Ring>, when: Nanos, period: Nanos) {
        let mut target = Some(target);
        let under = |was_armed: bool| {
            self.note(true, when, period);
            // SAFETY: under the timers' lock.
            target = unsafe { (*self.target.get()).replace(target.take()?) };
            if let Some(watch) = self.watch.as_ref().filter(|_| !was_armed) {
                watch.timer_armed();
            }
            Some(())
        };
        if when == NEVER {
            self.disarm();
            self.note(true, NEVER, 0);
        } else {
            let mut under = under;
            // SAFETY: as the caller says; the home is always the same.
            unsafe { self.timers.arm(&self.home, self.entry(), when, |was| _ = under(was)) };
        }
        drop(target);
    }

    fn note(&self, armed: bool, when: Nanos, period: Nanos) {
        // Relaxed: figures of the report; `armed` is decided under the lock.
        self.when.store(when, Ordering::Relaxed);
        self.period.store(period, Ordering::Relaxed);
        self.armed.store(armed, Ordering::Relaxed);
    }

    /// Stops it. True if it was armed: it will not ring because of this call.
    pub(crate) fn disarm(&self) -> bool {
        let (was_armed, target) = {
            let under = |was_in_heap: bool| {
                if let Some(watch) = self.watch.as_ref().filter(|_| was_in_heap) {
                    watch.timer_disarmed();
                }
                // SAFETY: under the timers' lock.
                let target = unsafe { (*self.target.get()).take() };
                (self.armed.swap(false, Ordering::Relaxed), target)
            };
            // SAFETY: alive; the home is always the same.
            unsafe { self.home.disarm(self.entry(), under) }
        };
        drop(target);
        was_armed
    }

    /// Somebody sets it anew.
    pub(crate) fn note_reset(&self) {
        self.resets.fetch_add(1, Ordering::Relaxed);
    }

    /// It rang, or was evicted: gives up what it kept.
    ///
    /// # Safety
    /// The timers' lock is held.
    unsafe fn rest(&self) -> Option<Arc<dyn Ring>> {
        self.armed.store(false, Ordering::Relaxed);
        if let Some(watch) = &self.watch {
            watch.timer_disarmed();
        }
        // SAFETY: as the caller says.
        unsafe { (*self.target.get()).take() }
    }

    /// Time until it rings; `None` if it is not armed, or never rings.
    pub(crate) fn due_in(&self) -> Option<Duration> {
        let when = self.when.load(Ordering::Relaxed);
        let left = when.saturating_sub(self.timers.clock().now());
        let rings = self.armed.load(Ordering::Relaxed) && when != NEVER;
        rings.then(|| Duration::from_nanos(left))
    }

    /// What the inspection knows of it.
    pub(crate) fn info(&self) -> TimerInfo {
        let period = self.period.load(Ordering::Relaxed);
        TimerInfo {
            armed: self.armed.load(Ordering::Relaxed),
            due_in: self.due_in(),
            every: (period > 0).then(|| Duration::from_nanos(period)),
            resets: self.resets.load(Ordering::Relaxed),
        }
    }
}

/// A period in nanoseconds.
pub(crate) fn period(duration: Duration) -> Nanos {
    nanos(duration).min(NEVER - 1)
}

/// # Safety
/// As [`Acts`] asks; the entry is that of an [`Alarm`].
unsafe fn fire(entry: NonNull<Entry>, firing: &mut Firing) -> Option<Nanos> {
    // SAFETY: an armed alarm is alive, and the caller holds the timers' lock.
    let alarm = unsafe { entry.cast::<Alarm>().as_ref() };
    let now = alarm.timers.clock().instant(firing.now)?.into();
    let (when, period) = (alarm.when.load(Ordering::Relaxed), alarm.period.load(Ordering::Relaxed));
    // Ticks that were missed are left out.
    if let Some(missed) = firing.now.saturating_sub(when).checked_div(period) {
        // SAFETY: as above.
        let target = unsafe { &*alarm.target.get() };
        target.iter().for_each(|target| target.ring(now, &mut firing.wakes));
        let next = when.saturating_add(period.saturating_mul(missed + 1)).min(NEVER - 1);
        alarm.when.store(next, Ordering::Relaxed);
        return Some(next);
    }
    // SAFETY: as above.
    let target = unsafe { alarm.rest() };
    // Its own reference is not the last, as `Ring` says: the alarm outlives this.
    target.iter().for_each(|target| target.ring(now, &mut firing.wakes));
    None
}

/// # Safety
/// As for [`fire`].
unsafe fn in_vain(entry: NonNull<Entry>) -> bool {
    // SAFETY: as in `fire`.
    let alarm = unsafe { entry.cast::<Alarm>().as_ref() };
    // One that rings once is gone then, which is something.
    let again = alarm.period.load(Ordering::Relaxed) > 0;
    // SAFETY: under the timers' lock.
    let target = unsafe { &*alarm.target.get() };
    again && target.as_ref().is_none_or(|target| target.rings_in_vain())
}

/// # Safety
/// As for [`fire`].
unsafe fn evict(entry: NonNull<Entry>) -> Option<Arc<dyn Kept>> {
    // SAFETY: as in `fire`.
    let target = unsafe { entry.cast::<Alarm>().as_ref().rest() };
    target.map(|target| Arc::new(Target(target)) as Arc<dyn Kept>)
}
