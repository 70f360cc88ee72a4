//! A body that is blocked while timers go on: what is shown is who was there then.

use std::time::Duration;

use gmp::explore::{Explorer, Kind, Outcome};
use gmp::leak::Verdict;
use gmp::time::{Ticker, after};
use gmp::{Chan, chan, go, select};

fn explorer() -> Explorer {
    Explorer::new("a body").schedules(50)
}

fn kind(outcome: &Outcome) -> Option<Kind> {
    assert_eq!(outcome.trouble, None);
    outcome.finding.as_ref().map(|finding| finding.kind)
}

/// Ticks for 20 seconds, and closes `done` then if it is told to.
async fn polls(done: Chan<()>, closes: bool) {
    let (ticker, limit) = (Ticker::new(Duration::from_millis(1)), after(Duration::from_secs(20)));
    loop {
        select! {
            recv(ticker.chan()) -> _ => {}
            recv(limit) -> _ => break,
        }
    }
    if closes {
        done.close();
    }
}

async fn blocked_beside_a_poller() {
    let done = chan::<()>(0);
    drop(go(polls(done.clone(), false)));
    done.recv().await;
}

#[test]
fn whoever_goes_on_beside_a_blocked_body_is_live_in_the_report() {
    let outcome = explorer().run(blocked_beside_a_poller);
    assert_eq!(kind(&outcome), Some(Kind::Deadlock));
    let finding = outcome.finding.unwrap();
    let groups: Vec<_> = finding.report.groups().collect();
    assert!(groups.iter().any(|group| group.is_body), "{}", finding.report);
    let live = |verdict: &Verdict| matches!(verdict, Verdict::Timer { .. });
    assert_eq!(groups.iter().filter(|group| live(&group.verdict)).count(), 1, "{}", finding.report);
    // 20 seconds would be 20,000 ticks.
    assert!(finding.table.rows.len() < 500, "{}", finding.table.rows.len());
    let again = explorer().replay(&finding.replay, blocked_beside_a_poller);
    assert_eq!(kind(&again), Some(Kind::Deadlock));
    let again = again.finding.unwrap();
    assert_eq!((again.replay, again.table.rows), (finding.replay, finding.table.rows));
}

async fn released_in_the_end() {
    let done = chan::<()>(0);
    drop(go(polls(done.clone(), true)));
    done.recv().await;
}

#[test]
fn a_body_that_is_released_late_is_not_blocked() {
    assert_eq!(kind(&explorer().schedules(5).run(released_in_the_end)), None);
}

/// Nobody takes what the ticker gives.
async fn blocked_beside_a_ticker() {
    let _ticker = Ticker::new(Duration::from_nanos(1));
    chan::<()>(0).recv().await;
}

async fn sleeps_beside_a_ticker() {
    let _ticker = Ticker::new(Duration::from_nanos(1));
    let slept = go(gmp::time::sleep(Duration::from_secs(3600)));
    slept.await.unwrap();
}

#[test]
fn a_ticker_that_ticks_for_nobody_keeps_nobody_alive_and_takes_no_time() {
    assert_eq!(kind(&explorer().run(blocked_beside_a_ticker)), Some(Kind::Deadlock));
    assert_eq!(kind(&explorer().run(sleeps_beside_a_ticker)), None);
}
