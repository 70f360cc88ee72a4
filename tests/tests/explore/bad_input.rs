//! Bodies that cannot be explored, and schedules that are none.

use gmp::explore::{Explorer, Kind, ScheduleError, Trouble};
use gmp::{chan, go};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

fn explorer() -> Explorer {
    Explorer::new("a body").schedules(50)
}

async fn waits_for_a_thread() {
    let ch = chan(1);
    let sender = ch.clone();
    let thread = std::thread::spawn(move || sender.blocking_send(1));
    assert_eq!(ch.recv().await, Some(1));
    thread.join().unwrap();
}

#[test]
fn a_body_with_a_thread_of_its_own_is_recognised() {
    let outcome = explorer().run(waits_for_a_thread);
    assert_eq!(outcome.trouble, Some(Trouble::Outside));
    assert!(outcome.finding.is_none());
}

async fn waits_for_the_network() {
    let listener = gmp::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    let client = go(async move { gmp::net::TcpStream::connect(at).await.is_ok() });
    listener.accept().await.unwrap();
    assert!(client.await.unwrap());
}

#[test]
fn a_body_that_uses_the_network_is_recognised() {
    let outcome = explorer().run(waits_for_the_network);
    let trouble = outcome.trouble.expect("the network is no part of a schedule");
    assert_eq!(trouble, Trouble::Outside);
    let text = trouble.to_string();
    for part in ["a thread, the network", "take it out of this test, or do not explore it"] {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn a_body_that_is_different_each_time_is_recognised() {
    let runs = Arc::new(AtomicU32::new(0));
    let outcome = explorer().run(move || {
        let odd = runs.fetch_add(1, Ordering::Relaxed) % 2 == 1;
        async move {
            let ch = chan(2);
            ch.send(1).await;
            if odd {
                ch.send(2).await;
            } else {
                ch.recv().await;
            }
        }
    });
    match outcome.trouble {
        Some(Trouble::Differs(how)) => {
            assert!(how.contains("step 2") && how.contains("bad_input.rs"), "{how}");
        }
        other => panic!("{other:?}"),
    }
}

/// It leaks at its third run only.
#[test]
fn a_finding_that_does_not_come_again_is_none() {
    let runs = Arc::new(AtomicU32::new(0));
    let outcome = explorer().run(move || {
        let leaks = runs.fetch_add(1, Ordering::Relaxed) == 10;
        async move {
            let ch = chan::<()>(0);
            drop(go(async move {
                if leaks {
                    ch.recv().await;
                }
            }));
        }
    });
    assert!(matches!(outcome.trouble, Some(Trouble::Differs(_))), "{:?}", outcome.trouble);
    assert!(outcome.finding.is_none());
}

async fn leaks() {
    let ch = chan::<()>(0);
    drop(go(async move { ch.recv().await }));
}

#[test]
fn a_schedule_of_another_test_or_version_is_refused() {
    let replay = explorer().run(leaks).finding.unwrap().replay;
    let trouble = |name: &str, schedule: &str| Explorer::new(name).replay(schedule, leaks).trouble;
    assert_eq!(trouble("a body", &replay), None);
    let other = Some(Trouble::Schedule(ScheduleError::OtherTest));
    assert_eq!(trouble("another body", &replay), other);
    let later = replay.replacen("1:", "2:", 1);
    let version = Some(Trouble::Schedule(ScheduleError::OtherVersion(2)));
    assert_eq!(trouble("a body", &later), version);
    let malformed = trouble("a body", "seed 7");
    assert!(matches!(malformed, Some(Trouble::Schedule(ScheduleError::Malformed(_)))));
}

#[test]
fn a_schedule_of_a_body_that_has_changed_says_so() {
    let replay = explorer().run(leaks).finding.unwrap().replay;
    let outcome = explorer().replay(&replay, || async {
        let ch = chan::<()>(1);
        ch.send(()).await;
        drop(go(async move {
            ch.recv().await;
            ch.recv().await
        }));
    });
    let Some(Trouble::Strays(how)) = outcome.trouble else { panic!("{:?}", outcome.trouble) };
    assert!(how.contains("goroutines do other things"), "{how}");
    assert_eq!(outcome.finding.map(|finding| finding.kind), Some(Kind::Leak));
}

#[test]
fn exploring_inside_a_goroutine_is_refused() {
    let refused = gmp::block_on(async {
        std::panic::catch_unwind(|| explorer().run(leaks)).map(|_| ()).map_err(|payload| {
            payload.downcast_ref::<&str>().map(ToString::to_string).unwrap_or_default()
        })
    });
    assert!(refused.unwrap_err().contains("a goroutine cannot explore"));
}

/// Two goroutines, one after the other, and a draw.
async fn draws() {
    let ch = chan::<()>(0);
    let other = ch.clone();
    drop(go(async move {
        if gmp::choose(8) == 5 {
            other.recv().await;
        }
    }));
}

#[test]
fn the_first_decision_that_cannot_be_had_is_named() {
    let replay = explorer().schedules(500).run(draws).finding.unwrap().replay;
    // `choose` draws of fewer now.
    let outcome = explorer().replay(&replay, || async {
        let ch = chan::<()>(1);
        drop(go(async move {
            ch.send(()).await;
            gmp::choose(2);
        }));
    });
    let Some(Trouble::Strays(how)) = outcome.trouble else { panic!("{:?}", outcome.trouble) };
    for part in
        ["of goroutine 1, after `send` at ", "bad_input.rs", "number 6 of equals was to be chosen"]
    {
        assert!(how.contains(part), "{how}");
    }
    // Nobody draws any more.
    let outcome = explorer().replay(&replay, || async { drop(go(async {})) });
    let Some(Trouble::Strays(how)) = outcome.trouble else { panic!("{:?}", outcome.trouble) };
    assert!(how.contains("goroutine 1, of ") && how.contains("does not come to decision"), "{how}");
}
