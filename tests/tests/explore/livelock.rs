//! Which loops are taken for endless, and which are only long.

use std::sync::Arc;

use gmp::explore::{Deed, Explorer, Kind, Outcome};
use gmp::sync::Mutex;
use gmp::yield_now;
use gmp::{Chan, chan, go, select};

const MOST: u64 = 1_000;

fn explorer() -> Explorer {
    Explorer::new("a body").schedules(20).max_steps(MOST)
}

fn kind(outcome: &Outcome) -> Option<Kind> {
    assert_eq!(outcome.trouble, None);
    outcome.finding.as_ref().map(|finding| finding.kind)
}

/// Four goroutines that lock, unlock and now and then look whether there is news; far more than `MOST` operations.
async fn works_for_long() {
    let (total, stop) = (Arc::new(Mutex::new(0)), chan::<()>(0));
    let workers: Vec<_> = (0..4)
        .map(|_| {
            let (total, stop) = (total.clone(), stop.clone());
            go(async move {
                for round in 0..400 {
                    *total.lock().await += 1;
                    if round % 40 == 0 {
                        assert!(stop.try_recv().is_err());
                    }
                }
            })
        })
        .collect();
    for worker in workers {
        worker.await.unwrap();
    }
    assert_eq!(*total.lock().await, 1_600);
}

/// One value after the other is passed on, and both sides look in vain before each.
async fn passes_on_for_long() {
    async fn looks(ch: &Chan<u64>) {
        select! {
            recv(ch) -> _ => {}
            default => {}
        }
        yield_now().await;
    }
    let (ch, never) = (chan(0), chan::<u64>(0));
    let (sender, other) = (ch.clone(), never.clone());
    let sent = go(async move {
        for i in 0..MOST {
            looks(&other).await;
            sender.send(i).await;
        }
    });
    for i in 0..MOST {
        looks(&never).await;
        assert_eq!(ch.recv().await, Some(i));
    }
    sent.await.unwrap();
}

/// Each of many is started, yields, and ends.
async fn starts_one_after_the_other() {
    for _ in 0..MOST {
        go(yield_now()).await.unwrap();
    }
}

#[test]
fn a_long_body_is_no_livelock() {
    assert_eq!(kind(&explorer().run(works_for_long)), None);
    assert_eq!(kind(&explorer().run(passes_on_for_long)), None);
    assert_eq!(kind(&explorer().run(starts_one_after_the_other)), None);
}

#[test]
fn a_hundred_thousand_operations_are_not_too_many() {
    let outcome = Explorer::new("a body").schedules(1).run(|| async {
        let total = Mutex::new(0);
        for _ in 0..60_000 {
            *total.lock().await += 1;
        }
    });
    assert_eq!(kind(&outcome), None);
}

async fn locks_for_ever() {
    let lock = Arc::new(Mutex::new(false));
    let other = lock.clone();
    drop(go(async move { while !*other.lock().await {} }));
    drop(lock.lock().await);
}

async fn passes_on_for_ever() {
    let ch = chan(0);
    let sender = ch.clone();
    drop(go(async move {
        loop {
            sender.send(()).await;
        }
    }));
    while ch.recv().await.is_some() {}
}

async fn starts_for_ever() {
    loop {
        go(yield_now()).await.unwrap();
    }
}

async fn sleeps_for_ever() {
    let stop = chan::<()>(0);
    while !stop.is_closed() {
        gmp::time::sleep(std::time::Duration::from_millis(1)).await;
    }
}

#[test]
fn a_loop_without_an_end_is_found_whatever_it_does() {
    let found = |outcome: Outcome| {
        assert_eq!(kind(&outcome), Some(Kind::Livelock));
        outcome.finding.unwrap()
    };
    found(explorer().run(locks_for_ever));
    found(explorer().run(passes_on_for_ever));
    found(explorer().run(sleeps_for_ever));
    let finding = found(explorer().run(starts_for_ever));
    assert!(finding.table.rows.iter().any(|row| row.deed == Deed::Ends), "{}", finding.table);
    let again = explorer().replay(&finding.replay, starts_for_ever);
    assert_eq!(kind(&again), Some(Kind::Livelock));
    assert_eq!(again.finding.unwrap().replay, finding.replay);
}

/// It waits in a loop for somebody, and somebody for a timer.
async fn waits_in_a_loop() {
    let told = chan::<()>(0);
    let tell = told.clone();
    drop(go(async move {
        gmp::time::sleep(std::time::Duration::from_secs(1)).await;
        tell.close();
    }));
    while !told.is_closed() {
        yield_now().await;
    }
}

#[test]
fn everybody_gets_a_turn_before_a_loop_counts_as_endless() {
    assert_eq!(kind(&explorer().schedules(200).run(waits_in_a_loop)), None);
}
