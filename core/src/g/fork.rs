//! Forked children: the threads of a runtime do not exist there, and a wait for them would not end.

use crate::sys::atomic::{AtomicU32, Ordering};

/// Forks of this process and its ancestors since the first runtime with threads.
static FORKS: AtomicU32 = AtomicU32::new(0);

/// In how many forks this process is the child; a runtime remembers in which it was made.
#[inline]
pub(crate) fn generation() -> u32 {
    // Relaxed: written when the process has one thread.
    FORKS.load(Ordering::Relaxed)
}

/// Counts forks from now on.
#[cfg(unix)]
pub(crate) fn watch() {
    use core::ffi::c_int;
    use std::sync::Once;

    type Hook = Option<extern "C" fn()>;
    // SAFETY: as in POSIX: it takes functions to be called around a fork, and may refuse.
    unsafe extern "C" {
        safe fn pthread_atfork(prepare: Hook, parent: Hook, child: Hook) -> c_int;
    }
    extern "C" fn child() {
        FORKS.fetch_add(1, Ordering::Relaxed);
    }
    static WATCHED: Once = Once::new();
    WATCHED.call_once(|| {
        let _ = pthread_atfork(None, None, Some(child));
    });
}

#[cfg(not(unix))]
pub(crate) fn watch() {}

/// # Panics
/// Always: somebody needs threads that did not come along.
#[cold]
pub(crate) fn refuse() -> ! {
    panic!(
        "gmp: this process was forked from one whose goroutine runtime has threads, and those are not here; \
         fork before the first `go`, or build a new runtime in the child"
    )
}
