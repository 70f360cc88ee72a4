//! What a test leaves behind besides goroutines: counters above zero, values nobody received, guards and
//! permits that were forgotten, contexts and timers that somebody keeps.

use std::any::Any;
use std::sync::{Arc, Mutex as StdMutex};
use std::time::Duration;

use gmp::__private::{Submission, inventory};
use gmp::context::{background, with_cancel, with_timeout};
use gmp::inspect::PrimitiveKind as Kind;
use gmp::leak::{Code, Report, Severity, examine};
use gmp::report::finding::Leftover;
use gmp::sync::{Mutex, RwLock, Semaphore, WaitGroup};
use gmp::time::{Ticker, Timer, after, after_func};
use gmp::{chan, channel, go, yield_now};

const HOUR: Duration = Duration::from_secs(3600);

static KEPT: StdMutex<Vec<Box<dyn Any + Send>>> = StdMutex::new(Vec::new());

/// Keeps `value` in a static for as long as the process runs.
fn keep(value: impl Any + Send) {
    KEPT.lock().unwrap().push(Box::new(value));
}

/// The one thing that `body` leaves; nothing else is told of it.
#[track_caller]
fn left<F: Future<Output = ()> + 'static>(body: impl FnOnce() -> F + Send + 'static) -> Leftover {
    let report = examine("leftovers", body).unwrap();
    assert!(report.findings.is_empty(), "{report}");
    assert_eq!(report.leftovers.len(), 1, "{report}");
    report.leftovers.into_iter().next().unwrap()
}

/// Nothing is told of `body`.
#[track_caller]
fn silent<F: Future<Output = ()> + 'static>(body: impl FnOnce() -> F + Send + 'static) {
    let report = examine("leftovers", body).unwrap();
    assert!(report.findings.is_empty() && report.leftovers.is_empty(), "{report}");
}

/// What tells leftovers apart.
fn facts(left: &Leftover) -> (Code, Kind, i64, bool) {
    (left.code, left.kind, left.amount, left.is_alive)
}

#[test]
fn a_wait_group_above_zero_is_told_with_its_lines() {
    let dropped = left(|| async {
        let wg = WaitGroup::new();
        wg.add(3);
        wg.done();
    });
    assert_eq!(facts(&dropped), (Code::WaitGroupLeft, Kind::WaitGroup, 2, false));
    assert_eq!(dropped.lines.iter().map(|(_, n)| *n).collect::<Vec<_>>(), [3, -1]);
    let kept = left(|| async {
        let wg = WaitGroup::new();
        wg.add(1);
        keep(wg);
    });
    assert_eq!(facts(&kept), (Code::WaitGroupLeft, Kind::WaitGroup, 1, true));
    silent(|| async {
        let wg = WaitGroup::new();
        wg.add(1);
        wg.done();
        keep(wg);
    });
}

/// Counts up and down again at 80 places, more than a record tells apart.
#[rustfmt::skip]
fn count_at_many_places(wg: &WaitGroup) {
    wg.add(1); wg.add(1); wg.add(1); wg.add(1); wg.add(1); wg.add(1); wg.add(1); wg.add(1);
    wg.add(1); wg.add(1); wg.add(1); wg.add(1); wg.add(1); wg.add(1); wg.add(1); wg.add(1);
    wg.add(1); wg.add(1); wg.add(1); wg.add(1); wg.add(1); wg.add(1); wg.add(1); wg.add(1);
    wg.add(1); wg.add(1); wg.add(1); wg.add(1); wg.add(1); wg.add(1); wg.add(1); wg.add(1);
    wg.add(1); wg.add(1); wg.add(1); wg.add(1); wg.add(1); wg.add(1); wg.add(1); wg.add(1);
    wg.done(); wg.done(); wg.done(); wg.done(); wg.done(); wg.done(); wg.done(); wg.done();
    wg.done(); wg.done(); wg.done(); wg.done(); wg.done(); wg.done(); wg.done(); wg.done();
    wg.done(); wg.done(); wg.done(); wg.done(); wg.done(); wg.done(); wg.done(); wg.done();
    wg.done(); wg.done(); wg.done(); wg.done(); wg.done(); wg.done(); wg.done(); wg.done();
    wg.done(); wg.done(); wg.done(); wg.done(); wg.done(); wg.done(); wg.done(); wg.done();
}

#[test]
fn a_counter_is_right_where_more_places_count_than_are_told_apart() {
    silent(|| async {
        let wg = WaitGroup::new();
        count_at_many_places(&wg);
        keep(wg);
    });
}

#[gmp::test(severity(GMP102 = "warn"))]
#[ignore = "run by the test below"]
async fn unread_values() {
    let (tx, rx) = channel(4);
    tx.send(1).await.unwrap();
    tx.send(2).await.unwrap();
    drop((tx, rx));
}

