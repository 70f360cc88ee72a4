//! The run of one test from its descriptor to pass or fail.

use std::any::Any;
use std::io::Write as _;
use std::panic::resume_unwind;
use std::process::Termination;
use std::time::Duration;

use super::descriptor::{Clock, Descriptor, ShouldPanic, Spec, box_body};
use super::expect;
use super::supervise::{self, Call, Plan};
use super::tally;
use crate::leak::CheckError;
use crate::leak::census::Ours;
use crate::leak::check::{BodyEnd, Checked, payload_text};
use crate::leak::rules::{Rules, Source};
use crate::leak::severity::{Severities, Severity};
use crate::report::build::{self, Policy};
use crate::report::finding::{BodyOutcome, Report};
use crate::report::remedy::of_panic;
use crate::report::source::Sources;
use crate::report::survive::{survive, unwritten};
use crate::report::text::{self, Style};
use crate::say::{in_a_test, say};
use crate::settings::{Settings, settings};

/// The time-out of a test that sets none.
const TIMEOUT: Duration = Duration::from_secs(60);
/// The linger of a test that sets none.
const LINGER: Duration = Duration::from_millis(100);

/// What is thrown when a test failed and everything was said.
struct Failed;

/// Runs a test; panics without a message if it failed: the report is on stderr.
#[track_caller]
pub fn run(descriptor: &'static Descriptor) {
    // Until the report is written: a thread that resolves symbols releases nobody.
    in_a_test();
    let _ours = Ours::register();
    if let Err(failure) = attempt(descriptor) {
        if let Some(text) = failure.text {
            say(&text);
        }
        resume_unwind(failure.payload);
    }
}

/// Runs a test and returns the whole report, whether or not it would pass: for benchmarks and for tests
/// of the detector.
///
/// # Panics
/// If the settings or the rules cannot be read.
#[track_caller]
pub fn examine(descriptor: &'static Descriptor) -> Report {
    let _ours = Ours::register();
    let name = descriptor.path();
    let policy = policy(descriptor.spec())
        .unwrap_or_else(|failure| panic!("{}", failure.text.unwrap_or_default()));
    let checked = run_and_probe(descriptor, &name)
        .unwrap_or_else(|failure| panic!("{}", failure.text.unwrap_or_default()));
    told(&name, &checked, &policy)
}

/// Runs a test, and a second time with the cancel probe if that is asked for and there is something to probe.
#[track_caller]
fn run_and_probe(descriptor: &Descriptor, name: &str) -> Result<Checked, Failure> {
    let mut checked = supervise::run(plan(descriptor, name)?);
    let asked = descriptor.spec().probe_cancel
        || settings().is_ok_and(|settings| settings.leak_probe_cancel);
    if asked && checked.is_to_be_probed() {
        let again = Plan { probes: true, ..plan(descriptor, name)? };
        checked.probes = supervise::run(again).probes;
    }
    Ok(checked)
}

/// Runs `body` as `#[gmp::test]` runs the body of a test, on a runtime and in a scope of its own, and
/// returns the report on it instead of failing. The defaults of the attribute hold: a time-out of 60
/// seconds, a linger of 100 ms on evidence.
///
/// # Errors
/// If the settings cannot be read from the environment.
///
/// ```
/// let report = gmp::leak::examine("nobody sends", || async {
///     let ch = gmp::chan::<u32>(0);
///     drop(gmp::go(async move { ch.recv().await }));
/// })?;
/// assert_eq!(report.findings[0].verdict, gmp::leak::Verdict::Proven);
/// # Ok::<(), gmp::leak::CheckError>(())
/// ```
#[track_caller]
pub fn examine_body<B, F>(name: &str, body: B) -> Result<Report, CheckError>
where
    B: FnOnce() -> F + Send + 'static,
    F: Future<Output: Termination> + 'static,
{
    examine_call(name, Call::Async(Box::new(move || box_body(body()))))
}

/// As [`examine_body`], for any body.
#[track_caller]
pub(crate) fn examine_call(name: &str, body: Call) -> Result<Report, CheckError> {
    in_a_test();
    let _ours = Ours::register();
    let settings = settings().map_err(|error| CheckError::from(error.clone()))?;
    let checked = supervise::run(Plan {
        name: name.to_string(),
        body,
        timeout: settings.timeout().unwrap_or(TIMEOUT),
        linger: settings.linger().unwrap_or(LINGER),
        clock: Clock::Real,
        probes: false,
        procs: 1,
        last_resort,
    });
    Ok(told(name, &checked, &settings.policy()))
}

