//! The heap record of a primitive: who made it where, and when its capabilities died.

use core::panic::Location as Panic;
use core::sync::atomic::{AtomicBool, AtomicI64, AtomicPtr, AtomicU64, Ordering};
use std::any::Any;
use std::sync::{Arc, OnceLock, Weak};

use super::{
    Capability, ContextInfo, ContextView, GoroutineId, Location, PrimitiveId, PrimitiveKind, Site,
    Tick, TimerInfo, TimerView, Watch,
};
use crate::sys::Lock;

/// Values of a record's death ticks that are no moments of the log.
pub(crate) mod death {
    /// The capability is alive.
    pub(crate) const ALIVE: u64 = 0;
    /// It died before the scope was closed.
    pub(crate) const BEFORE: u64 = 1;
}

/// What can be emptied after everything else was dropped: the buffer of a channel.
pub(crate) trait Drain: Send + Sync {
    /// Takes the content out, to be dropped by the caller outside all locks; `None` if there is none.
    fn drain(&self) -> Option<Box<dyn Any + Send>>;
}

/// What the inspection knows of one primitive. It holds no reference to the primitive.
pub struct Record {
    /// Identity.
    pub id: PrimitiveId,
    /// Kind.
    pub kind: PrimitiveKind,
    /// The line that created it.
    pub created_at: Location,
    /// The goroutine that created it.
    pub created_by: Option<GoroutineId>,
    watch: Arc<Watch>,
    slot: usize,
    deaths: [AtomicU64; 3],
    touched: AtomicBool,
    holder: AtomicU64,
    held_at: AtomicPtr<Panic<'static>>,
    sites: Lock<Vec<Site>>,
    /// The sum of all amounts, of lines that are not told apart as well.
    total: AtomicI64,
    /// Of that, what was taken for good and on purpose.
    forgotten: AtomicI64,
    clones: Lock<Vec<Site>>,
    drain: OnceLock<Weak<dyn Drain>>,
    context: OnceLock<Weak<dyn ContextView>>,
    timer: OnceLock<Weak<dyn TimerView>>,
}

impl Record {
    pub(crate) fn new(
        watch: &Arc<Watch>,
        kind: PrimitiveKind,
        created_at: Location,
        created_by: Option<GoroutineId>,
    ) -> Arc<Self> {
        Arc::new_cyclic(|weak| Self {
            id: PrimitiveId::next(),
            kind,
            created_at,
            created_by,
            slot: watch.insert(weak),
            watch: watch.clone(),
            deaths: [const { AtomicU64::new(death::ALIVE) }; 3],
            touched: AtomicBool::new(false),
            holder: AtomicU64::new(0),
            held_at: AtomicPtr::new(core::ptr::null_mut()),
            sites: Lock::new(Vec::new()),
            total: AtomicI64::new(0),
            forgotten: AtomicI64::new(0),
            clones: Lock::new(Vec::new()),
            drain: OnceLock::new(),
            context: OnceLock::new(),
            timer: OnceLock::new(),
        })
    }

    /// Says how the primitive can be emptied.
    pub(crate) fn set_drain(&self, drain: Weak<dyn Drain>) {
        let _ = self.drain.set(drain);
    }

    /// Takes the content of the primitive out, if it lives and has any: what a channel that outlived
    /// its scope still holds. To be dropped by the caller.
    pub fn drain(&self) -> Option<Box<dyn Any + Send>> {
        self.drain.get()?.upgrade()?.drain()
    }

    /// Says where the context of this record is.
    pub(crate) fn set_context(&self, context: Weak<dyn ContextView>) {
        let _ = self.context.set(context);
    }

    /// The context of this record as plain data; `None` if it is gone, or of another kind.
    pub fn context(&self) -> Option<ContextInfo> {
        Some(self.context.get()?.upgrade()?.info(self))
    }

    /// Says where the timer of this record is.
    pub(crate) fn set_timer(&self, timer: Weak<dyn TimerView>) {
        let _ = self.timer.set(timer);
    }

    /// The timer of this record as plain data; `None` if it is gone, or of another kind.
    pub fn timer(&self) -> Option<TimerInfo> {
        Some(self.timer.get()?.upgrade()?.info())
    }

    /// Cancels the context of this record, as its cancel handle would. False if it is gone, of another kind, or
    /// nothing can end it.
    pub fn cancel_context(&self, at: Location) -> bool {
        let context = self.context.get().and_then(Weak::upgrade);
        context.is_some_and(|context| context.cancel(at))
    }

    /// The context of this record itself; `None` if it is gone, or of another kind.
    pub(crate) fn context_node(&self) -> Option<Arc<dyn Any + Send + Sync>> {
        Some(self.context.get()?.upgrade()?.node())
    }

    /// Takes the functions out that the end of this context would start, if something can still end it.
    /// To be dropped by the caller.
    pub fn take_functions(&self) -> Option<Box<dyn Any + Send>> {
        self.context.get()?.upgrade()?.take_functions()
    }

    /// The watch of the scope that this primitive was created in.
    pub fn watch(&self) -> &Arc<Watch> {
        &self.watch
    }

