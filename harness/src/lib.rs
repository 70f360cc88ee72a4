//! Goroutines for Rust, and a test harness that proves which of them leak.

#[cfg(feature = "test")]
pub mod leak;
#[cfg(feature = "test")]
pub mod report;
#[cfg(feature = "test")]
pub mod settings;
#[cfg(feature = "test")]
pub mod test;

pub use gmp_core::*;
#[cfg(feature = "test")]
pub use gmp_macros::{main, test};

/// What the expansion of the attribute macros names. Not for use by hand.
#[cfg(feature = "test")]
#[doc(hidden)]
pub mod __private {
    pub use crate::test::{
        Body, Descriptor, ExpectLeak, Outcome, ShouldPanic, Spec, Submission, box_body, examine,
        outcome, rerun, run,
    };
    pub use inventory;
}

/// The `main` of a test target with `harness = false`: runs every `#[gmp::test]` of the binary.
///
/// ```ignore
/// gmp::test_main!();
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
