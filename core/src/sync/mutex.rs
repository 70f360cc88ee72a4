//! `Mutex<T>`: Go's mutex as a value, and its state word.
//!
//! The algorithm is that of Go's `sync/mutex.go`. In normal mode waiters queue first come first
//! served, but one that was woken competes with newcomers, which are running already and mostly win.
//! A waiter that loses after more than 1 ms turns the mutex to starvation mode: unlocking then hands the
//! lock to the front of the queue, and newcomers queue without trying. The first owner that waited
//! less than that, or is the last in the queue, turns it back.

use core::cell::UnsafeCell;
use core::fmt;
use core::ptr::NonNull;
use std::panic::Location as Panic;
use std::sync::{Arc, OnceLock};

use super::guard::{MutexGuard, OwnedMutexGuard};
use super::lock::{Lock, LockOwned};
use crate::g::leaf::{FIRED, Leaf, Wake};
use crate::g::{WaitQueue, block_on, current, point};
use crate::inspect::{
    Anchor, Capability, Figure, Location, Operation, PrimitiveKind, Record, WaitInfo, WaitReason,
};
use crate::sys::BriefLock;
use crate::sys::modelled::atomic::{AtomicU32, Ordering};

/// Somebody owns the lock.
const LOCKED: u32 = 1;
/// A waiter was woken and has not tried yet: nobody else needs to be woken.
const WOKEN: u32 = 1 << 1;
/// Unlocking hands the lock over. Set only while it is locked.
const STARVING: u32 = 1 << 2;
/// The queue is not empty. Changed under the queue's lock.
const WAITERS: u32 = 1 << 3;

/// How often a contender looks at a lock that is taken before it queues, and how long it waits before each
/// look. Go's numbers.
const SPINS: u32 = 4;
const PAUSES: u32 = 30;

/// The result in a leaf that was handed the lock itself; [`FIRED`] only invites it to try again.
pub(super) const HANDED: u32 = 8;

/// A lock around a `T`, with Go's semantics.
///
/// It is not re-entrant: a goroutine that locks it twice waits for itself. It does not belong to the
/// goroutine that locked it: a guard may be sent to another one and dropped there. A panic while it
/// is held unlocks it as the guard is dropped; there is no poison.
///
/// ```
/// use std::sync::Arc;
/// use gmp_core::sync::{Mutex, WaitGroup};
///
/// gmp_core::block_on(async {
///     let total = Arc::new(Mutex::new(0));
///     let wg = WaitGroup::new();
///     for n in 1..=10 {
///         let total = total.clone();
///         wg.go(async move { *total.lock().await += n });
///     }
///     wg.wait().await;
///     assert_eq!(*total.lock().await, 55);
/// });
/// ```
pub struct Mutex<T: ?Sized> {
    core: Core,
    value: UnsafeCell<T>,
}

/// The mutex without its value.
pub(super) struct Core {
    state: AtomicU32,
    record: Option<Arc<Record>>,
    /// Made by the first waiter. It stays in place when the mutex moves: leaves point to it.
    room: OnceLock<Arc<Room>>,
}

/// Where waiters wait. The anchor comes first.
#[repr(C)]
pub(super) struct Room {
    anchor: Anchor,
    queue: BriefLock<WaitQueue>,
}

// SAFETY: the value goes where the mutex goes.
unsafe impl<T: ?Sized + Send> Send for Mutex<T> {}
// SAFETY: the lock gives the value to one owner at a time, which may be on any thread.
unsafe impl<T: ?Sized + Send> Sync for Mutex<T> {}

impl<T> Mutex<T> {
    /// An unlocked mutex.
    #[track_caller]
    pub fn new(value: T) -> Self {
        let record = current::record(PrimitiveKind::Mutex, Panic::caller());
        Self { core: Core::new(record), value: UnsafeCell::new(value) }
    }

