//! Tasks of tokio that the leak detector sees: drop-ins for `tokio::spawn` and its kin, and tests whose
//! body runs on a tokio runtime.
//!
//! Inside a test of `#[gmp::test(tokio)]`, or under a [`guard!`](crate::leak::guard!), a task that is
//! spawned through this module is a goroutine to the detector, though tokio polls it: the report says
//! where it was spawned, by whom, where it waits and for what. Anywhere else these functions are tokio's
//! own.
//!
//! A task that panics and whose `JoinError` nobody receives fails the test. To know that, a tracked
//! task's panic has a payload of type [`TaskPanic`], which holds the original one.
#![doc = include_str!("../../docs/tokio.md")]

#[cfg(feature = "test")]
mod desk;
#[cfg(feature = "test")]
mod examine;
#[cfg(feature = "test")]
pub(crate) mod guarded;
mod join_set;
#[cfg(feature = "test")]
mod panics;
#[cfg(feature = "test")]
mod run;
#[cfg(feature = "test")]
pub(crate) mod session;
mod spawn;
#[cfg(feature = "test")]
mod start;
#[cfg(feature = "test")]
mod stranger;
pub mod task;
#[cfg(feature = "test")]
mod tracked;
#[cfg(all(feature = "test", tokio_unstable))]
mod unstable;

#[cfg(feature = "test")]
pub(crate) use examine::call;
#[cfg(feature = "test")]
pub use examine::examine;
pub use join_set::JoinSet;
#[cfg(feature = "test")]
pub use panics::TaskPanic;
pub use spawn::{spawn, spawn_blocking, spawn_local};
#[cfg(feature = "test")]
pub use start::{Flavor, Settings};
