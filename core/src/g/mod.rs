//! The goroutine: its cell, its state word, what it waits for, and where it is registered.

mod arms;
pub(crate) mod blocking;
mod cell;
pub(crate) mod cells;
pub(crate) mod current;
mod depot;
mod exit;
pub(crate) mod fork;
mod future;
mod gref;
mod host;
mod join;
pub(crate) mod leaf;
mod leaves;
mod marks;
#[cfg(all(test, loom))]
mod models;
mod panic;
mod park;
pub(crate) mod point;
mod run;
mod scope;
mod spawn;
mod state;
mod thread;
pub(crate) mod trace;
mod waiter;
mod waker;

pub(crate) use cell::{Header, Origin};
pub use exit::exit_goroutine;
pub(crate) use exit::refuse_exit;
pub(crate) use gref::GRef;
pub use host::{Ended, Hosted};
pub use join::{AbortHandle, JoinError, JoinHandle};
pub(crate) use leaf::{Leaf, WaitQueue, Wake};
pub(crate) use panic::{drop_caught, forget_payload, payload_message};
pub(crate) use run::Polled;
pub(crate) use scope::Schedule;
pub use scope::{Entered, Scope};
pub(crate) use spawn::go_in;
pub use thread::{Look, Reaped, TracePoll};
pub(crate) use thread::{ThreadG, block_on};
