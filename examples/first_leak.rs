//! The main job on three tests: one is clean, two leak, and the report says which goroutine, where it
//! was started, where it is stuck, and how sure that is.
//!
//! In a project of your own you write `#[gmp::test]` and run `cargo test`; `gmp::leak::examine` runs a
//! body in the same way and returns the report, so that this example can look at it. It succeeds if the
//! findings are the expected ones.

use std::process::ExitCode;

use gmp::leak::{CheckError, Report, examine};
use gmp::report::text::{Style, render};
use gmp::{Chan, chan, go};

/// Adds up jobs until there are no more.
async fn worker(jobs: Chan<u32>, sums: Chan<u32>) {
    let mut sum = 0;
    while let Some(job) = jobs.recv().await {
        sum += job;
    }
    sums.send(sum).await;
}

/// Clean: the jobs end, every worker ends, every sum is received.
async fn closes_the_jobs() {
    let (jobs, sums) = (chan(4), chan(0));
    for _ in 0..3 {
        go(worker(jobs.clone(), sums.clone()));
    }
    for job in 1..=10 {
        jobs.send(job).await;
    }
    jobs.close();
    let mut total = 0;
    for _ in 0..3 {
        total += sums.recv().await.unwrap_or(0);
    }
    assert_eq!(total, 55);
}

/// Leaks: nobody closes the jobs, so the workers wait for more for ever.
async fn forgets_to_close() {
    let (jobs, sums) = (chan(4), chan(0));
    for _ in 0..3 {
        go(worker(jobs.clone(), sums.clone()));
    }
    for job in 1..=10 {
        jobs.send(job).await;
    }
}

/// Leaks: the first answer is taken, the others can never be sent.
async fn takes_the_first_answer() {
    let answers = chan(0);
    for replica in 0..3 {
        let answers = answers.clone();
        go(async move { answers.send(replica).await });
    }
    assert!(answers.recv().await.is_some());
}

fn main() -> Result<ExitCode, CheckError> {
    let clean = examine("closes_the_jobs", closes_the_jobs)?;
    let ranges = examine("forgets_to_close", forgets_to_close)?;
    let answers = examine("takes_the_first_answer", takes_the_first_answer)?;

    let mut as_expected = true;
    for (report, expected) in [
        (&clean, None),
        (&ranges, Some((3, "chan receive", "Proven"))),
        (&answers, Some((2, "chan send", "Proven"))),
    ] {
        println!("test {} ... {}", report.name, if report.is_clean() { "ok" } else { "FAILED" });
        if !report.is_clean() {
            println!("\n{}", render(report, &Style::detect()));
        }
        as_expected &= found(report) == expected;
    }
    if as_expected {
        println!("As expected: one test is clean, two leak, and both leaks are proven.");
        Ok(ExitCode::SUCCESS)
    } else {
        println!("These are not the expected findings.");
        Ok(ExitCode::FAILURE)
    }
}

/// Count, wait reason and verdict of the one finding of a report.
fn found(report: &Report) -> Option<(usize, &'static str, &'static str)> {
    match &*report.findings {
        [one] => Some((one.count, one.reason.as_str(), one.verdict.name())),
        _ => None,
    }
}
