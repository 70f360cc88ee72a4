//! The scheduler: Ps with run queues, Ms that run goroutines, and who owns which P.
//!
//! `README.md` in this folder states the protocol as numbered rules.

mod baton;
mod clocks;
mod counts;
mod find;
mod global;
mod idle;
mod keeper;
mod lazy;
mod locked;
pub(crate) mod m;
mod metrics;
mod net;
mod owner;
mod p;
mod panics;
mod parker;
mod pause;
pub mod policy;
mod pool;
mod runq;
mod schedtrace;
mod shared;
mod sleeper;
mod sysmon;
mod world;

pub(crate) use lazy::{
    daemon_scope, scope_here, shards_for, started_daemon_scope, started_global_scope,
    with_scope_here,
};
pub use locked::{lock_os_thread, unlock_os_thread};
pub(crate) use m::Machine;
pub use m::Turn;
pub use panics::PanicPolicy;
pub(crate) use pool::MAX_PROCS;
pub(crate) use shared::Shared;
pub use sysmon::blocking;
pub(crate) use world::World;

/// Whether it pays to wait a moment for what another goroutine does: others run on other Ps, and nothing
/// waits for this one.
pub(crate) fn others_run() -> bool {
    Machine::others_run()
}

/// The number of the P that this thread has, or had last; `None` if it is no M. A hint, for caches.
pub(crate) fn p_here() -> Option<usize> {
    Machine::p_number()
}
