//! `clock = "virtual"`: time moves when everything is parked, and only then; who stops it is named.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use gmp::__private::examine;
use gmp::leak::Verdict;
use gmp::report::finding::{BodyOutcome, Report};
use gmp::sync::Mutex as Lock;
use gmp::time::{after, now, sleep, timeout};
use gmp::{chan, go};

const HOUR: Duration = Duration::from_secs(3_600);
const NS: Duration = Duration::from_nanos(1);

#[gmp::test(clock = "virtual")]
async fn a_day_of_sleep_is_exact_and_takes_no_time() {
    let before = now();
    let sleeper = go(sleep(24 * HOUR));
    assert_eq!(now(), before, "time stands still while something runs");
    sleeper.await.unwrap();
    assert_eq!(now() - before, 24 * HOUR);
    assert!(timeout(HOUR, std::future::pending::<()>()).await.is_err());
    assert_eq!(now() - before, 25 * HOUR);
}

#[gmp::test(clock = "virtual")]
fn a_plain_body_has_virtual_time_too() {
    let before = now();
    let at = after(HOUR).blocking_recv().expect("never closed");
    assert_eq!((at - before, now() - before), (HOUR, HOUR));
}

#[gmp::test(clock = "virtual")]
async fn timers_fire_in_the_order_of_their_nanoseconds() {
    let order = chan(4);
    for n in [3, 1, 4, 2] {
        let order = order.clone();
        go(async move {
            sleep(n * NS).await;
            order.send(n).await;
        });
    }
    let before = now();
    for n in 1..=4 {
        assert_eq!((order.recv().await, now() - before), (Some(n), n * NS));
    }
}

/// Go's `synctest` cannot do this: it does not take a goroutine that waits for a mutex for parked.
#[gmp::test(clock = "virtual")]
async fn time_moves_while_somebody_waits_for_a_mutex() {
    let lock = Arc::new(Lock::new(0));
    let held = lock.clone();
    let holder = go(async move {
        let mut guard = held.lock().await;
        sleep(HOUR).await;
        *guard = 1;
    });
    sleep(NS).await;
    assert_eq!(*lock.lock().await, 1);
    holder.await.unwrap();
}

/// Whoever sleeps within the linger after the body is waited for, without any real time.
#[gmp::test(clock = "virtual", linger = "2h")]
async fn the_clock_goes_on_for_the_linger_after_the_body() {
    go(async {
        sleep(HOUR).await;
        sleep(HOUR).await;
    });
}

#[gmp::test(clock = "virtual", linger = "1h", expect_leak("1 sleep: Timer"))]
async fn the_clock_goes_no_further_than_the_linger() {
    go(sleep(HOUR + NS));
}

/// The waker of a goroutine outside stops the clock: the thread's answer comes before the hour is over.
#[gmp::test(clock = "virtual")]
async fn what_is_awaited_from_a_thread_comes_before_any_timer() {
    let answer = chan::<u32>(1);
    let sender = answer.clone();
    let thread = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(20));
        sender.try_send(7).expect("room for one");
    });
    assert_eq!(timeout(HOUR, answer.recv()).await, Ok(Some(7)));
    thread.join().unwrap();
}

/// Leaves a clone of its waker for ever, and never ends.
async fn leaves_its_waker() {
    poll_fn(|cx| {
        std::mem::forget(cx.waker().clone());
        Poll::<()>::Pending
    })
    .await;
}

#[gmp::test(clock = "virtual", timeout = "50ms", expect_leak)]
async fn waits_for_an_hour_beside_a_waker() {
    go(leaves_its_waker());
    sleep(HOUR).await;
}

#[gmp::test(clock = "virtual, ignoring external", expect_leak("1 external: External"))]
async fn ignores_a_waker() {
    go(leaves_its_waker());
    sleep(HOUR).await;
}

fn report(name: &str) -> Report {
    let all = gmp::__private::inventory::iter::<gmp::__private::Submission>();
    let mut all = all.map(|submission| submission.0);
    examine(all.find(|descriptor| descriptor.path() == name).expect("submitted"))
}

#[test]
fn a_test_that_hangs_on_a_stopped_clock_says_who_stopped_it() {
    let report = report("waits_for_an_hour_beside_a_waker");
    assert!(matches!(report.outcome, BodyOutcome::TimedOut(_)), "{:?}", report.outcome);
    let external: Vec<_> =
        report.findings.iter().filter(|found| found.verdict == Verdict::External).collect();
    assert_eq!(external.len(), 1);
    let id = external[0].goroutines[0];
    let note = report.reap_notes.join("\n");
    let said = format!(
        "the virtual clock stands still, 3600s before the next timer, because of somebody outside who \
         has the waker of {id}"
    );
    // Threads that run other tests of this binary may start beside it.
    let rest = note.strip_prefix(&said).unwrap_or_else(|| panic!("{note}"));
    assert!(rest.starts_with(';') || rest.starts_with(" and a thread that started"), "{note}");
}
