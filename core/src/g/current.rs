//! What this thread is doing: the goroutine it polls, its budget of operations, a trace in progress.

use core::cell::Cell;
use core::ops::Range;
use core::ptr::NonNull;
use std::cell::RefCell;
use std::sync::Arc;

use super::trace::Tracing;
use super::{Header, Schedule, Scope};
use crate::inspect::{GoroutineId, Location, PrimitiveKind, Record, Watch};
use crate::sys::atomic::{AtomicBool, Ordering};

/// Operations that one poll may complete before it yields, so that a loop over ready channels
/// lets others run. Counted, not timed: the one-P flavour stays deterministic.
const BUDGET: u32 = 256;
/// The same where sysmon asks polls to yield that have lasted a slice: in case there is no sysmon.
const ASKED_BUDGET: u32 = 1 << 16;

struct Current {
    g: Cell<Option<NonNull<Header>>>,
    /// On the stack of whoever polls, while the poll goes on.
    poll: Cell<Option<NonNull<ThisPoll>>>,
    /// Where the poll finds that it is to yield.
    asked: Cell<*const AtomicBool>,
    /// The goroutine that this M polls made itself ready.
    woken: Cell<bool>,
    tracing: Cell<Option<NonNull<Tracing>>>,
    budget: Cell<u32>,
    /// Ids that were taken and not given out.
    ids: Cell<Range<u64>>,
}

/// Nobody asks. Never written.
static NOBODY: AtomicBool = AtomicBool::new(false);

impl Current {
    #[inline]
    fn poll(&self) -> Option<&ThisPoll> {
        // SAFETY: `enter_poll` sets it to its own variable, and unsets it before that goes; what is borrowed
        // here does not leave this file, and is used within one call.
        self.poll.get().map(|poll| unsafe { poll.as_ref() })
    }

    /// Whether the poll is asked to yield.
    #[inline]
    fn is_asked(&self) -> bool {
        // SAFETY: what `enter_poll` and `ask_at` were given outlives the poll, and `NOBODY` everything. Relaxed: a
        // hint.
        unsafe { &*self.asked.get() }.load(Ordering::Relaxed)
    }
}

/// A poll by an M, from a run queue.
struct ThisPoll {
    g: NonNull<Header>,
    /// Its scope; alive while the poll goes on.
    scope: NonNull<Scope>,
    /// Where the goroutines of that scope run.
    schedule: NonNull<dyn Schedule>,
}

thread_local! {
    static CURRENT: Current = const {
        Current {
            g: Cell::new(None),
            poll: Cell::new(None),
            asked: Cell::new(&raw const NOBODY),
            woken: Cell::new(false),
            tracing: Cell::new(None),
            budget: Cell::new(BUDGET),
            ids: Cell::new(0..0),
        }
    };
    /// The scope that `go` on this plain thread starts goroutines in. Gone while the thread ends:
    /// destructors that run then belong to no scope.
    static THREAD_SCOPE: RefCell<Option<Arc<Scope>>> = const { RefCell::new(None) };
}

/// The goroutine that this thread polls.
#[inline]
pub(crate) fn goroutine() -> Option<NonNull<Header>> {
    CURRENT.with(|c| c.g.get())
}

/// Whether this thread polls a goroutine that came from a run queue of `schedule`.
pub(crate) fn polls_for(schedule: &dyn Schedule) -> bool {
    let of_poll = CURRENT.with(|c| c.poll().map(|poll| poll.schedule.as_ptr().cast_const()));
    of_poll.is_some_and(|polled| core::ptr::addr_eq(polled, schedule))
}

/// Its id.
pub(crate) fn id() -> Option<GoroutineId> {
    // SAFETY: whoever polls a goroutine keeps its cell alive.
    goroutine().map(|g| unsafe { g.as_ref() }.id())
}

/// The goroutine that this thread runs: its id and the line that started it.
pub fn who() -> Option<(GoroutineId, Location)> {
    // SAFETY: as in `id`.
    goroutine().map(|g| unsafe { (g.as_ref().id(), g.as_ref().created_at()) })
}

/// Where the goroutine that this thread polls was started, and by whom.
pub(crate) fn origin() -> Option<(Location, Option<GoroutineId>)> {
    // SAFETY: as in `id`.
    goroutine().map(|g| unsafe { (g.as_ref().created_at(), g.as_ref().parent()) })
}

