//! What the environment asks of the explorations of a whole run: `GMP_EXPLORE`, `GMP_EXPLORE_SHARD`,
//! `GMP_REPLAY`. The tests at the top are run by those below, in a process of their own.

use std::process::Command;
use std::sync::Arc;

use gmp::sync::Mutex;
use gmp::{choose, go};

/// Nothing asks for its exploration, and in the ordinary order it passes.
#[gmp::test]
#[ignore = "fails when it is explored"]
async fn fails_in_some_schedules() {
    let locks = Arc::new((Mutex::new(()), Mutex::new(())));
    let other = locks.clone();
    let other = go(async move {
        let b = other.1.lock().await;
        let a = other.0.lock().await;
        drop((a, b));
    });
    let a = locks.0.lock().await;
    let b = locks.1.lock().await;
    drop((a, b));
    other.await.unwrap();
}

#[gmp::test(explore(schedules = 4096))]
#[ignore = "fails when it is explored"]
async fn fails_with_one_draw_of_many() {
    assert_ne!(choose(1024), 77, "the one");
}

/// A thread takes part: it cannot be explored.
#[gmp::test]
#[ignore = "run by the tests below"]
async fn waits_for_a_thread() {
    let ch = gmp::chan(1);
    let sender = ch.clone();
    let thread = std::thread::spawn(move || sender.blocking_send(7));
    assert_eq!(ch.recv().await, Some(7));
    thread.join().unwrap();
}

/// One draw of many leaks.
#[gmp::test(explore(schedules = 4096), expect_leak("chan receive"))]
#[ignore = "run by the tests below"]
async fn leaks_with_one_draw_of_many() {
    let ch = gmp::chan::<()>(0);
    let leaks = choose(1024) == 77;
    drop(go(async move {
        if leaks {
            ch.recv().await;
        }
    }));
}

/// Runs a test of this file in a process of its own. Whether it passed, and what it printed.
fn run(test: &str, variables: &[(&str, &str)]) -> (bool, String) {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args([&*format!("environment::{test}"), "--exact", "--include-ignored"]);
    for name in ["GMP_EXPLORE", "GMP_EXPLORE_SHARD", "GMP_REPLAY"] {
        child.env_remove(name);
    }
    let output = child.envs(variables.iter().copied()).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    assert!(text.contains("running 1 test"), "{text}");
    (output.status.success(), text)
}

/// The schedule that a failure says how to play again.
fn schedule_in(text: &str) -> String {
    let (_, after) = text.split_once("GMP_REPLAY='").expect(text);
    after.split_once('\'').expect(text).0.to_owned()
}

#[test]
fn a_whole_run_is_explored_and_a_finding_is_played_again() {
    let test = "fails_in_some_schedules";
    let (passed, text) = run(test, &[]);
    assert!(passed, "{text}");
    let (passed, text) = run(test, &[("GMP_EXPLORE", "on")]);
    assert!(!passed && text.contains("shows this deadlock"), "{text}");
    let schedule = schedule_in(&text);
    let (passed, text) = run(test, &[("GMP_REPLAY", &schedule)]);
    assert!(!passed && text.contains("the schedule that was played again"), "{text}");
    assert_eq!(schedule_in(&text), schedule);
    // It belongs to that test alone.
    let (passed, text) = run("waits_for_a_thread", &[("GMP_REPLAY", &schedule)]);
    assert!(passed && text.contains("GMP_REPLAY belongs to none of the tests that ran"), "{text}");
}

#[test]
fn a_schedule_that_a_test_does_not_follow_any_more_fails_it() {
    let (_, text) = run("fails_in_some_schedules", &[("GMP_EXPLORE", "on")]);
    let schedule = schedule_in(&text);
    // The same with a decision that cannot be had, and with another end.
    let (head, course) = schedule.rsplit_once(':').unwrap();
    for other in [format!("{head},0.0=7:{course}"), format!("{head}:{:08x}", 1)] {
        let (passed, text) = run("fails_in_some_schedules", &[("GMP_REPLAY", &other)]);
        assert!(
            !passed && text.contains("not the course that the schedule was written for"),
            "{text}"
        );
    }
    // Nothing was found on this course, which is not that of the schedule.
    let (name, _) = schedule.split_once(':').unwrap().1.split_once(':').unwrap();
    let empty = format!("1:{name}:0.1>7:00000000");
    let (passed, text) = run("fails_in_some_schedules", &[("GMP_REPLAY", &empty)]);
    assert!(!passed && text.contains("goroutine 7 was to run, which it cannot"), "{text}");
    assert!(!text.contains("belongs to none"), "{text}");
}

#[test]
fn what_cannot_be_explored_runs_as_usual_when_all_are_explored() {
    let (passed, text) = run("waits_for_a_thread", &[("GMP_EXPLORE", "schedules=20")]);
    let said =
        "waits_for_a_thread is not explored, it runs as usual: something outside the schedule";
    assert!(passed && text.lines().any(|line| line.contains(said)), "{text}");
}

#[test]
fn the_environment_overrides_the_attribute() {
    let test = "fails_with_one_draw_of_many";
    let settings = "schedules=65536,strategy=random,depth=2,seed=5,max_time=60s,max_steps=1000";
    let (passed, text) = run(test, &[("GMP_EXPLORE", settings)]);
    assert!(!passed && text.contains("of seed 5 shows this panic"), "{text}");
    // One schedule, the ordinary one.
    let (passed, text) = run(test, &[("GMP_EXPLORE", "off")]);
    assert!(passed, "{text}");
}

#[test]
fn machines_share_the_schedules() {
    let settings = "schedules=16384,seed=5";
    let found = |shard: &str| {
        let variables = [("GMP_EXPLORE", settings), ("GMP_EXPLORE_SHARD", shard)];
        let (_, text) = run("fails_with_one_draw_of_many", &variables);
        let (_, after) = text.split_once("\nschedule ").expect(&text);
        after.split_once(' ').unwrap().0.parse::<u64>().unwrap()
    };
    let (first, second) = (found("1/2"), found("2/2"));
    assert_eq!((first % 2, second % 2), (1, 0), "{first} and {second}");
    assert_eq!(found("1/1"), first.min(second));
}

#[test]
fn a_machine_that_does_not_meet_what_is_expected_does_not_fail_the_test() {
    let test = "leaks_with_one_draw_of_many";
    let settings = ("GMP_EXPLORE", "schedules=4096,seed=5");
    for shard in ["1/1", "1/64", "2/64", "64/64"] {
        let (passed, text) = run(test, &[settings, ("GMP_EXPLORE_SHARD", shard)]);
        assert!(passed, "{shard}: {text}");
    }
    // All of them are played, and it is not met.
    let (passed, text) = run(test, &[("GMP_EXPLORE", "schedules=2,seed=5")]);
    assert!(!passed, "{text}");
}

#[test]
fn a_variable_that_cannot_be_read_fails_the_test_and_shows_the_form() {
    for (name, value, form) in [
        ("GMP_EXPLORE", "many", "schedules=1000,strategy=pct"),
        ("GMP_EXPLORE_SHARD", "0/4", "write `2/8`"),
        ("GMP_REPLAY", "seed 7", "expected `1:<test>:<decisions>:<course>`"),
        ("GMP_REPLAY", "9:00000000::00000000", "version 9"),
    ] {
        let (passed, text) = run("fails_in_some_schedules", &[(name, value)]);
        assert!(!passed && text.contains(name) && text.contains(form), "{text}");
    }
}
