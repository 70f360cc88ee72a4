//! Models of the keeper of the timers: a timer that comes while it goes to sleep is not missed.

use loom::sync::Arc;
use loom::thread;

use super::super::parker::Woken;
use super::super::parker::models::Event;
use super::*;
use crate::time::clock::NEVER;
use crate::time::earliest::Earliest;

/// When the first timer is due, and the one that is armed beside the keeper.
const FIRST: Nanos = 5;
const ARMED: Nanos = 7;

struct Model {
    keeper: Keeper<Event>,
    /// Of the heap of the first, and of that in which one is armed.
    homes: [Earliest; 2],
    parker: std::sync::Arc<Parker<Event>>,
}

impl Model {
    fn new() -> Arc<Self> {
        let homes = [Earliest::new(), Earliest::new()];
        Arc::new(Self { keeper: Keeper::new(), homes, parker: Parker::new(1) })
    }

    /// As `Timers::arm`. An M is woken where nobody sleeps for the timers: it looks as one that was poked does.
    fn arm(&self) {
        self.homes[1].publish(ARMED);
        if !self.keeper.covers(ARMED) {
            self.parker.poke();
        }
    }

    /// As a parked M, until the next timer is `wanted`. Nothing is due before.
    fn keep(&self, wanted: Nanos) {
        loop {
            assert!(self.keeper.become_keeper(&self.parker), "nobody else keeps");
            let next = self.homes.iter().map(Earliest::get).min().unwrap_or(NEVER);
            self.keeper.keeps_until(next);
            if next == wanted {
                self.keeper.leave();
                return;
            }
            let woken = self.parker.wait(None);
            self.keeper.leave();
            assert!(matches!(woken, Woken::Poked));
        }
    }
}

#[test]
fn a_timer_that_is_armed_while_the_keeper_goes_to_sleep_is_seen() {
    loom::model(|| {
        let model = Model::new();
        let arms = model.clone();
        let armer = thread::spawn(move || arms.arm());
        model.keep(ARMED);
        armer.join().expect("the armer");
    });
}

#[test]
fn whoever_arms_does_not_rely_on_a_sleep_that_is_over() {
    loom::model(|| {
        let model = Model::new();
        model.homes[0].publish(FIRST);
        let arms = model.clone();
        let armer = thread::spawn(move || arms.arm());
        model.keep(FIRST);
        model.homes[0].publish(NEVER);
        model.keep(ARMED);
        armer.join().expect("the armer");
    });
}
