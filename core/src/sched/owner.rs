//! The ownership word of a P: idle, owned by an M, or lent to a poll or a blocking call from which it may be
//! taken.
//!
//! The rules are in `README.md`.

use crate::sys::modelled::atomic::{AtomicU64, Ordering};

/// | bits | meaning |
/// |---|---|
/// | 0..2 | status |
/// | 2..32 | number of the M |
/// | 32..64 | epoch: grows with every change of owner |
pub(crate) struct Owner(AtomicU64);

const IDLE: u64 = 0;
const OWNED: u64 = 1;
const IN_POLL: u64 = 2;
const BLOCKING: u64 = 3;
const STATUS: u64 = 3;
const EPOCH_ONE: u64 = 1 << 32;

/// What goes on with a P that may be taken away, and on which M.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    InPoll(u32),
    Blocking(u32),
    Other,
}

/// What the status bits say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Idle,
    Owned,
    InPoll,
    Blocking,
}

/// What the word says of a moment; for whoever only looks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Holder {
    pub(super) status: Status,
    /// The number of its M, or of the last one.
    pub(super) machine: u32,
}

/// A tenure: which M owns the P in which epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tenure(u64);

impl Owner {
    pub(crate) fn new() -> Self {
        Self(AtomicU64::new(IDLE))
    }

    /// Rule 1: takes an idle P.
    pub(crate) fn acquire(&self, m: u32) -> Option<Tenure> {
        self.change(m, IDLE)
    }

    /// Rule 5: takes a P away from a poll, or from a blocking call inside one.
    pub(crate) fn take(&self, m: u32) -> Option<Tenure> {
        self.change(m, IN_POLL).or_else(|| self.change(m, BLOCKING))
    }

    /// Rule 16: says that the poll to which the P is lent may block. False if the P is gone, or that was
    /// said already.
    #[must_use]
    pub(crate) fn enter_blocking(&self, tenure: Tenure) -> bool {
        let (from, to) = (tenure.0 | IN_POLL, tenure.0 | BLOCKING);
        // Release: pairs with `change`. What was done with the P before is in the release sequence of
        // `lend`; a failure needs no order.
        self.0.compare_exchange(from, to, Ordering::Release, Ordering::Relaxed).is_ok()
    }

    /// Takes that back. If the P is gone, nothing changes.
    pub(crate) fn leave_blocking(&self, tenure: Tenure) {
        let (from, to) = (tenure.0 | BLOCKING, tenure.0 | IN_POLL);
        // Release: as above. Whether the P is gone is asked by `claim`.
        let _ = self.0.compare_exchange(from, to, Ordering::Release, Ordering::Relaxed);
    }

    /// What goes on with the P; a hint.
    pub(crate) fn look(&self) -> Look {
        let Holder { status, machine } = self.holder();
        match status {
            Status::InPoll => Look::InPoll(machine),
            Status::Blocking => Look::Blocking(machine),
            Status::Idle | Status::Owned => Look::Other,
        }
    }

    /// Who has the P; a hint.
    pub(super) fn holder(&self) -> Holder {
        let now = self.0.load(Ordering::Relaxed);
        let status = match now & STATUS {
            IDLE => Status::Idle,
            OWNED => Status::Owned,
            IN_POLL => Status::InPoll,
            _ => Status::Blocking,
        };
        Holder { status, machine: ((now & (EPOCH_ONE - 1)) >> 2) as u32 }
    }

    fn change(&self, m: u32, from: u64) -> Option<Tenure> {
        let now = self.0.load(Ordering::Relaxed);
        if now & STATUS != from {
            return None;
        }
        let epoch = (now & !(EPOCH_ONE - 1)).wrapping_add(EPOCH_ONE);
        let tenure = Tenure(epoch | (u64::from(m) << 2) & (EPOCH_ONE - 1));
        // Acquire: pairs with the release in `lend` and `release`: the queue is as its last user
        // left it.
        let (new, ok) = (tenure.0 | OWNED, Ordering::Acquire);
        self.0.compare_exchange(now, new, ok, Ordering::Relaxed).ok().map(|_| tenure)
    }