    /// An unlocked mutex for a `static`. The leak detector keeps no record of it.
    ///
    /// ```
    /// use gmp_core::sync::Mutex;
    /// static TOTAL: Mutex<u64> = Mutex::const_new(0);
    /// ```
    #[cfg(not(loom))]
    pub const fn const_new(value: T) -> Self {
        Self { core: Core::new(None), value: UnsafeCell::new(value) }
    }

    /// The value.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> Mutex<T> {
    /// Locks the mutex; waits while somebody else owns it.
    ///
    /// # Cancel safety
    /// See [`Lock`]: a future that is dropped after it was handed the lock passes it on.
    #[track_caller]
    pub fn lock(&self) -> Lock<'_, T> {
        Lock::new(self, Panic::caller())
    }

    /// As [`lock`](Self::lock), with a guard that keeps the mutex alive instead of borrowing it.
    #[track_caller]
    pub fn lock_owned(self: Arc<Self>) -> LockOwned<T> {
        LockOwned::new(self, Panic::caller())
    }

    /// Locks the mutex if nobody owns it.
    #[track_caller]
    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        point::before(Operation::TryLock, Some(Panic::caller()));
        let at = Panic::caller();
        self.core.try_lock(at).then(|| MutexGuard::new(self, at))
    }

    /// As [`try_lock`](Self::try_lock), with a guard that keeps the mutex alive.
    #[track_caller]
    pub fn try_lock_owned(self: Arc<Self>) -> Option<OwnedMutexGuard<T>> {
        point::before(Operation::TryLock, Some(Panic::caller()));
        let at = Panic::caller();
        self.core.try_lock(at).then(|| OwnedMutexGuard::new(self, at))
    }

    /// Locks the mutex on a plain thread, which waits.
    ///
    /// # Panics
    /// Inside a goroutine.
    #[track_caller]
    pub fn blocking_lock(&self) -> MutexGuard<'_, T> {
        block_on(self.lock())
    }

    /// As [`blocking_lock`](Self::blocking_lock), with a guard that keeps the mutex alive.
    ///
    /// # Panics
    /// Inside a goroutine.
    #[track_caller]
    pub fn blocking_lock_owned(self: Arc<Self>) -> OwnedMutexGuard<T> {
        block_on(self.lock_owned())
    }

    /// The value, without locking: whoever has the mutex to themselves needs no lock.
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }

    pub(super) fn core(&self) -> &Core {
        &self.core
    }

    /// Where the value is; the owner of the lock may use it.
    pub(super) fn value(&self) -> *mut T {
        self.value.get()
    }
}

impl<T: Default> Default for Mutex<T> {
    #[track_caller]
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> From<T> for Mutex<T> {
    #[track_caller]
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Mutex");
        match self.try_lock() {
            Some(value) => out.field("value", &&*value),
            None => out.field("value", &format_args!("<locked>")),
        };
        out.finish()
    }
}

impl Room {
    /// The anchor as leaves keep it.
    fn anchor_ptr(&self) -> NonNull<Anchor> {
        NonNull::from(self).cast()
    }

    pub(super) fn queue(&self) -> &BriefLock<WaitQueue> {
        &self.queue
    }
}

/// How a waiter comes to [`Core::compete`].
#[derive(Clone, Copy)]
pub(super) struct Contender {
    /// It was woken to try again: it keeps its place at the front.
    pub(super) woken: bool,
    /// It has waited for more than 1 ms.
    pub(super) starving: bool,
}

impl Core {
    #[cfg(not(loom))]
    const fn new(record: Option<Arc<Record>>) -> Self {
        Self { state: AtomicU32::new(0), record, room: OnceLock::new() }
    }

    #[cfg(loom)]
    fn new(record: Option<Arc<Record>>) -> Self {
        Self { state: AtomicU32::new(0), record, room: OnceLock::new() }
    }

    /// Where waiters wait, and the anchor for their leaves.
    pub(super) fn room(&self) -> (&Room, NonNull<Anchor>) {
        let room = self.room.get_or_init(|| {
            let anchor = Anchor { describe, record: self.record.clone() };
            Arc::new(Room { anchor, queue: BriefLock::new(WaitQueue::new()) })
        });
        (room, room.anchor_ptr())
    }

