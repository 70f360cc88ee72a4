//! What users of other channels rely on, written anew for these: one module for each crate.
//!
//! Those crates work with threads, so goroutines here run on several Ps, and plain threads take part.

mod async_channel;
mod crossbeam;
mod flume;
mod support;
