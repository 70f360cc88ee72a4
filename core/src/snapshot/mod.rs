//! Stock-taking: what an inspector may ask of a scope and of a frozen goroutine.
//!
//! An inspector closes the scope, freezes its goroutines, reads what they wait for, traces some of
//! them, and drops their futures one by one. The verdicts are the inspector's business.

mod stock;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use crate::g::current::who;
pub use crate::g::trace::{Sink, Traced};
use crate::g::{GRef, Scope, ThreadG, current, payload_message, trace};
pub use crate::g::{Look, TracePoll};
use crate::inspect::{GoroutineId, Location, Tick, WaitInfo, WaitReason};
use crate::netpoll;
use crate::time::clock::NEVER;
pub use stock::{Elsewhere, Stock, global_runtime_since};

/// A goroutine at one moment. Two equal readings of all goroutines of a scope, all parked, mean that
/// none of them ran in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Which.
    pub id: GoroutineId,
    /// Neither queued nor inside a poll, and in none while it was looked at.
    pub parked: bool,
    /// Inside a poll.
    pub running: bool,
    /// Live waker clones: somebody foreign may make it ready.
    pub wakers: u32,
    /// It is a thread's own call: it does not need an M.
    pub thread_bound: bool,
    /// A future of another runtime polls it.
    pub hosted: bool,
    /// It waits for a socket, a pipe or a process: the world outside may make it ready.
    pub io: bool,
    polls: u32,
}

/// Reads all goroutines of `scope`, in the order they were started.
pub fn read(scope: &Scope) -> Vec<Reading> {
    let anybody_waits = netpoll::anybody_waits();
    let read = |g: &GRef| {
        let (state, polls, certain) = g.look();
        let (id, parked, wakers) = (g.id(), certain && state.is_parked(), state.wakers());
        let io = anybody_waits && waits_for_io(g);
        let (running, thread_bound) = (state.is_running(), g.is_thread_bound());
        let hosted = g.is_hosted();
        Reading { id, parked, running, wakers, thread_bound, hosted, io, polls }
    };
    scope.goroutines().iter().map(read).collect()
}

fn waits_for_io(g: &GRef) -> bool {
    let mut io = false;
    let list = g.leaves().lock();
    // SAFETY: the cell's lock is held, so a leaf that is listed stays.
    list.walk(|leaf| io |= unsafe { leaf.as_ref() }.reason() == WaitReason::IoWait);
    io
}

impl Reading {
    /// How many polls began between an earlier reading of the same goroutine and this one.
    pub fn polls_since(&self, earlier: &Self) -> u32 {
        self.polls.wrapping_sub(earlier.polls)
    }

    /// Whether somebody outside the runtime may make it ready.
    pub fn is_external(&self) -> bool {
        self.wakers > 0 || self.io
    }
}

/// Whether the runtime of `scope` listens for signals, which go to a channel.
pub fn listens(scope: &Scope) -> bool {
    scope.schedule().netpoll().is_listened_to()
}

/// Whether goroutines of `scope` may run while the caller waits: not if it has the one P they have.
pub fn may_run(scope: &Scope) -> bool {
    let schedule = scope.schedule();
    schedule.has_machines() || scope.has_hosts() || !current::polls_for(&**schedule)
}

/// Whether all goroutines are parked in both readings and none ran in between.
pub fn quiescent(first: &[Reading], second: &[Reading]) -> bool {
    first == second && first.iter().all(|reading| reading.parked)
}

/// A number that changes whenever timers of the runtime of `scope` fire; `None` while somebody that one has
/// released is not ready yet. Equal before and after readings: no timer released anybody meanwhile.
pub fn timers_at_rest(scope: &Scope) -> Option<u64> {
    scope.schedule().timers().at_rest()
}

/// When the next timer of the runtime of `scope` is due; `None` if no clock will get there.
pub fn next_timer(scope: &Scope) -> Option<Instant> {
    let timers = scope.schedule().timers();
    Some(timers.next()).filter(|next| *next != NEVER).and_then(|next| timers.clock().instant(next))
}

