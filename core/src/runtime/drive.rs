//! A runtime that its owner drives turn by turn: what a test harness stands on.

use core::cell::Cell;
use core::future::Future;
use std::panic::Location;
use std::thread::Result as Caught;
use std::time::{Duration, Instant};

use super::handle::Runtime;
use super::shutdown::shut_down;
use super::spawn::Main;
use crate::g::{Origin, ThreadG};
use crate::inspect::GoroutineId;
use crate::sched::{Machine, Shared, Turn};
use crate::snapshot;

/// How often a virtual clock that somebody outside holds up is looked at again: the end of a waker clone
/// wakes nobody.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// The shortest and the longest time after which a thread that only watches looks again.
const FIRST_LOOK: Duration = Duration::from_micros(10);
const LAST_LOOK: Duration = Duration::from_millis(5);

/// This thread as the M of a runtime; or, if that has threads of its own, as one that watches its Ms.
pub struct Driver<'m> {
    role: Role<'m>,
    runtime: &'m Runtime,
}

enum Role<'m> {
    Machine(&'m Machine),
    /// With how long to wait until the next look: longer and longer, as nobody tells that the Ms are idle.
    Watcher(Cell<Duration>),
}

/// A goroutine that is locked to the thread that started it: its future need not be `Send`. Dropping it drops
/// the future. Where another thread drives the runtime it does not go on, and a future that another thread comes to
/// drop, at the end of the runtime, is leaked.
pub struct Body<T>(Main<T>);

