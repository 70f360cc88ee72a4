//! The scheduler: Ps with run queues, Ms that run goroutines, and who owns which P.
//!
//! `README.md` in this folder states the ownership protocol as numbered rules.

mod global;
mod lazy;
pub(crate) mod m;
mod owner;
mod p;
mod runq;
mod shared;

pub(crate) use lazy::{scope_here, started_global_scope};
pub(crate) use m::Machine;
pub use m::Turn;
pub(crate) use shared::Shared;
