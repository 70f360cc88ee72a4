//! One check of one scope: from the end of the body to the verdicts.

use std::any::Any;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gmp_core::inspect::{GoroutineId, PanicNote, Watch};
use gmp_core::runtime::Scope;
use gmp_core::snapshot;

use super::capture;
use super::contexts::{self, Contexts};
use super::graph::{self, Diagnosis};
use super::leftovers;
use super::probe::Probes;
use super::progress::{Phase, Progress};
use super::reap::Reaper;
use super::suspect::{Class, Reader, Suspect};
use super::verdict::{Holder, Verdict};
use crate::report::finding::{Counts, GoroutinePanic, Leftover};

/// What is said where the reap log is full.
const HELD_IS_CUT: &str = "more handles went than the log of them can hold: the wait-for graph lacks edges, so what \
                           is one cause may be told as several";

/// How a body ended.
pub(crate) enum BodyEnd {
    /// It returned: true for a success.
    Returned(bool),
    /// It panicked.
    Panicked(Box<dyn Any + Send>),
    /// It is blocked for good.
    Asleep,
    /// It had not ended in time.
    TimedOut(Duration),
}

impl BodyEnd {
    /// The same, with a text instead of the payload.
    pub(crate) fn told(&self) -> Self {
        match self {
            Self::Returned(success) => Self::Returned(*success),
            Self::Panicked(payload) => Self::Panicked(Box::new(payload_text(&**payload))),
            Self::Asleep => Self::Asleep,
            Self::TimedOut(after) => Self::TimedOut(*after),
        }
    }
}

/// The text of a panic.
pub(crate) fn payload_text(payload: &(dyn Any + Send)) -> String {
    #[cfg(feature = "tokio")]
    if let Some(panic) = payload.downcast_ref::<crate::tokio::TaskPanic>() {
        return panic.message().to_owned();
    }
    let text = payload.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic whose payload is no text".into())
}

/// What a check found, without symbols.
pub(crate) struct Checked {
    pub(crate) body: BodyEnd,
    /// Goroutines that outlived the scope, each with its verdict.
    pub(crate) suspects: Arc<Vec<Suspect>>,
    pub(crate) verdicts: Vec<Verdict>,
    /// What the wait-for graph says of them.
    pub(crate) diagnosis: Diagnosis,
    /// Primitives that were left in a bad state.
    pub(crate) leftovers: Vec<Leftover>,
    /// What the cancel probe of a second run found.
    pub(crate) probes: Probes,
    /// Knows how goroutines were started.
    pub(crate) watch: Option<Arc<Watch>>,
    pub(crate) panics: Vec<PanicNote>,
    /// Panics of tasks of another runtime that somebody may have received.
    pub(crate) untracked: Vec<GoroutinePanic>,
    pub(crate) notes: Vec<String>,
    /// The contexts of the scope.
    pub(crate) contexts: Contexts,
    pub(crate) after: Counts,
    /// From the body's end, or the moment it was found blocked, to the last verdict.
    pub(crate) took: Duration,
}

impl Checked {
    /// The result where nothing is left.
    pub(crate) fn clean(body: BodyEnd, scope: &Scope) -> Self {
        Self {
            body,
            suspects: Arc::default(),
            verdicts: Vec::new(),
            diagnosis: Diagnosis::default(),
            leftovers: Vec::new(),
            probes: Probes::new(),
            watch: scope.watch().cloned(),
            panics: scope.watch().map(|watch| watch.panics()).unwrap_or_default(),
            #[cfg(feature = "tokio")]
            untracked: crate::tokio::session::untracked_panics(scope),
            #[cfg(not(feature = "tokio"))]
            untracked: Vec::new(),
            notes: Vec::new(),
            contexts: Contexts::default(),
            after: Counts::default(),
            took: Duration::ZERO,
        }
    }
}

impl Checked {
    /// Whether a second run with the cancel probe would tell more: the body ended by itself, and something is
    /// stuck.
    pub(crate) fn is_to_be_probed(&self) -> bool {
        matches!(self.body, BodyEnd::Returned(_) | BodyEnd::Panicked(_))
            && self.suspects.iter().any(|suspect| suspect.class != Class::Running)
    }

    /// Whether the body was successful and nothing at all is to be reported.
    pub(crate) fn is_clean(&self) -> bool {
        matches!(self.body, BodyEnd::Returned(true))
            && self.suspects.is_empty()
            && self.panics.is_empty()
            && self.untracked.is_empty()
            && self.leftovers.is_empty()
            && self.notes.is_empty()
    }
}

