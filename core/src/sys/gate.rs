//! What stands before the value of a short lock: a flag for all threads, or one for the thread it is biased to.
//!
//! A lock that one thread takes over and over is biased to it: that thread then takes it by plain stores, and
//! another thread that wants it first revokes the bias, with a fence on all threads. The rules are in `README.md`.
//! Biased locking: Kawachiya, Koseki, Onodera, "Lock Reservation", OOPSLA 2002; revocation by an asymmetric fence:
//! Dice, Huang, Yang, "Asymmetric Dekker Synchronization", 2001.

use core::cell::Cell;

use super::asymmetric;
use super::backoff::Backoff;
use super::modelled::atomic::{AtomicBool, AtomicU16, AtomicU32, Ordering};

/// How often anybody has the lock before it looks whom it could be biased to: most locks are had a few times only.
const FEW: u16 = if cfg!(loom) { 2 } else { 16 };
/// How often in a row a thread has the lock before it is biased to it: a revocation, which interrupts every processor
/// that runs a thread of the process, took 14 us on a virtual machine with two of them. By then as much time went by
/// in the lock ten times over.
const STREAK: u16 = if cfg!(loom) { 2 } else { 8_000 };
/// How often the system is asked for the fence before that counts as refused: 0.1 s.
const TRIES: u32 = 1_000;
/// How often the lock may change threads before it is for all of them, for ever.
const CHANGES: u16 = if cfg!(loom) { 1 } else { 4 };

/// Whose turn it is.
///
/// | bits of `word` | meaning |
/// |---|---|
/// | 0..2 | status |
/// | 2..32 | number of the thread that had it last, or that it is biased to; 0: none |
#[repr(C)]
pub(super) struct Gate {
    word: AtomicU32,
    /// Up while somebody is inside by rule 1 or 7, or finds that it must not be.
    taken: AtomicBool,
    /// Up while the thread it is biased to is inside, by rule 3. Nobody else writes it.
    busy: AtomicBool,
    /// Bits 0..13: how often in a row the thread of the word, or anybody if there is none, had it; 13..16: how often
    /// it changed threads. Whoever has `taken` writes it.
    history: AtomicU16,
}

const _: () = assert!(size_of::<Gate>() == 8 || cfg!(loom));
const _: () = assert!(STREAK <= IN_A_ROW && CHANGES + 1 < 1 << (16 - CHANGES_SHIFT));

/// It is for all, and looks whom it could be biased to; without a thread, when it has been used a few times.
const LEARNING: u32 = 0;
/// It is for the thread of the word.
const BIASED: u32 = 1;
/// Somebody revokes that.
const REVOKING: u32 = 2;
/// It is for all, for ever. This is the whole word.
const SHARED: u32 = 3;

const STATUS: u32 = 3;
const THREAD_SHIFT: u32 = 2;
const CHANGES_SHIFT: u32 = 13;
const IN_A_ROW: u16 = (1 << CHANGES_SHIFT) - 1;
/// What a thread without a number has in place of its word; no word says this.
const NO_NUMBER: u32 = u32::MAX;

/// How somebody came in.
#[derive(Clone, Copy)]
pub(super) enum Way {
    Taken,
    Busy,
}

impl Gate {
    #[cfg(not(loom))]
    pub(super) const fn new() -> Self {
        Self {
            word: AtomicU32::new(LEARNING),
            taken: AtomicBool::new(false),
            busy: AtomicBool::new(false),
            history: AtomicU16::new(0),
        }
    }

    /// In a model of something else it is for all from the start: what it does beyond that has models of its own.
    #[cfg(loom)]
    pub(super) fn new(learns: bool) -> Self {
        Self {
            word: AtomicU32::new(if learns { LEARNING } else { SHARED }),
            taken: AtomicBool::new(false),
            busy: AtomicBool::new(false),
            history: AtomicU16::new(0),
        }
    }

    /// Waits until nobody is inside, and goes in.
    #[inline]
    pub(super) fn enter(&self) -> Way {
        // Acquire: pairs with the end of `revoke`: what was done inside by the bias is seen.
        let word = self.word.load(Ordering::Acquire);
        if word == own_word() && self.enter_biased(word) {
            return Way::Busy;
        }
        let entered = match word {
            SHARED => self.take(),
            LEARNING => self.enter_unlearnt(),
            _ => false,
        };
        if !entered {
            self.enter_slowly();
        }
        Way::Taken
    }

    /// Rule 1, for a lock that has no thread yet.
    #[inline]
    fn enter_unlearnt(&self) -> bool {
        if !self.take() {
            return false;
        }
        // Relaxed: whoever has `taken` writes both, as long as the word says LEARNING.
        let uses = self.history.load(Ordering::Relaxed) + 1;
        if uses == FEW || self.word.load(Ordering::Relaxed) != LEARNING {
            return self.learn();
        }
        self.history.store(uses, Ordering::Relaxed);
        true
    }

