//! The global runtime: started by the first thread that needs one, runs as long as the process.

use std::sync::{Arc, OnceLock};

use super::{Machine, Shared, Turn};
use crate::g::{Scope, current};

static SCOPE: OnceLock<Arc<Scope>> = OnceLock::new();

/// The scope of the global runtime, if that was started.
pub(crate) fn started_global_scope() -> Option<&'static Arc<Scope>> {
    SCOPE.get()
}

/// The scope of the global runtime. Its M is a thread of its own.
pub(crate) fn global_scope() -> &'static Arc<Scope> {
    SCOPE.get_or_init(|| {
        let shared = Shared::new();
        let scope = Scope::new(shared.clone(), 1, false);
        std::thread::Builder::new()
            .name("gmp-global".into())
            .spawn(move || run(&shared))
            .expect("gmp: the system refused a thread for the global runtime");
        scope
    })
}

fn run(shared: &Arc<Shared>) {
    Machine::run(shared, |machine| {
        loop {
            match machine.turn(&|| false) {
                Turn::Idle(next) => machine.sleep(next),
                Turn::Stopped | Turn::Lost => return,
            }
        }
    });
}

/// The scope that whatever is started here belongs to; the global one where there is no other.
pub(crate) fn scope_here() -> Arc<Scope> {
    current::scope().unwrap_or_else(|| global_scope().clone())
}
