//! What the leak detector reads of timers and tickers.

use std::time::Duration;

/// A timer or a ticker at one moment. Where it was made is in its record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimerInfo {
    /// Neither stopped nor, if it fires once, fired.
    pub armed: bool,
    /// Time until it fires; `None` if it is not armed, or never fires.
    pub due_in: Option<Duration>,
    /// The time between two ticks of a ticker.
    pub every: Option<Duration>,
    /// How often it was reset.
    pub resets: u32,
}

/// A timer as its record sees it.
pub(crate) trait TimerView: Send + Sync {
    /// Its data now.
    fn info(&self) -> TimerInfo;
}