/// The report on what was found, allowed leaks taken out.
fn told(name: &str, checked: &Checked, policy: &Policy) -> Report {
    let panic = match &checked.body {
        BodyEnd::Panicked(payload) => Some(payload_text(&**payload)),
        _ => None,
    };
    build::report(name, checked, panic, policy, &Sources::from_env())
}

fn plan(descriptor: &Descriptor, name: &str) -> Result<Plan, Failure> {
    let spec = descriptor.spec();
    Ok(Plan {
        name: name.to_string(),
        body: call(spec)?,
        timeout: timeout(spec),
        linger: linger(spec),
        clock: spec.clock,
        probes: false,
        procs: spec.procs,
        last_resort,
    })
}

/// The body, on the runtime that it asks for.
#[cfg(feature = "tokio")]
fn call(spec: &Spec) -> Result<Call, Failure> {
    use super::descriptor::{Body, TokioFlavor};
    use crate::tokio::{Flavor, Settings};
    let (Some(tokio), Body::Async(make)) = (&spec.tokio, spec.body) else {
        return Ok(spec.body.into());
    };
    let flavor = match tokio.flavor {
        TokioFlavor::CurrentThread => Flavor::CurrentThread,
        TokioFlavor::MultiThread => Flavor::MultiThread,
        TokioFlavor::Local => Flavor::Local,
    };
    let (worker_threads, start_paused) = (tokio.worker_threads, tokio.start_paused);
    let settings = Settings { flavor, worker_threads, start_paused };
    Ok(crate::tokio::call(Box::new(make), settings))
}

/// The body, on the runtime that it asks for.
#[cfg(not(feature = "tokio"))]
fn call(spec: &Spec) -> Result<Call, Failure> {
    match spec.tokio {
        None => Ok(spec.body.into()),
        Some(_) => Err(Failure::new(format!(
            "Error: gmp: {} asks for a tokio runtime: switch the feature `tokio` of gmp on",
            spec.name
        ))),
    }
}

/// The time-out of a test: as the attribute says, or a file.
fn timeout(spec: &Spec) -> Duration {
    let shared = || settings().ok().and_then(Settings::timeout);
    spec.timeout.or_else(shared).unwrap_or(TIMEOUT)
}

/// The linger of a test, likewise.
fn linger(spec: &Spec) -> Duration {
    let shared = || settings().ok().and_then(Settings::linger);
    spec.linger.or_else(shared).unwrap_or(LINGER)
}

/// Why a test failed.
pub(crate) struct Failure {
    /// What is to be printed.
    pub(crate) text: Option<String>,
    /// What is thrown afterwards.
    pub(crate) payload: Box<dyn Any + Send>,
    /// The body did as it should; the check alone found something.
    is_of_the_check: bool,
}

impl Failure {
    fn new(text: impl Into<String>) -> Self {
        Self { text: Some(text.into()), payload: Box::new(Failed), is_of_the_check: false }
    }

    /// With `more` below what is said. There is a first line in any case: test runners look for it.
    fn with(mut self, name: &str, more: &str) -> Self {
        if !more.is_empty() {
            let text = self.text.get_or_insert_with(|| format!("Error: gmp: {name} failed\n"));
            text.push_str(more);
        }
        self
    }

    /// What to say where the panic's own output is not at hand.
    pub(crate) fn into_text(self) -> String {
        let panicked = || (!self.payload.is::<Failed>()).then(|| payload_text(&*self.payload));
        self.text.or_else(panicked).unwrap_or_else(|| {
            "the test returned an error; it is printed on stderr, after `Error: `".into()
        })
    }
}

/// Runs a test.
#[track_caller]
pub(crate) fn attempt(descriptor: &'static Descriptor) -> Result<(), Failure> {
    if !descriptor.first_run() {
        let name = descriptor.path();
        return Err(Failure::new(format!(
            "Error: gmp: test {name} runs a second time\n\
             It is registered twice: remove the other test attribute, `#[gmp::test]` is enough."
        )));
    }
    once(descriptor)
}

/// What exploration did for a test.
#[cfg_attr(not(feature = "explore"), expect(dead_code, reason = "nothing is explored"))]
enum Explored {
    /// Nothing: it runs as usual.
    No,
    /// It has passed.
    Passed,
    /// This is to be judged; if it fails, the text says more.
    Judge(Box<Checked>, String),
}

/// Runs a test again, for tests of the harness that repeat others. The text says why it failed.
#[track_caller]
pub fn rerun(descriptor: &'static Descriptor) -> Result<(), String> {
    let _ours = Ours::register();
    once(descriptor)
        .map_err(|failure| failure.text.unwrap_or_else(|| payload_text(&*failure.payload)))
}

