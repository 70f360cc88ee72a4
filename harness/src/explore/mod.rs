//! Exploration: the same body under many schedules, each of which can be played again.
//!
//! A test that passes has shown one schedule out of very many. [`Explorer`] plays the body of a test again and
//! again on one P, and decides by a strategy what is left to chance elsewhere: at every operation of the runtime
//! who goes on, which arm of a select wins, what [`choose`](crate::choose) gives, and whether the next timer
//! fires now. Time is virtual: it moves when a timer fires, and a timer may fire at any moment, as on a machine
//! where goroutines are slow.
//!
//! A schedule that leaves goroutines behind, blocks the body, panics, returns an error or never ends is a
//! [`Finding`]. It is made as small as possible, comes with what the leak detector says about it, and with a
//! text that [`Explorer::replay`] plays again.
//!
//! ```
//! use gmp::explore::{Explorer, Kind};
//!
//! async fn body() {
//!     let results = gmp::chan(0);
//!     for i in 0..2 {
//!         let results = results.clone();
//!         drop(gmp::go(async move { results.send(i).await }));
//!     }
//!     // Only the first of two is taken.
//!     assert!(results.recv().await.is_some());
//! }
//!
//! let explorer = Explorer::new("a test").schedules(1_000);
//! let finding = explorer.run(body).finding.expect("the second sender is left");
//! assert_eq!(finding.kind, Kind::Leak);
//! assert_eq!(finding.report.findings[0].count, 1);
//!
//! let again = explorer.replay(&finding.replay, body);
//! assert_eq!(again.finding.unwrap().replay, finding.replay);
//! ```
//!
#![doc = include_str!("../../docs/explore.md")]

mod asked;
mod entry;
mod explorer;
mod found;
mod guide;
mod outcome;
mod pins;
mod play;
mod print;
mod progress;
mod rng;
mod schedule;
mod shrink;
mod strategy;
mod table;

pub use asked::Asked;
pub(crate) use entry::{Came, Test, run};
pub use explorer::Explorer;
pub use outcome::{Finding, Outcome, Trouble};
pub use play::Kind;
pub use schedule::ScheduleError;
pub use strategy::Strategy;
pub use table::{Column, Deed, Row, Table, Then};
