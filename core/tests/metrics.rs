//! What a runtime counts: dispatches by where they came from, waits, parks, threads, retakes.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use gmp_core::runtime::{self, Builder, Handle, Metrics, Runtime};
use gmp_core::time::sleep;
use gmp_core::{blocking, chan, go, yield_now};
use support::spin_until;

fn with_procs(procs: usize) -> Runtime {
    Builder::new().procs(procs).build()
}

/// Reads until `holds`, as the figures of other threads come late.
fn read_until(runtime: &Runtime, holds: impl Fn(&Metrics) -> bool) -> Metrics {
    loop {
        let metrics = runtime.metrics();
        if holds(&metrics) {
            return metrics;
        }
        thread::yield_now();
    }
}

/// Reads when all Ms are parked: figures of Ps are read before that of the parked, and while an M looks for work its
/// tick is ahead of the note that nothing was found.
fn at_rest(runtime: &Runtime) -> Metrics {
    read_until(runtime, |m| m.parked_machines == m.machines && m.spinning_machines == 0);
    runtime.metrics()
}

#[test]
fn each_dispatch_on_one_p_is_counted_once() {
    let runtime = Runtime::new();
    let before = runtime.metrics();
    assert_eq!((before.procs, before.idle_procs, before.machines), (1, 1, 0));
    assert_eq!(before.total().dispatches(), 0);
    runtime.block_on(runtime.go(async {})).unwrap();
    let first = runtime.metrics().total();
    assert!(first.global == 1 && first.local >= 1, "{first:?}, the first came from outside");
    runtime.block_on(async {
        let all: Vec<_> = (0..10).map(|_| go(async { yield_now().await })).collect();
        for one in all {
            one.await.unwrap();
        }
    });
    let after = runtime.metrics().total();
    // Each of the ten twice. The main goroutine at its start, and again when one that it awaits has ended.
    assert!((20 + 2..=20 + 11).contains(&(after.local - first.local)), "{after:?}");
    assert_eq!((after.global, after.stolen), (1, 0));
    assert_eq!(runtime.metrics().idle_procs, 1);
}

#[test]
fn goroutines_are_live_until_they_end() {
    let runtime = Runtime::new();
    let ch = chan::<u8>(0);
    let waits = runtime.go({
        let ch = ch.clone();
        async move { ch.recv().await }
    });
    assert_eq!(runtime.metrics().goroutines, 1);
    runtime.block_on(async {
        let metrics = runtime::metrics();
        assert_eq!(metrics.goroutines, 2, "with the main goroutine");
        ch.close();
        waits.await.unwrap();
    });
    assert_eq!(runtime.metrics().goroutines, 0);
}

#[test]
fn one_in_so_many_waits_is_timed() {
    let runtime = Runtime::new();
    runtime.block_on(async {
        for _ in 0..640 {
            go(async {}).await.unwrap();
        }
    });
    let metrics = runtime.metrics();
    let timed = metrics.ready_to_run.count();
    let dispatches = metrics.total().dispatches();
    assert!((dispatches / 70..=dispatches / 60).contains(&timed), "{timed} of {dispatches}");
    assert!(metrics.ready_to_run.quantile(0.5) > Duration::ZERO);
}

#[test]
fn a_goroutine_that_waits_for_the_p_waits_that_long() {
    let runtime = Runtime::new();
    runtime.block_on(async {
        let all: Vec<_> = (0..128).map(|_| go(async {})).collect();
        thread::sleep(Duration::from_millis(20));
        for one in all {
            one.await.unwrap();
        }
    });
    let waited = runtime.metrics().ready_to_run;
    assert!(waited.quantile(1.0) >= Duration::from_millis(20), "{waited:?}");
}

#[test]
fn what_another_p_takes_is_stolen() {
    let runtime = with_procs(2);
    let left = Arc::new(AtomicUsize::new(100));
    runtime
        .block_on(runtime.go(async move {
            for _ in 0..100 {
                let left = left.clone();
                drop(go(async move {
                    left.fetch_sub(1, Ordering::Release);
                }));
            }
            while left.load(Ordering::Acquire) != 0 {
                thread::yield_now();
            }
        }))
        .unwrap();
    let total = at_rest(&runtime).total();
    assert!(total.stolen >= 1, "{total:?}");
    assert_eq!(total.dispatches(), 101);
}

/// That they are used again, `memory.rs` tests.
#[test]
fn cells_of_goroutines_that_ended_are_counted() {
    // So it is told to whoever looks for the misuse of memory.
    if std::env::var("GMP_DEBUG").is_ok_and(|debug| debug.contains("cellcacheoff")) {
        return;
    }
    let runtime = with_procs(1);
    let wave = || {
        runtime
            .block_on(runtime.go(async {
                let all: Vec<_> = (0..32).map(|_| go(yield_now())).collect();
                for one in all {
                    one.await.unwrap();
                }
            }))
            .unwrap();
        runtime.metrics()
    };
    let metrics = read_until(&runtime, |_| wave().cached_cells >= 32);
    assert_eq!(metrics.goroutines, 0);
}

