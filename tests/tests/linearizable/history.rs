//! What happened in one run of a program: every operation with its result, and when it was called and
//! when it returned.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// An arm of a select that did not wait, or a form that did not wait: the channel, and the direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Arm {
    Send(usize),
    Recv(usize),
}

/// What an operation did to the channel of that number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    Sent(usize, u8),
    Received(usize, u8),
    /// A receive found the channel closed and drained.
    Drained(usize),
    /// A send found the channel closed: one of these, where it was a select.
    Refused(Vec<usize>),
    /// None of the arms was ready.
    Idle(Vec<Arm>),
    Closed(usize),
    /// A close found the channel closed.
    ClosedBefore(usize),
}

/// An operation, from its call to its return on the clock of the history.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) act: Act,
    pub(crate) called: usize,
    pub(crate) returned: usize,
}

/// The history of one run.
#[derive(Default)]
pub(crate) struct History {
    clock: AtomicUsize,
    events: Mutex<Vec<Event>>,
}

impl History {
    /// The moment of a call.
    pub(crate) fn call(&self) -> usize {
        self.clock.fetch_add(1, Ordering::SeqCst)
    }

    /// Notes what the operation that was called at `called` did.
    pub(crate) fn note(&self, called: usize, act: Act) {
        let returned = self.clock.fetch_add(1, Ordering::SeqCst);
        self.events.lock().unwrap().push(Event { act, called, returned });
    }

    /// How many operations have returned.
    pub(crate) fn len(&self) -> usize {
        self.events.lock().unwrap().len()
    }

    pub(crate) fn take(&self) -> Vec<Event> {
        std::mem::take(&mut self.events.lock().unwrap())
    }
}
