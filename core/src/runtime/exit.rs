//! A hook for the end of the process, for those who sum up what happened in it.

use core::ffi::c_int;
use std::panic::catch_unwind;
use std::sync::{Mutex, PoisonError};

// SAFETY: as in the C standard, which every supported system follows: it takes a function that may be
// called once, on the thread that ends the process, and `run` asks for nothing else. `_exit` takes any number,
// and nothing runs after it.
unsafe extern "C" {
    safe fn atexit(hook: extern "C" fn()) -> c_int;
    safe fn _exit(code: c_int) -> !;
}

static HOOKS: Mutex<Vec<fn()>> = Mutex::new(Vec::new());

/// Calls `hook` when the process ends by returning from `main` or by `exit`. A panic in it is dropped.
/// Where the system refuses, nothing is called.
pub fn at_exit(hook: fn()) {
    let mut hooks = HOOKS.lock().unwrap_or_else(PoisonError::into_inner);
    hooks.push(hook);
    if hooks.len() == 1 {
        let _ = atexit(run);
    }
}

/// Ends the process with this code, and calls no other hook: for hooks, which must not ask to end it again.
pub fn end_now(code: i32) -> ! {
    _exit(code)
}

extern "C" fn run() {
    let hooks = core::mem::take(&mut *HOOKS.lock().unwrap_or_else(PoisonError::into_inner));
    for hook in hooks {
        let _ = catch_unwind(hook);
    }
}
