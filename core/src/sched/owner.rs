//! The ownership word of a P: idle, owned by an M, or lent to a poll or a blocking call from which it may be
//! taken.
//!
//! The rules are in `README.md`.

use std::sync::Arc;

use crate::sys::modelled::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::sys::{Lock, asymmetric};

/// Who has the P.
///
/// | bits of `word` | meaning |
/// |---|---|
/// | 0..2 | status |
/// | 2 | TAKING: somebody is about to take it away |
/// | 3..32 | number of the M |
/// | 32..64 | epoch: grows with every change of owner |
///
/// Where the system offers an asymmetric fence, an M lends its P and claims it back by its [`Hand`] alone, and the
/// word stays IN_POLL all the time. Elsewhere each of the two writes the word.
pub(crate) struct Owner {
    word: AtomicU64,
    by_hand: bool,
    /// The hand of the M that has the P, if by hand; set before the word says IN_POLL.
    hand: Lock<Option<Hand>>,
}

/// Up while an M uses its P, by rules 2 to 4. Only that M writes.
#[derive(Clone)]
pub(crate) struct Hand(Arc<AtomicBool>);

const IDLE: u64 = 0;
const OWNED: u64 = 1;
const IN_POLL: u64 = 2;
const BLOCKING: u64 = 3;
const STATUS: u64 = 3;
const TAKING: u64 = 4;
/// What is no part of a tenure.
const PASSING: u64 = STATUS | TAKING;
const M_SHIFT: u32 = 3;
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

impl Hand {
    pub(crate) fn new() -> Self {
        Self(Arc::new(AtomicBool::new(false)))
    }
}

impl Tenure {
    /// The number of the M.
    pub(super) fn machine(self) -> u32 {
        ((self.0 & (EPOCH_ONE - 1)) >> M_SHIFT) as u32
    }
}

impl Owner {
    pub(crate) fn new() -> Self {
        Self::with(asymmetric::is_used())
    }

    fn with(by_hand: bool) -> Self {
        Self { word: AtomicU64::new(IDLE), by_hand, hand: Lock::new(None) }
    }

    /// Rule 1: takes an idle P.
    pub(crate) fn acquire(&self, m: u32) -> Option<Tenure> {
        let now = self.word.load(Ordering::Relaxed);
        if now & STATUS == IDLE { self.change(m, now) } else { None }
    }

    /// The M of this tenure begins to use the P, with its hand.
    pub(crate) fn begin(&self, tenure: Tenure, hand: &Hand) {
        if self.by_hand {
            *self.hand.lock() = Some(hand.clone());
            hand.0.store(true, Ordering::Relaxed);
            // Release: pairs with `take_by_hand`: whoever takes sees this hand, and that it was up.
            self.word.store(tenure.0 | IN_POLL, Ordering::Release);
        }
    }

    /// Rule 5: takes a P away from a poll, or from a blocking call inside one.
    pub(crate) fn take(&self, m: u32) -> Option<Tenure> {
        let now = self.word.load(Ordering::Relaxed);
        match now & PASSING {
            IN_POLL if self.by_hand => self.take_by_hand(m, now),
            // A blocking call uses no P, and leaves by a read-modify-write that sees this one.
            IN_POLL | BLOCKING => self.change(m, now),
            _ => None,
        }
    }

    /// Rule 5 with hands: announces it, makes sure that the M sees that before it raises its hand again, and
    /// looks whether it is up.
    fn take_by_hand(&self, m: u32, now: u64) -> Option<Tenure> {
        // Acquire: pairs with `begin`.
        let (to, ok) = (now | TAKING, Ordering::Acquire);
        self.word.compare_exchange(now, to, ok, Ordering::Relaxed).ok()?;
        let hand = self.hand.lock().clone();
        // Pairs with the light fence in `claim`: the M sees TAKING, or its hand is seen up.
        let ordered = asymmetric::heavy();
        // Acquire: pairs with `lend`: the queue is as the M left it.
        if !ordered || hand.is_none_or(|hand| hand.0.load(Ordering::Acquire)) {
            // Nobody else writes the word while it says TAKING.
            self.word.store(now, Ordering::Release);
            return None;
        }
        let tenure = Tenure::after(now, m);
        // Release: an M that waits for the end of TAKING finds its tenure over.
        self.word.store(tenure.0 | OWNED, Ordering::Release);
        Some(tenure)
    }

    /// The word, as soon as nobody is about to take the P.
    fn settled(&self) -> u64 {
        let mut looks = 0u32;
        loop {
            // Acquire: pairs with `take_by_hand`.
            let now = self.word.load(Ordering::Acquire);
            if now & TAKING == 0 {
                return now;
            }
            looks += 1;
            wait(looks);
        }
    }

    /// Changes the word as the owner of a tenure. False if it is not `from`, which is without TAKING.
    fn step(&self, from: u64, to: u64) -> bool {
        loop {
            // Release: pairs with whoever changes the owner. What was done with the P before is in the release
            // sequence of `lend`; a failure needs no order.
            match self.word.compare_exchange(from, to, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(now) if now == from | TAKING => drop(self.settled()),
                Err(_) => return false,
            }
        }
    }

