//! Channels that a timer fills: the part that `after`, `Timer` and `Ticker` share.

use core::time::Duration;
use std::panic::Location as Panic;
use std::sync::{Arc, Weak};

use super::handle::Chan;
use super::queue::{Core, Ends, Offered};
use crate::g::Wake;
use crate::inspect::{Location, PrimitiveKind, TimerInfo, TimerView};
use crate::time::Instant;
use crate::time::alarm::{Alarm, Ring};
use crate::time::clock::Nanos;

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
#[doc(alias = "After")]
#[track_caller]
pub fn after(duration: Duration) -> Chan<Instant> {
    let chan = Chan::timed(PrimitiveKind::Timer, Panic::caller());
    if let Some(timed) = chan.as_timed() {
        timed.start(duration, 0);
    }
    chan
}

impl Chan<Instant> {
    /// A channel with a timer that is not armed.
    pub(super) fn timed(kind: PrimitiveKind, at: Location) -> Self {
        let core = Core::shared(1, Ends::Any, at, Some((Box::new(Alarm::new()), kind)));
        if let Some(record) = &core.anchor().record {
            let weak: Weak<Core<Instant>> = Arc::downgrade(&core);
            record.set_timer(weak);
        }
        Chan::of(core)
    }

    /// The timer of this channel.
    pub(super) fn as_timed(&self) -> Option<Timed<'_>> {
        let core = self.shared_core()?;
        Some(Timed { core, alarm: core.alarm()? })
    }
}

/// A channel with a timer.
pub(super) struct Timed<'a> {
    core: &'a Arc<Core<Instant>>,
    alarm: &'a Alarm,
}

impl Timed<'_> {
    /// Arms the timer for a moment `after` from now, and from then on every `period` if that is not zero.
    pub(super) fn start(&self, after: Duration, period: Nanos) {
        let clock = self.alarm.timers().clock();
        if after.is_zero() && period == 0 {
            // Due already: a receive that does not wait gets it too.
            let Some(now) = clock.instant(clock.now()) else { return };
            // The lock is given back before anybody is woken.
            let offered = self.core.lock().offer(now.into());
            if let Offered::Sent(Some(wake)) = offered {
                wake.wake();
            }
            return;
        }
        // SAFETY: the core, which the alarm keeps alive while it is armed, owns the alarm in a box.
        unsafe { self.alarm.arm(self.core.clone(), clock.after(after), period) };
    }

    /// Stops the timer and takes a time out that nobody has received. True if it was armed, or such a time
    /// was there.
    pub(super) fn stop(&self) -> bool {
        let was_armed = self.alarm.disarm();
        let stale = self.core.drain();
        was_armed || !stale.is_empty()
    }

    /// Stops the timer and arms it anew. True if it was armed, or a time was there that nobody had received.
    pub(super) fn reset(&self, after: Duration, period: Nanos) -> bool {
        self.alarm.note_reset();
        let was_active = self.stop();
        self.start(after, period);
        was_active
    }
}

/// While its timer is armed the channel is kept alive by it. The last handle stops the timer, so at the
/// moment it rings there is a handle, or somebody who has just dropped one and still has the core.
impl Ring for Core<Instant> {
    fn ring(&self, now: Instant, wakes: &mut Vec<Wake>) {
        // If the channel is full or closed the time is dropped, as in Go.
        if let Offered::Sent(Some(wake)) = self.lock().offer(now) {
            wakes.push(wake);
        }
    }

    fn rings_in_vain(&self) -> bool {
        self.lock().offers_in_vain()
    }
}

impl TimerView for Core<Instant> {
    fn info(&self) -> TimerInfo {
        let none = TimerInfo { armed: false, due_in: None, every: None, resets: 0 };
        self.alarm().map_or(none, Alarm::info)
    }
}
