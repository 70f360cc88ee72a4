//! What all Ms of a runtime share: the Ps, the global queue, the timers, and who sleeps.
//!
//! Either the runtime has one P that whoever owns it drives: then the order of everything is
//! deterministic. Or it has Ms of its own, see `pool.rs`.

use std::any::Any;
use std::sync::Arc;
use std::sync::Weak;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use super::global::Global;
use super::m::{Machine, Pushed};
use super::p::P;
use super::panics::PanicPolicy;
use super::pause::Gate;
use super::pool::{MAX_PROCS, Pool};
use super::schedtrace::Tracer;
use super::sleeper::Sleeper;
use super::world::World;
use crate::g::{GRef, Schedule, Scope, fork};
use crate::inspect::{GoroutineId, PanicNote};
use crate::netpoll::Netpoll;
use crate::sys::Lock;
use crate::time::clock::{Clock, NEVER, Nanos};
use crate::time::timers::Timers;

/// The shared part of a runtime.
pub(crate) struct Shared {
    pub(super) first: P,
    pub(super) global: Global,
    /// `None`: the one P is driven by whoever owns the runtime.
    pub(super) pool: Option<Pool>,
    /// `Some`: a policy decides what the one P does.
    world: Option<World>,
    timers: Arc<Timers>,
    pub(super) netpoll: Arc<Netpoll>,
    sleeper: Sleeper,
    machines: AtomicU32,
    starter: Starter,
    shut_down: AtomicBool,
    pub(super) tracer: Tracer,
    pub(super) gate: Gate,
    /// Whether a panic of a goroutine ends the process.
    pub(super) panics: AtomicBool,
    /// In which forked child it was made.
    generation: u32,
    /// All whose goroutines run here.
    scopes: Lock<Vec<Weak<Scope>>>,
    /// Goroutines to be queued from outside before the next is timed.
    pub(super) until_timed: AtomicU32,
}

/// How an M is had when there is none: whoever owns the runtime says.
#[derive(Default)]
struct Starter {
    waiting: AtomicBool,
    demanded: AtomicBool,
    start: Lock<Option<Box<dyn FnOnce() + Send>>>,
}

impl Shared {
    /// With one P that is driven.
    pub(crate) fn driven_by_owner(clock: Clock) -> Arc<Self> {
        Self::new(None, clock, false)
    }

    /// With one P that is driven, on which a policy decides what happens next.
    pub(crate) fn explored(clock: Clock) -> Arc<Self> {
        Self::new(None, clock, true)
    }

    /// With `procs` Ps and Ms of its own, at least one and at most `MAX_PROCS`.
    pub(crate) fn with_machines(procs: usize) -> Arc<Self> {
        Self::new(Some(procs), Clock::real(), false)
    }

    fn new(procs: Option<usize>, clock: Clock, explored: bool) -> Arc<Self> {
        let homes = procs.map_or(1, timer_homes);
        Arc::new_cyclic(|weak: &Weak<Self>| {
            if procs.is_some() {
                fork::watch();
            }
            let pool = procs.map(|procs| Pool::new(procs, weak.clone()));
            let shares = procs.is_some_and(|procs| procs > 1);
            let weak = weak.clone();
            let [to_timers, to_net] = [weak.clone(), weak].map(|weak| {
                move |when| {
                    if let Some(shared) = weak.upgrade() {
                        shared.earlier(when);
                    }
                }
            });
            let timers = Timers::new(clock, homes, Box::new(to_timers));
            Self {
                first: P::new(0, shares, pool.is_some()),
                global: Global::new(),
                pool,
                world: explored.then(|| World::new(timers.clone())),
                timers,
                netpoll: Netpoll::new(Box::new(move || to_net(0))),
                sleeper: Sleeper::new(),
                machines: AtomicU32::new(1),
                starter: Starter::default(),
                shut_down: AtomicBool::new(false),
                tracer: Tracer::default(),
                gate: Gate::default(),
                panics: AtomicBool::new(false),
                generation: fork::generation(),
                scopes: Lock::default(),
                until_timed: AtomicU32::new(0),
            }
        })
    }

    pub(crate) fn timers(&self) -> &Arc<Timers> {
        &self.timers
    }

    pub(crate) fn world(&self) -> Option<&World> {
        self.world.as_ref()
    }

    /// A number for a new M.
    pub(super) fn machine_number(&self) -> u32 {
        self.machines.fetch_add(1, Ordering::Relaxed)
    }

