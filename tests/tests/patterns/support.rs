//! What the patterns share.

use std::any::Any;
use std::sync::Mutex;
use std::time::Duration;

/// Longer than any test runs.
pub(crate) const HOUR: Duration = Duration::from_secs(3600);

static KEPT: Mutex<Vec<Box<dyn Any + Send>>> = Mutex::new(Vec::new());

/// Keeps `value` in a static for as long as the process runs.
pub(crate) fn keep(value: impl Any + Send) {
    KEPT.lock().unwrap().push(Box::new(value));
}

/// The processor time that this thread has used, where that can be had.
pub(crate) fn used_here() -> Duration {
    #[cfg(target_os = "linux")]
    {
        use rustix::time::{ClockId, clock_gettime};
        let used = clock_gettime(ClockId::ThreadCPUTime);
        Duration::new(used.tv_sec as u64, used.tv_nsec as u32)
    }
    #[cfg(not(target_os = "linux"))]
    {
        static BEGAN: std::sync::LazyLock<std::time::Instant> =
            std::sync::LazyLock::new(std::time::Instant::now);
        BEGAN.elapsed()
    }
}
