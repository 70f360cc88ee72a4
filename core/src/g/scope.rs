//! A scope: the set of everything that a test, a guard or a runtime started.

use core::marker::PhantomData;
use core::ptr::NonNull;
use std::any::Any;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Instant;

use super::cell::Header;
use super::current;
use super::gref::GRef;
use crate::inspect::{GoroutineId, Location, PanicNote, PrimitiveKind, Record, Watch};
use crate::list::{Linked, Links, List};
use crate::netpoll::Netpoll;
use crate::sys::BriefLock;
use crate::sys::modelled::atomic::{AtomicBool as Flag, Ordering};
use crate::time::timers::Timers;

/// Where goroutines that are ready go: the runtime of their scope.
pub(crate) trait Schedule: Send + Sync {
    /// Puts a ready goroutine, with the reference, where an M will find it.
    fn enqueue(&self, g: GRef);
    /// An M is needed, though nothing was queued: whoever parks wants to be looked after.
    fn demand(&self);
    /// The timers of that runtime.
    fn timers(&self) -> &Arc<Timers>;
    /// The netpoll of that runtime.
    fn netpoll(&self) -> &Arc<Netpoll>;
    /// Whether it has Ms of its own, which poll whatever the caller does.
    fn has_machines(&self) -> bool;
    /// Whether it has ended, and dropped everything it had.
    fn is_shut_down(&self) -> bool;
    /// A new scope has its goroutines run there.
    fn adopt(&self, scope: Weak<Scope>);
    /// A goroutine that is locked to its M has ended, perhaps on another thread: its M need not wait for it.
    fn forsake(&self, g: GoroutineId);
    /// A goroutine has panicked.
    fn on_panic(&self, note: &PanicNote, parent: Option<GoroutineId>);
    /// # Panics
    /// In a forked child, if it has threads: they are not here.
    fn check_fork(&self);
    /// For whoever knows the runtime.
    fn as_any(&self) -> &dyn Any;
    /// Ps in use.
    fn procs(&self) -> usize;
    /// Changes the number of Ps. False if there is one that is driven by its owner.
    fn set_procs(&self, procs: usize) -> bool;
}

/// The list tag of the registry.
pub(super) struct Registry;

// SAFETY: projects to the one field of the header.
unsafe impl Linked<Registry> for Header {
    fn links(node: NonNull<Self>) -> NonNull<Links<Self>> {
        Header::registry_links(node)
    }
}

/// A part of the registry, on cache lines of its own.
#[repr(align(128))]
struct Shard {
    members: BriefLock<Members>,
    /// How many there are, and in the upper half how many were started so far, wrapping. Written under the lock,
    /// readable without it.
    counts: AtomicU64,
}

/// One that lives; one that is started, and lives from then on.
const LIVE: u64 = 1;
const START: u64 = (1 << 32) + LIVE;

/// The members of a shard. While there are any they keep the scope alive.
struct Members {
    list: List<Header, Registry>,
    scope: Option<Arc<Scope>>,
}

impl Shard {
    fn new() -> Self {
        let members = BriefLock::new(Members { list: List::new(), scope: None });
        Self { members, counts: AtomicU64::new(0) }
    }

    /// The caller has the lock: nobody else writes.
    fn count(&self, change: u64) {
        // Relaxed: a hint for whoever has not the lock.
        let counts = self.counts.load(Ordering::Relaxed);
        self.counts.store(counts.wrapping_add(change), Ordering::Relaxed);
    }

    fn live(&self) -> usize {
        self.counts.load(Ordering::Relaxed) as u32 as usize
    }
}

/// The set of everything that a test, a guard or a runtime started; children inherit it.
pub struct Scope {
    shards: Box<[Shard]>,
    closed: Flag,
    /// See [`may_be_woken`](Self::may_be_woken).
    outside: AtomicBool,
    /// Other runtimes poll, or have polled, goroutines of it.
    hosts: AtomicBool,
    watch: Option<Arc<Watch>>,
    schedule: Arc<dyn Schedule>,
    attached: OnceLock<Box<dyn Any + Send + Sync>>,
}

impl Scope {
    /// A scope whose goroutines run on `schedule`. With `watch`, its primitives have records.
    pub(crate) fn new(schedule: Arc<dyn Schedule>, shards: usize, watch: bool) -> Arc<Self> {
        debug_assert!(shards.is_power_of_two());
        let scope = Arc::new(Self {
            shards: (0..shards).map(|_| Shard::new()).collect(),
            closed: Flag::new(false),
            outside: AtomicBool::new(false),
            hosts: AtomicBool::new(false),
            watch: watch.then(Watch::new),
            schedule,
            attached: OnceLock::new(),
        });
        scope.schedule.adopt(Arc::downgrade(&scope));
        scope
    }

    /// The watch, if this scope keeps records.
    pub fn watch(&self) -> Option<&Arc<Watch>> {
        self.watch.as_ref()
    }

    /// Attaches a value of the scope's owner, once. Later ones are dropped.
    pub fn attach(&self, value: impl Any + Send + Sync) {
        let _ = self.attached.set(Box::new(value));
    }

    /// The value that was attached, if it is a `T`.
    pub fn attached<T: Any>(&self) -> Option<&T> {
        self.attached.get()?.downcast_ref()
    }

    /// Notes that somebody other than a goroutine polled on a P may make goroutines ready.
    pub(crate) fn note_outside(&self) {
        // SeqCst: pairs with `may_be_woken`.
        if !self.outside.load(Ordering::Relaxed) {
            self.outside.store(true, Ordering::SeqCst);
        }
    }

