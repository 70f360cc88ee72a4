//! Before `main`: the thread baseline, and the panic hook that names the goroutine.

use std::panic::{set_hook, take_hook};
use std::sync::{Mutex, MutexGuard, PoisonError};

use gmp_core::inspect::GoroutineId;

use crate::leak::census;
use crate::say::say;

/// The bodies of the tests that run now. Their panics are the test's own and need no name.
static BODIES: Mutex<Vec<GoroutineId>> = Mutex::new(Vec::new());

ctor::declarative::ctor! {
    /// Runs before `main`, in every binary that links the harness: it records and prepares, nothing more.
    #[ctor(unsafe)]
    fn before_main() {
        prepare();
    }
}

fn prepare() {
    census::take_baseline();
    let before = take_hook();
    set_hook(Box::new(move |info| {
        if gmp_core::runtime::play::is_quiet() {
            return;
        }
        before(info);
        if let Some((id, at)) = gmp_core::snapshot::who()
            && !bodies().contains(&id)
        {
            say(&format!("it panicked in goroutine {id}, which was started at {at}"));
        }
    }));
}

/// This goroutine is the body of a test.
pub(super) fn add_body(id: GoroutineId) {
    bodies().push(id);
}

/// The test whose body this was is over.
pub(super) fn remove_body(id: GoroutineId) {
    bodies().retain(|body| *body != id);
}

fn bodies() -> MutexGuard<'static, Vec<GoroutineId>> {
    BODIES.lock().unwrap_or_else(PoisonError::into_inner)
}
