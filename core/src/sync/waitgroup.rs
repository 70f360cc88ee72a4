//! `WaitGroup`: waits until as many `done`s as `add`s have happened.

use core::fmt;
use core::future::Future;
use core::marker::PhantomData;
use core::pin::Pin;
use core::ptr::NonNull;
use core::task::{Context, Poll};
use std::panic::Location as Panic;
use std::sync::Arc;

use crate::g::leaf::{FIRED, Leaf, Prepared, Wake};
use crate::g::{WaitQueue, block_on, current, go_in, point};
use crate::inspect::{
    Anchor, Capability, Figure, Location, Operation, PrimitiveKind, WaitInfo, WaitReason,
};
use crate::sched::scope_here;
use crate::sys::BriefLock;
use crate::sys::atomic::{AtomicI64, Ordering};

/// The lowest bit of the word: somebody waits. Set under the queue's lock, and only while the counter,
/// the bits above, is not zero.
const WAITED: i64 = 1;
/// One in the counter.
const ONE: i64 = 2;

/// Waits for a set of goroutines, as a handle that may be cloned.
///
/// [`add`](Self::add) raises a counter, [`done`](Self::done) lowers it, [`wait`](Self::wait) waits until
/// it is zero. [`go`](Self::go) does the first two for a goroutine. The group may be used again once
/// the counter came to zero.
///
/// ```
/// use gmp_core::sync::WaitGroup;
///
/// gmp_core::block_on(async {
///     let wg = WaitGroup::new();
///     for _ in 0..3 {
///         wg.add(1);
///         let wg = wg.clone();
///         let _ = gmp_core::go(async move { wg.done() });
///     }
///     wg.wait().await;
///     assert_eq!(wg.count(), 0);
/// });
/// ```
pub struct WaitGroup {
    core: Arc<Core>,
}

/// The shared part. The anchor comes first: leaves point to it.
#[repr(C)]
struct Core {
    anchor: Anchor,
    word: AtomicI64,
    queue: BriefLock<WaitQueue>,
}

impl WaitGroup {
    /// A group with the counter at zero.
    #[track_caller]
    pub fn new() -> Self {
        let record = current::record(PrimitiveKind::WaitGroup, Panic::caller());
        let anchor = Anchor { describe, record };
        let queue = BriefLock::new(WaitQueue::new());
        Self { core: Arc::new(Core { anchor, word: AtomicI64::new(0), queue }) }
    }

    /// Adds `delta`, which may be negative, to the counter. Whoever waits goes on when it is zero.
    ///
    /// # Panics
    /// If the counter would become negative, or overflow; it is left as it was.
    #[track_caller]
    pub fn add(&self, delta: i64) {
        self.add_at(delta, Panic::caller());
    }

    /// As [`add`](Self::add), with an error instead of a panic.
    ///
    /// # Errors
    /// If the counter would become negative, or overflow; it is left as it was.
    ///
    /// ```
    /// use gmp_core::sync::{WaitGroup, WaitGroupError};
    ///
    /// let wg = WaitGroup::new();
    /// assert_eq!(wg.try_add(1), Ok(()));
    /// assert_eq!(wg.try_add(-2), Err(WaitGroupError::Negative));
    /// assert_eq!(wg.count(), 1);
    /// # wg.done();
    /// ```
    #[track_caller]
    pub fn try_add(&self, delta: i64) -> Result<(), WaitGroupError> {
        self.try_add_at(delta, Panic::caller())
    }

    fn try_add_at(&self, delta: i64, at: Location) -> Result<(), WaitGroupError> {
        let operation = if delta < 0 { Operation::Done } else { Operation::Add };
        point::before(operation, Some(at));
        self.core.add(delta, at)
    }

    /// As [`add`](Self::add), on behalf of the line `at`.
    #[track_caller]
    pub(super) fn add_at(&self, delta: i64, at: Location) {
        match self.try_add_at(delta, at) {
            // A destructor that is done belongs to a goroutine that owed it.
            Ok(()) if delta < 0 => self.core.anchor.let_go(Capability::Release),
            Ok(()) => {}
            Err(error) => std::panic::panic_any(error.text()),
        }
    }

    /// Takes one from the counter.
    ///
    /// # Panics
    /// If the counter is zero.
    #[track_caller]
    pub fn done(&self) {
        self.add(-1);
    }