    /// Sets what is called once when an M is needed and none runs.
    pub(crate) fn on_demand(&self, start: Box<dyn FnOnce() + Send>) {
        *self.starter.start.lock() = Some(start);
        // Release: pairs with the swap in `start_machine`.
        self.starter.waiting.store(true, Ordering::Release);
    }

    /// Whether the M that `on_demand` promised was asked for.
    pub(crate) fn was_demanded(&self) -> bool {
        self.starter.demanded.load(Ordering::Acquire)
    }

    fn start_machine(&self) {
        let starter = &self.starter;
        if starter.waiting.load(Ordering::Relaxed) && starter.waiting.swap(false, Ordering::Acquire)
        {
            starter.demanded.store(true, Ordering::Release);
            let start = starter.start.lock().take();
            if let Some(start) = start {
                start();
            }
        }
    }

    /// All scopes whose goroutines run here.
    pub(super) fn scopes(&self) -> Vec<Arc<Scope>> {
        self.scopes.lock().iter().filter_map(Weak::upgrade).collect()
    }

    /// The runtime of `scope`.
    pub(crate) fn of(scope: &Scope) -> &Self {
        let Some(shared) = scope.schedule().as_any().downcast_ref() else {
            unreachable!("runtimes are of one kind")
        };
        shared
    }

    /// What a panic of a goroutine means.
    pub(crate) fn set_panic_policy(&self, policy: PanicPolicy) {
        self.panics.store(policy == PanicPolicy::Abort, Ordering::Relaxed);
    }

    /// Whether this is a forked child in which the threads of this runtime are missing.
    #[inline]
    pub(super) fn is_orphan(&self) -> bool {
        self.pool.is_some() && self.generation != fork::generation()
    }

    /// # Panics
    /// In a forked child in which the threads of this runtime are missing.
    #[inline]
    pub(super) fn refuse_orphan(&self) {
        if self.is_orphan() {
            fork::refuse();
        }
    }

    /// The P that whoever owns the runtime drives.
    pub(super) fn driven(&self) -> Option<&P> {
        self.pool.is_none().then_some(&self.first)
    }

    /// Whether the runtime has Ms of its own.
    pub(crate) fn has_own_machines(&self) -> bool {
        self.pool.is_some()
    }

    /// Whether something is ready, or a timer due.
    pub(super) fn has_work(&self) -> bool {
        self.has_work_in(|_| true)
    }

    /// As [`has_work`](Self::has_work), for an M that has to take it from others, or an idle P with it.
    pub(super) fn has_work_to_share(&self) -> bool {
        // An idle P that is closed is the only one (rule 13): whoever takes a P comes upon its queue.
        self.has_work_in(|p| p.is_open() || p.owner.is_idle())
    }

    fn has_work_in(&self, counts: impl Fn(&P) -> bool) -> bool {
        !self.global.is_empty()
            || self.ps().any(|p| counts(p) && !p.is_empty())
            || self.is_timer_due()
    }

    /// Whether a timer waits for an M that looks at it.
    pub(super) fn is_timer_due(&self) -> bool {
        let next = self.timers.next();
        next != NEVER && next <= self.timers.clock().now()
    }

    /// Whether no M has a P and nothing waits for one: a hint. Of a runtime with Ms of its own.
    pub(crate) fn is_at_rest(&self) -> bool {
        let all_idle = |pool: &Pool| pool.idle.counts.idle_ps() >= pool.idle.procs();
        self.pool.as_ref().is_none_or(all_idle) && !self.has_work()
    }

    /// When the next timer is due; `None` if there is none.
    pub(crate) fn next_timer(&self) -> Option<Instant> {
        let next = self.timers.next();
        self.timers.clock().instant(next).filter(|_| next != NEVER)
    }

    /// From now on what is started in a closed scope is dropped at once.
    pub(crate) fn set_shut_down(&self) {
        self.shut_down.store(true, Ordering::SeqCst);
        self.tracer.unpark();
    }

    pub(crate) fn was_shut_down(&self) -> bool {
        // SeqCst: pairs with the store, after which the registry is swept once more.
        self.shut_down.load(Ordering::SeqCst)
    }

