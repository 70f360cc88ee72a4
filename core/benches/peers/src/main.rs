//! gmp beside Go, tokio, smol and may: the same work in one interleaved run, as a table and as JSON.
#![allow(unreachable_pub, reason = "a program: nothing here is seen from outside")]

mod cases;
mod child;
mod json;
mod lines;
mod meter;
mod net;
mod options;
mod peer;
mod run;
mod runtimes;
mod stackful;
mod table;
mod threads;
mod versions;
mod work;

use std::process::ExitCode;

use options::Options;
use run::{PEERS, Programs};
use table::Row;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, peer, case, ops, procs] = &args[..]
        && flag == "--child"
    {
        let (ops, procs) = (ops.parse().expect("a number"), procs.parse().expect("a number"));
        child::run(peer, case, ops, procs);
    }
    if args == ["--list"] {
        cases::CASES.iter().for_each(|case| println!("{:14} {}", case.name, case.what));
        return ExitCode::SUCCESS;
    }
    let done = Options::parse(args.into_iter()).and_then(|options| compare(&options));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}\n{}", options::USAGE);
            ExitCode::FAILURE
        }
    }
}

fn compare(options: &Options) -> Result<(), String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let go = options.wants("go").then(|| versions::build_go(&own)).flatten();
    let programs = Programs { own, go, clock: options.clock, quick: options.quick };
    let versions = versions::collect(programs.go.as_deref());
    println!("{versions:#}");
    let before = versions::load();
    let peers = peers(options);
    let mut rows = Vec::new();
    for case in &options.cases {
        eprintln!("{}", case.name);
        let series = run::case(&programs, case, &peers, options.rounds);
        rows.push(Row { case: *case, series });
    }
    for procs in &options.procs {
        table::print(&rows, *procs, options.clock);
    }
    let load = [before, versions::load()];
    println!("\nload average before and after: {load:?}");
    if let Some(file) = &options.json {
        let report = json::report(&rows, versions, options, load);
        std::fs::write(file, format!("{report:#}\n")).map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// Every peer with every number of threads, in the order of the turns.
fn peers(options: &Options) -> Vec<(String, usize)> {
    let wanted = PEERS.iter().copied().chain(["go"]).filter(|peer| options.wants(peer));
    let mut all = Vec::new();
    for peer in wanted {
        for procs in &options.procs {
            // One thread is all this flavour has.
            if !peer.starts_with("tokio-current") || *procs == 1 {
                all.push((peer.to_string(), *procs));
            }
        }
    }
    all
}
