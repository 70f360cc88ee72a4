//! From what a check found to a report: symbols are resolved, leaks grouped, allowed ones counted.

use core::time::Duration;
use std::collections::HashMap;

use gmp_core::inspect::{self, Record, WaitInfo};

use super::finding::{
    BodyOutcome, Figure, Finding, Frame, GoroutinePanic, Hidden, Primitive, Report, SourceLine,
    Stock, Wait,
};
use super::group::group;
use super::source::Sources;
use super::symbols::Symbols;
use crate::leak::check::{BodyEnd, Checked};
use crate::leak::rules::Rules;
use crate::leak::suspect::{Stack, Suspect};
use crate::leak::verdict::Verdict;

/// Builds the report on `checked`. `panic` is the text of the body's panic.
pub(crate) fn report(
    name: &str,
    checked: &Checked,
    panic: Option<String>,
    rules: &Rules,
    sources: &Sources,
) -> Report {
    let mut stacks = Stacks { symbols: Symbols::new(sources), known: HashMap::new() };
    // A body that never ended keeps those waiting that end with it: they are not to blame.
    let to_blame: Vec<_> = checked
        .suspects
        .iter()
        .zip(&checked.verdicts)
        .filter(|(suspect, _)| !suspect.waits_for_body)
        .collect();
    let findings = group(sampled(&to_blame).into_iter().map(|(i, others)| {
        let (suspect, verdict) = to_blame[i];
        let mut one = finding(suspect, verdict.clone(), &mut stacks);
        one.count += others;
        one
    }));
    let outcome = match &checked.body {
        BodyEnd::Returned(true) => BodyOutcome::Passed,
        BodyEnd::Returned(false) => BodyOutcome::Failed,
        BodyEnd::Panicked(_) => BodyOutcome::Panicked(panic.unwrap_or_default()),
        BodyEnd::Asleep => BodyOutcome::Asleep,
        BodyEnd::TimedOut(after) => BodyOutcome::TimedOut(*after),
    };
    let (findings, hidden) = allow(name, findings, rules);
    Report {
        name: name.to_string(),
        outcome,
        findings,
        panics: checked.panics.iter().map(goroutine_panic).collect(),
        reap_notes: checked.notes.clone(),
        contexts: checked.contexts.clone(),
        stock: Stock { after: checked.after, ..Stock::default() },
        hidden,
        verdict_after: checked.took,
    }
}

/// Goroutines of one kind that become findings of their own; the last stands for all others.
const SAMPLES: usize = 64;

/// The indices of goroutines that become findings, each with the number of others it stands for. Whoever
/// equals many in verdict, lines and stack adds nothing but a count, and 100,000 findings take long.
fn sampled(suspects: &[(&Suspect, &Verdict)]) -> Vec<(usize, usize)> {
    let mut kinds: HashMap<_, Vec<(usize, usize)>> = HashMap::new();
    for (i, (suspect, verdict)) in suspects.iter().enumerate() {
        let key = (suspect.key(), verdict.name(), suspect.is_body, &suspect.stacks, &suspect.notes);
        let samples = kinds.entry(key).or_default();
        if samples.len() < SAMPLES {
            samples.push((i, 0));
        } else {
            samples[SAMPLES - 1].1 += 1;
        }
    }
    let mut samples: Vec<_> = kinds.into_values().flatten().collect();
    samples.sort_unstable();
    samples
}

/// Takes out what a rule allows, and counts it.
fn allow(name: &str, findings: Vec<Finding>, rules: &Rules) -> (Vec<Finding>, Vec<Hidden>) {
    let mut hidden: Vec<Hidden> = Vec::new();
    let shown = findings.into_iter().filter(|finding| {
        let Some(rule) = rules.hide(name, finding) else { return true };
        let mut one = rule.report(finding.count);
        match hidden.iter_mut().find(|h| h.rule == one.rule && h.source == one.source) {
            Some(same) => same.count += one.count,
            None => {
                one.count = finding.count;
                hidden.push(one);
            }
        }
        false
    });
    (shown.collect(), hidden)
}

/// Resolves each stack once: equal goroutines share theirs.
struct Stacks<'a> {
    symbols: Symbols<'a>,
    known: HashMap<Stack, Vec<Frame>>,
}

impl Stacks<'_> {
    fn resolve(&mut self, stack: &Stack) -> Vec<Frame> {
        if let Some(frames) = self.known.get(stack) {
            return frames.clone();
        }
        let frames = self.symbols.resolve(stack);
        self.known.insert(stack.clone(), frames.clone());
        frames
    }
}

