//! Staged reaping: the futures of a frozen scope are dropped one by one, and the log of what died when
//! says who held what.

use std::any::Any;
use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use gmp_core::inspect::{Capability, GoroutineId, PrimitiveKind, Record, Tick, Watch};
use gmp_core::runtime::Scope;
use gmp_core::snapshot::{self, Frozen, Look};

use super::capture;
use super::progress::Progress;
use super::proof::{Entry, reachable};
use super::suspect::{Class, Stack, Suspect};
use super::verdict::{Holder, Verdict};

/// Goroutines started by destructors that are dropped in turn; beyond that they are given up.
const WORKLIST: usize = 10_000;
/// How long a reaped thread's own call may take to unwind.
const UNWIND: Duration = Duration::from_secs(5);
/// How long a thread may take from the end of its goroutine until it has left it.
const LEAVES: Duration = Duration::from_millis(250);
/// How often is looked meanwhile.
const LOOK: Duration = Duration::from_micros(20);
/// Notes kept.
const NOTES: usize = 64;

/// Reaps the suspects of one closed scope.
pub(crate) struct Reaper<'a> {
    scope: &'a Arc<Scope>,
    watch: &'a Arc<Watch>,
    progress: &'a Progress,
    /// A goroutine whose future belongs to another thread, and stays.
    not_ours: Option<GoroutineId>,
    /// When the drop of each suspect began (δ).
    drops: Vec<Option<Tick>>,
    /// When something else than a goroutine was dropped, until the next of those.
    nobody: Vec<Tick>,
    pub(crate) notes: Vec<String>,
}

impl<'a> Reaper<'a> {
    pub(crate) fn new(
        scope: &'a Arc<Scope>,
        watch: &'a Arc<Watch>,
        progress: &'a Progress,
        not_ours: Option<GoroutineId>,
    ) -> Self {
        let (drops, nobody, notes) = (Vec::new(), Vec::new(), Vec::new());
        Self { scope, watch, progress, not_ours, drops, nobody, notes }
    }

    /// Stages 3 to 6: drops everything and gives each suspect its verdict.
    pub(crate) fn run(&mut self, suspects: &[Suspect]) -> Vec<Verdict> {
        let _reaping = self.watch.reaping();
        self.drops = vec![None; suspects.len()];
        let functions = self.take_functions();
        self.drop_stuck(suspects);
        self.progress.works_on(None);
        let roots: HashSet<GoroutineId> =
            suspects.iter().filter(|s| s.class != Class::Stuck).map(Suspect::id).collect();
        let alone = roots.is_empty() && functions.is_empty();
        let until = if alone { self.drain_cycles() } else { Tick::MAX };
        let entries = self.entries(suspects, until);
        let found = reachable(&entries, &roots);
        self.drop_roots(suspects);
        self.drop_functions(functions);
        self.drain();
        self.worklist(suspects);
        self.abort_running(suspects);
        self.watch.drops_nobody();
        self.progress.works_on(None);
        self.judge(suspects, &found)
    }

    /// The functions that the end of a context would start. What they hold is held by whatever can end
    /// the context, though a stuck goroutine may be the one that keeps the context itself alive.
    fn take_functions(&self) -> Vec<Box<dyn Any + Send>> {
        let contexts =
            self.watch.records().into_iter().filter(|r| r.kind == PrimitiveKind::Context);
        contexts.filter_map(|record| record.take_functions()).collect()
    }

    /// With the roots, which they are like.
    fn drop_functions(&mut self, functions: Vec<Box<dyn Any + Send>>) {
        if functions.is_empty() {
            return;
        }
        self.nobody_drops();
        for function in functions {
            if catch_unwind(AssertUnwindSafe(|| drop(function))).is_err() {
                self.note("the function of a context panicked when dropped".into());
            }
        }
    }

    /// What dies from now on was held by no goroutine.
    fn nobody_drops(&mut self) {
        self.watch.drops_nobody();
        self.nobody.push(self.watch.tick());
    }

    /// Stage 3: the stuck ones, those that wait on something from outside the scope last.
    fn drop_stuck(&mut self, suspects: &[Suspect]) {
        let mut order: Vec<usize> =
            (0..suspects.len()).filter(|&i| suspects[i].class == Class::Stuck).collect();
        let scope = self.scope;
        order.sort_by_cached_key(|&i| suspects[i].waits_outside(scope));
        for i in order {
            self.drops[i] = self.drop_one(&suspects[i]);
        }
    }

