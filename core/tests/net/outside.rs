//! Signals and child processes.

use std::io::ErrorKind;

use gmp_core::process::{Command, Stdio};
use gmp_core::signal::{self, Signal};
use gmp_core::{Chan, chan, go};

use super::on_each_runtime;

/// A pipe that blocks.
#[cfg(target_os = "linux")]
fn pipe() -> (std::io::PipeReader, std::io::PipeWriter) {
    std::io::pipe().expect("descriptors are left")
}

async fn kill(signal: &str) {
    let own = std::process::id().to_string();
    let status = Command::new("kill").args([signal, &own]).status().await;
    assert!(status.expect("a program of every system").success());
}

#[test]
fn a_signal_comes_on_every_channel_that_asked_for_it() {
    on_each_runtime(|| async {
        let (a, b, other): (Chan<Signal>, Chan<Signal>, Chan<Signal>) = (chan(1), chan(1), chan(1));
        let _both = [signal::notify(&a, [Signal::HANGUP]), signal::notify(&b, [Signal::HANGUP])];
        let _other = signal::notify(&other, [Signal::WINDOW_CHANGE]).expect("can be caught");
        kill("-HUP").await;
        assert_eq!(a.recv().await, Some(Signal::HANGUP));
        assert_eq!(b.recv().await, Some(Signal::HANGUP));
        assert!(other.try_recv().is_err(), "it did not ask for that one");
        assert_eq!(Signal::HANGUP.to_string(), "SIGHUP");
    });
}

#[test]
fn after_the_guard_is_dropped_nothing_comes_any_more() {
    on_each_runtime(|| async {
        let (first, second) = (chan(1), chan(1));
        let notify = signal::notify(&first, [Signal::USER_1]).expect("can be caught");
        let _second = signal::notify(&second, [Signal::USER_1]).expect("can be caught");
        drop(notify);
        kill("-USR1").await;
        assert_eq!(second.recv().await, Some(Signal::USER_1));
        assert!(first.try_recv().is_err());
    });
}

#[test]
fn a_signal_without_room_is_lost_and_one_that_cannot_be_caught_is_refused() {
    on_each_runtime(|| async {
        let full = chan(1);
        let seen = chan(8);
        full.send(Signal::CHILD).await;
        let _full = signal::notify(&full, [Signal::QUIT]).expect("can be caught");
        let _seen = signal::notify(&seen, [Signal::QUIT]).expect("can be caught");
        kill("-QUIT").await;
        assert_eq!(seen.recv().await, Some(Signal::QUIT));
        assert_eq!((full.recv().await, full.try_recv().ok()), (Some(Signal::CHILD), None));
        let refused = signal::notify(&full, [Signal::from_number(9)]).expect_err("SIGKILL");
        assert_eq!(refused.kind(), ErrorKind::InvalidInput);
    });
}

#[test]
fn a_child_is_fed_and_read_and_waited_for() {
    on_each_runtime(|| async {
        let mut cat = Command::new("cat");
        let mut child = cat.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("cat");
        let (stdin, stdout) = (child.stdin.take().expect("a pipe"), child.stdout.take());
        let stdout = stdout.expect("a pipe");
        // More than a pipe holds: both sides have to wait for each other.
        let writer = go(async move { stdin.write_all(&[7; 300_000]).await });
        let mut all = 0;
        let mut buf = [0; 10_000];
        while let n @ 1.. = stdout.read(&mut buf).await.expect("open") {
            assert!(buf[..n].iter().all(|byte| *byte == 7));
            all += n;
        }
        assert_eq!(all, 300_000);
        writer.await.expect("no panic").expect("open");
        assert!(child.wait().await.expect("a child").success());
        assert!(child.wait().await.expect("known by now").success());
    });
}

#[test]
fn both_outputs_and_the_status_are_collected() {
    on_each_runtime(|| async {
        let script = "echo out; echo err >&2; exit 3";
        let output = Command::new("sh").args(["-c", script]).output().await.expect("a shell");
        assert_eq!((&*output.stdout, &*output.stderr), (&b"out\n"[..], &b"err\n"[..]));
        assert_eq!(output.status.code(), Some(3));
    });
}

