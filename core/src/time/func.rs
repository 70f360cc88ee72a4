//! `after_func`: starts a goroutine when a duration has passed.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::Waker;
use std::panic::Location as Panic;
use std::sync::{Arc, Weak};
use std::task::Wake as StdWake;
use std::time::Duration;

use super::Instant;
use super::alarm::{Alarm, Ring};
use crate::g::{Scope, Wake, current, go_in, point};
use crate::inspect::{Location, Operation, PrimitiveKind, Record, TimerInfo, TimerView};
use crate::sched::scope_here;

/// What a call of the function gives.
type Started = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Calls `f` and runs the future that it returns, in a goroutine of its own, when `duration` has passed: Go's
/// `time.AfterFunc`. The goroutine belongs to the scope of whoever calls this.
///
/// `f` may be called more than once: after a [`reset`](AfterFunc::reset).
///
/// ```
/// use gmp_core::time::after_func;
/// use std::time::Duration;
///
/// gmp_core::block_on(async {
///     let done = gmp_core::chan(1);
///     let tell = done.clone();
///     let _timer = after_func(Duration::from_millis(1), move || {
///         let tell = tell.clone();
///         async move { tell.send("it is time").await }
///     });
///     assert_eq!(done.recv().await, Some("it is time"));
/// });
/// ```
#[doc(alias = "AfterFunc")]
#[track_caller]
pub fn after_func<F, R>(duration: Duration, f: F) -> AfterFunc
where
    F: Fn() -> R + Send + Sync + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    let at = Panic::caller();
    let func = Arc::new_cyclic(|weak: &Weak<Func>| Func {
        alarm: Alarm::new(),
        start: Box::new(move || Box::pin(f())),
        scope: scope_here(),
        at,
        record: current::record(PrimitiveKind::Timer, at),
        weak: weak.clone(),
    });
    if let Some(record) = &func.record {
        let weak: Weak<Func> = Arc::downgrade(&func);
        record.set_timer(weak);
    }
    func.arm(duration);
    AfterFunc { func }
}

/// A function with a timer. Made by [`after_func`]. Dropping it does not stop the timer.
#[must_use = "dropping it changes nothing; say `let _ = ..` if the timer shall stay"]
pub struct AfterFunc {
    func: Arc<Func>,
}

/// While the alarm is armed it keeps this alive, and with it itself.
struct Func {
    alarm: Alarm,
    start: Box<dyn Fn() -> Started + Send + Sync>,
    scope: Arc<Scope>,
    at: Location,
    record: Option<Arc<Record>>,
    weak: Weak<Func>,
}

impl Func {
    fn arm(self: &Arc<Self>, after: Duration) {
        let when = self.alarm.timers().clock().after(after);
        // SAFETY: the target owns the alarm.
        unsafe { self.alarm.arm(self.clone(), when, 0) };
    }
}

impl Ring for Func {
    fn ring(&self, _: Instant, wakes: &mut Vec<Wake>) {
        // The wake has a reference of its own, and runs outside the timers' lock.
        wakes.extend(self.weak.upgrade().map(|func| Wake::of(Waker::from(func))));
    }
}

impl StdWake for Func {
    fn wake(self: Arc<Self>) {
        let (scope, at) = (self.scope.clone(), self.at);
        drop(go_in(&scope, async move { (self.start)().await }, at));
    }
}

impl TimerView for Func {
    fn info(&self) -> TimerInfo {
        self.alarm.info()
    }
}

impl AfterFunc {
    /// Stops the timer. True if it was running: the function will not be called because of this call. If
    /// false, it was called, or the timer was stopped before; a goroutine that was started goes on.
    #[track_caller]
    pub fn stop(&self) -> bool {
        point::before(Operation::Timer, Some(Panic::caller()));
        self.func.alarm.disarm()
    }

    /// Makes the timer call the function when `duration` has passed from now, whether it is running or not.
    /// True if it was running.
    #[track_caller]
    pub fn reset(&self, duration: Duration) -> bool {
        point::before(Operation::Timer, Some(Panic::caller()));
        self.func.alarm.note_reset();
        let was_armed = self.func.alarm.disarm();
        self.func.arm(duration);
        was_armed
    }
}

impl fmt::Debug for AfterFunc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let due_in = self.func.alarm.due_in();
        f.debug_struct("AfterFunc").field("due_in", &due_in).finish_non_exhaustive()
    }
}