    /// As [`enter`](Self::enter), when no other thread comes: the flag keeps this one from being inside twice.
    #[inline]
    pub(super) fn enter_alone(&self) -> Way {
        // Relaxed: nobody else is there.
        let inside = self.taken.load(Ordering::Relaxed) || self.busy.load(Ordering::Relaxed);
        assert!(!inside, "gmp: a lock is taken twice by one thread");
        self.taken.store(true, Ordering::Relaxed);
        Way::Taken
    }

    #[inline]
    pub(super) fn leave(&self, way: Way) {
        let flag = match way {
            Way::Taken => &self.taken,
            Way::Busy => &self.busy,
        };
        // Release: pairs with `take`, or with the look at `busy` in `revoke`.
        flag.store(false, Ordering::Release);
    }

    #[cfg(test)]
    pub(super) fn is_biased(&self) -> bool {
        self.word.load(Ordering::Relaxed) & STATUS == BIASED
    }

    /// Rule 1.
    #[inline]
    fn take(&self) -> bool {
        // Acquire: pairs with `leave`.
        self.taken.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    /// Rule 3: `word` says that it is biased to this thread.
    #[inline]
    fn enter_biased(&self, word: u32) -> bool {
        debug_assert!(
            !self.busy.load(Ordering::Relaxed),
            "gmp: a lock is taken twice by one thread"
        );
        // Relaxed: what was done inside before was done by this thread.
        self.busy.store(true, Ordering::Relaxed);
        // Pairs with the heavy fence in `revoke`: this thread sees the word, or its flag is seen up.
        asymmetric::light();
        if self.word.load(Ordering::Relaxed) == word {
            return true;
        }
        // Release: nothing was done inside; a plain store is enough for whoever waits for it.
        self.busy.store(false, Ordering::Release);
        false
    }

    #[cold]
    #[inline(never)]
    fn enter_slowly(&self) {
        let mut backoff = Backoff::new();
        loop {
            // Acquire: as in `enter`.
            let word = self.word.load(Ordering::Acquire);
            match word & STATUS {
                BIASED => self.revoke(word),
                REVOKING => backoff.wait(),
                _ if self.taken.load(Ordering::Relaxed) || !self.take() => backoff.wait(),
                SHARED => return,
                _ if self.learn() => return,
                _ => {}
            }
        }
    }

    /// Rule 2, for whoever has just raised `taken`. False, and given back: it is biased by now.
    #[cold]
    #[inline(never)]
    fn learn(&self) -> bool {
        // Acquire: as in `enter`. A bias that was given before `taken` was raised is seen, or what came of it.
        let word = self.word.load(Ordering::Acquire);
        match word & STATUS {
            LEARNING => {}
            SHARED => return true,
            _ => {
                self.leave(Way::Taken);
                return false;
            }
        }
        let next = match number() {
            Some(biased) if word == biased & !STATUS => self.had_again(word, biased),
            // Without the fence there is nothing to learn.
            Some(biased) if asymmetric::is_used() => self.changed(word, biased & !STATUS),
            _ => SHARED,
        };
        if next != word {
            // Release: whoever sees SHARED and raises `taken` is ordered by that; for one who sees BIASED in
            // `learn` this came before `taken` was given back.
            self.word.store(next, Ordering::Release);
        }
        true
    }

    /// The thread of `word` has it once more. Returns the next word.
    fn had_again(&self, word: u32, biased: u32) -> u32 {
        // Relaxed, here and below: whoever has `taken` writes it.
        let history = self.history.load(Ordering::Relaxed) + 1;
        self.history.store(history, Ordering::Relaxed);
        if history & IN_A_ROW < STREAK { word } else { biased }
    }

    /// Another thread has it than last time, or the first one. Returns the next word.
    fn changed(&self, word: u32, learning: u32) -> u32 {
        let before = self.history.load(Ordering::Relaxed) >> CHANGES_SHIFT;
        let changes = before + u16::from(word != LEARNING);
        self.history.store((changes << CHANGES_SHIFT) | 1, Ordering::Relaxed);
        if changes > CHANGES { SHARED } else { learning }
    }

    /// Rule 4: makes a lock that is biased one for all.
    fn revoke(&self, word: u32) {
        let revoking = (word & !STATUS) | REVOKING;
        // Relaxed: ordered by the fence.
        let (ok, lost) = (Ordering::Relaxed, Ordering::Relaxed);
        if self.word.compare_exchange(word, revoking, ok, lost).is_err() {
            return;
        }
        let mut backoff = Backoff::new();
        // Pairs with the light fence in `enter_biased`. The system may be short of memory for it for a moment.
        let mut tries = 0..TRIES;
        while !asymmetric::heavy() {
            match tries.next() {
                Some(_) => backoff.wait(),
                None => refused(),
            }
        }
        // Acquire: pairs with `leave`.
        while self.busy.load(Ordering::Acquire) {
            backoff.wait();
        }
        // Release: pairs with the load in `enter`.
        self.word.store(SHARED, Ordering::Release);
    }
}

/// The fence was there when the process started, and is not now: a filter of system calls came in between. Nobody
/// can tell any more whether the other thread is inside.
#[cold]
fn refused() -> ! {
    eprintln!(
        "gmp: the system refuses membarrier, which it allowed before. Allow the system call, or set \
         GMP_DEBUG=membarrieroff=1 before the process starts."
    );
    std::process::abort()
}

#[cfg(not(loom))]
thread_local! {
    static OWN_WORD: Cell<u32> = const { Cell::new(NO_NUMBER) };
}
#[cfg(loom)]
loom::thread_local! {
    static OWN_WORD: Cell<u32> = Cell::new(NO_NUMBER);
}

/// The word of a lock that is biased to this thread; no word if it has no number.
#[inline]
fn own_word() -> u32 {
    OWN_WORD.with(Cell::get)
}

/// The same, and gives this thread a number. They are never used again; none is left after a billion threads.
fn number() -> Option<u32> {
    static LAST: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    if own_word() == NO_NUMBER {
        let next = |last: u32| (last < (NO_NUMBER >> THREAD_SHIFT) - 1).then_some(last + 1);
        // Relaxed: a number says nothing of anything else.
        let last = LAST.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).ok()?;
        OWN_WORD.with(|word| word.set(((last + 1) << THREAD_SHIFT) | BIASED));
    }
    Some(own_word())
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::{CHANGES, FEW, STREAK};
    use crate::sys::{BriefLock, asymmetric};

