//! The timers and the clock of whoever asks: of the goroutine's runtime, else of the global one.

use std::sync::{Arc, OnceLock};

use super::Instant;
use super::clock::{Clock, Nanos};
use super::timers::Timers;
use crate::g::current;
use crate::inspect::Watch;
use crate::sched::with_scope_here;

/// Calls `f` with the timers that whatever is armed here belongs to.
pub(crate) fn with_timers<R>(f: impl FnOnce(&Arc<Timers>) -> R) -> R {
    with_scope_here(|scope| f(scope.schedule().timers()))
}

/// The time, on the clock of the runtime that this goroutine belongs to. A virtual clock stands still while
/// goroutines run; compare its readings with each other only.
///
/// ```
/// let before = gmp_core::time::now();
/// assert!(gmp_core::time::now() >= before);
/// ```
pub fn now() -> Instant {
    let here = current::with_scope(|scope| scope.map(|scope| scope.now()));
    here.unwrap_or_else(std::time::Instant::now).into()
}

/// The watch of the scope that whatever is armed here belongs to.
pub(crate) fn watch() -> Option<Arc<Watch>> {
    current::with_scope(|scope| scope?.watch().cloned())
}

/// The time here. Readings compare if they were taken on the same runtime. A plain thread does not
/// start the global runtime to look at the clock.
pub(crate) fn now_nanos() -> Nanos {
    static THREADS: OnceLock<Clock> = OnceLock::new();
    let here = current::with_scope(|scope| Some(scope?.schedule().timers().clock().now()));
    here.unwrap_or_else(|| THREADS.get_or_init(Clock::real).now())
}
