//! For how long an M has been inside one poll, not counting the time in which the system let others run.
//!
//! On a busy machine a thread that is ready to run may wait for a processor longer than any grace. It is
//! not lost then: only processor time that it used, or time in which it is blocked in the system, counts.

use std::time::{Duration, Instant};

use crate::leak::census::ThreadNumber;
use crate::leak::progress::Progress;

/// For how long an M has not been between two polls.
pub(super) struct Standstill {
    beats: u32,
    m: Option<ThreadNumber>,
    since: Instant,
    /// Processor time of the M when it was first seen to stand still.
    used: Option<Duration>,
}

impl Standstill {
    pub(super) fn new(progress: &Progress) -> Self {
        Self { beats: progress.beats(), m: progress.m(), since: Instant::now(), used: None }
    }

    pub(super) fn lasts(&mut self, progress: &Progress) -> Duration {
        if progress.beats() != self.beats || progress.m() != self.m {
            *self = Self::new(progress);
        }
        let wall = self.since.elapsed();
        match self.m.and_then(waiting_or_running) {
            Some(used) => used.saturating_sub(*self.used.get_or_insert(used)),
            None => wall,
        }
    }
}

/// The processor time of a thread that runs or waits for a processor; `None` if it is blocked, or if that
/// cannot be known.
#[cfg(target_os = "linux")]
fn waiting_or_running(thread: ThreadNumber) -> Option<Duration> {
    let read = |file| std::fs::read_to_string(format!("/proc/self/task/{thread}/{file}")).ok();
    let used = read("schedstat")?.split(' ').next()?.parse().ok()?;
    let stat = read("stat")?;
    // The name before it is in parentheses and may contain anything.
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.trim_start().starts_with('R').then(|| Duration::from_nanos(used))
}

#[cfg(not(target_os = "linux"))]
fn waiting_or_running(_: ThreadNumber) -> Option<Duration> {
    None
}
