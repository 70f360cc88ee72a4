//! `Once`: something is done one time, by the first who comes; the others wait until it is done.

use core::fmt;
use core::future::Future;
use core::pin::{Pin, pin};
use core::ptr::NonNull;
use core::task::{Context, Poll};
use std::panic::Location as Panic;
use std::sync::{Arc, OnceLock};

use super::seat::{Left, Seat, release_all, release_first};
use crate::g::leaf::{FIRED, Leaf};
use crate::g::{WaitQueue, Wake, block_on, current, point};
use crate::inspect::{
    Anchor, Capability, Figure, Location, Operation, PrimitiveKind, Record, WaitInfo, WaitReason,
};
use crate::sys::BriefLock;
use crate::sys::atomic::{AtomicU8, Ordering};

/// Nobody runs it.
const OPEN: u8 = 0;
/// Somebody runs it, or was invited to.
const RUNNING: u8 = 1;
/// It was done.
const DONE: u8 = 2;

/// The result in a leaf that may run it now; [`FIRED`] says that it is done.
const INVITED: u32 = 8;

/// Does something exactly once, as Go's `sync.Once`. What it does may wait.
///
/// ```
/// use gmp_core::sync::Once;
///
/// static INIT: Once = Once::const_new();
/// gmp_core::block_on(async {
///     for _ in 0..2 {
///         INIT.call(|| async { println!("printed one time") }).await;
///     }
///     assert!(INIT.is_done());
/// });
/// ```
pub struct Once {
    core: Core,
}

/// Who runs it and who waits.
pub(super) struct Core {
    state: AtomicU8,
    words: Words,
    record: Option<Arc<Record>>,
    /// Made by the first waiter. It stays in place when the once moves: leaves point to it.
    room: OnceLock<Arc<Room>>,
}

/// Where waiters wait. The anchor comes first.
#[repr(C)]
struct Room {
    anchor: Anchor,
    line: BriefLock<WaitQueue>,
}

/// What waiters of this primitive are said to wait for.
#[derive(Clone, Copy)]
pub(super) enum Words {
    Once,
    SingleFlight,
}

impl Words {
    fn reason(self) -> WaitReason {
        match self {
            Self::Once => WaitReason::OnceDo,
            Self::SingleFlight => WaitReason::SingleFlightDo,
        }
    }
}

impl Once {
    /// Nothing was done yet.
    #[track_caller]
    pub fn new() -> Self {
        let record = current::record(PrimitiveKind::Once, Panic::caller());
        Self { core: Core::new(Words::Once, record) }
    }

    /// As [`new`](Self::new), for a `static`. The leak detector keeps no record of it.
    pub const fn const_new() -> Self {
        Self { core: Core::new(Words::Once, None) }
    }

    /// Runs `f` if this is the first call; else waits until the first call is done. A call from inside
    /// `f` waits for itself.
    ///
    /// A panic in `f` goes to the caller that ran it, and counts as done, as in Go.
    ///
    /// # Cancel safety
    /// The future can be dropped at any time. If it was running `f`, that is dropped half-way and counts
    /// as not done: the next caller runs its own.
    #[track_caller]
    pub fn call<F, R>(&self, f: F) -> impl Future<Output = ()>
    where
        F: FnOnce() -> R,
        R: Future<Output = ()>,
    {
        let at = Panic::caller();
        async move {
            if let Some(run) = self.core.enter(at).await {
                run.finish(async { f().await }).await;
            }
        }
    }

    /// As [`call`](Self::call), on a plain thread, which waits.
    ///
    /// # Panics
    /// Inside a goroutine.
    #[track_caller]
    pub fn blocking_call(&self, f: impl FnOnce()) {
        block_on(self.call(|| async { f() }));
    }

    /// Whether it was done.
    #[track_caller]
    pub fn is_done(&self) -> bool {
        point::before(Operation::Look, Some(Panic::caller()));
        self.core.is_done()
    }
}

impl Core {
    pub(super) const fn new(words: Words, record: Option<Arc<Record>>) -> Self {
        Self { state: AtomicU8::new(OPEN), words, record, room: OnceLock::new() }
    }

    pub(super) fn is_done(&self) -> bool {
        // Acquire: pairs with the release in `end`: what was done is seen.
        self.state.load(Ordering::Acquire) == DONE
    }

