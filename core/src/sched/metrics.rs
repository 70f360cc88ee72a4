//! What each P counts: written by its owner alone, with plain stores, and summed up by whoever reads.

use core::cell::Cell;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use super::p::P;
use super::pool::Pool;
use super::shared::Shared;
use crate::g::{GRef, Header};
use crate::inspect::{BUCKETS, Histogram, Metrics, ProcMetrics};
use crate::sys::atomic::{AtomicPtr, AtomicU64, Ordering};

/// Of so many goroutines that are made ready one is timed. Go times one in eight.
const TIMED: u32 = 64;

/// Nanoseconds in one unit of a stamp: 32 bits of them are two minutes.
const STAMP_UNIT: u64 = 32;

/// Nanoseconds since the process first asked; never zero.
pub(super) fn nanos() -> u64 {
    static ORIGIN: LazyLock<Instant> = LazyLock::new(Instant::now);
    crate::time::clock::nanos(ORIGIN.elapsed()) + STAMP_UNIT
}

/// The stamp of a goroutine that is made ready now.
pub(super) fn stamp() -> u32 {
    (nanos() / STAMP_UNIT) as u32
}

/// A figure with one writer at a time.
#[derive(Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    #[inline]
    pub(super) fn add(&self, n: u64) {
        // Relaxed, and no read-modify-write: one thread at a time writes, others read a figure.
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(n), Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn set(&self, n: u64) {
        self.0.store(n, Ordering::Relaxed);
    }
}

/// What a P counts beside its tick. Only its owner writes.
pub(super) struct Meters {
    /// Picks that found nothing: the tick counts them too.
    pub(super) empty: Count,
    pub(super) global: Count,
    pub(super) stolen: Count,
    /// What it ran last, or runs.
    running: AtomicPtr<Header>,
    pub(super) parks: Count,
    /// Nanoseconds in use until `since`, which is zero while nobody uses it.
    used: Count,
    since: Count,
    finding: Count,
    /// Goroutines to be made ready before the next is timed.
    until_timed: Cell<u32>,
    ready_to_run: [Count; BUCKETS],
}

/// What sysmon and the starters of Ms count. `retakes` and their like are written by sysmon alone.
#[derive(Default)]
pub(super) struct PoolMeters {
    pub(super) retakes: Count,
    pub(super) false_retakes: Count,
    pub(super) blocking_retakes: Count,
    pub(super) sysmon_rounds: Count,
}

impl Meters {
    pub(super) fn new() -> Self {
        Self {
            empty: Count::default(),
            global: Count::default(),
            stolen: Count::default(),
            running: AtomicPtr::new(core::ptr::null_mut()),
            parks: Count::default(),
            used: Count::default(),
            since: Count::default(),
            finding: Count::default(),
            until_timed: Cell::new(0),
            ready_to_run: [const { Count(AtomicU64::new(0)) }; BUCKETS],
        }
    }

    /// `g` was made ready and is about to be queued.
    #[inline]
    pub(super) fn made_ready(&self, g: &GRef) {
        match self.until_timed.get() {
            0 => self.time(g),
            n => self.until_timed.set(n - 1),
        }
    }

    #[cold]
    fn time(&self, g: &GRef) {
        self.until_timed.set(TIMED - 1);
        g.stamp(stamp());
    }

    /// `g` is about to run.
    #[inline]
    pub(super) fn runs(&self, g: &GRef) {
        // Relaxed: compared with goroutines that whoever looks keeps alive, never followed.
        self.running.store(g.as_ptr().as_ptr(), Ordering::Relaxed);
        if g.is_stamped() {
            self.timed(g);
        }
    }

    /// A poll of the goroutine at this address, which had lost its P, goes on here.
    pub(super) fn goes_on_with(&self, running: *mut ()) {
        // Relaxed: as in `runs`.
        self.running.store(running.cast(), Ordering::Relaxed);
    }

