//! The timer of a context's deadline.

use core::task::Waker;
use std::sync::{Arc, Weak};
use std::task::Wake as StdWake;
use std::time::Duration;

use super::cancel::{ContextError, End};
use super::node::Node;
use crate::g::Wake;
use crate::time::Instant;
use crate::time::alarm::{Alarm, Ring};

/// An armed deadline, owned by its node, which disarms it before it goes.
pub(super) struct Expiry(Alarm);

/// Ends the node, outside the timers' lock.
#[derive(Clone)]
struct Expire(Weak<Node>);

impl StdWake for Expire {
    fn wake(self: Arc<Self>) {
        if let Some(node) = self.0.upgrade() {
            node.end(&End::new(ContextError::DeadlineExceeded, None, None));
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
    /// Arms the deadline of `node`, which keeps the result. An error if it has passed.
    pub(super) fn arm(node: &Arc<Node>, deadline: Instant) -> Result<Box<Self>, ()> {
        let expiry = Box::new(Self(Alarm::new()));
        let clock = expiry.0.timers().clock();
        let when = clock.nanos_of(deadline.into());
        if when <= clock.now() {
            return Err(());
        }
        // SAFETY: the node keeps the box, and disarms the alarm before it goes.
        unsafe { expiry.0.arm(Arc::new(Expire(Arc::downgrade(node))), when, 0) };
        Ok(expiry)
    }

    /// Stops the timer if it is armed.
    pub(super) fn disarm(&self) {
        self.0.disarm();
    }

    /// Time until the deadline; `None` if it is not armed.
    pub(super) fn due_in(&self) -> Option<Duration> {
        self.0.due_in()
    }
}