impl Runtime {
    /// Makes this thread the M of this runtime while `f` runs. `None` if another thread is.
    ///
    /// If the runtime has threads of its own, those run the goroutines: a turn ends when they have nothing to
    /// do, and [`sleep`](Driver::sleep) is short.
    pub fn drive<R>(&self, f: impl FnOnce(&Driver<'_>) -> R) -> Option<R> {
        if self.shared().has_own_machines() {
            let role = Role::Watcher(Cell::new(FIRST_LOOK));
            return Some(f(&Driver { role, runtime: self }));
        }
        let driver = |machine: &Machine| f(&Driver { role: Role::Machine(machine), runtime: self });
        Machine::run(self.shared(), driver)
    }

    /// As [`drive`](Self::drive), but takes the P away from an M that sits in a poll: that M stops
    /// running goroutines when the poll ends. `None` if the M is not in a poll.
    pub fn drive_taken<R>(&self, f: impl FnOnce(&Driver<'_>) -> R) -> Option<R> {
        let driver = |machine: &Machine| f(&Driver { role: Role::Machine(machine), runtime: self });
        Machine::run_taken(self.shared(), driver)
    }

    /// Calls `start` once, on the thread that first needs an M and finds none: it is expected to start
    /// a thread that drives this runtime.
    pub fn on_demand(&self, start: impl FnOnce() + Send + 'static) {
        self.shared().on_demand(Box::new(start));
    }

    /// Asks for the thread that [`on_demand`](Self::on_demand) promised, as a goroutine would.
    pub fn demand(&self) {
        self.shared().wake();
    }

    /// Runs `body` on this thread as a goroutine of this runtime: its blocking calls are seen, what it
    /// starts belongs to it. Another thread drives the runtime. Reaping it unwinds out of `body` with
    /// a [`Reaped`](super::Reaped) payload. `started` gets the goroutine's id first.
    pub fn run_thread_bound<R>(
        &self,
        at: &'static Location<'static>,
        started: impl FnOnce(GoroutineId),
        body: impl FnOnce() -> R,
    ) -> R {
        let origin = Origin { scope: self.scope(), parent: None, at };
        ThreadG::run(&origin, |g| {
            started(g.id());
            body()
        })
    }

    /// As [`run_thread_bound`](Self::run_thread_bound), for a body that is a future: only this thread polls
    /// and drops it, so it need not be `Send`. The runtime has threads of its own, or another thread drives
    /// it.
    pub fn run_thread_bound_future<F: Future>(
        &self,
        at: &'static Location<'static>,
        started: impl FnOnce(GoroutineId),
        body: F,
    ) -> F::Output {
        ThreadG::run_main(&Origin { scope: self.scope(), parent: None, at }, started, body)
    }

    /// Ends the sleep of whoever drives this runtime: something it looks at has changed.
    pub fn notify(&self) {
        self.shared().notify();
    }

    /// Ends the runtime as [`shutdown_timeout`](Self::shutdown_timeout) does, for those who share it.
    pub fn end(&self, at_most: Duration) -> bool {
        shut_down(self.shared(), self.scope(), Some(at_most))
    }

    /// Whether an M of this runtime runs, or was asked for.
    pub fn is_driven(&self) -> bool {
        self.shared().was_demanded()
    }
}

impl Runtime {
    /// Nothing is runnable: moves a virtual clock if nothing can be before the next timer, else sleeps.
    pub(super) fn idle(&self, machine: &Machine, next: Option<Instant>) {
        if !self.scope().has_virtual_time() {
            return machine.sleep(next);
        }
        match next {
            None => machine.sleep(None),
            Some(_) if self.is_quiet(machine) => _ = machine.advance(None),
            Some(_) => machine.sleep(Instant::now().checked_add(LOOK_AGAIN)),
        }
    }

    /// Whether only a timer can make a goroutine of this runtime ready.
    fn is_quiet(&self, machine: &Machine) -> bool {
        if !self.scope().may_be_woken() {
            // None was when the turn ended: since then a thread may have used a channel.
            return !machine.is_runnable();
        }
        let (first, second) = (snapshot::read(self.scope()), snapshot::read(self.scope()));
        snapshot::quiescent(&first, &second)
            && (self.ignores_external() || !second.iter().any(snapshot::Reading::is_external))
    }
}

impl Driver<'_> {
    /// Starts a goroutine that is locked to this thread, which is the M.
    ///
    /// # Panics
    /// If the runtime has threads of its own.
    pub fn start<F>(&self, at: &'static Location<'static>, future: F) -> Body<F::Output>
    where
        F: Future + 'static,
    {
        assert!(matches!(self.role, Role::Machine(_)), "gmp: this thread polls no goroutine");
        Body(Main::start(&Origin { scope: self.runtime.scope(), parent: None, at }, future))
    }

    /// Runs goroutines until `stop` says so (asked before each), none is runnable, or the P is lost.
    pub fn turn(&self, stop: &dyn Fn() -> bool) -> Turn {
        let look = match &self.role {
            Role::Machine(machine) => return machine.turn(stop),
            Role::Watcher(look) => look,
        };
        let shared = self.runtime.shared();
        while !stop() {
            if shared.is_at_rest() {
                return Turn::Idle(shared.next_timer());
            }
            wait(shared, look, None);
        }
        Turn::Stopped
    }

    /// Whether a turn would find a goroutine to run, timers apart.
    pub fn is_runnable(&self) -> bool {
        match &self.role {
            Role::Machine(machine) => machine.is_runnable(),
            Role::Watcher(_) => !self.runtime.shared().is_at_rest(),
        }
    }

    /// When the next timer is due, on the clock of the runtime.
    pub fn next_timer(&self) -> Option<Instant> {
        self.runtime.shared().next_timer()
    }

    /// Moves a virtual clock straight to the next timer, if that is due at `limit` at the latest, and from
    /// there nowhere else: the next turn makes ready what waits for that moment, first armed first. Whether
    /// the moment has come is the caller's decision; goroutines may be runnable. False if there is no such
    /// timer, or the clock is real.
    pub fn advance(&self, limit: Option<Instant>) -> bool {
        match &self.role {
            Role::Machine(machine) => machine.advance(limit),
            Role::Watcher(_) => false,
        }
    }

    /// Sleeps until a goroutine may be runnable or `until` has come; `until` is real time on every clock.
    pub fn sleep(&self, until: Option<Instant>) {
        match &self.role {
            Role::Machine(machine) => machine.sleep(until),
            Role::Watcher(look) => wait(self.runtime.shared(), look, until),
        }
    }
}

/// Waits for the next look, for `until`, or until whoever drives is notified.
fn wait(shared: &Shared, look: &Cell<Duration>, until: Option<Instant>) {
    let left = until.map(|until| until.saturating_duration_since(Instant::now()));
    shared.wait_for_notice(look.get().min(left.unwrap_or(LAST_LOOK)));
    look.set(LAST_LOOK.min(look.get() * 2));
}

impl<T> Body<T> {
    /// Its id.
    pub fn id(&self) -> GoroutineId {
        self.0.g().id()
    }

    /// Whether the future is done or gone.
    pub fn is_done(&self) -> bool {
        self.0.is_done()
    }

    /// The output or panic, once, if the future was done.
    pub fn take(&self) -> Option<Caught<T>> {
        self.0.take()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::chan;
    use crate::runtime::Builder;
    use crate::time::timeout;

    #[test]
    fn a_virtual_clock_waits_for_what_a_thread_has_made_ready() {
        let runtime = Builder::new().virtual_time().build();
        let ch = chan::<u32>(0);
        let from = ch.clone();
        let got = runtime.go(async move { timeout(Duration::from_secs(1), from.recv()).await });
        let before = runtime.scope().now();
        let alone = Machine::run(runtime.shared(), |machine| {
            let Turn::Idle(next) = machine.turn(&|| false) else { panic!("it waits") };
            assert!(next.is_some());
            std::thread::spawn(move || ch.blocking_send(7)).join().expect("no panic");
            runtime.idle(machine, next);
        });
        assert!(alone.is_some() && runtime.scope().now() == before);
        assert_eq!(runtime.block_on(got).expect("no panic"), Ok(Some(7)));
    }
}
