//! Child processes that goroutines wait for, without a thread each.
//!
//! On Linux a child is waited for through its pidfd, on other Unix systems, and where the kernel has none,
//! through `SIGCHLD`. Its standard streams are pipes that goroutines read and write.
//!
//! ```
//! use gmp_core::process::Command;
//!
//! # fn main() -> std::io::Result<()> {
//! gmp_core::block_on(async {
//!     let output = Command::new("echo").arg("hello").output().await?;
//!     assert!(output.status.success());
//!     assert_eq!(output.stdout, b"hello\n");
//!     Ok(())
//! })
//! # }
//! ```

mod child;
mod command;
mod exit;
mod pipe;

pub use child::Child;
pub use command::Command;
pub use pipe::{PipeReader, PipeWriter};
pub use std::process::{ExitStatus, Output, Stdio};
