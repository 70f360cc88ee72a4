//! The runtime as a value: build one, run goroutines on it, shut it down; and the lazy global one.

pub mod drive;
mod exit;
mod handle;
pub mod play;
mod procs;
mod remote;
mod scopes;
mod shutdown;
mod spawn;

pub use crate::g::{Entered, Reaped, Scope, exit_goroutine};
pub mod host;
pub use crate::inspect::{Histogram, Metrics, ProcMetrics};
pub use crate::sched::{PanicPolicy, Turn, blocking, lock_os_thread, policy, unlock_os_thread};
#[doc(hidden)]
pub use exit::{at_exit, end_now};
pub use handle::{Builder, Runtime};
pub use procs::{procs, set_procs};
pub use remote::{Handle, Paused, metrics, pause};
pub use scopes::{current_scope, new_scope};
pub use spawn::{block_on, daemon, go, yield_now};
