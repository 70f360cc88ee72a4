//! The leak detector: quiescence, freezing, staged reaping, verdicts, and the rules that allow leaks.

pub(crate) mod capture;
pub(crate) mod census;
pub(crate) mod check;
pub(crate) mod progress;
mod proof;
pub(crate) mod quiesce;
mod reap;
pub mod rules;
pub(crate) mod suspect;
pub mod verdict;
