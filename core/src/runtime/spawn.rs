//! `go`, `block_on`, `yield_now`: the functions that need no runtime value.

use core::cell::{Cell, UnsafeCell};
use core::future::Future;
use core::mem::ManuallyDrop;
use core::panic::AssertUnwindSafe;
use core::pin::{Pin, pin};
use core::task::{Context, Poll};
use std::panic::{Location, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::thread::{Result as Caught, ThreadId};

use super::handle::Builder;
use crate::g::point;
use crate::g::{GRef, JoinHandle, Origin, go_in, refuse_exit};
use crate::inspect::Operation;
use crate::sched::{self, PanicPolicy};

/// Starts a goroutine and returns a handle that can join or abort it.
///
/// It belongs to the scope of whoever starts it. Outside any goroutine it runs on a global runtime that
/// is started on first use, with as many Ps as [`GMP_MAXPROCS`](crate::runtime#environment) says, or as there are
/// CPUs. In a scope that is closed it is not run: joining it gives an error.
///
/// # Panics
/// If the global runtime cannot be started, or no thread can be had for it, and in a forked child, see
/// [there](crate::runtime#panics).
///
/// ```
/// gmp_core::block_on(async {
///     let sum = gmp_core::go(async { 1 + 2 });
///     assert_eq!(sum.await.unwrap(), 3);
/// });
/// ```
#[track_caller]
pub fn go<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let at = Location::caller();
    sched::with_scope_here(|scope| go_in(scope, future, at))
}

/// Starts a goroutine that is meant to run as long as the process: a daemon.
///
/// It lives on the global runtime, whoever starts it, and so does whatever it starts with [`go`]. It outlives
/// the test or the runtime it was started in, and no leak check ever reports it. What waits for a daemon is
/// reported as usual. Its panic is [reported](crate::runtime::PanicPolicy) to whoever joins it.
///
/// # Panics
/// As [`go`].
///
/// ```
/// let requests = gmp_core::chan::<u32>(16);
/// let served = requests.clone();
/// gmp_core::daemon(async move { while served.recv().await.is_some() {} });
/// requests.blocking_send(1);
/// ```
#[track_caller]
pub fn daemon<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    go_in(sched::daemon_scope(), future, Location::caller())
}

/// Runs `main` as the main goroutine of a runtime of its own, on this thread.
///
/// Goroutines that are left when it ends are dropped. If `main` waits for something that never comes, this call
/// does too: a program cannot know that nobody outside will ever wake it. A test of `#[gmp::test]` can, and says
/// who is stuck where.
///
/// # Panics
/// With the panic of `main`, and inside a goroutine.
#[track_caller]
pub fn block_on<F: Future>(main: F) -> F::Output {
    Builder::new().panics(PanicPolicy::of_process()).build().block_on(main)
}

/// Lets other goroutines run first: makes this one ready again, behind all that are ready now.
///
/// # Cancel safety
/// Nothing is lost when it is dropped half-way: its goroutine is polled once more than was needed.
///
/// ```
/// gmp_core::block_on(async {
///     let other = gmp_core::go(async {});
///     assert!(!other.is_finished());
///     gmp_core::yield_now().await;
///     assert!(other.is_finished(), "it was ready, and there is one P");
/// });
/// ```
#[doc(alias = "Gosched")]
#[track_caller]
pub fn yield_now() -> impl Future<Output = ()> + Send + Sync {
    struct YieldNow(bool, crate::inspect::Location);
    impl Future for YieldNow {
        type Output = ();
        fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
            if core::mem::replace(&mut self.0, true) {
                return Poll::Ready(());
            }
            point::before(Operation::Yield, Some(self.1));
            point::idles();
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    }
    YieldNow(false, Location::caller())
}

/// A goroutine that is locked to this thread: its future need neither be `Send` nor `'static`, because
/// whoever starts it keeps this value, which drops the future.
pub(crate) struct Main<T> {
    g: GRef,
    output: Rc<UnsafeCell<Option<Caught<T>>>>,
    /// Whether this thread is inside its future.
    busy: Rc<Cell<bool>>,
}

