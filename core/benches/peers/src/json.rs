//! All figures as JSON.

use serde_json::{Value, json};

use crate::cases::Unit;
use crate::options::{Clock, Options};
use crate::run::Series;
use crate::table::{FAMILIES, Row, family, geometric_mean};

/// The whole run.
pub fn report(rows: &[Row], versions: Value, options: &Options, load: [Option<f64>; 2]) -> Value {
    json!({
        "versions": versions,
        "rounds": options.rounds,
        "time": if options.clock == Clock::Cpu { "cpu" } else { "wall" },
        "load_before_and_after": load,
        "cases": rows.iter().map(row).collect::<Vec<_>>(),
        "geometric_means": means(rows),
    })
}

fn row(row: &Row) -> Value {
    json!({
        "case": row.case.name,
        "operation": row.case.what,
        "operations": row.case.ops,
        "unit": if row.case.unit == Unit::Bytes { "bytes" } else { "ns" },
        "peers": row.series.iter().map(|s| series(row, s)).collect::<Vec<_>>(),
    })
}

fn series(row: &Row, series: &Series) -> Value {
    json!({
        "peer": series.peer,
        "threads": series.procs,
        "median": series.median(),
        "rounds": series.figures.iter().map(|figure| figure.0).collect::<Vec<_>>(),
        "peak_resident_kib": series.peak_kib(),
        "failed": series.failed,
        "gmp_over_best_of_family": row.ratio(family(&series.peer), series.procs),
    })
}

fn means(rows: &[Row]) -> Vec<Value> {
    let mut threads: Vec<usize> = rows.iter().flat_map(|r| &r.series).map(|s| s.procs).collect();
    threads.sort_unstable();
    threads.dedup();
    let pairs = threads.into_iter().flat_map(|t| FAMILIES.iter().map(move |f| (t, *f)));
    let mean = |(threads, family): (usize, &str)| {
        let (mean, cases) = geometric_mean(rows, family, threads)?;
        Some(json!({ "peer": family, "threads": threads, "gmp_over_peer": mean, "cases": cases }))
    };
    pairs.filter_map(mean).collect()
}
