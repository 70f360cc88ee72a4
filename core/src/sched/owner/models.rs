//! Models of the ownership word under all interleavings.

use super::*;
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;

/// A P of which only the number of uses is left; two users at a time fail the model.
struct Guarded {
    owner: Owner,
    uses: UnsafeCell<usize>,
}

// SAFETY: the model checks exactly this.
unsafe impl Sync for Guarded {}
// SAFETY: as above.
unsafe impl Send for Guarded {}

impl Guarded {
    fn new(by_hand: bool) -> Arc<Self> {
        Arc::new(Self { owner: Owner::with(by_hand), uses: UnsafeCell::new(0) })
    }

    fn touch(&self) -> usize {
        self.uses.with_mut(|uses| {
            // SAFETY: the caller owns the P; the model fails if not.
            unsafe {
                *uses += 1;
                *uses
            }
        })
    }

    /// An M's way through one poll with a push from inside it.
    fn poll(&self, tenure: Tenure) {
        let hand = &Hand::new();
        self.owner.begin(tenure, hand);
        self.touch();
        self.owner.lend(tenure, hand);
        if self.owner.claim(tenure, hand) {
            self.touch();
            self.owner.lend(tenure, hand);
        }
        if self.owner.claim(tenure, hand) {
            self.touch();
            self.owner.release(tenure);
        }
    }
}

/// With both protocols.
fn model(check: fn(bool)) {
    for by_hand in [false, true] {
        loom::model(move || check(by_hand));
    }
}

#[test]
fn a_push_from_inside_a_poll_and_a_take() {
    model(|by_hand| {
        let p = Guarded::new(by_hand);
        let tenure = p.owner.acquire(1).expect("idle");
        let taker = {
            let p = p.clone();
            thread::spawn(move || {
                if let Some(tenure) = p.owner.take(2) {
                    p.poll(tenure);
                }
            })
        };
        p.poll(tenure);
        taker.join().expect("the taker");
    });
}

#[test]
fn an_idle_p_is_acquired_by_one_m_and_seen_as_it_was_left() {
    model(|by_hand| {
        let p = Guarded::new(by_hand);
        let acquire = |m| {
            let p = p.clone();
            move || p.owner.acquire(m).map(|tenure| p.poll(tenure))
        };
        let other = thread::spawn(acquire(1));
        acquire(2)();
        other.join().expect("the other M");
        let tenure = p.owner.acquire(3).expect("idle again");
        let uses = p.touch();
        assert!(uses == 4 || uses == 7, "{uses}");
        p.owner.release(tenure);
    });
}

#[test]
fn a_blocking_call_and_a_take() {
    model(|by_hand| {
        let p = Guarded::new(by_hand);
        let mut tenure = p.owner.acquire(1).expect("idle");
        let taker = {
            let p = p.clone();
            thread::spawn(move || {
                if let Some(tenure) = p.owner.take(2) {
                    p.poll(tenure);
                }
            })
        };
        let hand = &Hand::new();
        p.owner.begin(tenure, hand);
        p.touch();
        p.owner.lend(tenure, hand);
        if p.owner.enter_blocking(tenure) {
            assert!(!p.owner.claim(tenure, hand), "nobody pushes from inside the call");
            if !p.owner.leave_blocking(tenure)
                && let Some(again) = p.owner.acquire(1)
            {
                tenure = again;
                p.owner.begin(tenure, hand);
                p.owner.lend(tenure, hand);
            }
        }
        if p.owner.claim(tenure, hand) {
            p.touch();
            p.owner.release(tenure);
        }
        taker.join().expect("the taker");
        assert!(p.owner.is_idle(), "whoever had it last gave it up");
    });
}

#[test]
fn taken_away_twice() {
    model(|by_hand| {
        let p = Guarded::new(by_hand);
        let tenure = p.owner.acquire(1).expect("idle");
        let takers = [2, 3].map(|m| {
            let p = p.clone();
            thread::spawn(move || {
                if let Some(tenure) = p.owner.take(m) {
                    let hand = &Hand::new();
                    p.owner.begin(tenure, hand);
                    p.touch();
                    p.owner.lend(tenure, hand);
                }
            })
        });
        let hand = &Hand::new();
        p.owner.begin(tenure, hand);
        p.owner.lend(tenure, hand);
        if p.owner.claim(tenure, hand) {
            p.touch();
            p.owner.lend(tenure, hand);
        }
        for taker in takers {
            taker.join().expect("a taker");
        }
    });
}