/// The scope of the global runtime, if that was started.
pub fn global_scope() -> Option<Arc<Scope>> {
    crate::sched::started_global_scope().cloned()
}

/// How many daemons there are, with what they started.
pub fn daemons() -> usize {
    crate::sched::started_daemon_scope().map_or(0, |scope| scope.live())
}

/// What a goroutine was doing when its scope was frozen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// Parked.
    Parked,
    /// Ready, but never dispatched again: it yields for ever, or was made ready too late.
    Runnable,
    /// Inside a poll, or inside its thread's own code.
    Running,
}

/// A goroutine of a closed scope. While it is frozen no M polls it.
#[derive(Debug)]
pub struct Frozen {
    g: GRef,
    doing: Doing,
}

/// How long a poll on another M may go on before its goroutine counts as running.
const POLL_ENDS: Duration = Duration::from_millis(10);

/// How often those are looked for that were started while others were frozen.
const HEIRS: usize = 8;

/// Freezes all goroutines of a closed scope. Where Ms poll beside the caller it waits up to 10 ms for polls
/// in progress to end.
pub fn freeze(scope: &Scope) -> Vec<Frozen> {
    let polled_elsewhere = scope.schedule().has_machines() || scope.has_hosts();
    let deadline = polled_elsewhere.then(|| Instant::now() + POLL_ENDS);
    let freeze = |g: GRef| {
        let mut doing = freeze_one(&g);
        let may_end = doing == Doing::Running && !g.is_thread_bound();
        while let Some(deadline) = deadline.filter(|_| may_end && doing == Doing::Running) {
            if g.snapshot().is_complete() || Instant::now() >= deadline {
                break;
            }
            std::thread::yield_now();
            doing = freeze_one(&g);
        }
        Frozen { g, doing }
    };
    let mut frozen: Vec<Frozen> = scope.goroutines().into_iter().map(freeze).collect();
    if polled_elsewhere {
        // Polls that went on meanwhile may have started others, and ended.
        for _ in 0..HEIRS {
            let known: HashSet<GoroutineId> = frozen.iter().map(Frozen::id).collect();
            let mut others = scope.goroutines();
            others.retain(|g| !known.contains(&g.id()));
            if others.is_empty() {
                break;
            }
            frozen.extend(others.into_iter().map(freeze));
        }
        frozen.retain(|frozen| !frozen.is_done());
        frozen.sort_by_key(Frozen::id);
    }
    frozen
}

fn freeze_one(g: &GRef) -> Doing {
    // Before it is frozen that means: an M has found the scope closed.
    let was_refused = g.snapshot().was_woken();
    match () {
        () if g.freeze() && !was_refused => Doing::Parked,
        () if g.snapshot().is_frozen() || g.seize() => Doing::Runnable,
        () => Doing::Running,
    }
}

/// Freezes those goroutines of a scope that goes on which are parked at this moment. Each has to be
/// [thawed](Frozen::thaw).
pub fn freeze_parked(scope: &Scope) -> Vec<Frozen> {
    let freeze = |g: GRef| match g.freeze() {
        true => Frozen { g, doing: Doing::Parked },
        false => Frozen { g, doing: Doing::Running },
    };
    scope.goroutines().into_iter().map(freeze).collect()
}

/// How dropping a future went.
#[derive(Debug)]
pub struct Dropped {
    /// When the drop began (δ).
    pub began: Tick,
    /// The message of the panic that a destructor raised.
    pub panicked: Option<String>,
}

impl Frozen {
    /// Identity.
    pub fn id(&self) -> GoroutineId {
        self.g.id()
    }

    /// Who started it.
    pub fn parent(&self) -> Option<GoroutineId> {
        self.g.parent()
    }

    /// Where it was started.
    pub fn created_at(&self) -> Location {
        self.g.created_at()
    }

    /// What it was doing when it was frozen.
    pub fn doing(&self) -> Doing {
        self.doing
    }

    /// Whether it is a thread's own call.
    pub fn is_thread_bound(&self) -> bool {
        self.g.is_thread_bound()
    }

