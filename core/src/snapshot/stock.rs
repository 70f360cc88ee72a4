//! What is compared to find out whether anything moved: all goroutines of a scope, and the wakes that are owed.

use std::sync::Arc;
use std::time::Instant;

use super::{Reading, next_timer, read, timers_at_rest};
use crate::g::Scope;
use crate::sched::{started_daemon_scope, started_global_scope};

/// What a scope, or the global runtime, does at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stock {
    /// See [`timers_at_rest`].
    timers: Option<u64>,
    /// Goroutines that were ever started: whoever has come and gone between two looks is in no reading.
    started: u64,
    readings: Vec<Reading>,
}

impl Stock {
    /// Of a scope.
    pub fn of(scope: &Scope) -> Self {
        // Before the readings: compared with a later look, both belong to the time between the two.
        let (timers, started) = (timers_at_rest(scope), scope.started());
        Self { timers, started, readings: read(scope) }
    }

    /// Of the global runtime, whose goroutines belong to no test; daemons included.
    pub fn of_global_runtime() -> Self {
        let scopes = || started_global_scope().into_iter().chain(started_daemon_scope());
        let timers = started_global_scope().map_or(Some(0), |scope| timers_at_rest(scope));
        let started = scopes().map(|scope| scope.started()).sum();
        Self { timers, started, readings: scopes().flat_map(|scope| read(scope)).collect() }
    }

    /// Its goroutines.
    pub fn readings(&self) -> &[Reading] {
        &self.readings
    }

    /// Whether somebody is not parked, or a timer has fired for somebody who is not ready yet.
    pub fn moves(&self) -> bool {
        self.timers.is_none() || self.readings.iter().any(|reading| !reading.parked)
    }

    /// Whether nothing moved from this look to `later`: all are parked in both, none ran in between, no timer fired, and
    /// none was started.
    pub fn lasts_until(&self, later: &Self) -> bool {
        !self.moves() && self == later
    }

    /// Whether somebody outside may make one of them ready.
    pub fn is_external(&self) -> bool {
        self.readings.iter().any(Reading::is_external)
    }
}

/// What the global runtime may still do by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Elsewhere {
    /// Nothing: all its goroutines are parked, or there are none.
    Quiet,
    /// Its next timer is due then.
    Timer(Instant),
    /// A goroutine of it is or was running, or somebody foreign may wake one.
    Moving,
}

/// What the global runtime may still do by itself, and whether it did something since the look `before`.
pub fn global_runtime_since(before: &Stock) -> Elsewhere {
    // Before the look: a timer that fires from now on changes that, or was armed until then.
    let timer = started_global_scope().and_then(|scope: &Arc<Scope>| next_timer(scope));
    let now = Stock::of_global_runtime();
    match timer {
        _ if !before.lasts_until(&now) || now.is_external() => Elsewhere::Moving,
        Some(at) => Elsewhere::Timer(at),
        None => Elsewhere::Quiet,
    }
}