#[test]
fn unread_values_are_told_only_when_asked_for() {
    let report = examine_test("unread_values");
    assert_eq!(facts(&report.leftovers[0]), (Code::UnreadValues, Kind::Chan, 2, false));
    assert_eq!(report.leftovers[0].severity, Severity::Warn);
    silent(|| async {
        let ch = chan(1);
        ch.send(1).await;
    });
}

#[gmp::test(ignore("waitgroup:tests/tests/leftovers.rs"), severity(GMP103 = "allow"))]
#[ignore = "run by the test below"]
async fn allowed() {
    let wg = WaitGroup::new();
    wg.add(1);
    let lock = Mutex::new(());
    core::mem::forget(lock.lock().await);
    // Nobody is told of this one anyway.
    let (tx, rx) = channel(1);
    tx.send(1).await.unwrap();
    drop((tx, rx));
}

#[test]
fn what_rules_and_severities_hide_is_counted() {
    let report = examine_test("allowed");
    assert!(report.leftovers.is_empty(), "{report}");
    let hidden: Vec<_> =
        report.hidden.iter().map(|by| (by.rule.as_str(), by.count, by.primitives)).collect();
    let rule = "waitgroup:tests/tests/leftovers.rs";
    assert_eq!(hidden.len(), 2, "{report}");
    assert!(hidden.contains(&(rule, 0, 1)) && hidden.contains(&("GMP103", 0, 1)), "{report}");
    let text = report.to_string();
    let line = "hidden    1 primitive by `waitgroup:tests/tests/leftovers.rs` from";
    assert!(text.contains(line), "{text}");
}

fn examine_test(name: &str) -> Report {
    let test = inventory::iter::<Submission>().find(|submission| submission.0.path() == name);
    gmp::__private::examine(test.expect("a test with this name").0)
}

#[test]
fn a_forgotten_guard_of_a_mutex_is_told_with_its_line() {
    let line = line!() + 3;
    let dropped = left(|| async {
        let lock = Mutex::new(());
        core::mem::forget(lock.lock().await);
    });
    assert_eq!(facts(&dropped), (Code::ForgottenGuard, Kind::Mutex, 1, false));
    assert_eq!(dropped.held.expect("a holder").1.line, line);
    let kept = left(|| async { keep(Arc::new(Mutex::new(())).lock_owned().await) });
    assert_eq!(facts(&kept), (Code::ForgottenGuard, Kind::Mutex, 1, true));
}

#[test]
fn forgotten_guards_of_a_rwlock_are_told_with_the_line_of_the_first() {
    let line = line!() + 3;
    let readers = left(|| async {
        let lock = RwLock::new(());
        core::mem::forget(lock.read().await);
        core::mem::forget(lock.read().await);
    });
    assert_eq!(facts(&readers), (Code::ForgottenGuard, Kind::RwLock, 2, false));
    assert_eq!(readers.held.expect("a holder").1.line, line);
    let writer = left(|| async {
        let lock = RwLock::new(());
        core::mem::forget(lock.write().await);
    });
    assert_eq!(facts(&writer), (Code::ForgottenGuard, Kind::RwLock, 1, false));
    let kept = left(|| async {
        let lock = Arc::new(RwLock::new(()));
        // The first of two goes; the one that stays is the one to be named.
        let first = lock.clone().read_owned().await;
        keep(lock.read_owned().await);
        drop(first);
    });
    assert_eq!(facts(&kept), (Code::ForgottenGuard, Kind::RwLock, 1, true));
    silent(|| async {
        let lock = Arc::new(RwLock::new(()));
        drop((lock.read().await, lock.read().await));
        drop(lock.write().await);
        keep(lock);
    });
}

#[test]
fn permits_that_do_not_come_back_are_told_unless_they_were_given_up() {
    let dropped = left(|| async {
        let semaphore = Semaphore::new(5);
        core::mem::forget(semaphore.acquire(2).await);
        drop(semaphore.acquire(3).await);
    });
    assert_eq!(facts(&dropped), (Code::ForgottenGuard, Kind::Semaphore, 2, false));
    assert_eq!(dropped.lines.len(), 1, "the line that gave them back is not told: {dropped:?}");
    let kept = left(|| async { keep(Arc::new(Semaphore::new(5)).acquire_owned(4).await) });
    assert_eq!(facts(&kept), (Code::ForgottenGuard, Kind::Semaphore, 4, true));
    silent(|| async {
        let semaphore = Semaphore::new(5);
        semaphore.acquire(2).await.forget();
        semaphore.acquire(2).await.forget();
        semaphore.release(3);
        keep(semaphore);
    });
    // `release` gives back what was forgotten in any way.
    silent(|| async {
        let semaphore = Semaphore::new(5);
        core::mem::forget(semaphore.acquire(2).await);
        semaphore.release(2);
    });
}

