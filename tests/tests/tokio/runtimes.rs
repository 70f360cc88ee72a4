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

fn drops_a_runtime() {
    drop(tokio::runtime::Builder::new_current_thread().build().unwrap());
}

#[test]
fn a_body_that_drops_a_runtime_panics_on_tokio_and_not_without() {
    super::on_each(
        "dropped in the body",
        || async { drops_a_runtime() },
        |report| {
            let BodyOutcome::Panicked(text) = &report.outcome else { panic!("{report}") };
            assert!(text.contains("Cannot drop a runtime"), "{report}");
            assert!(report.findings.is_empty(), "{report}");
        },
    );
    let report = gmp::leak::examine("without tokio", || async {
        drops_a_runtime();
        gmp::go(async { drops_a_runtime() }).await.unwrap();
    });
    let report = report.unwrap();
    assert!(report.is_clean(), "{report}");
}

#[gmp::test]
fn a_plain_body_may_drop_a_runtime() {
    drops_a_runtime();
}

/// A channel, a WaitGroup, a context with a deadline and a timer, between plain tasks of tokio.
async fn uses_primitives() -> u32 {
    use gmp::context;
    use std::time::Duration;

    let ch = gmp::chan::<u32>(1);
    let wg = gmp::sync::WaitGroup::new();
    let (ctx, cancel) = context::with_cancel(&context::background());
    for number in 1..=3 {
        wg.add(1);
        let (ch, wg, ctx) = (ch.clone(), wg.clone(), ctx.clone());
        tokio::spawn(async move {
            gmp::time::sleep(Duration::from_millis(1)).await;
            ch.send(number).await;
            ctx.done().await;
            wg.done();
        });
    }
    let mut sum = 0;
    for _ in 0..3 {
        sum += ch.recv().await.unwrap();
    }
    cancel.cancel();
    wg.wait().await;
    let (late, _cancel) = context::with_timeout(&context::background(), Duration::from_millis(1));
    late.done().await;
    sum
}

#[tokio::test]
async fn primitives_of_gmp_work_in_plain_tokio() {
    assert_eq!(uses_primitives().await, 6);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn primitives_of_gmp_work_in_plain_tokio_on_workers() {
    assert_eq!(tokio::spawn(uses_primitives()).await.unwrap(), 6);
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
