//! `Timer`: a channel that gets the time once, and can be stopped and reset.

use core::fmt;
use core::time::Duration;

use super::handle::Chan;
use super::{Recv, after};
use crate::g::point;
use crate::inspect::Operation;
use crate::time::Instant;

/// A timer that fires once: then its channel, which has room for one value, gets the time.
///
/// After [`stop`](Self::stop) or [`reset`](Self::reset) no time from before comes out of the channel any
/// more, as in Go since 1.23: nothing has to be drained. The timer is stopped when it and all handles of
/// its channel are dropped.
///
/// ```
/// use gmp_core::time::Timer;
/// use std::time::Duration;
///
/// gmp_core::block_on(async {
///     let idle = Timer::new(Duration::from_secs(60));
///     let work = gmp_core::chan(1);
///     work.send("a job").await;
///     gmp_core::select! {
///         recv(work) -> job => assert_eq!(job, Some("a job")),
///         recv(idle.chan()) -> _ => unreachable!("a minute has not passed"),
///     }
///     assert!(idle.reset(Duration::from_millis(1)), "it was running");
///     assert!(idle.recv().await.is_some());
///     assert!(!idle.stop(), "it has fired");
/// });
/// ```
#[doc(alias = "NewTimer")]
pub struct Timer {
    chan: Chan<Instant>,
}

impl Timer {
    /// A timer that fires when `duration` has passed; never if no clock can reach that.
    #[doc(alias = "NewTimer")]
    #[track_caller]
    pub fn new(duration: Duration) -> Self {
        Self { chan: after(duration) }
    }

    /// The channel that gets the time: Go's field `C`. It is not closed when the timer fires or is stopped.
    pub fn chan(&self) -> &Chan<Instant> {
        &self.chan
    }

    /// Waits until the timer fires, and gives the time when it did. Waits on if it is stopped.
    ///
    /// # Cancel safety
    /// See [`Recv`].
    #[track_caller]
    pub fn recv(&self) -> Recv<'_, Instant> {
        self.chan.recv()
    }

    /// Stops the timer. True if it will not fire because of this call: it was running, or it had fired and
    /// nobody had received the time.
    #[track_caller]
    pub fn stop(&self) -> bool {
        point::before(Operation::Timer, Some(core::panic::Location::caller()));
        self.chan.as_timed().is_some_and(|timed| timed.stop())
    }

    /// Makes the timer fire when `duration` has passed from now, whether it is running or not. True as for
    /// [`stop`](Self::stop).
    #[track_caller]
    pub fn reset(&self, duration: Duration) -> bool {
        point::before(Operation::Timer, Some(core::panic::Location::caller()));
        self.chan.as_timed().is_some_and(|timed| timed.reset(duration, 0))
    }
}

impl fmt::Debug for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timer").field("due_in", &self.chan.due_in()).finish_non_exhaustive()
    }
}