/// A future that belongs to a thread. Whoever else drives the runtime, takes its P away, or ends it, comes upon
/// the goroutine as well: there it does nothing when it is polled, and is leaked when it is dropped.
struct Bound {
    thread: ThreadId,
    /// Used by that thread only.
    own: ManuallyDrop<Own>,
}

struct Own {
    busy: Rc<Cell<bool>>,
    future: Pin<Box<dyn Future<Output = ()>>>,
}

impl Bound {
    fn is_here(&self) -> bool {
        thread_local!(static HERE: Cell<Option<ThreadId>> = const { Cell::new(None) });
        let here = HERE.get().unwrap_or_else(|| {
            let id = std::thread::current().id();
            HERE.set(Some(id));
            id
        });
        here == self.thread
    }
}

impl Future for Bound {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if !self.is_here() {
            return Poll::Pending;
        }
        let own = &mut *self.own;
        own.busy.set(true);
        let polled = own.future.as_mut().poll(cx);
        own.busy.set(false);
        polled
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        if self.is_here() {
            self.own.busy.set(true);
            // SAFETY: it is not used again.
            unsafe { ManuallyDrop::drop(&mut self.own) };
        }
    }
}

impl<T> Main<T> {
    /// Starts `future`, to be polled by the M on this thread only.
    pub(crate) fn start<F: Future<Output = T>>(origin: &Origin<'_>, future: F) -> Main<T> {
        let output = Rc::new(UnsafeCell::new(None));
        let slot = output.clone();
        let future = async move {
            let mut future = pin!(future);
            let caught = core::future::poll_fn(|cx| {
                match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
                    Ok(Poll::Pending) => Poll::Pending,
                    Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
                    Err(payload) => Poll::Ready(Err(refuse_exit(payload))),
                }
            })
            .await;
            // SAFETY: one thread, and the other end reads only after this goroutine is complete.
            unsafe { *slot.get() = Some(caught) };
        };
        let future: Pin<Box<dyn Future<Output = ()> + '_>> = Box::pin(future);
        // SAFETY: only the lifetime is erased. `Main` is kept by the function that borrows whatever
        // the future borrows, and drops the future before it returns, in `drop` at the latest.
        let future: Pin<Box<dyn Future<Output = ()> + 'static>> =
            unsafe { core::mem::transmute(future) };
        let busy = Rc::new(Cell::new(false));
        let own = ManuallyDrop::new(Own { busy: busy.clone(), future });
        let bound = Bound { thread: std::thread::current().id(), own };
        // SAFETY: what need not be `Send` is used by this thread only, as `Bound` makes sure.
        let (queued, joined) = unsafe { GRef::new_unchecked(bound, origin) };
        origin.scope.schedule().enqueue(queued);
        Main { g: joined, output, busy }
    }

    /// Whether the future is done.
    pub(crate) fn is_done(&self) -> bool {
        self.g.snapshot().is_complete()
    }

    /// The output. Resumes the panic of the future.
    pub(crate) fn finish(self) -> T {
        match self.take() {
            Some(Ok(output)) => output,
            Some(Err(payload)) => resume_unwind(payload),
            None => panic!("gmp: the runtime ended before its main goroutine"),
        }
    }

    /// The output or panic, if the future is done.
    pub(crate) fn take(&self) -> Option<Caught<T>> {
        // SAFETY: one thread; the goroutine writes before it is complete.
        unsafe { (*self.output.get()).take() }
    }

    pub(crate) fn g(&self) -> &GRef {
        &self.g
    }
}

impl<T> Drop for Main<T> {
    fn drop(&mut self) {
        // The future may borrow from our caller: it must be gone when we are. If it is busy we are inside it,
        // and it borrows nothing.
        while !self.is_done() && !self.busy.get() && !self.g.discard_idle() {
            // Another thread has come upon it, and is about to leave it alone.
            std::thread::yield_now();
        }
        // The goroutine's own output is `()`: nothing to drop.
        let _ = self.g.drop_join();
    }
}
