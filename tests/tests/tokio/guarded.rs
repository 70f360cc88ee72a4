//! Guards inside tests that tokio runs itself.

use gmp::leak::{CheckError, Guard, Options, Report, Verdict};
use gmp::tokio::{spawn, spawn_blocking};

/// A guard that is checked by hand, so that a test may look at what it says.
fn guard() -> Guard {
    gmp::leak::guard!(Options::new().linger(std::time::Duration::from_secs(5)))
}

#[track_caller]
fn report(checked: Result<(), CheckError>) -> Report {
    match checked {
        Err(CheckError::Leaks { report }) => *report,
        other => panic!("a leak was expected: {other:?}"),
    }
}

#[tokio::test]
async fn tasks_that_are_joined_are_no_leaks() {
    let _guard = gmp::leak::guard!();
    assert_eq!(spawn(async { 1 }).await.unwrap() + spawn_blocking(|| 1).await.unwrap(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_that_end_in_time_are_no_leaks() {
    let guard = guard();
    drop(spawn(async { tokio::task::yield_now().await }));
    drop(tokio::spawn(async { tokio::task::yield_now().await }));
    guard.check().unwrap();
}

#[tokio::test]
async fn a_task_that_is_left_is_told() {
    let guard = gmp::leak::guard!();
    drop(spawn(std::future::pending::<()>()));
    tokio::task::yield_now().await;
    let report = report(guard.check());
    let finding = super::one(&report);
    assert_eq!(finding.verdict, Verdict::Proven, "{report}");
    super::is_spawned_at(finding, "drop(spawn(std");
}

#[tokio::test]
async fn tasks_of_others_are_counted_from_where_the_guard_begins() {
    drop(tokio::spawn(std::future::pending::<()>()));
    let guard = gmp::leak::guard!();
    drop(tokio::spawn(std::future::pending::<()>()));
    drop(tokio::spawn(std::future::pending::<()>()));
    let report = report(guard.check());
    assert_eq!(super::one(&report).count, 2, "{report}");
}

#[tokio::test]
async fn on_one_thread_a_task_without_a_turn_is_let_off() {
    let guard = gmp::leak::guard!();
    drop(spawn(async {}));
    guard.check().unwrap();
}

#[tokio::test]
async fn an_asynchronous_check_lets_tasks_end() {
    let guard = guard();
    spawn(std::future::pending::<()>()).abort();
    drop(tokio::spawn(async { tokio::task::yield_now().await }));
    drop(spawn(async { tokio::time::sleep(std::time::Duration::from_millis(5)).await }));
    guard.check_async().await.unwrap();
}

#[tokio::test]
async fn a_panic_that_nobody_receives_is_told() {
    let guard = guard();
    drop(spawn(async { panic!("unseen") }));
    tokio::task::yield_now().await;
    let report = report(guard.check());
    assert_eq!(report.panics[0].message, "unseen");
}

#[tokio::test]
async fn outside_a_guard_everything_is_as_tokio_has_it() {
    let error = spawn(async { panic!("as it was") }).await.unwrap_err();
    assert_eq!(error.into_panic().downcast_ref(), Some(&"as it was"));
    drop(spawn(std::future::pending::<()>()));
    assert_eq!(tokio::runtime::Handle::current().metrics().num_alive_tasks(), 1);
}

#[tokio::test]
async fn a_task_that_is_not_ours_and_respawns_itself_is_told() {
    let guard = gmp::leak::guard!(Options::new().linger(std::time::Duration::from_millis(20)));
    drop(tokio::spawn(super::leaks::plain_again()));
    let report = report(guard.check_async().await);
    assert_eq!(super::one(&report).count, 1, "{report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_that_respawns_itself_is_told_on_workers() {
    fn again() -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async {
            tokio::task::yield_now().await;
            spawn(again());
        })
    }
    let guard = gmp::leak::guard!(Options::new().linger(std::time::Duration::from_millis(20)));
    spawn(again());
    let report = report(guard.check());
    super::is_spawned_at(super::one(&report), "spawn(again())");
}

#[tokio::test]
async fn a_panic_of_a_task_that_is_not_ours_fails_nothing() {
    let guard = guard();
    let plain = tokio::spawn(async { panic!("in a plain task") });
    while !plain.is_finished() {
        tokio::task::yield_now().await;
    }
    guard.check().unwrap();
    let guard = gmp::leak::guard!(Options::new().severity("GMP020=deny"));
    let plain = tokio::spawn(async { panic!("in another one") });
    while !plain.is_finished() {
        tokio::task::yield_now().await;
    }
    let report = report(guard.check());
    assert_eq!(report.panics[0].message, "in another one", "{report}");
}

#[tokio::test]
async fn a_runtime_that_is_dropped_below_a_guard_is_explained() {
    let guard = guard();
    let dropped = spawn(async {
        drop(tokio::runtime::Builder::new_current_thread().build().unwrap());
    });
    while !dropped.is_finished() {
        tokio::task::yield_now().await;
    }
    drop(dropped);
    let text = report(guard.check()).to_string();
    assert!(text.contains("shutdown_background()"), "{text}");
}