    /// The address of what it runs, if it runs anything.
    pub(super) fn running(&self) -> *const () {
        self.running.load(Ordering::Relaxed).cast_const().cast()
    }

    #[cold]
    fn timed(&self, g: &GRef) {
        let units = stamp().wrapping_sub(g.take_stamp());
        self.ready_to_run[Histogram::bucket(u64::from(units) * STAMP_UNIT)].add(1);
    }

    /// An M has the P now; it may have had it already.
    pub(super) fn begin_use(&self) {
        if self.since.get() == 0 {
            self.since.set(nanos());
        }
    }

    /// The M is about to give the P up.
    pub(super) fn end_use(&self) {
        let since = self.since.get();
        if since != 0 {
            self.used.add(nanos().saturating_sub(since));
            self.since.set(0);
        }
    }

    /// The owner looked for work elsewhere from `began` until now.
    pub(super) fn has_looked_since(&self, began: u64) {
        self.finding.add(nanos().saturating_sub(began));
    }

    /// What was counted, with the dispatches of the P's tick.
    fn read(&self, p: &P) -> ProcMetrics {
        let since = self.since.get();
        let now = if since == 0 { 0 } else { nanos().saturating_sub(since) };
        let (global, stolen) = (self.global.get(), self.stolen.get());
        ProcMetrics {
            local: p.tick().saturating_sub(self.empty.get() + global),
            global,
            stolen,
            runnable: p.len(),
            parks: self.parks.get(),
            used: Duration::from_nanos(self.used.get() + now),
            finding: Duration::from_nanos(self.finding.get()),
        }
    }
}

impl Shared {
    /// As [`Meters::made_ready`], by a thread without a P. Two threads at a time may time both or neither.
    #[inline]
    pub(super) fn made_ready_outside(&self, g: &GRef) {
        let left = self.until_timed.load(Ordering::Relaxed);
        if left == 0 {
            g.stamp(stamp());
        }
        let next = if left == 0 { TIMED - 1 } else { left - 1 };
        self.until_timed.store(next, Ordering::Relaxed);
    }

    /// The Ps that exist, in use or not.
    pub(super) fn ps(&self) -> impl Iterator<Item = &P> {
        core::iter::once(&self.first).chain(self.pool.iter().flat_map(Pool::more))
    }

    /// What was counted so far.
    pub(crate) fn metrics(&self) -> Metrics {
        let mut metrics = Metrics {
            uptime: Duration::from_nanos(self.timers().clock().now()),
            procs: self.procs(),
            goroutines: self.scopes().iter().map(|scope| scope.live()).sum(),
            cached_cells: crate::g::cells::kept(),
            runnable_global: self.global.len(),
            ..Metrics::default()
        };
        for p in self.ps() {
            metrics.ps.push(p.meters.read(p));
            for (bucket, count) in p.meters.ready_to_run.iter().enumerate() {
                metrics.ready_to_run.add(bucket, count.get());
            }
        }
        match &self.pool {
            None => metrics.idle_procs = usize::from(self.first.owner.is_idle()),
            Some(pool) => pool.read_meters(&mut metrics),
        }
        metrics
    }
}

impl Pool {
    fn read_meters(&self, metrics: &mut Metrics) {
        let (meters, counts) = (&self.meters, &self.idle.counts);
        self.idle.read(|lists| {
            metrics.idle_procs = lists.ps.len();
            metrics.machines = lists.threads;
            metrics.parked_machines = lists.ms.len();
            metrics.machines_started = lists.started;
        });
        let locked = self.idle.read(|lists| (lists.waiting_homes().len(), lists.handoffs));
        metrics.parked_machines += locked.0;
        metrics.spinning_machines = counts.spinning();
        metrics.retakes = meters.retakes.get();
        metrics.false_retakes = meters.false_retakes.get();
        metrics.sysmon_rounds = meters.sysmon_rounds.get();
        metrics.blocking_retakes = meters.blocking_retakes.get();
        metrics.handoffs = metrics.retakes + metrics.blocking_retakes + locked.1;
    }
}
