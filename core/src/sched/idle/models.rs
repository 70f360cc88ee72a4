//! Models of Ms that park beside whoever pushes or stops: the lists, the counts, the parkers and the ownership words
//! are the production ones.

use loom::sync::Arc;
use loom::thread;

use super::super::owner::{Owner, Tenure};
use super::super::parker::Woken;
use super::*;
use crate::sys::modelled::atomic::AtomicBool as Queue;

/// A runtime with one P and one M. Of its queues it is known what was pushed; what was taken the M knows, as loom knows
/// no order of stores to one word by two threads.
struct Model {
    idle: Idle,
    owner: Owner,
    m: std::sync::Arc<Parker>,
    queues: [Queue; 2],
}

/// The P, and whether the M that has it spins.
struct Held(Tenure, bool);

impl Model {
    /// The M is parked.
    fn parked() -> Arc<Self> {
        let model = Self {
            idle: Idle::new(1),
            owner: Owner::new(),
            m: Parker::new(1),
            queues: [Queue::new(false), Queue::new(false)],
        };
        model.idle.change(|lists| {
            lists.add_machine(&model.m);
            lists.ms.push(model.m.clone());
        });
        Arc::new(model)
    }

    /// The M has the P and spins.
    fn new() -> (Arc<Self>, Held) {
        let model = Self::parked();
        let held = model.come_back().expect("it is listed, and so is the P");
        (model, held)
    }

    /// As `Machine::unpark_self`.
    fn come_back(&self) -> Option<Held> {
        let mut held = None;
        self.idle.unpark(&self.m, |_| held = Some(Held(self.acquire(), true)));
        held
    }

    fn acquire(&self) -> Tenure {
        self.owner.acquire(self.m.number).expect("a listed P is nobody's")
    }

    fn pushed(&self) -> usize {
        self.queues.iter().filter(|queue| queue.load(Ordering::Relaxed)).count()
    }

    /// As `Shared::wake_one`.
    fn wake_one(&self) {
        let refused = self.idle.wake_one(|| {
            let chosen = self.idle.change(|lists| {
                let (index, parked) = lists.take_pair()?;
                let parked = parked.expect("the one M has the P, or both are listed");
                Some((parked, Grant::P(index, self.acquire())))
            });
            let Some((parked, grant)) = chosen else { return Started::NoP };
            parked.grant(grant);
            Started::Yes
        });
        assert!(refused.is_none());
    }

    fn push(&self, queue: usize) {
        self.queues[queue].store(true, Ordering::Relaxed);
        self.wake_one();
    }

    /// As `Machine::run_own`, until everything was taken or the runtime stops.
    fn run(&self, mut held: Option<Held>, all: usize) {
        loop {
            let Some(Held(tenure, spins)) = held.take().or_else(|| self.wait_for_p()) else {
                return self.idle.end_machine(&self.m);
            };
            let stops = self.idle.is_surplus(0)
                && self.idle.give_up_surplus(&self.m, 0, |_| self.owner.release(tenure));
            if stops {
                if spins {
                    self.idle.counts.end_spinning();
                }
            } else {
                let taken = self.pushed();
                if taken == all {
                    let listed = self.idle.read(|lists| lists.ms.len());
                    assert_eq!(listed, 0, "an M that has a P is granted another");
                    return;
                }
                let gives_up = |_: &Lists| {
                    self.owner.release(tenure);
                    true
                };
                if !self.idle.park(&self.m, 0, gives_up) {
                    held = Some(Held(tenure, spins));
                    continue;
                }
                if self.idle.look_again(spins, || self.pushed() > taken) {
                    held = self.come_back();
                }
            }
        }
    }

    /// As `Machine::wait_for_p`.
    fn wait_for_p(&self) -> Option<Held> {
        match self.m.wait(None) {
            Woken::Granted(Grant::P(_, tenure)) => Some(Held(tenure, true)),
            Woken::Granted(Grant::Exit) => None,
            _ => unreachable!("nobody pokes"),
        }
    }
}

#[test]
fn an_m_that_parks_has_every_push_or_is_granted_the_p() {
    loom::model(|| {
        let (model, held) = Model::new();
        let pushes = model.clone();
        let pusher = thread::spawn(move || {
            pushes.push(0);
            pushes.push(1);
        });
        model.run(Some(held), 2);
        pusher.join().expect("the pusher");
    });
}

#[test]
fn so_it_does_beside_two_that_rely_on_each_other() {
    loom::model(|| {
        let (model, held) = Model::new();
        let pushers = [0, 1].map(|queue| {
            let model = model.clone();
            thread::spawn(move || model.push(queue))
        });
        model.run(Some(held), 2);
        for pusher in pushers {
            pusher.join().expect("a pusher");
        }
    });
}

#[test]
fn a_waker_that_finds_no_p_wakes_for_whoever_relied_on_it() {
    loom::model(|| {
        let model = Model::parked();
        let (runs, pushes) = (model.clone(), model.clone());
        // A timer is due.
        let m = thread::spawn(move || runs.run(runs.come_back(), 2));
        let pusher = thread::spawn(move || pushes.push(1));
        model.push(0);
        m.join().expect("the M");
        pusher.join().expect("the pusher");
    });
}

#[test]
fn an_m_that_parks_while_the_runtime_stops_ends() {
    loom::model(|| {
        let (model, held) = Model::new();
        let stops = model.clone();
        let stopper = thread::spawn(move || {
            stops.idle.stop();
            assert!(stops.idle.wait_for_end(0, None));
        });
        model.run(Some(held), usize::MAX);
        stopper.join().expect("the stopper");
        assert!(model.owner.is_idle(), "it gave its P up");
    });
}
