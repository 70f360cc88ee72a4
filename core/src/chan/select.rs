//! `select!`: waits for the first of several arms, fair by random order, decided by one CAS.
//!
//! As in Go's `selectgo` (`src/runtime/select.go`), all channels of the arms are locked in the order of
//! their addresses; under the locks the arms are tried in random order, and if none is ready all are
//! registered. A parked select is committed to by the peer that wins the CAS on its control leaf.
//!
//! A parked select that is polled again holds its control leaf first: peers that come meanwhile pass its
//! arms by. So a future that is an arm can be polled while the other arms keep their places, and no peer
//! commits to one of them while the future becomes ready. Before the select lets go of the control leaf
//! it tries its channels again, under the locks: what a peer that passed it by left there is seen.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::ptr::NonNull;
use core::task::{Context, Poll};

use super::arms::{Arm, Attempt};
use super::few::Few;
use super::queue::{Front, Lines, NIL};
use crate::choose;
use crate::g::leaf::{Arms, CLOSED, Control, FIRED, Leaf, Prepared, Wake};
use crate::g::point;
use crate::inspect::{Anchor, Location, WaitInfo, WaitReason};
use crate::sys::BriefGuard;

static SELECT: Anchor = Anchor { describe, record: None };

/// Of a select with one arm, which waits as the operation itself would: Go compiles it to that.
static ONE_ARM: Anchor = Anchor { describe: describe_one, record: None };

/// # Safety
/// As [`Describe`](crate::inspect::anchor::Describe) asks; the leaf is the control leaf of a parked select.
unsafe fn describe(anchor: NonNull<Anchor>, leaf: NonNull<()>, out: &mut dyn FnMut(WaitInfo)) {
    // SAFETY: as the caller says.
    unsafe { describe_one(anchor, leaf, &mut |info| out(WaitInfo { in_select: true, ..info })) };
}

/// # Safety
/// As [`describe`].
unsafe fn describe_one(_: NonNull<Anchor>, leaf: NonNull<()>, out: &mut dyn FnMut(WaitInfo)) {
    // SAFETY: as the caller says. The arms are pinned and registered while the control leaf is
    // listed.
    unsafe {
        let control = leaf.cast::<Control>().as_ref();
        control.slot.walk(|arm| Leaf::describe(arm, out));
    }
}

/// The future behind [`select!`](crate::select).
///
/// # Cancel safety
/// Nothing is lost when it is dropped: a value that a peer handed to an arm goes back to the front of
/// its channel, and a value that no receiver took is dropped with the arm.
#[must_use = "futures do nothing unless awaited"]
pub struct Select<L: ArmList> {
    control: Control,
    list: L,
    with_default: bool,
    biased: bool,
    parked: bool,
}

/// The arms of a select as a list that keeps their types: `((NoArms, first), second)`. So a select can move
/// between threads exactly if its arms can.
#[doc(hidden)]
pub trait ArmList: Sealed + Sized {
    /// How many arms there are.
    const LEN: usize;
    /// Takes back each arm whose select before was forgotten.
    fn renew(&mut self);
    /// Whether one of them is a future.
    fn has_futures(&self) -> bool;
    /// Appends the arms in order.
    fn collect<'l>(&'l mut self, entries: &mut Entries<'l>);
    /// The list with one more arm.
    fn with<A: Arm>(self, arm: Pin<&mut A>) -> (Self, Pin<&mut A>) {
        (self, arm)
    }
}

/// The list that arms are added to.
#[doc(hidden)]
pub struct NoArms;

mod sealed {
    pub trait Sealed {}
}
pub(super) use sealed::Sealed;

impl Sealed for NoArms {}
impl<L: ArmList, A: Arm> Sealed for (L, Pin<&mut A>) {}

/// An arm without its type.
pub(super) type PinnedArm<'l> = Pin<&'l mut (dyn Arm + 'l)>;

impl ArmList for NoArms {
    const LEN: usize = 0;

    fn renew(&mut self) {}

    fn has_futures(&self) -> bool {
        false
    }

    fn collect<'l>(&'l mut self, _: &mut Entries<'l>) {}
}

impl<L: ArmList, A: Arm> ArmList for (L, Pin<&mut A>) {
    const LEN: usize = L::LEN + 1;

    #[inline]
    fn renew(&mut self) {
        self.0.renew();
        self.1.as_mut().renew();
    }

    #[inline]
    fn has_futures(&self) -> bool {
        self.0.has_futures() || self.1.leaf().is_none()
    }

    #[inline]
    fn collect<'l>(&'l mut self, entries: &mut Entries<'l>) {
        self.0.collect(entries);
        entries.push(self.1.as_mut());
    }
}