    /// A timer that is due at `when` is the earliest of a P now, or the netpoll is on and `when` is 0: whoever
    /// sleeps longer has to look again.
    fn earlier(&self, when: Nanos) {
        match &self.pool {
            Some(pool) => self.timer_is_earlier(pool, when),
            // The M itself looks at the timers before it sleeps.
            None if Machine::is_here(self) => {}
            None => self.wake(),
        }
    }

    /// Wakes the sleeping M, if one sleeps, or starts one, if there is none.
    pub(crate) fn wake(&self) {
        if let Some(pool) = &self.pool {
            return self.wake_one(pool);
        }
        self.start_machine();
        self.sleeper.wake(&*self.netpoll);
    }

    /// Ends the sleep of the M, this one or the next, whether or not there is work.
    pub(crate) fn notify(&self) {
        self.sleeper.notify(&*self.netpoll);
    }

    /// Waits until somebody notifies, at most for `at_most`.
    pub(crate) fn wait_for_notice(&self, at_most: Duration) {
        self.sleeper.wait(Some(at_most));
    }

    /// Whether a goroutine waits in a queue of the driven P.
    pub(super) fn is_runnable(&self) -> bool {
        !self.first.is_empty() || !self.global.is_empty()
    }

    /// Sleeps until there may be work or `until` has come. Does not sleep if a timer is due earlier; on a
    /// virtual clock, where no timer comes due in sleep, if there is an earlier one than `seen`.
    pub(super) fn sleep(&self, until: Option<Instant>, seen: Nanos) {
        let at_most = until.map(|u| u.saturating_duration_since(Instant::now()));
        let clock = self.timers.clock();
        let until = match clock.is_virtual() {
            true => seen,
            false => until.map_or(NEVER, |until| clock.nanos_of(until)),
        };
        let has_work = || !self.global.is_empty() || self.timers.next() < until;
        let bed = || Some(&*self.netpoll).filter(|netpoll| netpoll.is_on());
        let ready = self.sleeper.sleep(at_most, has_work, bed);
        self.run_ready(ready);
    }
}

/// How many heaps of timers a runtime with `procs` Ps has: more Ps than that, after a change, share them.
fn timer_homes(procs: usize) -> usize {
    let available = std::thread::available_parallelism().map_or(1, usize::from);
    procs.max(available.min(MAX_PROCS))
}

impl Schedule for Shared {
    fn enqueue(&self, g: GRef) {
        if fork::generation() != 0 && self.is_orphan() {
            // Before any lock is taken. A destructor that runs because of it must not panic as well.
            if !std::thread::panicking() {
                fork::refuse();
            }
            return;
        }
        let g = match &self.world {
            None => g,
            Some(world) => match world.enqueue(g) {
                Ok(()) => return,
                Err(g) => g,
            },
        };
        match Machine::push_local(self, g) {
            // Where there is one P, driven or not, its M comes to it.
            Ok(Pushed::Alone) => {}
            Ok(pushed) => {
                if let Some(pool) = &self.pool {
                    self.wake_one(pool);
                    if pushed == Pushed::Many {
                        pool.idle.end_nap();
                    }
                }
            }
            Err(g) => {
                self.made_ready_outside(&g);
                self.global.push(g);
                self.wake();
                if let Some(pool) = &self.pool {
                    pool.idle.end_nap();
                }
            }
        }
    }

    fn demand(&self) {
        if self.pool.is_none() {
            self.wake();
        }
    }

    fn has_machines(&self) -> bool {
        self.has_own_machines()
    }

    fn is_shut_down(&self) -> bool {
        self.was_shut_down()
    }

    fn adopt(&self, scope: Weak<Scope>) {
        let mut scopes = self.scopes.lock();
        scopes.retain(|scope| scope.strong_count() != 0);
        scopes.push(scope);
    }

    fn forsake(&self, g: GoroutineId) {
        self.release_home(g);
    }

    fn on_panic(&self, note: &PanicNote, parent: Option<GoroutineId>) {
        if self.panics.load(Ordering::Relaxed) {
            super::panics::abort(note, parent);
        }
    }

    fn check_fork(&self) {
        self.refuse_orphan();
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn procs(&self) -> usize {
        Shared::procs(self)
    }

    fn set_procs(&self, procs: usize) -> bool {
        Shared::set_procs(self, procs)
    }

    fn timers(&self) -> &Arc<Timers> {
        &self.timers
    }

    fn netpoll(&self) -> &Arc<Netpoll> {
        &self.netpoll
    }
}
