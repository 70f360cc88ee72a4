//! A source: a descriptor with what is known of its readiness and who waits for it.
//!
//! For each direction a word counts the edges that the system told. Whoever finds that it would have to
//! wait registers a leaf only if no edge came since it read the word: so none is lost, however many try at
//! a time.

use crate::time::Instant;
use core::ptr::NonNull;
use core::task::Context;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use super::deadline::Deadline;
use super::door::Netpoll;
use super::reactor::event;
use super::slot::Slot;
use super::system::{ASKS, AsDescriptor, Descriptor, RawDescriptor, borrow, raw};
use crate::g::leaf::{FIRED, Leaf, Prepared, WaitQueue};
use crate::g::{Wake, current};
use crate::inspect::{Anchor, Figure, IoWant, Location, PrimitiveKind, WaitInfo, WaitReason};
use crate::sched::scope_here;
use crate::sys::atomic::{AtomicU32, Ordering};
use crate::sys::{BriefLock, Lock};

/// What a goroutine registers on a source; the slot says what it wants.
pub(crate) type IoLeaf = Leaf<IoWant>;

/// The bits of a direction's word; the count of edges comes above them.
pub(super) mod word {
    /// What there was has been taken: an attempt would find nothing until the next edge.
    pub(crate) const DRY: u32 = 1;
    /// Nothing has to be waited for any more: the peer has ended, or an error waits.
    pub(crate) const ENDED: u32 = 2;
    /// The deadline has passed.
    pub(crate) const EXPIRED: u32 = 4;
    /// It was closed on this side.
    pub(crate) const CLOSED: u32 = 8;
    /// One edge.
    pub(crate) const EDGE: u32 = 16;
}

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
    words: [AtomicU32; 2],
    queues: BriefLock<[WaitQueue; 2]>,
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

// SAFETY: the leaves in the queues are used under their lock.
unsafe impl Send for Head {}
// SAFETY: as above.
unsafe impl Sync for Head {}

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
            words: Default::default(),
            queues: BriefLock::new([WaitQueue::new(), WaitQueue::new()]),
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

    fn word(&self, want: IoWant) -> &AtomicU32 {
        &self.words[side(want)]
    }

    /// The word before an attempt.
    #[inline]
    pub(super) fn before(&self, want: IoWant) -> u32 {
        // Acquire: pairs with `change`; what was ready then is found by the attempt.
        self.word(want).load(Ordering::Acquire)
    }

    /// An attempt that began at `before` has taken all there was.
    #[inline]
    pub(super) fn is_dry(&self, want: IoWant, before: u32) {
        if before & word::ENDED == 0 {
            // Fails if an edge came since: then there is more. Relaxed: a hint.
            let (dry, order) = (before | word::DRY, Ordering::Relaxed);
            let _ = self.word(want).compare_exchange(before, dry, order, order);
        }
    }

    /// Registers it where the current goroutine belongs, unless somebody waits for it elsewhere.
    pub(crate) fn register(&self) -> io::Result<()> {
        with_netpoll(|netpoll| {
            let mut home = self.home.lock();
            let stays = |home: &Home| Arc::ptr_eq(&home.netpoll, netpoll) || self.is_waited_for();
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

    fn is_waited_for(&self) -> bool {
        self.queues.lock().iter().any(|queue| !queue.is_empty())
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

    /// Attempts may succeed again after a deadline.
    pub(super) fn revive(&self, want: IoWant) {
        let _queues = self.queues.lock();
        // Relaxed: it changes under the lock.
        self.word(want).fetch_and(!word::EXPIRED, Ordering::Relaxed);
    }

    /// Registers a leaf, unless something has changed since `before`. False: try again.
    ///
    /// # Safety
    /// The leaf is idle, pinned, and stays until [`withdraw`](Self::withdraw) has returned.
    pub(super) unsafe fn park(&self, leaf: NonNull<IoLeaf>, cx: &Context<'_>, before: u32) -> bool {
        let node = Leaf::erase(leaf);
        // SAFETY: alive, as the caller says.
        let want = unsafe { leaf.as_ref() }.slot;
        let waiter = Prepared::new(node, cx);
        let mut queues = self.queues.lock();
        // Relaxed: it changes under the lock only, the hint apart.
        if self.word(want).load(Ordering::Relaxed) & !word::DRY != before & !word::DRY {
            drop(queues);
            drop(waiter);
            return false;
        }
        // SAFETY: as the caller says.
        unsafe {
            Leaf::park(node, waiter, &mut queues[side(want)]);
            drop(queues);
            Leaf::enlist(node);
        }
        self.ask();
        true
    }

    /// Ends the registration of a leaf that is not idle: it may be used again, or go.
    ///
    /// # Safety
    /// Called by the owner of a leaf that parked here.
    pub(super) unsafe fn withdraw(&self, leaf: NonNull<IoLeaf>) {
        let node = Leaf::erase(leaf);
        // SAFETY: as the caller says; a leaf that waits is in the queue of its side.
        unsafe {
            let mut queues = self.queues.lock();
            if leaf.as_ref().is_waiting() {
                queues[side(leaf.as_ref().slot)].remove(node);
            }
            drop(queues);
            Leaf::settle(node);
        }
    }

    /// Asks the system for the events that are waited for, where it does not tell all of them.
    fn ask(&self) {
        if !ASKS {
            return;
        }
        if let Some(home) = &*self.home.lock()
            && let Ok(reactor) = home.netpoll.reactor()
        {
            let [read, write] = self.queues.lock().each_ref().map(|queue| !queue.is_empty());
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
                self.change(want, wakes, |word| {
                    (word.wrapping_add(word::EDGE) & !word::DRY) | ended
                });
            }
        }
    }

    /// Changes the word of a direction and releases whoever waits there.
    pub(super) fn change(&self, want: IoWant, wakes: &mut Vec<Wake>, f: impl Fn(u32) -> u32) {
        let mut queues = self.queues.lock();
        // Release: pairs with `before`. Under the lock, so that `park` sees it or is seen.
        let (set, fetch) = (Ordering::Release, Ordering::Relaxed);
        let _ = self.word(want).fetch_update(set, fetch, |word| Some(f(word)));
        while let Some(leaf) = queues[side(want)].pop_front() {
            // SAFETY: in the queue, hence waiting; the lock is held.
            wakes.push(unsafe { Leaf::fire(leaf, FIRED) });
        }
    }

    /// From now on every attempt fails. Whoever waits is told.
    pub(crate) fn close(&self) {
        let mut wakes = Vec::new();
        for want in [IoWant::Read, IoWant::Write] {
            self.change(want, &mut wakes, |word| word | word::CLOSED);
        }
        wakes.into_iter().for_each(Wake::wake);
    }
}

impl Drop for Head {
    fn drop(&mut self) {
        self.retire();
    }
}

fn side(want: IoWant) -> usize {
    match want {
        IoWant::Write | IoWant::Connect => 1,
        _ => 0,
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
