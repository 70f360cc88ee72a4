//! Patterns found in production code: who was supposed to release the goroutine, and did not.

use std::time::Duration;

use gmp::context::{background, with_cancel, with_timeout};
use gmp::sync::WaitGroup;
use gmp::time::after;
use gmp::{Chan, chan, go, select, yield_now};

/// Sends the numbers below `n` to workers that range over the channel. Not closed here.
async fn fan_out(workers: u32, n: u32) -> Chan<u32> {
    let jobs = chan(0);
    for _ in 0..workers {
        let jobs = jobs.clone();
        drop(go(async move { while jobs.recv().await.is_some() {} }));
    }
    for job in 0..n {
        jobs.send(job).await;
    }
    jobs
}

#[gmp::test(expect_leak("3 chan receive: Proven"))]
async fn range_without_close() {
    fan_out(3, 10).await;
}

#[gmp::test]
async fn range_without_close_fixed() {
    fan_out(3, 10).await.close();
}

/// A worker whose owner has to stop it.
struct Service {
    work: Chan<u32>,
    stop: Chan<()>,
}

impl Service {
    fn start() -> Self {
        let (work, stop) = (chan(0), chan(0));
        let service = Self { work: work.clone(), stop: stop.clone() };
        drop(go(async move {
            loop {
                select! {
                    recv(work) -> _ => continue,
                    recv(stop) -> _ => break,
                }
            }
        }));
        service
    }

    fn stop(self) {
        self.stop.close();
    }
}

#[gmp::test(expect_leak("select: Proven"))]
async fn method_contract() {
    let service = Service::start();
    service.work.send(1).await;
}

#[gmp::test]
async fn method_contract_fixed() {
    let service = Service::start();
    service.work.send(1).await;
    service.stop();
}

/// Reports a failed check, and then its answer as well unless it `stops`.
async fn answer(results: Chan<Result<u32, &'static str>>, stops: bool) {
    results.send(Err("refused")).await;
    if stops {
        return;
    }
    results.send(Ok(1)).await;
}

#[gmp::test(expect_leak("chan send: Proven"))]
async fn double_send() {
    let results = chan(0);
    drop(go(answer(results.clone(), false)));
    assert!(results.recv().await.unwrap().is_err());
}

#[gmp::test]
async fn double_send_fixed() {
    let results = chan(0);
    drop(go(answer(results.clone(), true)));
    assert!(results.recv().await.unwrap().is_err());
}

/// Starts a computation and gives up before it reads the result.
fn early_return(results: Chan<u32>) -> Result<u32, &'static str> {
    drop(go(async move { results.send(1).await }));
    Err("another step failed")
}

#[gmp::test(expect_leak("chan send: Proven"))]
async fn returns_before_it_receives() {
    early_return(chan(0)).unwrap_err();
}

#[gmp::test]
async fn returns_before_it_receives_fixed() {
    early_return(chan(1)).unwrap_err();
}

/// Asks `n` goroutines and takes the first answer.
async fn first_of(n: usize, answers: Chan<usize>) -> Option<usize> {
    for i in 0..n {
        let answers = answers.clone();
        drop(go(async move { answers.send(i).await }));
    }
    answers.recv().await
}

#[gmp::test(expect_leak("4 chan send: Proven"))]
async fn n_cast() {
    assert!(first_of(5, chan(0)).await.is_some());
}

#[gmp::test]
async fn n_cast_fixed() {
    assert!(first_of(5, chan(5)).await.is_some());
}

/// Waits for a slow answer at most as long as the context allows. `slow` says when the answer comes.
async fn ask(results: Chan<u32>, slow: Chan<()>) {
    let (ctx, _cancel) = with_timeout(&background(), Duration::from_millis(1));
    let answer = results.clone();
    drop(go(async move {
        slow.recv().await;
        answer.send(1).await;
    }));
    select! {
        recv(results) -> _ => panic!("the answer came too early"),
        _ = ctx.done() => (),
    }
}

#[gmp::test(expect_leak("chan send: Proven"))]
async fn context_timeout() {
    let slow = chan(0);
    ask(chan(0), slow.clone()).await;
    slow.send(()).await;
}

#[gmp::test]
async fn context_timeout_fixed() {
    let slow = chan(0);
    ask(chan(1), slow.clone()).await;
    slow.send(()).await;
}

/// As [`ask`], with a timer.
async fn ask_with_timer(results: Chan<u32>, slow: Chan<()>) {
    let (answer, late) = (results.clone(), after(Duration::from_millis(1)));
    drop(go(async move {
        slow.recv().await;
        answer.send(1).await;
    }));
    select! {
        recv(late) -> _ => (),
        recv(results) -> _ => panic!("the answer came too early"),
    }
}

#[gmp::test(expect_leak("chan send: Proven"))]
async fn timer_wins() {
    let slow = chan(0);
    ask_with_timer(chan(0), slow.clone()).await;
    slow.send(()).await;
}

#[gmp::test]
async fn timer_wins_fixed() {
    let slow = chan(0);
    ask_with_timer(chan(1), slow.clone()).await;
    slow.send(()).await;
}

/// A cancelled parent stops listening.
async fn cancelled(results: Chan<u32>) {
    let (ctx, cancel) = with_cancel(&background());
    let (answer, wg) = (results.clone(), WaitGroup::new());
    let asked = wg.clone();
    wg.go(async move {
        select! {
            _ = ctx.done() => (),
            recv(results) -> _ => (),
        }
    });
    yield_now().await;
    cancel.cancel();
    asked.wait().await;
    drop(go(async move { answer.send(1).await }));
}

#[gmp::test(expect_leak("chan send: Proven"))]
async fn cancelled_parent() {
    cancelled(chan(0)).await;
}

#[gmp::test]
async fn cancelled_parent_fixed() {
    cancelled(chan(1)).await;
}
