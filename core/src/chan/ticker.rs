//! `Ticker`: a channel that gets the time again and again.

use core::fmt;
use core::time::Duration;
use std::panic::Location as Panic;

use super::Recv;
use super::handle::Chan;
use crate::g::point;
use crate::inspect::{Location, Operation, PrimitiveKind};
use crate::time::Instant;
use crate::time::alarm::period;

/// A timer that fires again and again: its channel, which has room for one value, gets the time. A tick
/// that finds the value of the one before still there is left out, and a look that comes late makes no ticks up
/// for those that were missed.
///
/// After [`stop`](Self::stop) or [`reset`](Self::reset) no time from before comes out of the channel any
/// more. The ticker is stopped when it and all handles of its channel are dropped.
///
/// ```
/// use gmp_core::time::{Ticker, now};
/// use std::time::Duration;
///
/// let second = Duration::from_secs(1);
/// gmp_core::runtime::Builder::new().virtual_time().build().block_on(async {
///     let (begin, ticker) = (now(), Ticker::new(second));
///     for n in 1..=3 {
///         assert_eq!(ticker.recv().await, Some(begin + n * second));
///     }
/// });
/// ```
#[doc(alias = "NewTicker")]
pub struct Ticker {
    chan: Chan<Instant>,
}

/// The channel of a [`Ticker`] that nobody resets: Go's `time.Tick`. The nil channel for a period of zero. It
/// is stopped when its last handle is dropped.
#[doc(alias = "Tick")]
#[track_caller]
pub fn tick(every: Duration) -> Chan<Instant> {
    if every.is_zero() { Chan::nil() } else { start(every, Panic::caller()) }
}

fn start(every: Duration, at: Location) -> Chan<Instant> {
    let chan = Chan::timed(PrimitiveKind::Ticker, at);
    if let Some(timed) = chan.as_timed() {
        timed.start(every, period(every));
    }
    chan
}

/// # Panics
/// If a ticker cannot have this period.
fn check(every: Duration) {
    assert!(!every.is_zero(), "gmp: a ticker with a period of zero would never stop ticking");
}

impl Ticker {
    /// A ticker that ticks for the first time when `every` has passed.
    ///
    /// # Panics
    /// If `every` is zero.
    #[doc(alias = "NewTicker")]
    #[track_caller]
    pub fn new(every: Duration) -> Self {
        check(every);
        Self { chan: start(every, Panic::caller()) }
    }

    /// The channel that gets the times: Go's field `C`. It is not closed when the ticker is stopped.
    pub fn chan(&self) -> &Chan<Instant> {
        &self.chan
    }

    /// Waits for the next tick, and gives the time when it came. Waits on if the ticker is stopped.
    ///
    /// # Cancel safety
    /// See [`Recv`].
    #[track_caller]
    pub fn recv(&self) -> Recv<'_, Instant> {
        self.chan.recv()
    }

    /// Stops the ticker. It can be reset.
    #[track_caller]
    pub fn stop(&self) {
        point::before(Operation::Timer, Some(Panic::caller()));
        if let Some(timed) = self.chan.as_timed() {
            timed.stop();
        }
    }

    /// Makes the ticker tick when `every` has passed from now, and from then on in that period.
    ///
    /// # Panics
    /// If `every` is zero.
    #[track_caller]
    pub fn reset(&self, every: Duration) {
        point::before(Operation::Timer, Some(Panic::caller()));
        check(every);
        if let Some(timed) = self.chan.as_timed() {
            timed.reset(every, period(every));
        }
    }
}

impl fmt::Debug for Ticker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticker").field("due_in", &self.chan.due_in()).finish_non_exhaustive()
    }
}