    /// Rule 16: says that the poll to which the P is lent may block. False if the P is gone, or that was
    /// said already.
    #[must_use]
    pub(crate) fn enter_blocking(&self, tenure: Tenure) -> bool {
        self.step(tenure.0 | IN_POLL, tenure.0 | BLOCKING)
    }

    /// Takes that back. False if the P is gone: then nothing changes, and `claim` will tell.
    pub(crate) fn leave_blocking(&self, tenure: Tenure) -> bool {
        self.step(tenure.0 | BLOCKING, tenure.0 | IN_POLL)
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
        let now = self.word.load(Ordering::Relaxed);
        let is_used = || {
            let hand = self.hand.lock();
            hand.as_ref().is_some_and(|hand| hand.0.load(Ordering::Relaxed))
        };
        let status = match now & STATUS {
            IDLE => Status::Idle,
            OWNED => Status::Owned,
            IN_POLL if self.by_hand && is_used() => Status::Owned,
            IN_POLL => Status::InPoll,
            _ => Status::Blocking,
        };
        Holder { status, machine: Tenure(now).machine() }
    }

    fn change(&self, m: u32, now: u64) -> Option<Tenure> {
        let tenure = Tenure::after(now, m);
        // Acquire: pairs with the release in `lend` and `release`: the queue is as its last user
        // left it.
        let (new, ok) = (tenure.0 | OWNED, Ordering::Acquire);
        self.word.compare_exchange(now, new, ok, Ordering::Relaxed).ok().map(|_| tenure)
    }

    /// Rule 2: lends the P to a poll.
    #[inline]
    pub(crate) fn lend(&self, tenure: Tenure, hand: &Hand) {
        if self.by_hand {
            // Release: pairs with `take_by_hand`.
            hand.0.store(false, Ordering::Release);
        } else {
            // Release: pairs with `claim` and `change`.
            self.word.store(tenure.0 | IN_POLL, Ordering::Release);
        }
    }

    /// Rules 3 and 4: claims a lent P back. False if it is gone.
    #[inline]
    #[must_use]
    pub(crate) fn claim(&self, tenure: Tenure, hand: &Hand) -> bool {
        let from = tenure.0 | IN_POLL;
        if self.by_hand {
            hand.0.store(true, Ordering::Relaxed);
            // Pairs with the heavy fence in `take_by_hand`: TAKING is seen here, or the hand there.
            asymmetric::light();
            // Relaxed: what this M wrote itself, or nothing of the P is used.
            return self.word.load(Ordering::Relaxed) == from || self.claim_again(from, hand);
        }
        // Acquire: pairs with `lend`, though it only succeeds on the word that this M stored itself.
        // A failure needs no order: nothing of the P is used.
        let (to, ok) = (tenure.0 | OWNED, Ordering::Acquire);
        self.word.compare_exchange(from, to, ok, Ordering::Relaxed).is_ok()
    }

    /// The P is gone, or somebody is about to take it.
    #[cold]
    fn claim_again(&self, from: u64, hand: &Hand) -> bool {
        loop {
            // Release: as in `lend`; the P was not used in between.
            hand.0.store(false, Ordering::Release);
            if self.settled() != from {
                return false;
            }
            hand.0.store(true, Ordering::Relaxed);
            // As in `claim`.
            asymmetric::light();
            if self.word.load(Ordering::Relaxed) == from {
                return true;
            }
        }
    }

    /// Whether this tenure goes on. A hint for anybody but its M, whose P may be taken at any moment.
    pub(super) fn is_held_in(&self, tenure: Tenure) -> bool {
        self.word.load(Ordering::Relaxed) & !PASSING == tenure.0
    }

    /// Whether nobody owns the P; a hint.
    pub(crate) fn is_idle(&self) -> bool {
        self.word.load(Ordering::Acquire) & STATUS == IDLE
    }

    /// Gives up an owned P.
    pub(crate) fn release(&self, tenure: Tenure) {
        // By hand it says IN_POLL, and somebody may try to take it: our hand is up, so that fails.
        if !(self.by_hand && self.step(tenure.0 | IN_POLL, tenure.0 | IDLE)) {
            // Release: pairs with `change`. Nobody takes what says OWNED.
            self.word.store(tenure.0 | IDLE, Ordering::Release);
        }
    }
}

impl Tenure {
    /// The tenure of `m` after what `now` says.
    fn after(now: u64, m: u32) -> Self {
        let epoch = (now & !(EPOCH_ONE - 1)).wrapping_add(EPOCH_ONE);
        Self(epoch | (u64::from(m) << M_SHIFT) & (EPOCH_ONE - 1))
    }
}

/// Whoever takes needs a few microseconds, and longer if it loses its CPU.
#[cfg(not(loom))]
fn wait(looks: u32) {
    if looks.is_multiple_of(64) { std::thread::yield_now() } else { core::hint::spin_loop() }
}

#[cfg(loom)]
fn wait(_: u32) {
    loom::thread::yield_now();
}

#[cfg(all(test, not(loom)))]
mod tests;

#[cfg(all(test, loom))]
mod models;
