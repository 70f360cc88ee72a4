//! How many goroutines run at a time: as many as there are Ps. And how that number is set and asked for.

mod support;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;

use gmp_core::runtime::{self, Builder, Runtime};
use gmp_core::{JoinHandle, yield_now};
use support::{or_fail, panic_text, run_alone, spin_until};

fn with_procs(procs: usize) -> Runtime {
    Builder::new().procs(procs).build()
}

/// No P is taken from a poll there: what needs more threads than Ps hangs, and nobody runs beside a slow poll.
fn alone(name: &str) {
    let ran = run_alone(name, "retakeoff=1");
    let texts = [&ran.stdout, &ran.stderr].map(|text| String::from_utf8_lossy(text));
    assert!(ran.status.success(), "{}{}", texts[0], texts[1]);
}

#[test]
fn as_many_run_at_a_time_as_there_are_ps() {
    alone("all_meet_at_a_barrier");
}

#[test]
#[ignore = "run by the test above, in a process of its own"]
fn all_meet_at_a_barrier() {
    or_fail(|| [1, 2, 3, 8, 16, 100].into_iter().for_each(meet_at_a_barrier));
}

fn meet_at_a_barrier(procs: usize) {
    let runtime = with_procs(procs);
    let barrier = Arc::new(Barrier::new(procs));
    let all: Vec<JoinHandle<()>> = (0..procs)
        .map(|_| barrier.clone())
        .map(|barrier| runtime.go(async move { _ = barrier.wait() }))
        .collect();
    runtime.block_on(async {
        for one in all {
            one.await.unwrap();
        }
    });
}

#[test]
fn never_more_run_at_a_time_than_there_are_ps() {
    alone("count_each_other");
}

#[test]
#[ignore = "run by the test above, in a process of its own"]
fn count_each_other() {
    for procs in 1..=4 {
        let runtime = with_procs(procs);
        let (now, most) = <(Arc<AtomicUsize>, Arc<AtomicUsize>)>::default();
        let all: Vec<_> = (0..200)
            .map(|_| (now.clone(), most.clone()))
            .map(|(now, most)| {
                runtime.go(async move {
                    for _ in 0..10 {
                        most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        thread::yield_now();
                        now.fetch_sub(1, Ordering::SeqCst);
                        yield_now().await;
                    }
                })
            })
            .collect();
        runtime.block_on(async {
            for one in all {
                one.await.unwrap();
            }
        });
        assert!(most.load(Ordering::SeqCst) <= procs, "{most:?} of {procs}");
    }
}

#[test]
fn procs_are_asked_for_and_changed_while_goroutines_run() {
    alone("asks_for_procs_and_changes_them");
}

#[test]
#[ignore = "run by the test above, in a process of its own"]
fn asks_for_procs_and_changes_them() {
    or_fail(ask_for_procs_and_change_them);
}

fn ask_for_procs_and_change_them() {
    let runtime = with_procs(1);
    let [begun, stop] = [(); 2].map(|()| Arc::new(AtomicBool::new(false)));
    let (begins, seen) = (begun.clone(), stop.clone());
    let busy = runtime.go(async move {
        begins.store(true, Ordering::Release);
        spin_until(&seen);
    });
    spin_until(&begun);
    let other = runtime.go(async { runtime::set_procs(3) });
    // The one P is busy, and stays so: the other runs on the second one.
    runtime.set_procs(2);
    runtime.block_on(async {
        assert_eq!(other.await.unwrap(), 2);
        assert_eq!(runtime::procs(), 3);
        stop.store(true, Ordering::Release);
        busy.await.unwrap();
    });
    runtime.set_procs(1);
    // An M may have seen that there are three, and not have picked yet: a pause waits for it.
    drop(runtime.handle().pause());
    let (now, most) = <(Arc<AtomicUsize>, Arc<AtomicUsize>)>::default();
    let all: Vec<_> = (0..50)
        .map(|_| (now.clone(), most.clone()))
        .map(|(now, most)| {
            runtime.go(async move {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                thread::yield_now();
                now.fetch_sub(1, Ordering::SeqCst);
            })
        })
        .collect();
    runtime.block_on(async {
        for one in all {
            one.await.unwrap();
        }
    });
    assert_eq!(most.load(Ordering::SeqCst), 1);
}

#[test]
fn numbers_of_ps_that_cannot_be_are_refused() {
    assert_eq!(panic_text(|| drop(with_procs(0))), "gmp: a runtime has 1 to 1024 Ps, not 0");
    assert_eq!(panic_text(|| drop(with_procs(1025))), "gmp: a runtime has 1 to 1024 Ps, not 1025");
    let driven = Runtime::new();
    assert_eq!(driven.procs(), 1);
    assert_eq!(panic_text(|| driven.set_procs(2)), "gmp: this runtime has no threads of its own");
}

#[test]
fn the_environment_says_how_many_ps_the_global_runtime_has() {
    let run = |value| support::run_alone_with("asks_how_many_ps_there_are", "GMP_MAXPROCS", value);
    let three = run("3");
    let text = String::from_utf8_lossy(&three.stdout).into_owned();
    assert!(three.status.success() && text.contains("3 Ps"), "{text}");
    let none = run("none");
    let text = String::from_utf8_lossy(&none.stderr).into_owned();
    assert!(!none.status.success(), "{text}");
    assert!(text.contains("gmp: GMP_MAXPROCS: `none` is not a number from 1 to 1024"), "{text}");
}

#[test]
#[ignore = "run by the test above"]
fn asks_how_many_ps_there_are() {
    // On a plain thread, so it is the global runtime's.
    println!("{} Ps", gmp_core::runtime::procs());
}
