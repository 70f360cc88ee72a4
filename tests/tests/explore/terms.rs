//! What holds for an explored test besides its schedules: time, rules, the world outside.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Waker;
use std::time::{Duration, Instant};

use gmp::__private::rerun;
use gmp::explore::{Explorer, Outcome, Strategy, Trouble};
use gmp::{chan, go};

fn explorer() -> Explorer {
    Explorer::new("a body").seed(0).schedules(20)
}

fn is_clean(outcome: &Outcome) -> bool {
    assert_eq!(outcome.trouble, None);
    outcome.finding.is_none()
}

#[test]
fn an_exploration_ends_when_its_time_is_over() {
    let mut most = Duration::from_millis(50);
    // A busy machine may let this thread wait for all of the time.
    while {
        let endless = Explorer::new("a body").schedules(u64::MAX).max_time(most);
        let outcome = endless.run(|| async { gmp::time::sleep(Duration::from_secs(60)).await });
        assert!(is_clean(&outcome) && outcome.elapsed >= most, "{outcome:?}");
        outcome.schedules == 1
    } {
        most *= 2;
    }
    // It is looked at after each schedule.
    let outcome = Explorer::new("a body").max_time(Duration::ZERO).run(|| async {});
    assert_eq!((is_clean(&outcome), outcome.schedules), (true, 1));
}

/// The body waits for nobody outside: these take their time, and are no part of the schedule.
async fn blocks_its_thread() {
    let began = Instant::now();
    std::thread::sleep(Duration::from_millis(1));
    assert!(began.elapsed() >= Duration::from_millis(1));
    let file = std::fs::read(std::env::current_exe().unwrap().parent().unwrap().join("nothing"));
    assert!(file.is_err());
    let this = std::env::current_exe().unwrap();
    let listed = std::process::Command::new(this).args(["--list", "no such test"]).output();
    assert!(listed.unwrap().status.success());
    assert_eq!(gmp::blocking(|| 7), 7);
}

#[test]
fn what_blocks_the_thread_takes_its_time_and_no_more() {
    assert!(is_clean(&explorer().schedules(3).run(blocks_its_thread)));
}

async fn waits_for_a_child() {
    let this = std::env::current_exe().unwrap();
    let mut child = gmp::process::Command::new(this);
    child.args(["--list", "no such test"]).stdout(std::process::Stdio::null());
    assert!(child.status().await.unwrap().success());
}

#[test]
fn who_awaits_a_process_cannot_be_explored() {
    assert_eq!(explorer().run(waits_for_a_child).trouble, Some(Trouble::Outside));
}

/// Loses the waker of the body in the first schedules, and then has a thread use it.
async fn is_woken_in_later_schedules(number: u32) {
    let slot = Arc::new(Mutex::new(None::<Waker>));
    let waits = slot.clone();
    drop(go(async move {
        while slot.lock().unwrap().is_none() {
            gmp::yield_now().await;
        }
        let waker = slot.lock().unwrap().take().unwrap();
        match number {
            0 | 1 => std::mem::forget(waker),
            _ => std::thread::spawn(|| waker.wake()).join().unwrap(),
        }
    }));
    std::future::poll_fn(|cx| {
        *waits.lock().unwrap() = Some(cx.waker().clone());
        std::task::Poll::<()>::Pending
    })
    .await;
}

#[test]
fn who_comes_from_outside_when_a_schedule_is_made_smaller_is_told() {
    let runs = AtomicU32::new(0);
    let body = move || is_woken_in_later_schedules(runs.fetch_add(1, Ordering::Relaxed));
    assert_eq!(explorer().run(body).trouble, Some(Trouble::Outside));
}

/// A choice that looks at the real clock: it goes another way each time.
async fn looks_at_the_real_time(runs: Arc<AtomicU32>) {
    let ch = chan(2);
    for _ in 0..1 + runs.fetch_add(1, Ordering::Relaxed) % 2 {
        ch.send(()).await;
    }
}

#[test]
fn a_strategy_makes_no_difference_to_what_is_refused() {
    for strategy in [Strategy::Pct, Strategy::Random] {
        let runs = Arc::new(AtomicU32::new(0));
        let outcome =
            explorer().strategy(strategy).run(move || looks_at_the_real_time(runs.clone()));
        assert!(matches!(outcome.trouble, Some(Trouble::Differs(_))), "{outcome:?}");
    }
}

static RUNS: AtomicU32 = AtomicU32::new(0);

#[gmp::test(explore(schedules = 20))]
#[ignore = "fails: run by the test below"]
async fn is_different_each_time() {
    let ch = chan(2);
    for _ in 0..1 + RUNS.fetch_add(1, Ordering::Relaxed) % 2 {
        ch.send(()).await;
    }
}

#[gmp::test(explore(schedules = 20))]
#[ignore = "fails: run by the test below"]
async fn is_helped_by_a_thread() {
    let ch = chan(1);
    let sender = ch.clone();
    let thread = std::thread::spawn(move || sender.blocking_send(7));
    assert_eq!(ch.recv().await, Some(7));
    thread.join().unwrap();
}

#[test]
fn a_test_that_asks_to_be_explored_and_cannot_be_fails_and_says_why() {
    let text = rerun(&__gmp_test_is_different_each_time).unwrap_err();
    for part in ["goes another way each time it is played", "step 2", "terms.rs", "gmp::choose"] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    let text = rerun(&__gmp_test_is_helped_by_a_thread).unwrap_err();
    assert!(text.contains("something outside the schedule made a goroutine ready"), "{text}");
}

/// One that is known, and one that some schedules leave as well.
async fn leaves(known: bool) {
    let ch = chan::<()>(0);
    if known {
        drop(go(the_known_one(ch)));
    } else if gmp::choose(4) == 3 {
        drop(go(async move { ch.recv().await }));
    }
}

async fn the_known_one(ch: gmp::Chan<()>) {
    ch.recv().await;
}

#[gmp::test(explore(schedules = 50), ignore("the_known_one"))]
async fn a_leak_that_a_rule_allows_is_none() {
    leaves(true).await;
}

#[gmp::test(explore(schedules = 50), ignore("the_known_one"))]
#[ignore = "fails: run by the test below"]
async fn leaves_another_as_well() {
    leaves(true).await;
    leaves(false).await;
}

#[test]
fn rules_hide_what_they_name_and_nothing_else() {
    let text = rerun(&__gmp_test_leaves_another_as_well).unwrap_err();
    assert!(text.contains("shows this leak"), "{text}");
}

/// It comes to its end `later`, which is waited for if it is within the linger.
fn ends_later(later: Duration) {
    drop(go(async move { gmp::time::sleep(later).await }));
}

#[gmp::test(explore(schedules = 20), linger = "10s")]
async fn whoever_ends_within_the_linger_is_no_leak() {
    ends_later(Duration::from_secs(9));
}

#[gmp::test(explore(schedules = 20), linger = "10s", expect_leak("sleep"))]
async fn whoever_ends_after_the_linger_is_a_leak() {
    ends_later(Duration::from_secs(11));
}