    /// Waits until the counter is zero.
    ///
    /// # Cancel safety
    /// The future can be dropped at any time; nothing is lost.
    #[track_caller]
    pub fn wait(&self) -> Wait<'_> {
        let (reason, anchor) = (WaitReason::WaitGroupWait, self.core.anchor_ptr());
        Wait { leaf: Leaf::new(reason, anchor, Panic::caller(), ()), core: PhantomData }
    }

    /// Waits on a plain thread.
    ///
    /// # Panics
    /// Inside a goroutine.
    #[track_caller]
    pub fn blocking_wait(&self) {
        block_on(self.wait());
    }

    /// Starts a goroutine that is counted: it is done when it ends, also by a panic or an abort.
    ///
    /// ```
    /// let wg = gmp_core::sync::WaitGroup::new();
    /// for n in 0..3 {
    ///     wg.go(async move { println!("worker {n}") });
    /// }
    /// wg.blocking_wait();
    /// ```
    #[track_caller]
    pub fn go<F>(&self, future: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let at = Panic::caller();
        self.add(1);
        let done = DoneOnDrop { group: self.clone(), at };
        let counted = async move {
            let _done = done;
            future.await;
        };
        drop(go_in(&scope_here(), counted, at));
    }

    /// The counter.
    pub fn count(&self) -> i64 {
        self.core.count()
    }
}

/// Counts a goroutine down when its future goes, in whichever way.
struct DoneOnDrop {
    group: WaitGroup,
    at: Location,
}

impl Drop for DoneOnDrop {
    fn drop(&mut self) {
        point::before(Operation::DropDone, Some(self.at));
        // It fails only if the user called `done` for this goroutine as well. A panic in a destructor
        // could take the process down; whoever waits was released by the other `done`.
        let _ = self.group.core.add(-1, self.at);
    }
}

/// Why the counter of a [`WaitGroup`] cannot be changed as asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitGroupError {
    /// It would become negative.
    Negative,
    /// It would overflow.
    Overflow,
}

impl WaitGroupError {
    /// What it says, and what a panic with it carries.
    const fn text(self) -> &'static str {
        match self {
            Self::Negative => "sync: negative WaitGroup counter",
            Self::Overflow => "sync: WaitGroup counter overflow",
        }
    }
}

impl fmt::Display for WaitGroupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl std::error::Error for WaitGroupError {}

impl Core {
    fn anchor_ptr(&self) -> NonNull<Anchor> {
        NonNull::from(self).cast()
    }

    fn count(&self) -> i64 {
        // Acquire: pairs with `add`, as a look at zero is a wait that is over.
        self.word.load(Ordering::Acquire) >> 1
    }

    fn add(&self, delta: i64, at: Location) -> Result<(), WaitGroupError> {
        let mut now = self.word.load(Ordering::Relaxed);
        loop {
            let step = delta.checked_mul(ONE).ok_or(WaitGroupError::Overflow)?;
            let new = now.checked_add(step).ok_or(WaitGroupError::Overflow)?;
            if new < 0 {
                return Err(WaitGroupError::Negative);
            }
            // The last `done` of a group that somebody waits for releases the waiters in one step.
            let swapped = if new == WAITED { self.release(now) } else { self.swap(now, new) };
            match swapped {
                Ok(()) => break,
                Err(other) => now = other,
            }
        }
        if let Some(record) = &self.anchor.record {
            record.touch();
            record.note_site(at, delta);
        }
        Ok(())
    }

    fn swap(&self, now: i64, new: i64) -> Result<(), i64> {
        // AcqRel: what came before each `done` happens before the wait is over, through the chain of
        // changes of this word.
        self.word.compare_exchange_weak(now, new, Ordering::AcqRel, Ordering::Relaxed).map(|_| ())
    }

    /// Brings the counter to zero and releases whoever waits, under the queue's lock: nobody who waits
    /// for the next round can be among them.
    fn release(&self, now: i64) -> Result<(), i64> {
        let mut queue = self.queue.lock();
        self.swap(now, 0)?;
        let mut wakes: Vec<Wake> = Vec::new();
        while let Some(leaf) = queue.pop_front() {
            // SAFETY: just popped, under the queue's lock.
            wakes.push(unsafe { Leaf::fire(leaf, FIRED) });
        }
        drop(queue);
        wakes.into_iter().for_each(Wake::wake);
        Ok(())
    }

    /// Under the queue's lock: notes that somebody waits. False if there is nothing to wait for.
    fn begin_wait(&self) -> bool {
        let mark = |now: i64| (now >> 1 != 0).then_some(now | WAITED);
        // Acquire: pairs with `swap`.
        self.word.fetch_update(Ordering::Acquire, Ordering::Acquire, mark).is_ok()
    }