#[track_caller]
fn once(descriptor: &'static Descriptor) -> Result<(), Failure> {
    let name = descriptor.path();
    let policy = policy(descriptor.spec())?;
    let (checked, more) = match explored(descriptor, &name, &policy)? {
        Explored::No => (run_and_probe(descriptor, &name)?, String::new()),
        Explored::Passed => return Ok(()),
        Explored::Judge(checked, more) => (*checked, more),
    };
    let judged = written(&name, || judge(descriptor, &name, checked, &policy))
        .map_err(|failure| failure.with(&name, &more));
    match judged {
        Err(failure) if failure.is_of_the_check && tally::only_reports() => {
            let text = failure.text.unwrap_or_default();
            say(&text);
            tally::would_have_failed(&text);
            Ok(())
        }
        judged => judged,
    }
}

/// What `judge` decides. If it panics while the report is written, the test fails with that, and with the name
/// of the test in the first line.
fn written(name: &str, judge: impl FnOnce() -> Result<(), Failure>) -> Result<(), Failure> {
    survive(judge).unwrap_or_else(|why| Err(Failure::new(unwritten(name, &why))))
}

/// The schedule that shows something, or what there is to judge if none does, if the test is to be explored;
/// and what is to be said besides if the test fails.
#[cfg(feature = "explore")]
#[track_caller]
fn explored(descriptor: &Descriptor, name: &str, policy: &Policy) -> Result<Explored, Failure> {
    use crate::explore::Came;
    let spec = descriptor.spec();
    let test = crate::explore::Test {
        name,
        body: spec.body,
        attribute: spec.explore.as_ref(),
        linger: linger(spec),
        timeout: timeout(spec),
        policy,
    };
    let settings = settings().map_err(|error| Failure::new(format!("Error: gmp: {error}")))?;
    match crate::explore::run(&test, &settings.explore) {
        None | Some(Came::Runs) => Ok(Explored::No),
        Some(Came::Passes) => Ok(Explored::Passed),
        Some(Came::Fails(text)) => Err(Failure::new(text)),
        Some(Came::Checked(checked, more)) => Ok(Explored::Judge(checked, more)),
    }
}

#[cfg(not(feature = "explore"))]
fn explored(descriptor: &Descriptor, name: &str, _: &Policy) -> Result<Explored, Failure> {
    match descriptor.spec().explore {
        None => Ok(Explored::No),
        Some(_) => Err(Failure::new(format!(
            "Error: gmp: {name} asks to be explored: switch the feature `explore` of gmp on"
        ))),
    }
}

/// The rules and severities of the environment and of the attribute.
fn policy(spec: &Spec) -> Result<Policy, Failure> {
    let settings = settings().map_err(|error| Failure::new(format!("Error: gmp: {error}")))?;
    let mut own = Rules::default();
    for text in spec.ignore_rules {
        let source = format!("{} at {}:{}", Source::ATTRIBUTE, spec.file, spec.line);
        let parsed = Rules::parse(Source::named(source), text);
        own.extend(parsed.map_err(|error| Failure::new(format!("Error: gmp: {error}")))?);
    }
    tally::add(&own);
    let Policy { mut rules, mut severities } = settings.policy();
    rules.extend(own);
    for text in spec.severities {
        let origin = format!("#[gmp::test(severity(..))] at {}:{}", spec.file, spec.line);
        let parsed = Severities::parse(&origin, text);
        severities.extend(parsed.map_err(|error| Failure::new(format!("Error: gmp: {error}")))?);
    }
    Ok(Policy { rules, severities })
}

