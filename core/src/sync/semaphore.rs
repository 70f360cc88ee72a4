//! `Semaphore`: a number of permits that goroutines take and give back, several at a time.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::ptr::NonNull;
use core::task::{Context, Poll};
use std::panic::Location as Panic;
use std::sync::Arc;

use super::seat::{Left, Seat, release_first};
use crate::g::leaf::{FIRED, Leaf};
use crate::g::{WaitQueue, Wake, block_on, current, point};
use crate::inspect::{
    Anchor, Capability, Figure, Location, Operation, PrimitiveKind, WaitInfo, WaitReason,
};
use crate::sys::BriefLock;

/// A weighted semaphore: a fixed number of permits, taken in any amount, first come first served.
///
/// A waiter that wants many is not overtaken by one that wants few. One that wants more than there are
/// in all waits for ever, without being in the way of others.
///
/// ```
/// use gmp_core::sync::Semaphore;
///
/// gmp_core::block_on(async {
///     let memory = Semaphore::new(10);
///     let seven = memory.acquire(7).await;
///     assert!(memory.try_acquire(4).is_none());
///     drop(seven);
///     assert_eq!(memory.acquire(4).await.count(), 4);
/// });
/// ```
pub struct Semaphore {
    core: Arc<Core>,
}

/// The heap part. The anchor comes first: leaves point to it.
#[repr(C)]
struct Core {
    anchor: Anchor,
    size: u64,
    state: BriefLock<State>,
}

struct State {
    free: u64,
    line: WaitQueue,
    /// Who wants more than there are.
    hopeless: WaitQueue,
}

/// Permits of a [`Semaphore`], given back when dropped. They may be moved to another goroutine.
#[must_use = "dropped permits are given back at once"]
pub struct Permit<'a> {
    semaphore: &'a Semaphore,
    count: u64,
    at: Location,
}

/// As [`Permit`], but keeps the semaphore alive instead of borrowing it.
#[must_use = "dropped permits are given back at once"]
pub struct OwnedPermit {
    semaphore: Arc<Semaphore>,
    count: u64,
    at: Location,
}

impl Semaphore {
    /// A semaphore with `size` permits, all free.
    #[track_caller]
    pub fn new(size: u64) -> Self {
        Self::new_at(size, Panic::caller())
    }

    /// As [`new`](Self::new), made for the user at this line.
    pub(super) fn new_at(size: u64, at: Location) -> Self {
        let record = current::record(PrimitiveKind::Semaphore, at);
        let state = State { free: size, line: WaitQueue::new(), hopeless: WaitQueue::new() };
        let anchor = Anchor { describe, record };
        Self { core: Arc::new(Core { anchor, size, state: BriefLock::new(state) }) }
    }

    /// Takes `count` permits; waits until they are free and those who came before have theirs.
    ///
    /// # Cancel safety
    /// The future can be dropped at any time: it leaves the line, or gives back what it was handed.
    #[track_caller]
    pub fn acquire(&self, count: u64) -> Acquire<'_> {
        Acquire { request: Request::new(count, Panic::caller()), semaphore: self }
    }

    /// As [`acquire`](Self::acquire), with permits that keep the semaphore alive.
    #[track_caller]
    pub fn acquire_owned(self: Arc<Self>, count: u64) -> AcquireOwned {
        self.acquire_owned_at(count, Panic::caller())
    }

    /// As [`acquire_owned`](Self::acquire_owned), for the user at this line.
    pub(super) fn acquire_owned_at(self: Arc<Self>, count: u64, at: Location) -> AcquireOwned {
        AcquireOwned { request: Request::new(count, at), semaphore: self }
    }

    /// Takes `count` permits if they are free and nobody waits.
    #[track_caller]
    pub fn try_acquire(&self, count: u64) -> Option<Permit<'_>> {
        let at = Panic::caller();
        point::before(Operation::TryAcquire, Some(at));
        self.core.try_take(count, at).then(|| Permit { semaphore: self, count, at })
    }

    /// As [`try_acquire`](Self::try_acquire), with permits that keep the semaphore alive.
    #[track_caller]
    pub fn try_acquire_owned(self: Arc<Self>, count: u64) -> Option<OwnedPermit> {
        let at = Panic::caller();
        point::before(Operation::TryAcquire, Some(at));
        let taken = self.core.try_take(count, at);
        taken.then(|| OwnedPermit { semaphore: self, count, at })
    }

    /// Takes `count` permits on a plain thread, which waits.
    ///
    /// # Panics
    /// Inside a goroutine.
    #[track_caller]
    pub fn blocking_acquire(&self, count: u64) -> Permit<'_> {
        block_on(self.acquire(count))
    }

    /// As [`blocking_acquire`](Self::blocking_acquire), with permits that keep the semaphore alive.
    ///
    /// # Panics
    /// Inside a goroutine.
    #[track_caller]
    pub fn blocking_acquire_owned(self: Arc<Self>, count: u64) -> OwnedPermit {
        block_on(self.acquire_owned(count))
    }

    /// Gives back `count` permits whose guards were forgotten, see [`Permit::forget`].
    ///
    /// # Panics
    /// If that is more than are taken.
    #[track_caller]
    pub fn release(&self, count: u64) {
        assert!(self.try_release(count), "semaphore: released more than held");
    }

    /// As [`release`](Self::release). False, and nothing is given back, if that is more than are taken.
    ///
    /// ```
    /// let semaphore = gmp_core::sync::Semaphore::new(2);
    /// semaphore.blocking_acquire(1).forget();
    /// assert!(!semaphore.try_release(2));
    /// assert!(semaphore.try_release(1));
    /// ```
    #[track_caller]
    pub fn try_release(&self, count: u64) -> bool {
        point::before(Operation::Release, Some(Panic::caller()));
        let given = self.core.give_back(count, Panic::caller());
        if given {
            self.core.note_forgotten(count, -1);
        }
        given
    }

    /// Permits that are free at this moment.
    pub fn available(&self) -> u64 {
        self.core.state.lock().free
    }

    /// All permits.
    pub fn size(&self) -> u64 {
        self.core.size
    }
}

