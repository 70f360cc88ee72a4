//! Leak checks by hand, for tests without the attribute: `find`, `verify_none`, `guard!`, `Snapshot`.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gmp_core::inspect::GoroutineId;
use gmp_core::runtime::{self, Scope};
use gmp_core::snapshot::{self, Frozen, Reading};

use super::capture;
use super::check::{self, BodyEnd, Checked};
use super::contexts;
use super::graph;
use super::owed::{TURN, is_owed_a_turn};
use super::progress::Progress;
use super::rules::{RuleError, Rules, Source};
use super::severity::{Severities, SeverityError};
use super::suspect::{Class, Reader, Suspect};
use super::verdict::{Holder, Verdict};
use crate::report::build::{self, Policy};
use crate::report::finding::{BodyOutcome, Finding, Report};
use crate::report::source::Sources;
use crate::report::survive::{rendered, survive, unwritten};
use crate::report::text::Style;
use crate::say::say;
use crate::settings::{SettingsError, settings};
use crate::test::tally;

/// How long a check looks again for goroutines that are still moving.
const LOOK_AGAIN: Duration = Duration::from_micros(200);
/// The name of a scope that is looked at from inside.
const CURRENT: &str = "the current scope";
/// The name of what is looked at when the process ends.
pub(crate) const OUTSIDE: &str = "this process, outside of its tests";

/// How a check by hand is done.
///
/// ```
/// use std::time::Duration;
/// let options = gmp::leak::Options::new().linger(Duration::from_millis(20));
/// gmp::leak::verify_none_with(&options).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct Options {
    linger: Duration,
    rules: Vec<String>,
    severities: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self { linger: Duration::from_millis(100), rules: Vec::new(), severities: Vec::new() }
    }
}

impl Options {
    /// A linger of 100 ms and the rules of `GMP_LEAK_IGNORE`.
    pub fn new() -> Self {
        Self::default()
    }

    /// How long goroutines may still take to finish, if there is evidence that they will: they run,
    /// a timer of the scope is armed, or somebody foreign holds a waker.
    #[must_use]
    pub fn linger(mut self, linger: Duration) -> Self {
        self.linger = linger;
        self
    }

    /// Allows leaks that `rules` match, in the syntax of `GMP_LEAK_IGNORE`. Rules add up.
    #[must_use]
    pub fn ignore(mut self, rules: impl Into<String>) -> Self {
        self.rules.push(rules.into());
        self
    }

    /// Sets severities, in the syntax of `GMP_LEAK_SEVERITY`: `"GMP102=deny,Timer=warn"`. Later calls count
    /// more.
    #[must_use]
    pub fn severity(mut self, settings: impl Into<String>) -> Self {
        self.severities.push(settings.into());
        self
    }

    /// How long goroutines may take to finish.
    pub(super) fn linger_time(&self) -> Duration {
        self.linger
    }

    pub(super) fn policy(&self) -> Result<Policy, CheckError> {
        let mut policy = settings().map_err(|error| CheckError::from(error.clone()))?.policy();
        for text in &self.severities {
            policy.severities.extend(Severities::parse("Options::severity", text)?);
        }
        for text in &self.rules {
            policy.rules.extend(Rules::parse(Source::named("Options::ignore"), text)?);
        }
        Ok(policy)
    }
}

