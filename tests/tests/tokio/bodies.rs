//! Bodies on tokio: the runtime that they have, and how they end.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use gmp::__private::rerun;
use gmp::report::finding::BodyOutcome;
use gmp::tokio::spawn;
use tokio::runtime::{Handle, RuntimeFlavor};

use super::test;

#[gmp::test(tokio)]
async fn the_default_is_one_thread_and_everything_is_enabled() {
    assert_eq!(Handle::current().runtime_flavor(), RuntimeFlavor::CurrentThread);
    tokio::time::sleep(Duration::from_millis(1)).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    drop(listener);
}

#[gmp::test(tokio(flavor = "multi_thread", worker_threads = 2))]
async fn workers_run_tasks_beside_the_body() {
    assert_eq!(Handle::current().runtime_flavor(), RuntimeFlavor::MultiThread);
    assert_eq!(Handle::current().metrics().num_workers(), 2);
    let here = std::thread::current().id();
    let there = spawn(async { std::thread::current().id() }).await.unwrap();
    assert_ne!(here, there);
}

#[gmp::test(tokio(start_paused = true))]
async fn a_paused_clock_makes_an_hour_short() {
    let began = tokio::time::Instant::now();
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert!(began.elapsed() >= Duration::from_secs(3600));
}

#[gmp::test(tokio(flavor = "local"))]
async fn a_local_runtime_has_tasks_that_are_not_send() {
    let shared = std::rc::Rc::new(7);
    let own = shared.clone();
    assert_eq!(gmp::tokio::spawn_local(async move { *own }).await.unwrap(), *shared);
}

#[gmp::test(tokio, timeout = "10s", linger = "50ms", ignore("created-by:nobody"))]
#[should_panic(expected = "as it should")]
async fn other_options_and_attributes_go_with_it() {
    panic!("as it should");
}

#[gmp::test(tokio, expect_leak("chan receive: Proven"))]
async fn a_leak_may_be_expected() {
    let ch = gmp::chan::<u32>(0);
    spawn(async move { ch.recv().await });
}

#[gmp::test(tokio)]
async fn gmp_primitives_work_in_tasks() {
    let (jobs, results) = (gmp::chan::<u32>(2), gmp::chan::<u32>(0));
    let wg = gmp::sync::WaitGroup::new();
    let sum = std::sync::Arc::new(gmp::sync::Mutex::new(0));
    for _ in 0..3 {
        wg.add(1);
        let (jobs, results) = (jobs.clone(), results.clone());
        let (wg, sum) = (wg.clone(), sum.clone());
        spawn(async move {
            while let Some(job) = jobs.recv().await {
                *sum.lock().await += job;
                results.send(job * 2).await;
            }
            wg.done();
        });
    }
    let ctx = gmp::test::context();
    spawn(async move { ctx.done().await });
    let producer = gmp::go(async move {
        for job in 1..=10 {
            jobs.send(job).await;
        }
        jobs.close();
    });
    let mut doubled = 0;
    for _ in 0..10 {
        doubled += results.recv().await.unwrap();
    }
    producer.await.unwrap();
    wg.wait().await;
    gmp::time::sleep(Duration::from_millis(2)).await;
    assert_eq!((*sum.lock().await, doubled), (55, 110));
}

#[test]
fn a_body_that_only_gmp_could_release_is_asleep_at_once() {
    super::on_each(
        "asleep",
        || async {
            gmp::chan::<u32>(0).recv().await;
        },
        |report| {
            assert_eq!(report.outcome, BodyOutcome::Asleep, "{report}");
            assert!(super::one(report).is_body);
        },
    );
}

#[test]
fn a_task_that_is_on_its_way_keeps_a_body_from_being_asleep() {
    super::on_each(
        "a foreign task sends",
        || async {
            let ch = gmp::chan::<u32>(0);
            let to = ch.clone();
            drop(tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(20)).await;
                to.send(1).await;
            }));
            assert_eq!(ch.recv().await, Some(1));
        },
        |report| assert!(report.is_clean(), "{report}"),
    );
}