impl Core {
    fn anchor(&self) -> NonNull<Anchor> {
        NonNull::from(self).cast()
    }

    fn note(&self, at: Location, amount: u64, sign: i64) {
        if let Some(record) = self.anchor.record.as_ref().filter(|_| amount > 0) {
            record.let_go(Capability::Release);
            record.note_site(at, signed(amount, sign));
        }
    }

    /// So many permits are taken for good, or (minus) given back after all.
    fn note_forgotten(&self, amount: u64, sign: i64) {
        if let Some(record) = &self.anchor.record {
            record.note_forgotten(signed(amount, sign));
        }
    }

    fn try_take(&self, count: u64, at: Location) -> bool {
        let mut state = self.state.lock();
        let taken = state.take(count);
        drop(state);
        if taken {
            self.note(at, count, 1);
        }
        taken
    }

    /// False if so many are not taken: nothing is done.
    fn give_back(&self, count: u64, at: Location) -> bool {
        let mut state = self.state.lock();
        if count > self.size - state.free {
            return false;
        }
        let wakes = state.put_back(count);
        drop(state);
        self.note(at, count, -1);
        wakes.into_iter().for_each(Wake::wake);
        true
    }

    /// Gives back what was handed to a waiter that did not come to take it: it never had these permits, and
    /// nobody waited for it.
    fn hand_back(&self, count: u64) {
        self.anchor.touch();
        let wakes = self.state.lock().put_back(count);
        wakes.into_iter().for_each(Wake::wake);
    }
}

fn signed(amount: u64, sign: i64) -> i64 {
    sign.saturating_mul(i64::try_from(amount).unwrap_or(i64::MAX))
}

impl State {
    fn take(&mut self, count: u64) -> bool {
        let free = self.line.is_empty() && count <= self.free;
        if free {
            self.free -= count;
        }
        free
    }

    /// So many permits are free again. Returns whom to wake.
    fn put_back(&mut self, count: u64) -> Vec<Wake> {
        self.free += count;
        let mut wakes = Vec::new();
        self.serve(&mut wakes);
        wakes
    }

    /// Hands permits to the front of the line as long as they last.
    fn serve(&mut self, wakes: &mut Vec<Wake>) {
        loop {
            let mut first = None;
            self.line.walk(|leaf| {
                // SAFETY: leaves in the line are made with a count in their slot, and alive while they
                // are in it, under the lock.
                first = Some(unsafe { leaf.cast::<Leaf<u64>>().as_ref() }.slot);
                false
            });
            let Some(count) = first.filter(|count| *count <= self.free) else { return };
            self.free -= count;
            wakes.extend(release_first(&mut self.line, FIRED));
        }
    }

    /// The line for a waiter that wants `count` of `size` permits.
    fn line(&mut self, count: u64, size: u64) -> &mut WaitQueue {
        if count > size { &mut self.hopeless } else { &mut self.line }
    }
}

/// A waiter, with the number of permits that it wants in its leaf.
struct Request {
    seat: Seat<u64>,
}

impl Request {
    fn new(count: u64, at: Location) -> Self {
        Self { seat: Seat::new(WaitReason::Semacquire, at, count) }
    }

    fn count(&self) -> u64 {
        *self.seat.slot()
    }

    /// Ready when the permits are taken.
    ///
    /// # Safety
    /// It is pinned until `cancel` has returned, and always polled with the same core.
    unsafe fn poll(&self, core: &Core, cx: &Context<'_>) -> Poll<()> {
        let (count, size) = (self.count(), core.size);
        // SAFETY: as the caller says.
        let polled = unsafe {
            self.seat.poll(&core.state, core.anchor(), cx, |state| {
                (!state.take(count)).then(|| state.line(count, size))
            })
        };
        polled.map(|_| core.note(self.seat.at(), count, 1))
    }

