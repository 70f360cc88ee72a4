//! What uber-go/goleak promises its users, and what they still ask it for: each shown by a test of ours.
//!
//! The tests are plain `#[test]`s with a guard, as somebody has them who comes from `defer goleak.VerifyNone(t)`.
//! A guard is a scope of its own, so they run in parallel. The goroutines run on the global runtime.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use gmp::leak::{
    CheckError, Finding, Options, Snapshot, Verdict, examine, find, find_with, guard, verify_none,
    verify_none_with,
};
use gmp::{Chan, chan, go};

const SOURCE: &str = include_str!("goleak.rs");

/// A goroutine that waits until it is released.
struct Blocked(Chan<()>);

async fn block(release: Chan<()>) {
    release.recv().await; // <block>
}

fn start_blocked() -> Blocked {
    let release = chan(0);
    go(block(release.clone())); // <start>
    Blocked(release)
}

impl Blocked {
    fn release(self) {
        self.0.close();
    }
}

/// For checks that are to find something: patient, but a goroutine that is parked for good is found at once.
fn patient() -> Options {
    Options::new().linger(Duration::from_secs(30))
}

fn found(options: &Options) -> Vec<Finding> {
    find_with(options).expect("rules that can be read")
}

/// A guarded body on a thread of its own; what the guard finds.
fn guarded(body: impl FnOnce() + Send + 'static) -> Result<(), CheckError> {
    let thread = thread::spawn(|| {
        let guard = guard!();
        body();
        guard.check()
    });
    thread.join().expect("no panic")
}

mod find_and_verify {
    use super::*;

    #[test]
    fn find_names_the_function_that_blocks_and_the_line_that_started_it() {
        let _guard = guard!();
        assert!(find().expect("good settings").is_empty());
        let blocked = start_blocked();
        let findings = found(&patient());
        assert_eq!(findings.len(), 1);
        let finding = &findings[0];
        assert_eq!(finding.created_at.line, gmp_tests::line(SOURCE, "start"));
        assert_eq!(finding.stacks[0][0].function, "goleak::block");
        let at = finding.stacks[0][0].at.as_ref().map(|at| at.line);
        assert_eq!(at, Some(gmp_tests::line(SOURCE, "block")));
        blocked.release();
        assert!(find().expect("good settings").is_empty());
    }

    #[test]
    fn find_waits_for_a_goroutine_that_is_about_to_end() {
        let _guard = guard!();
        let blocked = start_blocked();
        assert_eq!(found(&patient()).len(), 1);
        go(async move {
            gmp::time::sleep(Duration::from_millis(1)).await;
            blocked.release();
        });
        assert!(found(&patient()).is_empty());
    }

    #[test]
    fn verify_none_fails_with_the_report_while_something_is_left() {
        let _guard = guard!();
        verify_none().expect("nothing was started");
        let blocked = start_blocked();
        let error = verify_none_with(&patient()).expect_err("it is still there").to_string();
        assert!(error.starts_with("gmp: 1 goroutine leaked in the current scope: G"), "{error}");
        assert!(error.contains("goleak::block") && error.contains("started here"), "{error}");
        blocked.release();
        verify_none().expect("it has ended");
    }
}

mod ignore_current {
    use super::*;

    #[test]
    fn what_was_there_before_is_ignored() {
        let _guard = guard!();
        let before = start_blocked();
        let snapshot = Snapshot::take();
        snapshot.diff().expect("nothing is new");
        before.release();
    }

    #[test]
    fn what_was_started_after_it_is_found() {
        let _guard = guard!();
        let before = start_blocked();
        assert_eq!(found(&patient()).len(), 1);
        let snapshot = Snapshot::take();
        let after = start_blocked();
        let error = snapshot.diff_with(&patient()).expect_err("one is new").to_string();
        assert!(error.starts_with("gmp: 1 goroutine leaked"), "{error}");
        before.release();
        after.release();
    }

    /// Ids are never used again, so that a new goroutine is never taken for one of those before.
    #[test]
    fn goroutines_that_have_ended_hide_nobody_who_comes_later() {
        let _guard = guard!();
        let before: Vec<Blocked> = (0..5).map(|_| start_blocked()).collect();
        let snapshot = Snapshot::take();
        before.into_iter().for_each(Blocked::release);
        for _ in 0..5 {
            let blocked = start_blocked();
            snapshot.diff_with(&patient()).expect_err("it is new");
            blocked.release();
            verify_none().expect("it has ended");
        }
    }

    #[test]
    fn a_snapshot_of_nothing_hides_nothing() {
        let _guard = guard!();
        let snapshot = Snapshot::take();
        assert_eq!(snapshot.goroutines(), 0);
        let blocked = start_blocked();
        snapshot.diff_with(&patient()).expect_err("it is new");
        blocked.release();
    }
}

mod options {
    use super::*;

    fn ignoring(rules: &str) -> usize {
        found(&patient().ignore(rules)).len()
    }

