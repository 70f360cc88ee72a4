//! A child process: one case, one peer, one measurement.

use crate::lines::{AsyncChannel, Flume, GmpChan, Kanal, TokioMpsc};
use crate::peer::{Line, Rt, Shared, Tree};
use crate::runtimes::{Gmp, Smol, Tokio, TokioCurrent};
use crate::{meter, net, stackful, threads, work};

/// Runs `case` on `peer` and prints `result NANOSECONDS FIGURE PEAK_KIB CHECK`, or `none` if the peer
/// cannot express the case.
pub fn run(peer: &str, case: &str, ops: u64, procs: usize) {
    let watch = meter::Watch::start();
    let check = match peer {
        "gmp" => all::<Gmp, GmpChan>(case, ops, procs).or_else(|| contexts::<Gmp>(case, ops)),
        "tokio" => {
            any::<Tokio, TokioMpsc>(case, ops, procs).or_else(|| contexts::<Tokio>(case, ops))
        }
        "tokio+async-channel" => channels::<Tokio, AsyncChannel>(case, ops, procs),
        "tokio+flume" => channels::<Tokio, Flume>(case, ops, procs),
        "tokio+kanal" => channels::<Tokio, Kanal>(case, ops, procs),
        "tokio-current" => any::<TokioCurrent, TokioMpsc>(case, ops, procs),
        "tokio-current+async-channel" => channels::<TokioCurrent, AsyncChannel>(case, ops, procs),
        "tokio-current+flume" => channels::<TokioCurrent, Flume>(case, ops, procs),
        "tokio-current+kanal" => channels::<TokioCurrent, Kanal>(case, ops, procs),
        "smol" => all::<Smol, AsyncChannel>(case, ops, procs),
        "crossbeam" => threads::run(case, ops, procs),
        "may" => stackful::run(case, ops, procs),
        _ => None,
    };
    let check = check.or_else(|| net::run(peer, case, ops, procs));
    let took = watch.nanos();
    match check {
        Some(check) => {
            println!("result {took} {} {} {check}", meter::recorded(), meter::peak_kib());
        }
        None => println!("none"),
    }
    // Neither runtimes nor what is left in them are taken apart: that is not measured.
    std::process::exit(0);
}

/// Every case that needs no context.
fn all<R: Rt, L: Shared>(case: &str, n: u64, procs: usize) -> Option<u64> {
    any::<R, L>(case, n, procs).or_else(|| many::<R, L>(case, n, procs))
}

/// Every case with channels.
fn channels<R: Rt, L: Shared>(case: &str, n: u64, procs: usize) -> Option<u64> {
    lines::<R, L>(case, n, procs).or_else(|| many::<R, L>(case, n, procs))
}

/// Every case that a channel with one receiver can express.
fn any<R: Rt, L: Line>(case: &str, n: u64, procs: usize) -> Option<u64> {
    plain::<R, L>(case, n, procs).or_else(|| lines::<R, L>(case, n, procs))
}

/// The cases without channels; `L` only tells the end.
fn plain<R: Rt, L: Line>(case: &str, n: u64, procs: usize) -> Option<u64> {
    Some(match case {
        "spawn_join" => R::run(procs, work::spawn_join::<R>(n)),
        "spawn_outside" => R::run_outside(procs, || work::spawn_all::<R, L>(n)),
        "spawn_inside" => R::run(procs, async move { work::spawn_all::<R, L>(n).await }),
        "yield_100" => R::run(procs, work::yields::<R>(n)),
        "mutex_free" => R::run(procs, work::mutex_free::<R>(n)),
        "mutex_100" => R::run(procs, work::mutex_100::<R>(n)),
        "fan_local" => R::run(procs, work::fan::<R, L>(work::equal_shares(n, procs as u64))),
        "fan_balanced" => R::run(procs, work::fan::<R, L>(work::equal_shares(n, 16))),
        "fan_skewed" => R::run(procs, work::fan::<R, L>(vec![n - n / 10, n / 10])),
        "mutex_hog" => R::run(procs, work::mutex_hog::<R>(n)),
        "sleep_overshoot" => R::run(procs, work::sleep_overshoot::<R>(n)),
        "blocking_100" => R::run(procs, work::blocking::<R>(n)),
        "start_spinners" => R::run(procs, work::start_beside_spinners::<R>(procs as u64, n)),
        "skynet" => R::run(procs, work::skynet::<R>(0, n)),
        "sleeps_100k" => R::run(procs, work::sleeps::<R, L>(n)),
        "timer_cancel" => R::run(procs, work::timer_cancel::<R>(n)),
        _ => return None,
    })
}

fn lines<R: Rt, L: Line>(case: &str, n: u64, procs: usize) -> Option<u64> {
    Some(match case {
        "pingpong" => R::run(procs, work::pingpong::<R, L>(n)),
        "stream" => R::run(procs, work::stream::<R, L>(0, n)),
        "spsc_128" => R::run(procs, work::stream::<R, L>(128, n)),
        "select_2" => R::run(procs, work::select::<R, L>(n)),
        "sieve_500" => R::run(procs, work::sieve::<R, L>(n)),
        _ => return None,
    })
}

/// The cases with many receivers.
fn many<R: Rt, L: Shared>(case: &str, n: u64, procs: usize) -> Option<u64> {
    Some(match case {
        "mpmc_4x4" => R::run(procs, work::mpmc::<R, L>(n)),
        "workers_8" => R::run(procs, work::workers::<R, L>(8, n)),
        "workers_24" => R::run(procs, work::workers::<R, L>(24, n)),
        "workers_32" => R::run(procs, work::workers::<R, L>(32, n)),
        "parked_1m" => R::run(procs, work::parked::<R, L>(n)),
        _ => return None,
    })
}

fn contexts<R: Rt + Tree>(case: &str, n: u64) -> Option<u64> {
    Some(match case {
        "ctx_cancel" => R::run(1, work::ctx_cancel::<R>(n)),
        "ctx_tree" => R::run(1, work::ctx_tree::<R>(n)),
        _ => return None,
    })
}
