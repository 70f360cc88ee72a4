//! Work that one thread at a time does, as often as it was asked for by others meanwhile.

use super::modelled::atomic::{AtomicU8, Ordering};

/// Nobody is at it.
const IDLE: u8 = 0;
/// Somebody is.
const BUSY: u8 = 1;
/// Somebody is, and has to do it again.
const AGAIN: u8 = 2;

/// Who does the work.
pub(crate) struct Rounds(AtomicU8);

impl Rounds {
    pub(crate) fn new() -> Self {
        Self(AtomicU8::new(IDLE))
    }

    /// Asks for the work. True if the caller has to do it, until [`end`](Self::end) says that it is done; false
    /// if somebody is at it, who will do it again.
    #[must_use]
    pub(crate) fn begin(&self) -> bool {
        // One step: were it two, whoever is at it could be done in between, and all would wait for nobody.
        let ask = |state| Some(if state == IDLE { BUSY } else { AGAIN });
        // AcqRel: who takes over sees what the one before did, and what the caller did is seen by whoever is at it.
        self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, ask) == Ok(IDLE)
    }

    /// After a round. False if another was asked for.
    #[must_use]
    pub(crate) fn end(&self) -> bool {
        let end = |state| Some(if state == AGAIN { BUSY } else { IDLE });
        // AcqRel: as in `begin`.
        self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, end) == Ok(BUSY)
    }
}

#[cfg(all(test, loom))]
mod models {
    use super::Rounds;
    use loom::sync::Arc;
    use loom::sync::atomic::{AtomicUsize, Ordering};
    use loom::thread;

    /// Asks after it has given work, and does what there is if it is the one.
    fn give(shared: &(Rounds, AtomicUsize, AtomicUsize)) {
        let (rounds, given, done) = shared;
        given.fetch_add(1, Ordering::Relaxed);
        if rounds.begin() {
            loop {
                done.fetch_add(given.swap(0, Ordering::Relaxed), Ordering::Relaxed);
                if rounds.end() {
                    return;
                }
            }
        }
    }

    #[test]
    fn whatever_was_asked_for_is_done_and_nobody_stays_at_it() {
        loom::model(|| {
            let shared = Arc::new((Rounds::new(), AtomicUsize::new(0), AtomicUsize::new(0)));
            let other = shared.clone();
            let thread = thread::spawn(move || {
                give(&other);
                give(&other);
            });
            give(&shared);
            thread.join().expect("the other");
            assert_eq!(shared.2.load(Ordering::Relaxed), 3);
            assert!(shared.0.begin(), "somebody stays at it for ever");
        });
    }
}