#[test]
fn a_context_that_is_kept_and_not_done_is_told() {
    let kept = left(|| async { keep(with_cancel(&background())) });
    assert_eq!(facts(&kept), (Code::ContextLeft, Kind::Context, 1, true));
    let hopeless = left(|| async { keep(with_cancel(&background()).0) });
    assert_eq!(facts(&hopeless), (Code::ContextLeft, Kind::Context, 0, true));
    silent(|| async {
        let (ctx, cancel) = with_cancel(&background());
        cancel.cancel();
        keep(ctx);
        keep(with_timeout(&gmp::test::context(), HOUR));
        drop(with_cancel(&background()));
    });
}

#[test]
fn a_timer_that_is_kept_and_armed_is_told_with_the_time_left() {
    let timer = left(|| async { keep(Timer::new(HOUR)) });
    assert_eq!(facts(&timer), (Code::TimerLeft, Kind::Timer, 1, true));
    let info = timer.timer.expect("a timer");
    assert!(info.armed && info.every.is_none(), "{info:?}");
    assert!(info.due_in.is_some_and(|left| left > HOUR / 2 && left <= HOUR), "{info:?}");
    let ticker = left(|| async { keep(Ticker::new(HOUR)) });
    assert_eq!(facts(&ticker), (Code::TimerLeft, Kind::Ticker, 1, true));
    assert_eq!(ticker.timer.and_then(|timer| timer.every), Some(HOUR));
    let channel = left(|| async { keep(after(HOUR)) });
    assert_eq!(facts(&channel), (Code::TimerLeft, Kind::Timer, 1, true));
    let reset = left(|| async {
        let timer = Timer::new(HOUR);
        for _ in 0..3 {
            timer.reset(2 * HOUR);
        }
        keep(timer);
    });
    assert_eq!(reset.timer.map(|timer| timer.resets), Some(3));
    silent(|| async {
        let (timer, ticker) = (Timer::new(HOUR), Ticker::new(HOUR));
        timer.stop();
        ticker.stop();
        keep((timer, ticker));
        keep(Timer::new(Duration::ZERO));
        drop((Timer::new(HOUR), Ticker::new(HOUR), after(HOUR)));
    });
}

#[test]
fn a_function_that_is_still_to_be_called_is_told_though_its_handle_is_gone() {
    let func = left(|| async { drop(after_func(HOUR, || async {})) });
    assert_eq!(facts(&func), (Code::TimerLeft, Kind::Timer, 1, true));
    silent(|| async { assert!(after_func(HOUR, || async {}).stop()) });
    silent(|| async {
        let called = chan(1);
        let tell = called.clone();
        drop(after_func(Duration::from_millis(1), move || {
            let tell = tell.clone();
            async move { tell.send(()).await }
        }));
        called.recv().await;
    });
}

#[test]
fn what_a_stuck_goroutine_has_is_not_told_besides() {
    let report = examine("stuck", || async {
        let (timer, lock) = (Timer::new(HOUR), Arc::new(RwLock::new(())));
        let (permits, wg) = (Arc::new(Semaphore::new(2)), WaitGroup::new());
        wg.add(1);
        drop(go(async move {
            let _guard = lock.read().await;
            let _permit = permits.acquire(1).await;
            let _kept = (&timer, &wg);
            chan::<u32>(0).recv().await;
        }));
        yield_now().await;
    })
    .unwrap();
    assert_eq!(report.findings.len(), 1, "{report}");
    assert!(report.leftovers.is_empty(), "{report}");
}

#[test]
fn a_timer_that_is_left_warns_and_says_what_to_do() {
    let report = examine("timer", || async { keep(Timer::new(HOUR)) }).unwrap();
    assert!(report.is_clean() && report.has_warnings());
    let text = report.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
    for words in ["warning[GMP105]: timer #", "it fires in 59 min", "leftovers.rs:", "`stop()`"] {
        assert!(text.contains(words), "{words:?} is not in {text}");
    }
}

#[test]
fn a_hundred_thousand_panics_are_told_on_a_page() {
    const MANY: usize = 100_000;
    let report = examine("panics", || async {
        for n in 0..MANY {
            // Past the hook, which would say each.
            drop(go(async move { std::panic::resume_unwind(Box::new(format!("panic {n}"))) }));
        }
        yield_now().await;
    })
    .unwrap();
    assert!(report.panics.len() <= 64, "{}", report.panics.len());
    assert_eq!(report.panics.len() + report.more_panics, MANY);
    let text = report.to_string();
    assert!(text.len() < 16 << 10 && text.contains(" panicked: panic "), "{text}");
    assert!(text.contains("and 99,980 more goroutines panicked"), "{text}");
}