    /// Stage 5: timers, foreign waits, and what only yields.
    fn drop_roots(&mut self, suspects: &[Suspect]) {
        for (i, suspect) in suspects.iter().enumerate() {
            if suspect.class != Class::Stuck {
                self.drops[i] = self.drop_one(suspect);
            }
        }
    }

    /// Drops one future. Returns when that began.
    fn drop_one(&mut self, suspect: &Suspect) -> Option<Tick> {
        if self.not_ours == Some(suspect.id()) {
            return None;
        }
        self.progress.works_on(Some(suspect.id()));
        if suspect.frozen.is_thread_bound() {
            return self.unwind_thread(suspect);
        }
        let dropped = suspect.frozen.reap(self.scope)?;
        if let Some(message) = dropped.panicked {
            self.note(format!("{}: a destructor panicked: {message}", suspect.id()));
        }
        Some(dropped.began)
    }

    /// A thread's own call is unwound on its thread, which looks at its stack first.
    fn unwind_thread(&mut self, suspect: &Suspect) -> Option<Tick> {
        let seen: Arc<Mutex<Vec<Stack>>> = Arc::default();
        let (slot, root) = (seen.clone(), self.progress.root());
        let look: Look = Box::new(move |trace| {
            let stacks = capture::of_thread(trace, root);
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = stacks;
        });
        let began = suspect.frozen.reap_thread(self.scope, look)?;
        let waiting = Instant::now();
        while !suspect.frozen.is_done() && waiting.elapsed() < UNWIND {
            // The thread unwinds through the user's frames; it cannot tell us when it is through.
            std::thread::sleep(LOOK);
        }
        // What the thread itself still refers to it with must not be taken for somebody's right to abort it.
        let leaving = Instant::now();
        while suspect.frozen.is_done()
            && suspect.frozen.has_other_references()
            && leaving.elapsed() < LEAVES
        {
            std::thread::sleep(LOOK);
        }
        if !suspect.frozen.is_done() {
            self.note(format!("{}: its call did not unwind in time", suspect.id()));
        }
        let stacks = core::mem::take(&mut *seen.lock().unwrap_or_else(PoisonError::into_inner));
        let _ = suspect.thread_stacks.set(stacks);
        Some(began)
    }

    /// Stage 6, where nothing but stuck goroutines was left: a channel that dies of being drained was
    /// held by itself alone, or by others like it. Stops at the first that survives, because somebody
    /// outside could have received what lay in it: what dies at that tick or later proves nothing.
    fn drain_cycles(&mut self) -> Tick {
        self.nobody_drops();
        for record in self.watch.records() {
            let before = self.watch.tick();
            if self.drain_one(&record) && record.death(Capability::Receive).is_none() {
                return before;
            }
        }
        Tick::MAX
    }

    /// Stage 6: whatever is left in channels of the scope is dropped here, and nowhere later.
    fn drain(&mut self) {
        self.nobody_drops();
        for record in self.watch.records() {
            self.drain_one(&record);
        }
    }

    /// Drops what lies in a channel. False if nothing did.
    fn drain_one(&mut self, record: &Record) -> bool {
        let Some(content) = record.drain() else { return false };
        if catch_unwind(AssertUnwindSafe(|| drop(content))).is_err() {
            self.note(format!("a value left in chan {} panicked when dropped", record.id));
        }
        true
    }

    /// Futures that destructors handed to `go` meanwhile: dropped in turn, never run.
    fn worklist(&mut self, suspects: &[Suspect]) {
        let is_known = |id| suspects.binary_search_by_key(&id, Suspect::id).is_ok();
        let mut dropped = 0;
        loop {
            let late: Vec<Frozen> = snapshot::freeze(self.scope)
                .into_iter()
                .filter(|g| Some(g.id()) != self.not_ours && !g.is_thread_bound())
                .collect();
            let before = dropped;
            for g in late {
                self.progress.works_on(Some(g.id()));
                let at = g.created_at();
                let Some(done) = g.reap(self.scope) else { continue };
                dropped += 1;
                // The others were inside a poll, which has ended meanwhile.
                if !is_known(g.id()) {
                    self.note(format!("{at}: a goroutine started by a destructor was not run"));
                }
                if let Some(message) = done.panicked {
                    self.note(format!("{}: a destructor panicked: {message}", g.id()));
                }
            }
            if dropped == before {
                return;
            }
            if dropped >= WORKLIST {
                return self
                    .note(format!("destructors keep starting goroutines: gave up at {dropped}"));
            }
        }
    }

