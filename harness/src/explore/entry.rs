//! What `#[gmp::test]` calls when a test is to be explored: a thread of its own, and the text of a failure.

use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use gmp_core::runtime::Runtime;

use super::asked::Asked;
use super::explorer::{Explored, Explorer};
use super::found::Found;
use super::outcome::Trouble;
use super::play::Kind;
use super::progress::{Bar, terminal_width};
use crate::leak::census::Ours;
use crate::leak::check::{BodyEnd, Checked};
use crate::report::build::Policy;
use crate::report::text::Style;
use crate::report::words::duration;
use crate::say::say_outside;
use crate::test::{Body, Explore};

/// What the exploration of a test came to.
pub(crate) enum Came {
    /// This is to be judged as any run of the test is; if it fails, the text says more.
    Checked(Box<Checked>, String),
    /// The test fails.
    Fails(String),
    /// Nothing was found, but other machines play a part of the schedules: what is expected may be there.
    Passes,
    /// The test cannot be explored, and nobody asked for it in particular: it runs as usual.
    Runs,
}

/// A test that is to be explored.
pub(crate) struct Test<'a> {
    pub(crate) name: &'a str,
    pub(crate) body: Body,
    pub(crate) attribute: Option<&'a Explore>,
    pub(crate) linger: Duration,
    pub(crate) timeout: Duration,
    pub(crate) policy: &'a Policy,
}

/// Explores a test if its attribute or the environment asks for it.
#[track_caller]
pub(crate) fn run(test: &Test<'_>, asked: &Asked) -> Option<Came> {
    let at = Location::caller();
    let replay = asked.replay_of(test.name).or(test.attribute.and_then(|own| own.replay));
    let wanted = test.attribute.is_some() || asked.everything || replay.is_some();
    if !wanted || (asked.nothing && replay.is_none()) {
        return None;
    }
    let Body::Async(body) = test.body else {
        let text = "explores async bodies only: make it an `async fn`";
        let fails = Came::Fails(format!("Error: gmp: {}: `explore` {text}\n", test.name));
        return (test.attribute.is_some() || replay.is_some()).then_some(fails);
    };
    let explorer = Explorer::of_test(test, asked);
    let beat = Arc::new(AtomicU64::new(0));
    let (tell, told) = channel();
    let on_thread = (explorer.clone(), beat.clone(), replay.map(str::to_owned));
    let explore = move || {
        let _ours = Ours::register();
        let (explorer, beat, replay) = on_thread;
        let mut bar = Bar::new(&explorer);
        let came = catch_unwind(AssertUnwindSafe(|| match replay {
            Some(schedule) => explorer.play_again(&schedule, &body, at),
            None => explorer.explore(&body, at, &mut |schedules| {
                beat.store(schedules, Ordering::Relaxed);
                bar.at(schedules);
            }),
        }));
        bar.end();
        let _ = tell.send(came);
    };
    let spawned = thread::Builder::new().name(test.name.to_owned()).spawn(explore);
    let spawned = spawned.expect("gmp: the system refused a thread for the test");
    let mut before = u64::MAX;
    loop {
        match told.recv_timeout(test.timeout) {
            Ok(Ok(explored)) => {
                let _ = spawned.join();
                return Some(came(test, &explorer, explored, replay.is_some()));
            }
            Ok(Err(payload)) => resume_unwind(payload),
            Err(RecvTimeoutError::Disconnected) => {
                panic!("gmp: the thread of the exploration ended without a result")
            }
            Err(RecvTimeoutError::Timeout) => {
                let now = beat.load(Ordering::Relaxed);
                if now == before {
                    return Some(Came::Fails(hangs(test, &explorer, now)));
                }
                before = now;
            }
        }
    }
}

fn hangs(test: &Test<'_>, explorer: &Explorer, schedules: u64) -> String {
    format!(
        "Error: gmp: {}: schedule {} does not come back\n   = seed {}\n   = A goroutine blocks its thread, \
         or loops without an operation of gmp. Its thread was abandoned.\n",
        test.name,
        schedules + 1,
        explorer.seed_used(),
    )
}

fn came(test: &Test<'_>, explorer: &Explorer, explored: Explored, replayed: bool) -> Came {
    let asked_for = test.attribute.is_some() || replayed;
    match (explored.found, explored.trouble) {
        (None, None) if explorer.is_a_shard() && !replayed => Came::Passes,
        (None, None) => {
            let empty = Runtime::new();
            let clean = Checked::clean(BodyEnd::Returned(true), empty.scope());
            Came::Checked(Box::new(clean), String::new())
        }
        (_, Some(trouble)) if !asked_for => {
            let why = trouble.to_string();
            let why = why.split(": ").next().unwrap_or_default();
            // Around the capture: a test that passes would hide it.
            say_outside(&format!("gmp: {} is not explored, it runs as usual: {why}\n", test.name));
            Came::Runs
        }
        (None, Some(trouble)) => Came::Fails(format!("Error: gmp: {}: {trouble}\n", test.name)),
        (Some(found), trouble) => {
            let more = more(test.name, &found, explored.schedules, explorer, trouble);
            if found.kind == Kind::Livelock {
                let text = format!(
                    "Error: gmp: {}: livelock: {} steps, and goroutines still run without anything new\n{more}",
                    test.name, found.steps
                );
                return Came::Fails(text);
            }
            Came::Checked(Box::new(found.checked), more)
        }
    }
}

/// As standard error wants it. A table is of little use where its lines break.
fn style() -> Style {
    let style = Style::detect();
    match terminal_width() {
        Some(width) if std::env::var_os("COLUMNS").is_none() => style.with_width(width),
        _ => style,
    }
}

/// What is to be said about a schedule that showed something, below the report.
fn more(
    name: &str,
    found: &Found,
    schedules: u64,
    explorer: &Explorer,
    trouble: Option<Trouble>,
) -> String {
    let (kind, switches) = (found.kind.as_str(), found.switches);
    let which = match schedules {
        1 if found.was_replay => "the schedule that was played again".to_string(),
        _ => format!("schedule {} of seed {}", found.schedule, explorer.seed_used()),
    };
    let switches = match switches {
        0 => "the ordinary order".to_string(),
        1 => "1 switch, marked `>`".to_string(),
        n => format!("{n} switches, marked `>`"),
    };
    let table = found.table.render(&style());
    let test = name.rsplit("::").next().unwrap_or(name);
    let note = |text: String| format!("   = note: {text}\n");
    let strays = trouble.map(|trouble| note(trouble.to_string())).unwrap_or_default();
    let goes_on = found.goes_on.map(|linger| {
        note(format!(
            "others went on until nothing was left to do, and nobody released the body; this is what was left \
             {} after it blocked",
            duration(linger)
        ))
    });
    let goes_on = goes_on.unwrap_or_default();
    format!(
        "\n{which} shows this {kind}; what it takes is {switches}:\n\n{table}\n{goes_on}{strays}   = to play it \
         again: GMP_REPLAY='{}' cargo test {test}\n",
        found.replay
    )
}
