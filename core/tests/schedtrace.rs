//! What `GMP_DEBUG` and the builder make visible: lines in Go's shape, and messages about bad settings.

mod support;

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use gmp_core::runtime::{Builder, Runtime};
use gmp_core::time::sleep;
use gmp_core::{blocking, chan, yield_now};
use support::{or_fail, run_alone, spin_until};

#[test]
fn an_idle_runtime_is_one_line() {
    let runtime = Builder::new().procs(3).build();
    let text = runtime.handle().schedtrace(true);
    let (time, rest) = text.strip_prefix("SCHED ").and_then(|t| t.split_once("ms: ")).unwrap();
    assert!(time.parse::<u64>().is_ok(), "{text}");
    assert_eq!(
        rest,
        "gomaxprocs=3 idleprocs=3 threads=0 spinningthreads=0 idlethreads=0 runqueue=0 [0 0 0]\n  \
           P0: status=0 schedtick=0 m=nil runqsize=0\n  \
           P1: status=0 schedtick=0 m=nil runqsize=0\n  \
           P2: status=0 schedtick=0 m=nil runqsize=0\n"
    );
}

#[test]
fn details_say_who_runs_what_and_who_waits_where() {
    let runtime = Builder::new().procs(1).build();
    let (ch, stop) = (chan::<u8>(0), Arc::new(AtomicBool::new(false)));
    let (seen, (tx, rx)) = (stop.clone(), mpsc::channel());
    let waits = runtime.go({
        let ch = ch.clone();
        async move { ch.recv().await }
    });
    let busy = runtime.go(async move {
        yield_now().await;
        tx.send(()).unwrap();
        spin_until(&seen);
    });
    rx.recv().unwrap();
    let text = runtime.handle().schedtrace(true);
    stop.store(true, Ordering::Release);
    let (waits, busy_id) = (waits.id().get(), busy.id().get());
    for line in [
        "gomaxprocs=1 idleprocs=0 threads=1 spinningthreads=0 idlethreads=0 runqueue=0 [0]\n"
            .into(),
        "\n  P0: status=1 schedtick=".into(),
        format!("\n  M1: p=0 curg={busy_id} spinning=false blocked=false lockedg=nil\n"),
        format!("\n  G{waits}: status=4(chan receive) at=core/tests/schedtrace.rs:"),
        format!("\n  G{busy_id}: status=2() m=1 lockedm=nil createdat=core/tests/schedtrace.rs:"),
    ] {
        assert!(text.contains(&line), "{line} is not in\n{text}");
    }
    runtime.block_on(busy).unwrap();
}

#[test]
fn a_goroutine_that_lost_its_p_is_still_shown_on_its_thread() {
    let runtime = Builder::new().procs(1).build();
    let (tx, rx) = mpsc::channel::<()>();
    let calls = runtime.go(async move { blocking(|| rx.recv().is_err()) });
    // It runs, so the P was taken away from the call.
    runtime.block_on(runtime.go(async {})).unwrap();
    let text = runtime.handle().schedtrace(true);
    drop(tx);
    let line =
        format!("  M1: p=nil curg={} spinning=false blocked=false lockedg=nil\n", calls.id().get());
    assert!(text.contains(&line), "{line} is not in\n{text}");
    assert!(text.contains(&format!("  G{}: status=2() m=1 ", calls.id().get())), "{text}");
    assert!(runtime.block_on(calls).unwrap());
}

#[test]
fn the_one_p_of_a_driven_runtime_is_shown_from_inside() {
    let runtime = Runtime::new();
    let handle = runtime.handle();
    let text = runtime.block_on(async {
        drop(gmp_core::go(async {}));
        handle.schedtrace(true)
    });
    assert!(text.contains("gomaxprocs=1 idleprocs=0 threads=1 "), "{text}");
    assert!(text.contains("runqueue=0 [1]\n") && text.contains("\n  M1: p=0 curg="), "{text}");
    assert!(text.contains(": status=1() m=nil lockedm=nil createdat="), "{text}");
}