/// Why a check by hand failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckError {
    /// Goroutines are left. `Display` is the report, beginning with `gmp: `.
    #[error("{}", rendered(report, &Style::plain()).trim_start_matches("Error: "))]
    Leaks {
        /// What was found.
        report: Box<Report>,
    },
    /// A panic while the report was written, which is a mistake of gmp.
    #[error("{}", unwritten(name, why).trim_start_matches("Error: "))]
    Unwritten {
        /// Name of the scope.
        name: String,
        /// The text of the panic.
        why: String,
    },
    /// An environment variable could not be read.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// A rule given in [`Options::ignore`] is not valid.
    #[error(transparent)]
    Rule(#[from] RuleError),
    /// A setting given in [`Options::severity`] is not valid.
    #[error(transparent)]
    Severity(#[from] SeverityError),
}

/// The goroutines of the current scope that have not finished, after a linger spent on evidence.
///
/// The scope is that of the goroutine that calls, of the [`guard!`](crate::leak::guard!) on this thread,
/// or the global runtime's. Nothing is dropped: the goroutines go on. So only those are `Proven` whose
/// capabilities are all dead already; a [`guard!`](crate::leak::guard!) proves more. Primitives are not looked
/// at: what is locked or armed in the middle of a test is in use. The end of a test or of a guard tells which of them
/// were left behind.
///
/// # Errors
/// [`CheckError`], if the settings or a rule cannot be read.
///
/// ```
/// let found = gmp::leak::find().unwrap();
/// assert!(found.is_empty());
/// ```
pub fn find() -> Result<Vec<Finding>, CheckError> {
    find_with(&Options::new())
}

/// As [`find`], with options.
///
/// # Errors
/// As [`find`].
pub fn find_with(options: &Options) -> Result<Vec<Finding>, CheckError> {
    Ok(look(CURRENT, &runtime::current_scope(), options, &HashSet::new())?.findings)
}

/// Succeeds if [`find`] finds nothing.
///
/// # Errors
/// [`CheckError::Leaks`] with the report, and what [`find`] fails with.
pub fn verify_none() -> Result<(), CheckError> {
    verify_none_with(&Options::new())
}

/// As [`verify_none`], with options.
///
/// # Errors
/// As [`verify_none`].
pub fn verify_none_with(options: &Options) -> Result<(), CheckError> {
    fail_if_any(look(CURRENT, &runtime::current_scope(), options, &HashSet::new())?)
}

pub(super) fn fail_if_any(report: Report) -> Result<(), CheckError> {
    if !report.has_denied() {
        return Ok(());
    }
    if tally::only_reports() {
        let text = rendered(&report, &Style::detect());
        say(&text);
        tally::would_have_failed(&text);
        return Ok(());
    }
    Err(CheckError::Leaks { report: Box::new(report) })
}

/// The goroutines of a scope at one moment, to be compared with a later one.
///
/// ```
/// let before = gmp::leak::Snapshot::take();
/// gmp::block_on(async { gmp::yield_now().await });
/// before.diff().unwrap();
/// ```
#[derive(Clone)]
pub struct Snapshot {
    scope: Arc<Scope>,
    known: HashSet<GoroutineId>,
}

impl Snapshot {
    /// Takes stock of the current scope, see [`find`].
    pub fn take() -> Self {
        let scope = runtime::current_scope();
        let known = snapshot::read(&scope).into_iter().map(|g| g.id).collect();
        Self { scope, known }
    }

    /// Goroutines that were alive then.
    pub fn goroutines(&self) -> usize {
        self.known.len()
    }

    /// Succeeds if no goroutine was started since and is still there.
    ///
    /// # Errors
    /// [`CheckError::Leaks`] with a report on the new ones, and what [`find`] fails with.
    pub fn diff(&self) -> Result<(), CheckError> {
        self.diff_with(&Options::new())
    }

    /// As [`diff`](Self::diff), with options.
    ///
    /// # Errors
    /// As [`diff`](Self::diff).
    pub fn diff_with(&self, options: &Options) -> Result<(), CheckError> {
        fail_if_any(look(CURRENT, &self.scope, options, &self.known)?)
    }
}

impl core::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Snapshot").field("goroutines", &self.known.len()).finish_non_exhaustive()
    }
}

/// What is left on the global runtime when the process ends.
pub(crate) fn look_at_the_end() -> Result<Option<Report>, CheckError> {
    let Some(scope) = snapshot::global_scope() else { return Ok(None) };
    look(OUTSIDE, &scope, &Options::new(), &HashSet::new()).map(Some)
}

/// Looks at a scope that goes on. Goroutines in `known`, and the one that calls, are left out.
fn look(
    name: &str,
    scope: &Arc<Scope>,
    options: &Options,
    known: &HashSet<GoroutineId>,
) -> Result<Report, CheckError> {
    let policy = options.policy()?;
    let began = Instant::now();
    let caller = snapshot::who().map(|(id, _)| id);
    let counts = |id: GoroutineId| Some(id) != caller && !known.contains(&id);
    let ours = loop {
        settle(scope, options.linger, &counts, &|| false);
        let (ours, others): (Vec<Frozen>, Vec<Frozen>) =
            snapshot::freeze_parked(scope).into_iter().partition(|g| counts(g.id()));
        others.into_iter().for_each(Frozen::thaw);
        // What made one ready at this moment has come late, and it goes on.
        if !ours.iter().any(Frozen::was_woken) || began.elapsed() > options.linger + TURN {
            break ours;
        }
        ours.into_iter().for_each(Frozen::thaw);
    };
    let mut reader = Reader::new(scope);
    let mut suspects: Vec<Suspect> =
        ours.into_iter().map(|frozen| reader.read(frozen, false)).collect();
    capture::trace(&mut suspects, &Progress::new(), |_| true);
    let verdicts = suspects.iter().map(|suspect| unreaped(suspect, scope)).collect();
    contexts::note_ignored(scope, &mut suspects);
    let contexts = contexts::of(scope, &suspects);
    let test_context = crate::test::context::id(scope);
    let diagnosis = graph::diagnose(&suspects, &[], test_context);
    let checked = Checked {
        suspects: Arc::new(suspects),
        verdicts,
        diagnosis,
        contexts,
        after: check::counts(scope),
        took: began.elapsed(),
        ..Checked::clean(BodyEnd::Returned(true), scope)
    };
    let report = report(name, &checked, &policy);
    if let Ok(suspects) = Arc::try_unwrap(checked.suspects) {
        suspects.into_iter().for_each(|suspect| suspect.frozen.thaw());
    }
    report
}

