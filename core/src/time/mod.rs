//! Time: sleeping, time limits, and channels that get a value when a time has passed.
//!
//! Time is that of the runtime that the calling goroutine belongs to; outside of goroutines, that of the
//! global runtime. A duration that no clock can reach, such as `Duration::MAX`, means never.

pub(crate) mod alarm;
pub(crate) mod clock;
pub(crate) mod current;
pub(crate) mod earliest;
mod func;
mod heap;
mod instant;
mod sleep;
mod timeout;
pub(crate) mod timers;

// A name only: the code needs channels and lives on their floor.
pub use crate::chan::{Ticker, Timer, after, tick};
pub use current::now;
pub use func::{AfterFunc, after_func};
pub use instant::Instant;
pub use sleep::{Sleep, sleep, sleep_until};
pub use timeout::{Elapsed, Timeout, timeout};
