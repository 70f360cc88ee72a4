//! Idle Ps and spinning Ms, counted: what decides whether a push has to wake an M.
//!
//! See "A push versus going idle" in `README.md`.

use crate::sys::modelled::atomic::{AtomicUsize, Ordering, fence};

/// The counts. Whoever reads them without the lock of the idle lists reads hints.
pub(super) struct Counts {
    /// Ms that look for work, and those woken to do so.
    spinning: AtomicUsize,
    /// Idle Ps; written under the lock of the idle lists.
    idle_ps: AtomicUsize,
}

impl Counts {
    pub(super) fn new(idle_ps: usize) -> Self {
        Self { spinning: AtomicUsize::new(0), idle_ps: AtomicUsize::new(idle_ps) }
    }

    /// Whether a P is idle and nobody looks for work; the caller has pushed some. If so one more M counts
    /// as spinning from now on.
    pub(super) fn wants_spinner(&self) -> bool {
        // SeqCst: pairs with `fence_idle`. What the caller pushed is seen by an M that goes idle, or
        // the idle P and the end of its spinning are seen here.
        fence(Ordering::SeqCst);
        self.spinning.load(Ordering::Relaxed) == 0
            && self.idle_ps.load(Ordering::Relaxed) != 0
            && self.spinning.compare_exchange(0, 1, Ordering::SeqCst, Ordering::Relaxed).is_ok()
    }

    /// Whether one more M may spin beside `procs` Ps: at most half as many as are busy. It counts from now
    /// on.
    pub(super) fn may_spin(&self, procs: usize) -> bool {
        let busy = procs.saturating_sub(self.idle_ps.load(Ordering::Relaxed));
        let may = 2 * self.spinning.load(Ordering::Relaxed) < busy;
        if may {
            self.start_spinning();
        }
        may
    }

    /// Ms that spin; a figure.
    pub(super) fn spinning(&self) -> usize {
        self.spinning.load(Ordering::Relaxed)
    }

    /// Whether an M beside the one that asks, which spins, has a P and does not spin: a hint.
    pub(super) fn some_run(&self, procs: usize) -> bool {
        let (idle, spin) = (&self.idle_ps, &self.spinning);
        procs > idle.load(Ordering::Relaxed) + spin.load(Ordering::Relaxed)
    }

    pub(super) fn start_spinning(&self) {
        self.spinning.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn end_spinning(&self) {
        // SeqCst: seen by whoever pushes after the next `fence_idle`, or `wants_spinner`, of the caller.
        self.spinning.fetch_sub(1, Ordering::SeqCst);
    }

    /// Idle Ps: a hint.
    pub(super) fn idle_ps(&self) -> usize {
        self.idle_ps.load(Ordering::Relaxed)
    }

    pub(super) fn set_idle_ps(&self, n: usize) {
        // SeqCst: as in `end_spinning`.
        self.idle_ps.store(n, Ordering::SeqCst);
    }

    /// Comes between giving up a P, or spinning, and the last look for work.
    pub(super) fn fence_idle(&self) {
        // SeqCst: pairs with `wants_spinner`.
        fence(Ordering::SeqCst);
    }

    /// Whether all Ps are in use and nobody looks for work: a hint.
    pub(super) fn is_short_of_ps(&self) -> bool {
        self.idle_ps.load(Ordering::Relaxed) == 0 && self.spinning.load(Ordering::Relaxed) == 0
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::Counts;

    #[test]
    fn at_most_half_as_many_spin_as_ps_are_busy() {
        for procs in [1, 2, 3, 4, 16, 17] {
            for idle in 0..=procs {
                let counts = Counts::new(idle);
                let spin = (0..procs).filter(|_| counts.may_spin(procs)).count();
                assert_eq!(spin, (procs - idle).div_ceil(2), "{idle} of {procs} idle");
                assert_eq!(counts.spinning(), spin, "those that may count");
                // One that stops makes room for one.
                if spin > 0 {
                    counts.end_spinning();
                    assert!(counts.may_spin(procs) && !counts.may_spin(procs));
                }
            }
        }
    }
}

#[cfg(all(test, loom))]
mod models {
    use super::*;
    use loom::sync::atomic::AtomicBool;
    use loom::sync::{Arc, Mutex};
    use loom::thread;

    /// One P, a queue for each pusher, and what the M that a push wakes has seen.
    struct Model {
        counts: Counts,
        /// The list of idle Ps: whether the one P is in it.
        idle: Mutex<bool>,
        queues: [AtomicBool; 2],
    }

    impl Model {
        fn new() -> Arc<Self> {
            Arc::new(Self {
                counts: Counts::new(0),
                idle: Mutex::new(false),
                queues: [AtomicBool::new(false), AtomicBool::new(false)],
            })
        }

        fn change(&self, to: bool) -> bool {
            let mut idle = self.idle.lock().expect("no panic");
            let before = core::mem::replace(&mut *idle, to);
            self.counts.set_idle_ps(usize::from(to));
            before
        }

        fn has_work(&self) -> bool {
            self.queues.iter().any(|queue| queue.load(Ordering::Relaxed))
        }

        /// A spinning M with the P: takes what it finds, gives the P up, looks again, as `find.rs` does.
        fn run(&self) {
            loop {
                for queue in &self.queues {
                    queue.swap(false, Ordering::Relaxed);
                }
                self.change(true);
                self.counts.end_spinning();
                self.counts.fence_idle();
                if !self.has_work() || !self.change(false) {
                    return;
                }
                self.counts.start_spinning();
            }
        }

        /// Pushes and wakes, as `Shared::wake_one` does; the woken M runs here.
        fn push(&self, queue: usize) {
            self.queues[queue].store(true, Ordering::Relaxed);
            while self.counts.wants_spinner() {
                if self.change(false) {
                    return self.run();
                }
                self.counts.end_spinning();
            }
        }
    }

    #[test]
    fn no_push_is_left_behind_when_the_last_m_parks() {
        loom::model(|| {
            let model = Model::new();
            model.counts.start_spinning();
            let pusher = {
                let model = model.clone();
                thread::spawn(move || model.push(0))
            };
            model.run();
            pusher.join().expect("the pusher");
            assert!(!model.has_work(), "work is left and nobody looks for it");
        });
    }

    #[test]
    fn nor_by_two_pushers_that_rely_on_each_other() {
        let mut two = loom::model::Builder::new();
        // Three take minutes.
        two.preemption_bound = Some(2);
        two.check(|| {
            let model = Model::new();
            model.counts.start_spinning();
            let pushers = [0, 1].map(|queue| {
                let model = model.clone();
                thread::spawn(move || model.push(queue))
            });
            model.run();
            for pusher in pushers {
                pusher.join().expect("a pusher");
            }
            assert!(!model.has_work(), "work is left and nobody looks for it");
        });
    }
}