    /// Leaves the line, or gives back what it was handed.
    ///
    /// # Safety
    /// `core` is the one it was polled with.
    unsafe fn cancel(&self, core: &Core) {
        let (count, size) = (self.count(), core.size);
        // SAFETY: as the caller says. Whoever stood behind it may be served now.
        let left = unsafe {
            let serve = |state: &mut State, wakes: &mut _| state.serve(wakes);
            self.seat.leave(&core.state, |state| state.line(count, size), serve)
        };
        if let Left::Released(_) = left {
            core.hand_back(count);
        }
    }
}

/// Takes permits of a [`Semaphore`]. Made by [`Semaphore::acquire`].
///
/// # Cancel safety
/// It can be dropped at any time: it leaves the line, or gives back what it was handed.
#[must_use = "futures do nothing unless awaited"]
pub struct Acquire<'a> {
    request: Request,
    semaphore: &'a Semaphore,
}

/// Takes permits of a [`Semaphore`] and keeps it alive. Made by [`Semaphore::acquire_owned`].
///
/// # Cancel safety
/// As [`Acquire`].
#[must_use = "futures do nothing unless awaited"]
pub struct AcquireOwned {
    request: Request,
    semaphore: Arc<Semaphore>,
}

macro_rules! permits {
    ($($acquire:ty => $permit:ident<$($life:lifetime)?>;)*) => {$(
        impl<$($life)?> Future for $acquire {
            type Output = $permit<$($life)?>;

            fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
                let this = self.as_ref().get_ref();
                let (count, at) = (this.request.count(), this.request.seat.at());
                // SAFETY: this future is pinned, has one semaphore, and cancels when it is dropped.
                let taken = unsafe { this.request.poll(&this.semaphore.core, cx) };
                taken.map(|()| $permit { semaphore: this.semaphore.clone(), count, at })
            }
        }

        impl<$($life)?> Drop for $acquire {
            fn drop(&mut self) {
                // SAFETY: the semaphore it was polled with.
                unsafe { self.request.cancel(&self.semaphore.core) };
            }
        }

        impl<$($life)?> fmt::Debug for $acquire {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut out = f.debug_struct("Acquire");
                out.field("count", &self.request.count()).field("at", &self.request.seat.at());
                out.finish_non_exhaustive()
            }
        }

        impl<$($life)?> $permit<$($life)?> {
            /// How many permits these are.
            pub fn count(&self) -> u64 {
                self.count
            }

            /// Keeps the permits taken for good, or until [`Semaphore::release`] gives them back.
            pub fn forget(mut self) {
                self.semaphore.core.note_forgotten(self.count, 1);
                self.count = 0;
            }
        }

        impl<$($life)?> Drop for $permit<$($life)?> {
            fn drop(&mut self) {
                point::before(Operation::DropPermit, Some(self.at));
                // It fails only if the user released more than was forgotten. A panic in a destructor
                // could take the process down; the other call has done the work.
                let _ = self.semaphore.core.give_back(self.count, self.at);
            }
        }

        impl<$($life)?> fmt::Debug for $permit<$($life)?> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct("Permit").field("count", &self.count).finish_non_exhaustive()
            }
        }
    )*};
}

permits! {
    Acquire<'a> => Permit<'a>;
    AcquireOwned => OwnedPermit<>;
}

impl Drop for Core {
    fn drop(&mut self) {
        self.anchor.died(Capability::Release);
        if let Some(record) = &self.anchor.record
            && record.outstanding() > 0
        {
            record.left_undone(record.outstanding());
        }
        let state = self.state.get_mut();
        Leaf::orphan_all(&mut state.line);
        Leaf::orphan_all(&mut state.hopeless);
    }
}

/// # Safety
/// As [`Describe`](crate::inspect::anchor::Describe) asks; the anchor is that of a [`Core`] and the leaf
/// has a count in its slot.
unsafe fn describe(anchor: NonNull<Anchor>, leaf: NonNull<()>, out: &mut dyn FnMut(WaitInfo)) {
    // SAFETY: as the caller says.
    let (core, leaf) =
        unsafe { (anchor.cast::<Core>().as_ref(), leaf.cast::<Leaf<u64>>().as_ref()) };
    let capabilities = core.anchor.only(Capability::Release);
    let free = core.state.lock().free;
    out(WaitInfo {
        reason: WaitReason::Semacquire,
        in_select: false,
        at: leaf.at(),
        figure: Figure::Semaphore { free, size: core.size, wants: leaf.slot },
        record: core.anchor.record.clone(),
        complete: !capabilities.is_empty(),
        capabilities,
        due_in: None,
    });
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (free, size) = (self.available(), self.size());
        f.debug_struct("Semaphore").field("free", &free).field("size", &size).finish()
    }
}

#[cfg(all(test, loom))]
mod models;
