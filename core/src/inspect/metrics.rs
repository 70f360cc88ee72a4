//! What a runtime has counted, as plain data: made by the scheduler, read by whoever watches it.

use core::fmt;
use std::time::Duration;

/// What a runtime has counted since it was made. The figures of different Ps are read one after the other,
/// while they change: they need not add up to the last one.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Metrics {
    /// How long ago the runtime was made.
    pub uptime: Duration,
    /// How many [Ps](crate::runtime#ps) it has.
    pub procs: usize,
    /// Ps that nobody runs goroutines with.
    pub idle_procs: usize,
    /// Ms: threads that run goroutines, or wait for some. Zero where the owner of the runtime drives it.
    pub machines: usize,
    /// Ms that are parked.
    pub parked_machines: usize,
    /// Ms that look for work.
    pub spinning_machines: usize,
    /// Ms started so far.
    pub machines_started: u64,
    /// Goroutines that were started and have not finished: live cells.
    pub goroutines: usize,
    /// Goroutines that ended, whose memory is kept for the next ones: of all runtimes in this process.
    pub cached_cells: usize,
    /// Goroutines in the global queue.
    pub runnable_global: usize,
    /// Ps taken away from [polls](crate::runtime#long-polls-and-blocking-calls) that had used their slice of 10 ms,
    /// or were blocked.
    pub retakes: u64,
    /// Of those, Ps that were taken from a poll that had only just begun.
    pub false_retakes: u64,
    /// Ps taken away from calls inside [`blocking`](fn@crate::blocking).
    pub blocking_retakes: u64,
    /// How often sysmon has looked at the Ps. It does not while all are idle.
    pub sysmon_rounds: u64,
    /// Ps that one M passed on to another, or had passed on, without their being idle in between.
    pub handoffs: u64,
    /// How long goroutines waited from being made ready until they ran: one in 64, up to two minutes.
    pub ready_to_run: Histogram,
    /// What each P has counted; also those that are not in use any more.
    pub ps: Vec<ProcMetrics>,
}

/// What a P has counted.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ProcMetrics {
    /// Goroutines run out of its own queue. Those that came there from other queues in a batch count too.
    pub local: u64,
    /// Goroutines run straight out of the global queue.
    pub global: u64,
    /// Goroutines run straight out of another P's queue.
    pub stolen: u64,
    /// Goroutines ready in its queue now.
    pub runnable: usize,
    /// How often an M found nothing to do, and gave the P up.
    pub parks: u64,
    /// How long Ms had it.
    pub used: Duration,
    /// How long Ms that had it looked for work elsewhere.
    pub finding: Duration,
}

impl ProcMetrics {
    /// Goroutines run.
    pub fn dispatches(&self) -> u64 {
        self.local + self.global + self.stolen
    }
}

impl Metrics {
    /// The sum over all Ps.
    ///
    /// ```
    /// let runtime = gmp_core::runtime::Runtime::new();
    /// runtime.block_on(async { gmp_core::go(async {}).await.unwrap() });
    /// assert!(runtime.metrics().total().dispatches() >= 2);
    /// ```
    pub fn total(&self) -> ProcMetrics {
        let mut sum = ProcMetrics::default();
        for p in &self.ps {
            sum.local += p.local;
            sum.global += p.global;
            sum.stolen += p.stolen;
            sum.runnable += p.runnable;
            sum.parks += p.parks;
            sum.used += p.used;
            sum.finding += p.finding;
        }
        sum
    }
}

/// Buckets in each power of two.
const PARTS: u64 = 4;
const PART_BITS: u32 = PARTS.trailing_zeros();
/// Durations from 2^38 ns on, four minutes, are in the last bucket.
const POWERS: u32 = 38;
/// Buckets in all.
pub(crate) const BUCKETS: usize = ((POWERS - PART_BITS + 1) as u64 * PARTS) as usize;

/// How often durations of which length were seen. A bucket is at most a quarter longer than its shortest
/// duration.
///
/// ```
/// let runtime = gmp_core::runtime::Runtime::new();
/// runtime.block_on(async { gmp_core::go(async {}).await.unwrap() });
/// let waits = runtime.metrics().ready_to_run;
/// for (shorter_than, n) in waits.buckets() {
///     println!("{n} waited for less than {shorter_than:?}");
/// }
/// assert_eq!(waits.buckets().map(|(_, n)| n).sum::<u64>(), waits.count());
/// assert!(waits.quantile(0.5) <= waits.quantile(0.99));
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Histogram {
    /// Empty if nothing was seen.
    counts: Vec<u64>,
}

impl Histogram {
    /// The bucket of a duration.
    pub(crate) fn bucket(nanos: u64) -> usize {
        if nanos < PARTS {
            return nanos as usize;
        }
        let power = nanos.ilog2();
        let part = (nanos >> (power - PART_BITS)) - PARTS;
        let bucket = u64::from(power - PART_BITS + 1) * PARTS + part;
        (bucket as usize).min(BUCKETS - 1)
    }

    /// The shortest duration of the bucket after this one.
    fn end(bucket: usize) -> Duration {
        let bucket = bucket as u64 + 1;
        let nanos = match bucket / PARTS {
            0 => bucket,
            power => (PARTS + bucket % PARTS) << (power - 1),
        };
        Duration::from_nanos(nanos)
    }

    pub(crate) fn add(&mut self, bucket: usize, n: u64) {
        if n != 0 {
            self.counts.resize(BUCKETS, 0);
            self.counts[bucket] += n;
        }
    }

    /// How many were seen.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// A duration that `share` of those seen were shorter than, for example 0.99 of them: the upper end of
    /// a bucket. Zero if none was seen.
    pub fn quantile(&self, share: f64) -> Duration {
        let wanted = (self.count() as f64 * share).ceil() as u64;
        let mut seen = 0;
        for (end, n) in self.buckets() {
            seen += n;
            if seen >= wanted {
                return end;
            }
        }
        Duration::ZERO
    }

    /// The upper end of each bucket that is not empty, and how many are in it, shortest first.
    pub fn buckets(&self) -> impl Iterator<Item = (Duration, u64)> + '_ {
        let counts = self.counts.iter().enumerate().filter(|(_, n)| **n != 0);
        counts.map(|(bucket, n)| (Self::end(bucket), *n))
    }
}

impl fmt::Debug for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.buckets()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_in_the_bucket_that_ends_after_it() {
        let mut before = 0;
        for nanos in (0..5_000).chain((13..38).flat_map(|power| [(1 << power) - 1, 1 << power])) {
            let bucket = Histogram::bucket(nanos);
            assert!(bucket == before || bucket == before + 1 || nanos >= 5_000, "{nanos}");
            before = bucket;
            let end = Histogram::end(bucket).as_nanos() as u64;
            assert!(nanos < end && end <= (nanos + nanos / 4).max(nanos + 1), "{nanos} {end}");
        }
        assert_eq!(Histogram::bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn quantiles_are_ends_of_buckets() {
        let mut seen = Histogram::default();
        assert_eq!((seen.count(), seen.quantile(0.5)), (0, Duration::ZERO));
        for nanos in 1..=100u64 {
            seen.add(Histogram::bucket(nanos * 1_000), 1);
        }
        assert_eq!(seen.count(), 100);
        let [half, most, all] = [0.5, 0.99, 1.0].map(|share| seen.quantile(share).as_nanos());
        assert!((50_000..=62_500).contains(&half), "{half}");
        assert!((99_000..=125_000).contains(&most), "{most}");
        assert!(all >= 100_000);
        assert!(format!("{seen:?}").starts_with("{1.024µs: 1, "), "{seen:?}");
    }
}
