//! The tables: gmp beside the best of each peer, then tokio with every channel, then memory.

use crate::cases::{Case, Unit};
use crate::options::Clock;
use crate::run::Series;

/// The measurements of one case.
pub struct Row {
    /// The case.
    pub case: Case,
    /// All peers and thread counts.
    pub series: Vec<Series>,
}

/// The families of the first table.
pub const FAMILIES: &[&str] = &["go", "tokio", "smol", "crossbeam", "may"];

/// `tokio-current+flume` belongs to `tokio`.
pub fn family(peer: &str) -> &str {
    peer.split(['+', '-']).next().unwrap_or(peer)
}

impl Row {
    fn at(&self, procs: usize) -> impl Iterator<Item = (&Series, f64)> {
        let of = move |s: &&Series| s.procs == procs && s.failed.is_none();
        self.series.iter().filter(of).filter_map(|s| Some((s, s.median()?)))
    }

    fn gmp(&self, procs: usize) -> Option<f64> {
        self.at(procs).find(|(s, _)| s.peer == "gmp").map(|(_, median)| median)
    }

    /// The best variant of a family.
    fn best(&self, family_name: &str, procs: usize) -> Option<(&Series, f64)> {
        let mine = self.at(procs).filter(|(s, _)| family(&s.peer) == family_name);
        mine.min_by(|a, b| a.1.total_cmp(&b.1))
    }

    fn failed(&self, family_name: &str, procs: usize) -> bool {
        let mut mine = self.series.iter().filter(|s| s.procs == procs);
        mine.any(|s| family(&s.peer) == family_name && s.failed.is_some())
    }

    /// gmp's figure as a part of the best of that family.
    pub fn ratio(&self, family_name: &str, procs: usize) -> Option<f64> {
        Some(self.gmp(procs)? / self.best(family_name, procs)?.1)
    }

    fn cell(&self, family_name: &str, procs: usize) -> String {
        match self.best(family_name, procs) {
            Some((_, value)) => match self.ratio(family_name, procs) {
                Some(ratio) => format!("{} ({ratio:.2})", figure(value)),
                None => figure(value),
            },
            None if self.failed(family_name, procs) => "failed".into(),
            None => "-".into(),
        }
    }

    fn best_peer(&self, procs: usize) -> String {
        let others = self.at(procs).filter(|(s, _)| s.peer != "gmp");
        let Some((series, value)) = others.min_by(|a, b| a.1.total_cmp(&b.1)) else {
            return "-".into();
        };
        match self.gmp(procs) {
            Some(gmp) => format!("{} ({:.2})", series.peer, gmp / value),
            None => series.peer.clone(),
        }
    }
}

fn figure(value: f64) -> String {
    match value {
        v if v >= 100_000.0 => format!("{:.0}k", v / 1000.0),
        v if v >= 100.0 => format!("{v:.0}"),
        v => format!("{v:.1}"),
    }
}

/// The whole report for one number of threads, as Markdown.
pub fn print(rows: &[Row], procs: usize, clock: Clock) {
    println!(
        "\n## {procs} thread{}: {} an operation, median (gmp / peer)\n",
        if procs == 1 { "" } else { "s" },
        match clock {
            Clock::Wall => "ns",
            Clock::Cpu => "ns of CPU time",
        }
    );
    println!("| case | gmp | go | tokio, best | smol | crossbeam | may | best peer |");
    println!("|---|---|---|---|---|---|---|---|");
    for row in rows {
        let gmp = row.gmp(procs).map_or("-".into(), figure);
        let cells: Vec<String> = FAMILIES.iter().map(|f| row.cell(f, procs)).collect();
        let unit = if row.case.unit == Unit::Bytes { ", bytes" } else { "" };
        println!(
            "| {}{unit} | {gmp} | {} | {} |",
            row.case.name,
            cells.join(" | "),
            row.best_peer(procs)
        );
    }
    for group in GROUPS {
        let means = FAMILIES.iter().filter_map(|family| {
            let (mean, cases) = geometric_mean(rows, *group, family, procs)?;
            Some(format!("{family} {mean:.2} ({cases} cases)"))
        });
        let means: Vec<String> = means.collect();
        println!("\ngmp / peer, geometric mean of {}: {}", group.name(), means.join(", "));
    }
    variants(rows, procs);
    memory(rows, procs);
}

/// Cases that a mean is taken over.
#[derive(Clone, Copy)]
pub enum Group {
    /// Those that measure time; sleeping and blocking are not bound by the CPU.
    All,
    /// Of them, those of the scheduler.
    Scheduler,
}

/// All groups.
pub const GROUPS: &[Group] = &[Group::All, Group::Scheduler];

impl Group {
    /// In the table.
    pub fn name(self) -> &'static str {
        match self {
            Self::All => "all timed cases",
            Self::Scheduler => "spawn, yield, wake, skynet and worker cases",
        }
    }

    fn has(self, case: &Case) -> bool {
        !case.is_system_bound() && (matches!(self, Self::All) || case.is_of_scheduler())
    }
}

/// The mean of the ratios, and of how many cases.
pub fn geometric_mean(
    rows: &[Row],
    group: Group,
    family: &str,
    procs: usize,
) -> Option<(f64, usize)> {
    let timed = rows.iter().filter(|row| group.has(&row.case));
    let logs: Vec<f64> = timed.filter_map(|row| row.ratio(family, procs)).map(f64::ln).collect();
    let mean = (logs.iter().sum::<f64>() / logs.len() as f64).exp();
    (!logs.is_empty()).then_some((mean, logs.len()))
}

fn grid(title: &str, rows: &[Row], procs: usize, cell: impl Fn(&Series) -> Option<String>) {
    let mut peers: Vec<&str> = Vec::new();
    for series in rows.iter().flat_map(|row| &row.series).filter(|s| s.procs == procs) {
        if !peers.contains(&&*series.peer) {
            peers.push(&series.peer);
        }
    }
    println!("\n### {title}\n\n| case | {} |", peers.join(" | "));
    println!("|---|{}", "---|".repeat(peers.len()));
    for row in rows {
        let of = |peer: &&str| {
            let series = row.series.iter().find(|s| s.peer == *peer && s.procs == procs);
            match series {
                Some(series) => {
                    series.failed.map_or_else(|| cell(series), |_| Some("failed".into()))
                }
                None => None,
            }
            .unwrap_or("-".into())
        };
        let cells: Vec<String> = peers.iter().map(of).collect();
        println!("| {} | {} |", row.case.name, cells.join(" | "));
    }
}

fn variants(rows: &[Row], procs: usize) {
    let cell = |s: &Series| Some(format!("{} ±{:.0} %", figure(s.median()?), s.spread()? * 50.0));
    grid("every variant: median, half the spread", rows, procs, cell);
}

fn memory(rows: &[Row], procs: usize) {
    let cell = |s: &Series| s.peak_kib().map(|kib| format!("{:.1}", kib as f64 / 1024.0));
    grid("highest resident memory of the process, MiB", rows, procs, cell);
}