#[test]
#[ignore = "run by the tests below, in a process of its own"]
fn is_traced_until_enough_was_read() {
    let procs = if std::env::var("GMP_DEBUG").is_ok_and(|v| v.contains("builder")) {
        let every = Duration::from_millis(1);
        let builder = Builder::new().procs(2).schedtrace(every).scheddetail(true);
        builder.build()
    } else {
        Builder::new().procs(2).build()
    };
    drop(procs.go(async {
        loop {
            sleep(Duration::from_millis(2)).await;
        }
    }));
    or_fail(|| std::io::stdin().read_to_end(&mut Vec::new())).unwrap();
}

/// What a process writes that is traced as `debug` says, at least until that is `enough`.
fn traced(debug: &str, enough: impl Fn(&str) -> bool) -> String {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--nocapture", "is_traced_until_enough_was_read"])
        .env("GMP_DEBUG", debug)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut text, mut lines) = (String::new(), BufReader::new(child.stderr.take().unwrap()));
    while !enough(&text) && lines.read_line(&mut text).unwrap() != 0 {}
    // It ends when nobody can write to it any more.
    drop(child.stdin.take());
    lines.read_to_string(&mut text).unwrap();
    assert!(child.wait().unwrap().success(), "{text}");
    text
}

#[test]
fn the_environment_turns_traces_on() {
    let text = traced("schedtrace=1", |text| text.lines().count() >= 2);
    for line in text.lines() {
        assert!(
            line.starts_with("SCHED ") && line.contains("ms: gomaxprocs=2 idleprocs="),
            "{text}"
        );
    }
}

const DETAILS: [&str; 3] = ["\n  P0: ", "\n  M", "\n  G"];

#[test]
fn the_environment_asks_for_details_too() {
    let are_there = |text: &str| DETAILS.iter().all(|line| text.contains(line));
    let text = traced("schedtrace=1,scheddetail=1", are_there);
    assert!(are_there(&text), "{text}");
}

#[test]
fn so_does_the_builder_and_bad_settings_are_told_with_their_place() {
    let are_there =
        |text: &str| text.contains("SCHED ") && DETAILS.iter().all(|line| text.contains(line));
    let text = traced("builder,schedtrace=x", are_there);
    assert!(are_there(&text), "{text}");
    let known = "known are schedtrace, scheddetail, retakeoff, membarrieroff, panicabort and \
                 cellcacheoff";
    let wanted = "`schedtrace` wants a number of milliseconds, not `x`";
    for message in [
        format!(
            "gmp: GMP_DEBUG: no such setting: `builder`; {known}\n    builder,schedtrace=x\n    ^\n"
        ),
        format!("gmp: GMP_DEBUG: {wanted}\n    builder,schedtrace=x\n                       ^\n"),
    ] {
        assert_eq!(text.matches(&message).count(), 1, "{message} is not once in\n{text}");
    }
}

#[test]
#[ignore = "run by the test below, in a process of its own"]
fn does_not_end_with_retake() {
    let runtime = Builder::new().procs(1).build();
    let (stop, (tx, rx)) = (Arc::new(AtomicBool::new(false)), mpsc::channel());
    let seen = stop.clone();
    let hog = runtime.go(async move {
        tx.send(()).unwrap();
        spin_until(&seen);
    });
    rx.recv().unwrap();
    let other = runtime.go(async {});
    // Ten slices of the hog's own time.
    let began = std::time::Instant::now();
    while began.elapsed() < Duration::from_millis(100) {
        std::thread::yield_now();
    }
    let (ran, retakes) = (other.is_finished(), runtime.metrics().retakes);
    stop.store(true, Ordering::Release);
    assert!(!ran && retakes == 0, "the only P was taken away");
    runtime.block_on(async {
        hog.await.unwrap();
        other.await.unwrap();
    });
}

#[test]
fn retaking_is_turned_off_by_the_environment() {
    let ran = run_alone("does_not_end_with_retake", "retakeoff=1");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stdout));
}
