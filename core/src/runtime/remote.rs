//! `Handle`: a runtime seen from elsewhere, which it does not keep running; and what it has counted.

use core::fmt;
use core::future::Future;
use std::panic::Location;
use std::sync::Arc;

use super::handle::{Runtime, check};
use crate::g::{JoinHandle, Scope, go_in};
use crate::inspect::Metrics;
use crate::sched::{Shared, scope_here};

/// Refers to a runtime, from any thread and for as long as one likes. It does not keep the runtime running.
///
/// ```
/// use gmp_core::runtime::{Handle, Runtime};
///
/// let runtime = Runtime::new();
/// let inside = runtime.block_on(async { Handle::current() });
/// let seven = inside.go(async { 7 });
/// assert_eq!(runtime.block_on(seven).unwrap(), 7);
/// assert_eq!(inside.metrics().procs, 1);
/// ```
#[derive(Clone)]
pub struct Handle {
    scope: Arc<Scope>,
}

impl Runtime {
    /// A handle of this runtime.
    pub fn handle(&self) -> Handle {
        Handle { scope: self.scope().clone() }
    }
}

impl Handle {
    /// The runtime that [`go`](fn@crate::go) called here starts goroutines on. Starts the global runtime if
    /// there is no other.
    pub fn current() -> Self {
        Self { scope: scope_here() }
    }

    /// Starts a goroutine there, in the scope that this handle was made in. If the runtime has ended the
    /// future is dropped, and joining it gives an error.
    #[track_caller]
    pub fn go<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        go_in(&self.scope, future, Location::caller())
    }

    /// What the runtime has counted so far. Always on, and cheap to read.
    pub fn metrics(&self) -> Metrics {
        self.shared().metrics()
    }

    /// The state of the scheduler at about this moment, as `GMP_DEBUG=schedtrace=1000` prints it; with `detail`
    /// as `scheddetail=1` does, with a line for each P, M and G.
    ///
    /// ```
    /// let runtime = gmp_core::runtime::Runtime::new();
    /// assert!(runtime.handle().schedtrace(false).contains("gomaxprocs=1 idleprocs=1 threads=0"));
    /// ```
    pub fn schedtrace(&self, detail: bool) -> String {
        self.shared().schedtrace(detail, "")
    }

    /// Ps: how many goroutines run at a time.
    pub fn procs(&self) -> usize {
        self.shared().procs()
    }

    /// As [`Runtime::set_procs`].
    ///
    /// # Panics
    /// As that.
    pub fn set_procs(&self, procs: usize) {
        check(procs);
        assert!(self.shared().set_procs(procs), "gmp: this runtime has no threads of its own");
    }

    pub(super) fn shared(&self) -> &Shared {
        Shared::of(&self.scope)
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("procs", &self.procs()).finish_non_exhaustive()
    }
}

/// What the runtime that whoever asks belongs to has counted so far. Starts the global runtime if there is no
/// other.
///
/// ```
/// # gmp_core::block_on(async {
/// let waited = gmp_core::runtime::metrics().ready_to_run;
/// println!("{} goroutines timed, 99 % ran within {:?}", waited.count(), waited.quantile(0.99));
/// # });
/// ```
pub fn metrics() -> Metrics {
    Handle::current().metrics()
}
