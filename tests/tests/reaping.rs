//! Bad input for the check: goroutines that panic, destructors that panic, start goroutines, send or
//! block while stuck goroutines are reaped, and very many leaks. All of it is reported, and nothing of a
//! closed scope runs.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use gmp::__private::{Descriptor, Submission, examine, inventory, rerun};
use gmp::inspect::WaitReason;
use gmp::leak::Verdict;
use gmp::report::finding::{BodyOutcome, Report};
use gmp::time::sleep;
use gmp::{chan, channel, go};

fn test(name: &str) -> &'static Descriptor {
    let found = inventory::iter::<Submission>().find(|submission| submission.0.path() == name);
    found.expect("a test with this name").0
}

fn report_on(name: &str) -> Report {
    examine(test(name))
}

/// Calls a function when it is dropped.
struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        self.0();
    }
}

/// Starts a goroutine that is stuck for ever and calls `at_end` when it is reaped.
fn stuck(at_end: impl FnMut() + Send + 'static) {
    let ch = chan::<u32>(0);
    drop(go(async move {
        let _at_end = OnDrop(at_end);
        ch.recv().await
    }));
}

#[gmp::test]
#[ignore = "fails; run by the test below"]
async fn panics() {
    drop(go(async { panic!("out of cheese") }));
}

#[test]
fn a_panic_in_a_goroutine_fails_the_test_and_is_named() {
    let report = report_on("panics");
    assert_eq!(report.outcome, BodyOutcome::Passed);
    assert!(report.findings.is_empty());
    assert_eq!(report.panics.len(), 1);
    assert_eq!(report.panics[0].message, "out of cheese");
    assert!(report.panics[0].created_at.file.ends_with("reaping.rs"));
    let why = rerun(test("panics")).unwrap_err();
    assert!(why.starts_with("Error: gmp:") && why.contains("out of cheese"), "{why}");
}

static REAPED: AtomicUsize = AtomicUsize::new(0);

#[gmp::test]
#[ignore = "fails; run by the test below"]
async fn destructors_panic() {
    for n in 0..5 {
        stuck(move || {
            REAPED.fetch_add(1, Ordering::Relaxed);
            assert!(n % 2 == 0, "destructor {n} failed");
        });
    }
}

#[test]
fn a_panic_in_a_destructor_is_reported_and_stops_nothing() {
    REAPED.store(0, Ordering::Relaxed);
    let report = report_on("destructors_panic");
    assert_eq!(REAPED.load(Ordering::Relaxed), 5);
    assert_eq!(report.groups().map(|finding| finding.count).sum::<usize>(), 5);
    assert!(report.groups().all(|finding| finding.verdict == Verdict::Proven));
    let notes = report.reap_notes.join("\n");
    assert!(
        notes.contains("destructor 1 failed") && notes.contains("destructor 3 failed"),
        "{notes}"
    );
}

static RAN: AtomicUsize = AtomicUsize::new(0);
static DROPPED: AtomicUsize = AtomicUsize::new(0);

#[gmp::test]
#[ignore = "fails; run by the test below"]
async fn destructors_start_goroutines() {
    for _ in 0..3 {
        stuck(|| {
            let dropped = OnDrop(|| {
                DROPPED.fetch_add(1, Ordering::Relaxed);
            });
            drop(go(async move {
                let _dropped = dropped;
                RAN.fetch_add(1, Ordering::Relaxed);
            }));
        });
    }
}

#[test]
fn a_goroutine_started_by_a_destructor_is_reported_and_does_not_run() {
    let report = report_on("destructors_start_goroutines");
    assert_eq!(RAN.load(Ordering::Relaxed), 0);
    assert_eq!(DROPPED.load(Ordering::Relaxed), 3);
    assert_eq!(report.findings[0].count, 3);
    let notes = report.reap_notes.join("\n");
    assert!(notes.contains("started by a destructor"), "{notes}");
}

static WENT_ON: AtomicUsize = AtomicUsize::new(0);

