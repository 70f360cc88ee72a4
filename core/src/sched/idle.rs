//! Who has nothing to do: idle Ps and parked Ms.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use super::clocks::ThreadClock;
use super::counts::Counts;
use super::locked::Home;
use super::owner::Tenure;
use crate::g::GRef;
use crate::g::Wake;
use crate::netpoll::Netpoll;
use crate::sys::Lock;
use crate::sys::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering};

/// How long a spinning M naps before it looks once more and parks.
const NAP: Duration = Duration::from_micros(50);

/// The idle part of a runtime with Ms of its own.
pub(super) struct Idle {
    pub(super) counts: Counts,
    /// Ps in all, readable without the lock.
    procs: AtomicUsize,
    /// Ps from this one on are to be given up. Readable without the lock.
    limit: AtomicUsize,
    /// Set once: nothing runs any more. Readable without the lock.
    stopping: AtomicBool,
    lists: Lock<Lists>,
    /// Ps in use so far at most, readable without the lock.
    most_procs: AtomicUsize,
    /// Told when an M has ended.
    ended: Condvar,
    /// Told when an M has given its P up for a pause.
    pub(super) given_up: Condvar,
    /// Told when sysmon is needed.
    busy: Condvar,
    /// The parked M that sleeps until the next timer is due, and no longer.
    keeper: Lock<Option<Arc<Parker>>>,
    /// Until when the keeper sleeps: 0 if there is none, `u64::MAX` until it has looked at the timers.
    kept_until: AtomicU64,
    /// The spinning M that naps, and whether there is one, readable without the lock.
    napper: Lock<Option<Arc<Parker>>>,
    naps: AtomicBool,
}

/// What the lock guards.
#[derive(Default)]
pub(super) struct Lists {
    /// Indices of idle Ps; the last to be idle is the first to be used.
    pub(super) ps: Vec<usize>,
    /// Ms that are parked, or about to park and then granted what comes first.
    pub(super) ms: Vec<Arc<Parker>>,
    /// All Ms.
    pub(super) all: Vec<Arc<Parker>>,
    /// OS threads that are Ms.
    pub(super) threads: usize,
    /// Threads that were ever started.
    pub(super) started: u64,
    /// Whether sysmon was started, and whether it sleeps until a P is in use.
    pub(super) has_sysmon: bool,
    sysmon_sleeps: bool,
    /// As the atomics of the same names.
    pub(super) procs: usize,
    pub(super) stopping: bool,
    /// Pauses in progress: no P may be used.
    pub(super) pauses: usize,
    /// Goroutines that are locked to their Ms.
    pub(super) homes: Vec<Home>,
    /// Ps that an M passed on to another by itself.
    pub(super) handoffs: u64,
}

/// Where one M parks.
pub(super) struct Parker {
    pub(super) number: u32,
    /// Set by the M itself.
    pub(super) thread: OnceLock<ThreadClock>,
    /// For whoever looks: whether it spins, and the address of what it ran when its P was taken away.
    pub(super) spinning: AtomicBool,
    pub(super) lost_with: AtomicPtr<()>,
    state: Mutex<ParkState>,
    condition: Condvar,
}

#[derive(Default)]
struct ParkState {
    /// The goroutine that comes with the P, to an M that is locked to it.
    own: Option<GRef>,
    grant: Option<Grant>,
    poked: bool,
    /// The netpoll that it sleeps in.
    sleeps_in: Option<Arc<Netpoll>>,
}

/// What ends the park of an M.
#[derive(Clone, Copy, Debug)]
pub(super) enum Grant {
    /// This P is yours, and you spin.
    P(usize, Tenure),
    /// The runtime ends.
    Exit,
}

/// How a wait ended.
#[derive(Clone, Copy, Debug)]
pub(super) enum Woken {
    Granted(Grant),
    /// The next timer is due earlier than it was.
    Poked,
    /// The next timer is due.
    Due,
    /// The network has something.
    Ready,
}

/// How sysmon slept.
pub(super) enum Slept {
    AWhile,
    /// Until a P came into use.
    Deeply,
    /// The runtime has ended.
    Stopped,
}

