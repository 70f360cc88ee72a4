//! What a panic of a goroutine means for the process.

use core::ffi::c_int;
use std::io::Write;

use crate::debug::debug;
use crate::inspect::{GoroutineId, PanicNote};

// SAFETY: as in the C libraries of all supported systems: it takes any status and ends the process.
unsafe extern "C" {
    safe fn _exit(status: c_int) -> !;
}

/// Go's exit status after a panic.
const STATUS: c_int = 2;

/// What the panic of a goroutine means for the process. The panic of a main goroutine always comes out of
/// [`block_on`](fn@crate::block_on).
///
/// It holds for all goroutines of a runtime that was [built](crate::runtime::Builder::panics) with it, whoever starts
/// them. The global runtime, which plain [`go`](fn@crate::go) uses outside any goroutine and every
/// [`daemon`](crate::daemon) lives on, and the one of [`block_on`](fn@crate::block_on) report, unless
/// [`GMP_DEBUG=panicabort=1`](crate::runtime#environment) is set.
///
/// ```no_run
/// use gmp_core::runtime::{Builder, PanicPolicy};
///
/// let runtime = Builder::new().panics(PanicPolicy::Abort).build();
/// let fails = runtime.go(async { panic!("no disk") });
/// runtime.block_on(fails).unwrap_err(); // The process ends in here.
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PanicPolicy {
    /// The goroutine ends, whoever joins it gets the panic, everything else goes on.
    #[default]
    Report,
    /// The process ends at once with status 2 and a message in Go's shape, as in Go. No destructor runs and no
    /// exit hook.
    Abort,
}

impl PanicPolicy {
    /// That of the runtimes that nobody builds.
    pub(crate) fn of_process() -> Self {
        if debug().panicabort { Self::Abort } else { Self::Report }
    }
}

/// The message for a panic.
fn message(note: &PanicNote, parent: Option<GoroutineId>) -> String {
    let (id, at) = (note.goroutine.get(), note.created_at);
    let by = parent.map_or_else(String::new, |parent| format!(" in goroutine {}", parent.get()));
    format!("panic: {}\n\ngoroutine {id} [running]:\ncreated by gmp{by}\n\t{at}\n", note.message)
}

/// Ends the process because of a panic.
pub(super) fn abort(note: &PanicNote, parent: Option<GoroutineId>) -> ! {
    // There is nobody to tell that it cannot be written.
    let _ = std::io::stderr().write_all(message(note, parent).as_bytes());
    _exit(STATUS)
}
