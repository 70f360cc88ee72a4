//! The system's side of the netpoll where there is no epoll: the `polling` crate, asked for one event at a
//! time.

use std::io;
use std::time::Duration;

use polling::{Event, Events, Poller};

use super::reactor::event;
use crate::sys::atomic::{AtomicBool, Ordering};

#[cfg(unix)]
pub(crate) use std::os::fd::AsFd as AsDescriptor;
#[cfg(unix)]
pub(super) use std::os::fd::{BorrowedFd as Descriptor, RawFd as RawDescriptor};
#[cfg(windows)]
pub(crate) use std::os::windows::io::AsSocket as AsDescriptor;
#[cfg(windows)]
pub(super) use std::os::windows::io::{BorrowedSocket as Descriptor, RawSocket as RawDescriptor};

/// Every wait has to be asked for.
pub(super) const ASKS: bool = true;

/// A poller of the system's kind.
pub(super) struct System {
    poller: Poller,
    /// Whether somebody sleeps, or is about to.
    sleeps: AtomicBool,
}

impl System {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { poller: Poller::new()?, sleeps: AtomicBool::new(false) })
    }

    pub(super) fn add(&self, descriptor: Descriptor<'_>, key: u32) -> io::Result<()> {
        // SAFETY: a source is removed before its descriptor is closed.
        unsafe { self.poller.add(&descriptor, Event::none(key as usize)) }
    }

    pub(super) fn remove(&self, descriptor: Descriptor<'_>) {
        // It can only fail if it is gone already.
        let _ = self.poller.delete(descriptor);
    }

    pub(super) fn ask(&self, descriptor: Descriptor<'_>, key: u32, read: bool, write: bool) {
        // It was added, so this does not fail.
        let _ = self.poller.modify(descriptor, Event::new(key as usize, read, write));
    }

    /// Waits for events and hands over what came. A signal may end the wait early.
    pub(super) fn wait(
        &self,
        at_most: Option<Duration>,
        happened: impl FnOnce(&mut dyn Iterator<Item = (u32, u8)>),
    ) {
        let looks = at_most == Some(Duration::ZERO);
        if !looks {
            self.sleeps.store(true, Ordering::SeqCst);
        }
        let mut events = Events::new();
        let _ = self.poller.wait(&mut events, at_most);
        if !looks {
            self.sleeps.store(false, Ordering::SeqCst);
        } else if self.sleeps.load(Ordering::SeqCst) {
            // An interrupt that we may have taken was meant for the sleeper.
            self.interrupt();
        }
        // One event is all that was asked for: both directions try, and ask again.
        let both = event::READ | event::WRITE;
        happened(&mut events.iter().map(|event| (event.key as u32, both)));
    }

    pub(super) fn interrupt(&self) {
        let _ = self.poller.notify();
    }
}

/// The number of a descriptor.
#[cfg(unix)]
pub(super) fn raw(of: &impl AsDescriptor) -> RawDescriptor {
    use std::os::fd::AsRawFd;
    of.as_fd().as_raw_fd()
}

/// The number of a descriptor.
#[cfg(windows)]
pub(super) fn raw(of: &impl AsDescriptor) -> RawDescriptor {
    use std::os::windows::io::AsRawSocket;
    of.as_socket().as_raw_socket()
}

/// The descriptor with this number.
///
/// # Safety
/// It is open for `'a`.
pub(super) unsafe fn borrow<'a>(raw: RawDescriptor) -> Descriptor<'a> {
    // SAFETY: as the caller says.
    unsafe { Descriptor::borrow_raw(raw) }
}
