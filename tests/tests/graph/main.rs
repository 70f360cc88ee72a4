//! The wait-for graph as the report tells it: one finding for each cause, with whatever is behind it.

mod contexts;
mod holders;
mod live;

use std::sync::Arc;
use std::time::Duration;

use gmp::context::{background, with_cancel};
use gmp::inspect::WaitReason;
use gmp::leak::{Code, Finding, Report, Verdict, examine};
use gmp::report::finding::BodyOutcome;
use gmp::sync::{Mutex, Once, RwLock, WaitGroup};
use gmp::time::{Ticker, Timer, sleep};
use gmp::{chan, channel, go, yield_now};

const HOUR: Duration = Duration::from_secs(3600);

/// The report on a body, which must hold a single finding.
#[track_caller]
fn one(report: &Report) -> &Finding {
    assert_eq!(report.findings.len(), 1, "{report}");
    &report.findings[0]
}

#[test]
fn two_hundred_behind_one_lost_done_are_one_finding_with_199_followers() {
    let report = examine("lost done", || async {
        let (wg, lock) = (WaitGroup::new(), Arc::new(Mutex::new(())));
        wg.add(2);
        wg.done();
        let (tx, rx) = channel::<u32>(0);
        let held = lock.clone();
        let first = go(async move {
            let (_guard, _tx) = (held.lock().await, tx);
            wg.wait().await;
        });
        yield_now().await;
        // 50 wait for its lock, 48 in a chain behind it, 100 for its sender, and one joins it.
        for _ in 0..50 {
            let lock = lock.clone();
            drop(go(async move { drop(lock.lock().await) }));
        }
        let mut before = rx.clone();
        for _ in 0..48 {
            let (next_tx, next_rx) = channel::<u32>(0);
            drop(go(async move {
                before.recv().await;
                drop(next_tx);
            }));
            before = next_rx;
        }
        for _ in 0..100 {
            let rx = rx.clone();
            drop(go(async move { rx.recv().await }));
        }
        drop(go(async move { first.await.is_ok() }));
        yield_now().await;
    })
    .unwrap();
    let finding = one(&report);
    assert_eq!(finding.code, Code::WaitGroup);
    assert_eq!((finding.count, finding.behind(), finding.total()), (1, 199, 200));
    assert!(report.groups().all(|group| group.verdict == Verdict::Proven), "{report}");
    assert!(report.to_string().contains("Error: gmp: 200 goroutines leaked in lost done: G"));
    assert!(report.to_string().contains("(Proven, 199 behind it)"), "{report}");
}

#[test]
fn two_hundred_that_wait_for_one_lost_done_themselves_are_one_finding() {
    let report = examine("lost done", || async {
        let wg = WaitGroup::new();
        wg.add(1);
        for n in 0..200 {
            let wg = wg.clone();
            match n % 2 {
                0 => drop(go(async move { wg.wait().await })),
                _ => drop(go(async move {
                    wg.wait().await;
                })),
            }
        }
        yield_now().await;
    })
    .unwrap();
    let finding = one(&report);
    assert_eq!((finding.count, finding.total()), (100, 200));
    assert_eq!(finding.followers[0].waits_for, None, "it waits for the same");
}

#[test]
fn a_lock_and_a_channel_in_a_circle_are_named_step_by_step() {
    let report = examine("circle", || async {
        let (lock, ch) = (Arc::new(Mutex::new(())), chan::<u32>(0));
        let (held, answers) = (lock.clone(), ch.clone());
        drop(go(async move {
            let _guard = held.lock().await;
            answers.recv().await;
        }));
        yield_now().await;
        drop(go(async move {
            drop(lock.lock().await);
            ch.send(1).await;
        }));
        yield_now().await;
    })
    .unwrap();
    let finding = one(&report);
    assert_eq!((finding.code, finding.total()), (Code::Circle, 2));
    let circle = finding.circle.as_ref().expect("a circle");
    assert_eq!(circle.length, 2);
    assert_eq!(circle.steps[0].to, circle.steps[1].from);
    assert_eq!(circle.steps[1].to, circle.steps[0].from);
    assert!(circle.steps.iter().any(|step| step.held_at.is_some()), "{circle:?}");
    let text = report.to_string();
    for words in
        ["deadlock: G", "holds mutex #", "(locked at tests/tests/graph/main.rs:", "drop the guard"]
    {
        assert!(text.contains(words), "{words:?} is not in {text}");
    }
}

