//! `Instant`: a moment on the clock of a runtime, which may be virtual.

use core::ops::{Add, AddAssign, Sub, SubAssign};
use std::time::{Duration, Instant as Std};

use super::current::now;

/// A moment on the clock of a runtime. It is used as [`std::time::Instant`] is, except that
/// [`elapsed`](Self::elapsed) asks the clock of the runtime: on a
/// [virtual clock](crate::runtime::Builder::virtual_time) the standard library's would compare with real time.
///
/// Moments of one clock compare. It converts from and into the standard library's type, which a real clock
/// shares.
///
/// ```
/// use gmp_core::time::{Instant, sleep};
/// use std::time::Duration;
///
/// let day = Duration::from_secs(24 * 3600);
/// gmp_core::runtime::Builder::new().virtual_time().build().block_on(async {
///     let began = Instant::now();
///     sleep(day).await;
///     assert_eq!(began.elapsed(), day);
/// });
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Instant(Std);

impl Instant {
    /// The time here: the same as [`now`].
    pub fn now() -> Self {
        now()
    }

    /// How long ago it was, on the clock of the runtime that the caller belongs to; zero if it is to come.
    pub fn elapsed(&self) -> Duration {
        now().duration_since(*self)
    }

    /// The time from `earlier` to this moment; zero if `earlier` is later.
    pub fn duration_since(&self, earlier: Self) -> Duration {
        self.0.saturating_duration_since(earlier.0)
    }

    /// The time from `earlier` to this moment; `None` if `earlier` is later.
    pub fn checked_duration_since(&self, earlier: Self) -> Option<Duration> {
        self.0.checked_duration_since(earlier.0)
    }

    /// The moment `duration` later; `None` if it is out of range.
    pub fn checked_add(&self, duration: Duration) -> Option<Self> {
        self.0.checked_add(duration).map(Self)
    }

    /// The moment `duration` earlier; `None` if it is out of range.
    pub fn checked_sub(&self, duration: Duration) -> Option<Self> {
        self.0.checked_sub(duration).map(Self)
    }

    /// As the standard library's type. On a virtual clock it compares with other moments of that clock only.
    pub fn into_std(self) -> Std {
        self.0
    }
}

impl From<Std> for Instant {
    fn from(moment: Std) -> Self {
        Self(moment)
    }
}

impl From<Instant> for Std {
    fn from(moment: Instant) -> Self {
        moment.0
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    /// # Panics
    /// If the result is out of range.
    fn add(self, duration: Duration) -> Self {
        Self(self.0 + duration)
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, duration: Duration) {
        self.0 += duration;
    }
}

impl Sub<Duration> for Instant {
    type Output = Self;

    /// # Panics
    /// If the result is out of range.
    fn sub(self, duration: Duration) -> Self {
        Self(self.0 - duration)
    }
}

impl SubAssign<Duration> for Instant {
    fn sub_assign(&mut self, duration: Duration) {
        self.0 -= duration;
    }
}

impl Sub for Instant {
    type Output = Duration;

    /// The time between two moments; zero if the second is later.
    fn sub(self, earlier: Self) -> Duration {
        self.duration_since(earlier)
    }
}
