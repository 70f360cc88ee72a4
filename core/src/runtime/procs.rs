//! The number of Ps of the runtime that whoever asks belongs to.

use super::handle::check;
use crate::sched::scope_here;

/// How many [Ps](crate::runtime#ps) the runtime has that [`go`](fn@crate::go) called here starts goroutines on.
/// Starts the global runtime if there is no other.
///
/// # Panics
/// If the global runtime cannot be started, see [there](crate::runtime#panics).
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
/// ```
/// use gmp_core::runtime::{Builder, procs, set_procs};
///
/// Builder::new().procs(1).build().block_on(async {
///     assert_eq!(set_procs(4), 1);
///     assert_eq!(procs(), 4);
/// });
/// ```
///
/// # Panics
/// If `procs` is zero or more than 1,024, or on a runtime without threads of its own. If the global runtime cannot
/// be started, or a thread that is needed, see [there](crate::runtime#panics).
#[doc(alias = "GOMAXPROCS")]
pub fn set_procs(procs: usize) -> usize {
    check(procs);
    let scope = scope_here();
    let before = scope.schedule().procs();
    assert!(scope.schedule().set_procs(procs), "gmp: this runtime has no threads of its own");
    before
}
