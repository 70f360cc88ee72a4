//! All figures as JSON.

use serde_json::{Value, json};

use crate::cases::Unit;
use crate::options::{Clock, Options};
use crate::run::Series;
use crate::table::{FAMILIES, GROUPS, Row, family, geometric_mean};

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
    let mut means = Vec::new();
    for threads in threads {
        for (group, family) in GROUPS.iter().flat_map(|g| FAMILIES.iter().map(move |f| (*g, *f))) {
            let Some((mean, cases)) = geometric_mean(rows, group, family, threads) else {
                continue;
            };
            means.push(json!({
                "peer": family,
                "threads": threads,
                "of": group.name(),
                "gmp_over_peer": mean,
                "cases": cases,
            }));
        }
    }
    means
}