    /// Takes the lock if nobody owns it and nobody starves.
    #[inline]
    pub(super) fn try_lock(&self, at: Location) -> bool {
        // Acquire: pairs with the release in `unlock`: the value is as its last owner left it.
        let free = self.state.compare_exchange(0, LOCKED, Ordering::Acquire, Ordering::Relaxed);
        let locked = free.is_ok() || self.try_lock_contended();
        if locked {
            self.owned(at);
        }
        locked
    }

    /// Looks a few times whether the owner, who may run on another P, lets go: that is cheaper than to
    /// park. Takes the lock if it does.
    #[cold]
    pub(super) fn spin(&self, at: Location) -> bool {
        for _ in 0..SPINS {
            (0..PAUSES).for_each(|_| core::hint::spin_loop());
            match self.state.load(Ordering::Relaxed) {
                now if now & STARVING != 0 => return false,
                now if now & LOCKED == 0 && self.try_lock(at) => return true,
                _ => {}
            }
        }
        false
    }

    fn try_lock_contended(&self) -> bool {
        let free = |now| (now & (LOCKED | STARVING) == 0).then_some(now | LOCKED);
        // Acquire: as in `try_lock`.
        self.state.fetch_update(Ordering::Acquire, Ordering::Relaxed, free).is_ok()
    }

    /// Notes who owns the lock since which line; called by the new owner.
    #[inline]
    fn owned(&self, at: Location) {
        if let Some(record) = &self.record {
            record.touch();
            record.set_holder(Some((current::id(), at)));
        }
    }

    /// Under the queue's lock: takes the lock, or makes sure that whoever unlocks looks into the queue.
    /// False: the contender has to queue.
    pub(super) fn compete(&self, contender: Contender, at: Location) -> bool {
        let step = |now: u32| {
            let now = if contender.woken { now & !WOKEN } else { now };
            if now & (LOCKED | STARVING) == 0 {
                return Some(now | LOCKED);
            }
            Some(now | WAITERS | if contender.starving { STARVING } else { 0 })
        };
        // Acquire: as in `try_lock`.
        let before = self.state.fetch_update(Ordering::Acquire, Ordering::Relaxed, step);
        let locked = before.is_ok_and(|before| before & (LOCKED | STARVING) == 0);
        if locked {
            self.owned(at);
        }
        locked
    }

    /// A waiter takes the lock that it was handed.
    pub(super) fn receive(&self, starving: bool, at: Location) {
        let (room, _) = self.room();
        let queue = room.queue.lock();
        if !starving || queue.is_empty() {
            // Relaxed: the mode is decided by its owner, under the queue's lock.
            self.state.fetch_and(!STARVING, Ordering::Relaxed);
        }
        drop(queue);
        self.owned(at);
    }

    /// Gives the lock up, by its owner, who took it at the line `at`.
    #[inline]
    pub(super) fn unlock(&self, at: Location) {
        point::before(Operation::Unlock, Some(at));
        if let Some(record) = &self.record {
            record.set_holder(None);
            record.released();
        }
        // Release: pairs with the acquire of the next owner.
        let free = self.state.compare_exchange(LOCKED, 0, Ordering::Release, Ordering::Relaxed);
        if free.is_err() {
            self.unlock_contended();
        }
    }

    #[cold]
    fn unlock_contended(&self) {
        let (room, _) = self.room();
        let mut queue = room.queue.lock();
        let wake = if self.state.load(Ordering::Relaxed) & STARVING != 0 {
            self.hand_over(&mut queue)
        } else {
            // Release: pairs with the acquire of the next owner.
            if self.state.fetch_and(!LOCKED, Ordering::Release) & WOKEN != 0 {
                // Whoever was invited has not come yet; perhaps it waits for this poll to end.
                current::hurry();
            }
            self.wake_one(&mut queue)
        };
        drop(queue);
        if let Some(wake) = wake {
            wake.wake();
        }
    }