#[test]
fn whoever_waits_for_what_it_holds_is_a_circle_of_one() {
    let report = examine("self", || async {
        let (tx, rx) = channel::<u32>(0);
        drop(go(async move {
            let _own = tx;
            rx.recv().await
        }));
        let (ctx, cancel) = with_cancel(&background());
        drop(go(async move {
            let _own = cancel;
            ctx.done().await
        }));
        let lock = Arc::new(RwLock::new(()));
        drop(go(async move {
            let _first = lock.write().await;
            drop(lock.read().await);
        }));
        yield_now().await;
    })
    .unwrap();
    assert_eq!(report.findings.len(), 3, "{report}");
    for finding in &report.findings {
        assert_eq!(finding.circle.as_ref().map(|circle| circle.length), Some(1), "{report}");
    }
}

#[test]
fn the_sleeper_that_holds_the_sender_is_the_cause() {
    let report = examine("sleeper", || async {
        let (tx, rx) = channel::<u32>(0);
        drop(go(async move { rx.recv().await }));
        drop(go(async move {
            sleep(HOUR).await;
            tx.send(1).await
        }));
        yield_now().await;
    })
    .unwrap();
    let finding = one(&report);
    assert_eq!((finding.code, finding.verdict.name()), (Code::Timer, "Timer"));
    let follower = &finding.followers[0];
    assert_eq!((follower.code, follower.verdict.name()), (Code::ChanReceive, "Reachable"));
    assert_eq!(follower.waits_for, finding.goroutines.first().copied());
}

#[test]
fn a_receive_from_a_timer_has_the_code_of_timers_while_it_is_armed() {
    let code = |start: fn()| {
        let report = examine("timers", move || async move {
            start();
            yield_now().await;
        });
        one(&report.unwrap()).code
    };
    let ticker = || drop(go(async { Ticker::new(HOUR).recv().await }));
    assert_eq!(code(ticker), Code::Timer);
    let stopped = || {
        drop(go(async {
            let timer = Timer::new(HOUR);
            timer.stop();
            timer.recv().await
        }));
    };
    assert_eq!(code(stopped), Code::ChanReceive);
}

#[test]
fn the_older_of_two_handles_is_seen_as_well() {
    // The last handle to go is that of the waiter itself; the log knows the other one too.
    let report = examine("older", || async {
        let (wg, never) = (WaitGroup::new(), chan::<u32>(0));
        wg.add(1);
        let owes = wg.clone();
        drop(go(async move {
            never.recv().await;
            owes.done();
        }));
        drop(go(async move { wg.wait().await }));
        yield_now().await;
    })
    .unwrap();
    let finding = one(&report);
    assert_eq!(finding.code, Code::ChanReceive);
    assert_eq!(finding.followers[0].reason, WaitReason::WaitGroupWait);
}

#[test]
fn once_runners_and_joined_goroutines_come_first() {
    let report = examine("once", || async {
        let (once, never) = (Arc::new(Once::new()), chan::<u32>(0));
        for _ in 0..3 {
            let (once, never) = (once.clone(), never.clone());
            drop(go(async move { once.call(|| async { _ = never.recv().await }).await }));
        }
        yield_now().await;
    })
    .unwrap();
    let finding = one(&report);
    assert_eq!((finding.code, finding.count, finding.behind()), (Code::ChanReceive, 1, 2));
}

