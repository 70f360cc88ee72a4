//! A goroutine that is a thread's own call, and blocking waits of plain threads.

use core::future::Future;
use core::mem::ManuallyDrop;
use core::panic::AssertUnwindSafe;
use core::pin::{Pin, pin};
use core::ptr::NonNull;
use core::task::{Context, Poll, Waker};
use std::panic::{catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Wake;
use std::thread::Thread;

use super::cell::{Header, Origin};
use super::future::Vtable;
use super::gref::GRef;
use super::panic::forget_payload;
use super::state::{EndPoll, Snapshot, StartPoll, State};
use super::trace::{self, Sink, Traced};
use super::{blocking, current, waker};
use crate::inspect::{GoroutineId, Watch};
use crate::sys::Lock;

/// The cell of a thread-bound goroutine: a header, and the thread it runs on.
#[repr(C)]
struct ThreadCell {
    header: Header,
    thread: Thread,
    /// Whether it drives an async main function, which must not block.
    is_async: bool,
    on_reap: Lock<Option<OnReap>>,
}

/// What the thread does before a reaped call unwinds: the inspector looks, and it becomes a reaper for the
/// watch.
type OnReap = (Option<Arc<Watch>>, Look);

/// How an inspector looks at a thread-bound goroutine, on its thread: at the stack below it; or, if the
/// goroutine is a future, at what a trace poll shows.
pub type Look = Box<dyn FnOnce(Option<&mut TracePoll<'_>>) + Send>;

/// A trace poll of a future that only its thread may poll.
pub type TracePoll<'a> = dyn FnMut(&mut Sink<'_>) -> Traced + 'a;

/// A plain thread's call as a goroutine of a scope: the body of a synchronous test.
pub(crate) struct ThreadG(GRef);

/// The payload of the unwinding that takes a reaped thread-bound goroutine out of its call.
pub struct Reaped;

static VTABLE: Vtable = Vtable::thread(unpark, dealloc);

/// # Safety
/// `g` is a live `ThreadCell` whose queue reference is the caller's.
unsafe fn unpark(g: NonNull<Header>) {
    // SAFETY: as the caller says; the reference is dropped at the end.
    unsafe {
        g.cast::<ThreadCell>().as_ref().thread.unpark();
        drop(GRef::from_raw(g));
    }
}

/// # Safety
/// Neither a reference nor a waker of the `ThreadCell` is left.
unsafe fn dealloc(g: NonNull<Header>) {
    // SAFETY: made by `Box` in `ThreadG::run`.
    drop(unsafe { Box::from_raw(g.cast::<ThreadCell>().as_ptr()) });
}

impl ThreadG {
    /// Runs `body` on this thread as a goroutine: what it starts has it as parent, what blocks it is
    /// seen, and reaping it unwinds out of the blocking call with a [`Reaped`] payload. The second
    /// argument of `body` is for the inspector.
    pub(crate) fn run<R>(origin: &Origin<'_>, body: impl FnOnce(&ThreadG) -> R) -> R {
        Self::bind(origin, false, body)
    }

    /// Drives `main` on this thread as a goroutine: it has no P, and what it makes ready goes to the
    /// global queue.
    /// `started` gets its id first.
    pub(crate) fn run_main<F: Future>(
        origin: &Origin<'_>,
        started: impl FnOnce(GoroutineId),
        main: F,
    ) -> F::Output {
        Self::bind(origin, true, |g| {
            started(g.id());
            Self::block_on(&g.0, main)
        })
    }

    fn bind<R>(origin: &Origin<'_>, is_async: bool, body: impl FnOnce(&ThreadG) -> R) -> R {
        struct Finish<'a>(&'a ThreadG);
        impl Drop for Finish<'_> {
            fn drop(&mut self) {
                Watch::end_reaping();
                self.0.0.finish_thread();
            }
        }
        let cell = Box::new(ThreadCell {
            header: Header::new(State::new_running(), &VTABLE, origin),
            thread: std::thread::current(),
            is_async,
            on_reap: Lock::new(None),
        });
        // SAFETY: a box is not null; the state starts with a reference for us and one for the
        // registry.
        let g = ThreadG(unsafe { GRef::from_raw(NonNull::from(Box::leak(cell)).cast()) });
        origin.scope.note_outside();
        origin.scope.register(&g.0);
        let finish = Finish(&g);
        let result = current::enter(g.0.as_ptr(), || body(&g));
        drop(finish);
        result
    }

    pub(crate) fn id(&self) -> GoroutineId {
        self.0.id()
    }

    fn cell(g: &GRef) -> &ThreadCell {
        // SAFETY: only thread-bound goroutines get here, and those have this cell.
        unsafe { g.as_ptr().cast::<ThreadCell>().as_ref() }
    }

    /// Unwinds the frozen goroutine `g` out of its blocking call, after `look` ran on its thread.
    /// From then on that thread counts as one that reaps for `watch`.
    pub(crate) fn reap(g: &GRef, watch: Option<Arc<Watch>>, look: Look) {
        let cell = Self::cell(g);
        *cell.on_reap.lock() = Some((watch, look));
        g.clone().abort();
        cell.thread.unpark();
    }

    /// Drives `future` on this thread, which runs as `g`.
    fn block_on<F: Future>(g: &GRef, future: F) -> F::Output {
        let mut future = pin!(Some(future));
        let waker: ManuallyDrop<Waker> = waker::for_poll(g.as_ptr());
        loop {
            let polled = future
                .as_mut()
                .as_pin_mut()
                .map(|future| future.poll(&mut Context::from_waker(&waker)));
            if let Some(Poll::Ready(output)) = polled {
                return output;
            }
            g.note_poll();
            let goes_on = match g.state().end_poll() {
                EndPoll::Parked | EndPoll::Requeue => Self::park(g),
                EndPoll::Cancel => false,
            };
            if !goes_on {
                Self::is_reaped(g, future.as_mut());
                // Its destructors are the user's: a panic of theirs must not meet our unwinding.
                if let Err(payload) = catch_unwind(AssertUnwindSafe(|| future.set(None))) {
                    forget_payload(payload);
                }
                resume_unwind(Box::new(Reaped));
            }
        }
    }

    /// Waits until it is made ready. False if it is to end instead.
    fn park(g: &GRef) -> bool {
        // SAFETY: the running goroutine is registered.
        unsafe { g.scope() }.schedule().demand();
        loop {
            let now: Snapshot = g.snapshot();
            if now.abort_requested() {
                return false;
            }
            if now.is_scheduled() && !now.is_frozen() && g.state().start_poll() == StartPoll::Poll {
                return true;
            }
            std::thread::park();
        }
    }

    /// Lets the inspector look, and makes this thread one that reaps.
    fn is_reaped<F: Future>(g: &GRef, mut future: Pin<&mut Option<F>>) {
        g.state().thread_resumes();
        let cell = Self::cell(g);
        let Some((watch, look)) = cell.on_reap.lock().take() else { return };
        let mut trace = |sink: &mut Sink<'_>| {
            let poll = |cx: &mut Context<'_>| match future.as_mut().as_pin_mut() {
                Some(future) => future.poll(cx).map(drop),
                None => Poll::Pending,
            };
            trace::poll_by(g, sink, poll)
        };
        look(if cell.is_async { Some(&mut trace) } else { None });
        if let Some(watch) = watch {
            // Undone when `bind` returns.
            watch.begin_reaping();
        }
    }
}

