//! For how long an M has been inside one poll, not counting the time in which the system let others run.
//!
//! On a busy machine a thread that is ready to run may wait for a processor longer than any grace. It is
//! not lost then: only processor time that it used, or time in which it is blocked in the system, counts. Nor
//! is it lost while it writes the message of a panic.

use std::time::{Duration, Instant};

use super::baseline;
use crate::leak::census::ThreadNumber;
use crate::leak::progress::Progress;

/// For how long an M has not been between two polls.
pub(super) struct Standstill {
    beats: u32,
    m: Option<ThreadNumber>,
    /// What counts until the last look.
    stood: Duration,
    looked: Instant,
    /// What the M was seen to do then.
    seen: Option<Seen>,
}

/// What a thread is seen to do.
#[derive(Clone, Copy)]
struct Seen {
    /// The processor time that it has used.
    used: Duration,
    /// It neither runs nor waits for a processor.
    is_blocked: bool,
}

impl Standstill {
    pub(super) fn new(progress: &Progress) -> Self {
        let (beats, m) = (progress.beats(), progress.m());
        Self { beats, m, stood: Duration::ZERO, looked: Instant::now(), seen: m.and_then(look_at) }
    }

    /// For how long, at this look. It sees no more than what lies between looks: they are to be frequent.
    pub(super) fn lasts(&mut self, progress: &Progress) -> Duration {
        let is_busy = baseline::is_panicking(progress.m());
        if is_busy || progress.beats() != self.beats || progress.m() != self.m {
            *self = Self::new(progress);
        }
        let (now, seen) = (Instant::now(), self.m.and_then(look_at));
        self.stood += match (self.seen, seen) {
            // It may have worked in between, and be blocked for a moment only.
            (Some(before), Some(seen)) => match seen.used.saturating_sub(before.used) {
                Duration::ZERO if before.is_blocked && seen.is_blocked => now - self.looked,
                used => used,
            },
            _ => now - self.looked,
        };
        (self.looked, self.seen) = (now, seen);
        self.stood
    }
}

/// What a thread does; `None` if that cannot be known.
#[cfg(target_os = "linux")]
fn look_at(thread: ThreadNumber) -> Option<Seen> {
    let read = |file| std::fs::read_to_string(format!("/proc/self/task/{thread}/{file}")).ok();
    let used = read("schedstat")?.split(' ').next()?.parse().ok()?;
    let stat = read("stat")?;
    // The name before it is in parentheses and may contain anything.
    let (_, after_name) = stat.rsplit_once(')')?;
    let is_blocked = !after_name.trim_start().starts_with('R');
    Some(Seen { used: Duration::from_nanos(used), is_blocked })
}

#[cfg(not(target_os = "linux"))]
fn look_at(_: ThreadNumber) -> Option<Seen> {
    None
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use crate::leak::census::own_number;
    use std::sync::mpsc;
    use std::thread;

    /// Looks until it has lasted for `long`.
    fn until(still: &mut Standstill, progress: &Progress, long: Duration) {
        while still.lasts(progress) < long {
            thread::yield_now();
        }
    }

    #[test]
    fn a_thread_that_is_blocked_or_runs_stands_still_and_one_that_beats_does_not() {
        let progress = Progress::new();
        let ((tell, told), (go_on, wait)) = (mpsc::channel(), mpsc::channel::<()>());
        thread::scope(|scope| {
            scope.spawn(move || {
                tell.send(own_number()).unwrap();
                wait.recv().unwrap();
                while wait.try_recv().is_err() {
                    core::hint::spin_loop();
                }
            });
            progress.set_m(told.recv().unwrap());
            let mut still = Standstill::new(&progress);
            until(&mut still, &progress, Duration::from_millis(5));
            progress.beat();
            assert_eq!(Standstill::new(&progress).stood, Duration::ZERO);
            go_on.send(()).unwrap();
            let before = still.lasts(&progress);
            until(&mut still, &progress, before + Duration::from_millis(5));
            go_on.send(()).unwrap();
        });
    }
}
