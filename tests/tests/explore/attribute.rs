//! `explore(..)` of `#[gmp::test]`.

use gmp::__private::rerun;
use gmp::sync::Mutex;
use gmp::{chan, go};
use std::sync::Arc;

#[gmp::test(explore(schedules = 200, strategy = "random", depth = 2, seed = 7, max_time = "5s"))]
async fn a_correct_body_passes() {
    let ch = chan(1);
    let sender = ch.clone();
    let sent = go(async move { sender.send(1).await });
    assert_eq!(ch.recv().await, Some(1));
    sent.await.unwrap();
}

#[gmp::test(explore, expect_leak("chan send: Proven"))]
async fn a_leak_of_some_schedules_may_be_expected() {
    let ch = chan(0);
    let sender = ch.clone();
    drop(go(async move { sender.send(1).await }));
    gmp::select! {
        recv(ch) -> _ => {}
        default => {}
    }
}

#[gmp::test(explore)]
#[should_panic(expected = "too early")]
async fn a_panic_of_some_schedules_may_be_expected() {
    let done = Arc::new(Mutex::new(false));
    let worker = done.clone();
    let worker = go(async move { *worker.lock().await = true });
    assert!(*done.lock().await, "too early");
    worker.await.unwrap();
}

#[gmp::test(explore)]
async fn goroutines_end_with_the_context_of_the_test() {
    let ctx = gmp::test::context();
    drop(go(async move {
        ctx.done().await;
    }));
}

#[gmp::test(explore)]
async fn an_hour_of_sleep_takes_no_time() {
    gmp::time::sleep(std::time::Duration::from_secs(3600)).await;
}

#[gmp::test(explore(schedules = 1000))]
#[ignore = "fails: run by the test below"]
async fn two_locks_in_opposite_order() {
    let locks = Arc::new((Mutex::new(0), Mutex::new(0)));
    let other = locks.clone();
    let other = go(async move {
        let b = other.1.lock().await;
        let a = other.0.lock().await;
        drop((a, b));
    });
    let a = locks.0.lock().await;
    let b = locks.1.lock().await;
    drop((a, b));
    other.await.unwrap();
}

#[test]
fn a_failure_comes_with_the_report_the_table_and_the_schedule() {
    let text = rerun(&__gmp_test_two_locks_in_opposite_order).unwrap_err();
    println!("{text}");
    let first = text.lines().next().unwrap_or_default();
    assert!(first.starts_with("Error: gmp: all goroutines are asleep"), "{text}");
    for part in [
        "sync.Mutex.Lock",
        "shows this deadlock; what it takes is 1 switch, marked `>`",
        "GMP_REPLAY='1:",
        "cargo test two_locks_in_opposite_order",
        "> ",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    let stuck = text.lines().filter(|line| line.contains("STUCK")).count();
    assert_eq!(stuck, 2, "{text}");
}

#[gmp::test(explore(replay = "1:00000000::00000000"))]
#[ignore = "fails: run by the test below"]
async fn plays_the_schedule_of_another_test() {}

#[test]
fn the_schedule_of_another_test_is_refused() {
    let text = rerun(&__gmp_test_plays_the_schedule_of_another_test).unwrap_err();
    assert!(text.contains("belongs to another test"), "{text}");
}

#[gmp::test(explore)]
#[ignore = "fails: run by the test below"]
fn a_plain_body() {}

#[test]
fn a_plain_body_is_refused() {
    let text = rerun(&__gmp_test_a_plain_body).unwrap_err();
    assert!(text.contains("async fn"), "{text}");
}
