//! Runs the child processes, interleaved: in each round of a case every peer has its turn.

use std::io::Read;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::cases::{Case, Unit};
use crate::meter::CPU;
use crate::options::Clock;

/// The Rust peers, by the name a child process knows. Go comes on top.
pub const PEERS: &[&str] = &[
    "gmp",
    "tokio",
    "tokio+async-channel",
    "tokio+flume",
    "tokio+kanal",
    "tokio-current",
    "tokio-current+async-channel",
    "tokio-current+flume",
    "tokio-current+kanal",
    "smol",
    "crossbeam",
    "may",
];

/// A measurement that takes longer is given up: of the whole work, and of that of a quick run.
const LIMIT: Duration = Duration::from_secs(30);
const QUICK_LIMIT: Duration = Duration::from_secs(15);

/// How one child ended.
#[derive(Clone, Copy, Debug)]
pub enum Outcome {
    /// It measured.
    Figure {
        /// Nanoseconds or bytes an operation.
        value: f64,
        /// Highest resident memory of the process, in KiB.
        peak_kib: u64,
    },
    /// The peer cannot express the case.
    None,
    /// It crashed, took too long, or came to a wrong result.
    Failed(&'static str),
}

/// All measurements of one peer in one case.
#[derive(Debug)]
pub struct Series {
    /// The peer.
    pub peer: String,
    /// Threads it was given.
    pub procs: usize,
    /// One figure a round: value, peak KiB.
    pub figures: Vec<(f64, u64)>,
    /// Why it is not measured any more.
    pub failed: Option<&'static str>,
}

impl Series {
    /// The median figure.
    pub fn median(&self) -> Option<f64> {
        let mut values: Vec<f64> = self.figures.iter().map(|figure| figure.0).collect();
        values.sort_by(f64::total_cmp);
        let middle = values.get(values.len() / 2).copied()?;
        let even = values.len().is_multiple_of(2);
        Some(if even { (middle + values[values.len() / 2 - 1]) / 2.0 } else { middle })
    }

    /// The median of the highest resident memory, in KiB.
    pub fn peak_kib(&self) -> Option<u64> {
        let mut peaks: Vec<u64> = self.figures.iter().map(|figure| figure.1).collect();
        peaks.sort_unstable();
        peaks.get(peaks.len() / 2).copied()
    }

    /// How far the slowest and the fastest round are apart, as a part of the median.
    pub fn spread(&self) -> Option<f64> {
        let values = || self.figures.iter().map(|figure| figure.0);
        let (low, high) = (values().fold(f64::MAX, f64::min), values().fold(0.0, f64::max));
        self.median().map(|median| (high - low) / median)
    }
}

/// The programs.
pub struct Programs {
    /// This program.
    pub own: PathBuf,
    /// The Go program, if there is a `go` to build it with.
    pub go: Option<PathBuf>,
    /// Which time they print.
    pub clock: Clock,
    /// Whether the work is that of a quick run.
    pub quick: bool,
}

/// All rounds of one case. `peers` are those that are asked for.
pub fn case(
    programs: &Programs,
    case: &Case,
    peers: &[(String, usize)],
    rounds: usize,
) -> Vec<Series> {
    let series = |(peer, procs): &(String, usize)| Series {
        peer: peer.clone(),
        procs: *procs,
        figures: Vec::new(),
        failed: None,
    };
    let mut all: Vec<Series> = peers.iter().map(series).collect();
    for _ in 0..rounds {
        all.retain_mut(|series| {
            if series.failed.is_some() {
                return true;
            }
            match measure(programs, case, &series.peer, series.procs) {
                Outcome::Figure { value, peak_kib } => series.figures.push((value, peak_kib)),
                Outcome::None => return false,
                Outcome::Failed(why) => {
                    eprintln!("{} {}, threads {}: {why}", case.name, series.peer, series.procs);
                    series.failed = Some(why);
                }
            }
            true
        });
    }
    all
}

fn command(programs: &Programs, case: &Case, peer: &str, procs: usize) -> Option<Command> {
    let ops = case.ops.to_string();
    let threads = procs.to_string();
    let mut command = if peer == "go" {
        let mut command = Command::new(programs.go.as_ref()?);
        command.args([case.name, &ops]);
        command
    } else {
        let mut command = Command::new(&programs.own);
        command.args(["--child", peer, case.name, &ops, &threads]);
        command
    };
    command.env("GOMAXPROCS", &threads).env("GMP_MAXPROCS", &threads).env("SMOL_THREADS", &threads);
    if programs.clock == Clock::Cpu {
        command.env(CPU, "1");
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    Some(command)
}

/// One child process.
fn measure(programs: &Programs, case: &Case, peer: &str, procs: usize) -> Outcome {
    let Some(mut command) = command(programs, case, peer, procs) else { return Outcome::None };
    let Ok(mut child) = command.spawn() else { return Outcome::Failed("did not start") };
    let (start, limit) = (Instant::now(), if programs.quick { QUICK_LIMIT } else { LIMIT });
    // What a child prints fits into the pipe, so it can be read once the child has ended.
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if start.elapsed() < limit => std::thread::sleep(Duration::from_millis(5)),
            _ => {
                let _ = child.kill();
                let _ = child.wait();
                return Outcome::Failed("took too long");
            }
        }
    };
    let mut text = String::new();
    let read = child.stdout.take().map(|mut out| out.read_to_string(&mut text));
    if !status.success() || !matches!(read, Some(Ok(_))) {
        return Outcome::Failed("crashed");
    }
    parse(case, &text)
}

/// Reads `result NANOSECONDS FIGURE PEAK_KIB CHECK`.
fn parse(case: &Case, text: &str) -> Outcome {
    let mut words = text.split_whitespace();
    match words.next() {
        Some("none") => return Outcome::None,
        Some("result") => {}
        _ => return Outcome::Failed("printed no result"),
    }
    let numbers: Vec<u64> = words.filter_map(|word| word.parse().ok()).collect();
    let [nanos, figure, peak_kib, check] = numbers[..] else {
        return Outcome::Failed("printed no result");
    };
    if check != case.expected() {
        return Outcome::Failed("wrong result");
    }
    let value = match case.unit {
        Unit::Time => nanos as f64 / case.ops as f64,
        Unit::Latency => figure as f64,
        Unit::Bytes => figure as f64 / case.ops as f64,
    };
    Outcome::Figure { value, peak_kib }
}
