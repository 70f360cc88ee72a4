//! Channels are linearizable: what happens in small random programs, on one P and on several, could have
//! happened one operation at a time.

mod checker;
mod history;
mod program;
mod subject;

use std::panic;
use std::sync::Once;

use gmp::Chan;
use gmp::runtime::Builder;

use checker::is_linearizable;
use program::{Program, Rng};
use subject::{CLOSED, Forgetful, LookThenTake, OneTooMany, Simple, Sound, Stack, Subject};

/// Programs of each test where the environment does not say it: a soak run takes 100,000.
const PROGRAMS: u64 = 2_000;

/// How many programs a test runs.
fn programs() -> u64 {
    let asked = std::env::var("LINEARIZABLE_PROGRAMS").ok();
    asked.map_or(PROGRAMS, |n| n.parse().expect("LINEARIZABLE_PROGRAMS is a number"))
}

/// The first of `programs` random programs that is not linearizable on `procs` Ps, in words.
fn first_wrong<S: Subject>(procs: usize, programs: u64) -> Option<String> {
    silence();
    let runtime = Builder::new().procs(procs).build();
    let checks = runtime.go(async move {
        for seed in 0..programs {
            let program = Program::random(&mut Rng::new(seed), S::IS_WHOLE);
            let mut events = program.run::<S>().await;
            if !is_linearizable(&program.caps, &events) {
                events.sort_by_key(|event| event.called);
                let events: String = events.iter().map(|event| format!("\n  {event:?}")).collect();
                return Some(format!("program {seed}: {program:?}{events}"));
            }
        }
        None
    });
    runtime.block_on(checks).expect("no program panics")
}

/// A select that sends on a closed channel panics, as it should: no message.
fn silence() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let hook = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if info.payload().downcast_ref::<&str>() != Some(&CLOSED) {
                hook(info);
            }
        }));
    });
}

fn is_right(procs: usize) {
    if let Some(wrong) = first_wrong::<Chan<u8>>(procs, programs()) {
        panic!("not linearizable on {procs} Ps: {wrong}");
    }
}

#[test]
fn channels_on_one_p() {
    is_right(1);
}

#[test]
fn channels_on_two_ps() {
    is_right(2);
}

#[test]
fn channels_on_four_ps() {
    is_right(4);
}

/// The checker would be worth nothing if it accepted everything, or nothing.
#[test]
fn broken_channels_are_rejected_and_a_sound_one_is_not() {
    for procs in [1, 2, 4] {
        assert_eq!(first_wrong::<Simple<Sound>>(procs, PROGRAMS), None);
        let broken = [
            first_wrong::<Simple<Stack>>(procs, PROGRAMS),
            first_wrong::<Simple<LookThenTake>>(procs, PROGRAMS),
            first_wrong::<Simple<OneTooMany>>(procs, PROGRAMS),
            first_wrong::<Simple<Forgetful>>(procs, PROGRAMS),
        ];
        assert!(broken.iter().all(Option::is_some), "accepted on {procs} Ps: {broken:#?}");
    }
}
