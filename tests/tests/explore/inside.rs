//! Switches inside a poll, at operations that are not awaited.

use gmp::explore::{Explorer, Kind, Outcome};
use gmp::sync::{Map, Value, WaitGroup};
use gmp::time::after_func;
use gmp::{Chan, chan, go};
use std::rc::Rc;
use std::sync::{Arc, Mutex as StdMutex};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(60);

fn explorer() -> Explorer {
    Explorer::new("a body").schedules(300)
}

fn kind(outcome: &Outcome) -> Option<Kind> {
    assert_eq!(outcome.trouble, None);
    outcome.finding.as_ref().map(|finding| finding.kind)
}

/// Between the two closes nothing is awaited.
async fn closes_one_by_one(first: Chan<()>, second: Chan<()>) {
    first.close();
    second.close();
}

async fn sees_one_closed() {
    let (first, second) = (chan(0), chan(0));
    let closer = go(closes_one_by_one(first.clone(), second.clone()));
    first.recv().await;
    assert!(second.is_closed(), "only the first was closed");
    closer.await.unwrap();
}

#[test]
fn a_goroutine_is_interrupted_between_two_operations_of_one_poll() {
    let outcome = explorer().run(sees_one_closed);
    assert_eq!(kind(&outcome), Some(Kind::Panic));
    let found = outcome.finding.unwrap();
    for _ in 0..20 {
        let again = explorer().replay(&found.replay, sees_one_closed);
        assert_eq!(again.trouble, None, "{}", found.replay);
        let again = again.finding.expect("the same is found again");
        assert_eq!((again.kind, &again.replay), (found.kind, &found.replay));
    }
}

async fn the_body_is_interrupted() {
    let stays = Rc::new(std::thread::current().id());
    let (first, second) = (chan::<()>(0), chan::<()>(0));
    let (one, other) = (first.clone(), second.clone());
    let seen = go(async move {
        one.recv().await;
        other.is_closed()
    });
    first.close();
    second.close();
    let both = seen.await.unwrap();
    assert_eq!(*stays, std::thread::current().id(), "it has left its thread");
    assert!(both, "only the first was closed");
}

#[test]
fn the_body_is_interrupted_and_stays_on_its_thread() {
    let outcome = explorer().run(the_body_is_interrupted);
    assert_eq!(kind(&outcome), Some(Kind::Panic));
    let text = format!("{:?}", outcome.finding.unwrap().report.outcome);
    assert!(text.contains("only the first was closed"), "{text}");
}

/// Each closes two channels with a lock of the standard library held, for which the others wait.
async fn holds_a_plain_lock() {
    let lock = Arc::new(StdMutex::new(0));
    let group = WaitGroup::new();
    for _ in 0..3 {
        let lock = lock.clone();
        group.go(async move {
            let mut held = lock.lock().unwrap();
            chan::<()>(0).close();
            chan::<()>(0).close();
            *held += 1;
        });
    }
    group.wait().await;
    assert_eq!(*lock.lock().unwrap(), 3);
}

#[test]
fn a_lock_of_the_standard_library_that_is_held_is_no_deadlock() {
    assert_eq!(kind(&explorer().run(holds_a_plain_lock)), None);
}

async fn panics_with_guards() {
    let lock = Arc::new(gmp::sync::Mutex::new(()));
    let (one, other) = (chan::<()>(0), chan::<()>(0));
    let joined = go(async move {
        let _held = lock.lock().await;
        one.close();
        other.close();
        one.close();
    });
    assert!(joined.await.is_err());
    panic!("of the body");
}

#[test]
fn nobody_is_interrupted_while_it_panics() {
    let outcome = explorer().run(panics_with_guards);
    assert_eq!(kind(&outcome), Some(Kind::Panic));
    let text = format!("{:?}", outcome.finding.unwrap().report.outcome);
    assert!(text.contains("of the body"), "{text}");
}

async fn spins_inside_a_poll() {
    let ch = chan::<()>(0);
    drop(go(async move { while ch.try_recv().is_err() {} }));
}

#[test]
fn an_endless_loop_inside_one_poll_is_a_livelock() {
    let outcome = explorer().max_steps(500).run(spins_inside_a_poll);
    assert_eq!(kind(&outcome), Some(Kind::Livelock));
}

async fn counts_down() {
    let group = Arc::new(WaitGroup::new());
    group.add(4);
    for _ in 0..2 {
        let group = group.clone();
        drop(go(async move {
            group.done();
            group.done();
        }));
    }
    group.wait().await;
}

#[test]
fn a_correct_body_shows_nothing_and_leaves_no_thread_at_work() {
    for _ in 0..3 {
        assert_eq!(kind(&explorer().run(counts_down)), None);
    }
}

/// Between the close and what follows nothing is awaited: only there can the timer fire, or another goroutine run.
fn found_after_a_close<F: Future<Output = ()> + 'static>(body: fn() -> F) {
    let outcome = explorer().run(body);
    assert_eq!(kind(&outcome), Some(Kind::Panic));
    let text = format!("{:?}", outcome.finding.unwrap().report.outcome);
    assert!(text.contains("too late"), "{text}");
}

async fn stops_a_function() {
    let timer = after_func(SOON, || async {});
    chan::<()>(0).close();
    assert!(timer.stop(), "too late");
}

async fn resets_a_function() {
    let timer = after_func(SOON, || async {});
    chan::<()>(0).close();
    let before = timer.reset(SOON);
    let _ = timer.stop();
    assert!(before, "too late");
}

#[test]
fn a_timer_may_fire_just_before_it_is_stopped_or_reset() {
    found_after_a_close(stops_a_function);
    found_after_a_close(resets_a_function);
}

/// What another goroutine does meanwhile is seen, whichever operation looks.
async fn looks_after_a_close() {
    let (numbers, map, ch) = (Arc::new(Value::new(1)), Arc::new(Map::new()), chan(1));
    let (value, table, sender) = (numbers.clone(), map.clone(), ch.clone());
    let other = go(async move {
        value.store(2);
        table.store("key", 2);
        sender.try_send(2).unwrap();
    });
    let which = gmp::choose(4);
    chan::<()>(0).close();
    let late = match which {
        0 => numbers.load().as_deref() == Some(&2),
        1 => map.load("key").is_some(),
        2 => ch.len() == 1,
        _ => other.is_finished(),
    };
    assert!(!late, "too late {which}");
    other.await.unwrap();
}

#[test]
fn everything_that_looks_at_what_others_do_is_a_point() {
    let mut left: Vec<_> = (0..4).map(|which| format!("too late {which}")).collect();
    for seed in 0..64 {
        let outcome = explorer().seed(seed).run(looks_after_a_close);
        let text = format!("{:?}", outcome.finding.expect("it is found").report.outcome);
        left.retain(|wanted| !text.contains(wanted));
    }
    assert!(left.is_empty(), "never found: {left:?}");
}
