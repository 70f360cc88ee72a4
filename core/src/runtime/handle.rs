//! `Runtime` and its builder.

use core::future::Future;
use std::panic::Location;
use std::sync::Arc;

use super::spawn::Main;
use crate::g::{JoinHandle, Origin, Scope};
use crate::sched::{Machine, Shared, Turn};

/// Builds a [`Runtime`].
#[derive(Debug, Default)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct Builder {
    watch: bool,
}

/// A goroutine runtime. Today it has one P: the order in which goroutines run is deterministic.
///
/// Dropping it drops every future that is left, in the context of the runtime, with panics caught.
pub struct Runtime {
    shared: Arc<Shared>,
    root: Arc<Scope>,
}

impl Builder {
    /// A builder with the defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Keeps records of the primitives made on this runtime, so that the leak detector can tell where
    /// they were made and who can still use them. Off by default.
    pub fn watch(mut self, watch: bool) -> Self {
        self.watch = watch;
        self
    }

    /// Builds the runtime. No thread is started: an M is bound by [`Runtime::block_on`].
    pub fn build(self) -> Runtime {
        let shared = Shared::new();
        let root = Scope::new(shared.clone(), 1, self.watch);
        Runtime { shared, root }
    }
}

impl Runtime {
    /// A runtime with the defaults.
    pub fn new() -> Self {
        Builder::new().build()
    }

    /// The scope of everything that is started on this runtime.
    pub fn scope(&self) -> &Arc<Scope> {
        &self.root
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Starts a goroutine on this runtime. It runs while an M does, see [`block_on`](Self::block_on).
    #[track_caller]
    pub fn go<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        crate::g::go_in(self.root.clone(), future, Location::caller())
    }

    /// Runs `main` as the main goroutine, with this thread as the M, until it is done. Other
    /// goroutines that are left stay parked until the next call, or until the runtime is dropped.
    ///
    /// # Panics
    /// With the panic of `main`. Inside a goroutine, and if another thread is running this runtime.
    #[track_caller]
    pub fn block_on<F: Future>(&self, main: F) -> F::Output {
        let at = Location::caller();
        assert!(
            crate::g::current::goroutine().is_none(),
            "gmp: block_on inside a goroutine would stop its M; use `.await`"
        );
        Machine::run(&self.shared, |machine| {
            let main = Main::start(&Origin::here(self.root.clone(), at), main);
            loop {
                match machine.turn(&|| main.is_done()) {
                    Turn::Stopped | Turn::Lost => break,
                    Turn::Idle(next) => machine.sleep(next),
                }
            }
            main.finish()
        })
        .expect("gmp: another thread is running this runtime")
    }
}

impl Default for Runtime {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        crate::runtime::shutdown::shut_down(&self.root);
    }
}

impl core::fmt::Debug for Runtime {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Runtime").field("goroutines", &self.root.live()).finish_non_exhaustive()
    }
}
