//! Who stops the virtual clock of a test: what may still make a goroutine ready before the next timer.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use gmp_core::inspect::GoroutineId;
use gmp_core::runtime::Scope;
use gmp_core::snapshot::{self, Stock};

use super::census::{self, ThreadNumber};

/// How many goroutines and threads a note names.
const NAMED: usize = 5;

/// The virtual clock of one test.
pub(crate) struct VirtualClock {
    ignores_external: bool,
    /// The threads that started during the test: those that were there before hold nothing of it.
    threads: Box<dyn Fn() -> Vec<ThreadNumber> + Send + Sync>,
    /// Who stopped it when somebody looked last.
    held: Mutex<Option<Held>>,
}

/// Why the clock does not move.
struct Held {
    /// Time until the next timer.
    due_in: Duration,
    by: Holders,
}

/// Who is not known to wait for the clock.
struct Holders {
    /// Goroutines whose wakers somebody outside has.
    woken: Vec<GoroutineId>,
    /// Goroutines that wait for a socket, a pipe or a process.
    io: Vec<GoroutineId>,
    /// Goroutines that run: they are plain bodies, in calls that are not gmp's.
    running: Vec<GoroutineId>,
    /// Names of threads.
    threads: Vec<String>,
    /// Whether the global runtime runs something.
    elsewhere: bool,
}

impl VirtualClock {
    /// The clock of a test that starts now.
    pub(crate) fn new(ignores_external: bool) -> Self {
        let before: HashSet<_> = census::foreign_threads(&HashSet::new()).into_iter().collect();
        Self::beside(ignores_external, move || census::foreign_threads(&before))
    }

    /// With `threads` as its census.
    fn beside(
        ignores_external: bool,
        threads: impl Fn() -> Vec<ThreadNumber> + Send + Sync + 'static,
    ) -> Self {
        Self { ignores_external, threads: Box::new(threads), held: Mutex::new(None) }
    }

    /// Whether something other than the next timer may make a goroutine of `scope` ready. Nothing is in a
    /// run queue.
    pub(crate) fn is_held(&self, scope: &Scope, next: Option<Instant>) -> bool {
        // One look inside the other, as for the evidence of `quiesce.rs`. Where goroutines make but each other ready,
        // none in a queue says the same of them as two looks.
        let look = || scope.may_be_woken().then(|| Stock::of(scope));
        let (first, global) = (look(), Stock::of_global_runtime());
        let threads = (self.threads)();
        let elsewhere = !global.lasts_until(&Stock::of_global_runtime());
        let (mut woken, mut io) = (Vec::new(), Vec::new());
        let (mut running, mut unsteady) = (Vec::new(), false);
        if let Some(second) = look() {
            unsteady = first.is_none_or(|first| first != second);
            let ids = |of: &dyn Fn(&&snapshot::Reading) -> bool| {
                second.readings().iter().filter(of).map(|reading| reading.id).collect()
            };
            woken = ids(&|reading| reading.wakers > 0);
            io = ids(&|reading| reading.io);
            running = ids(&|reading| !reading.parked);
        }
        let nobody = woken.is_empty() && io.is_empty() && threads.is_empty();
        let external = !nobody || elsewhere;
        // Without a timer there is nothing to go on to: then outside is waited for all the same.
        let counts = external && !(self.ignores_external && next.is_some());
        let held = unsteady || !running.is_empty() || counts;
        let due_in = next.map(|next| next.saturating_duration_since(scope.now()));
        let threads = threads.iter().take(NAMED).map(|thread| census::name_of(*thread)).collect();
        let by = Holders { woken, io, running, threads, elsewhere };
        let note = due_in.filter(|_| held).map(|due_in| Held { due_in, by });
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = note;
        held
    }