    /// Starvation mode: the lock, still locked, goes to the front of the queue.
    fn hand_over(&self, queue: &mut WaitQueue) -> Option<Wake> {
        match self.pop(queue) {
            // SAFETY: just popped, under the queue's lock. Firing publishes the value: its release
            // pairs with the acquire in `Leaf::state`.
            Some(leaf) => Some(unsafe { Leaf::fire(leaf, HANDED) }),
            None => {
                // Release: pairs with the acquire of the next owner.
                self.state.fetch_and(!(LOCKED | STARVING), Ordering::Release);
                None
            }
        }
    }

    /// Normal mode: invites the front of the queue to try, unless somebody is about to.
    fn wake_one(&self, queue: &mut WaitQueue) -> Option<Wake> {
        let invite = |now| (now & (LOCKED | WOKEN | STARVING) == 0).then_some(now | WOKEN);
        if queue.is_empty() {
            return None;
        }
        // Relaxed: WOKEN is advice; the queue's lock orders the rest.
        self.state.fetch_update(Ordering::Relaxed, Ordering::Relaxed, invite).ok()?;
        let leaf = self.pop(queue)?;
        // SAFETY: just popped, under the queue's lock.
        Some(unsafe { Leaf::fire(leaf, FIRED) })
    }

    fn pop(&self, queue: &mut WaitQueue) -> Option<NonNull<Leaf>> {
        let leaf = queue.pop_front();
        self.note_length(queue);
        leaf
    }

    /// Under the queue's lock: an empty queue has no waiters and starves nobody in it. A waiter that was
    /// handed the lock turns starvation mode off itself.
    fn note_length(&self, queue: &WaitQueue) {
        if queue.is_empty() {
            // Relaxed: changed under the queue's lock.
            self.state.fetch_and(!WAITERS, Ordering::Relaxed);
        }
    }

    /// Takes a parked waiter out of the queue: true. False if it was released meanwhile.
    ///
    /// # Safety
    /// `leaf` is parked here, by the caller.
    pub(super) unsafe fn withdraw(&self, leaf: NonNull<Leaf>) -> bool {
        let (room, _) = self.room();
        let mut queue = room.queue.lock();
        // SAFETY: the owner calls, so the leaf is alive; it is in this queue while it waits.
        unsafe {
            if !leaf.as_ref().is_waiting() {
                return false;
            }
            queue.remove(leaf);
        }
        self.note_length(&queue);
        true
    }

    /// A waiter that was woken will not try: somebody else may.
    pub(super) fn decline(&self) {
        let (room, _) = self.room();
        let mut queue = room.queue.lock();
        // Relaxed: see `wake_one`.
        self.state.fetch_and(!WOKEN, Ordering::Relaxed);
        let wake = self.wake_one(&mut queue);
        drop(queue);
        if let Some(wake) = wake {
            wake.wake();
        }
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        if let Some(record) = &self.record {
            record.died(Capability::Release);
            if record.held_at().is_some() {
                record.left_undone(1);
            }
        }
        if let Some(room) = self.room.get_mut().and_then(Arc::get_mut) {
            Leaf::orphan_all(room.queue.get_mut());
        }
    }
}

/// # Safety
/// As [`Describe`](crate::inspect::anchor::Describe) asks; the anchor is that of a [`Room`].
unsafe fn describe(anchor: NonNull<Anchor>, leaf: NonNull<()>, out: &mut dyn FnMut(WaitInfo)) {
    // SAFETY: as the caller says; every leaf starts with the fields of `Leaf<()>`.
    let (anchor, leaf) = unsafe { (anchor.as_ref(), leaf.cast::<Leaf>().as_ref()) };
    let capabilities = anchor.only(Capability::Release);
    out(WaitInfo {
        reason: WaitReason::MutexLock,
        in_select: false,
        at: leaf.at(),
        figure: Figure::Mutex,
        record: anchor.record.clone(),
        complete: !capabilities.is_empty(),
        capabilities,
        due_in: None,
    });
}
