//! One poll of a goroutine by an M, and the end of its life.

use core::ptr::NonNull;
use core::task::{Context, Poll};
use std::sync::Arc;

use super::cell::Header;
use super::gref::GRef;
use super::leaf::{FIRED, Joiner, Leaf, Wake};
use super::panic::{Payload, drop_caught, forget_payload};
use super::scope::{Schedule, Scope};
use super::state::{EndPoll, StartPoll};
use super::{current, waker};
use crate::sys::atomic::{AtomicBool, Ordering};

/// What became of a goroutine that an M ran.
#[must_use]
pub(crate) enum Polled {
    /// It finished or is parked; nothing to do.
    Gone,
    /// It was made ready while it ran.
    Requeue(GRef),
}

impl GRef {
    /// Runs a goroutine that was taken from a run queue of `schedule`, which is that of its scope: one
    /// poll. It yields when `asked` says so; without, after a number of operations.
    pub(crate) fn run(
        self,
        now_millis: u32,
        schedule: &dyn Schedule,
        asked: Option<&AtomicBool>,
    ) -> Polled {
        match self.state.start_poll() {
            StartPoll::Skip => return Polled::Gone,
            StartPoll::Cancel => return self.cancel(),
            // SAFETY: just claimed, so registered.
            StartPoll::Poll if unsafe { self.scope() }.is_closed() => {
                self.state.refuse_poll();
                return Polled::Gone;
            }
            StartPoll::Poll => {}
        }
        self.note_poll();
        let waker = waker::for_poll(self.as_ptr());
        let poll = || Header::poll(self.as_ptr(), &mut Context::from_waker(&waker));
        let (polled, woken) = current::enter_poll(self.as_ptr(), self.scope, schedule, asked, poll);
        if let Poll::Ready(registered) = polled {
            self.drop_both(registered);
            return Polled::Gone;
        }
        self.set_parked_at(now_millis);
        match self.state.end_own_poll(woken) {
            EndPoll::Parked => {
                // Given up with the claim.
                let _ = self.into_raw();
                Polled::Gone
            }
            EndPoll::Requeue => Polled::Requeue(self),
            EndPoll::Cancel => self.cancel(),
        }
    }

    /// Ends an aborted goroutine that this M has claimed.
    fn cancel(&self) -> Polled {
        if let Err(payload) = self.discard() {
            forget_payload(payload);
        }
        Polled::Gone
    }

    /// Drops the future of a goroutine that the caller has claimed, with panics caught, and ends
    /// its life. The panic's payload is returned.
    pub(crate) fn discard(&self) -> Result<(), Payload> {
        // SAFETY: the caller has claimed the goroutine, so nobody polls or drops the future.
        let dropped =
            current::enter(self.as_ptr(), || unsafe { (self.vtable.drop_future)(self.as_ptr()) });
        self.finish_without_output();
        dropped
    }

    /// Drops the future of a goroutine that nobody runs. False if there is somebody, or it is done; a thread's
    /// own call ends on its thread.
    pub(crate) fn discard_idle(&self) -> bool {
        let may = self.may_be_touched_here() && !self.is_thread_bound();
        if !(may && self.seize() && self.claim_frozen()) {
            return false;
        }
        if let Err(payload) = self.discard() {
            forget_payload(payload);
        }
        true
    }

    /// Ends a thread-bound goroutine, on its thread.
    pub(super) fn finish_thread(&self) {
        self.finish_without_output();
    }

    fn finish_without_output(&self) {
        self.state.complete(false);
        if self.is_locked() {
            // SAFETY: registered until `finish`.
            unsafe { self.scope() }.schedule().forsake(self.id());
        }
        Header::finish(self.as_ptr());
        // SAFETY: the registry's reference, given up here.
        drop(unsafe { GRef::from_raw(self.as_ptr()) });
    }
}

impl Header {
    /// Polls the future once. It is completed by this call if it is ready or panics; the registry's
    /// reference is the caller's then.
    pub(super) fn poll(g: NonNull<Header>, cx: &mut Context<'_>) -> Poll<GRef> {
        // SAFETY: callers have claimed the goroutine: the state word says RUNNING, by them. If it is done
        // `Cell::poll` has taken it out of the registry.
        unsafe { (g.as_ref().vtable.poll)(g, cx).map(|()| GRef::from_raw(g)) }
    }

    /// The end of a goroutine's life, which is complete already: wakes whoever joins it and takes it out of
    /// the registry. The registry's reference is the caller's from now on.
    pub(super) fn finish(g: NonNull<Header>) {
        // SAFETY: the caller polls or reaps the goroutine and has a reference.
        let header = unsafe { g.as_ref() };
        // Whoever takes the lock from now on finds it complete, and leaves joiner and scope alone.
        let joiner =
            match header.leaves.is_free() && header.joiner.load(Ordering::Acquire).is_null() {
                true => None,
                false => header.fire_joiner(),
            };
        // SAFETY: it is registered until this call. The scope is kept until it has returned.
        let scope = unsafe { header.scope().unregister(g) };
        let foreign = match joiner {
            Some(Wake::G(joiner)) if !joiner.is_hosted() => {
                joiner.ready();
                None
            }
            Some(Wake::Queue(joiner)) if !joiner.is_hosted() => {
                joiner.enqueue();
                None
            }
            foreign => foreign,
        };
        if scope.is_some() || foreign.is_some() {
            Self::finish_outside(g, scope, foreign);
        }
    }

    /// What a scope keeps that goes, and the waker of somebody foreign who joins, or of a hosted goroutine's host, are
    /// the user's: they must not look for the scope of this goroutine, which is in none any more.
    fn finish_outside(g: NonNull<Header>, scope: Option<Arc<Scope>>, foreign: Option<Wake>) {
        current::leave(g);
        drop_caught(scope);
        if let Some(wake) = foreign {
            wake.wake();
        }
    }

    fn fire_joiner(&self) -> Option<Wake> {
        let lock = self.leaves.lock();
        let joiner = NonNull::new(self.joiner.load(Ordering::Relaxed))?;
        self.set_joiner(&lock, None);
        // SAFETY: the cell's lock guards the slot, and a joiner that waits unhooks itself under the same lock
        // before it goes; it waits until this call.
        Some(unsafe { Leaf::fire(Joiner::leaf(joiner), FIRED) })
    }
}