    /// Whoever is still inside a poll is dropped by its own M, should the poll ever end.
    fn abort_running(&self, suspects: &[Suspect]) {
        let running = suspects.iter().zip(&self.drops).filter(|(suspect, dropped)| {
            dropped.is_none()
                && suspect.class == Class::Running
                && !suspect.frozen.is_thread_bound()
                && self.not_ours != Some(suspect.id())
        });
        running.for_each(|(suspect, _)| suspect.frozen.abort());
    }

    /// The log of the stuck ones, as far as what died before `until` speaks for itself.
    fn entries(&self, suspects: &[Suspect], until: Tick) -> Vec<Entry> {
        // They are in the order of their ids.
        let is_known = |id| suspects.binary_search_by_key(&id, Suspect::id).is_ok();
        let released = |s: &Suspect| {
            // A goroutine of another scope may end at any time.
            let among_us = s.joins().into_iter().all(is_known);
            s.released(self.scope).filter(|tau| among_us && *tau < until)
        };
        let entry = |(s, dropped): (&Suspect, &Option<Tick>)| Entry {
            id: s.id(),
            dropped: *dropped,
            released: released(s),
            joins: s.joins(),
        };
        let stuck = suspects.iter().zip(&self.drops).filter(|(s, _)| s.class == Class::Stuck);
        stuck.map(entry).collect()
    }

    /// Stage 4 and what stage 5 added: who is proven, and who holds the others.
    fn judge(&self, suspects: &[Suspect], found: &HashSet<GoroutineId>) -> Vec<Verdict> {
        let holders = OnceCell::new();
        let holders =
            || holders.get_or_init(|| Holders::new(suspects, &self.drops, &self.nobody, found));
        suspects
            .iter()
            .map(|suspect| match suspect.class {
                Class::Timer(due_in) => Verdict::Timer { due_in },
                Class::External => Verdict::External,
                Class::Running => Verdict::Running,
                Class::Stuck if !found.contains(&suspect.id()) => Verdict::Proven,
                Class::Stuck => Verdict::Reachable { by: holders().of(suspect, self.scope) },
            })
            .collect()
    }

    fn note(&mut self, note: String) {
        if self.notes.len() < NOTES && self.notes.last() != Some(&note) {
            self.notes.push(note);
        }
    }
}

/// Who was being dropped when: whoever was, when a capability died, held it.
struct Holders {
    /// Begin of each drop, in order; `None` where no goroutine was dropped.
    drops: Vec<(Tick, Option<GoroutineId>)>,
    /// The verdicts of those that are not proven.
    names: HashMap<GoroutineId, &'static str>,
    /// A goroutine that could not be dropped: it still holds what it holds.
    running: Option<GoroutineId>,
}

impl Holders {
    fn new(
        suspects: &[Suspect],
        drops: &[Option<Tick>],
        nobody: &[Tick],
        found: &HashSet<GoroutineId>,
    ) -> Self {
        let both = || suspects.iter().zip(drops);
        let mut began: Vec<_> = both()
            .filter_map(|(suspect, began)| Some(((*began)?, Some(suspect.id()))))
            .chain(nobody.iter().map(|tick| (*tick, None)))
            .collect();
        began.sort_unstable();
        let name = |suspect: &Suspect| match suspect.class {
            Class::Stuck => found.contains(&suspect.id()).then_some("Reachable"),
            class => Some(class_name(class)),
        };
        let names = suspects.iter().filter_map(|s| Some((s.id(), name(s)?))).collect();
        let running = both().find(|(s, began)| s.class == Class::Running && began.is_none());
        Self { drops: began, names, running: running.map(|(s, _)| s.id()) }
    }

    fn of(&self, suspect: &Suspect, scope: &Scope) -> Holder {
        let joined = suspect.joins().into_iter().find(|target| self.names.contains_key(target));
        let held = suspect.released(scope).and_then(|tau| {
            let next = self.drops.partition_point(|(began, _)| *began < tau);
            let id = self.drops.get(next.checked_sub(1)?)?.1?;
            (id != suspect.id() && self.names.contains_key(&id)).then_some(id)
        });
        match joined.or(held).or(self.running) {
            Some(id) => Holder::Goroutine { id, verdict: self.names[&id] },
            None => Holder::Outside,
        }
    }
}

fn class_name(class: Class) -> &'static str {
    match class {
        Class::Timer(due_in) => Verdict::Timer { due_in }.name(),
        Class::External => Verdict::External.name(),
        Class::Running | Class::Stuck => Verdict::Running.name(),
    }
}
