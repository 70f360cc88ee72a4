//! The tokio side of a `guard!` inside a test that tokio runs.

use core::time::Duration;
use std::sync::Arc;

use ::tokio::runtime::{Handle, RuntimeFlavor};
use gmp_core::inspect::Location;
use gmp_core::runtime::Scope;
use gmp_core::runtime::host::Hosted;

use super::session::Session;
use super::stranger::{SETTLES, Stranger, least, stand_ins};

/// What a guard knows of the runtime that it was made on.
pub(crate) struct Guarded {
    /// Tasks that were there before.
    before: usize,
    at: Location,
}

/// Goroutines that stand for tasks of others, while they are judged.
pub(crate) struct StandIns(
    #[expect(dead_code, reason = "kept until the verdicts are there")] Vec<Hosted<Stranger>>,
);

impl Guarded {
    /// For a guard made at `at`.
    pub(crate) fn new(at: Location) -> Self {
        Self { before: alive(), at }
    }

    /// Whether tasks of others may still end while this thread waits.
    pub(crate) fn is_alive(&self, scope: &Scope) -> bool {
        !self.is_alone() && self.others(scope) > 0
    }

    /// Whether no task runs while this thread waits.
    pub(crate) fn is_alone(&self) -> bool {
        let flavor = Handle::try_current().map(|runtime| runtime.runtime_flavor());
        flavor.is_ok_and(|flavor| flavor != RuntimeFlavor::MultiThread)
    }

    /// Tasks that were spawned under the guard, and not through us.
    pub(crate) fn others(&self, scope: &Scope) -> usize {
        let ours = Session::find(scope).map_or(0, |session| session.tasks());
        alive().saturating_sub(self.before + ours)
    }

    /// The guard ends: tells of panics, and of tasks of others.
    pub(crate) fn end(&self, scope: &Arc<Scope>) -> StandIns {
        let within = if self.is_alone() { Duration::ZERO } else { SETTLES };
        let others = least(within, || self.others(scope));
        if others == 0 && Session::find(scope).is_none() {
            return StandIns(Vec::new());
        }
        let session = Session::of(scope);
        session.tell_panics(scope, None);
        StandIns(stand_ins(scope, &session, others, self.at))
    }

    /// The guard is gone.
    pub(crate) fn forget(&self, scope: &Scope) {
        Session::forget(scope);
    }
}

/// Tasks of the runtime on this thread.
fn alive() -> usize {
    Handle::try_current().map_or(0, |runtime| runtime.metrics().num_alive_tasks())
}
