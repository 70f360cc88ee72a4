//! The clock of a runtime, in nanoseconds since the runtime was made.

use std::time::{Duration, Instant};

/// Nanoseconds since the clock's origin.
pub(crate) type Nanos = u64;

/// No moment that ever comes.
pub(crate) const NEVER: Nanos = u64::MAX;

/// Reads the time.
#[derive(Debug)]
pub(crate) struct Clock {
    origin: Instant,
}

impl Clock {
    pub(crate) fn real() -> Self {
        Self { origin: Instant::now() }
    }

    pub(crate) fn now(&self) -> Nanos {
        nanos(self.origin.elapsed())
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