    /// Whether a future of another runtime polls it: who may abort that is not known here.
    pub fn is_hosted(&self) -> bool {
        self.g.is_hosted()
    }

    /// Live waker clones.
    pub fn wakers(&self) -> u32 {
        self.g.snapshot().wakers()
    }

    /// Whether it was made ready after it was frozen.
    pub fn was_woken(&self) -> bool {
        self.g.snapshot().was_woken()
    }

    /// Whether its future is gone.
    pub fn is_done(&self) -> bool {
        self.g.snapshot().is_complete()
    }

    /// Whether, apart from the registry and this value, somebody refers to it: a join or abort
    /// handle, or a leaf of it that lives outside its future.
    pub fn has_other_references(&self) -> bool {
        let own = if self.is_done() { 1 } else { 2 } + u32::from(self.g.has_host());
        self.g.snapshot().refs() > own
    }

    /// How long it has been parked, on the coarse clock of its runtime. The scope is alive.
    pub fn parked_for(&self, scope: &Scope) -> Duration {
        let now = scope.schedule().timers().clock().now() / 1_000_000;
        Duration::from_millis(u64::from((now as u32).saturating_sub(self.g.parked_at())))
    }

    /// What it waits for: one entry a leaf.
    pub fn waits(&self) -> Vec<WaitInfo> {
        // Mostly it is one thing; there may be a million goroutines.
        let mut waits = Vec::with_capacity(1);
        let list = self.g.leaves().lock();
        // SAFETY: the cell's lock is held, so a leaf that is listed stays; the goroutine is frozen, so
        // its futures are not polled meanwhile.
        list.walk(|leaf| unsafe {
            crate::g::Leaf::describe(leaf, &mut |info| waits.push(info));
        });
        waits
    }

    /// Gives it back to its scheduler, as if it had never been frozen, if it was parked then. One that sat in a
    /// queue, of a closed scope, is still there and must not get into another.
    pub fn thaw(self) {
        if self.doing == Doing::Parked {
            self.g.thaw();
        }
    }

    /// Polls it once to see where it waits. `None` if it is not frozen, is a thread's own call, belongs to another
    /// thread, or is locked to one.
    pub fn trace(&self, sink: &mut Sink<'_>) -> Option<Traced> {
        // The mark changes only inside a poll, and whoever claims it finds it parked.
        let is_anothers = !self.g.may_be_touched_here() || self.g.is_locked();
        if self.is_thread_bound() || is_anothers || !self.g.claim_frozen() {
            return None;
        }
        let traced = trace::poll(&self.g, sink);
        if !self.is_done() {
            self.g.release_frozen();
        }
        Some(traced)
    }

    /// Drops its future on this thread, with panics caught. `None` if that is not possible: it is
    /// running, done, a thread's own call, or belongs to another thread.
    pub fn reap(&self, scope: &Scope) -> Option<Dropped> {
        if self.is_thread_bound() || !self.g.may_be_touched_here() || !self.g.claim_frozen() {
            return None;
        }
        let began = self.drops(scope);
        let panicked = self.g.discard().err().map(|payload| {
            let message = payload_message(&*payload);
            crate::g::forget_payload(payload);
            message
        });
        Some(Dropped { began, panicked })
    }

    /// From here on the reap log speaks of this goroutine.
    fn drops(&self, scope: &Scope) -> Tick {
        scope.watch().map_or(0, |watch| {
            watch.drops(Some(self.id()));
            watch.tick()
        })
    }

    /// Asks the M that is in its poll to drop its future when the poll ends.
    pub fn abort(&self) {
        self.g.clone().abort();
    }

    /// Unwinds a parked call of a thread with a [`Reaped`](crate::runtime::Reaped) payload, after
    /// `look` ran on that thread. Returns when that began; the caller waits for `is_done`.
    pub fn reap_thread(&self, scope: &Arc<Scope>, look: Look) -> Option<Tick> {
        if !self.is_thread_bound() || self.doing == Doing::Running {
            return None;
        }
        let began = self.drops(scope);
        ThreadG::reap(&self.g, scope.watch().cloned(), look);
        Some(began)
    }
}
