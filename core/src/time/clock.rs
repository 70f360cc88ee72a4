//! The clock of a runtime, in nanoseconds since the runtime was made: the real one, or a virtual one that
//! stands still until whoever drives the runtime moves it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Nanoseconds since the clock's origin.
pub(crate) type Nanos = u64;

/// No moment that ever comes.
pub(crate) const NEVER: Nanos = u64::MAX;

/// Reads the time.
#[derive(Debug)]
pub(crate) struct Clock {
    origin: Instant,
    /// How far a virtual clock was moved. `None`: the clock is real.
    moved: Option<AtomicU64>,
}

impl Clock {
    pub(crate) fn real() -> Self {
        Self { origin: Instant::now(), moved: None }
    }

    /// A clock that stands still between two calls of [`advance_to`](Self::advance_to).
    pub(crate) fn virtual_time() -> Self {
        Self { origin: Instant::now(), moved: Some(AtomicU64::new(0)) }
    }

    pub(crate) fn is_virtual(&self) -> bool {
        self.moved.is_some()
    }

    pub(crate) fn now(&self) -> Nanos {
        match &self.moved {
            None => nanos(self.origin.elapsed()),
            // Acquire: pairs with `advance_to`: whoever sees a moment sees what came before it.
            Some(moved) => moved.load(Ordering::Acquire),
        }
    }

    /// Moves a virtual clock forward; a real one goes by itself. Called by the M of a driven runtime, between
    /// two polls.
    pub(crate) fn advance_to(&self, at: Nanos) {
        if let Some(moved) = &self.moved {
            // AcqRel: pairs with `now`.
            moved.fetch_max(at, Ordering::AcqRel);
        }
    }

    /// The moment `at` on this clock; the past is its origin.
    pub(crate) fn nanos_of(&self, at: Instant) -> Nanos {
        nanos(at.saturating_duration_since(self.origin))
    }

    /// The moment `after` from now; `NEVER` if that is out of range.
    pub(crate) fn after(&self, after: Duration) -> Nanos {
        self.now().saturating_add(nanos(after))
    }

    /// The `Instant` of a moment on this clock; `None` if it is out of range.
    pub(crate) fn instant(&self, at: Nanos) -> Option<Instant> {
        self.origin.checked_add(Duration::from_nanos(at))
    }
}

/// The whole of a duration in nanoseconds, saturated.
pub(crate) fn nanos(duration: Duration) -> Nanos {
    u64::try_from(duration.as_nanos()).unwrap_or(NEVER)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_virtual_clock_stands_still_until_it_is_moved_and_never_goes_back() {
        let clock = Clock::virtual_time();
        assert_eq!((clock.now(), clock.is_virtual()), (0, true));
        clock.advance_to(7);
        clock.advance_to(3);
        assert_eq!(clock.now(), 7);
        let at = clock.instant(9).expect("in range");
        assert_eq!(clock.nanos_of(at), 9);
        assert_eq!(clock.after(Duration::from_nanos(5)), 12);
    }
}
