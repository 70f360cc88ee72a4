//! What a child process measures of itself.

use std::sync::atomic::{AtomicU64, Ordering};

/// The figure that a case measured itself; 0 where the time of the whole case is the figure.
static FIGURE: AtomicU64 = AtomicU64::new(0);

/// Resident memory of this process in bytes; 0 where the system does not tell.
pub fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = text.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok());
    pages.unwrap_or(0) * 4096
}

/// The highest resident memory of this process so far, in KiB.
pub fn peak_kib() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|rest| rest.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

/// Keeps the figure of a case that measures bytes, or a latency.
pub fn record(figure: u64) {
    FIGURE.store(figure, Ordering::Relaxed);
}

/// The figure that [`record`] kept.
pub fn recorded() -> u64 {
    FIGURE.load(Ordering::Relaxed)
}
