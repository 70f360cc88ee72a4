//! Tasks that outlive their test.

use std::time::Duration;

use gmp::inspect::WaitReason;
use gmp::leak::Verdict;
use gmp::tokio::{JoinSet, spawn, spawn_blocking, spawn_local};

use super::{is_spawned_at, on_each, one, with};

#[test]
fn a_task_that_waits_for_tokio_is_external_with_its_stack_and_lines() {
    async fn worker(
        mut jobs: tokio::sync::mpsc::Receiver<u32>,
        starts: tokio::sync::oneshot::Sender<()>,
    ) {
        starts.send(()).unwrap();
        while jobs.recv().await.is_some() {}
    }
    on_each(
        "waits for mpsc",
        || async {
            let (tx, rx) = tokio::sync::mpsc::channel(1);
            let (starts, started) = tokio::sync::oneshot::channel();
            spawn(worker(rx, starts));
            std::mem::forget(tx);
            started.await.unwrap();
        },
        |report| {
            let finding = one(report);
            assert_eq!(finding.verdict, Verdict::External, "{report}");
            assert_eq!(finding.reason, WaitReason::External);
            is_spawned_at(finding, "spawn(worker(rx, starts))");
            assert!(finding.created_by.is_some());
            let stack = finding.stacks.iter().flatten();
            assert!(stack.clone().any(|frame| frame.function.ends_with("worker")), "{report}");
        },
    );
}

#[test]
fn a_task_that_waits_for_gmp_keeps_its_reason_and_is_proven() {
    on_each(
        "waits for chan",
        || async {
            let ch = gmp::chan::<u32>(0);
            spawn(async move { ch.recv().await });
        },
        |report| {
            let finding = one(report);
            assert_eq!(finding.verdict, Verdict::Proven, "{report}");
            assert_eq!(finding.reason, WaitReason::ChanReceive);
        },
    );
}

#[test]
fn while_another_task_goes_on_nothing_is_proven() {
    on_each(
        "one may abort the other",
        || async {
            let ch = gmp::chan::<u32>(0);
            let stuck = spawn(async move { ch.recv().await });
            spawn(async move {
                tokio::time::sleep(Duration::from_secs(3600)).await;
                stuck.abort();
            });
        },
        |report| {
            assert_eq!(with(report, |verdict| *verdict == Verdict::Proven), 0, "{report}");
            assert_eq!(report.findings.len(), 2, "{report}");
        },
    );
}

async fn tasks_that_end_or_are_aborted_in_time() {
    spawn(async {}).await.unwrap();
    spawn(std::future::pending::<()>()).abort();
    spawn(async { tokio::time::sleep(Duration::from_millis(20)).await });
    let mut set = JoinSet::new();
    set.spawn(std::future::pending::<()>());
    set.spawn_blocking(|| ());
    assert_eq!(set.len(), 2);
    set.abort_all();
    while set.join_next().await.is_some() {}
    assert!(set.is_empty());
    spawn_blocking(|| std::thread::sleep(Duration::from_millis(5)));
}

#[gmp::test(tokio, linger = "10s")]
async fn tasks_that_end_in_time_are_no_leaks() {
    tasks_that_end_or_are_aborted_in_time().await;
}

#[gmp::test(tokio(flavor = "multi_thread", worker_threads = 2), linger = "10s")]
async fn tasks_that_end_in_time_on_several_threads_are_no_leaks() {
    tasks_that_end_or_are_aborted_in_time().await;
}

#[gmp::test(tokio(flavor = "local"), linger = "10s")]
async fn local_tasks_that_end_in_time_are_no_leaks() {
    tasks_that_end_or_are_aborted_in_time().await;
}

#[test]
fn tasks_of_a_set_are_seen() {
    on_each(
        "a detached set",
        || async {
            let mut set = JoinSet::new();
            for _ in 0..3 {
                set.spawn(std::future::pending::<()>());
            }
            set.detach_all();
        },
        |report| {
            let finding = one(report);
            assert_eq!((finding.count, finding.reason), (3, WaitReason::NoWaker), "{report}");
            is_spawned_at(finding, "set.spawn(std");
        },
    );
}

#[test]
fn a_task_that_was_spawned_by_a_task_names_its_parent() {
    on_each(
        "parent",
        || async {
            spawn(async {
                spawn(std::future::pending::<()>());
            });
        },
        |report| {
            let finding = one(report);
            is_spawned_at(finding, "spawn(std::future");
            assert_eq!(finding.ancestry.len(), 2, "{report}");
        },
    );
}

#[test]
fn a_local_set_that_is_forgotten_is_seen() {
    on_each(
        "forgotten",
        || async {
            let set = tokio::task::LocalSet::new();
            set.run_until(async {
                spawn_local(async {
                    let not_send = std::rc::Rc::new(());
                    std::future::pending::<()>().await;
                    drop(not_send);
                });
                tokio::task::yield_now().await;
            })
            .await;
            std::mem::forget(set);
        },
        |report| {
            is_spawned_at(one(report), "spawn_local(async");
        },
    );
}

