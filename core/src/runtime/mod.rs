//! The runtime as a value: build one, run goroutines on it, shut it down; and the lazy global one.
//!
//! The global runtime has threads of its own. It is made by the first who needs it: [`daemon`], and whoever starts a
//! goroutine, a timer or a connection outside any goroutine. It runs as long as the process.
//!
//! # Ps
//! A P is the right to run goroutines: a runtime with 4 Ps runs 4 at a time. Beside those may run a poll that lost
//! its P, until it ends; what [`blocking`] calls, once its P is lost; and the main goroutine of a runtime that has
//! threads of its own, which needs no P.
//!
//! # Long polls and blocking calls
//! On a runtime with threads of its own, a poll or a call in [`blocking`] that lasts loses its P, and another thread
//! goes on with the other goroutines; but only if one of those is ready or a timer is due, no P is idle, and no thread
//! looks for work already. Sysmon, the thread that sees to it, looks at all Ps every 20 us while there is something to
//! do, and else more and more seldom, every 5 ms in the end.
//!
//! * A call in [`blocking`] loses its P when two looks in a row find it: after about 10 ms at most. If that is gone when
//!   it comes back, it takes an idle one; if there is none its poll goes on without. With a P that it keeps it costs
//!   two atomic operations more than the call itself.
//! * A poll is asked after 8 ms to yield at its next operation on a channel, a mutex or the like. From 10 ms on it
//!   loses its P, if its thread has used 10 ms of CPU, or if two looks in a row find it blocked. Where the system does
//!   not tell (Linux does), 20 ms by the clock count.
//!
//! All these are later on a machine that is busy otherwise. From a runtime without threads of its own no P is taken.
//! [`Metrics`] counts what was taken.
//!
//! # Environment
//! | variable | value | if not set |
//! |---|---|---|
//! | `GMP_MAXPROCS` | Ps of the global runtime, from 1 to 1,024 | as many as this process may use CPUs |
//! | `GMP_DEBUG` | settings for all runtimes, `name=value`, separated by commas | the defaults below |
//!
//! | setting of `GMP_DEBUG` | value | default | what it does |
//! |---|---|---|---|
//! | `schedtrace` | milliseconds | 0, never | prints the scheduler's state so often, see [`Builder::schedtrace`] |
//! | `scheddetail` | 0 or 1 | 0 | that has a line for each P, M and G, see [`Builder::scheddetail`] |
//! | `retakeoff` | 0 or 1 | 0 | [long polls and blocking calls](#long-polls-and-blocking-calls) keep their Ps |
//! | `membarrieroff` | 0 or 1 | 0 | does without Linux's `membarrier`, as on other systems |
//! | `panicabort` | 0 or 1 | 0 | a panic of a goroutine ends the process, as in Go, on the global runtime and on that of [`block_on`] |
//! | `cellcacheoff` | 0 or 1 | 0 | keeps no memory of goroutines that ended: for tools that look for its misuse |
//!
//! `GMP_DEBUG` is read once a process. What is wrong in it is told on standard error, and all other settings hold.
//!
//! # Panics
//! These can meet all who use a runtime:
//!
//! * **The system refuses a thread.** The threads that there are do the work then. If the runtime has none at all,
//!   whoever starts or wakes a goroutine, arms a timer or changes `procs` panics with `gmp: the system refused a
//!   thread`. The goroutine stays queued all the same, and runs when a later one gets a thread.
//! * **The process is a forked child**, and the runtime, made before the fork, has threads of its own: they are not
//!   there. Whoever starts a goroutine on it, makes one ready, pauses it, changes `procs` or calls
//!   [`Runtime::block_on`] panics. Fork before the first [`go`], or build a new runtime in the child.
//! * **The global runtime cannot be started**: `GMP_MAXPROCS` is neither empty nor a number from 1 to 1,024.

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