#[test]
fn parked_threads_are_used_again() {
    let runtime = with_procs(2);
    let wave = || {
        runtime
            .block_on(runtime.go(async { go(sleep(Duration::from_millis(1))).await }))
            .unwrap()
            .unwrap();
        read_until(&runtime, |m| m.parked_machines == m.machines).machines_started
    };
    let started = (0..50).map(|_| wave()).max();
    assert!(started <= Some(2), "{started:?}");
}

#[test]
fn threads_and_parks_are_counted() {
    let runtime = with_procs(2);
    assert_eq!(runtime.metrics().machines_started, 0);
    // One reading is not one moment: an M is listed as parked before it counts as spinning no more.
    let idle_after = |parks| {
        read_until(&runtime, |m| {
            let parked = m.parked_machines == m.machines && m.total().parks >= parks;
            let started = m.machines_started == m.machines as u64;
            parked && started && (m.idle_procs, m.spinning_machines) == (2, 0)
        })
    };
    for parks in 1..=2 {
        runtime.block_on(runtime.go(sleep(Duration::from_millis(1)))).unwrap();
        let idle = idle_after(parks);
        assert!((1..=2).contains(&idle.machines), "{idle:?}");
    }
}

#[test]
fn a_p_is_in_use_while_an_m_has_it() {
    let runtime = with_procs(2);
    let slept = Duration::from_millis(20);
    runtime.block_on(runtime.go(async move { thread::sleep(slept) })).unwrap();
    let idle = at_rest(&runtime);
    let total = idle.total();
    assert!(total.used >= slept && total.used >= total.finding, "{total:?}");
    assert!(total.finding > Duration::ZERO, "{total:?}");
    assert_eq!(runtime.metrics().total().used, total.used, "nobody has it");
    assert!(idle.uptime >= slept);
}

#[test]
fn retakes_from_polls_and_from_blocking_calls_are_told_apart() {
    let runtime = with_procs(1);
    let stop = Arc::new(AtomicBool::new(false));
    let seen = stop.clone();
    let hog = runtime.go(async move { spin_until(&seen) });
    let ends_it = runtime.go(async move { stop.store(true, Ordering::Release) });
    runtime.block_on(async {
        ends_it.await.unwrap();
        hog.await.unwrap();
    });
    let metrics = runtime.metrics();
    assert!(metrics.retakes >= 1, "{metrics:?}");
    assert_eq!(metrics.blocking_retakes, 0);

    let (tx, rx) = std::sync::mpsc::channel();
    let waits = runtime.go(async move { blocking(|| rx.recv().unwrap()) });
    let sends = runtime.go(async move { tx.send(5).unwrap() });
    assert_eq!(runtime.block_on(waits).unwrap(), 5);
    runtime.block_on(sends).unwrap();
    let metrics = runtime.metrics();
    assert!(metrics.blocking_retakes >= 1, "{metrics:?}");
    assert_eq!(metrics.handoffs, metrics.retakes + metrics.blocking_retakes);
}

#[test]
fn sysmon_does_not_wake_up_while_nothing_runs() {
    let runtime = with_procs(2);
    runtime.block_on(runtime.go(sleep(Duration::from_millis(1)))).unwrap();
    let parked = runtime.go(sleep(Duration::from_secs(3600)));
    // Its thread has begun.
    read_until(&runtime, |m| m.sysmon_rounds > 0);
    let began = std::time::Instant::now();
    let mut quiet = 0;
    // Ten times its longest sleep.
    while quiet < 5 {
        let before = runtime.metrics().sysmon_rounds;
        thread::sleep(Duration::from_millis(10));
        quiet = if runtime.metrics().sysmon_rounds == before { quiet + 1 } else { 0 };
        assert!(began.elapsed() < Duration::from_secs(60), "it goes on");
    }
    assert!(!parked.is_finished());
}

#[test]
fn a_handle_outlives_its_runtime() {
    let runtime = with_procs(2);
    let handle = runtime.handle();
    assert_eq!(runtime.block_on(handle.go(async { 3 })).unwrap(), 3);
    handle.set_procs(3);
    assert_eq!((handle.procs(), runtime.procs()), (3, 3));
    drop(runtime);
    let late = handle.go(async { 4 });
    assert!(late.is_finished(), "there is nobody to run it");
    assert!(gmp_core::block_on(late).unwrap_err().is_aborted());
    assert!(Handle::current().metrics().procs >= 1, "the global one");
    assert!(handle.metrics().total().dispatches() >= 1);
    assert_eq!(handle.metrics().goroutines, 0, "what was started since is gone");
}