/// What was current before something else was.
struct Before {
    g: Option<NonNull<Header>>,
    poll: Option<NonNull<ThisPoll>>,
    asked: *const AtomicBool,
    woken: bool,
    budget: u32,
}

impl Before {
    #[inline]
    fn replace(
        g: NonNull<Header>,
        poll: Option<NonNull<ThisPoll>>,
        asked: Option<&AtomicBool>,
    ) -> Self {
        let budget = if asked.is_some() { ASKED_BUDGET } else { BUDGET };
        CURRENT.with(|c| Self {
            g: c.g.replace(Some(g)),
            poll: c.poll.replace(poll),
            asked: c.asked.replace(asked.unwrap_or(&NOBODY)),
            woken: c.woken.replace(false),
            budget: c.budget.replace(budget),
        })
    }
}

impl Drop for Before {
    #[inline]
    fn drop(&mut self) {
        CURRENT.with(|c| {
            c.g.set(self.g);
            c.poll.set(self.poll);
            c.asked.set(self.asked);
            c.woken.set(self.woken);
            c.budget.set(self.budget);
        });
    }
}

/// Runs `f` as `g`, with a fresh budget.
pub(crate) fn enter<R>(g: NonNull<Header>, f: impl FnOnce() -> R) -> R {
    let _before = Before::replace(g, None, None);
    f()
}

/// Runs `f` as the poll of `g` by an M of `schedule`, which is that of its scope `scope`. Returns too whether
/// it made itself ready.
#[inline]
pub(super) fn enter_poll<R>(
    g: NonNull<Header>,
    scope: NonNull<Scope>,
    schedule: &dyn Schedule,
    asked: Option<&AtomicBool>,
    f: impl FnOnce() -> R,
) -> (R, bool) {
    let schedule = NonNull::from(schedule);
    // SAFETY: only the lifetime is erased; `poll` is unset before the borrow ends.
    let schedule = unsafe {
        core::mem::transmute::<NonNull<dyn Schedule + '_>, NonNull<dyn Schedule + 'static>>(
            schedule,
        )
    };
    let poll = ThisPoll { g, scope, schedule };
    let _before = Before::replace(g, Some(NonNull::from(&poll)), asked);
    let result = f();
    (result, CURRENT.with(|c| c.woken.get()))
}

/// From now on the poll on this thread finds at `asked` that it is to yield, if it is one that is asked.
///
/// # Safety
/// `asked` outlives the poll.
pub(crate) unsafe fn ask_at(asked: &AtomicBool) {
    CURRENT.with(|c| {
        if !core::ptr::eq(c.asked.get(), &raw const NOBODY) {
            c.asked.set(asked);
        }
    });
}

/// Until its poll ends nothing that runs here is `g`'s any more, nor of a scope that may be gone.
pub(super) fn leave(g: NonNull<Header>) {
    CURRENT.with(|c| {
        if c.g.get() == Some(g) {
            c.g.set(None);
            c.poll.set(None);
        }
    });
}

/// Whether `g` is polled by the M on this thread, which will make it ready when the poll ends.
#[inline]
pub(super) fn wake_polled(g: NonNull<Header>) -> bool {
    CURRENT.with(|c| {
        let is_polled = c.poll().is_some_and(|poll| poll.g == g);
        if is_polled {
            c.woken.set(true);
        }
        is_polled
    })
}

/// Where goroutines of `scope` run, if the M on this thread polls one of them. Valid while the poll goes on.
#[inline]
pub(super) fn schedule_of(scope: NonNull<Scope>) -> Option<NonNull<dyn Schedule>> {
    // The scope of what is polled is alive: an equal address is the same scope, or that of a goroutine
    // which is done, and which every run queue skips.
    CURRENT.with(|c| c.poll().filter(|poll| poll.scope == scope).map(|poll| poll.schedule))
}

/// Takes one operation from the budget. False when the poll has to yield first.
#[inline]
pub(crate) fn spend() -> bool {
    CURRENT.with(|c| match c.budget.get() {
        0 => refill(c),
        left => {
            c.budget.set(left - 1);
            !c.is_asked()
        }
    })
}

/// Halves the budget of the poll: somebody waits for it to yield.
pub(crate) fn hurry() {
    CURRENT.with(|c| c.budget.set(c.budget.get() / 2));
}

#[cold]
fn refill(c: &Current) -> bool {
    c.budget.set(BUDGET);
    // A plain thread that drives a leaf itself has nobody to yield to.
    c.g.get().is_none()
}

