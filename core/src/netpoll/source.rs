//! A source: a descriptor with what is known of its readiness and who waits for it.

use crate::time::Instant;
use core::ptr::NonNull;
use core::task::Context;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use super::deadline::Deadline;
use super::door::Netpoll;
use super::edges::{Edges, IoLeaf, side, word};
use super::reactor::event;
use super::slot::Slot;
use super::system::{ASKS, AsDescriptor, Descriptor, RawDescriptor, borrow, raw};
use crate::g::{Wake, current};
use crate::inspect::{Anchor, Figure, IoWant, Location, PrimitiveKind, WaitInfo, WaitReason};
use crate::sched::scope_here;
use crate::sys::Lock;

/// What a source is about: a socket, a pipe, a process.
pub(crate) trait Object: AsDescriptor + Send + Sync + 'static {
    /// What reports call it.
    const KIND: PrimitiveKind;
    /// Its ends, for reports.
    fn names(&self) -> Names;
}

/// The two ends of an object, as far as it has names for them.
#[derive(Default)]
pub(crate) struct Names {
    pub(crate) local: Option<String>,
    pub(crate) peer: Option<String>,
}

/// A descriptor that goroutines can wait for. It is registered by the first that has to.
#[repr(C)]
pub(crate) struct Source<S> {
    // Before `io`: it has to be dropped while the descriptor is open.
    pub(crate) head: Head,
    pub(crate) io: S,
}

/// The part of a source that the netpoll knows.
#[repr(C)]
pub(crate) struct Head {
    anchor: Anchor,
    descriptor: RawDescriptor,
    pub(super) edges: Edges,
    home: Lock<Option<Home>>,
    deadlines: OnceLock<Box<[Deadline; 2]>>,
    /// Whom it is being connected to: the system does not say before it is.
    goal: OnceLock<Box<SocketAddr>>,
    pub(super) slots: [Slot; 2],
}

/// Where a source is registered.
struct Home {
    netpoll: Arc<Netpoll>,
    key: u32,
}

impl<S: Object> Source<S> {
    /// A source that was made at the line `at`.
    pub(crate) fn new(io: S, at: Location) -> Arc<Self> {
        let record = current::record(S::KIND, at);
        let anchor = Anchor { describe: describe::<S>, record };
        Arc::new(Self { head: Head::new(anchor, raw(&io), at), io })
    }

    /// Takes the object out. `None` if others share it.
    pub(crate) fn take(mut this: Arc<Self>) -> Option<S> {
        // Before it moves.
        Arc::get_mut(&mut this)?.head.retire();
        let Source { io, .. } = Arc::into_inner(this)?;
        Some(io)
    }
}

impl Head {
    fn new(anchor: Anchor, descriptor: RawDescriptor, at: Location) -> Self {
        Self {
            anchor,
            descriptor,
            edges: Edges::new(),
            home: Lock::default(),
            deadlines: OnceLock::new(),
            goal: OnceLock::new(),
            slots: [Slot::new(IoWant::Read, at), Slot::new(IoWant::Write, at)],
        }
    }

    pub(super) fn anchor(&self) -> NonNull<Anchor> {
        NonNull::from(&self.anchor)
    }