    /// Whether it was stopped before the next timer when somebody looked last.
    pub(crate) fn is_stopped(&self) -> bool {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// What to say of a test that was not over in time: `None` if the clock was not stopped.
    pub(crate) fn note(&self) -> Option<String> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        let Held { due_in, by } = held;
        let mut who = Vec::new();
        let ids = |ids: &[GoroutineId]| list(ids.iter().map(ToString::to_string).collect());
        if !by.running.is_empty() {
            who.push(format!("{} in a call that is not gmp's", ids(&by.running)));
        }
        if !by.woken.is_empty() {
            who.push(format!("somebody outside who has the waker of {}", ids(&by.woken)));
        }
        if !by.io.is_empty() {
            who.push(format!("what {} waits for outside", ids(&by.io)));
        }
        if !by.threads.is_empty() {
            let names = by.threads.iter().map(|name| format!("`{name}`")).collect();
            who.push(format!("a thread that started during the test: {}", list(names)));
        }
        if by.elsewhere {
            who.push("a goroutine of the global runtime that runs".into());
        }
        Some(format!(
            "the virtual clock stands still, {due_in:?} before the next timer, because of {}; \
             `clock = \"virtual, ignoring external\"` lets it go on whatever is outside",
            who.join(" and ")
        ))
    }
}

fn list(mut names: Vec<String>) -> String {
    let more = names.len().saturating_sub(NAMED);
    names.truncate(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    names.join(", ") + &more
}

#[cfg(test)]
mod tests {
    use core::panic::Location;
    use std::sync::{Once, mpsc};

    use gmp_core::runtime::Builder;
    use gmp_core::time::timeout;
    use gmp_core::{chan, go};

    use super::*;
    use crate::leak::quiesce::{End, Limits, drive};

    const HOUR: Duration = Duration::from_secs(3_600);

    #[test]
    fn it_waits_for_what_a_thread_made_ready_before_it_ended() {
        let runtime = Builder::new().watch(true).virtual_time().build();
        let (ch, once) = (chan::<u32>(0), Once::new());
        let from = ch.clone();
        let clock = VirtualClock::beside(false, move || {
            let sends = || _ = std::thread::scope(|s| s.spawn(|| ch.blocking_send(7)).join());
            once.call_once(sends);
            Vec::new()
        });
        let deadline = Instant::now() + HOUR;
        let limits =
            Limits { deadline, clock: Some(&clock), other: None, linger: None, moment: None };
        let before = runtime.scope().now();
        let received = runtime.drive(|driver| {
            let waits = async move { timeout(HOUR, from.recv()).await };
            let body = driver.start(Location::caller(), waits);
            let end = drive(driver, runtime.scope(), &limits, &|| body.is_done());
            assert_eq!(end, End::Done);
            body.take().expect("it is done").expect("no panic")
        });
        assert_eq!((received, runtime.scope().now()), (Some(Ok(Some(7))), before));
    }

    #[test]
    fn who_stops_it_is_known_even_if_the_time_is_over_when_that_is_first_looked_at() {
        let runtime = Builder::new().watch(true).virtual_time().build();
        let clock = VirtualClock::beside(false, || census::own_number().into_iter().collect());
        let deadline = Instant::now();
        let limits =
            Limits { deadline, clock: Some(&clock), other: None, linger: None, moment: None };
        let end = runtime.drive(|driver| {
            drop(runtime.go(gmp_core::time::sleep(HOUR)));
            drive(driver, runtime.scope(), &limits, &|| false)
        });
        assert_eq!(end, Some(End::TimedOut));
        assert!(clock.is_stopped() && clock.note().is_some());
    }

    /// It may have started a thread that was not counted, and that wakes somebody.
    #[test]
    fn it_waits_for_a_goroutine_of_the_global_runtime_that_parked_while_threads_were_counted() {
        let (runs, is_running) = mpsc::channel();
        let (goes_on, may_go) = mpsc::channel();
        let ch = chan::<()>(0);
        let from = ch.clone();
        let waits = go(async move {
            let _ = runs.send(());
            let _ = may_go.recv();
            from.recv().await
        });
        is_running.recv().expect("it runs");
        let id = waits.id();
        let clock = VirtualClock::beside(false, move || {
            let _ = goes_on.send(());
            let global = snapshot::global_scope().expect("it was started");
            while snapshot::read(&global).iter().any(|reading| reading.id == id && reading.running)
            {
                std::thread::yield_now();
            }
            Vec::new()
        });
        let runtime = Builder::new().watch(true).virtual_time().build();
        assert!(clock.is_held(runtime.scope(), Some(runtime.scope().now() + HOUR)));
        ch.close();
        assert_eq!(gmp_core::block_on(waits).expect("no panic"), None);
    }
}
