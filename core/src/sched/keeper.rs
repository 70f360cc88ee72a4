//! The keeper: the one parked M that sleeps until the next timer of all is due. Rule 12 of `README.md`.

use std::sync::Arc;

use super::parker::{Bed, Parker};
use crate::netpoll::Netpoll;
use crate::sys::modelled::Lock;
use crate::sys::modelled::atomic::{AtomicU64, Ordering, fence};
use crate::time::clock::Nanos;

/// Who keeps the timers, if anybody does.
pub(super) struct Keeper<B = Netpoll> {
    parker: Lock<Option<Arc<Parker<B>>>>,
    /// Until when the keeper sleeps: 0 if there is none, `u64::MAX` until it has looked at the timers.
    until: AtomicU64,
}

impl<B: Bed> Keeper<B> {
    pub(super) fn new() -> Self {
        Self { parker: Lock::new(None), until: AtomicU64::new(0) }
    }

    /// Makes this M the keeper, if there is no other. It looks at the timers next, and says until when it sleeps.
    pub(super) fn become_keeper(&self, parker: &Arc<Parker<B>>) -> bool {
        let mut keeper = self.parker.lock();
        let free = keeper.is_none();
        if free {
            *keeper = Some(parker.clone());
            self.until.store(u64::MAX, Ordering::Relaxed);
            // SeqCst: pairs with the fence in `covers`. The keeper sees the timer, or is seen.
            fence(Ordering::SeqCst);
        }
        free
    }

    /// The keeper has looked at the timers and sleeps until `moment`.
    pub(super) fn keeps_until(&self, moment: Nanos) {
        // Relaxed: whoever misses it reads `u64::MAX`, and pokes in vain.
        self.until.store(moment, Ordering::Relaxed);
    }

    pub(super) fn leave(&self) {
        let mut keeper = self.parker.lock();
        self.until.store(0, Ordering::Relaxed);
        *keeper = None;
    }

    /// Whether there is one, or one that is about to leave.
    pub(super) fn is_there(&self) -> bool {
        // Relaxed: a keeper leaves before it looks at the idle lists. Whoever has listed a P there is seen by it,
        // or was later under their lock, and sees that it has left.
        self.until.load(Ordering::Relaxed) != 0
    }

    /// Whether a keeper wakes up for a timer that was published just now and is due at `moment`; it is poked if it
    /// would sleep longer. If not, nobody sleeps for the timers.
    pub(super) fn covers(&self, moment: Nanos) -> bool {
        // SeqCst: pairs with the fence in `become_keeper`.
        fence(Ordering::SeqCst);
        match self.until.load(Ordering::Relaxed) {
            0 => false,
            until => until <= moment || self.poke(),
        }
    }

    /// Makes the keeper look at the timers again. False if there is none.
    pub(super) fn poke(&self) -> bool {
        let keeper = self.parker.lock().clone();
        keeper.map(|keeper| keeper.poke()).is_some()
    }
}

#[cfg(all(test, loom))]
mod models;