/// The trace poll in progress on this thread.
#[inline]
pub(crate) fn tracing() -> Option<NonNull<Tracing>> {
    CURRENT.with(|c| c.tracing.get())
}

pub(crate) fn set_tracing(tracing: Option<NonNull<Tracing>>) {
    CURRENT.with(|c| c.tracing.set(tracing));
}

/// The scope that whatever is started here belongs to: the goroutine's, else the thread's.
pub(crate) fn scope() -> Option<Arc<Scope>> {
    match goroutine() {
        // SAFETY: a polled goroutine is registered, so its scope is alive.
        Some(g) => Some(unsafe { g.as_ref().scope_arc() }),
        None => THREAD_SCOPE.try_with(|s| s.borrow().clone()).ok()?,
    }
}

/// Runs `f` with the scope that whatever is started here belongs to, if there is one.
pub(crate) fn with_scope<R>(f: impl FnOnce(Option<&Arc<Scope>>) -> R) -> R {
    match goroutine() {
        // SAFETY: what runs here is registered, and stays so until this returns.
        Some(g) => unsafe { g.as_ref().with_scope(|scope| f(Some(scope))) },
        None => f(THREAD_SCOPE.try_with(|s| s.borrow().clone()).ok().flatten().as_ref()),
    }
}

/// Ids that an M of a runtime with Ms of its own takes at a time: they would write the same counter all the
/// time.
pub(crate) const IDS_AT_A_TIME: u64 = 16;

/// The id of a goroutine that is started here.
pub(super) fn next_id() -> GoroutineId {
    CURRENT.with(|c| {
        // SAFETY: what `enter_poll` was given outlives the poll.
        if !c.poll().is_some_and(|poll| unsafe { poll.schedule.as_ref() }.has_machines()) {
            return GoroutineId::next();
        }
        let mut ids = c.ids.replace(0..0);
        let id = ids.next().or_else(|| {
            ids = GoroutineId::next_block(IDS_AT_A_TIME);
            ids.next()
        });
        c.ids.set(ids);
        id.and_then(GoroutineId::from_u64).unwrap_or_else(GoroutineId::next)
    })
}

/// Sets the scope of this plain thread and returns the one before.
pub(crate) fn set_thread_scope(scope: Option<Arc<Scope>>) -> Option<Arc<Scope>> {
    THREAD_SCOPE.with(|s| s.replace(scope))
}

/// Runs `f` as a plain thread of `scope` would: it is nobody's poll.
#[cfg(all(feature = "net", unix, not(loom)))]
pub(crate) fn outside<R>(scope: Arc<Scope>, f: impl FnOnce() -> R) -> R {
    struct Back(Option<NonNull<Header>>, Option<Arc<Scope>>);
    impl Drop for Back {
        fn drop(&mut self) {
            CURRENT.with(|c| c.g.set(self.0));
            drop(set_thread_scope(self.1.take()));
        }
    }
    let scope = set_thread_scope(Some(scope));
    let _back = Back(CURRENT.with(|c| c.g.replace(None)), scope);
    f()
}

/// A record for a primitive made here; `None` where no scope watches.
pub(crate) fn record(kind: PrimitiveKind, at: Location) -> Option<Arc<Record>> {
    match goroutine() {
        // SAFETY: a polled goroutine is registered, so its scope is alive.
        Some(g) => unsafe { g.as_ref().scope() }.record(kind, at),
        None => THREAD_SCOPE.try_with(|s| s.borrow().as_ref()?.record(kind, at)).ok()?,
    }
}

/// Whether a scope watches what is made here.
pub(crate) fn is_watched() -> bool {
    match goroutine() {
        // SAFETY: a polled goroutine is registered, so its scope is alive.
        Some(g) => unsafe { g.as_ref().scope() }.watch().is_some(),
        None => THREAD_SCOPE
            .try_with(|s| s.borrow().as_ref().is_some_and(|scope| scope.watch().is_some()))
            .unwrap_or(false),
    }
}

/// Runs `f` with the id of the current goroutine and the watch of its scope, if there are both.
pub(crate) fn watched<R>(f: impl FnOnce(GoroutineId, &Watch) -> R) -> Option<R> {
    // SAFETY: a polled goroutine is alive and registered, so its scope is alive too.
    let (g, scope) = goroutine().map(|g| unsafe { (g.as_ref(), g.as_ref().scope()) })?;
    Some(f(g.id(), scope.watch()?))
}