fn finding(suspect: &Suspect, verdict: Verdict, stacks: &mut Stacks<'_>) -> Finding {
    let own = suspect.thread_stack.get();
    let frames = suspect.stacks.iter().chain(own).map(|stack| stacks.resolve(stack));
    Finding {
        verdict,
        reason: suspect.reason(),
        count: 1,
        goroutines: vec![suspect.id()],
        is_body: suspect.is_body,
        waited: suspect.waited,
        waits: suspect.waits.iter().zip(&suspect.primitives).map(wait).collect(),
        created_at: suspect.frozen.created_at().into(),
        created_by: suspect.frozen.parent(),
        stacks: frames.filter(|frames| !frames.is_empty()).collect(),
        notes: suspect.notes.clone(),
    }
}

fn wait((info, primitive): (&WaitInfo, &Option<Primitive>)) -> Wait {
    Wait { reason: info.reason, at: info.at.into(), primitive: primitive.clone() }
}

/// The primitive behind a wait, with its figures at this moment.
pub(crate) fn primitive(
    info: &WaitInfo,
    below_test_context: bool,
    waited: Duration,
) -> Option<Primitive> {
    let record = info.record.as_deref()?;
    Some(Primitive {
        id: record.id,
        kind: record.kind,
        created_at: Some(record.created_at.into()),
        figure: figure(&info.figure, record, below_test_context, waited),
    })
}

fn figure(
    figure: &inspect::Figure,
    record: &Record,
    below_test_context: bool,
    since: Duration,
) -> Figure {
    match *figure {
        inspect::Figure::Chan { len, cap, senders, receivers, pair } => {
            Figure::Chan { len, cap, senders, receivers, pair }
        }
        inspect::Figure::Mutex => Figure::Mutex {
            holder: record.holder(),
            locked_at: record.held_at().map(SourceLine::from),
        },
        inspect::Figure::RwLock { ref holders, writer, pending_writers } => Figure::RwLock {
            holders: holders.iter().map(|(who, at)| (*who, SourceLine::from(*at))).collect(),
            writer,
            pending_writers,
        },
        inspect::Figure::Once => Figure::Once {
            runner: record.holder(),
            called_at: record.held_at().map(SourceLine::from),
        },
        inspect::Figure::Semaphore { free, size, wants } => {
            Figure::Semaphore { free, size, wants, taken: outstanding(record) }
        }
        inspect::Figure::WaitGroup { counter } => {
            let (adds, dones): (Vec<_>, Vec<_>) =
                record.sites().into_iter().partition(|site| site.amount > 0);
            let lines = |sites: Vec<inspect::Site>| {
                sites.iter().map(|site| (site.at.into(), site.amount.abs())).collect()
            };
            Figure::WaitGroup { counter, adds: lines(adds), dones: lines(dones) }
        }
        inspect::Figure::TimerChan { ref timer, handles } => Figure::TimerChan {
            due_in: timer.due_in,
            every: timer.every,
            resets: timer.resets,
            handles,
        },
        inspect::Figure::Timer { due_in } => Figure::Timer { due_in },
        inspect::Figure::Context { cancel_handles, deadline_in } => {
            Figure::Context { cancel_handles, deadline_in, below_test_context }
        }
        inspect::Figure::Io { ref local, ref peer, want, .. } => {
            Figure::Io { local: local.clone(), peer: peer.clone(), want, since }
        }
        inspect::Figure::Goroutine { target } => Figure::Goroutine { target },
        _ => Figure::None,
    }
}

/// The lines that took more than they gave back, with the difference.
fn outstanding(record: &Record) -> Vec<(SourceLine, i64)> {
    let mut sums: Vec<(inspect::Location, i64)> = Vec::new();
    for site in record.sites() {
        match sums.iter_mut().find(|(at, _)| *at == site.at) {
            Some((_, sum)) => *sum += site.amount,
            None => sums.push((site.at, site.amount)),
        }
    }
    sums.into_iter().filter(|(_, sum)| *sum > 0).map(|(at, sum)| (at.into(), sum)).collect()
}

fn goroutine_panic(note: &inspect::PanicNote) -> GoroutinePanic {
    GoroutinePanic {
        goroutine: note.goroutine,
        created_at: note.created_at.into(),
        message: note.message.clone(),
    }
}