    /// Another runtime polls a goroutine of it.
    pub(super) fn note_host(&self) {
        self.note_outside();
        // SeqCst: whoever closes the scope and finds the goroutine finds this too.
        self.hosts.store(true, Ordering::SeqCst);
    }

    /// Whether threads of another runtime may be inside polls of its goroutines.
    pub(crate) fn has_hosts(&self) -> bool {
        self.hosts.load(Ordering::SeqCst)
    }

    /// Whether a waker of this scope was ever cloned, a goroutine of it waited for a descriptor, or a thread's own
    /// call was one of its goroutines. If not, its goroutines are made ready by each other and by whoever uses their
    /// channels and locks, which a plain thread may: on a driven runtime nothing moves while none of them runs and
    /// none is in a queue.
    pub fn may_be_woken(&self) -> bool {
        // SeqCst: as a goroutine that clones its waker runs, whoever sees it parked sees this too.
        self.outside.load(Ordering::SeqCst)
    }

    /// The time on the clock of its runtime.
    pub fn now(&self) -> Instant {
        let clock = self.schedule.timers().clock();
        clock.instant(clock.now()).unwrap_or_else(Instant::now)
    }

    /// Whether the clock of its runtime is virtual.
    pub fn has_virtual_time(&self) -> bool {
        self.schedule.timers().clock().is_virtual()
    }

    pub(crate) fn schedule(&self) -> &Arc<dyn Schedule> {
        &self.schedule
    }

    /// Goroutines that are registered: started and not yet finished.
    pub fn live(&self) -> usize {
        // Relaxed: a hint; decisions walk the registry.
        self.shards.iter().map(Shard::live).sum()
    }

    /// A number that changes with every goroutine that is started.
    pub(crate) fn started(&self) -> u64 {
        // Relaxed: who compares two of them knows the starter to have ended, or looks for it by other means.
        let started = |shard: &Shard| shard.counts.load(Ordering::Relaxed) >> 32;
        self.shards.iter().map(started).sum()
    }

    /// Whether wakes are recorded instead of run, and `go` is refused.
    pub fn is_closed(&self) -> bool {
        // SeqCst: pairs with the transitions of the state word, see `Watch::is_closed`.
        self.closed.load(Ordering::SeqCst)
    }

    /// From now on nothing of this scope runs: wakes are recorded, `go` is refused.
    pub fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        if let Some(watch) = &self.watch {
            watch.close();
        }
    }

    /// Makes this scope the one of this plain thread while the value lives.
    pub fn enter(self: &Arc<Self>) -> Entered {
        Entered { before: current::set_thread_scope(Some(self.clone())), _thread: PhantomData }
    }

    pub(crate) fn record(&self, kind: PrimitiveKind, at: Location) -> Option<Arc<Record>> {
        Some(Record::new(self.watch.as_ref()?, kind, at, current::id()))
    }

    /// Ids that an M takes at a time share a shard: Ms that start goroutines meet seldom.
    fn shard(&self, id: GoroutineId) -> &Shard {
        &self.shards[(id.get() / current::IDS_AT_A_TIME) as usize & (self.shards.len() - 1)]
    }

    /// Registers a goroutine; the registry owns one reference from now on.
    pub(super) fn register(self: &Arc<Self>, g: &GRef) {
        let shard = self.shard(g.id());
        let mut members = shard.members.lock();
        if members.list.is_empty() {
            members.scope = Some(self.clone());
        }
        shard.count(START);
        // SAFETY: a new cell is in no list; the registry's reference keeps it in place until
        // `unregister`.
        unsafe { members.list.push_back(g.as_ptr()) };
    }

    /// Takes a finished goroutine out. The registry's reference is the caller's, and what the registry
    /// kept the scope alive with if this was the last member.
    pub(super) fn unregister(&self, g: NonNull<Header>) -> Option<Arc<Scope>> {
        // SAFETY: the registry's reference keeps the cell alive.
        let shard = self.shard(unsafe { g.as_ref() }.id());
        let mut members = shard.members.lock();
        shard.count(LIVE.wrapping_neg());
        // SAFETY: each goroutine is registered once and unregistered once, when it completes.
        unsafe { members.list.remove(g) };
        if members.list.is_empty() { members.scope.take() } else { None }
    }

    /// References to all registered goroutines, in the order they were started.
    pub(crate) fn goroutines(&self) -> Vec<GRef> {
        let mut all = Vec::with_capacity(self.live());
        for shard in &self.shards {
            shard.members.lock().list.walk(|g| {
                // SAFETY: a registered cell is alive.
                all.push(unsafe { GRef::clone_from_raw(g) });
                true
            });
        }
        all.sort_unstable_by_key(|g| g.id());
        all
    }
}

/// Rounds after which goroutines that keep appearing (a destructor that calls `go`) are given up.
const ROUNDS: usize = 64;

impl Scope {
    /// Drops the futures of all goroutines of a closed scope that nobody runs, outside all locks, panics
    /// caught. One that is inside a poll is left.
    pub(crate) fn discard_all(&self) {
        for _ in 0..ROUNDS {
            if self.goroutines().iter().filter(|g| g.discard_idle()).count() == 0 {
                return;
            }
        }
    }
}

/// This thread starts goroutines in a scope while the value lives. Made by [`Scope::enter`].
#[must_use = "the scope is left when this is dropped"]
pub struct Entered {
    before: Option<Arc<Scope>>,
    /// It belongs to its thread.
    _thread: PhantomData<*const ()>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        let ours = current::set_thread_scope(self.before.take());
        drop(ours);
    }
}

#[cfg(all(test, loom))]
mod models;