/// Decides whether the test passed.
fn judge(
    descriptor: &Descriptor,
    name: &str,
    mut checked: Checked,
    policy: &Policy,
) -> Result<(), Failure> {
    let spec = descriptor.spec();
    if checked.is_clean() && spec.expect_leak.is_none() && spec.should_panic == ShouldPanic::No {
        // Nearly every test: nothing to resolve, nothing to say.
        return Ok(());
    }
    let payload = match &mut checked.body {
        BodyEnd::Panicked(payload) => Some(core::mem::replace(payload, Box::new(()))),
        _ => None,
    };
    let panic_text = payload.as_deref().map(payload_text);
    let sources = Sources::from_env();
    let report = build::report(name, &checked, panic_text.clone(), policy, &sources);
    drop(checked);

    let as_expected = body_as_expected(spec.should_panic, &report.outcome);
    let leaks = match spec.expect_leak {
        None if !report.groups().any(|finding| finding.severity == Severity::Deny) => Ok(()),
        None => Err(None),
        Some(expected) => expect::compare(expected, &report).map_err(Some),
    };
    let expected_end = match report.outcome {
        // A blocked body is one of the findings, and may be an expected one.
        BodyOutcome::Asleep | BodyOutcome::TimedOut(_) => spec.expect_leak.is_some(),
        _ => false,
    };
    let denied_panic = report.panics.iter().any(|panic| panic.severity == Severity::Deny);
    let denied = report.leftovers.iter().any(|leftover| leftover.severity == Severity::Deny);
    let silent = !denied_panic && !denied && report.reap_notes.is_empty();
    let failed_end = as_expected.is_err() && !expected_end;
    let expected_notes = !denied_panic && !denied && spec.expect_leak.is_some();
    if !failed_end && leaks.is_ok() && (silent || expected_notes) {
        let warned = spec.expect_leak.is_none() && report.has_warnings();
        if warned || !report.hidden.is_empty() {
            say(&text::render_with(&report, &Style::detect(), &sources));
        }
        return Ok(());
    }
    let mut text = String::new();
    if let Err(Some(difference)) = &leaks {
        text.push_str(&format!("Error: gmp: {name}: {difference}\n\n"));
    }
    let quiet_end = matches!(
        report.outcome,
        BodyOutcome::Passed | BodyOutcome::Failed | BodyOutcome::Panicked(_)
    );
    let leaked = leaks.is_err() && !report.findings.is_empty();
    if leaked || !silent || !quiet_end || !report.hidden.is_empty() {
        text.push_str(&text::render_with(&report, &Style::detect(), &sources));
    }
    if let Err(why) = as_expected
        && !why.is_empty()
        && !expected_end
    {
        text.push_str(&format!("Error: gmp: {name}: {why}\n"));
    }
    if failed_end && let Some(cure) = panic_text.as_deref().and_then(of_panic) {
        text.push_str(&format!(
            "Error: gmp: {name} panicked for want of another runtime\n  = fix: {cure}\n"
        ));
    }
    Err(Failure {
        text: (!text.is_empty()).then_some(text),
        payload: payload.unwrap_or_else(|| Box::new(Failed)),
        is_of_the_check: !failed_end,
    })
}

/// Whether the body ended as `#[should_panic]` says. The text of an error may be empty: then all was
/// said already, by the panic or by the error that the body returned.
fn body_as_expected(should_panic: ShouldPanic, outcome: &BodyOutcome) -> Result<(), String> {
    match (should_panic, outcome) {
        (ShouldPanic::No, BodyOutcome::Passed | BodyOutcome::NoBody)
        | (ShouldPanic::Yes, BodyOutcome::Panicked(_)) => Ok(()),
        (ShouldPanic::No, _) => Err(String::new()),
        (ShouldPanic::Expected(part), BodyOutcome::Panicked(message)) => {
            if message.contains(part) {
                return Ok(());
            }
            Err(format!("panicked, but not as expected: `{message}` does not contain `{part}`"))
        }
        (
            ShouldPanic::Yes | ShouldPanic::Expected(_),
            BodyOutcome::Passed | BodyOutcome::Failed,
        ) => Err("the test did not panic as expected".into()),
        (ShouldPanic::Yes | ShouldPanic::Expected(_), _) => Err(String::new()),
    }
}

/// A plain body never came back from a call that gmp cannot leave: report, and end the process.
fn last_resort(name: &str, checked: Checked) -> ! {
    let report = survive(|| {
        let sources = Sources::from_env();
        let policy = Policy::default();
        let report: Report = build::report(name, &checked, None, &policy, &sources);
        text::render_with(&report, &Style::detect(), &sources)
    });
    let report = report.unwrap_or_else(|why| unwritten(name, &why));
    // What was captured is lost when the process ends, so this goes around the capture.
    let _ = write!(
        std::io::stderr(),
        "\n{report}\n\
         gmp: the body of {name} is a plain `fn` in a call that is not gmp's. Its thread cannot be \
         taken out of\n     that call, so the whole test process ends here; an `async fn` would \
         have left the other tests alone.\n"
    );
    std::process::exit(101);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_while_the_report_is_written_fails_the_test_by_name() {
        let failure = written("suite::leaks", || panic!("no symbols")).expect_err("it fails");
        let text = "Error: gmp: suite::leaks: a panic while its report was written: no symbols";
        assert_eq!(failure.into_text(), text);
        assert!(written("suite::clean", || Ok(())).is_ok());
    }
}
