//! What schedules show, and that each can be played again.

use gmp::explore::{Deed, Explorer, Kind, Outcome, Strategy, Then};
use gmp::sync::{Mutex, WaitGroup};
use gmp::{chan, choose, go, select, yield_now};
use std::sync::Arc;
use std::time::Duration;

fn explorer() -> Explorer {
    Explorer::new("a body").schedules(2_000)
}

fn kind(outcome: &Outcome) -> Option<Kind> {
    assert_eq!(outcome.trouble, None);
    outcome.finding.as_ref().map(|finding| finding.kind)
}

/// Plays the finding of `outcome` again: it has to show the same.
fn again<F: Future<Output = ()> + 'static>(outcome: &Outcome, body: fn() -> F) {
    let finding = outcome.finding.as_ref().expect("something was found");
    let again = explorer().replay(&finding.replay, body);
    assert_eq!(again.trouble, None, "{}", finding.replay);
    let again = again.finding.expect("the same is found again");
    assert_eq!((again.kind, &again.replay), (finding.kind, &finding.replay));
    assert_eq!(again.table.rows, finding.table.rows);
}

/// Two goroutines add one to a number that is read under one lock and written under the next.
async fn lost_update() {
    let number = Arc::new(Mutex::new(0));
    let workers = [(); 2].map(|()| {
        let number = number.clone();
        go(async move {
            let before = *number.lock().await;
            *number.lock().await = before + 1;
        })
    });
    for worker in workers {
        worker.await.unwrap();
    }
    assert_eq!(*number.lock().await, 2, "an update was lost");
}

#[test]
fn a_body_that_panics_in_some_schedules_only_is_found_by_every_strategy() {
    for strategy in [Strategy::Pct, Strategy::Random] {
        let outcome = explorer().strategy(strategy).run(lost_update);
        assert_eq!(kind(&outcome), Some(Kind::Panic));
        let finding = outcome.finding.as_ref().unwrap();
        let outcome_of_body = format!("{:?}", finding.report.outcome);
        assert!(outcome_of_body.contains("an update was lost"), "{outcome_of_body}");
        assert_eq!(finding.switches, 1, "{}", finding.table);
        again(&outcome, lost_update);
    }
}

/// A goroutine panics if it comes second.
async fn panics_elsewhere() {
    let first = Arc::new(Mutex::new(true));
    let other = first.clone();
    drop(go(async move {
        assert!(*other.lock().await, "second");
    }));
    *first.lock().await = false;
}

#[test]
fn a_panic_of_another_goroutine_is_found() {
    let outcome = explorer().run(panics_elsewhere);
    assert_eq!(kind(&outcome), Some(Kind::Panic));
    let finding = outcome.finding.as_ref().unwrap();
    assert_eq!(finding.report.panics[0].message, "second");
    assert!(finding.table.rows.iter().any(|row| row.deed == Deed::Panics), "{}", finding.table);
    again(&outcome, panics_elsewhere);
}

async fn panics_and_is_joined() {
    let joined = go(async { panic!("expected") });
    assert!(joined.await.unwrap_err().is_panic());
}

#[test]
fn a_panic_that_somebody_joins_is_none_of_a_schedule() {
    assert_eq!(kind(&explorer().schedules(20).run(panics_and_is_joined)), None);
}

/// The time-out comes first only if the timer fires while the other is still at work.
async fn late_answer() {
    let answer = chan(0);
    let worker = answer.clone();
    drop(go(async move {
        yield_now().await;
        worker.send(()).await;
    }));
    select! {
        recv(answer) -> _ => {}
        recv(gmp::time::after(Duration::from_secs(60))) -> _ => {}
    }
}

#[test]
fn a_timer_may_fire_while_others_are_ready() {
    let outcome = explorer().run(late_answer);
    assert_eq!(kind(&outcome), Some(Kind::Leak));
    let finding = outcome.finding.as_ref().unwrap();
    assert!(finding.table.rows.iter().any(|row| row.deed == Deed::Fires), "{}", finding.table);
    again(&outcome, late_answer);
}

/// Only one of eight draws leaks.
async fn unlucky_draw() {
    let ch = chan::<()>(0);
    drop(go(async move {
        if choose(8) == 5 {
            ch.recv().await;
        }
    }));
}

#[test]
fn a_draw_is_part_of_the_schedule() {
    let outcome = explorer().run(unlucky_draw);
    assert_eq!(kind(&outcome), Some(Kind::Leak));
    again(&outcome, unlucky_draw);
}

/// Either arm may win.
async fn either_arm() {
    let (left, right) = (chan(1), chan(1));
    left.send(1).await;
    right.send(2).await;
    let first = select! {
        recv(left) -> value => value,
        recv(right) -> value => value,
    };
    assert_eq!(first, Some(1), "the right one");
}