/// The verdict on a goroutine that is left alone.
fn unreaped(suspect: &Suspect, scope: &Scope) -> Verdict {
    match suspect.class {
        Class::Timer(due_in) => Verdict::Timer { due_in },
        Class::External => Verdict::External,
        Class::Running => Verdict::Running,
        Class::Stuck if suspect.joins().is_empty() && suspect.released(scope).is_some() => {
            Verdict::Proven
        }
        Class::Stuck => Verdict::Reachable { by: Holder::Outside },
    }
}

pub(super) fn report(name: &str, checked: &Checked, policy: &Policy) -> Result<Report, CheckError> {
    let built = survive(|| build::report(name, checked, None, policy, &Sources::from_env()));
    let report = built.map_err(|why| CheckError::Unwritten { name: name.to_owned(), why })?;
    Ok(Report { outcome: BodyOutcome::NoBody, ..report })
}

/// Waits until nothing that counts moves or is left, and nothing `outside`, at most for `linger`, and only on
/// evidence. Who is on the way then gets a turn. A goroutine that has the one P there is waits for nobody.
pub(super) fn settle(
    scope: &Scope,
    linger: Duration,
    counts: &dyn Fn(GoroutineId) -> bool,
    outside: &dyn Fn() -> bool,
) {
    let may_run = snapshot::may_run(scope);
    let deadline = Instant::now() + linger;
    let mut at_deadline: Option<Vec<Reading>> = None;
    loop {
        let seen = Seen::of(scope, counts);
        if !(may_run && seen.moves() || outside()) {
            return;
        }
        if let Some(late) = Instant::now().checked_duration_since(deadline) {
            let then = at_deadline.get_or_insert_with(|| seen.now.clone());
            let is_due = || snapshot::next_timer(scope).is_some_and(|at| at <= deadline);
            let is_overdue = late < TURN && (seen.fired || seen.timers && is_due());
            if !is_overdue && !seen.now.iter().any(|now| is_owed_a_turn(now, then, late)) {
                return;
            }
        }
        // The goroutines run on the Ms of their own runtime, which tells nobody when they finish.
        std::thread::park_timeout(LOOK_AGAIN);
    }
}

/// Whether something that counts is left and moves, or may do so.
#[cfg(feature = "tokio")]
pub(super) fn moves(scope: &Scope, counts: &dyn Fn(GoroutineId) -> bool) -> bool {
    Seen::of(scope, counts).moves()
}

/// Two looks at the goroutines that count, and at the timers around them.
struct Seen {
    now: Vec<Reading>,
    /// Nobody ran between the looks.
    is_quiet: bool,
    /// A timer is armed.
    timers: bool,
    /// A timer has fired: it is not armed, but whom it wakes may have been seen parked.
    fired: bool,
}

impl Seen {
    fn of(scope: &Scope, counts: &dyn Fn(GoroutineId) -> bool) -> Self {
        let read = || {
            let mut all = snapshot::read(scope);
            all.retain(|reading| counts(reading.id));
            all
        };
        let armed = || scope.watch().is_none_or(|watch| watch.armed_timers() > 0);
        let (was_armed, before) = (armed(), snapshot::timers_at_rest(scope));
        let (first, now) = (read(), read());
        // Whoever armed one meanwhile is parked again.
        let timers = was_armed || armed();
        let fired = before.is_none() || snapshot::timers_at_rest(scope) != before;
        Self { is_quiet: snapshot::quiescent(&first, &now), now, timers, fired }
    }

    fn moves(&self) -> bool {
        let evidence = self.timers || self.fired || self.now.iter().any(Reading::is_external);
        !self.now.is_empty() && (!self.is_quiet || evidence)
    }
}

/// Whether another runtime polls all goroutines of the scope.
pub(super) fn are_hosted(scope: &Scope) -> bool {
    snapshot::read(scope).iter().all(|reading| reading.hosted)
}
