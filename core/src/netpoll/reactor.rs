//! The registered sources of a runtime, and what the system says about them.

use core::ptr::NonNull;
use std::io;
use std::time::Duration;

use super::source::Head;
use super::system::{Descriptor, System};
use crate::g::Wake;
use crate::sys::BriefLock;

/// What the system told about a source: bits.
pub(super) mod event {
    /// It may be read.
    pub(crate) const READ: u8 = 1;
    /// It may be written.
    pub(crate) const WRITE: u8 = 2;
    /// The peer writes no more, or an error waits: a read never has to wait again.
    pub(crate) const READ_ENDED: u8 = 4;
    /// A write never has to wait again.
    pub(crate) const WRITE_ENDED: u8 = 8;
}

/// The sources of one runtime.
pub(super) struct Reactor {
    system: System,
    sources: BriefLock<Sources>,
}

/// Sources by the key that the system knows them by. A key is used again: an event that was meant for the
/// one before is no more than a spurious wake-up.
#[derive(Default)]
struct Sources {
    heads: Vec<Option<NonNull<Head>>>,
    free: Vec<u32>,
}

// SAFETY: a head is used under the lock only, and is registered until it is removed under that lock.
unsafe impl Send for Sources {}

impl Reactor {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { system: System::new()?, sources: BriefLock::default() })
    }

    /// Registers a source and returns its key.
    ///
    /// # Safety
    /// The head stays in place until it was [removed](Self::remove).
    pub(super) unsafe fn add(
        &self,
        descriptor: Descriptor<'_>,
        head: NonNull<Head>,
    ) -> io::Result<u32> {
        let key = {
            let mut sources = self.sources.lock();
            let key = sources.free.pop().unwrap_or_else(|| {
                sources.heads.push(None);
                u32::try_from(sources.heads.len() - 1).unwrap_or(u32::MAX)
            });
            sources.heads[key as usize] = Some(head);
            key
        };
        let added = self.system.add(descriptor, key);
        if added.is_err() {
            self.forget(key);
        }
        added.map(|()| key)
    }

    /// Removes the source with this key.
    pub(super) fn remove(&self, descriptor: Descriptor<'_>, key: u32) {
        self.system.remove(descriptor);
        self.forget(key);
    }

    fn forget(&self, key: u32) {
        let mut sources = self.sources.lock();
        sources.heads[key as usize] = None;
        sources.free.push(key);
    }

    /// Asks for an event of a source that waits, where the system forgets what it was asked.
    pub(super) fn ask(&self, descriptor: Descriptor<'_>, key: u32, read: bool, write: bool) {
        self.system.ask(descriptor, key, read, write);
    }

    pub(super) fn look(&self, wakes: &mut Vec<Wake>) {
        self.wait(Some(Duration::ZERO), wakes);
    }

    pub(super) fn block(&self, at_most: Option<Duration>, wakes: &mut Vec<Wake>) {
        self.wait(at_most, wakes);
    }

    fn wait(&self, at_most: Option<Duration>, wakes: &mut Vec<Wake>) {
        self.system.wait(at_most, |events| {
            let sources = self.sources.lock();
            for (key, event) in events {
                let head = sources.heads.get(key as usize).copied().flatten();
                // SAFETY: registered, and removed under the lock that we hold.
                if let Some(head) = head.map(|head| unsafe { head.as_ref() }) {
                    head.happened(event, wakes);
                }
            }
        });
    }

    pub(super) fn interrupt(&self) {
        self.system.interrupt();
    }
}
