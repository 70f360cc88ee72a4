//! `sleep`: waits until a moment has come.

use core::cell::UnsafeCell;
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::ptr::NonNull;
use core::task::{Context, Poll};
use std::panic::Location as Panic;
use std::sync::Arc;
use std::time::Duration;

use super::Instant;
use super::clock::{NEVER, Nanos};
use super::current::now;
use super::timers::{Acts, Entry, Firing, Home, Kept, Timers};
use crate::g::leaf::{FIRED, Leaf, Prepared};
use crate::inspect::{Anchor, Figure, Location, WaitInfo, WaitReason, Watch};
use crate::sched::with_scope_here;

/// Waits until a moment has come. Made by [`sleep`] and [`sleep_until`].
///
/// # Cancel safety
/// It can be dropped at any time; its timer goes with it.
#[must_use = "futures do nothing unless awaited"]
pub struct Sleep {
    alarm: Alarm,
    /// `None`: never.
    until: Option<Instant>,
    /// Whether the moment was to come when this was made.
    is_later: bool,
}

/// Waits for `duration`. It is over at the earliest when that time has passed since this call; at once
/// for zero.
///
/// ```
/// use gmp_core::time::{now, sleep};
/// use std::time::Duration;
///
/// gmp_core::block_on(async {
///     let before = now();
///     sleep(Duration::from_millis(2)).await;
///     assert!(now() - before >= Duration::from_millis(2));
/// });
/// ```
#[track_caller]
pub fn sleep(duration: Duration) -> Sleep {
    Sleep::new(now().checked_add(duration), !duration.is_zero(), Panic::caller())
}

/// Waits until `moment` has come; not at all if it is past.
#[track_caller]
pub fn sleep_until(moment: impl Into<Instant>) -> Sleep {
    Sleep::new(Some(moment.into()), false, Panic::caller())
}

/// A leaf that a timer releases. The entry comes first: the heap points to it. The lock of the timers is
/// the one that guards the leaf.
#[repr(C)]
struct Alarm {
    entry: Entry,
    leaf: Leaf<UnsafeCell<Option<Armed>>>,
}

/// Where an alarm is armed. Written by its owner while the leaf is not registered.
struct Armed {
    home: Arc<Home>,
    watch: Option<Arc<Watch>>,
    when: Nanos,
}

static SLEEP: Anchor = Anchor { describe, record: None };

/// # Safety
/// As [`Describe`](crate::inspect::anchor::Describe) asks; the leaf is that of an [`Alarm`].
unsafe fn describe(_: NonNull<Anchor>, leaf: NonNull<()>, out: &mut dyn FnMut(WaitInfo)) {
    // SAFETY: as the caller says; the slot stays as it is while the leaf is registered.
    let (leaf, armed) = unsafe {
        let leaf = leaf.cast::<Leaf<UnsafeCell<Option<Armed>>>>().as_ref();
        (leaf, &*leaf.slot.get())
    };
    let due_in = armed.as_ref().and_then(Armed::due_in);
    out(WaitInfo {
        reason: leaf.reason(),
        in_select: false,
        at: leaf.at(),
        figure: Figure::Timer { due_in: due_in.unwrap_or(Duration::MAX) },
        record: None,
        capabilities: Vec::new(),
        complete: true,
        due_in,
    });
}

impl Armed {
    fn due_in(&self) -> Option<Duration> {
        let left = self.when.saturating_sub(self.home.clock().now());
        (self.when != NEVER).then(|| Duration::from_nanos(left))
    }
}

static ACTS: Acts = Acts { fire, evict, in_vain: Acts::never_in_vain };

/// # Safety
/// As [`Acts`] asks; the entry is that of an [`Alarm`] whose leaf waits.
unsafe fn fire(entry: NonNull<Entry>, firing: &mut Firing) -> Option<Nanos> {
    // SAFETY: an armed alarm is alive, and its leaf waits until it fired; the caller holds the timers'
    // lock. The leaf is not used after it fired.
    unsafe {
        let leaf = NonNull::from(&entry.cast::<Alarm>().as_ref().leaf);
        if let Some(Armed { watch: Some(watch), .. }) = &*leaf.as_ref().slot.get() {
            watch.timer_disarmed();
        }
        firing.wakes.push(Leaf::fire(Leaf::erase(leaf), FIRED));
    }
    None
}