    #[test]
    fn ignore_top_function_matches_the_innermost_function_only() {
        let _guard = guard!();
        async fn outer(release: Chan<()>) {
            block(release).await;
        }
        let release = chan(0);
        go(outer(release.clone()));
        assert_eq!(ignoring(""), 1);
        assert_eq!(ignoring("top:goleak::block"), 0);
        assert_eq!(ignoring("top:*outer"), 1);
        release.close();
    }

    #[test]
    fn ignore_any_function_matches_the_stack_but_not_the_line_that_started_it() {
        let _guard = guard!();
        let blocked = start_blocked();
        assert_eq!(ignoring("goleak::block"), 0);
        assert_eq!(ignoring("any:block"), 0);
        assert_eq!(ignoring("any:goleak::start_blocked"), 1);
        blocked.release();
    }

    #[test]
    fn ignore_created_by_matches_where_it_was_started() {
        let _guard = guard!();
        let blocked = start_blocked();
        let line = gmp_tests::line(SOURCE, "start");
        assert_eq!(ignoring(&format!("created-by:tests/goleak.rs:{line}")), 0);
        assert_eq!(ignoring("created-by:goleak::*"), 0);
        assert_eq!(ignoring("created-by:other::*"), 1);
        blocked.release();
        // A block of the function itself names the function.
        let release = chan::<()>(0);
        let waits = release.clone();
        go(async move { waits.recv().await });
        assert_eq!(ignoring("created-by:*ignore_created_by_matches_where_it_was_started"), 0);
        assert_eq!(ignoring("created-by:*ignore_any*"), 1);
        release.close();
    }

    #[test]
    fn filters_add_up_and_a_bad_one_is_an_error() {
        let _guard = guard!();
        let blocked = start_blocked();
        let both = patient().ignore("top:nobody").ignore("top:block");
        assert!(found(&both).is_empty());
        let error = find_with(&Options::new().ignore("top:[")).expect_err("bad").to_string();
        assert!(error.starts_with("Options::ignore: `[` is never closed"), "{error}");
        blocked.release();
    }

    #[test]
    fn cleanup_runs_after_the_check_and_knows_how_it_went() {
        let checked = guarded(|| drop(start_blocked()));
        // What stands below the check is the cleanup: the result says how it went.
        assert!(matches!(checked, Err(CheckError::Leaks { .. })));
        assert!(guarded(|| start_blocked().release()).is_ok());
    }
}

mod others {
    use super::*;

    #[cfg(unix)]
    #[cfg(unix)]
    #[test]
    fn listening_for_signals_is_no_leak() {
        let _guard = guard!();
        let signals = chan(1);
        let _notify =
            gmp::signal::notify(&signals, [gmp::signal::Signal::USER_2]).expect("it can be caught");
        verify_none().expect("no goroutine is behind it");
    }

    #[test]
    fn the_goroutine_that_asks_is_not_found() {
        let report = examine("asks", || async {
            assert!(find().expect("good settings").is_empty());
        });
        let report = report.expect("good settings");
        assert!(report.is_clean(), "{report:?}");
    }

    #[test]
    fn equal_stacks_are_one_finding_and_all_are_counted() {
        let _guard = guard!();
        let all: Vec<Blocked> = (0..5).map(|_| start_blocked()).collect();
        let findings = found(&patient());
        assert_eq!((findings.len(), findings[0].count), (1, 5));
        all.into_iter().for_each(Blocked::release);
    }

    #[test]
    fn a_very_deep_stack_is_shown_from_its_inner_end() {
        fn deep(
            depth: u32,
            release: Chan<()>,
        ) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
            Box::pin(async move {
                match depth {
                    0 => block(release).await,
                    _ => deep(depth - 1, release).await,
                }
            })
        }
        let error = guarded(|| drop(go(deep(300, chan(0))))).expect_err("it is left");
        let text = error.to_string();
        assert!(text.contains("goleak::block"), "{text}");
        assert!(text.len() < 20_000, "{} bytes", text.len());
    }
}

/// What users still ask for, each with the number of its issue.
mod asks {
    use super::*;

    /// #16. Tests that run in parallel: each guard knows its own goroutines.
    #[test]
    fn parallel_tests_do_not_see_each_other() {
        let (leaks, clean): (Vec<_>, Vec<_>) = (0..16)
            .map(|n| {
                let leak = thread::spawn(move || {
                    guarded(move || {
                        let blocked = start_blocked();
                        if n % 2 == 1 {
                            blocked.release();
                        }
                    })
                });
                (n, leak)
            })
            .partition(|(n, _)| n % 2 == 0);
        for (n, test) in leaks {
            let error = test.join().expect("no panic").expect_err("one is left").to_string();
            assert!(error.starts_with("gmp: 1 goroutine leaked"), "{n}: {error}");
        }
        for (n, test) in clean {
            assert!(test.join().expect("no panic").is_ok(), "{n}");
        }
    }

    /// #83. The wrong test blamed: a leak belongs to the test that started it, and is gone with it.
    #[test]
    fn a_later_test_is_not_blamed_for_an_earlier_one() {
        let leaks = examine("leaks", || async { drop(start_blocked()) }).expect("good settings");
        let clean = examine("clean", || async {}).expect("good settings");
        assert_eq!((leaks.name.as_str(), leaks.findings.len()), ("leaks", 1));
        assert!(clean.is_clean(), "{clean:?}");
    }