#[test]
fn a_blocking_call_is_left_if_it_waits_for_gmp_and_named_if_not() {
    on_each(
        "in blocking_recv",
        || async {
            let ch = gmp::chan::<u32>(0);
            spawn_blocking(move || ch.blocking_recv());
        },
        |report| {
            let finding = one(report);
            assert_eq!(finding.reason, WaitReason::ChanReceive, "{report}");
            assert_eq!(finding.verdict, Verdict::Proven, "{report}");
            is_spawned_at(finding, "spawn_blocking(move || ch");
        },
    );
    let (stop, wait) = std::sync::mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(Some(wait));
    let settings = gmp::tokio::Settings::default();
    let report = gmp::tokio::examine("in a foreign call", settings, move || async move {
        let wait = wait.lock().unwrap().take().unwrap();
        spawn_blocking(move || wait.recv());
    })
    .unwrap();
    let finding = one(&report);
    assert_eq!(finding.verdict, Verdict::Running, "{report}");
    is_spawned_at(finding, "spawn_blocking(move || wait");
    assert!(report.to_string().contains("stays behind"), "{report}");
    drop(stop);
}

#[test]
fn a_blocking_call_that_is_not_ours_is_counted_if_it_stays() {
    on_each(
        "a call that returns",
        || async {
            drop(tokio::task::spawn_blocking(|| std::thread::sleep(Duration::from_millis(5))));
            spawn_blocking(|| ()).await.unwrap();
        },
        |report| assert!(report.is_clean(), "{report}"),
    );
    let stops = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let kept = stops.clone();
    on_each(
        "calls that stay",
        move || {
            let kept = kept.clone();
            async move {
                for _ in 0..2 {
                    let (stop, wait) = std::sync::mpsc::channel::<()>();
                    let (starts, started) = tokio::sync::oneshot::channel();
                    kept.lock().unwrap().push(stop);
                    drop(tokio::task::spawn_blocking(move || {
                        starts.send(()).unwrap();
                        wait.recv()
                    }));
                    started.await.unwrap();
                }
            }
        },
        |report| {
            let finding = one(report);
            assert_eq!((finding.count, &finding.verdict), (2, &Verdict::Running), "{report}");
            assert!(finding.notes[0].contains("gmp::tokio::spawn_blocking"), "{report}");
            assert!(report.to_string().contains("stays behind"), "{report}");
        },
    );
    stops.lock().unwrap().clear();
    let kept = stops.clone();
    on_each(
        "a call that may not have started",
        move || {
            let (stop, wait) = std::sync::mpsc::channel::<()>();
            kept.lock().unwrap().push(stop);
            async move { drop(tokio::task::spawn_blocking(move || wait.recv())) }
        },
        |report| {
            assert!(!report.is_clean(), "{report}");
            assert!(report.to_string().contains("stays behind"), "{report}");
        },
    );
    drop(stops);
}

#[test]
fn a_local_task_that_is_not_ours_is_not_seen_in_a_set_that_is_forgotten() {
    on_each(
        "forgotten",
        || async {
            let set = tokio::task::LocalSet::new();
            set.run_until(async {
                drop(tokio::task::spawn_local(std::future::pending::<()>()));
                tokio::task::yield_now().await;
            })
            .await;
            std::mem::forget(set);
        },
        // A local runtime takes such tasks itself, and counts them.
        |report| assert_eq!(report.is_clean(), !report.name.ends_with("Local"), "{report}"),
    );
}

#[cfg(not(tokio_unstable))]
#[test]
fn a_task_that_is_not_ours_is_counted() {
    on_each(
        "a stranger",
        || async {
            drop(tokio::spawn(std::future::pending::<()>()));
            drop(tokio::spawn(std::future::pending::<()>()));
        },
        |report| {
            let finding = one(report);
            assert_eq!((finding.count, finding.reason), (2, WaitReason::External), "{report}");
            assert!(finding.notes[0].contains("gmp::tokio::spawn"), "{report}");
        },
    );
}

#[cfg(tokio_unstable)]
#[test]
fn a_task_that_is_not_ours_has_its_line() {
    on_each(
        "a stranger",
        || async {
            tokio::spawn(async {}).await.unwrap();
            drop(tokio::spawn(std::future::pending::<()>()));
        },
        |report| {
            let finding = one(report);
            assert_eq!((finding.count, finding.reason), (1, WaitReason::External), "{report}");
            is_spawned_at(finding, "drop(tokio::spawn(std");
        },
    );
}

#[test]
fn a_task_that_respawns_itself_is_seen_and_ends_with_the_test() {
    fn again() -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async {
            tokio::task::yield_now().await;
            spawn(again());
        })
    }
    on_each(
        "respawns",
        || async {
            spawn(again());
        },
        |report| {
            assert!(!report.is_clean(), "{report}");
            is_spawned_at(one(report), "spawn(again())");
        },
    );
}

// There each has a goroutine of its own, and one that is spawned while the test is judged has none.
#[cfg(not(tokio_unstable))]
#[test]
fn a_task_that_is_not_ours_and_respawns_itself_is_seen_and_ends_with_the_test() {
    on_each(
        "respawns",
        || async {
            drop(tokio::spawn(plain_again()));
        },
        |report| {
            assert!(!report.is_clean(), "{report}");
            assert_eq!(one(report).verdict, Verdict::External, "{report}");
        },
    );
}

/// Spawns itself again and again.
pub(super) fn plain_again() -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(async {
        tokio::task::yield_now().await;
        drop(tokio::spawn(plain_again()));
    })
}
