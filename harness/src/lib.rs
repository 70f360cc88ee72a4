//! Goroutines for Rust, and a test harness that proves which of them leak.
//!
//! The runtime is Go's: [`go`](fn@go) starts a goroutine, [`chan()`] makes a channel, [`select!`] waits for the
//! first of several operations, [`sync`] and [`context`] hold what goes with them. They mean what they mean
//! in Go, and are safe for futures that are dropped half-way.
//!
//! `#[gmp::test]` runs a test on a runtime of its own and takes stock when its body ends: which
//! goroutines are left, where each was started, where it is stuck, what it waits for, who could release it,
//! and whether that is proven. `gmp::leak` has the same check for code without the attribute.
//!
//! ```
//! #[gmp::test]
//! async fn the_worker_ends() {
//!     let jobs = gmp::chan(0);
//!     let queue = jobs.clone();
//!     let worker = gmp::go(async move { queue.recv().await });
//!     jobs.send(1).await;
//!     assert_eq!(worker.await.unwrap(), Some(1));
//! }
//! # fn main() {}
//! ```
//!
//! # Features
//! `net` brings sockets, signals and child processes; `hyper` the traits of that for its streams, and `tokio` those
//! of tokio, its tasks for the detector (`gmp::tokio`) and `#[gmp::test(tokio)]`.
//! `test` (default) is the harness, `explore` adds exploration of schedules. Production code says `default-features = false` and gets the runtime
//! alone, which is the `gmp-core` crate.

#[cfg(feature = "explore")]
pub mod explore;
#[cfg(feature = "test")]
pub mod leak;
/// What libraries say to the leak detector; nothing without the feature `test`.
#[cfg(not(feature = "test"))]
pub mod leak {
    pub use crate::__leak_declare as declare;
}
#[cfg(feature = "test")]
pub mod report;
#[cfg(feature = "test")]
mod say;
#[cfg(feature = "test")]
pub mod settings;
#[cfg(feature = "test")]
pub mod test;
#[cfg(feature = "tokio")]
pub mod tokio;

pub use gmp_core::*;
#[cfg(feature = "test")]
pub use gmp_macros::{main, test};

/// What the expansion of the attribute macros names. Not for use by hand.
#[cfg(feature = "test")]
#[doc(hidden)]
pub mod __private {
    pub use crate::leak::declare::Declared;
    pub use crate::test::{
        Body, Clock, Descriptor, ExpectLeak, Explore, Outcome, ShouldPanic, Spec, Submission,
        Tokio, TokioFlavor, box_body, examine, outcome, rerun, run,
    };
    pub use inventory;
}

/// See the one of the feature `test`.
#[cfg(not(feature = "test"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __leak_declare {
    ($rules:expr, $reason:expr $(,)?) => {};
}

/// The `main` of a test target with `harness = false`: runs every `#[gmp::test]` of the binary.
///
/// Such a target is described in `Cargo.toml`:
///
/// ```toml
/// [[test]]
/// name = "suite" # tests/suite.rs
/// harness = false
/// ```
///
/// There the compiler removes every function with a plain `#[test]`, those of `#[tokio::test]` included, and those that
/// have a `#[gmp::test]` below it: they do not run, and nothing says so. Output is not captured, since only the built-in harness can do that; with `--isolate` each test runs in
/// a process of its own, which captures its output and lets the others go on when it aborts. `--help` lists the
/// flags. `cargo nextest run` runs these targets as it runs others.
///
/// ```
/// # mod suite {
/// gmp::test_main!();
/// # }
/// # fn main() {}
/// ```
#[cfg(feature = "test")]
#[macro_export]
macro_rules! test_main {
    () => {
        fn main() -> ::std::process::ExitCode {
            $crate::test::main()
        }
    };
}
