//! The list of cases: name, how many operations, and what one operation is.

/// What a case counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Nanoseconds an operation.
    Time,
    /// Nanoseconds until something has happened, measured by the case itself.
    Latency,
    /// Resident bytes a goroutine.
    Bytes,
}

/// One case. Every program gets its name and the number of operations, so all do the same work.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// What `--cases` and the peer programs call it.
    pub name: &'static str,
    /// Operations in one measurement.
    pub ops: u64,
    /// What is reported.
    pub unit: Unit,
    /// One operation, in words.
    pub what: &'static str,
}

const fn time(name: &'static str, ops: u64, what: &'static str) -> Case {
    Case { name, ops, unit: Unit::Time, what }
}

/// All cases, in the order of the table.
pub const CASES: &[Case] = &[
    time("spawn_join", 500_000, "start one goroutine and wait for it"),
    time("spawn_outside", 1_000_000, "start a goroutine from a plain thread"),
    time("spawn_inside", 1_000_000, "start a goroutine from a goroutine"),
    time("yield_100", 1_000_000, "yield, 100 goroutines"),
    time("pingpong", 200_000, "round trip over two rendezvous channels"),
    time("stream", 500_000, "value over a rendezvous channel"),
    time("spsc_128", 2_000_000, "value over 128 slots, 1 to 1"),
    time("mpmc_4x4", 1_000_000, "value over 128 slots, 4 to 4"),
    time("select_2", 500_000, "select over two rendezvous channels"),
    time("mutex_free", 5_000_000, "lock and unlock, nobody else wants it"),
    time("mutex_100", 500_000, "lock and unlock, 100 goroutines, every 8th yields inside"),
    time("skynet", 1_000_000, "leaf of a tree of goroutines, 10 children each"),
    time("sieve_500", 500, "prime through a chain of filters"),
    time("fan_local", 1_000_000, "task started and run, each thread starts its own"),
    time("fan_balanced", 1_000_000, "task started and run, by 16 tasks of one thread"),
    time("fan_skewed", 1_000_000, "task started and run, 90 % by one task"),
    time("workers_8", 1_000_000, "job over 1,024 slots, 8 workers"),
    time("workers_24", 1_000_000, "job over 1,024 slots, 24 workers"),
    time("workers_32", 1_000_000, "job over 1,024 slots, 32 workers"),
    time("sleeps_100k", 100_000, "goroutine that sleeps 1 ms"),
    time("blocking_100", 100, "call that blocks its thread for 10 ms"),
    Case {
        name: "sleep_overshoot",
        ops: 2_000,
        unit: Unit::Latency,
        what: "how late a sleep of 1 ms ends, by 10 goroutines: the 99th percentile",
    },
    Case {
        name: "mutex_hog",
        ops: 200,
        unit: Unit::Latency,
        what: "wait for a lock that another takes again and again, asleep for 100 us: the 99th percentile",
    },
    Case {
        name: "start_spinners",
        ops: 5,
        unit: Unit::Latency,
        what: "until a task starts while as many spin as there are threads, the longest of 5",
    },
    time("timer_cancel", 1_000_000, "timer of an hour, armed and stopped"),
    time("ctx_cancel", 500_000, "context, made and cancelled"),
    time("ctx_tree", 500_000, "context in a tree of 1,000 that its root cancels"),
    time("echo_64", 200_000, "64 bytes over TCP and back, 64 connections"),
    time("http_64", 100_000, "HTTP request, 64 connections that stay open"),
    Case {
        name: "parked_1m",
        ops: 1_000_000,
        unit: Unit::Bytes,
        what: "goroutine parked on one channel",
    },
];

/// Cases of which a quick run does not do less: they measure themselves, or their work has a shape.
const WHOLE: &[&str] =
    &["sieve_500", "sleep_overshoot", "mutex_hog", "start_spinners", "blocking_100", "parked_1m"];

/// The case of that name.
pub fn find(name: &str) -> Option<&'static Case> {
    CASES.iter().find(|case| case.name == name)
}

impl Case {
    /// The same with less work, for a quick run.
    pub fn quick(mut self) -> Self {
        self.ops /= match self.name {
            name if WHOLE.contains(&name) => 1,
            // A tree with ten children each.
            "skynet" => 10,
            _ => 4,
        };
        self
    }

    /// Whether the system, not the runtime, takes most of the time: outside the means.
    pub fn is_system_bound(&self) -> bool {
        self.unit != Unit::Time || matches!(self.name, "sleeps_100k" | "blocking_100")
    }

    /// Whether it measures the scheduler: spawns, yields, wakes, pools of workers.
    pub fn is_of_scheduler(&self) -> bool {
        let starts = ["spawn_", "yield_", "pingpong", "skynet", "fan_", "workers_"];
        starts.iter().any(|start| self.name.starts_with(start))
    }

    /// The check sum that every peer must come to.
    pub fn expected(&self) -> u64 {
        let n = self.ops;
        let sum_below = |n: u64| n * (n - 1) / 2;
        match self.name {
            "spawn_join" => n / 2,
            "stream" | "spsc_128" | "skynet" => sum_below(n),
            "mpmc_4x4" => 4 * sum_below(n / 4),
            "select_2" => 2 * sum_below(n / 2),
            // The sum of the first 500 primes.
            "sieve_500" => 824_693,
            "workers_8" | "workers_24" | "workers_32" => (0..n).map(crate::work::job).sum(),
            _ => n,
        }
    }
}
