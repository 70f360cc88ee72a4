//! Go's goroutine runtime as Rust futures: goroutines (G), OS threads (M) and the right to run (P).
//!
//! Most users depend on the `gmp` crate, which re-exports this one and adds the leak-detecting test
//! harness. Production code that wants the runtime alone may take this crate directly.
//!
//! The module [`runtime`] says what environment variables set, when a long poll loses its P, and what panics can meet
//! all who use one.

pub mod chan;
mod choose;
pub mod context;
mod debug;
mod g;
pub mod inspect;
mod list;
mod macros;
#[cfg(all(feature = "net", not(loom)))]
pub mod net;
mod netpoll;
#[cfg(all(feature = "net", unix, not(loom)))]
pub mod process;
pub mod runtime;
mod sched;
#[cfg(all(feature = "net", unix, not(loom)))]
pub mod signal;
#[doc(hidden)]
pub mod snapshot;
pub mod sync;
mod sys;
pub mod time;

pub use chan::{Chan, Receiver, Select, Sender, chan, channel};
pub use choose::choose;
pub use g::{AbortHandle, JoinError, JoinHandle};
pub use runtime::{block_on, blocking, daemon, go, yield_now};
