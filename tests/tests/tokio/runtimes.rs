//! Runtimes that a test builds itself, that it drops in the wrong place, and that it lacks.

use gmp::report::finding::BodyOutcome;
use gmp::tokio::{Settings, examine, spawn, spawn_blocking};

#[test]
fn a_runtime_that_is_built_inside_has_tasks_that_are_seen() {
    let report = examine("nested", Settings::default(), || async {
        spawn_blocking(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(async {
                assert_eq!(spawn(async { 7 }).await.unwrap(), 7);
                drop(spawn(std::future::pending::<()>()));
                tokio::task::yield_now().await;
            });
            std::mem::forget(runtime);
        })
        .await
        .unwrap();
    })
    .unwrap();
    super::is_spawned_at(super::one(&report), "drop(spawn(std");
}

#[test]
fn a_runtime_that_is_built_inside_and_dropped_leaves_nothing() {
    super::on_each(
        "nested",
        || async {
            spawn_blocking(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                runtime.block_on(async {
                    drop(spawn(std::future::pending::<()>()));
                    tokio::task::yield_now().await;
                });
            })
            .await
            .unwrap();
        },
        |report| assert!(report.is_clean(), "{report}"),
    );
}

#[test]
fn a_runtime_that_is_dropped_inside_async_is_explained() {
    let report = examine("dropped inside", Settings::default(), || async {
        drop(spawn(async {
            drop(tokio::runtime::Builder::new_current_thread().build().unwrap());
        }));
    })
    .unwrap();
    let text = report.to_string();
    assert!(text.contains("Cannot drop a runtime"), "{text}");
    assert!(text.contains("shutdown_background()"), "{text}");
}

#[test]
fn a_goroutine_that_needs_tokio_is_told_how_to_have_it() {
    let report = gmp::leak::examine("no reactor", || async {
        drop(gmp::go(async {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }));
    })
    .unwrap();
    let text = report.to_string();
    assert!(text.contains("`#[gmp::test(tokio)]`"), "{text}");
}

#[test]
fn a_body_that_panics_is_the_outcome_whatever_its_tasks_do() {
    super::on_each(
        "panics",
        || async {
            drop(spawn(std::future::pending::<()>()));
            tokio::task::yield_now().await;
            panic!("the body");
        },
        |report| {
            assert_eq!(report.outcome, BodyOutcome::Panicked("the body".into()), "{report}");
            assert_eq!(report.findings.len(), 1, "{report}");
            assert!(report.to_string().contains("1 task leaked"), "{report}");
        },
    );
}
