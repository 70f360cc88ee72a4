//! The census of OS threads: is there one that could still release a goroutine?
//!
//! A thread counts as evidence if it is alive and is neither in the baseline of the process nor
//! registered as ours: a test's thread, or an M of a test. Where threads cannot be listed there may
//! always be one.

use std::collections::HashSet;
use std::sync::{Mutex, OnceLock, PoisonError};

/// The number by which the operating system lists a thread.
pub(crate) type ThreadNumber = u64;

static BASELINE: OnceLock<HashSet<ThreadNumber>> = OnceLock::new();
static OURS: Mutex<Vec<ThreadNumber>> = Mutex::new(Vec::new());

/// Takes the baseline, before `main` runs.
pub(crate) fn take_baseline() {
    let _ = BASELINE.set(listed().unwrap_or_default());
}

/// This thread is ours while the value lives.
pub(crate) struct Ours(Option<ThreadNumber>);

impl Ours {
    /// Registers this thread.
    pub(crate) fn register() -> Self {
        let number = own_number();
        if let Some(number) = number {
            OURS.lock().unwrap_or_else(PoisonError::into_inner).push(number);
        }
        Self(number)
    }
}

/// This thread is ours until it ends.
pub(crate) fn register_for_good() {
    thread_local! {
        static OWN: Ours = Ours::register();
    }
    OWN.with(|_| {});
}

impl Drop for Ours {
    fn drop(&mut self) {
        let mut ours = OURS.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = ours.iter().position(|number| Some(*number) == self.0) {
            ours.swap_remove(at);
        }
    }
}

/// The threads that live and are neither in the baseline, nor ours, nor in `known`; none where threads
/// cannot be listed.
pub(crate) fn foreign_threads(known: &HashSet<ThreadNumber>) -> Vec<ThreadNumber> {
    let listed = listed().unwrap_or_default();
    let baseline = BASELINE.get();
    let ours = OURS.lock().unwrap_or_else(PoisonError::into_inner);
    let foreign = |number: &ThreadNumber| {
        !known.contains(number)
            && !ours.contains(number)
            && !baseline.is_some_and(|baseline| baseline.contains(number))
            && !is_runtime_thread(*number)
    };
    listed.into_iter().filter(foreign).collect()
}

/// Whether a thread lives that is neither in the baseline nor ours.
pub(crate) fn foreign_thread_lives() -> bool {
    let Some(listed) = listed() else { return true };
    let baseline = BASELINE.get();
    let ours = OURS.lock().unwrap_or_else(PoisonError::into_inner);
    listed.into_iter().any(|number| {
        !ours.contains(&number)
            && !baseline.is_some_and(|baseline| baseline.contains(&number))
            && !is_runtime_thread(number)
    })
}

#[cfg(target_os = "linux")]
fn listed() -> Option<HashSet<ThreadNumber>> {
    let mut all = HashSet::new();
    // While threads end the system leaves out others. Its count tells, so it is asked again.
    for _ in 0..LISTINGS {
        let entries = std::fs::read_dir("/proc/self/task").ok()?;
        all.extend(entries.flatten().filter_map(|e| e.file_name().to_str()?.parse::<u64>().ok()));
        if counted().is_none_or(|count| all.len() >= count) {
            break;
        }
    }
    Some(all)
}

/// The most listings of one look.
#[cfg(target_os = "linux")]
const LISTINGS: usize = 8;

/// How many threads there are.
#[cfg(target_os = "linux")]
fn counted() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|line| line.strip_prefix("Threads:"))?.trim().parse().ok()
}

/// The number of this thread, where threads have one.
#[cfg(target_os = "linux")]
pub(crate) fn own_number() -> Option<ThreadNumber> {
    let link = std::fs::read_link("/proc/thread-self").ok()?;
    link.file_name()?.to_str()?.parse().ok()
}

/// An M of the global runtime, told by its name.
#[cfg(target_os = "linux")]
fn is_runtime_thread(number: ThreadNumber) -> bool {
    std::fs::read_to_string(format!("/proc/self/task/{number}/comm"))
        // A thread that has ended meanwhile holds nothing either.
        .map_or(true, |name| name.starts_with("gmp-"))
}

/// The name of a thread, as far as the system keeps it.
#[cfg(target_os = "linux")]
pub(crate) fn name_of(number: ThreadNumber) -> String {
    let name = std::fs::read_to_string(format!("/proc/self/task/{number}/comm"));
    name.map_or_else(|_| number.to_string(), |name| name.trim_end().to_string())
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn name_of(number: ThreadNumber) -> String {
    number.to_string()
}

#[cfg(not(target_os = "linux"))]
fn listed() -> Option<HashSet<ThreadNumber>> {
    None
}

/// The number of this thread, where threads have one.
#[cfg(not(target_os = "linux"))]
pub(crate) fn own_number() -> Option<ThreadNumber> {
    None
}

#[cfg(not(target_os = "linux"))]
fn is_runtime_thread(_: ThreadNumber) -> bool {
    false
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn a_thread_is_evidence_until_it_is_registered_or_gone() {
        let (stop, wait) = mpsc::channel::<()>();
        let (ready, started) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            ready.send(own_number().expect("listed")).unwrap();
            let _ = wait.recv();
        });
        let number = started.recv().unwrap();
        assert!(listed().expect("linux").contains(&number));
        assert!(foreign_thread_lives());
        drop(stop);
        thread.join().unwrap();
    }

    #[test]
    fn a_thread_is_listed_while_others_end() {
        let number = own_number().expect("linux");
        for _ in 0..200 {
            let end: Vec<_> = (0..8).map(|_| std::thread::spawn(|| ())).collect();
            assert!(listed().expect("linux").contains(&number));
            end.into_iter().for_each(|thread| thread.join().expect("no panic"));
        }
    }

    #[test]
    fn registration_ends_with_the_guard() {
        let number = own_number().expect("linux");
        let guard = Ours::register();
        assert!(OURS.lock().unwrap().contains(&number));
        drop(guard);
        assert!(!OURS.lock().unwrap().contains(&number));
    }
}
