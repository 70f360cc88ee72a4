//! Before `main`: the thread baseline, and the panic hook that names the goroutine.

use std::panic::{set_hook, take_hook};
use std::sync::{Mutex, MutexGuard, PoisonError};

use gmp_core::inspect::GoroutineId;

use crate::leak::census::{self, ThreadNumber};
use crate::say::say;
use crate::settings::asks_for_the_end;
use crate::test::tally;

/// The bodies of the tests that run now. Their panics are the test's own and need no name.
static BODIES: Mutex<Vec<GoroutineId>> = Mutex::new(Vec::new());
/// The threads that are in a panic hook.
static PANICKING: Mutex<Vec<Option<ThreadNumber>>> = Mutex::new(Vec::new());

ctor::declarative::ctor! {
    /// Runs before `main`, in every binary that links the harness: it records and prepares, nothing more.
    #[ctor(unsafe)]
    fn before_main() {
        prepare();
    }
}

fn prepare() {
    census::take_baseline();
    if asks_for_the_end() {
        tally::tell_at_exit();
    }
    let before = take_hook();
    set_hook(Box::new(move |info| {
        if gmp_core::runtime::play::is_quiet() {
            return;
        }
        let thread = census::own_number();
        panicking().push(thread);
        before(info);
        let mut panicking = panicking();
        if let Some(at) = panicking.iter().position(|other| *other == thread) {
            panicking.swap_remove(at);
        }
        drop(panicking);
        match gmp_core::snapshot::who().filter(|(id, _)| !bodies().contains(id)) {
            Some((id, at)) => {
                say(&format!("it panicked in goroutine {id}, which was started at {at}"));
            }
            None => {
                #[cfg(feature = "tokio")]
                crate::tokio::session::note_untracked(info);
            }
        }
    }));
}

/// Whether this thread writes the message of a panic, which takes long with a backtrace: it is not lost.
pub(super) fn is_panicking(thread: Option<ThreadNumber>) -> bool {
    panicking().contains(&thread)
}

/// Whether any thread does.
pub(crate) fn is_anybody_panicking() -> bool {
    !panicking().is_empty()
}

fn panicking() -> MutexGuard<'static, Vec<Option<ThreadNumber>>> {
    PANICKING.lock().unwrap_or_else(PoisonError::into_inner)
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