    /// Resolves to the right to run it, or to `None` when it is done.
    pub(super) fn enter(&self, at: Location) -> Enter<'_> {
        Enter { seat: Seat::new(self.words.reason(), at, ()), core: self }
    }

    fn room(&self) -> (&Room, NonNull<Anchor>) {
        let room = self.room.get_or_init(|| {
            let anchor = Anchor { describe, record: self.record.clone() };
            Arc::new(Room { anchor, line: BriefLock::default() })
        });
        (room, NonNull::from(&**room).cast())
    }

    /// Takes the right to run it.
    fn begin(&self) -> bool {
        // Acquire: as in `is_done`; a runner that gave up happens before the next.
        let (ok, failed) = (Ordering::Acquire, Ordering::Acquire);
        self.state.compare_exchange(OPEN, RUNNING, ok, failed).is_ok()
    }

    fn run(&self, at: Location) -> Run<'_> {
        if let Some(record) = &self.record {
            record.touch();
            record.set_holder(Some((current::id(), at)));
        }
        Run { core: self, done: false }
    }

    /// The runner is done, or gave up: then the next in line may run it.
    fn end(&self, done: bool) {
        if let Some(record) = &self.record {
            record.set_holder(None);
            record.released();
            record.touch();
        }
        let (room, _) = self.room();
        let mut wakes = Vec::new();
        let mut line = room.line.lock();
        if done {
            // Release: pairs with `is_done`.
            self.state.store(DONE, Ordering::Release);
            release_all(&mut line, FIRED, &mut wakes);
        } else {
            match release_first(&mut line, INVITED) {
                Some(wake) => wakes.push(wake),
                // Release: pairs with the next runner's acquire.
                None => self.state.store(OPEN, Ordering::Release),
            }
        }
        drop(line);
        wakes.into_iter().for_each(Wake::wake);
    }
}

/// The right to run it. Dropped before it is done, it goes to the next.
pub(super) struct Run<'a> {
    core: &'a Core,
    done: bool,
}

impl Run<'_> {
    /// Awaits `body`. From then on, also after a panic, it is done.
    pub(super) async fn finish<R: Future>(mut self, body: R) -> R::Output {
        /// Marks a run as done if a poll of the body unwinds.
        struct Unwinds<'r, 'a>(&'r mut Run<'a>);
        impl Drop for Unwinds<'_, '_> {
            fn drop(&mut self) {
                self.0.done = true;
            }
        }
        let mut body = pin!(body);
        let output = core::future::poll_fn(|cx| {
            let unwinds = Unwinds(&mut self);
            let polled = body.as_mut().poll(cx);
            core::mem::forget(unwinds);
            polled
        })
        .await;
        self.done = true;
        output
    }
}

impl Drop for Run<'_> {
    fn drop(&mut self) {
        self.core.end(self.done);
    }
}

/// Waits for the right to run it, or until it is done.
pub(super) struct Enter<'a> {
    seat: Seat,
    core: &'a Core,
}

impl<'a> Future for Enter<'a> {
    type Output = Option<Run<'a>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.as_ref().get_ref();
        let (core, at) = (this.core, this.seat.at());
        if this.seat.is_idle() {
            if !this.seat.may_begin(cx) {
                return Poll::Pending;
            }
            if core.is_done() {
                return Poll::Ready(None);
            }
            if core.begin() {
                return Poll::Ready(Some(core.run(at)));
            }
        }
        let (room, anchor) = core.room();
        let mut mine = false;
        // SAFETY: this future is pinned, borrows one core, and leaves the line when it is dropped.
        let polled = unsafe {
            this.seat.poll(&room.line, anchor, cx, |line| {
                mine = core.begin();
                (!mine && !core.is_done()).then_some(line)
            })
        };
        polled.map(|result| (mine || result == INVITED).then(|| core.run(at)))
    }
}

impl Drop for Enter<'_> {
    fn drop(&mut self) {
        if self.seat.is_idle() {
            return;
        }
        // SAFETY: the line it was polled with.
        let left = unsafe { self.seat.leave(&self.core.room().0.line, |line| line, |_, _| {}) };
        if matches!(left, Left::Released(INVITED)) {
            self.core.end(false);
        }
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        if let Some(record) = &self.record {
            record.died(Capability::Release);
        }
        if let Some(room) = self.room.get_mut().and_then(Arc::get_mut) {
            Leaf::orphan_all(room.line.get_mut());
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
        reason: leaf.reason(),
        in_select: false,
        at: leaf.at(),
        figure: Figure::Once,
        record: anchor.record.clone(),
        complete: !capabilities.is_empty(),
        capabilities,
        due_in: None,
    });
}

impl Default for Once {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Once {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Once").field("done", &self.is_done()).finish_non_exhaustive()
    }
}