#[gmp::test]
#[ignore = "fails; run by the test below"]
async fn a_destructor_sends() {
    let (tx, rx) = channel::<u32>(0);
    drop(go(async move {
        rx.recv().await;
        WENT_ON.fetch_add(1, Ordering::Relaxed);
    }));
    let (full_tx, full_rx) = channel::<u32>(0);
    drop(go(async move {
        full_tx.send(1).await.unwrap();
        WENT_ON.fetch_add(1, Ordering::Relaxed);
    }));
    stuck(move || {
        let _ = tx.try_send(1);
        let _ = full_rx.try_recv();
    });
}

#[test]
fn what_a_destructor_releases_does_not_run() {
    let report = report_on("a_destructor_sends");
    assert_eq!(WENT_ON.load(Ordering::Relaxed), 0);
    assert_eq!(report.groups().map(|finding| finding.count).sum::<usize>(), 3);
    // Whoever would have released them is stuck itself.
    assert!(report.groups().all(|finding| finding.verdict == Verdict::Proven), "{report:?}");
}

#[gmp::test]
#[ignore = "fails; run by the test below"]
async fn a_destructor_parks() {
    stuck(|| assert!(chan::<u32>(0).blocking_recv().is_some(), "it never comes back"));
    stuck(|| ());
}

#[test]
fn a_destructor_that_parks_is_unwound_and_reported() {
    let report = report_on("a_destructor_parks");
    assert_eq!(report.groups().map(|finding| finding.count).sum::<usize>(), 2);
    assert!(report.groups().all(|finding| finding.verdict == Verdict::Proven), "{report:?}");
    assert_eq!(report.reap_notes.len(), 1, "{:?}", report.reap_notes);
}

#[gmp::test]
#[ignore = "fails; run by the test below"]
async fn a_destructor_blocks() {
    // Far longer than the check waits for one destructor.
    stuck(|| std::thread::sleep(Duration::from_secs(20)));
}

#[test]
fn a_destructor_that_blocks_is_named_and_does_not_hang_the_test() {
    let began = Instant::now();
    let report = report_on("a_destructor_blocks");
    assert!(began.elapsed() < Duration::from_secs(20), "it did not wait for the destructor");
    let stuck = &report.findings[0];
    assert_eq!(stuck.reason, WaitReason::ChanReceive);
    let notes = report.reap_notes.join("\n");
    let id = stuck.goroutines[0].to_string();
    assert!(notes.contains(&id) && notes.contains("blocks"), "{notes}");
}

#[gmp::test]
#[ignore = "fails; run by the test below"]
async fn a_value_in_a_buffer_panics_when_dropped() {
    let ch = chan::<OnDrop<fn()>>(1);
    ch.send(OnDrop(|| panic!("the value failed"))).await;
    drop(go(async move { ch.send(OnDrop(|| ())).await }));
}

#[test]
fn a_panic_of_a_buffered_value_is_reported() {
    let report = report_on("a_value_in_a_buffer_panics_when_dropped");
    let notes = report.reap_notes.join("\n");
    assert!(notes.contains("the value failed"), "{notes}");
}

async fn worker(ch: gmp::Chan<u32>) {
    ch.recv().await;
}

#[gmp::test]
#[ignore = "leaks; run by the test below"]
async fn leaks_100_000() {
    let ch = chan(0);
    for _ in 0..100_000 {
        drop(go(worker(ch.clone())));
    }
}

#[test]
fn very_many_equal_leaks_are_one_group() {
    let report = report_on("leaks_100_000");
    assert_eq!(report.findings.len(), 1);
    assert_eq!(report.findings[0].count, 100_000);
    assert_eq!(report.findings[0].verdict, Verdict::Proven);
    assert!(report.findings[0].goroutines.len() < 100, "only the first few are listed");
}

#[gmp::test]
#[ignore = "leaks; run by the test below"]
async fn leaks_100_000_of_each_its_own_channel() {
    for n in 0..100_000 {
        match n % 3 {
            0 => drop(go(worker(chan(0)))),
            1 => drop(go(async { chan(0).send(1).await })),
            _ => drop(go(sleep(Duration::from_secs(3600)))),
        }
    }
}

#[test]
fn very_many_leaks_of_three_kinds_are_three_groups() {
    let report = report_on("leaks_100_000_of_each_its_own_channel");
    let mut counts: Vec<usize> = report.findings.iter().map(|finding| finding.count).collect();
    counts.sort_unstable();
    assert_eq!(counts, [33_333, 33_333, 33_334]);
}
