//! What a child process measures of itself.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use rustix::time::{ClockId, clock_gettime};

/// Set where CPU time is to be counted.
pub const CPU: &str = "PEERS_CPU";

/// The time of the whole case so far: what has passed, or what this process has used of its CPUs.
pub enum Watch {
    /// Since then.
    Wall(Instant),
    /// After so many nanoseconds.
    Cpu(u128),
}

impl Watch {
    /// Starts it.
    pub fn start() -> Self {
        match std::env::var_os(CPU) {
            None => Self::Wall(Instant::now()),
            Some(_) => Self::Cpu(used()),
        }
    }

    /// Nanoseconds.
    pub fn nanos(&self) -> u128 {
        match self {
            Self::Wall(start) => start.elapsed().as_nanos(),
            Self::Cpu(before) => used() - before,
        }
    }
}

/// Nanoseconds of CPU time of this process.
fn used() -> u128 {
    let used = clock_gettime(ClockId::ProcessCPUTime);
    used.tv_sec as u128 * 1_000_000_000 + used.tv_nsec as u128
}

/// The 99th percentile of some durations.
pub fn percentile_99(mut durations: Vec<u64>) -> u64 {
    durations.sort_unstable();
    durations.get(durations.len() * 99 / 100).copied().unwrap_or(0)
}

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
