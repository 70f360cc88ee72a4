//! Who has nothing to do: idle Ps and parked Ms.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::counts::Counts;
use super::keeper::Keeper;
use super::locked::Home;
use super::parker::{Grant, Parker};
use crate::sys::atomic::{AtomicBool, AtomicUsize, Ordering};
use crate::sys::modelled::{Condvar, Lock, MutexGuard, wait_until};

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
    /// An M was refused, for which a P is idle: sysmon tries again. Set under the lock.
    refused: AtomicBool,
    /// The thread of sysmon was refused. A hint, readable without the lock.
    pub(super) lacks_sysmon: AtomicBool,
    pub(super) keeper: Keeper,
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

/// What became of the wish for one more M.
pub(super) enum Started {
    Yes,
    /// All Ps are in use.
    NoP,
    /// The system refused a thread.
    Refused(std::io::Error),
}

/// How sysmon slept.
pub(super) enum Slept {
    AWhile,
    /// Until a P came into use.
    Deeply,
    /// The runtime has ended.
    Stopped,
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

    /// Takes an idle P off the list, with a parked M for it, if there is one.
    pub(super) fn take_pair(&mut self) -> Option<(usize, Option<Arc<Parker>>)> {
        let index = self.ps.pop()?;
        Some((index, self.ms.pop()))
    }

    /// An M that has no P waits for one from now on, unless the runtime ends.
    pub(super) fn wait_for_p(&mut self, parker: &Arc<Parker>) {
        match self.stopping {
            true => parker.grant(Grant::Exit),
            false => self.ms.push(parker.clone()),
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
            refused: AtomicBool::new(false),
            lacks_sysmon: AtomicBool::new(false),
            keeper: Keeper::new(),
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
        let all_idle = lists.ps.len() >= lists.procs && !self.refused.load(Ordering::Relaxed);
        if lists.sysmon_sleeps && (lists.stopping || !all_idle) {
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

    /// No M was to be had for an idle P. Whoever wanted one does not count as spinning any more: else sysmon would
    /// leave it to that one.
    pub(super) fn note_refusal(&self) {
        self.change(|_| self.refused.store(true, Ordering::Relaxed));
    }

    /// Whether that has happened since the last call.
    pub(super) fn take_refusal(&self) -> bool {
        // Relaxed: a refusal that is missed is seen in the next round, which sysmon does not sleep through.
        self.refused.load(Ordering::Relaxed) && self.refused.swap(false, Ordering::Relaxed)
    }

    /// For sysmon: sleeps for `a_while`; or, if all Ps are idle, as they should be, and `deep`, until one is in use.
    /// `all_idle` looks at those that are too many, too: they come into use no more.
    pub(super) fn sysmon_sleep(
        &self,
        a_while: Duration,
        deep: bool,
        all_idle: impl FnOnce() -> bool,
    ) -> Slept {
        let mut lists = self.lists.lock();
        let listed = lists.ps.len() >= lists.procs && !self.refused.load(Ordering::Relaxed);
        let deep = deep && !lists.stopping && listed && all_idle();
        lists.sysmon_sleeps = deep;
        while lists.sysmon_sleeps {
            (lists, _) = wait_until(&self.busy, lists, None);
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

    /// Lists an M as parked, and the P with this index, if the M `gives` it `up`, as idle, both under one lock. False
    /// if it does not, or the P is one too many.
    pub(super) fn park(
        &self,
        parker: &Arc<Parker>,
        index: usize,
        gives_up: impl FnOnce(&Lists) -> bool,
    ) -> bool {
        self.change(|lists| {
            let parks = index < lists.limit() && gives_up(lists);
            if parks {
                lists.ps.push(index);
                lists.ms.push(parker.clone());
            }
            parks
        })
    }

    /// Lets an M give up the P with this index if it is one too many: it waits for another. False if it is not.
    pub(super) fn give_up_surplus(
        &self,
        parker: &Arc<Parker>,
        index: usize,
        gives_up: impl FnOnce(&Lists),
    ) -> bool {
        self.change(|lists| {
            let surplus = index >= lists.limit();
            if surplus {
                gives_up(lists);
                lists.wait_for_p(parker);
                if lists.pauses != 0 {
                    self.given_up.notify_all();
                }
            }
            surplus
        })
    }

    /// After [`park`](Self::park): the M stops spinning, if it `spun`, and looks once more. Whoever pushed before the
    /// fence may have seen it spin, or no idle P: it relies on this look.
    pub(super) fn look_again(&self, spun: bool, has_work: impl FnOnce() -> bool) -> bool {
        if spun {
            self.counts.end_spinning();
        }
        self.counts.fence_idle();
        has_work()
    }

    /// Takes an M off the list of the parked, with an idle P that it `takes`, and lets it spin. False if all are in
    /// use, or a grant is on its way.
    pub(super) fn unpark(&self, parker: &Arc<Parker>, takes: impl FnOnce(usize)) -> bool {
        self.change(|lists| {
            let at = lists.ms.iter().position(|m| Arc::ptr_eq(m, parker));
            let Some((at, index)) = at.and_then(|at| Some((at, lists.ps.pop()?))) else {
                return false;
            };
            lists.ms.remove(at);
            takes(index);
            self.counts.start_spinning();
            true
        })
    }

    /// Lets `start` grant a P to an M, if one is idle and nobody looks for work. Gives the error if the system
    /// refuses a thread.
    pub(super) fn wake_one(&self, mut start: impl FnMut() -> Started) -> Option<std::io::Error> {
        while self.counts.wants_spinner() {
            match start() {
                Started::Yes => return None,
                Started::NoP => self.counts.end_spinning(),
                Started::Refused(error) => {
                    self.counts.end_spinning();
                    self.note_refusal();
                    return Some(error);
                }
            }
            // Whoever pushed meanwhile relied on us: we look again.
        }
        None
    }

    /// Nothing runs any more. Parked Ms are told to exit, others see it between two polls.
    pub(super) fn stop(&self) {
        let parked = self.change(|lists| {
            lists.stopping = true;
            lists.ps.clear();
            let mut parked = core::mem::take(&mut lists.ms);
            parked.append(&mut lists.waiting_homes());
            parked
        });
        parked.iter().for_each(|parker| parker.grant(Grant::Exit));
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
        let (mut lists, mut in_time) = (self.lists.lock(), true);
        while lists.threads > left && in_time {
            (lists, in_time) = wait_until(&self.ended, lists, until);
        }
        lists.threads <= left
    }
}

#[cfg(all(test, not(loom)))]
mod tests;

#[cfg(all(test, loom))]
mod models;
