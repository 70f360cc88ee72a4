//! The number of Ps of the runtime that whoever asks belongs to.

use super::handle::check;
use crate::sched::scope_here;

/// Ps of the runtime that [`go`](fn@crate::go) called here starts goroutines on: how many run at a time.
/// Starts the global runtime if there is no other.
///
/// ```
/// assert_eq!(gmp_core::block_on(async { gmp_core::runtime::procs() }), 1);
/// ```
#[doc(alias = "GOMAXPROCS")]
pub fn procs() -> usize {
    scope_here().schedule().procs()
}

/// Changes that number and returns the one before. If there are fewer Ps from now on, those too many go
/// when the polls on them end.
///
/// # Panics
/// If `procs` is zero or more than 1,024, or on a runtime without threads of its own.
#[doc(alias = "GOMAXPROCS")]
pub fn set_procs(procs: usize) -> usize {
    check(procs);
    let scope = scope_here();
    let before = scope.schedule().procs();
    assert!(scope.schedule().set_procs(procs), "gmp: this runtime has no threads of its own");
    before
}
