//! `exit_goroutine`: ends the running goroutine from anywhere inside it, as Go's `Goexit`.

use std::panic::{catch_unwind, resume_unwind};

use super::current;
use super::panic::Payload;

/// The payload that unwinds an exiting goroutine. It is private: nobody else can make one.
struct Exit;

/// Whether a panic is an exit.
pub(crate) fn is_exit(payload: &Payload) -> bool {
    payload.is::<Exit>()
}

/// What becomes of an exit in a main goroutine, whose result somebody waits for: a panic, which is told.
pub(crate) fn refuse_exit(payload: Payload) -> Payload {
    if !is_exit(&payload) {
        return payload;
    }
    let refused = catch_unwind(|| {
        panic!("gmp: exit_goroutine in a main goroutine, whose result is waited for")
    });
    refused.err().unwrap_or(payload)
}

/// Ends the running goroutine: all its destructors run, no panic is reported, and joining it gives an error with
/// [`JoinError::is_exited`](crate::JoinError::is_exited). Other goroutines go on.
///
/// It unwinds, as a panic does: `catch_unwind` inside the goroutine stops it, locks that poison are poisoned, and
/// in a program built with `panic = "abort"` it ends the process.
///
/// # Panics
/// Outside a goroutine. In a main goroutine [`block_on`](fn@crate::block_on) panics, as there is no result.
///
/// ```
/// gmp_core::block_on(async {
///     let ended = gmp_core::go(async { gmp_core::runtime::exit_goroutine() });
///     assert!(ended.await.unwrap_err().is_exited());
/// });
/// ```
#[doc(alias = "Goexit")]
pub fn exit_goroutine() -> ! {
    let g = current::goroutine();
    let is_polled = g.is_some_and(|g| {
        // SAFETY: the current goroutine is alive.
        let g = unsafe { g.as_ref() };
        !g.is_thread_bound() && !g.is_hosted()
    });
    assert!(is_polled, "gmp: exit_goroutine outside a goroutine that may end without a result");
    resume_unwind(Box::new(Exit))
}
