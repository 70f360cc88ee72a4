//! Playing schedules: a body is run again and again, and a policy decides what happens next.

use core::future::Future;
use std::panic::Location;
use std::sync::Arc;
use std::thread::Result as Caught;
use std::time::{Duration, Instant};

use super::handle::Runtime;
use super::spawn::Main;
use crate::g::point::{self, Exploring};
use crate::g::{Origin, Scope};
use crate::inspect::GoroutineId;
use crate::sched::policy::Policy;
use crate::sched::{Machine, Shared, Turn, World};
use crate::time::clock::{NEVER, Nanos, nanos};

/// How often evidence from outside is looked at again while nothing can happen inside.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// What holds for a schedule.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// Keep records of primitives, so that what is left can be judged.
    pub watch: bool,
    /// After so many operations and dispatches without anything new, some of them in vain, the schedule is cut off.
    pub most_steps: u64,
    /// The same if nobody comes to a line where it has not been, whatever else happens.
    pub most_in_all: u64,
    /// So long after the begin the body blocks for good, as is known: timers that are due later than `linger` after
    /// that do not fire.
    pub blocked_since: Option<Duration>,
    /// Timers that are due within this time fire after the body has ended.
    pub linger: Duration,
    /// Switch at operations that are not awaited as well: their polls are suspended on their threads.
    pub inside: bool,
    /// Panics are part of a search: see [`is_quiet`].
    pub quiet: bool,
    /// Where the body belongs to.
    pub at: &'static Location<'static>,
}

/// Why a schedule ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlayEnd {
    /// Nothing can happen any more.
    Quiet,
    /// It has taken too many steps without anything new.
    TooLong,
    /// A thread that is no part of it had a hand in it.
    Outside,
}

/// A schedule that has ended. What is left of it is still there.
#[derive(Debug)]
pub struct Played<T> {
    /// What became of the body; `None` if it has not ended.
    pub body: Option<Caught<T>>,
    /// The goroutine that is the body.
    pub body_id: GoroutineId,
    /// Why the schedule ended.
    pub end: PlayEnd,
    /// Operations and dispatches.
    pub steps: u64,
    /// When the body ran last, and when the schedule ended, in virtual time since it began.
    pub times: (Duration, Duration),
    /// Goroutines that panicked, the body apart.
    pub panics: u32,
    /// Operations at which a poll could have been suspended.
    pub inner_points: u64,
    /// A goroutine went on and on inside one poll, and was taken out of it by a panic.
    pub runaway: bool,
    /// A suspended poll held what somebody else needed: this is not what the policy decided. It will not be
    /// suspended at that line again.
    pub spoiled: bool,
}

/// Who is called in the course of a schedule, on the thread that plays it.
pub trait Audience<T> {
    /// The body is about to run, in `scope`, which is that of the runtime unless it is watched.
    fn begins(&mut self, scope: &Arc<Scope>) {
        let _ = scope;
    }

    /// The body has ended; others may go on.
    fn body_ended(&mut self, scope: &Arc<Scope>) {
        let _ = scope;
    }

    /// Nothing can happen inside, but goroutines are left. Whether something may still come from outside.
    fn waits(&mut self, scope: &Arc<Scope>) -> bool {
        let _ = scope;
        false
    }

    /// The schedule has ended. What is left in `scope` goes when this returns.
    fn ends(&mut self, scope: &Arc<Scope>, played: Played<T>);
}

/// Whether this thread plays a schedule whose panics nobody wants to read of; for panic hooks.
pub fn is_quiet() -> bool {
    point::is_quiet()
}

impl Runtime {
    /// Runs `body` and what it starts as `policy` says, and gives the policy back. The runtime was built with
    /// [`Builder::explored`](super::Builder::explored).
    ///
    /// # Panics
    /// On another runtime, inside a goroutine, and while another thread plays on this one.
    pub fn play<F: Future>(
        &self,
        terms: &Terms,
        policy: Box<dyn Policy>,
        body: F,
        audience: &mut dyn Audience<F::Output>,
    ) -> Box<dyn Policy> {
        struct End<'a>(Option<&'a World>);
        impl Drop for End<'_> {
            fn drop(&mut self) {
                if let Some(world) = self.0.take() {
                    drop(world.end());
                }
            }
        }
        let shared = self.shared();
        let world = shared.world().expect("gmp: this runtime was not built to be explored");
        assert!(
            crate::g::current::goroutine().is_none(),
            "gmp: a goroutine cannot explore, it would stop its M"
        );
        let played = Machine::run(shared, |machine| {
            let scope = match terms.watch || !self.is_as_new() {
                true => Scope::new(shared.clone(), 1, terms.watch),
                false => self.scope().clone(),
            };
            let inside = terms.inside.then(|| shared.clone());
            world.begin(policy, (terms.most_steps, terms.most_in_all), terms.quiet, inside);
            let mut end = End(Some(world));
            let begin = shared.timers().clock().now();
            if let Some(since) = terms.blocked_since {
                let until = begin.saturating_add(nanos(since.saturating_add(terms.linger)));
                world.set_until(until.min(NEVER - 1));
            }
            let exploring = Exploring::new(world);
            audience.begins(&scope);
            let main = Main::start(&Origin { scope: &scope, parent: None, at: terms.at }, body);
            let ended = run(machine, shared, world, &main, terms, &scope, audience);
            drop(exploring);
            let tally = world.tally();
            let passed = |at: Nanos| Duration::from_nanos(at.saturating_sub(begin));
            let body_id = main.g().id();
            let body = if main.is_done() { main.take() } else { None };
            let played = Played {
                body,
                body_id,
                end: ended,
                steps: tally.steps,
                times: (passed(tally.body_since), passed(shared.timers().clock().now())),
                panics: tally.panics,
                inner_points: tally.inner_points,
                runaway: tally.runaway,
                spoiled: tally.spoiled,
            };
            audience.ends(&scope, played);
            if scope.live() > 0 {
                scope.close();
                drop(main);
                scope.discard_all();
            }
            end.0.take().and_then(World::end)
        });
        played.flatten().expect("gmp: another thread is running this runtime")
    }

    /// Whether nothing of the schedules played so far is left: the next one finds the runtime as new.
    pub fn is_as_new(&self) -> bool {
        let scope = self.scope();
        self.shared().timers().next() == NEVER && scope.live() == 0 && !scope.is_closed()
    }
}

/// Runs one schedule to its end.
fn run<T>(
    machine: &Machine,
    shared: &Shared,
    world: &World,
    main: &Main<T>,
    terms: &Terms,
    scope: &Arc<Scope>,
    audience: &mut dyn Audience<T>,
) -> PlayEnd {
    let (mut body_lives, mut is_alone) = (true, false);
    loop {
        let turn = machine.turn(&|| body_lives && main.is_done());
        let tally = world.tally();
        if tally.outside {
            return PlayEnd::Outside;
        }
        if world.is_over() {
            return PlayEnd::TooLong;
        }
        if body_lives && main.is_done() {
            body_lives = false;
            audience.body_ended(scope);
            let now = shared.timers().clock().now();
            world.set_until(now.saturating_add(nanos(terms.linger)).min(NEVER - 1));
        } else if turn != Turn::Stopped {
            if scope.live() == 0 {
                return PlayEnd::Quiet;
            }
            if !audience.waits(scope) {
                if is_alone {
                    return PlayEnd::Quiet;
                }
                // Whoever was outside may have come since the turn, and be gone: one more finds what it left.
                is_alone = true;
                continue;
            }
            is_alone = false;
            world.asleep(|| machine.sleep(Some(Instant::now() + LOOK_AGAIN)));
        }
    }
}
