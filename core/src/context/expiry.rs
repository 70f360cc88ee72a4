//! The timer of a context's deadline.

use core::task::Waker;
use std::sync::{Arc, Weak};
use std::task::Wake as StdWake;
use std::time::Duration;

use super::cancel::{Cause, ContextError, End};
use super::node::Node;
use crate::g::{Wake, drop_caught};
use crate::time::Instant;
use crate::time::alarm::{Alarm, Ring};

/// A deadline, owned by its node, which disarms it before it goes.
pub(super) struct Expiry {
    alarm: Alarm,
    /// Kept here, not by the timer: it is the user's, and timers are let go under a lock.
    cause: Option<Cause>,
}

/// Ends the node, outside the timers' lock.
#[derive(Clone)]
struct Expire(Weak<Node>);

impl StdWake for Expire {
    fn wake(self: Arc<Self>) {
        if let Some(node) = self.0.upgrade() {
            // It was there before its alarm was armed.
            if let Some(expiry) = node.expiry() {
                node.end(&expiry.end());
            }
        }
    }
}

/// Dropping one drops a weak reference only.
impl Ring for Expire {
    fn ring(&self, _: Instant, wakes: &mut Vec<Wake>) {
        wakes.push(Wake::of(Waker::from(Arc::new(self.clone()))));
    }
}

impl Expiry {
    /// A deadline that is not armed.
    pub(super) fn new(cause: Option<Cause>) -> Box<Self> {
        Box::new(Self { alarm: Alarm::new(), cause })
    }

    /// Arms the deadline of `node`. False if it has passed.
    ///
    /// # Safety
    /// The node owns this, and disarms it before it goes.
    pub(super) unsafe fn arm(&self, node: &Arc<Node>, deadline: Instant) -> bool {
        let clock = self.alarm.timers().clock();
        let when = clock.nanos_of(deadline.into());
        if when <= clock.now() {
            return false;
        }
        // SAFETY: as the caller says; it is in a box.
        unsafe { self.alarm.arm(Arc::new(Expire(Arc::downgrade(node))), when, 0) };
        true
    }

    /// How a node ends whose deadline has passed.
    pub(super) fn end(&self) -> End {
        End::new(ContextError::DeadlineExceeded, self.cause.clone(), None)
    }

    /// Lets go of the cause, which is the user's.
    pub(super) fn drop_cause(self) {
        if let Some(cause) = self.cause {
            drop_caught(cause);
        }
    }

    /// Stops the timer if it is armed.
    pub(super) fn disarm(&self) {
        self.alarm.disarm();
    }

    /// Time until the deadline; `None` if it is not armed.
    pub(super) fn due_in(&self) -> Option<Duration> {
        self.alarm.due_in()
    }
}
