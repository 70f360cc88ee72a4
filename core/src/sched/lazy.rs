//! The global runtime: made by the first who needs one, runs as long as the process.

use std::num::NonZeroUsize;
use std::sync::{Arc, OnceLock};

use super::{MAX_PROCS, PanicPolicy, Shared};
use crate::g::{Scope, current};

/// The environment variable that says how many Ps the global runtime has.
const PROCS: &str = "GMP_MAXPROCS";

static SCOPE: OnceLock<Arc<Scope>> = OnceLock::new();

/// The scope of the global runtime, if that was started.
pub(crate) fn started_global_scope() -> Option<&'static Arc<Scope>> {
    SCOPE.get()
}

/// The scope of the global runtime. Its Ms are threads of its own.
///
/// # Panics
/// If the environment asks for a number of Ps that cannot be.
pub(crate) fn global_scope() -> &'static Arc<Scope> {
    SCOPE.get_or_init(|| {
        let asked = std::env::var_os(PROCS);
        let asked = asked.as_deref().map(|text| text.to_string_lossy());
        let procs = match procs_of(asked.as_deref()) {
            Ok(procs) => procs,
            Err(error) => panic!("gmp: {error}"),
        };
        let shared = Shared::with_machines(procs);
        shared.set_panic_policy(PanicPolicy::of_process());
        shared.start_schedtrace(None, None);
        Scope::new(shared, shards_for(procs), false)
    })
}

static DAEMONS: OnceLock<Arc<Scope>> = OnceLock::new();

/// The scope of daemons, if there was one.
pub(crate) fn started_daemon_scope() -> Option<&'static Arc<Scope>> {
    DAEMONS.get()
}

/// The scope of declared daemons: on the global runtime, and nobody takes stock of it.
///
/// # Panics
/// As [`global_scope`].
pub(crate) fn daemon_scope() -> &'static Arc<Scope> {
    DAEMONS.get_or_init(|| Scope::new(global_scope().schedule().clone(), 1, false))
}

/// Parts of the registry: enough that spawns on several Ps seldom meet.
pub(crate) fn shards_for(procs: usize) -> usize {
    (4 * procs).next_power_of_two().min(256)
}

/// The number of Ps that the variable's value asks for.
fn procs_of(asked: Option<&str>) -> Result<usize, String> {
    match asked {
        None | Some("") => {
            let available = std::thread::available_parallelism();
            Ok(available.map_or(1, NonZeroUsize::get).min(MAX_PROCS))
        }
        Some(text) => text
            .parse()
            .ok()
            .filter(|procs| (1..=MAX_PROCS).contains(procs))
            .ok_or_else(|| format!("{PROCS}: `{text}` is not a number from 1 to {MAX_PROCS}")),
    }
}

/// The scope that whatever is started here belongs to; the global one where there is no other.
pub(crate) fn scope_here() -> Arc<Scope> {
    current::scope().unwrap_or_else(|| global_scope().clone())
}

/// Runs `f` with that scope, and counts no reference where it can be helped.
pub(crate) fn with_scope_here<R>(f: impl FnOnce(&Arc<Scope>) -> R) -> R {
    current::with_scope(|scope| f(scope.unwrap_or_else(|| global_scope())))
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_variable_takes_a_number_or_nothing() {
        let available = std::thread::available_parallelism().unwrap().get();
        assert_eq!(procs_of(None), Ok(available));
        assert_eq!(procs_of(Some("")), Ok(available));
        assert_eq!(procs_of(Some("7")), Ok(7));
        for bad in ["0", "-1", "many", "1025", "1 "] {
            let error = procs_of(Some(bad)).unwrap_err();
            assert_eq!(error, format!("GMP_MAXPROCS: `{bad}` is not a number from 1 to 1024"));
        }
    }
}