#[cfg(target_os = "linux")]
#[test]
fn output_gives_no_input_and_leaves_alone_what_was_set() {
    let name = "outside::output_gives_no_input_and_leaves_alone_what_was_set";
    // There this process's input is a pipe.
    super::alone::in_own_process(name, || on_each_runtime(what_output_does));
}

#[cfg(target_os = "linux")]
async fn what_output_does() {
    let mut empty = Command::new("sh");
    empty.args(["-c", "[ /dev/stdin -ef /dev/null ] && echo empty; cat"]);
    let output = empty.output().await.expect("a shell");
    assert_eq!((&*output.stdout, &*output.stderr), (&b"empty\n"[..], &b""[..]));
    let ((input, given), (taken, out)) = (pipe(), pipe());
    let mut cat = Command::new("sh");
    cat.args(["-c", "cat; echo err >&2"]).stdin(input).stdout(out);
    std::io::Write::write_all(&mut { given }, b"given").expect("room");
    let output = cat.output().await.expect("a shell");
    assert_eq!((&*output.stdout, &*output.stderr), (&b""[..], &b"err\n"[..]));
    // It has the other end of what it was given.
    drop(cat);
    assert_eq!(std::io::read_to_string(taken).expect("text"), "given");
}

#[test]
fn many_children_are_waited_for_at_a_time() {
    on_each_runtime(|| async {
        let wait = |n: i32| {
            go(async move {
                let exit = format!("exit {n}");
                Command::new("sh").args(["-c", &exit]).status().await.expect("a shell").code()
            })
        };
        let all: Vec<_> = (0..20).map(wait).collect();
        for (n, one) in (0..).zip(all) {
            assert_eq!(one.await.expect("no panic"), Some(n));
        }
    });
}

/// Counts what belongs to the whole process, before, while and after many children and signals are waited for.
#[cfg(target_os = "linux")]
#[test]
fn who_waits_for_children_and_signals_takes_no_thread_and_leaves_no_descriptor() {
    use super::alone::{in_own_process, no_more_descriptors_than, open_descriptors, threads};
    in_own_process(
        "outside::who_waits_for_children_and_signals_takes_no_thread_and_leaves_no_descriptor",
        || {
            on_each_runtime(|| async {
                let children = || async {
                    let start = |_| {
                        let mut cat = Command::new("cat");
                        cat.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("cat")
                    };
                    let mut children: Vec<_> = (0..20).map(start).collect();
                    let inputs: Vec<_> = children.iter_mut().map(|c| c.stdin.take()).collect();
                    let waits: Vec<_> = children
                        .into_iter()
                        .map(|mut child| go(async move { child.wait().await }))
                        .collect();
                    let signals: Chan<Signal> = chan(1);
                    let _notify = signal::notify(&signals, [Signal::HANGUP, Signal::QUIT]);
                    let waiting = signals.clone();
                    let receiver = go(async move { waiting.recv().await });
                    // Until all of them wait.
                    for _ in 0..50 {
                        gmp_core::yield_now().await;
                    }
                    let during = threads();
                    drop(inputs);
                    for wait in waits {
                        assert!(wait.await.expect("no panic").expect("a child").success());
                    }
                    signals.close();
                    assert_eq!(receiver.await.expect("no panic"), None);
                    during
                };
                // What a first time needs once: the netpoll, and a thread where a call blocks.
                children().await;
                let before = (threads(), open_descriptors());
                let during = children().await;
                // A few may come for other reasons, such as a P that is taken from a slow start.
                assert!(during < before.0 + 10, "{during} threads, {} before", before.0);
                no_more_descriptors_than(before.1);
            });
        },
    );
}

#[test]
fn a_child_that_is_dropped_goes_on_unless_it_is_to_be_killed() {
    on_each_runtime(|| async {
        let mut sleep = Command::new("sleep");
        let mut child = sleep.arg("1000").spawn().expect("sleep");
        assert!(child.try_wait().expect("a child").is_none());
        child.kill().expect("it runs");
        assert!(!child.wait().await.expect("a child").success());
        let killed = sleep.kill_on_drop(true).spawn().expect("sleep");
        let pid = killed.id();
        drop(killed);
        let exists = std::process::Command::new("kill").args(["-0", &pid.to_string()]).output();
        assert!(!exists.expect("kill").status.success(), "gone, and waited for");
    });
}
