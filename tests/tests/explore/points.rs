//! A switch right after each operation that is not awaited.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use gmp::context::{background, with_cancel};
use gmp::explore::{Deed, Explorer, Kind};
use gmp::sync::{Cond, Mutex, RwLock, Semaphore, Value, WaitGroup};
use gmp::{chan, channel, go, yield_now};

fn explorer() -> Explorer {
    Explorer::new("a body").seed(0).schedules(600)
}

/// What is done at once, made before.
type Act = Box<dyn FnOnce()>;
/// The word for it, and what makes it.
type Case = (&'static str, fn() -> Act);

/// Somebody else notes that it ran. Between the two looks at that nothing is awaited, and the first operation after
/// a yield is no point: only a switch right after `act` tells.
async fn switches_after(prepare: fn() -> Act) {
    let (seen, look) = (Arc::new(AtomicBool::new(false)), chan::<()>(0));
    let (other, act) = (seen.clone(), prepare());
    let other = go(async move { other.store(true, Ordering::Relaxed) });
    yield_now().await;
    let before = seen.load(Ordering::Relaxed);
    act();
    assert!(!look.is_closed());
    assert_eq!(seen.load(Ordering::Relaxed), before, "it ran in between");
    other.await.unwrap();
}

const ACTS: &[Case] = &[
    ("unlock", || {
        let lock = Arc::new(Mutex::new(()));
        let guard = lock.try_lock_owned().unwrap();
        Box::new(|| drop(guard))
    }),
    ("unlock", || {
        let lock = Arc::new(RwLock::new(()));
        let guard = lock.try_read_owned().unwrap();
        Box::new(|| drop(guard))
    }),
    ("unlock", || {
        let lock = Arc::new(RwLock::new(()));
        let guard = lock.try_write_owned().unwrap();
        Box::new(|| drop(guard))
    }),
    ("try lock", || {
        let lock = Arc::new(Mutex::new(()));
        Box::new(move || std::mem::forget(lock.try_lock()))
    }),
    ("done", || {
        let group = WaitGroup::new();
        group.add(1);
        Box::new(move || group.done())
    }),
    ("add", || {
        let group = WaitGroup::new();
        Box::new(move || {
            group.add(1);
            std::mem::forget(group);
        })
    }),
    ("signal", || Box::new(|| Cond::new().signal())),
    ("broadcast", || Box::new(|| Cond::new().broadcast())),
    ("cancel", || {
        let (_, cancel) = with_cancel(&background());
        Box::new(move || cancel.cancel())
    }),
    ("go", || Box::new(|| drop(go(async {})))),
    ("abort", || {
        let handle = go(std::future::pending::<()>());
        Box::new(move || {
            handle.abort();
        })
    }),
    ("release", || {
        let permits = Arc::new(Semaphore::new(1));
        let permit = permits.try_acquire_owned(1).unwrap();
        Box::new(|| drop(permit))
    }),
    ("try acquire", || {
        let permits = Semaphore::new(1);
        Box::new(move || permits.try_acquire(1).unwrap().forget())
    }),
    ("close", || {
        let ch = chan::<()>(0);
        Box::new(move || ch.close())
    }),
    ("close", || {
        let (sender, receiver) = channel::<()>(0);
        Box::new(move || {
            drop(sender);
            std::mem::forget(receiver);
        })
    }),
    ("try send", || {
        let ch = chan(1);
        Box::new(move || ch.try_send(()).unwrap())
    }),
    ("try receive", || {
        let ch = chan::<()>(1);
        ch.try_send(()).unwrap();
        Box::new(move || ch.try_recv().unwrap())
    }),
    ("store", || {
        let value = Value::new(1);
        Box::new(move || value.store(2))
    }),
    ("timer", || {
        let timer = gmp::time::after_func(Duration::from_secs(60), || async {});
        Box::new(move || {
            timer.stop();
        })
    }),
];

#[test]
fn a_switch_right_after_each_operation_is_found_and_played_again() {
    for (i, (name, act)) in ACTS.iter().enumerate() {
        let body = || switches_after(*act);
        let outcome = explorer().run(body);
        assert_eq!(outcome.trouble, None, "{name} ({i})");
        let found = outcome.finding.unwrap_or_else(|| panic!("{name} ({i}): nothing was found"));
        assert_eq!(found.kind, Kind::Panic, "{name} ({i})");
        let text = format!("{:?}", found.report.outcome);
        assert!(text.contains("it ran in between"), "{name} ({i}): {text}");
        // The body is left after the operation, before the look.
        let switch = found.table.rows.iter().position(|row| row.forced && row.column != Some(0));
        let before = found.table.rows[..switch.expect("a switch")].iter().rev();
        let last = before.map(|row| row.deed).find_map(|deed| match deed {
            Deed::Does { operation, .. } => Some(operation.as_str()),
            _ => None,
        });
        assert_eq!(last, Some(*name), "{name} ({i}): {}", found.table);
        for _ in 0..10 {
            let again = explorer().replay(&found.replay, body);
            assert_eq!(again.trouble, None, "{name} ({i}): {}", found.replay);
            let again = again.finding.expect(name);
            assert_eq!((&again.replay, &again.table.rows), (&found.replay, &found.table.rows));
        }
    }
}

#[test]
fn nobody_is_left_after_a_look_which_changes_nothing() {
    let look: fn() -> Act = || {
        let ch = chan::<()>(0);
        Box::new(move || assert!(!ch.is_closed()))
    };
    let outcome = explorer().run(move || switches_after(look));
    assert!(outcome.finding.is_none() && outcome.trouble.is_none());
}

/// What is dropped names the line that made it.
async fn drops_two_guards() {
    let (one, two) = (Arc::new(Mutex::new(())), Arc::new(Mutex::new(())));
    let first = one.lock().await; // The first.
    let second = two.lock().await; // The second.
    drop((first, second));
    let (sender, receiver) = channel::<()>(1); // The ends.
    drop(sender);
    assert_eq!(receiver.recv().await, None);
    panic!("to have a table");
}

#[test]
fn what_is_dropped_is_shown_with_the_line_that_made_it() {
    let line = |mark: &str| {
        let lines = include_str!("points.rs").lines().position(|line| line.ends_with(mark));
        lines.expect("it is in this file") + 1
    };
    let table = explorer().run(drops_two_guards).finding.unwrap().table.to_string();
    for (word, mark) in
        [("unlock", "// The first."), ("unlock", "// The second."), ("close", "// The ends.")]
    {
        let row = format!("{word} of line {}", line(mark));
        assert!(table.contains(&row), "{row}\n{table}");
    }
}