/// When a body was first polled that does not end in time.
type Polled = Mutex<Option<Instant>>;

/// Runs a test again where a busy machine did not let its body start long before the time was over.
fn polled_in_time(name: &str, polled: &Polled) {
    loop {
        let began = Instant::now();
        let passes = rerun(test(name));
        let polled = polled.lock().unwrap().take();
        if polled.is_some_and(|at| at - began < Duration::from_millis(25)) {
            return passes.unwrap();
        }
    }
}

static WAITS: Polled = Polled::new(None);

#[gmp::test(tokio, timeout = "50ms", expect_leak("external: External"))]
#[ignore = "run by the test below"]
async fn waits_for_tokio() {
    std::future::poll_fn(|cx| {
        std::mem::forget(cx.waker().clone());
        WAITS.lock().unwrap().get_or_insert_with(Instant::now);
        std::task::Poll::<()>::Pending
    })
    .await;
}

#[test]
fn a_body_that_waits_for_tokio_times_out_and_is_dropped() {
    polled_in_time("bodies::waits_for_tokio", &WAITS);
}

static BLOCKS: Polled = Polled::new(None);

#[gmp::test(tokio, timeout = "50ms", expect_leak("running: Running"))]
#[ignore = "run by the test below"]
async fn does_not_await() {
    BLOCKS.lock().unwrap().get_or_insert_with(Instant::now);
    std::thread::sleep(Duration::from_secs(5));
}

#[test]
fn a_body_that_does_not_await_is_left_behind() {
    polled_in_time("bodies::does_not_await", &BLOCKS);
}

#[gmp::test(tokio)]
async fn goroutines_beside_the_body_may_use_tokio() {
    let slept = gmp::go(async {
        tokio::time::sleep(Duration::from_millis(1)).await;
        spawn(async { 7 }).await.unwrap()
    });
    assert_eq!(slept.await.unwrap(), 7);
}

#[gmp::test(tokio(flavor = "multi_thread", worker_threads = 2))]
async fn a_task_may_block_in_place() {
    let ch = gmp::chan::<u32>(0);
    let to = ch.clone();
    let received = spawn(async move { tokio::task::block_in_place(|| ch.blocking_recv()) });
    to.send(3).await;
    assert_eq!(received.await.unwrap(), Some(3));
}

#[gmp::test(tokio(flavor = "multi_thread", worker_threads = 2))]
async fn a_look_at_tasks_costs_them_nothing() {
    use gmp::leak::{Options, find_with};

    let (ask, mut asked) = tokio::sync::mpsc::channel::<tokio::sync::oneshot::Sender<u32>>(1);
    let server = spawn(async move {
        let mut answers = 0;
        while let Some(tell) = asked.recv().await {
            answers += 1;
            tell.send(answers).unwrap();
        }
        answers
    });
    let options = Options::new().linger(Duration::ZERO);
    let mut seen = false;
    for question in 1..=50 {
        let found = find_with(&options).unwrap();
        seen |= found.iter().any(|finding| finding.stacks.iter().any(|stack| !stack.is_empty()));
        let (tell, told) = tokio::sync::oneshot::channel();
        ask.send(tell).await.unwrap();
        assert_eq!(told.await.unwrap(), question);
    }
    assert!(seen, "no look has shown the stack of the server");
    drop(ask);
    assert_eq!(server.await.unwrap(), 50);
}

/// A worker that the rules know.
async fn known_worker(mut jobs: tokio::sync::mpsc::Receiver<u32>) {
    while jobs.recv().await.is_some() {}
}

#[gmp::test(tokio, ignore("any:*::known_worker"))]
async fn rules_allow_tasks() {
    let (jobs, queue) = tokio::sync::mpsc::channel(1);
    drop(spawn(known_worker(queue)));
    std::mem::forget(jobs);
}

#[gmp::test(tokio, ignore("top:tokio::sync::mpsc::*"))]
async fn rules_know_what_a_task_is_stuck_in() {
    let (jobs, queue) = tokio::sync::mpsc::channel(1);
    drop(spawn(known_worker(queue)));
    std::mem::forget(jobs);
}