/// The arms of a select during one poll.
#[doc(hidden)]
pub struct Entries<'p>(Few<Entry<'p>>);

struct Entry<'p> {
    arm: PinnedArm<'p>,
    /// `None` for a future.
    leaf: Option<NonNull<Leaf>>,
    /// Its channel; `None` for a future and for a nil channel.
    front: Option<&'p Front>,
    /// Of several arms on one channel one has the guard.
    guard: Option<BriefGuard<'p, Lines>>,
}

impl<'p> Entries<'p> {
    #[inline]
    fn push<A: Arm + 'p>(&mut self, arm: Pin<&'p mut A>) {
        let leaf = arm.leaf();
        self.add(arm, leaf);
    }

    /// Adds an arm with what its `leaf` gives.
    #[inline]
    pub(super) fn add(&mut self, arm: PinnedArm<'p>, leaf: Option<NonNull<()>>) {
        let leaf = leaf.map(NonNull::cast::<Leaf>);
        let anchor = leaf.map(|leaf| {
            // SAFETY: the arm is alive.
            unsafe { leaf.as_ref() }.anchor()
        });
        let anchor = anchor.filter(|anchor| *anchor != NonNull::from(&NIL));
        // SAFETY: the anchor of an arm that is not on a nil channel is that of a channel, which the arm
        // borrows.
        let front = anchor.map(|anchor| unsafe { Front::of(anchor) });
        self.0.push(Entry { arm, leaf, front, guard: None });
    }
}

impl Entry<'_> {
    fn address(&self) -> usize {
        self.front.map_or(0, |front| core::ptr::from_ref(front).addr())
    }

    #[inline]
    fn lock(&mut self) {
        self.guard = self.front.map(|front| front.lines.lock());
    }

    /// Tries the operation of a channel arm: `None` if it is not ready, else the wake that is owed.
    ///
    /// # Safety
    /// Its channel, if it has one, is locked by this select.
    #[inline]
    unsafe fn attempt(&mut self) -> Option<Option<Wake>> {
        self.front?;
        // SAFETY: as the caller says.
        let Attempt(done) = unsafe { self.arm.as_mut().attempt() };
        done.ok()
    }
}

/// In which order the arms are tried: drawn as far as it is needed.
struct Order {
    places: Few<u32>,
    biased: bool,
}

impl Order {
    #[inline]
    fn new(count: usize, biased: bool) -> Self {
        let mut places = Few::new();
        (0..count as u32).for_each(|place| places.push(place));
        Self { places, biased }
    }

    /// Draws the `nth` arm, after those before it.
    #[inline]
    fn draw(&mut self, nth: usize) -> usize {
        let left = self.places.len() - nth;
        if left > 1 && !self.biased {
            self.places.swap(nth, nth + choose::choose(left));
        }
        self.places[nth] as usize
    }
}

impl<L: ArmList> Select<L> {
    /// A select over `list`. With `with_default` it never waits; `biased` tries the arms in order.
    #[doc(hidden)]
    #[track_caller]
    pub fn new(mut list: L, with_default: bool, biased: bool) -> Self {
        list.renew();
        let at = core::panic::Location::caller();
        let (reason, anchor) = match L::LEN {
            0 => (WaitReason::SelectNoCases, NonNull::from(&NIL)),
            1 => (WaitReason::Select, NonNull::from(&ONE_ARM)),
            _ => (WaitReason::Select, NonNull::from(&SELECT)),
        };
        let control = Leaf::new(reason, anchor, at, Arms::new());
        Self { control, list, with_default, biased, parked: false }
    }

    /// The arms, of a select that is over.
    pub(super) fn list_mut(&mut self) -> &mut L {
        &mut self.list
    }

    /// The arms for one poll, and the rest of the select.
    #[inline]
    fn split(&mut self) -> Parts<'_> {
        let mut entries = Entries(Few::new());
        self.list.collect(&mut entries);
        Parts { control: &self.control, entries: entries.0, parked: &mut self.parked }
    }
}