    fn descriptor(&self) -> Descriptor<'_> {
        // SAFETY: it is open as long as the object beside this head, which is dropped after it.
        unsafe { borrow(self.descriptor) }
    }

    /// Registers it where the current goroutine belongs, unless somebody waits for it elsewhere.
    pub(crate) fn register(&self) -> io::Result<()> {
        with_netpoll(|netpoll| {
            let mut home = self.home.lock();
            let stays = |home: &Home| {
                Arc::ptr_eq(&home.netpoll, netpoll) || self.edges.waited_for() != [false; 2]
            };
            if home.as_ref().is_some_and(stays) {
                return Ok(());
            }
            self.leave(home.take());
            // SAFETY: the head stays where it is until `retire` has removed it.
            let key = unsafe { netpoll.reactor()?.add(self.descriptor(), self.into())? };
            *home = Some(Home { netpoll: netpoll.clone(), key });
            Ok(())
        })
    }

    fn leave(&self, home: Option<Home>) {
        if let Some(home) = home
            && let Ok(reactor) = home.netpoll.reactor()
        {
            reactor.remove(self.descriptor(), home.key);
        }
    }

    /// Ends the registration, and that of its own leaves.
    fn retire(&self) {
        for slot in &self.slots {
            slot.retire(self);
        }
        self.deadlines.get().into_iter().flat_map(|both| both.iter()).for_each(Deadline::end);
        self.leave(self.home.lock().take());
    }

    /// Sets the deadline of a direction.
    pub(crate) fn set_deadline(&self, want: IoWant, moment: Option<Instant>) {
        let make = || [IoWant::Read, IoWant::Write].map(|want| Deadline::new(want, self));
        self.deadlines.get_or_init(|| Box::new(make()))[side(want)].set(self, moment);
    }

    /// Says whom it is to be connected to, for reports.
    pub(crate) fn note_goal(&self, goal: SocketAddr) {
        let _ = self.goal.set(Box::new(goal));
    }

    /// Registers a leaf, unless something has changed since `before`. False: try again.
    ///
    /// # Safety
    /// The leaf is idle, pinned, and stays until [`withdraw`](Self::withdraw) has returned.
    pub(super) unsafe fn park(&self, leaf: NonNull<IoLeaf>, cx: &Context<'_>, before: u32) -> bool {
        // SAFETY: as the caller says.
        let parked = unsafe { self.edges.park(leaf, cx, before) };
        if parked {
            self.ask();
        }
        parked
    }

    /// Ends the registration of a leaf that is not idle: it may be used again, or go.
    ///
    /// # Safety
    /// Called by the owner of a leaf that parked here.
    pub(super) unsafe fn withdraw(&self, leaf: NonNull<IoLeaf>) {
        // SAFETY: as the caller says.
        unsafe { self.edges.withdraw(leaf) };
    }

    /// Asks the system for the events that are waited for, where it does not tell all of them.
    fn ask(&self) {
        if !ASKS {
            return;
        }
        if let Some(home) = &*self.home.lock()
            && let Ok(reactor) = home.netpoll.reactor()
        {
            let [read, write] = self.edges.waited_for();
            reactor.ask(self.descriptor(), home.key, read, write);
        }
    }

    /// The system told something. Under the reactor's lock.
    pub(super) fn happened(&self, event: u8, wakes: &mut Vec<Wake>) {
        let sides = [
            (IoWant::Read, event::READ, event::READ_ENDED),
            (IoWant::Write, event::WRITE, event::WRITE_ENDED),
        ];
        for (want, ready, ended) in sides {
            if event & ready != 0 {
                let ended = if event & ended != 0 { word::ENDED } else { 0 };
                self.edges.change(want, wakes, |word| {
                    (word.wrapping_add(word::EDGE) & !word::DRY) | ended
                });
            }
        }
    }

    /// From now on every attempt fails. Whoever waits is told.
    pub(crate) fn close(&self) {
        let mut wakes = Vec::new();
        for want in [IoWant::Read, IoWant::Write] {
            self.edges.change(want, &mut wakes, |word| word | word::CLOSED);
        }
        wakes.into_iter().for_each(Wake::wake);
    }
}

impl Drop for Head {
    fn drop(&mut self) {
        self.retire();
    }
}

/// Calls `f` with the netpoll of the runtime that the caller belongs to.
fn with_netpoll<R>(f: impl FnOnce(&Arc<Netpoll>) -> R) -> R {
    match current::goroutine() {
        Some(g) => {
            // SAFETY: a polled goroutine is alive and registered, so its scope is alive too.
            let scope = unsafe { g.as_ref().scope() };
            scope.note_outside();
            f(scope.schedule().netpoll())
        }
        None => f(scope_here().schedule().netpoll()),
    }
}

/// # Safety
/// As [`Describe`](crate::inspect::anchor::Describe) asks; the leaf is an [`IoLeaf`] on a `Source<S>`.
unsafe fn describe<S: Object>(
    anchor: NonNull<Anchor>,
    leaf: NonNull<()>,
    out: &mut dyn FnMut(WaitInfo),
) {
    // SAFETY: as the caller says. The anchor is the first field of the head, and that of the source.
    let (source, leaf) =
        unsafe { (anchor.cast::<Source<S>>().as_ref(), leaf.cast::<IoLeaf>().as_ref()) };
    let Names { local, peer } = source.io.names();
    let peer = peer.or_else(|| source.head.goal.get().map(ToString::to_string));
    out(WaitInfo {
        reason: WaitReason::IoWait,
        in_select: false,
        at: leaf.at(),
        figure: Figure::Io { kind: S::KIND, local, peer, want: leaf.slot },
        record: source.head.anchor.record.clone(),
        capabilities: Vec::new(),
        due_in: source.head.deadlines.get().and_then(|both| both[side(leaf.slot)].due_in()),
        complete: false,
    });
}
