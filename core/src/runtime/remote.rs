//! `Handle`: a runtime seen from elsewhere, which it does not keep running; and what it has counted.

use core::fmt;
use core::future::Future;
use core::marker::PhantomData;
use std::panic::Location;
use std::sync::Arc;

use super::handle::{Runtime, check};
use crate::g::{JoinHandle, Scope, go_in};
use crate::inspect::{GoroutineId, Metrics};
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
    ///
    /// # Panics
    /// If the global runtime cannot be started, see [there](crate::runtime#panics).
    pub fn current() -> Self {
        Self { scope: scope_here() }
    }

    /// Starts a goroutine there, in the scope that this handle was made in. If the runtime has ended the
    /// future is dropped, and joining it gives an error.
    ///
    /// # Panics
    /// If no thread can be had for it, and in a forked child, see [there](crate::runtime#panics).
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

    /// The state of the scheduler at about this moment, as
    /// [`GMP_DEBUG=schedtrace=1000`](crate::runtime#environment) prints it; with `detail` as `scheddetail=1` does, with
    /// a line for each P, M and G.
    ///
    /// ```
    /// let runtime = gmp_core::runtime::Runtime::new();
    /// assert!(runtime.handle().schedtrace(false).contains("gomaxprocs=1 idleprocs=1 threads=0"));
    /// ```
    pub fn schedtrace(&self, detail: bool) -> String {
        self.shared().schedtrace(detail, "")
    }

    /// How many [Ps](crate::runtime#ps) it has.
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

    /// Pauses the runtime until the returned value is dropped: all its Ps are parked between two polls, so
    /// what its goroutines do in one poll is seen whole or not at all. Waits up to 10 ms for polls in
    /// progress; goroutines whose polls last longer are [listed as running](Paused::running). It also waits until
    /// threads between two polls have given their Ps up. Those do so at once when the system runs them: on a machine
    /// that is busy otherwise the call may take longer (with 16 Ps on 2 CPUs under load, 99 % took less than 25 ms).
    ///
    /// A main goroutine that [`block_on`](Runtime::block_on) polls on its own thread goes on, and so do plain
    /// threads. Goroutines that they make ready run after the pause.
    ///
    /// Inside a goroutine of this runtime, do not wait for others before the pause is over: that would be for
    /// ever.
    ///
    /// ```
    /// let runtime = gmp_core::runtime::Builder::new().procs(2).build();
    /// let counted = runtime.go(async { 1 });
    /// let paused = runtime.handle().pause();
    /// for (goroutine, created_at) in paused.running() {
    ///     println!("{goroutine}, started at {created_at}, goes on until its poll ends");
    /// }
    /// drop(paused);
    /// assert_eq!(runtime.block_on(counted).unwrap(), 1);
    /// ```
    #[doc(alias = "stop_the_world")]
    pub fn pause(&self) -> Paused {
        let running = self.shared().pause();
        Paused { handle: self.clone(), running, _stays: PhantomData }
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

/// A runtime that does nothing while this value lives. Made by [`Handle::pause`].
#[derive(Debug)]
#[must_use = "the pause is over when this is dropped"]
pub struct Paused {
    handle: Handle,
    running: Vec<(GoroutineId, &'static Location<'static>)>,
    /// A goroutine that holds it across an await would never go on: its future is not `Send`.
    _stays: PhantomData<*const ()>,
}

impl Paused {
    /// The goroutines whose polls did not end in time, and where they were started. They go on, and each is
    /// parked when its poll ends. The goroutine that paused is not among them.
    pub fn running(&self) -> &[(GoroutineId, &'static Location<'static>)] {
        &self.running
    }
}

impl Drop for Paused {
    fn drop(&mut self) {
        self.handle.shared().resume();
    }
}

/// Pauses the runtime of whoever calls, see [`Handle::pause`]. Starts the global runtime if there is no other.
///
/// ```
/// gmp_core::block_on(async {
///     let started = gmp_core::go(async { 1 });
///     let paused = gmp_core::runtime::pause();
///     assert!(!started.is_finished() && paused.running().is_empty(), "this thread runs them all");
///     drop(paused);
///     assert_eq!(started.await.unwrap(), 1);
/// });
/// ```
///
/// # Panics
/// If the global runtime cannot be started, see [there](crate::runtime#panics).
pub fn pause() -> Paused {
    Handle::current().pause()
}

/// What the runtime that whoever asks belongs to has counted so far. Starts the global runtime if there is no
/// other.
///
/// # Panics
/// If the global runtime cannot be started, see [there](crate::runtime#panics).
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