#[test]
fn a_body_behind_a_cause_comes_second_and_one_that_is_the_cause_first() {
    let behind = examine("behind", || async {
        let (tx, rx) = channel::<u32>(0);
        drop(go(async move {
            chan::<u32>(0).recv().await;
            drop(tx);
        }));
        rx.recv().await;
    })
    .unwrap();
    assert_eq!(behind.outcome, BodyOutcome::Asleep);
    let bodies: Vec<bool> = behind.findings.iter().map(|finding| finding.is_body).collect();
    assert_eq!(bodies, [false, true], "{behind}");
    let first = examine("first", || async {
        let lock = Arc::new(Mutex::new(()));
        let _guard = lock.clone().lock_owned().await;
        drop(go(async move { drop(lock.lock().await) }));
        chan::<u32>(0).recv().await;
    })
    .unwrap();
    assert!(first.findings[0].is_body && first.findings[0].behind() == 1, "{first}");
}

#[test]
fn what_started_whom_is_told_back_to_the_test() {
    let report = examine("ancestry", || async {
        drop(go(async {
            drop(go(async {
                drop(go(async { chan::<u32>(0).recv().await }));
            }));
        }));
        yield_now().await;
    })
    .unwrap();
    let finding = one(&report);
    // The two that started it have ended; the last is the body.
    assert_eq!(finding.ancestry.len(), 3, "{finding:?}");
    assert_eq!(finding.created_by, Some(finding.ancestry[0].id));
    assert_eq!(report.to_string().matches(" was started here").count(), 2, "{report}");
}

/// Cancels a context when it is dropped, which the reaper does while others are frozen.
struct CancelsOnDrop(gmp::context::Cancel);

impl Drop for CancelsOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

#[test]
fn a_destructor_that_cancels_contexts_does_not_disturb_the_graph() {
    let report = examine("destructor", || async {
        let (ctx, cancel) = with_cancel(&background());
        let never = chan::<u32>(0);
        drop(go(async move {
            let _cancels = CancelsOnDrop(cancel);
            never.recv().await;
        }));
        for _ in 0..10 {
            let ctx = ctx.clone();
            drop(go(async move { ctx.done().await }));
        }
        yield_now().await;
    })
    .unwrap();
    let finding = one(&report);
    assert_eq!((finding.code, finding.count, finding.behind()), (Code::ChanReceive, 1, 10));
}

#[test]
fn a_chain_of_twenty_thousand_joins_is_told_on_a_page() {
    let report = examine("many", || async {
        let lock = Arc::new(Mutex::new(()));
        core::mem::forget(lock.clone().lock_owned().await);
        let mut before = None;
        for _ in 0..20_000 {
            let (lock, joined) = (lock.clone(), before.take());
            before = Some(go(async move {
                match joined {
                    Some(joined) => drop::<Result<(), gmp::JoinError>>(joined.await),
                    None => drop(lock.lock().await),
                }
            }));
        }
        yield_now().await;
    })
    .unwrap();
    let finding = one(&report);
    assert_eq!((finding.code, finding.count, finding.behind()), (Code::Lock, 1, 19_999));
    assert!(report.graph.total >= 19_999 && report.graph.edges.len() <= 1_000);
    assert!(report.to_string().len() < 16 << 10);
}

#[test]
fn a_hundred_thousand_edges_are_told_on_a_page() {
    const SIDE: usize = 316;
    let report = examine("many", || async {
        // Everybody waits for a sender that everybody has: one circle of all.
        let ends: Vec<_> = (0..SIDE).map(|_| channel::<u32>(0)).collect();
        let begin = chan::<()>(0);
        for (_, rx) in &ends {
            let senders: Vec<_> = ends.iter().map(|(tx, _)| tx.clone()).collect();
            let (rx, begin) = (rx.clone(), begin.clone());
            drop(go(async move {
                begin.recv().await;
                rx.recv().await;
                drop(senders);
            }));
        }
        begin.close();
        drop(ends);
        yield_now().await;
    })
    .unwrap();
    let finding = one(&report);
    assert_eq!((finding.verdict.clone(), finding.total()), (Verdict::Proven, SIDE));
    assert_eq!(finding.code, Code::Circle);
    assert!(report.graph.total >= 99_000, "{}", report.graph.total);
    assert!(report.graph.edges.len() <= 1_000 && report.to_string().len() < 16 << 10);
}