    /// #70. Ancestry: who started the goroutine that started it, although that has ended.
    #[test]
    fn the_report_says_how_its_ancestors_were_started() {
        let report = examine("ancestry", || async {
            async fn parent() {
                drop(start_blocked());
            }
            let parent = go(parent()); // <grandchild>
            parent.await.expect("no panic");
        });
        let report = report.expect("good settings");
        let lines: Vec<u32> = report.findings[0].ancestry.iter().map(|a| a.at.line).collect();
        assert!(lines.contains(&gmp_tests::line(SOURCE, "grandchild")), "{lines:?}");
    }

    /// #37. Ignoring by pattern or by package.
    #[test]
    fn rules_are_globs_on_whole_paths_and_packages() {
        let _guard = guard!();
        let blocked = start_blocked();
        for rule in ["goleak::*", "*::bl?ck", "goleak", "*[bB]lock", "created-by:goleak"] {
            assert!(found(&patient().ignore(rule)).is_empty(), "{rule}");
        }
        for rule in ["*::blo", "leak::*", "top:goleak::*::block"] {
            assert_eq!(found(&patient().ignore(rule)).len(), 1, "{rule}");
        }
        blocked.release();
    }

    /// #93. Retry settings: one duration, spent only if something may still come.
    #[test]
    fn patience_is_a_setting_and_is_not_spent_on_a_proof() {
        let guard = guard!(Options::new().linger(Duration::from_secs(3600)));
        drop(start_blocked());
        let Err(CheckError::Leaks { report }) = guard.check() else { panic!("it is left") };
        assert_eq!(report.findings[0].verdict, Verdict::Proven);
    }

    gmp::leak::declare!(
        "top:goleak::asks::kept_on_purpose",
        "a worker that is kept for the next user"
    );

    async fn kept_on_purpose(work: Chan<()>) {
        work.recv().await;
    }

    /// #119, #127. Libraries declare what they keep: nobody who uses them has to ignore it.
    #[test]
    fn what_a_library_declares_is_ignored_and_counted() {
        let report = examine("declared", || async { drop(go(kept_on_purpose(chan(0)))) });
        let report = report.expect("good settings");
        assert!(report.is_clean(), "{report:?}");
        assert_eq!(report.hidden.len(), 1);
        assert_eq!(report.hidden[0].count, 1);
        let reason = ": a worker that is kept for the next user";
        assert!(report.hidden[0].source.ends_with(reason), "{}", report.hidden[0].source);
    }

    /// #128. A test that fails is checked as well, and its own failure is not lost.
    #[test]
    fn a_failing_test_is_checked_too() {
        let report = examine("fails", || async {
            drop(start_blocked());
            panic!("the body fails");
        });
        let report = report.expect("good settings");
        let outcome = format!("{:?}", report.outcome);
        assert!(outcome.contains("the body fails"), "{outcome}");
        assert_eq!(report.findings.len(), 1);
    }

    /// Closes what was started when the test is torn down.
    struct Server(Option<Blocked>, Arc<AtomicBool>);

    impl Drop for Server {
        fn drop(&mut self) {
            self.0.take().into_iter().for_each(Blocked::release);
            self.1.store(true, Ordering::SeqCst);
        }
    }

    /// #47. Teardown comes before the check: locals and the output of the body are dropped, the context of the test
    /// is cancelled, and goroutines may end.
    #[test]
    fn teardown_comes_before_the_check() {
        let down = Arc::new(AtomicBool::new(false));
        let was_down = down.clone();
        let report = examine("teardown", || async move {
            let _server = Server(Some(start_blocked()), was_down);
            let ctx = gmp::test::context();
            go(async move { ctx.done().await });
        });
        assert!(report.expect("good settings").is_clean());
        assert!(down.load(Ordering::SeqCst));
    }
}

/// The table of the page names tests that are there, and an issue for each ask.
#[test]
fn the_page_speaks_of_tests_that_are_there() {
    let page = include_str!("../../harness/docs/goleak.md");
    let sources = [
        SOURCE,
        include_str!("e2e/adoption.rs"),
        include_str!("../../harness/src/report/symbols/tests.rs"),
    ];
    let (_, table) = page.split_once("| goleak's test | ours |").expect("the table");
    let ours = table.lines().filter_map(|row| row.split('|').nth(2)).flat_map(|c| c.split('`'));
    let ours: Vec<&str> = ours.filter(|name| name.contains('_')).collect();
    assert!(ours.len() >= 20, "{ours:?}");
    for name in ours {
        let head = format!("fn {name}()");
        assert!(sources.iter().any(|source| source.contains(&head)), "{name} is gone");
    }
    for issue in ["#16", "#83", "#70", "#37", "#93", "#119", "#127", "#128", "#47"] {
        let asked = page.contains(&format!("| {issue} |"))
            || page.contains(&format!("| {issue}, "))
            || page.contains(&format!(", {issue} |"));
        assert!(asked && SOURCE.matches(issue).count() > 1, "{issue}");
    }
}
