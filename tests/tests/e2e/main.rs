//! Small projects that use gmp as anybody would, built and tested by the real tools.
//!
//! Each project lies in its own folder below the target folder and has its own workspace; all share
//! one target folder, so that gmp is compiled once a profile. Most tests run one test of a project by
//! its name and look at the exit code and at what was printed.

mod adoption;
mod features;
mod flags;
mod hostile;
mod newcomer;
mod options;
mod output;
mod project;
mod scenarios;
mod tokio;