#[test]
fn the_arm_of_a_select_is_part_of_the_schedule() {
    let outcome = explorer().run(either_arm);
    assert_eq!(kind(&outcome), Some(Kind::Panic));
    again(&outcome, either_arm);
}

async fn yields_for_ever() {
    drop(go(async {
        loop {
            yield_now().await;
        }
    }));
}

#[test]
fn an_endless_loop_of_yields_is_a_livelock() {
    let outcome = explorer().max_steps(2_000).run(yields_for_ever);
    assert_eq!(kind(&outcome), Some(Kind::Livelock));
}

async fn spins_until_told() {
    let stop = chan::<()>(0);
    let spinner = stop.clone();
    drop(go(async move {
        loop {
            select! {
                recv(spinner) -> _ => return,
                default => {}
            }
        }
    }));
    stop.close();
}

#[test]
fn whoever_has_nothing_to_do_lets_others_run() {
    let outcome = explorer().max_steps(2_000).run(spins_until_told);
    assert_eq!(kind(&outcome), None);
}

async fn fails() -> Result<(), String> {
    Err("no".into())
}

#[test]
fn a_body_that_returns_an_error_is_found() {
    let outcome = explorer().run(fails);
    assert_eq!(kind(&outcome), Some(Kind::Failure));
    let replay = outcome.finding.unwrap().replay;
    let again = explorer().replay(&replay, fails);
    assert_eq!(kind(&again), Some(Kind::Failure));
    assert_eq!(again.finding.unwrap().replay, replay);
}

/// The last of a thousand panics if it comes first.
async fn a_crowd_with_one_bug() {
    let (group, first) = (WaitGroup::new(), Arc::new(Mutex::new(None)));
    for i in 0..1_000 {
        let first = first.clone();
        group.go(async move {
            let first = *first.lock().await.get_or_insert(i);
            assert!(first < 500, "out of order");
        });
    }
    group.wait().await;
    assert!(first.lock().await.is_some_and(|first| first < 500), "out of order");
}

#[test]
fn a_switch_among_a_thousand_goroutines_is_found_and_made_small() {
    let outcome = explorer().schedules(50).run(a_crowd_with_one_bug);
    assert_eq!(kind(&outcome), Some(Kind::Panic));
    let finding = outcome.finding.as_ref().unwrap();
    assert!(finding.switches < 20, "{}", finding.switches);
    again(&outcome, a_crowd_with_one_bug);
}

async fn a_crowd() {
    let group = WaitGroup::new();
    let lock = Arc::new(Mutex::new(0));
    for _ in 0..1_000 {
        let lock = lock.clone();
        group.go(async move { *lock.lock().await += 1 });
    }
    group.wait().await;
    assert_eq!(*lock.lock().await, 1_000);
}

#[test]
fn a_thousand_goroutines_are_no_problem() {
    assert_eq!(kind(&explorer().schedules(5).run(a_crowd)), None);
}

async fn a_crowd_that_leaks() {
    let ch = chan::<()>(0);
    for _ in 0..1_000 {
        let ch = ch.clone();
        drop(go(async move { ch.recv().await }));
    }
}

#[test]
fn a_thousand_leaks_are_one_finding() {
    let outcome = explorer().run(a_crowd_that_leaks);
    assert_eq!(kind(&outcome), Some(Kind::Leak));
    let finding = outcome.finding.as_ref().unwrap();
    assert_eq!(finding.report.findings[0].count, 1_000);
    assert!(finding.table.to_string().lines().count() < 80);
}

#[test]
fn the_table_names_who_did_what_and_who_is_stuck() {
    let finding = explorer().run(late_answer).finding.unwrap();
    let stuck: Vec<_> = finding
        .table
        .rows
        .iter()
        .filter(|row| matches!(row.deed, Deed::Does { then: Then::Stuck, .. }))
        .collect();
    assert_eq!(stuck.len(), 1);
    let text = finding.table.to_string();
    assert!(text.contains("the body"), "{text}");
    assert!(text.contains("worker.send(()).await STUCK"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
}

#[test]
fn the_same_seed_plays_the_same_schedules_and_shards_share_them() {
    let found = |explorer: Explorer| explorer.run(unlucky_draw).finding.map(|f| f.schedule);
    let whole = found(explorer().seed(3)).unwrap();
    assert_eq!(found(explorer().seed(3)), Some(whole));
    let shares: Vec<_> =
        (1..=4).filter_map(|which| found(explorer().seed(3).shard(which, 4))).collect();
    assert_eq!(shares.iter().min(), Some(&whole));
    for (which, schedule) in (1u64..).zip(&shares) {
        assert_eq!((schedule - which) % 4, 0);
    }
}