    /// Rule 2: lends the P to a poll.
    pub(crate) fn lend(&self, tenure: Tenure) {
        // Release: pairs with `claim` and `change`.
        self.0.store(tenure.0 | IN_POLL, Ordering::Release);
    }

    /// Rules 3 and 4: claims a lent P back. False if it is gone.
    #[must_use]
    pub(crate) fn claim(&self, tenure: Tenure) -> bool {
        let (from, to) = (tenure.0 | IN_POLL, tenure.0 | OWNED);
        // Acquire: pairs with `lend`, though it only succeeds on the word that this M stored itself.
        // A failure needs no order: nothing of the P is used.
        self.0.compare_exchange(from, to, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    /// Whether this tenure goes on. A hint for anybody but its M, whose P may be taken at any moment.
    pub(super) fn is_held_in(&self, tenure: Tenure) -> bool {
        self.0.load(Ordering::Relaxed) & !STATUS == tenure.0
    }

    /// Whether nobody owns the P; a hint.
    pub(crate) fn is_idle(&self) -> bool {
        self.0.load(Ordering::Acquire) & STATUS == IDLE
    }

    /// Gives up an owned P.
    pub(crate) fn release(&self, tenure: Tenure) {
        // Release: pairs with `change`.
        self.0.store(tenure.0 | IDLE, Ordering::Release);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_taken_p_cannot_be_claimed_by_its_old_owner() {
        let owner = Owner::new();
        let old = owner.acquire(1).expect("idle");
        assert!(owner.acquire(2).is_none() && owner.take(2).is_none(), "owned");
        owner.lend(old);
        assert!(owner.claim(old));
        owner.lend(old);
        let new = owner.take(2).expect("lent");
        assert!(!owner.claim(old));
        owner.lend(new);
        assert!(!owner.claim(old) && owner.claim(new));
        owner.release(new);
        let again = owner.acquire(1).expect("idle");
        assert_ne!(again, old, "the same M in another epoch");
    }
}

#[cfg(all(test, loom))]
mod models {
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
        fn new() -> Arc<Self> {
            Arc::new(Self { owner: Owner::new(), uses: UnsafeCell::new(0) })
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
            self.touch();
            self.owner.lend(tenure);
            if self.owner.claim(tenure) {
                self.touch();
                self.owner.lend(tenure);
            }
            if self.owner.claim(tenure) {
                self.touch();
                self.owner.release(tenure);
            }
        }
    }

    #[test]
    fn a_push_from_inside_a_poll_and_a_take() {
        loom::model(|| {
            let p = Guarded::new();
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
        loom::model(|| {
            let p = Guarded::new();
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
        loom::model(|| {
            let p = Guarded::new();
            let tenure = p.owner.acquire(1).expect("idle");
            let taker = {
                let p = p.clone();
                thread::spawn(move || {
                    if let Some(tenure) = p.owner.take(2) {
                        p.poll(tenure);
                    }
                })
            };
            p.touch();
            p.owner.lend(tenure);
            if p.owner.enter_blocking(tenure) {
                assert!(!p.owner.claim(tenure), "nobody pushes from inside the call");
                p.owner.leave_blocking(tenure);
            }
            if p.owner.claim(tenure) {
                p.touch();
                p.owner.release(tenure);
            }
            taker.join().expect("the taker");
            assert!(p.owner.is_idle(), "whoever had it last gave it up");
        });
    }

    #[test]
    fn taken_away_twice() {
        loom::model(|| {
            let p = Guarded::new();
            let tenure = p.owner.acquire(1).expect("idle");
            let takers = [2, 3].map(|m| {
                let p = p.clone();
                thread::spawn(move || {
                    if let Some(tenure) = p.owner.take(m) {
                        p.touch();
                        p.owner.lend(tenure);
                    }
                })
            });
            p.owner.lend(tenure);
            if p.owner.claim(tenure) {
                p.touch();
                p.owner.lend(tenure);
            }
            for taker in takers {
                taker.join().expect("a taker");
            }
        });
    }
}
