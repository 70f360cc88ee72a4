//! Writes to standard error for tests: where their harness captures it, and without a panic where it
//! cannot be written to.

use std::ffi::OsStr;
use std::io::Write as _;
use std::panic::catch_unwind;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// Tests run in this process.
static HAS_TESTS: AtomicBool = AtomicBool::new(false);
/// Its main function is ours, which captures nothing.
static OWN_MAIN: AtomicBool = AtomicBool::new(false);

/// A test runs in this process: the built-in harness may capture what is said.
pub(crate) fn in_a_test() {
    // Relaxed, here and below: whoever says something in a test comes after this on its thread, or on one
    // that was started from it.
    HAS_TESTS.store(true, Ordering::Relaxed);
}

/// The main function of this process is ours.
pub(crate) fn under_own_main() {
    OWN_MAIN.store(true, Ordering::Relaxed);
}

/// Writes `text` and a line break. What cannot be written is lost: a test must not fail for a closed
/// standard error, nor a panic hook end the process.
pub(crate) fn say(text: &str) {
    if may_be_captured() {
        // Nothing but this macro is captured. On a thread that is not, it panics if it cannot write.
        let said = catch_unwind(|| eprintln!("{text}"));
        if said.is_ok() {
            return;
        }
    }
    let _ = std::io::stderr().write_all(format!("{text}\n").as_bytes());
}

/// Writes `text` around the capture: it is about the whole process.
pub(crate) fn say_outside(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// Whether the built-in harness may have the output of this thread.
fn may_be_captured() -> bool {
    static ASKED_NOT_TO: OnceLock<bool> = OnceLock::new();
    let not_asked = || {
        let flag = |argument: std::ffi::OsString| {
            ["--nocapture", "--no-capture"].iter().any(|known| argument == OsStr::new(known))
        };
        let variable = std::env::var_os("RUST_TEST_NOCAPTURE");
        std::env::args_os().any(flag) || variable.is_some_and(|value| value != "0")
    };
    HAS_TESTS.load(Ordering::Relaxed)
        && !OWN_MAIN.load(Ordering::Relaxed)
        && !*ASKED_NOT_TO.get_or_init(not_asked)
}
