//! What counts as evidence that a blocked body may still be released.
#![cfg(feature = "test")]

use std::time::Duration;

use gmp::report::finding::BodyOutcome;
use gmp::{chan, go};

#[test]
fn a_goroutine_of_the_global_runtime_may_still_send() {
    let report = gmp::leak::examine("waits for the global runtime", || async {
        let ch = chan(0);
        let sender = ch.clone();
        // A plain thread has no scope: its goroutine lands in the global runtime, and the thread is
        // gone when the goroutine sends.
        let starter = std::thread::spawn(move || {
            go(async move {
                gmp::time::sleep(Duration::from_millis(30)).await;
                sender.send(7).await;
            });
        });
        starter.join().unwrap();
        assert_eq!(ch.recv().await, Some(7));
    });
    let report = report.unwrap();
    assert_eq!(report.outcome, BodyOutcome::Passed, "{report}");
    assert!(report.is_clean(), "{report}");
}

#[test]
fn a_thread_that_sends_and_ends_is_not_missed() {
    for _ in 0..300 {
        let report = gmp::leak::examine("waits for a thread", || async {
            let ch = chan(1);
            let sender = ch.clone();
            std::thread::spawn(move || sender.blocking_send(7));
            assert_eq!(ch.recv().await, Some(7));
        });
        let report = report.unwrap();
        assert!(report.is_clean(), "{report}");
    }
}
