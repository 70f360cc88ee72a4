//! A test whose body runs on a tokio runtime.
//!
//! The body has a thread of its own, where the runtime is built, driven and shut down, as `#[tokio::test]`
//! does on the test's thread. The M of the test drives the goroutines beside it, sees when nothing can move
//! any more, and asks the body's thread to judge: only that may look into futures that are not `Send`.

use core::future::{Future, poll_fn};
use core::panic::Location;
use core::pin::Pin;
use core::task::Poll;
use core::time::Duration;
use std::sync::Arc;

use ::tokio::runtime::Handle;
use gmp_core::runtime::host::{Ended, Hosted};

use super::desk::Desk;
use super::session::Session;
use super::start::{Flavor, Settings, Started};
use super::stranger::{Calls, stand_ins};
use crate::leak::check::{self, BodyEnd, Checked, Reach};
use crate::leak::leftovers;
use crate::leak::quiesce::{self, End};
use crate::leak::verdict::Verdict;
use crate::test::{MakeFuture, Outcome, Run, end_of_thread};

/// How long the threads of a runtime may take to end.
const ENDS: Duration = Duration::from_secs(1);
/// How often the M looks for the end of a body that has left the registry.
const LOOK: Duration = Duration::from_millis(1);

/// How often tasks that are ready get a turn when everything else is over.
const LAST_TURNS: u32 = 64;

/// Said when something of tokio cannot be ended.
const STAYS: &str = "a thread of tokio is in a call that cannot be ended from outside; it stays behind until \
                     that returns";

/// Runs the body that `make` makes, on a runtime as `settings` say.
pub(crate) fn drive(
    run: &Arc<Run>,
    make: MakeFuture,
    settings: Settings,
    at: &'static Location<'static>,
) -> Checked {
    let scope = run.runtime.scope();
    let session = Session::of(scope);
    if settings.flavor == Flavor::Local {
        session.count_local();
    }
    let desk = Arc::new(Desk::new(session));
    run.hosted_by(desk.clone());
    let (of_body, its_desk) = (run.clone(), desk.clone());
    let body = run.spawn(move || on_own_thread(&of_body, &its_desk, make, &settings, at));
    desk.wait_for_start();
    let mut checked = run.progress.wait(Duration::ZERO).unwrap_or_else(|| {
        let (of_m, its_desk) = (run.clone(), desk.clone());
        let m = run.spawn(move || {
            // A goroutine beside the body may use tokio, as the body does.
            let _inside = its_desk.runtime().map(Handle::enter);
            drive_goroutines(&of_m);
        });
        run.clone().watch_over(m)
    });
    end_of_thread(body);
    if !desk.is_taken() && checked.suspects.iter().any(|suspect| suspect.is_body) {
        checked.notes.push(BODY_STAYS.into());
    }
    Session::forget(scope);
    checked
}

/// Said when the body never came back from a call.
const BODY_STAYS: &str = "the body is in a call that does not await; its thread stays behind until that returns, \
                          and tasks that only this thread may look into were not looked into";

/// On the M: runs what the body started with `go`, and timers, until the test is over.
fn drive_goroutines(run: &Run) {
    run.runtime.drive(|driver| {
        if run.drive_beside_body(driver, LOOK) != End::Lost {
            run.settle(driver, true);
        }
    });
}

/// On the thread of the body.
fn on_own_thread(
    run: &Arc<Run>,
    desk: &Desk,
    make: MakeFuture,
    settings: &Settings,
    at: &'static Location<'static>,
) {
    let scope = run.runtime.scope();
    let _entered = scope.enter();
    let started = match Started::new(settings, scope, &desk.threads) {
        Ok(started) => started,
        Err(error) => {
            desk.take();
            let text = format!("gmp: the tokio runtime of the test did not start: {error}");
            run.progress.finish(Checked::clean(BodyEnd::Panicked(Box::new(text)), scope));
            return desk.start(None);
        }
    };
    let mut body = Hosted::new_local(scope, async move { make().await }, at);
    run.set_body(body.id());
    desk.start(Some(started.handle()));
    let (mut runs, mut turns) = (true, LAST_TURNS);
    started.block_on(poll_fn(|cx| {
        let is_asked = desk.is_asked(cx.waker());
        if runs && let Poll::Ready(ended) = Pin::new(&mut body).poll(cx) {
            runs = false;
            tell(run, ended);
        }
        match is_asked {
            false => Poll::Pending,
            // What is ready already has not had its turn yet.
            true if turns > 0 && quiesce::moving(scope) > 0 => {
                turns -= 1;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            true => Poll::Ready(()),
        }
    }));
    desk.take();
    let judged = judge(run, desk, &started, at);
    drop(body);
    let (checked, calls) = judged.map_or((None, 0), |(checked, calls)| (Some(checked), calls));
    let stays = calls > 0 || checked.as_ref().is_some_and(stays_behind);
    started.shut_down(if stays { Duration::ZERO } else { ENDS });
    // Or a call whose thread had not started when the test was judged.
    let stays = stays || desk.threads.alive() > 0;
    if let Some(mut checked) = checked {
        if stays {
            checked.notes.push(STAYS.into());
        }
        run.progress.finish(checked);
    }
}

/// The body has ended.
fn tell(run: &Run, ended: Result<Outcome, Ended>) {
    run.progress.set_end(match ended {
        Ok(outcome) => BodyEnd::Returned(outcome.is_success()),
        Err(Ended::Panicked(payload)) => BodyEnd::Panicked(payload),
        Err(Ended::Dropped) => BodyEnd::Returned(false),
    });
    run.progress.body_is_done();
    run.runtime.notify();
}

/// Judges what is left, unless somebody else does; and how many blocking calls of others stay.
fn judge(
    run: &Run,
    desk: &Desk,
    started: &Started,
    at: &'static Location<'static>,
) -> Option<(Checked, usize)> {
    let scope = run.runtime.scope();
    let (end, since) = run.progress.take_end()?;
    let session = Session::of(scope);
    let payload = match &end {
        BodyEnd::Panicked(payload) => Some(&**payload),
        _ => None,
    };
    session.tell_panics(scope, payload);
    // Of a body that goes on, whatever it spawned may be a part.
    let has_ended = matches!(end, BodyEnd::Returned(_) | BodyEnd::Panicked(_));
    let others = if has_ended { desk.others_that_stay() } else { 0 };
    let strangers = stand_ins(scope, &session, others, at);
    let calls = if has_ended { desk.foreign_calls(scope) } else { 0 };
    let stand_ins = Calls::stand_in(scope, &session, calls, at);
    if scope.live() == 0 {
        scope.close();
        let took = since.elapsed();
        let leftovers = leftovers::of(scope, &[]);
        return Some((Checked { took, leftovers, ..Checked::clean(end, scope) }, calls));
    }
    // Destructors may use the runtime.
    let _inside = started.handle().enter();
    let reach =
        Reach { body: run.progress.body(), body_is_elsewhere: false, spare_ready_tasks: false };
    let checked = check::close_and_judge(scope, &run.progress, &reach, end, since);
    drop((strangers, stand_ins));
    Some((checked, calls))
}

/// Whether a thread of the runtime is in the middle of something.
fn stays_behind(checked: &Checked) -> bool {
    let both = checked.suspects.iter().zip(&checked.verdicts);
    let runs = |suspect: &crate::leak::suspect::Suspect| !suspect.frozen.is_done();
    both.into_iter().any(|(suspect, verdict)| *verdict == Verdict::Running && runs(suspect))
}
