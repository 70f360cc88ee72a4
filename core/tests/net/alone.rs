//! Tests that need a process of their own: what they count, limit or disturb belongs to all of it.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Set for the process that runs one test alone.
const ALONE: &str = "TEST_RUNS_ALONE";

/// A process that runs only the test with this name.
pub(crate) fn alone(name: &str, role: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("known"));
    command.args(["--exact", name, "--nocapture"]).env(ALONE, role);
    command
}

/// What this process was started for; `None` in that of all tests.
pub(crate) fn role() -> Option<String> {
    std::env::var(ALONE).ok()
}

/// Runs a test in a process of its own, whose input is a pipe, and shows what it printed.
pub(crate) fn run_alone(name: &str, role: &str) {
    let mut ran = alone(name, role);
    let pipes = ran.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let started = pipes.spawn().expect("it can be started");
    let ran = started.wait_with_output().expect("a child");
    let text = String::from_utf8_lossy(&[ran.stdout, ran.stderr].concat()).into_owned();
    println!("{text}");
    assert!(ran.status.success() && text.contains("1 passed"), "{text}");
}

/// Runs `body` in a process of its own.
pub(crate) fn in_own_process(name: &str, body: impl FnOnce()) {
    match role() {
        Some(_) => body(),
        None => run_alone(name, "alone"),
    }
}

/// Those of this process; sysmon may have one open, but only for as long as it reads a clock.
pub(crate) fn open_descriptors() -> usize {
    // One is the folder itself.
    std::fs::read_dir("/proc/self/fd").expect("linux").count() - 1
}

/// Waits until no more descriptors are open than `before`.
pub(crate) fn no_more_descriptors_than(before: usize) {
    let began = Instant::now();
    while open_descriptors() > before {
        let now = open_descriptors();
        assert!(began.elapsed() < Duration::from_secs(60), "{now} descriptors, {before} before");
        std::thread::yield_now();
    }
}

pub(crate) fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").expect("linux").count()
}

/// Sets how many descriptors this process may have.
pub(crate) fn limit_descriptors(to: u64) {
    let limit = Rlimit { current: Some(to), ..getrlimit(Resource::Nofile) };
    setrlimit(Resource::Nofile, limit).expect("below the hard limit");
}

/// Raises the limit as far as the system allows. Whether so many descriptors fit; says so if not.
pub(crate) fn descriptors_fit(wanted: u64) -> bool {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).expect("allowed");
    let fit = limit.maximum.is_none_or(|hard| hard >= wanted);
    if !fit {
        println!("skipped: it takes {wanted} descriptors, the hard limit is {:?}", limit.maximum);
    }
    fit
}
