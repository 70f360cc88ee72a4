//! What an exploration came to, as its caller gets it.

use core::fmt;
use std::time::Duration;

use super::play::Kind;
use super::schedule::ScheduleError;
use super::table::Table;
use crate::report::finding::Report;

/// What an exploration came to.
#[derive(Debug)]
pub struct Outcome {
    /// How many schedules were played until the end, or until one showed something.
    pub schedules: u64,
    /// How long that took.
    pub elapsed: Duration,
    /// What was found.
    pub finding: Option<Finding>,
    /// Why the body cannot be explored, or not be trusted.
    pub trouble: Option<Trouble>,
}

/// A schedule that showed something.
#[derive(Debug)]
pub struct Finding {
    /// What it showed.
    pub kind: Kind,
    /// The seed of the exploration.
    pub seed: u64,
    /// Its number, from 1.
    pub schedule: u64,
    /// The schedule, to be played again with [`Explorer::replay`](super::Explorer::replay); shrunk to what it takes to show the same.
    pub replay: String,
    /// Decisions in it that were not the ordinary ones.
    pub switches: usize,
    /// What happened, row by row.
    pub table: Table,
    /// What the leak detector says about it.
    pub report: Report,
}

/// Why a body cannot be explored, or what it showed not be trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Trouble {
    /// A thread that is no part of a schedule, or the network, made a goroutine ready.
    Outside,
    /// The same schedule went another way when it was played again. The text says where.
    Differs(String),
    /// The schedule that was to be played again is none of this body.
    Schedule(ScheduleError),
    /// What is played again goes another way than the schedule says: the body has changed, or it is not the
    /// same each time. The text says where.
    Strays(String),
    /// The environment cannot be read.
    Settings(String),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Outside => f.write_str(
                "something outside the schedule made a goroutine ready: a thread, the network or a timer of \
                 another library. Exploration owns goroutines, channels, locks and time, nothing else: take \
                 it out of this test, or do not explore it",
            ),
            Self::Differs(how) => write!(
                f,
                "the same schedule goes another way each time it is played{how}. Random numbers come from \
                 `gmp::choose`, time from `gmp::time::now`; what lives longer than the body, such as a \
                 static, has to be made anew in it"
            ),
            Self::Schedule(error) => error.fmt(f),
            Self::Strays(how) => write!(
                f,
                "this is not the course that the schedule was written for ({how}): the test or its crates have \
                 changed since, or it is not the same each time"
            ),
            Self::Settings(error) => f.write_str(error),
        }
    }
}
