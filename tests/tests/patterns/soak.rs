//! Clean programs under load raise no false alarm: 16 at a time, in the harness and on 1 to 8 Ps, beside threads
//! that keep the machine busy. `GMP_TEST_SOAK_RUNS` says how many runs; `ci/soak/clean.sh` does 10,000.
//!
//! In the harness every setting is the default. On several Ps the check is one by hand, and its linger is 20 s instead
//! of 100 ms: so busy a machine may let a thread wait for longer than users' machines do, and what is then still on its
//! way is no false alarm but a late program.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use gmp::__private::{Body, Clock, Descriptor, Submission, inventory, rerun};
use gmp::leak::{Options, verify_none_with};
use gmp::runtime::Builder;

const AT_A_TIME: usize = 16;
/// The most Ps.
const PROCS: usize = 8;

/// How long goroutines may take on several Ps, where something speaks for them. Where nothing does, the check
/// does not wait.
const LINGER: Duration = Duration::from_secs(20);

/// How many runs; some hundred unless the environment says otherwise.
fn runs() -> usize {
    std::env::var("GMP_TEST_SOAK_RUNS")
        .map_or(500, |runs| runs.parse().expect("GMP_TEST_SOAK_RUNS is a number"))
}

/// The programs that end well.
fn clean() -> Vec<&'static Descriptor> {
    let all = inventory::iter::<Submission>().map(|submission| submission.0);
    let ends_well = |descriptor: &&Descriptor| {
        !descriptor.expects_leak()
            && !descriptor.expects_panic()
            && !descriptor.path().starts_with("repeat::")
    };
    all.filter(ends_well).collect()
}

/// Runs a program in the harness, whose runtime has one P, or with `procs` Ps and a check at its end.
fn run(descriptor: &'static Descriptor, procs: usize) -> Result<(), String> {
    let body = match descriptor.body() {
        Body::Async(body) if procs > 0 && descriptor.clock() == Clock::Real => body,
        _ => return rerun(descriptor),
    };
    let runtime = Builder::new().procs(procs).watch(true).build();
    let options = Options::new().linger(LINGER);
    runtime.block_on(async move {
        match body().await.is_success() {
            true => verify_none_with(&options).map_err(|error| error.to_string()),
            false => Err("the body failed".to_owned()),
        }
    })
}

#[test]
fn clean_programs_under_load_raise_no_false_alarm() {
    let (clean, runs) = (clean(), runs());
    assert!(clean.len() > 50, "the programs are collected: {}", clean.len());
    let (next, done, began) = (AtomicUsize::new(0), AtomicBool::new(false), Instant::now());
    let work = || {
        while let Some(run_number) =
            Some(next.fetch_add(1, Ordering::Relaxed)).filter(|n| *n < runs)
        {
            let descriptor = clean[run_number % clean.len()];
            let procs = (run_number + run_number / clean.len()) % (PROCS + 1);
            if let Err(why) = run(descriptor, procs) {
                panic!("{} on {procs} Ps, run {run_number}: {why}", descriptor.path());
            }
        }
    };
    let busy = || {
        while !done.load(Ordering::Relaxed) {
            core::hint::spin_loop();
        }
    };
    thread::scope(|scope| {
        let load = thread::available_parallelism().map_or(1, usize::from);
        (0..load).for_each(|_| drop(scope.spawn(busy)));
        let threads: Vec<_> = (0..AT_A_TIME).map(|_| scope.spawn(work)).collect();
        let results: Vec<_> = threads.into_iter().map(|thread| thread.join()).collect();
        done.store(true, Ordering::Relaxed);
        results.into_iter().for_each(|result| result.unwrap_or_else(|why| resume_unwind(why)));
    });
    println!(
        "{runs} runs of {} programs, {AT_A_TIME} at a time, in {} s: no false alarm; on several Ps with a linger of \
         {} s",
        clean.len(),
        began.elapsed().as_secs(),
        LINGER.as_secs()
    );
}
