//! `select!`: waits for the first of several arms, fair by random order, decided by one CAS.
//!
//! As in Go's `selectgo` (`src/runtime/select.go`), all channels of the arms are locked in the order of
//! their addresses; under the locks the arms are tried in random order, and if none is ready all are
//! registered. A parked select is committed to by the peer that wins the CAS on its control leaf.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::ptr::NonNull;
use core::task::{Context, Poll};

use super::arms::{Arm, Attempt};
use super::queue::NIL;
use crate::choose;
use crate::g::leaf::{Arms, Control, Leaf, Prepared, Wake};
use crate::g::point;
use crate::inspect::{Anchor, Location, WaitInfo, WaitReason};

static SELECT: Anchor = Anchor { describe, record: None };

/// # Safety
/// As [`Describe`](crate::inspect::anchor::Describe) asks; the leaf is the control leaf of a parked select.
unsafe fn describe(_: NonNull<Anchor>, leaf: NonNull<()>, out: &mut dyn FnMut(WaitInfo)) {
    // SAFETY: as the caller says. The arms are pinned and registered while the control leaf is
    // listed.
    unsafe {
        let control = leaf.cast::<Control>().as_ref();
        for arm in &*control.slot.leaves.get() {
            Leaf::describe(*arm, &mut |info| out(WaitInfo { in_select: true, ..info }));
        }
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
pub trait ArmList: Sized {
    /// How many arms there are.
    const LEN: usize;
    /// Appends the arms in order.
    fn collect<'l>(&'l mut self, arms: &mut Vec<PinnedArm<'l>>);
    /// The list with one more arm.
    fn with<A: Arm>(self, arm: Pin<&mut A>) -> (Self, Pin<&mut A>) {
        (self, arm)
    }
}

/// The list that arms are added to.
#[doc(hidden)]
pub struct NoArms;

/// An arm without its type.
#[doc(hidden)]
pub type PinnedArm<'l> = Pin<&'l mut (dyn Arm + 'l)>;

impl ArmList for NoArms {
    const LEN: usize = 0;
    fn collect<'l>(&'l mut self, _: &mut Vec<PinnedArm<'l>>) {}
}

impl<L: ArmList, A: Arm> ArmList for (L, Pin<&mut A>) {
    const LEN: usize = L::LEN + 1;
    fn collect<'l>(&'l mut self, arms: &mut Vec<PinnedArm<'l>>) {
        self.0.collect(arms);
        arms.push(self.1.as_mut());
    }
}

/// What one arm needs while the locks are held.
type Locked = NonNull<()>;

impl<L: ArmList> Select<L> {
    /// A select over `list`. With `with_default` it never waits; `biased` tries the arms in order.
    #[doc(hidden)]
    #[track_caller]
    pub fn new(list: L, with_default: bool, biased: bool) -> Self {
        let at = core::panic::Location::caller();
        let (reason, anchor) = match L::LEN {
            0 => (WaitReason::SelectNoCases, NonNull::from(&NIL)),
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
    fn split(&mut self) -> Parts<'_> {
        let mut arms = Vec::with_capacity(L::LEN);
        self.list.collect(&mut arms);
        let parked = &mut self.parked;
        Parts { control: &self.control, arms, parked, biased: self.biased }
    }
}

/// A select during one poll.
struct Parts<'p> {
    control: &'p Control,
    arms: Vec<PinnedArm<'p>>,
    parked: &'p mut bool,
    biased: bool,
}

impl Parts<'_> {
    fn node(&self) -> NonNull<Leaf> {
        Leaf::erase(NonNull::from(self.control))
    }

    /// The order in which arms are tried.
    fn order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.arms.len()).collect();
        if !self.biased {
            for last in (1..order.len()).rev() {
                order.swap(last, choose::choose(last + 1));
            }
        }
        order
    }

    /// Locks every channel once, in the order of addresses, and returns what each arm's lock guards.
    fn lock_all(&mut self) -> Vec<Locked> {
        let mut by_address: Vec<(usize, usize)> =
            self.arms.iter().enumerate().map(|(i, arm)| (arm.lock_order(), i)).collect();
        by_address.sort_unstable();
        let mut locked = vec![NonNull::dangling(); self.arms.len()];
        let mut before: Option<(usize, Locked)> = None;
        for (address, i) in by_address.into_iter().filter(|(address, _)| *address != 0) {
            let inner = match before {
                Some((same, inner)) if same == address => inner,
                _ => self.arms[i].as_mut().lock(),
            };
            locked[i] = inner;
            before = Some((address, inner));
        }
        locked
    }

    fn unlock_all(&mut self) {
        for arm in &mut self.arms {
            arm.as_mut().unlock();
        }
    }

    /// Tries the arms one by one, each with its own lock: a future must not be polled under a lock.
    /// True if one is ready.
    fn try_singly(&mut self, order: &[usize], cx: &mut Context<'_>) -> bool {
        order.iter().any(|&i| {
            let mut arm = self.arms[i].as_mut();
            if arm.is_future() {
                return arm.poll_future(cx);
            }
            let locked = arm.as_mut().lock();
            let Attempt(attempt) = arm.as_mut().attempt(locked);
            arm.unlock();
            if let Ok(Some(wake)) = attempt {
                wake.wake();
                return true;
            }
            attempt.is_ok()
        })
    }

    /// Takes a parked select out of all queues. True if an arm had won.
    fn withdraw(&mut self) -> bool {
        if !std::mem::take(self.parked) {
            return false;
        }
        let locked = self.lock_all();
        for (arm, inner) in self.arms.iter_mut().zip(locked) {
            arm.as_mut().unpark(inner);
        }
        self.unlock_all();
        // SAFETY: enlisted when it parked; no peer can reach the control leaf any more.
        unsafe { Leaf::withdraw(self.node()) };
        self.control.reset();
        self.collect()
    }

    /// Takes the result that a peer left in the winning arm.
    fn collect(&mut self) -> bool {
        let winner = self.control.slot.winner();
        if winner == 0 {
            return false;
        }
        for arm in &mut self.arms {
            if arm.leaf().is_some_and(|leaf| leaf.addr().get() == winner) {
                arm.as_mut().collect();
            }
        }
        true
    }

    /// Tries every channel arm under the locks; parks on all of them if none is ready and there is a
    /// `waiter`. The waiter was made before the locks: that may run a foreign waker's clone.
    fn commit(&mut self, order: &[usize], waiter: Option<Prepared>) -> bool {
        let locked = self.lock_all();
        let mut done: Option<Option<Wake>> = None;
        for &i in order {
            if let Attempt(Ok(wake)) = self.arms[i].as_mut().attempt(locked[i]) {
                done = Some(wake);
                break;
            }
        }
        let unused = match waiter {
            Some(waiter) if done.is_none() => self.park(waiter, order, &locked),
            other => other,
        };
        self.unlock_all();
        drop(unused);
        if *self.parked {
            // SAFETY: parked just now.
            unsafe { Leaf::enlist(self.node()) };
        }
        if let Some(Some(wake)) = done {
            wake.wake();
            return true;
        }
        done.is_some()
    }

    /// Registers all arms, in `order`: of two on one channel a peer meets either. The waiter comes back
    /// where only futures wait: their leaves speak for them.
    fn park(&mut self, waiter: Prepared, order: &[usize], locked: &[Locked]) -> Option<Prepared> {
        let leaves: Vec<_> =
            self.arms.iter().filter_map(|arm| arm.leaf()).map(NonNull::cast::<Leaf>).collect();
        if leaves.is_empty() && !self.arms.is_empty() {
            return Some(waiter);
        }
        *self.parked = true;
        // SAFETY: the control leaf is not listed yet, so nobody reads the arms; it is idle and
        // pinned until `withdraw`.
        unsafe {
            *self.control.slot.leaves.get() = leaves;
            Leaf::park_alone(self.node(), waiter);
        }
        let control = NonNull::from(self.control).cast();
        for &i in order {
            self.arms[i].as_mut().park(locked[i], control);
        }
        None
    }

    fn has_futures(&self) -> bool {
        self.arms.iter().any(|arm| arm.is_future())
    }

    /// A trace poll: the control leaf and every arm that is a future show themselves.
    fn trace(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        if *self.parked || !self.has_futures() {
            // A peer that committed to an arm did so on the arm's leaf, not on this one.
            if self.control.slot.winner() != 0 {
                cx.waker().wake_by_ref();
            }
            let _ = self.control.traced(cx);
        }
        for arm in &mut self.arms {
            if arm.as_mut().poll_future(cx) {
                // It is over and its result is kept in the arm.
                return Poll::Ready(true);
            }
        }
        Poll::Pending
    }
}

impl<L: ArmList> Future for Select<L> {
    /// True if an arm won; false if the default arm has to run.
    type Output = bool;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<bool> {
        // SAFETY: the control leaf is not moved.
        let this = unsafe { self.get_unchecked_mut() };
        let with_default = this.with_default;
        let mut parts = this.split();
        if crate::g::current::tracing().is_some() {
            return parts.trace(cx);
        }
        if *parts.parked {
            let won = parts.control.slot.winner() != 0;
            if !won && !parts.has_futures() && parts.control.waits_for(cx) {
                return Poll::Pending;
            }
            if parts.withdraw() {
                return Poll::Ready(true);
            }
        }
        if !parts.control.proceed(cx) {
            return Poll::Pending;
        }
        let order = parts.order();
        if parts.has_futures() && parts.try_singly(&order, cx) {
            return Poll::Ready(true);
        }
        let waiter = (!with_default).then(|| Prepared::new(parts.node(), cx));
        if parts.commit(&order, waiter) {
            return Poll::Ready(true);
        }
        if with_default {
            point::idles();
            return Poll::Ready(false);
        }
        Poll::Pending
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
