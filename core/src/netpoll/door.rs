//! The netpoll of one runtime as its scheduler sees it.

use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::reactor::Reactor;
use crate::g::Wake;
use crate::sys::Lock;
use crate::sys::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

/// Whether anything was ever registered in this process.
static USED: AtomicBool = AtomicBool::new(false);

/// The netpoll of one runtime. It is off until the first descriptor is registered.
pub(crate) struct Netpoll {
    reactor: OnceLock<Reactor>,
    starting: Lock<()>,
    /// Called when it is on: an M that sleeps elsewhere has to come here.
    started: Box<dyn Fn() + Send + Sync>,
    /// Looks so far, wrapping.
    looks: AtomicU32,
    /// Whether an M sleeps here.
    blocked: AtomicBool,
    /// Sources that somebody listens to without a goroutine: signals.
    listeners: AtomicUsize,
}

/// Whether a goroutine of this process may wait for a descriptor.
pub(crate) fn anybody_waits() -> bool {
    USED.load(Ordering::Relaxed)
}

impl Netpoll {
    pub(crate) fn new(started: Box<dyn Fn() + Send + Sync>) -> Arc<Self> {
        Arc::new(Self {
            reactor: OnceLock::new(),
            starting: Lock::new(()),
            started,
            looks: AtomicU32::new(0),
            blocked: AtomicBool::new(false),
            listeners: AtomicUsize::new(0),
        })
    }

    /// Whether there is anything to look at.
    #[inline]
    pub(crate) fn is_on(&self) -> bool {
        self.reactor.get().is_some()
    }

    /// What is ready now. Several Ms may look at a time. The wakes are to be run outside all locks.
    pub(crate) fn look(&self) -> Vec<Wake> {
        let mut wakes = Vec::new();
        if let Some(reactor) = self.reactor.get() {
            reactor.look(&mut wakes);
            self.note_look();
        }
        wakes
    }

    /// Sleeps until something is ready, [`interrupt`](Self::interrupt) was called, or `at_most` is over. One
    /// M at a time; at once, if it is off.
    pub(crate) fn block(&self, at_most: Option<Duration>) -> Vec<Wake> {
        let mut wakes = Vec::new();
        if let Some(reactor) = self.reactor.get() {
            self.blocked.store(true, Ordering::Relaxed);
            reactor.block(at_most, &mut wakes);
            self.blocked.store(false, Ordering::Relaxed);
            self.note_look();
        }
        wakes
    }

    /// Ends the sleep of the M that sleeps here, or the next sleep.
    pub(crate) fn interrupt(&self) {
        if let Some(reactor) = self.reactor.get() {
            reactor.interrupt();
        }
    }

    /// A number that changes with every look; `None` if nobody has to look: it is off, or an M sleeps here.
    pub(crate) fn looks(&self) -> Option<u32> {
        // Relaxed: hints for sysmon.
        let has_to = self.is_on() && !self.blocked.load(Ordering::Relaxed);
        has_to.then(|| self.looks.load(Ordering::Relaxed))
    }

    /// What descriptors are registered with; it is on from now on.
    pub(super) fn reactor(&self) -> io::Result<&Reactor> {
        if let Some(reactor) = self.reactor.get() {
            return Ok(reactor);
        }
        let starting = self.starting.lock();
        if self.reactor.get().is_none() {
            let _ = self.reactor.set(Reactor::new()?);
            USED.store(true, Ordering::Relaxed);
            drop(starting);
            (self.started)();
        }
        self.reactor.get().ok_or_else(|| io::ErrorKind::Other.into())
    }

    /// Whether something is listened to that no goroutine waits for itself.
    pub(crate) fn is_listened_to(&self) -> bool {
        // SeqCst: as in `add_listener`.
        self.listeners.load(Ordering::SeqCst) > 0
    }

    /// Somebody listens from now on, until [`remove_listener`](Self::remove_listener).
    #[cfg(unix)]
    pub(crate) fn add_listener(&self) {
        // SeqCst: whoever sees the goroutine that listens parked sees this too.
        self.listeners.fetch_add(1, Ordering::SeqCst);
    }

    #[cfg(unix)]
    pub(crate) fn remove_listener(&self) {
        self.listeners.fetch_sub(1, Ordering::SeqCst);
    }

    fn note_look(&self) {
        self.looks.fetch_add(1, Ordering::Relaxed);
    }
}