/// A select during one poll.
struct Parts<'p> {
    control: &'p Control,
    entries: Few<Entry<'p>>,
    parked: &'p mut bool,
}

impl Parts<'_> {
    fn node(&self) -> NonNull<Leaf> {
        Leaf::erase(NonNull::from(self.control))
    }

    /// Locks every channel once, in the order of addresses.
    #[inline]
    fn lock_all(&mut self) {
        match &mut *self.entries {
            [] => {}
            [one] => one.lock(),
            [a, b] => {
                let (first, second) = if b.address() < a.address() { (b, a) } else { (a, b) };
                first.lock();
                if second.address() != first.address() {
                    second.lock();
                }
            }
            many => Self::lock_many(many),
        }
    }

    fn lock_many(entries: &mut [Entry<'_>]) {
        let mut ranks = Few::new();
        (0..entries.len()).for_each(|place| ranks.push((entries[place].address(), place)));
        ranks.sort_unstable();
        let mut before = 0;
        for (address, place) in ranks.iter().copied() {
            if address != before {
                entries[place].lock();
                before = address;
            }
        }
    }

    #[inline]
    fn unlock_all(&mut self) {
        for entry in &mut *self.entries {
            entry.guard = None;
        }
    }

    /// Tries the arms one by one, each with its own lock: a future must not be polled under a lock.
    /// True if one is ready.
    fn try_singly(&mut self, order: &mut Order, cx: &mut Context<'_>) -> bool {
        (0..self.entries.len()).any(|nth| {
            let entry = &mut self.entries[order.draw(nth)];
            if entry.leaf.is_none() {
                return entry.arm.as_mut().poll_future(cx);
            }
            entry.lock();
            // SAFETY: locked just now.
            let done = unsafe { entry.attempt() };
            entry.guard = None;
            settle(done)
        })
    }

    /// Takes a parked select out of all lines, and what a peer that committed to it left. True if one
    /// had.
    fn withdraw(&mut self) -> bool {
        if !std::mem::take(self.parked) {
            return false;
        }
        self.lock_all();
        for entry in &mut *self.entries {
            let (Some(leaf), Some(front)) = (entry.leaf, entry.front) else { continue };
            // SAFETY: the arm is alive and its channel is locked; a waiting leaf is in its line.
            unsafe {
                let leaf_ref = leaf.as_ref();
                if leaf_ref.is_waiting() {
                    front.lines.held().line(leaf_ref.reason()).remove(leaf);
                }
                if !matches!(leaf_ref.state(), FIRED | CLOSED) {
                    leaf_ref.reset();
                }
            }
        }
        self.unlock_all();
        // SAFETY: enlisted when it parked; no peer can reach the control leaf any more.
        unsafe { Leaf::withdraw(self.node()) };
        self.control.reset();
        let winner = self.control.slot.winner();
        for entry in self.entries.iter_mut().filter(|_| winner != 0) {
            if entry.leaf.is_some_and(|leaf| leaf.addr().get() == winner) {
                // SAFETY: its channel has given it up, and the control leaf is not listed.
                unsafe { entry.arm.as_mut().collect() };
            }
        }
        winner != 0
    }

    /// Tries every channel arm under the locks. If none is ready and it may wait, parks on all of them,
    /// or lets go of the control leaf if it has parked before.
    fn commit(&mut self, order: &mut Order, may_wait: bool, cx: &Context<'_>) -> bool {
        let node = self.node();
        let listed = *self.parked && self.control.is_for(cx);
        // A foreign waker's clone and drop run outside the locks.
        let mut waiter =
            (may_wait && !listed && !Prepared::is_own(cx)).then(|| Prepared::new(node, cx));
        self.lock_all();
        let mut done = None;
        for nth in 0..self.entries.len() {
            // SAFETY: all channels are locked.
            done = unsafe { self.entries[order.draw(nth)].attempt() };
            if done.is_some() {
                break;
            }
        }
        let mut before = None;
        if may_wait && !listed && done.is_none() {
            let waiter = waiter.take().unwrap_or_else(|| Prepared::new(node, cx));
            if *self.parked {
                // SAFETY: no peer reads the waiter while the control leaf is held.
                before = Some(unsafe { Leaf::swap_waiter(node, waiter) });
            } else {
                before = self.park(waiter, order);
            }
        }
        let resumed = *self.parked && done.is_none();
        if resumed {
            self.control.slot.resume();
        }
        self.unlock_all();
        drop(waiter);
        match before {
            // SAFETY: the owner calls; swapped just now.
            Some(before) if resumed => unsafe { Leaf::relist(node, before) },
            Some(unused) => drop(unused),
            // SAFETY: parked just now.
            None if resumed && !listed => unsafe { Leaf::enlist(node) },
            None => {}
        }
        settle(done)
    }

    /// Registers all arms, in `order`: of two on one channel a peer meets either. The waiter comes back
    /// where only futures wait: their leaves speak for them.
    fn park(&mut self, waiter: Prepared, order: &mut Order) -> Option<Prepared> {
        if !self.entries.is_empty() && self.entries.iter().all(|entry| entry.leaf.is_none()) {
            return Some(waiter);
        }
        *self.parked = true;
        let control = NonNull::from(self.control);
        let leaves = self.entries.iter().rev().filter_map(|entry| entry.leaf);
        // SAFETY: the control leaf is not listed yet, so nobody reads the arms; it is idle and
        // pinned until `withdraw`, and so are they.
        unsafe {
            self.control.slot.set(leaves);
            Leaf::park_alone(self.node(), waiter);
        }
        for nth in 0..self.entries.len() {
            let entry = &self.entries[order.places[nth] as usize];
            let (Some(leaf), Some(front)) = (entry.leaf, entry.front) else { continue };
            // SAFETY: its channel is locked; the leaf is idle, and pinned until `withdraw`.
            unsafe {
                let line = front.lines.held().line(leaf.as_ref().reason());
                Leaf::park(leaf, Prepared::arm(control), line);
            }
        }
        None
    }

    /// A trace poll: the control leaf and every arm that is a future show themselves.
    fn trace(&mut self, has_futures: bool, cx: &mut Context<'_>) -> Poll<bool> {
        if *self.parked || !has_futures {
            // A peer that committed to an arm did so on the arm's leaf, not on this one.
            if self.control.slot.winner() != 0 {
                cx.waker().wake_by_ref();
            }
            let _ = self.control.traced(cx);
        }
        for entry in &mut *self.entries {
            if entry.arm.as_mut().poll_future(cx) {
                // It is over and its result is kept in the arm.
                return Poll::Ready(true);
            }
        }
        Poll::Pending
    }
}

