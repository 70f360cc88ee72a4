//! Panics of tasks: those that nobody receives fail the test.

use gmp::tokio::{JoinSet, spawn, spawn_blocking, spawn_local};

use super::{on_each, test};

const LINE: u32 = line!();
async fn panics_that_nobody_receives() {
    drop(spawn(async { panic!("in the task") }));
    drop(spawn_blocking(|| panic!("in the call")));
    tokio::task::LocalSet::new()
        .run_until(async {
            drop(spawn_local(async { panic!("in the local task") }));
            tokio::task::yield_now().await;
        })
        .await;
}

#[gmp::test(tokio, linger = "10s")]
#[ignore = "panics; run by the test below"]
async fn panics() {
    panics_that_nobody_receives().await;
}

#[gmp::test(tokio(flavor = "multi_thread", worker_threads = 2), linger = "10s")]
#[ignore = "panics; run by the test below"]
async fn panics_on_several_threads() {
    panics_that_nobody_receives().await;
}

#[gmp::test(tokio(flavor = "local"), linger = "10s")]
#[ignore = "panics; run by the test below"]
async fn panics_in_local_tasks() {
    panics_that_nobody_receives().await;
}

#[test]
fn a_panic_that_nobody_receives_is_told_with_the_spawn_line() {
    for name in ["panics", "panics_on_several_threads", "panics_in_local_tasks"] {
        let report = gmp::__private::examine(test(&format!("panics::{name}")));
        let mut told: Vec<_> =
            report.panics.iter().map(|p| (p.message.as_str(), p.created_at.line)).collect();
        told.sort_unstable();
        let expected =
            [("in the call", LINE + 3), ("in the local task", LINE + 6), ("in the task", LINE + 2)];
        assert_eq!(told, expected, "{report}");
        assert!(report.findings.is_empty(), "{report}");
    }
}

#[test]
fn a_panic_that_somebody_receives_is_theirs() {
    on_each(
        "joined",
        || async {
            let early = spawn(async { panic!("early") });
            let error = early.await.unwrap_err();
            assert!(error.is_panic());
            let late = spawn(async { panic!("late") });
            while !late.is_finished() {
                tokio::task::yield_now().await;
            }
            let other = spawn(async move { late.await.unwrap_err().is_panic() });
            assert!(other.await.unwrap());
            let mut set = JoinSet::new();
            set.spawn(async { panic!("in the set") });
            set.spawn_blocking(|| panic!("in the call"));
            while let Some(result) = set.join_next().await {
                let result: Result<(), _> = result;
                assert!(result.unwrap_err().is_panic());
            }
        },
        |report| assert!(report.is_clean(), "{report}"),
    );
}

#[test]
fn a_handle_that_is_dropped_with_a_panic_inside_receives_nothing() {
    on_each(
        "never joined",
        || async {
            let handle = spawn(async { panic!("unseen") });
            while !handle.is_finished() {
                tokio::task::yield_now().await;
            }
        },
        |report| {
            assert_eq!(report.panics.len(), 1, "{report}");
            assert_eq!(report.panics[0].message, "unseen");
        },
    );
}

#[test]
fn the_payload_of_a_task_can_be_thrown_on() {
    on_each(
        "thrown on",
        || async {
            let error = spawn(async { panic!("from below") }).await.unwrap_err();
            std::panic::resume_unwind(error.into_panic());
        },
        |report| {
            let panicked = gmp::report::finding::BodyOutcome::Panicked("from below".into());
            assert_eq!(report.outcome, panicked, "{report}");
            assert!(report.panics.is_empty(), "{report}");
        },
    );
}

/// Waits until `handle` is through, without receiving what came of it.
async fn ended<T>(handle: &tokio::task::JoinHandle<T>) {
    while !handle.is_finished() {
        tokio::task::yield_now().await;
    }
}

#[test]
fn a_panic_of_a_task_that_is_not_ours_is_a_warning_with_the_line_of_the_panic() {
    on_each(
        "not ours",
        || async {
            ended(&tokio::spawn(async { panic!("in a plain task") })).await;
            ended(&tokio::task::spawn_blocking(|| panic!("in a plain call"))).await;
            tokio::task::LocalSet::new()
                .run_until(async {
                    let local = tokio::task::spawn_local(async { panic!("in a local task") });
                    ended(&local).await;
                })
                .await;
        },
        |report| {
            let told: Vec<_> =
                report.panics.iter().map(|p| (p.message.as_str(), p.created_at.line)).collect();
            let line = line!();
            let expected = [
                ("in a plain task", line - 12),
                ("in a plain call", line - 11),
                ("in a local task", line - 8),
            ];
            assert_eq!(told, expected, "{report}");
            assert!(report.panics.iter().all(|panic| panic.goroutine.is_none()), "{report}");
            // Whether anybody receives it is not known, so the test goes on to pass.
            assert!(report.is_clean() && report.has_warnings(), "{report}");
            let text = report.to_string();
            assert!(text.starts_with("gmp: a tokio task panicked in not ours on "), "{text}");
            assert!(text.contains("spawn it with `gmp::tokio::spawn`"), "{text}");
        },
    );
}

#[gmp::test(tokio, severity(GMP020 = "deny"))]
#[should_panic(expected = "thrown on")]
async fn a_panic_that_the_body_throws_on_is_its_own() {
    // Alone, without `should_panic`, the panic of the task would fail this test.
    tokio::spawn(async { panic!("thrown on") }).await.unwrap()
}

#[test]
fn a_panic_that_is_caught_in_a_task_of_ours_is_no_panic_of_it() {
    on_each(
        "caught",
        || async {
            let caught = spawn(async { std::panic::catch_unwind(|| panic!("caught")).is_err() });
            assert!(caught.await.unwrap());
            assert!(std::panic::catch_unwind(|| panic!("in the body")).is_err());
        },
        |report| assert!(report.is_clean() && !report.has_warnings(), "{report}"),
    );
}
