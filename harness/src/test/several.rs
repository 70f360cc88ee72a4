//! A test whose goroutines run on several Ps.
//!
//! Its runtime has Ms of its own. The body is a goroutine that is bound to its thread: a plain body to the
//! test's, an async one to a thread of its own, so that its future need not be `Send`. Another thread
//! watches, and checks when nothing moves any more: it polls no goroutine, so none can trap it.

use core::future::poll_fn;
use core::panic::Location;
use core::pin::pin;
use core::task::Poll;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, mpsc};
use std::thread;

use gmp_core::inspect::GoroutineId;
use gmp_core::runtime::Reaped;

use super::descriptor::Outcome;
use super::supervise::{Call, GRACE, MakeFuture, Run, end};
use crate::leak::check::{BodyEnd, Checked};

impl Run {
    /// Runs the body and checks.
    pub(super) fn on_several(
        self: Arc<Self>,
        body: Call,
        at: &'static Location<'static>,
    ) -> Checked {
        let (tell, told) = mpsc::channel();
        let watch = self.clone();
        let started = move |id| {
            watch.set_body(id);
            let on_own = watch.clone();
            let _ = tell.send(watch.spawn(move || on_own.drive_bound()));
        };
        let body = match body {
            Call::Async(make) => {
                let run = self.clone();
                Some(self.spawn(move || run.run_bound_future(make, started, at)))
            }
            Call::Sync(body) => {
                self.run_bound(body, started, at);
                None
            }
            // What another runtime polls is on no P.
            Call::Elsewhere(runs) => return runs(&self, at),
        };
        let Ok(watcher) = told.recv() else { panic!("gmp: the body of the test did not start") };
        let checked = self.clone().watch_over(watcher);
        body.into_iter().for_each(end);
        // A poll that goes on is abandoned with its M.
        self.runtime.end(GRACE);
        checked
    }

    /// Runs a plain body on this thread.
    pub(super) fn run_bound(
        &self,
        body: fn() -> Outcome,
        started: impl FnOnce(GoroutineId),
        at: &'static Location<'static>,
    ) {
        let root = 0u8;
        self.progress.set_root(core::ptr::from_ref(core::hint::black_box(&root)).addr());
        let bound = || self.body_ended(catch_unwind(AssertUnwindSafe(body)));
        self.runtime.run_thread_bound(at, started, bound);
    }

    /// Runs an async body on this thread.
    fn run_bound_future(
        &self,
        make: MakeFuture,
        started: impl FnOnce(GoroutineId),
        at: &'static Location<'static>,
    ) {
        let body = async {
            let mut body = pin!(async move { make().await });
            let result =
                poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| body.as_mut().poll(cx))) {
                    Ok(polled) => polled.map(Ok),
                    Err(payload) => Poll::Ready(Err(payload)),
                });
            self.body_ended(result.await);
        };
        let run = || self.runtime.run_thread_bound_future(at, started, body);
        // It unwinds if it is reaped; whoever reaps knows why it did not end.
        drop(catch_unwind(AssertUnwindSafe(run)));
    }

    /// Tells how the body ended, while it is still registered: whoever finds neither the body nor its end would
    /// take the test for asleep.
    fn body_ended(&self, result: thread::Result<Outcome>) {
        let is_reaped = |payload: &(dyn Any + Send)| payload.is::<Reaped>();
        match result {
            Ok(outcome) => self.progress.set_end(BodyEnd::Returned(outcome.is_success())),
            // Somebody found it blocked, has set the end, and checks.
            Err(payload) if is_reaped(&*payload) => {}
            Err(payload) => self.progress.set_end(BodyEnd::Panicked(payload)),
        }
        self.progress.body_is_done();
        self.runtime.notify();
    }
}
