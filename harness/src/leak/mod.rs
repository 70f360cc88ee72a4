//! The leak detector: quiescence, freezing, staged reaping, verdicts, and the rules that allow leaks.
//!
#![doc = include_str!("../../docs/goleak.md")]

pub(crate) mod api;
pub(crate) mod capture;
pub(crate) mod census;
pub(crate) mod check;
pub mod code;
pub(crate) mod contexts;
pub(crate) mod declare;
pub(crate) mod graph;
mod guard;
pub(crate) mod leftovers;
pub(crate) mod owed;
pub(crate) mod probe;
pub(crate) mod progress;
mod proof;
pub(crate) mod quiesce;
mod reap;
pub mod rules;
pub mod severity;
pub(crate) mod still;
pub(crate) mod suspect;
pub mod verdict;

pub use crate::report::finding::{Finding, Report};
pub use crate::test::examine_body as examine;
pub use crate::{__leak_declare as declare, __leak_guard as guard};
pub use api::{CheckError, Options, Snapshot, find, find_with, verify_none, verify_none_with};
pub use code::Code;
pub use guard::Guard;
pub use severity::{Severities, Severity, SeverityError};
pub use verdict::{Holder, Verdict};
