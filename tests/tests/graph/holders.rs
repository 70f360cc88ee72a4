//! Who holds what keeps others waiting: handles that were cloned, permits, and conditions.

use std::sync::Arc;

use gmp::context::{background, with_cancel};
use gmp::inspect::PrimitiveKind as Kind;
use gmp::leak::{Code, Report, examine};
use gmp::sync::{Cond, Mutex, Semaphore, WaitGroup};
use gmp::{chan, channel, go, yield_now};

use crate::one;

/// The lines where handles were cloned that could release the only finding.
#[track_caller]
fn clones(report: &Report) -> Vec<(u32, i64)> {
    let text = report.to_string();
    assert!(text.contains("possible holders: handles were cloned at"), "{text}");
    let holders = &one(report).possible_holders;
    assert!(holders.iter().all(|(at, _)| at.file.ends_with("graph/holders.rs")), "{holders:?}");
    holders.iter().map(|(at, times)| (at.line, *times)).collect()
}

#[test]
fn possible_holders_of_a_channel_are_the_lines_of_clones() {
    let line = line!() + 3;
    let report = examine("static", || async {
        let (tx, rx) = channel::<u32>(0);
        core::mem::forget((tx.clone(), tx.clone()));
        drop(tx);
        drop(go(async move { rx.recv().await }));
        yield_now().await;
    });
    // Two clones of one line have two columns.
    assert_eq!(clones(&report.unwrap()), [(line, 1), (line, 1)]);
}

#[test]
fn possible_holders_of_a_wait_group_are_the_lines_of_clones() {
    let line = line!() + 5;
    let report = examine("static", || async {
        let wg = WaitGroup::new();
        wg.add(3);
        for _ in 0..3 {
            core::mem::forget(wg.clone());
        }
        drop(go(async move { wg.wait().await }));
        yield_now().await;
    });
    assert_eq!(clones(&report.unwrap()), [(line, 3)]);
}

#[test]
fn possible_holders_of_a_cancel_handle_are_the_lines_of_clones() {
    let line = line!() + 3;
    let report = examine("static", || async {
        let (ctx, cancel) = with_cancel(&background());
        core::mem::forget(cancel.clone());
        drop(cancel);
        drop(go(async move { ctx.done().await }));
        yield_now().await;
    });
    assert_eq!(clones(&report.unwrap()), [(line, 1)]);
}

/// Whether the graph has an edge over a primitive of this kind, from a follower to the only cause.
#[track_caller]
fn has_edge(report: &Report, kind: Kind) -> bool {
    let lead = one(report).goroutines[0];
    let over = |edge: &&gmp::report::finding::Edge| edge.primitive.is_some_and(|p| p.1 == kind);
    let edges: Vec<_> = report.graph.edges.iter().filter(over).collect();
    assert!(edges.iter().all(|edge| edge.to == lead && edge.from != lead), "{edges:?}");
    !edges.is_empty()
}

#[test]
fn whoever_waits_for_permits_is_behind_those_who_have_them() {
    let report = examine("permits", || async {
        let (permits, never) = (Arc::new(Semaphore::new(2)), chan::<u32>(0));
        let held = permits.clone();
        drop(go(async move {
            let _permits = held.acquire(2).await;
            never.recv().await;
        }));
        yield_now().await;
        for _ in 0..3 {
            let permits = permits.clone();
            drop(go(async move { drop(permits.acquire(1).await) }));
        }
        yield_now().await;
    })
    .unwrap();
    assert_eq!((one(&report).code, one(&report).behind()), (Code::ChanReceive, 3), "{report}");
    assert!(has_edge(&report, Kind::Semaphore));
}

/// Somebody waits for a condition that another goroutine, which is stuck, would signal.
fn condition(signaller_first: bool) -> Report {
    examine("condition", move || async move {
        let shared = Arc::new((Mutex::new(false), Cond::new()));
        let wait = |shared: Arc<(Mutex<bool>, Cond)>| async move {
            let mut ready = shared.0.lock().await;
            while !*ready {
                ready = shared.1.wait(ready).await;
            }
        };
        let signal = |shared: Arc<(Mutex<bool>, Cond)>| async move {
            chan::<u32>(0).recv().await;
            shared.1.signal();
        };
        if signaller_first {
            drop(go(signal(shared.clone())));
            drop(go(wait(shared)));
        } else {
            drop(go(wait(shared.clone())));
            drop(go(signal(shared)));
        }
        yield_now().await;
    })
    .unwrap()
}

// A `Cond` is shared by an `Arc` of its users: only whoever is the last to drop it is seen.
#[test]
fn whoever_waits_for_a_condition_is_behind_its_last_holder_only() {
    let seen = condition(false);
    assert_eq!((one(&seen).code, one(&seen).behind()), (Code::ChanReceive, 1), "{seen}");
    assert!(has_edge(&seen, Kind::Cond));
    let unseen = condition(true);
    let codes: Vec<Code> = unseen.findings.iter().map(|finding| finding.code).collect();
    assert_eq!(codes.len(), 2, "{unseen}");
    assert!(codes.contains(&Code::Cond) && codes.contains(&Code::ChanReceive), "{unseen}");
}
