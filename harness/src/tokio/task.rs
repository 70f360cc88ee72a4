//! What `tokio::task` has, with our own `spawn`, `spawn_blocking`, `spawn_local` and `JoinSet`.

pub use super::{JoinSet, spawn, spawn_blocking, spawn_local};
pub use ::tokio::task::*;
