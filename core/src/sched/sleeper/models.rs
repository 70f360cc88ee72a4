//! Models of the M of a driven runtime that goes to sleep: no push is left behind, wherever it sleeps.

use loom::sync::Arc;
use loom::thread;

use super::super::parker::models::Event;
use super::*;

/// A sleeper, a bed for it, and what was pushed: loom knows no order of stores to one word by two threads, so what
/// was taken is known to whoever took it.
struct Model {
    sleeper: Sleeper,
    bed: Event,
    queues: [AtomicBool; 2],
}

impl Model {
    fn new() -> Arc<Self> {
        let queues = [AtomicBool::new(false), AtomicBool::new(false)];
        Arc::new(Self { sleeper: Sleeper::new(), bed: Event::new(), queues })
    }

    /// As a thread that makes a goroutine ready.
    fn push(&self, queue: usize) {
        self.queues[queue].store(true, Ordering::Relaxed);
        self.sleeper.wake(&self.bed);
    }

    /// As an M that takes what it finds and sleeps, until it has it all.
    fn drive(&self, all: usize, in_bed: bool) {
        let pushed = || self.queues.iter().filter(|queue| queue.load(Ordering::Relaxed)).count();
        loop {
            let taken = pushed();
            if taken == all {
                return;
            }
            self.sleeper.sleep(None, || pushed() > taken, || in_bed.then_some(&self.bed));
        }
    }
}

fn model(check: fn(bool)) {
    for in_bed in [false, true] {
        loom::model(move || check(in_bed));
    }
}

#[test]
fn a_push_wakes_the_m_that_goes_to_sleep() {
    model(|in_bed| {
        let model = Model::new();
        let pushes = model.clone();
        let pusher = thread::spawn(move || {
            pushes.push(0);
            pushes.push(1);
        });
        model.drive(2, in_bed);
        pusher.join().expect("the pusher");
    });
}

#[test]
fn so_do_two_pushers_that_rely_on_each_other() {
    model(|in_bed| {
        let model = Model::new();
        let pushers = [0, 1].map(|queue| {
            let model = model.clone();
            thread::spawn(move || model.push(queue))
        });
        model.drive(2, in_bed);
        for pusher in pushers {
            pusher.join().expect("a pusher");
        }
    });
}

#[test]
fn a_notice_ends_the_next_sleep_without_work() {
    model(|in_bed| {
        let model = Model::new();
        let notifies = model.clone();
        let notifier = thread::spawn(move || notifies.sleeper.notify(&notifies.bed));
        model.sleeper.sleep(None, || false, || in_bed.then_some(&model.bed));
        notifier.join().expect("the notifier");
    });
}