/// Runs the wake that an attempt owes; true if it was done.
#[inline]
fn settle(done: Option<Option<Wake>>) -> bool {
    let Some(wake) = done else { return false };
    if let Some(wake) = wake {
        wake.wake();
    }
    true
}

impl<L: ArmList> Future for Select<L> {
    /// True if an arm won; false if the default arm has to run.
    type Output = bool;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<bool> {
        // SAFETY: the control leaf is not moved.
        let this = unsafe { self.get_unchecked_mut() };
        let (may_wait, biased) = (!this.with_default, this.biased);
        let has_futures = this.list.has_futures();
        if crate::g::current::tracing().is_some() {
            return this.split().trace(has_futures, cx);
        }
        if this.parked {
            if this.control.slot.winner() != 0 {
                return Poll::Ready(this.split().withdraw());
            }
            if !has_futures && this.control.waits_for(cx) {
                return Poll::Pending;
            }
        }
        if !this.control.proceed(cx) {
            return Poll::Pending;
        }
        let mut parts = this.split();
        if *parts.parked && !parts.control.slot.hold() {
            return Poll::Ready(parts.withdraw());
        }
        let mut order = Order::new(parts.entries.len(), biased);
        let won = (has_futures && parts.try_singly(&mut order, cx))
            || parts.commit(&mut order, may_wait, cx);
        if won {
            parts.withdraw();
            return Poll::Ready(true);
        }
        if may_wait {
            return Poll::Pending;
        }
        point::idles();
        Poll::Ready(false)
    }
}

impl<L: ArmList> Drop for Select<L> {
    fn drop(&mut self) {
        if self.parked {
            self.split().withdraw();
        }
    }
}

impl<L: ArmList> fmt::Debug for Select<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at: Location = self.control.at();
        f.debug_struct("Select").field("at", &at).finish_non_exhaustive()
    }
}