    /// Takes a leaf out of the queue if it still waits.
    ///
    /// # Safety
    /// `leaf` was parked here, by the caller.
    unsafe fn withdraw(&self, leaf: NonNull<Leaf>) {
        let mut queue = self.queue.lock();
        // SAFETY: the owner calls, so the leaf is alive; it is in this queue while it waits.
        unsafe {
            if leaf.as_ref().is_waiting() {
                queue.remove(leaf);
                if queue.is_empty() {
                    // Relaxed: changed under the queue's lock.
                    self.word.fetch_and(!WAITED, Ordering::Relaxed);
                }
            }
        }
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        self.anchor.died(Capability::Release);
        match self.count() {
            0 => {}
            missing => self.anchor.left_undone(missing),
        }
        Leaf::orphan_all(self.queue.get_mut());
    }
}

/// # Safety
/// As [`Describe`](crate::inspect::anchor::Describe) asks; the anchor is that of a [`Core`].
unsafe fn describe(anchor: NonNull<Anchor>, leaf: NonNull<()>, out: &mut dyn FnMut(WaitInfo)) {
    // SAFETY: as the caller says; every leaf starts with the fields of `Leaf<()>`.
    let (core, leaf) = unsafe { (anchor.cast::<Core>().as_ref(), leaf.cast::<Leaf>().as_ref()) };
    let capabilities = core.anchor.only(Capability::Release);
    out(WaitInfo {
        reason: WaitReason::WaitGroupWait,
        in_select: false,
        at: leaf.at(),
        figure: Figure::WaitGroup { counter: core.count() },
        record: core.anchor.record.clone(),
        complete: !capabilities.is_empty(),
        capabilities,
        due_in: None,
    });
}

/// Waits until the counter of a [`WaitGroup`] is zero. Made by [`WaitGroup::wait`].
///
/// # Cancel safety
/// It can be dropped at any time; nothing is lost.
#[must_use = "futures do nothing unless awaited"]
pub struct Wait<'a> {
    leaf: Leaf,
    core: PhantomData<&'a Core>,
}

impl<'a> Wait<'a> {
    fn core(&self) -> &'a Core {
        // SAFETY: the anchor is that of the core borrowed for `'a`.
        unsafe { self.leaf.anchor().cast::<Core>().as_ref() }
    }

    fn node(&self) -> NonNull<Leaf> {
        NonNull::from(&self.leaf)
    }

    fn poll_wait(&self, cx: &Context<'_>) -> Poll<()> {
        if self.leaf.traced(cx) {
            return Poll::Pending;
        }
        if self.leaf.state() == FIRED {
            // SAFETY: ours, enlisted when it parked, and out of the queue.
            unsafe { Leaf::settle(self.node()) };
            return Poll::Ready(());
        }
        if self.leaf.waits_for(cx) {
            return Poll::Pending;
        }
        let core = self.core();
        if self.leaf.is_waiting() {
            // SAFETY: ours, and parked on this group.
            let kept = unsafe { Leaf::adopt(self.node(), cx, || core.queue.lock()) };
            return if kept { Poll::Pending } else { self.poll_wait(cx) };
        }
        if !self.leaf.proceed(cx) {
            return Poll::Pending;
        }
        if core.count() == 0 {
            return Poll::Ready(());
        }
        let waiter = Prepared::new(self.node(), cx);
        let mut queue = core.queue.lock();
        if !core.begin_wait() {
            return Poll::Ready(());
        }
        // SAFETY: the queue's lock is held; the leaf is idle, and pinned until it was withdrawn.
        unsafe {
            Leaf::park(self.node(), waiter, &mut queue);
            drop(queue);
            Leaf::enlist(self.node());
        }
        Poll::Pending
    }
}

impl Future for Wait<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.as_ref().get_ref().poll_wait(cx)
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        if self.leaf.is_idle() {
            return;
        }
        // SAFETY: ours, parked on this group, and enlisted when it parked.
        unsafe {
            self.core().withdraw(self.node());
            Leaf::settle(self.node());
        }
    }
}

impl fmt::Debug for Wait<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wait").field("at", &self.leaf.at()).finish_non_exhaustive()
    }
}

impl Clone for WaitGroup {
    #[track_caller]
    fn clone(&self) -> Self {
        self.core.anchor.cloned(Panic::caller());
        Self { core: self.core.clone() }
    }
}

impl Drop for WaitGroup {
    fn drop(&mut self) {
        self.core.anchor.let_go(Capability::Release);
    }
}

impl Default for WaitGroup {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for WaitGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitGroup").field("count", &self.count()).finish()
    }
}
