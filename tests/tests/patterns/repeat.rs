//! All patterns many times and in parallel: each repaired form 200 times beside the leaking ones, so that
//! a goroutine of one test is never blamed on another.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};

use gmp::__private::{Descriptor, Submission, inventory, rerun};

/// Runs of each repaired form.
const RUNS: usize = 200;
/// Runs of each leaking form: with its report, one takes much longer.
const LEAKING_RUNS: usize = 4;
const THREADS: usize = 4;

/// Every run that is due, leaking ones spread among the others.
fn due() -> Vec<&'static Descriptor> {
    let others = inventory::iter::<Submission>()
        .map(|submission| submission.0)
        .filter(|descriptor| !descriptor.path().starts_with("repeat::"));
    let (leaking, fixed): (Vec<_>, Vec<_>) =
        others.partition(|descriptor| descriptor.expects_leak());
    let mut due = Vec::new();
    for run in 0..RUNS {
        due.extend(&fixed);
        if run % (RUNS / LEAKING_RUNS) == 0 {
            due.extend(&leaking);
        }
    }
    due
}

// A test of ours itself: the thread of a plain one would be evidence that a blocked body may go on.
#[gmp::test(timeout = "600s")]
fn fixed_forms_stay_silent_beside_leaking_ones() {
    let (due, next) = (due(), AtomicUsize::new(0));
    assert!(due.len() > RUNS * 40, "the patterns are collected: {}", due.len());
    let work = || {
        while let Some(descriptor) = due.get(next.fetch_add(1, Ordering::Relaxed)) {
            if let Err(why) = rerun(descriptor) {
                panic!("{} failed when repeated: {why}", descriptor.path());
            }
        }
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(work)).collect();
        for thread in threads {
            thread.join().unwrap_or_else(|payload| resume_unwind(payload));
        }
    });
}