/// Wakes a plain thread. The flag outlives an unpark token that somebody else's `park` ate.
struct Unpark {
    thread: Thread,
    woken: AtomicBool,
}

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        // Release: pairs with the swap in `block_on`.
        self.woken.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

/// Drives a future of ours on this thread until it is done: the blocking form of an operation.
///
/// # Panics
/// Inside a goroutine, which must not block its M, and inside a destructor that runs while its scope
/// is being reaped.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    if Watch::on_reaper_thread() {
        let text = "gmp: a destructor blocked while its scope was being reaped";
        resume_unwind(Box::new(text.to_string()));
    }
    // SAFETY: the current goroutine is alive.
    let g = current::goroutine().map(|g| unsafe { GRef::clone_from_raw(g) });
    // A thread of another runtime may block, if that runtime says so.
    if let Some(g) = g.filter(|g| !g.is_hosted() && !blocking::is_allowed()) {
        assert!(
            g.is_thread_bound() && !ThreadG::cell(&g).is_async,
            "gmp: a blocking call inside a goroutine would stop its M; use the `.await` form, or `blocking` on a \
             runtime with threads of its own"
        );
        return ThreadG::block_on(&g, future);
    }
    let mut future = pin!(future);
    let thread = std::thread::current();
    let unpark = Arc::new(Unpark { thread, woken: AtomicBool::new(false) });
    let waker = Waker::from(unpark.clone());
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        while !unpark.woken.swap(false, Ordering::Acquire) {
            std::thread::park();
        }
    }
}