/// # Safety
/// As for [`fire`]. The leaf waits on: for ever, unless another runtime polls it.
unsafe fn evict(entry: NonNull<Entry>) -> Option<Arc<dyn Kept>> {
    // SAFETY: as in `fire`.
    let armed = unsafe { &*entry.cast::<Alarm>().as_ref().leaf.slot.get() };
    if let Some(Armed { watch: Some(watch), .. }) = armed {
        watch.timer_disarmed();
    }
    None
}

impl Sleep {
    fn new(until: Option<Instant>, is_later: bool, at: Location) -> Self {
        let leaf = Leaf::new(WaitReason::Sleep, NonNull::from(&SLEEP), at, UnsafeCell::new(None));
        Self { alarm: Alarm { entry: Entry::new(&ACTS), leaf }, until, is_later }
    }

    /// When it is over; `None` for never.
    pub fn deadline(&self) -> Option<Instant> {
        self.until
    }

    fn node(&self) -> NonNull<Leaf> {
        Leaf::erase(NonNull::from(&self.alarm.leaf))
    }

    fn entry(&self) -> NonNull<Entry> {
        NonNull::from(&self.alarm).cast()
    }

    fn poll_sleep(&self, cx: &Context<'_>) -> Poll<()> {
        let leaf = &self.alarm.leaf;
        if leaf.traced(cx) {
            return Poll::Pending;
        }
        if leaf.waits_for(cx) {
            return Poll::Pending;
        }
        // Another task may belong to another runtime: the alarm moves to its timers.
        if self.stop() {
            return Poll::Ready(());
        }
        if !leaf.proceed(cx) {
            return Poll::Pending;
        }
        with_scope_here(|scope| {
            let timers = scope.schedule().timers();
            let when = self.until.map_or(NEVER, |until| timers.clock().nanos_of(until.into()));
            // A moment that has come since this was made is not worth a look at the clock: it fires at once.
            if !self.is_later && when <= timers.clock().now() {
                return Poll::Ready(());
            }
            let waiter = Prepared::new(self.node(), cx);
            let watch = scope.watch().filter(|_| when != NEVER).cloned();
            self.start(waiter, Armed { home: timers.home().clone(), watch, when }, timers);
            Poll::Pending
        })
    }

    /// Arms the alarm and registers the leaf, which is idle.
    fn start(&self, waiter: Prepared, armed: Armed, timers: &Timers) {
        let when = armed.when;
        if let Some(watch) = &armed.watch {
            watch.timer_armed();
        }
        // SAFETY: nobody but us sees an idle leaf. It is pinned until `stop`, which the owner calls
        // before it goes, has disarmed the entry.
        unsafe {
            let armed = (*self.alarm.leaf.slot.get()).insert(armed);
            let home = Arc::as_ptr(&armed.home);
            Leaf::park_alone(self.node(), waiter);
            if when != NEVER && !timers.arm(&*home, self.entry(), when, |_| {}) {
                evict(self.entry());
            }
            Leaf::enlist(self.node());
        }
    }

    /// Disarms the alarm and ends the registration, if there is one. True if it had fired.
    fn stop(&self) -> bool {
        let leaf = &self.alarm.leaf;
        if leaf.is_idle() {
            return false;
        }
        // SAFETY: registered, so the slot is filled and stays so until it is taken below.
        if let Some(Armed { home, watch, .. }) = unsafe { &*leaf.slot.get() } {
            // SAFETY: ours, hence alive, and armed there or nowhere.
            let disarmed = unsafe { home.disarm(self.entry(), |was_armed| was_armed) };
            if let Some(watch) = watch.as_ref().filter(|_| disarmed) {
                watch.timer_disarmed();
            }
        }
        let fired = leaf.state() == FIRED;
        // SAFETY: ours, enlisted when it parked, and out of the heap. Once it is out of the list too,
        // the slot is ours alone.
        unsafe {
            Leaf::settle(self.node());
            drop((*leaf.slot.get()).take());
        }
        fired
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.as_ref().get_ref().poll_sleep(cx)
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.stop();
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleep").field("deadline", &self.until).finish_non_exhaustive()
    }
}