    /// How often one thread has to have a new lock until it is biased to it.
    const BIASES: u16 = FEW - 1 + STREAK;

    fn have(lock: &BriefLock<u32>, times: u16) {
        (0..times).for_each(|_| *lock.lock() += 1);
    }

    #[test]
    fn a_lock_that_one_thread_has_over_and_over_is_biased_to_it_until_another_wants_it() {
        let lock = BriefLock::new(0);
        have(&lock, BIASES - 1);
        assert!(!lock.is_biased());
        have(&lock, 1);
        assert_eq!(lock.is_biased(), asymmetric::is_used());
        have(&lock, 10);
        std::thread::scope(|scope| {
            scope.spawn(|| have(&lock, 1)).join().expect("it gets the lock")
        });
        assert!(!lock.is_biased());
        have(&lock, BIASES);
        assert!(!lock.is_biased(), "once in its life");
        assert_eq!(*lock.lock(), 2 * u32::from(BIASES) + 11);
    }

    #[test]
    fn a_lock_that_goes_from_thread_to_thread_is_for_all() {
        let lock = BriefLock::new(0);
        have(&lock, FEW - 1);
        for _ in 0..CHANGES {
            std::thread::scope(|scope| scope.spawn(|| have(&lock, 1)).join().expect("it gets it"));
        }
        // The last thread but one that it learns of.
        have(&lock, 1);
        std::thread::scope(|scope| scope.spawn(|| have(&lock, STREAK)).join().expect("it gets it"));
        assert!(!lock.is_biased());
    }

    #[test]
    fn a_thread_loses_the_bias_while_it_uses_the_lock() {
        for _ in 0..20 {
            let lock = BriefLock::new(0);
            have(&lock, BIASES);
            std::thread::scope(|scope| {
                scope.spawn(|| have(&lock, 1_000));
                have(&lock, BIASES);
            });
            assert_eq!(*lock.lock(), 2 * u32::from(BIASES) + 1_000);
        }
    }

    #[test]
    #[should_panic(expected = "a lock is taken twice by one thread")]
    #[cfg(debug_assertions)]
    fn a_thread_that_has_the_bias_cannot_go_in_twice() {
        assert!(asymmetric::is_used(), "not here: a lock is taken twice by one thread");
        let lock = BriefLock::new(0);
        have(&lock, BIASES);
        let _first = lock.lock();
        let _second = lock.lock();
    }

    #[test]
    fn a_thread_that_waits_for_the_bias_waits_for_the_one_inside() {
        let lock = BriefLock::new(0);
        have(&lock, BIASES);
        let mut guard = lock.lock();
        std::thread::scope(|scope| {
            let other = scope.spawn(|| *lock.lock());
            // It revokes, or has not come yet: both ways it may not be inside.
            (0..100).for_each(|_| std::thread::yield_now());
            *guard = 7;
            drop(guard);
            assert_eq!(other.join().ok(), Some(7));
        });
    }
}
