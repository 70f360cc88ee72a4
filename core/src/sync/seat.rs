//! A place in the line of a primitive: what the futures of this folder do alike.

use core::ptr::NonNull;
use core::task::{Context, Poll};

use crate::g::leaf::{Leaf, Prepared};
use crate::g::{WaitQueue, Wake};
use crate::inspect::{Anchor, Location, WaitInfo, WaitReason};
use crate::sys::BriefLock;

/// The result of a poll that had nothing to wait for.
pub(super) const ENTERED: u32 = 0;

/// The anchor of leaves that never parked.
static UNUSED: Anchor = Anchor { describe: describe_nothing, record: None };

/// # Safety
/// None: nothing is read.
unsafe fn describe_nothing(_: NonNull<Anchor>, _: NonNull<()>, _: &mut dyn FnMut(WaitInfo)) {}

/// A leaf that stands in a line which a lock guards. Whoever owns it calls [`leave`](Self::leave)
/// before it goes, and pins it from the first poll on. `slot` is what the primitive wants to know of a
/// waiter.
pub(super) struct Seat<S = ()> {
    leaf: Leaf<S>,
}

/// What a place in the line had come to when it was given up.
pub(super) enum Left {
    /// It was in no line.
    Idle,
    /// It was taken out of the line.
    Waited,
    /// It had been released with this result, which nobody has taken.
    Released(u32),
}

impl<S> Seat<S> {
    pub(super) fn new(reason: WaitReason, at: Location, slot: S) -> Self {
        Self { leaf: Leaf::new(reason, NonNull::from(&UNUSED), at, slot) }
    }

    pub(super) fn slot(&self) -> &S {
        &self.leaf.slot
    }

    pub(super) fn at(&self) -> Location {
        self.leaf.at()
    }

    fn node(&self) -> NonNull<Leaf> {
        Leaf::erase(NonNull::from(&self.leaf))
    }

    /// Whether a poll of an idle place may try the primitive's fast path. If not, it returns `Pending`.
    pub(super) fn may_begin(&self, cx: &Context<'_>) -> bool {
        !self.leaf.traced(cx) && self.leaf.proceed(cx)
    }

    /// Whether it was never in the line, or has left it.
    pub(super) fn is_idle(&self) -> bool {
        self.leaf.is_idle()
    }

    /// Polls the place. Under `lock`, `enter` either has nothing to wait for, `None`, or names the line to
    /// stand in; it runs again each time the place is polled while it is in no line. Ready with
    /// [`ENTERED`], or with the result that a peer released it with.
    ///
    /// # Safety
    /// The place is pinned until `leave` has returned, always polled with the same `lock`, which outlives
    /// that, and `anchor` leads to it.
    pub(super) unsafe fn poll<L>(
        &self,
        lock: &BriefLock<L>,
        anchor: NonNull<Anchor>,
        cx: &Context<'_>,
        enter: impl FnOnce(&mut L) -> Option<&mut WaitQueue>,
    ) -> Poll<u32> {
        if self.leaf.traced(cx) {
            return Poll::Pending;
        }
        if self.leaf.waits_for(cx) {
            return Poll::Pending;
        }
        if self.leaf.is_waiting() {
            // SAFETY: ours, and parked in the line of this lock, as the caller says.
            if unsafe { Leaf::adopt(self.node(), cx, || lock.lock()) } {
                return Poll::Pending;
            }
        }
        if !self.is_idle() {
            let result = self.leaf.state();
            // SAFETY: ours, enlisted when it parked, and released: out of the line.
            unsafe { Leaf::settle(self.node()) };
            return Poll::Ready(result);
        }
        if !self.leaf.proceed(cx) {
            return Poll::Pending;
        }
        self.leaf.set_anchor(anchor);
        let waiter = Prepared::new(self.node(), cx);
        let mut state = lock.lock();
        let Some(line) = enter(&mut state) else {
            drop(state);
            return Poll::Ready(ENTERED);
        };
        // SAFETY: the lock is held; the leaf is idle, and pinned until it left, as the caller says.
        unsafe {
            Leaf::park(self.node(), waiter, line);
            drop(state);
            Leaf::enlist(self.node());
        }
        Poll::Pending
    }

    /// Gives the place up. If it still waits, `line` names the line it is in, and `after` runs under the
    /// same lock once it is out; what that releases is woken.
    ///
    /// # Safety
    /// `lock` and `line` are those it was polled with.
    pub(super) unsafe fn leave<L>(
        &self,
        lock: &BriefLock<L>,
        line: impl FnOnce(&mut L) -> &mut WaitQueue,
        after: impl FnOnce(&mut L, &mut Vec<Wake>),
    ) -> Left {
        if self.is_idle() {
            return Left::Idle;
        }
        let mut wakes = Vec::new();
        let mut state = lock.lock();
        let waited = self.leaf.is_waiting();
        if waited {
            // SAFETY: the lock is held and it waits, so it is in this line.
            unsafe { line(&mut state).remove(self.node()) };
            after(&mut state, &mut wakes);
        }
        drop(state);
        let result = self.leaf.state();
        // SAFETY: ours, enlisted when it parked, out of the line.
        unsafe { Leaf::settle(self.node()) };
        wakes.into_iter().for_each(Wake::wake);
        if waited { Left::Waited } else { Left::Released(result) }
    }
}

/// Releases the front of `line` with `result`. The lock of the line is held; the caller wakes.
pub(super) fn release_first(line: &mut WaitQueue, result: u32) -> Option<Wake> {
    let leaf = line.pop_front()?;
    // SAFETY: just popped, and the lock is held as the caller says. No select waits in a line of these.
    Some(unsafe { Leaf::fire(leaf, result) })
}

/// Releases all of `line` with `result`. The lock of the line is held; the caller wakes.
pub(super) fn release_all(line: &mut WaitQueue, result: u32, wakes: &mut Vec<Wake>) {
    while let Some(wake) = release_first(line, result) {
        wakes.push(wake);
    }
}