impl Parker {
    pub(super) fn new(number: u32) -> Arc<Self> {
        Arc::new(Self {
            number,
            thread: OnceLock::new(),
            spinning: AtomicBool::new(false),
            lost_with: AtomicPtr::default(),
            state: Mutex::default(),
            condition: Condvar::new(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, ParkState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Grants once: the caller took this M out of the list.
    pub(super) fn grant(&self, grant: Grant) {
        let mut state = self.lock();
        state.grant = Some(grant);
        self.end_wait(&state);
    }

    fn end_wait(&self, state: &ParkState) {
        match &state.sleeps_in {
            Some(netpoll) => netpoll.interrupt(),
            None => self.condition.notify_one(),
        }
    }

    /// Sleeps for a moment, or until it is poked. It is not listed as parked, so it is granted nothing.
    fn nap(&self) {
        let state = self.lock();
        let waits = |state: &mut ParkState| !state.poked;
        let waited = self.condition.wait_timeout_while(state, NAP, waits);
        waited.unwrap_or_else(PoisonError::into_inner).0.poked = false;
    }

    /// As [`grant`](Self::grant), with the goroutine that the M is locked to.
    pub(super) fn grant_own(&self, grant: Grant, g: GRef) {
        let mut state = self.lock();
        (state.grant, state.own) = (Some(grant), Some(g));
        drop(state);
        self.condition.notify_one();
    }

    /// The goroutine that came with the grant.
    pub(super) fn take_own(&self) -> Option<GRef> {
        self.lock().own.take()
    }

    /// Makes the M look at the timers again.
    fn poke(&self) {
        let mut state = self.lock();
        state.poked = true;
        self.end_wait(&state);
    }

    /// As [`wait`](Self::wait), in the netpoll: what is ready there ends it too.
    pub(super) fn wait_in(
        &self,
        netpoll: &Arc<Netpoll>,
        until: Option<Instant>,
    ) -> (Woken, Vec<Wake>) {
        let told = |state: &mut ParkState| match state.grant.take() {
            Some(grant) => Some(Woken::Granted(grant)),
            None => core::mem::take(&mut state.poked).then_some(Woken::Poked),
        };
        loop {
            let mut state = self.lock();
            if let Some(woken) = told(&mut state) {
                return (woken, Vec::new());
            }
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return (Woken::Due, Vec::new());
            }
            state.sleeps_in = Some(netpoll.clone());
            drop(state);
            let ready = netpoll.block(left);
            let mut state = self.lock();
            state.sleeps_in = None;
            if let Some(woken) = told(&mut state) {
                return (woken, ready);
            }
            if !ready.is_empty() {
                return (Woken::Ready, ready);
            }
        }
    }

    /// Waits for a grant, a poke, or `until`.
    pub(super) fn wait(&self, until: Option<Instant>) -> Woken {
        let mut state = self.lock();
        loop {
            if let Some(grant) = state.grant.take() {
                return Woken::Granted(grant);
            }
            if core::mem::take(&mut state.poked) {
                return Woken::Poked;
            }
            let Some(until) = until else {
                state = self.condition.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Woken::Due;
            }
            let waited = self.condition.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Lists {
    /// Ps with smaller indices may be used.
    pub(super) fn limit(&self) -> usize {
        if self.stopping || self.pauses != 0 { 0 } else { self.procs }
    }

    /// Takes an idle P off the list: `wanted` if it is there, as what the caller used last is still in its caches.
    pub(super) fn take_idle_p(&mut self, wanted: usize) -> Option<usize> {
        match self.ps.iter().position(|index| *index == wanted) {
            Some(at) => Some(self.ps.remove(at)),
            None => self.ps.pop(),
        }
    }

    /// The M with this number has lost its P while it ran what is at this address; for whoever looks.
    pub(super) fn note_loss(&self, number: u32, running: *const ()) {
        if let Some(m) = self.all.iter().find(|m| m.number == number) {
            m.lost_with.store(running.cast_mut(), Ordering::Relaxed);
        }
    }

    /// Counts an M whose thread is about to be started.
    pub(super) fn add_machine(&mut self, parker: &Arc<Parker>) {
        self.threads += 1;
        self.all.push(parker.clone());
    }
}

impl Idle {
    pub(super) fn new(procs: usize) -> Self {
        let lists = Lists { ps: (0..procs).rev().collect(), procs, ..Lists::default() };
        Self {
            counts: Counts::new(procs),
            procs: AtomicUsize::new(procs),
            limit: AtomicUsize::new(procs),
            stopping: AtomicBool::new(false),
            most_procs: AtomicUsize::new(procs),
            lists: Lock::new(lists),
            ended: Condvar::new(),
            given_up: Condvar::new(),
            busy: Condvar::new(),
            keeper: Lock::new(None),
            kept_until: AtomicU64::new(0),
            napper: Lock::new(None),
            naps: AtomicBool::new(false),
        }
    }

    /// Changes the lists, and what can be read of them without the lock.
    pub(super) fn change<R>(&self, f: impl FnOnce(&mut Lists) -> R) -> R {
        let mut lists = self.lists.lock();
        let result = f(&mut lists);
        self.counts.set_idle_ps(lists.ps.len());
        // Relaxed: read as hints, decided under the lock.
        self.procs.store(lists.procs, Ordering::Relaxed);
        self.limit.store(lists.limit(), Ordering::Relaxed);
        self.most_procs.fetch_max(lists.procs, Ordering::Relaxed);
        self.stopping.store(lists.stopping, Ordering::Relaxed);
        if lists.sysmon_sleeps && (lists.stopping || lists.ps.len() < lists.procs) {
            lists.sysmon_sleeps = false;
            self.busy.notify_one();
        }
        result
    }

    /// Whether the P with this index is to be given up; a hint, decided under the lock.
    pub(super) fn is_surplus(&self, index: usize) -> bool {
        index >= self.limit.load(Ordering::Relaxed)
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Lists> {
        self.lists.lock()
    }

    /// Looks at the lists.
    pub(super) fn read<R>(&self, f: impl FnOnce(&Lists) -> R) -> R {
        f(&self.lists.lock())
    }

    pub(super) fn procs(&self) -> usize {
        self.procs.load(Ordering::Relaxed)
    }

    /// As many Ps were in use at most: others have never had work.
    pub(super) fn most_procs(&self) -> usize {
        self.most_procs.load(Ordering::Relaxed)
    }

    /// For sysmon: sleeps for `a_while`; or, if all Ps are idle and `deep`, until one is in use.
    pub(super) fn sysmon_sleep(&self, a_while: Duration, deep: bool) -> Slept {
        let mut lists = self.lists.lock();
        let deep = deep && !lists.stopping && lists.ps.len() >= lists.procs;
        lists.sysmon_sleeps = deep;
        while lists.sysmon_sleeps {
            lists = self.busy.wait(lists).unwrap_or_else(PoisonError::into_inner);
        }
        drop(lists);
        if !deep && !self.is_stopping() {
            std::thread::sleep(a_while);
        }
        match self.is_stopping() {
            true => Slept::Stopped,
            false if deep => Slept::Deeply,
            false => Slept::AWhile,
        }
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// A spinning M that has found nothing naps, unless one does already: while it does nobody wakes an M
    /// only to find that there is nothing to steal. Returns when it was woken or the nap is over.
    pub(super) fn nap(&self, parker: &Arc<Parker>) {
        {
            let mut napper = self.napper.lock();
            if napper.is_some() {
                return;
            }
            *napper = Some(parker.clone());
            // Relaxed: whoever misses it only lets the nap go on.
            self.naps.store(true, Ordering::Relaxed);
        }
        parker.nap();
        let mut napper = self.napper.lock();
        if napper.as_ref().is_some_and(|napper| Arc::ptr_eq(napper, parker)) {
            *napper = None;
            self.naps.store(false, Ordering::Relaxed);
        }
    }

    /// Something can be stolen: ends the nap, if an M naps.
    #[inline]
    pub(super) fn end_nap(&self) {
        if self.naps.load(Ordering::Relaxed) {
            self.wake_napper();
        }
    }

    #[cold]
    fn wake_napper(&self) {
        let napper = {
            let mut napper = self.napper.lock();
            self.naps.store(false, Ordering::Relaxed);
            napper.take()
        };
        if let Some(napper) = napper {
            napper.poke();
        }
    }

    /// Makes this M the one that sleeps until the next timer, if there is no other.
    pub(super) fn keep_timers(&self, parker: &Arc<Parker>) -> bool {
        let mut keeper = self.keeper.lock();
        let free = keeper.is_none();
        if free {
            *keeper = Some(parker.clone());
            self.kept_until.store(u64::MAX, Ordering::SeqCst);
        }
        free
    }

    /// The keeper has looked at the timers and sleeps until `moment`.
    pub(super) fn keeps_until(&self, moment: u64) {
        self.kept_until.store(moment, Ordering::SeqCst);
    }

    /// Until when the keeper sleeps; 0 if there is none. Asked by whoever armed a timer and then fenced: the
    /// keeper has seen the timer, or it says here that it may have missed it.
    pub(super) fn kept_until(&self) -> u64 {
        // SeqCst: with the stores and the fence; the keeper stores before it reads the moments.
        self.kept_until.load(Ordering::SeqCst)
    }

    pub(super) fn leave_timers(&self) {
        let mut keeper = self.keeper.lock();
        self.kept_until.store(0, Ordering::SeqCst);
        *keeper = None;
    }

    /// Makes the keeper look at the timers again. False if there is none.
    pub(super) fn poke_keeper(&self) -> bool {
        let keeper = self.keeper.lock().clone();
        keeper.map(|keeper| keeper.poke()).is_some()
    }

    /// The thread of an M was started.
    pub(super) fn count_start(&self) {
        self.lists.lock().started += 1;
    }

    /// An M has ended.
    pub(super) fn end_machine(&self, parker: &Arc<Parker>) {
        self.change(|lists| {
            lists.threads -= 1;
            lists.all.retain(|m| !Arc::ptr_eq(m, parker));
        });
        self.ended.notify_all();
    }

    /// Waits until at most `left` Ms remain. False if `until` came first.
    pub(super) fn wait_for_end(&self, left: usize, until: Option<Instant>) -> bool {
        let mut lists = self.lists.lock();
        while lists.threads > left {
            let Some(until) = until else {
                lists = self.ended.wait(lists).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let time = until.saturating_duration_since(Instant::now());
            if time.is_zero() {
                return false;
            }
            let waited = self.ended.wait_timeout(lists, time);
            lists = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }
}
