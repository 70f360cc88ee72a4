//! What the system says about a thread: how long it has run, and whether it is blocked.

/// How a thread is asked about from another one.
#[derive(Debug)]
pub(super) struct ThreadClock {
    #[cfg(target_os = "linux")]
    path: std::path::PathBuf,
}

/// What was read.
#[derive(Clone, Copy, Debug)]
pub(super) struct ThreadTime {
    /// Nanoseconds of CPU.
    pub(super) cpu: u64,
    /// Whether it waits in the kernel.
    pub(super) blocked: bool,
}

#[cfg(target_os = "linux")]
impl ThreadClock {
    /// For the thread that calls; `None` if the system does not tell.
    pub(super) fn here() -> Option<Self> {
        let path = std::fs::read_link("/proc/thread-self").ok()?;
        Some(Self { path: std::path::Path::new("/proc").join(path) })
    }

    pub(super) fn read(&self) -> Option<ThreadTime> {
        let read = |name| std::fs::read_to_string(self.path.join(name)).ok();
        let cpu = read("schedstat")?.split_whitespace().next()?.parse().ok()?;
        let stat = read("stat")?;
        // The name, in brackets, may contain anything.
        let state = stat.get(stat.rfind(')')? + 1..)?.trim_start().chars().next()?;
        Some(ThreadTime { cpu, blocked: matches!(state, 'S' | 'D') })
    }
}

#[cfg(not(target_os = "linux"))]
impl ThreadClock {
    pub(super) fn here() -> Option<Self> {
        None
    }

    pub(super) fn read(&self) -> Option<ThreadTime> {
        None
    }
}

#[cfg(all(test, target_os = "linux", not(loom)))]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    #[test]
    fn the_clock_of_a_thread_runs_while_it_runs() {
        let clock = ThreadClock::here().expect("linux");
        let before = clock.read().expect("linux");
        let begin = Instant::now();
        while clock.read().expect("linux").cpu < before.cpu + 20_000_000 {
            assert!(begin.elapsed() < Duration::from_secs(60));
        }
        assert!(
            begin.elapsed() >= Duration::from_millis(10),
            "CPU time does not outrun the wall's"
        );
    }

    #[test]
    fn a_thread_that_waits_is_blocked_and_one_that_runs_is_not() {
        assert!(!ThreadClock::here().expect("linux").read().expect("linux").blocked);
        let (tx, rx) = std::sync::mpsc::channel();
        let (stop, wait) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::spawn(move || {
            tx.send(ThreadClock::here()).unwrap();
            let _ = wait.recv();
        });
        let clock = rx.recv().unwrap().expect("linux");
        while !clock.read().expect("linux").blocked {
            std::thread::yield_now();
        }
        drop(stop);
        thread.join().unwrap();
    }
}