/// Who checks, and what it must leave alone.
pub(crate) struct Reach {
    /// The body, if there is one.
    pub(crate) body: Option<GoroutineId>,
    /// Its future belongs to another thread, which is not available.
    pub(crate) body_is_elsewhere: bool,
    /// Tasks of another runtime that are ready are let off: they had no turn.
    pub(crate) spare_ready_tasks: bool,
}

/// Closes the scope and finds out about everything that is left in it. `since` is when the body ended.
pub(crate) fn close_and_judge(
    scope: &Arc<Scope>,
    progress: &Progress,
    reach: &Reach,
    body: BodyEnd,
    since: Instant,
) -> Checked {
    scope.close();
    progress.enter(Phase::Reaping);
    let Some(watch) = scope.watch() else { return Checked::clean(body, scope) };
    let after = counts(scope);
    let not_ours = reach.body.filter(|_| reach.body_is_elsewhere);
    let mut reader = Reader::new(scope);
    let suspect = |frozen: snapshot::Frozen| {
        let is_body = Some(frozen.id()) == reach.body;
        reader.read(frozen, is_body)
    };
    let is_spared = |frozen: &snapshot::Frozen| {
        let is_ready = frozen.is_hosted() && frozen.doing() == snapshot::Doing::Runnable;
        reach.spare_ready_tasks && is_ready && frozen.reap(scope).is_some()
    };
    let frozen = snapshot::freeze(scope).into_iter().filter(|frozen| !is_spared(frozen));
    let mut suspects: Vec<Suspect> = frozen.map(suspect).collect();
    if matches!(body, BodyEnd::Asleep | BodyEnd::TimedOut(_)) {
        for suspect in &mut suspects {
            suspect.waits_for_body = !suspect.is_body && suspect.ends_with_the_body();
        }
    }
    capture::trace(&mut suspects, progress, |suspect| Some(suspect.id()) != not_ours);
    #[cfg(feature = "tokio")]
    crate::tokio::session::annotate(scope, &mut suspects);
    contexts::note_ignored(scope, &mut suspects);
    let contexts = contexts::of(scope, &suspects);
    // Handles of other runtimes are not counted: a proof needs that nobody is left to use one.
    let somebody_goes_on = suspects.iter().any(|suspect| suspect.class != Class::Stuck);
    suspects.iter_mut().for_each(|suspect| suspect.may_be_aborted = somebody_goes_on);
    let suspects = Arc::new(suspects);
    progress.publish(&suspects);
    let mut reaper = Reaper::new(scope, watch, progress, not_ours);
    let verdicts = reaper.run(&suspects);
    let mut notes = reaper.notes;
    let test_context = crate::test::context::id(scope);
    if watch.held_is_cut() {
        notes.push(HELD_IS_CUT.to_owned());
    }
    let diagnosis = graph::diagnose(&suspects, &watch.take_held(), test_context);
    let took = since.elapsed();
    let leftovers = leftovers::of(scope, &suspects);
    let clean = Checked::clean(body, scope);
    Checked { suspects, verdicts, diagnosis, leftovers, notes, contexts, after, took, ..clean }
}

/// What can be said when the check itself cannot go on: a destructor blocks.
pub(crate) fn give_up(scope: &Scope, progress: &Progress, body: BodyEnd) -> Checked {
    let suspects = progress.published();
    let unproven = |suspect: &Suspect| match suspect.class {
        Class::Timer(due_in) => Verdict::Timer { due_in },
        Class::External => Verdict::External,
        Class::Running => Verdict::Running,
        Class::Stuck => Verdict::Reachable { by: Holder::Outside },
    };
    let verdicts = suspects.iter().map(unproven).collect();
    let mut checked = Checked::clean(body, scope);
    if let Some(id) = progress.at_work_on() {
        checked.notes.push(format!(
            "{id}: its destructor (or a poll) blocks; reaping stopped there, so nothing is proven and \
             `Reachable` stands for not known"
        ));
    }
    Checked { suspects, verdicts, ..checked }
}

/// What is alive in the scope.
pub(crate) fn counts(scope: &Scope) -> Counts {
    use gmp_core::inspect::PrimitiveKind as Kind;
    let mut counts = Counts { goroutines: scope.live(), ..Counts::default() };
    let Some(watch) = scope.watch() else { return counts };
    counts.timers = watch.armed_timers();
    for record in watch.records() {
        match record.kind {
            Kind::Chan => counts.chans += 1,
            Kind::Mutex | Kind::RwLock => counts.mutexes += 1,
            Kind::WaitGroup => counts.waitgroups += 1,
            Kind::Context => counts.contexts += 1,
            _ => {}
        }
    }
    counts.contexts = counts.contexts.saturating_sub(crate::test::context::own(scope));
    counts
}