    /// Logs that the last holder of `capability` is gone. The first death counts.
    pub(crate) fn died(&self, capability: Capability) {
        self.touch();
        let now = if self.watch.is_closed() { self.watch.tick() } else { death::BEFORE };
        // SeqCst: see `Watch::tick`.
        let _ = self.deaths[capability as usize].compare_exchange(
            death::ALIVE,
            now,
            Ordering::SeqCst,
            Ordering::SeqCst,
        );
    }

    /// Logs that the holder of a lock let go. Only the release after the scope was closed counts:
    /// before that, a lock is taken and released all the time.
    pub(crate) fn released(&self) {
        if self.watch.is_closed() {
            self.let_go(Capability::Release);
            self.died(Capability::Release);
        }
    }

    /// Logs that no writer is in line for a lock any more. As for [`released`](Self::released), only what
    /// happens after the scope was closed counts.
    pub(crate) fn gave_up(&self) {
        if self.watch.is_closed() {
            self.let_go(Capability::GiveUp);
            self.died(Capability::GiveUp);
        }
    }

    /// Notes an operation on the primitive: if the scope is closed and another thread than the
    /// reaper did it, somebody outside is alive who can use it.
    pub(crate) fn touch(&self) {
        if self.watch.is_closed() && !self.watch.is_reaper() {
            self.touched.store(true, Ordering::SeqCst);
        }
    }

    /// As [`touch`](Self::touch), by somebody who gives up a handle with `capability`: if that is the reaper,
    /// the log says whose future held it.
    pub(crate) fn let_go(&self, capability: Capability) {
        if !self.watch.is_closed() {
            return;
        }
        if self.watch.is_reaper() {
            self.watch.let_go(self.id, capability);
        } else {
            self.touched.store(true, Ordering::SeqCst);
        }
    }

    /// When the last holder of `capability` was gone; `None` while one lives, or if another thread
    /// than the reaper used the primitive after the scope was closed.
    pub fn death(&self, capability: Capability) -> Option<Tick> {
        if self.touched.load(Ordering::SeqCst) {
            return None;
        }
        match self.deaths[capability as usize].load(Ordering::SeqCst) {
            death::ALIVE => None,
            tick => Some(tick),
        }
    }

    /// Sets or clears who holds this lock, and since which line.
    pub(crate) fn set_holder(&self, holder: Option<(Option<GoroutineId>, Location)>) {
        let (id, at) = match holder {
            Some((id, at)) => (id.map_or(0, GoroutineId::get), core::ptr::from_ref(at).cast_mut()),
            None => (0, core::ptr::null_mut()),
        };
        // Relaxed: written under the primitive's lock, read when the scope is quiescent.
        self.holder.store(id, Ordering::Relaxed);
        self.held_at.store(at, Ordering::Relaxed);
    }

    /// The goroutine that holds this lock.
    pub fn holder(&self) -> Option<GoroutineId> {
        GoroutineId::from_u64(self.holder.load(Ordering::Relaxed))
    }

    /// The line where this lock was taken.
    pub fn held_at(&self) -> Option<Location> {
        let at = self.held_at.load(Ordering::Relaxed);
        // SAFETY: only `set_holder` stores here: null, or a pointer made from a `&'static`.
        unsafe { at.as_ref() }
    }

    /// Adds `amount` to what the line `at` did to this primitive (`add` is positive, `done`
    /// negative). At most 64 lines are told apart.
    pub(crate) fn note_site(&self, at: Location, amount: i64) {
        // Relaxed: a figure, read when the scope is quiescent.
        self.total.fetch_add(amount, Ordering::Relaxed);
        note(&self.sites, at, amount);
    }

    /// Of what lines took, so much more (or less) is gone for good because the user says so.
    pub(crate) fn note_forgotten(&self, amount: i64) {
        let step = |now: i64| Some(now.saturating_add(amount).max(0));
        // Relaxed: as above.
        let _ = self.forgotten.fetch_update(Ordering::Relaxed, Ordering::Relaxed, step);
    }

    /// What all lines together added and nobody took back: a counter, or permits that are missing.
    pub fn outstanding(&self) -> i64 {
        self.total.load(Ordering::Relaxed) - self.forgotten.load(Ordering::Relaxed)
    }

    /// A handle was cloned at this line. At most 64 lines are told apart.
    pub(crate) fn note_clone(&self, at: Location) {
        note(&self.clones, at, 1);
    }

    /// The lines where handles of this primitive were cloned, and how often each.
    pub fn clones(&self) -> Vec<Site> {
        self.clones.lock().clone()
    }

    /// What each line did to this primitive.
    pub fn sites(&self) -> Vec<Site> {
        self.sites.lock().clone()
    }
}

fn note(sites: &Lock<Vec<Site>>, at: Location, amount: i64) {
    let mut sites = sites.lock();
    let same = |s: &Site| s.at == at && (s.amount < 0) == (amount < 0);
    match sites.iter().position(same) {
        Some(known) => sites[known].amount += amount,
        None if sites.len() < 64 => sites.push(Site { at, amount }),
        None => {}
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        self.watch.remove(self.slot);
    }
}
