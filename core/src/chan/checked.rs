//! `Checked`: a channel whose sends in a select give an error where those of the channel panic.

use core::fmt;
use std::panic::Location as Panic;

use super::{Chan, SendArm, SendError};

/// A [`Chan`] as the target of a send arm that gives a `Result`, as [`Chan::send_checked`] does. Borrowed from the
/// channel by [`Chan::checked`].
#[repr(transparent)]
pub struct Checked<T> {
    chan: Chan<T>,
}

impl<T> Checked<T> {
    pub(super) fn of(chan: &Chan<T>) -> &Self {
        // SAFETY: it is laid out as the channel, which is all that it has, and lives as long.
        unsafe { &*core::ptr::from_ref(chan).cast() }
    }

    pub(super) fn chan(&self) -> &Chan<T> {
        &self.chan
    }

    #[doc(hidden)]
    #[track_caller]
    pub fn send_arm(&self, value: T) -> SendArm<'_, T> {
        SendArm::new(self.chan.core(), value, Panic::caller())
    }

    #[doc(hidden)]
    pub fn sent(&self, result: Result<(), SendError<T>>) -> Result<(), SendError<T>> {
        result
    }
}

impl<T> fmt::Debug for Checked<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Checked").field(&self.chan).finish()
    }
}
