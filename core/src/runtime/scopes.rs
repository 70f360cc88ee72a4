//! Scopes for inspectors: the one that is current here, and new ones on the same runtime.

use std::sync::Arc;

use crate::g::Scope;
use crate::sched::scope_here;

/// The scope that [`go`](fn@crate::go) called here starts goroutines in. Starts the global runtime if
/// there is no other.
///
/// # Panics
/// If the global runtime cannot be started, see [there](crate::runtime#panics).
pub fn current_scope() -> Arc<Scope> {
    scope_here()
}

/// A new scope that watches, for goroutines on the runtime of whoever calls. Enter it with
/// [`Scope::enter`].
///
/// # Panics
/// If the global runtime cannot be started, see [there](crate::runtime#panics).
pub fn new_scope() -> Arc<Scope> {
    Scope::new(scope_here().schedule().clone(), 1, true)
}
