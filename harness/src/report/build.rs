//! From what a check found to a report: symbols are resolved, leaks grouped, allowed ones counted.

use core::time::Duration;
use std::collections::HashMap;
use std::sync::Arc;

use gmp_core::inspect::{self, PrimitiveKind, Record, Spawned, WaitInfo, WaitReason};

use super::fault;
use super::finding::{
    Ancestor, BodyOutcome, ContextFault, Figure, Finding, Frame, GoroutinePanic, Graph, Hidden,
    Leftover, Primitive, Report, SourceLine, Stock, Wait,
};
use super::group::{self, Group, Tagged};
use super::source::Sources;
use super::symbols::Symbols;
use crate::leak::check::{BodyEnd, Checked};
use crate::leak::code::Code;
use crate::leak::rules::Rules;
use crate::leak::severity::{Severities, Severity};
use crate::leak::suspect::{Stack, Suspect};
use crate::leak::verdict::{Holder, Verdict};

/// What the settings allow.
#[derive(Clone, Debug, Default)]
pub(crate) struct Policy {
    pub(crate) rules: Rules,
    pub(crate) severities: Severities,
}

impl Policy {
    /// Whether it allows nothing and changes no severity.
    #[cfg(feature = "explore")]
    pub(crate) fn is_default(&self) -> bool {
        self.rules.is_empty() && self.severities.is_empty()
    }
}

/// Builds the report on `checked`. `panic` is the text of the body's panic.
pub(crate) fn report(
    name: &str,
    checked: &Checked,
    panic: Option<String>,
    policy: &Policy,
    sources: &Sources,
) -> Report {
    #[cfg(test)]
    super::survive::broken::here("build");
    let outcome = match &checked.body {
        BodyEnd::Returned(true) => BodyOutcome::Passed,
        BodyEnd::Returned(false) => BodyOutcome::Failed,
        BodyEnd::Panicked(_) => BodyOutcome::Panicked(panic.unwrap_or_default()),
        BodyEnd::Asleep => BodyOutcome::Asleep,
        BodyEnd::TimedOut(after) => BodyOutcome::TimedOut(*after),
    };
    let mut hidden = Vec::new();
    let mut groups = groups(checked, sources);
    for group in &mut groups {
        group.finding.context = fault::of(&group.finding, &checked.contexts.chains);
        classify(&mut group.finding, &policy.severities);
    }
    groups.retain(|group| is_told(name, &group.finding, policy, &mut hidden));
    let leftovers = leftovers(name, checked, policy, &mut hidden);
    let (panics, more_panics) = panics(checked, policy, &mut hidden);
    Report {
        name: name.to_string(),
        outcome,
        findings: nest(groups),
        leftovers,
        graph: Graph {
            edges: checked.diagnosis.edges.clone(),
            total: checked.diagnosis.edges_in_all,
        },
        more_panics,
        panics,
        reap_notes: checked.notes.clone(),
        contexts: checked.contexts.roots.clone(),
        more_contexts: checked.contexts.left_out,
        stock: Stock { after: checked.after, ..Stock::default() },
        hidden,
        verdict_after: checked.took,
    }
}

/// Goroutines of one kind that become findings of their own; the last stands for all others.
const SAMPLES: usize = 64;
/// The most ancestors that are told.
const ANCESTORS: usize = 8;

/// A sample: the suspect that it is made of, and how many others of its kind it stands for.
struct Sample {
    suspect: usize,
    others: usize,
    kind: u32,
    /// The kind of the goroutine that stands for the cause, if that is another one.
    behind: Option<u32>,
}

/// Groups the suspects that are to blame, with what each is behind.
fn groups(checked: &Checked, sources: &Sources) -> Vec<Group> {
    let mut stacks = Stacks { symbols: Symbols::new(sources), known: HashMap::new() };
    let findings = samples(checked).into_iter().map(|sample| {
        let mut one = finding(checked, sample.suspect, &mut stacks);
        one.count += sample.others;
        Tagged { finding: one, kind: sample.kind, behind: sample.behind }
    });
    group::tagged(findings)
}

/// The samples of all kinds, oldest goroutine first. Whoever equals many in verdict, lines and stack
/// adds nothing but a count, and 100,000 findings take long.
fn samples(checked: &Checked) -> Vec<Sample> {
    let Checked { suspects, verdicts, diagnosis, .. } = checked;
    let mut known: HashMap<_, u32> = HashMap::new();
    let mut kinds = Vec::with_capacity(suspects.len());
    for (suspect, verdict) in suspects.iter().zip(verdicts) {
        let stacks = suspect.stacks.as_ref().map(Arc::as_ptr);
        let key = (suspect.kind, verdict.name(), suspect.is_body, stacks, &suspect.notes);
        let next = known.len() as u32;
        kinds.push(*known.entry(key).or_insert(next));
    }
    // Of each kind behind each cause: suspects, and how many others they stand for.
    let mut samples: HashMap<_, Vec<(usize, usize)>> = HashMap::new();
    for (i, suspect) in suspects.iter().enumerate() {
        // A body that never ended keeps those waiting that end with it: they are not to blame.
        if suspect.waits_for_body {
            continue;
        }
        let own = (kinds[i], true);
        let place = diagnosis.places.get(i);
        let lead = place.map_or(own, |place| (kinds[place.lead as usize], place.direct));
        let behind = (lead != own && !suspect.is_body).then_some(lead.0);
        let samples = samples.entry((kinds[i], behind)).or_default();
        if samples.len() < SAMPLES {
            samples.push((i, 0));
        } else {
            samples[SAMPLES - 1].1 += 1;
        }
    }
    let with_key = |((kind, behind), all): (_, Vec<(usize, usize)>)| {
        all.into_iter().map(move |(suspect, others)| Sample { suspect, others, kind, behind })
    };
    let mut samples: Vec<Sample> = samples.into_iter().flat_map(with_key).collect();
    samples.sort_unstable_by_key(|sample| sample.suspect);
    samples
}

/// Puts each group below the one that is its cause, and the causes in order.
fn nest(groups: Vec<Group>) -> Vec<Finding> {
    let (mut findings, mut promoted) = (Vec::new(), Vec::new());
    let mut followers: Vec<(u32, Finding)> = Vec::new();
    let leads: HashMap<u32, usize> = groups
        .iter()
        .filter(|group| group.behind.is_none())
        .enumerate()
        .flat_map(|(at, group)| group.kinds.iter().map(move |kind| (*kind, at)))
        .collect();
    for group in groups {
        match group.behind {
            None => findings.push(group.finding),
            Some(lead) if leads.contains_key(&lead) => followers.push((lead, group.finding)),
            // What it is behind was allowed, or is not to blame.
            Some(_) => promoted.push(group.finding),
        }
    }
    for (lead, follower) in followers {
        findings[leads[&lead]].followers.push(follower);
    }
    findings.extend(promoted);
    for finding in &mut findings {
        finding.followers.sort_by_cached_key(group::rank);
    }
    group::order(&mut findings);
    findings
}

/// The code of a finding, from what it waits for and what is known of it, and its severity.
fn classify(finding: &mut Finding, severities: &Severities) {
    let primitives = finding.waits.iter().filter_map(|wait| wait.primitive.as_ref());
    let sleeps = finding.waits.iter().filter(|wait| wait.reason == WaitReason::Sleep);
    let kinds: Vec<_> = sleeps
        .map(|_| PrimitiveKind::Timer)
        .chain(primitives.map(|primitive| match primitive.figure {
            // One that will not fire is waited for as for any channel that nobody sends to.
            Figure::TimerChan { due_in: None, .. } => PrimitiveKind::Chan,
            _ => primitive.kind,
        }))
        .collect();
    finding.code = match (&finding.circle, &finding.context) {
        (Some(circle), _) if circle.length > 1 => Code::Circle,
        (_, Some(ContextFault::OtherRoot { .. })) => Code::BrokenChain,
        (_, Some(ContextFault::Ignored { .. })) => Code::IgnoredContext,
        (Some(_), _) => Code::Circle,
        _ => Code::of_wait(finding.reason, &kinds),
    };
    finding.severity = match finding.is_body {
        // A body that does not end cannot pass.
        true => Severity::Deny,
        false => severities.of(finding.code, Some(finding.verdict.name())),
    };
}

/// Whether no rule and no severity allows `finding`; else it is counted.
fn is_told(name: &str, finding: &Finding, policy: &Policy, hidden: &mut Vec<Hidden>) -> bool {
    let by = match policy.rules.hide(name, finding) {
        Some(rule) => rule.report(finding.count),
        None if finding.severity > Severity::Allow => return true,
        None => by_severity(format!("{} or {}", finding.code, finding.verdict), finding.count, 0),
    };
    add(hidden, by);
    false
}

/// What a severity hid.
fn by_severity(rule: String, count: usize, primitives: usize) -> Hidden {
    Hidden { rule, source: "the severities".to_owned(), count, primitives }
}

/// Adds what was hidden to what the same rule hid before.
fn add(hidden: &mut Vec<Hidden>, by: Hidden) {
    match hidden.iter_mut().find(|known| known.rule == by.rule && known.source == by.source) {
        Some(same) => {
            same.count += by.count;
            same.primitives += by.primitives;
        }
        None => hidden.push(by),
    }
}

/// The primitives that are told; those that a rule or a setting hides are counted.
fn leftovers(
    name: &str,
    checked: &Checked,
    policy: &Policy,
    hidden: &mut Vec<Hidden>,
) -> Vec<Leftover> {
    let told = |leftover: &Leftover| {
        let severity = policy.severities.of(leftover.code, None);
        if severity == Severity::Allow {
            // What nobody is told unless they ask for it is not hidden.
            if leftover.code.default_severity() > Severity::Allow {
                add(hidden, by_severity(leftover.code.to_string(), 0, leftover.count));
            }
            return None;
        }
        if let Some(rule) = policy.rules.hide_leftover(name, leftover) {
            add(hidden, Hidden { primitives: leftover.count, ..rule.report(0) });
            return None;
        }
        Some(Leftover { severity, ..leftover.clone() })
    };
    checked.leftovers.iter().filter_map(told).collect()
}

/// The panics that are told, and how many more there are; those that a setting hides are counted.
fn panics(
    checked: &Checked,
    policy: &Policy,
    hidden: &mut Vec<Hidden>,
) -> (Vec<GoroutinePanic>, usize) {
    // Somebody may have received the others, so they fail a test only if that is asked for.
    let set = policy.severities.setting(Code::Panic, None);
    let severity = policy.severities.of(Code::Panic, None);
    let known = checked.panics.len();
    let (mut told, mut all) = (Vec::new(), 0);
    if severity > Severity::Allow {
        all += known;
        let kept = checked.panics.iter().take(SAMPLES);
        told.extend(kept.map(|note| goroutine_panic(note, severity)));
    } else if known > 0 {
        add(hidden, by_severity(Code::Panic.to_string(), known, 0));
    }
    for panic in &checked.untracked {
        let severity = set.unwrap_or(panic.severity);
        if severity == Severity::Allow {
            add(hidden, by_severity(Code::Panic.to_string(), 1, 0));
            continue;
        }
        all += 1;
        if told.len() < SAMPLES {
            told.push(GoroutinePanic { severity, ..panic.clone() });
        }
    }
    let more = all - told.len();
    (told, more)
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

fn finding(checked: &Checked, at: usize, stacks: &mut Stacks<'_>) -> Finding {
    let (suspect, verdict) = (&checked.suspects[at], checked.verdicts[at].clone());
    let own = suspect.thread_stacks.get().into_iter().flatten();
    let frames = suspect.stacks().iter().chain(own).map(|stack| stacks.resolve(stack));
    let outside = matches!(verdict, Verdict::Reachable { by: Holder::Outside });
    let ignored = suspect.ignored.map(|(made_at, cancelled_at)| ContextFault::Ignored {
        made_at: made_at.into(),
        cancelled_at: cancelled_at.map(SourceLine::from),
    });
    let place = checked.diagnosis.places.get(at);
    let number = u32::try_from(at).unwrap_or(u32::MAX);
    Finding {
        // Both are decided for the whole group.
        code: Code::External,
        severity: Severity::Deny,
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
        ancestry: ancestry(checked, suspect),
        followers: Vec::new(),
        waits_for: place.and_then(|place| place.waits_for),
        circle: checked.diagnosis.circles.get(&number).cloned(),
        context: ignored,
        probe: checked.probes.get(&suspect.key()).copied(),
        possible_holders: if outside { possible_holders(suspect) } else { Vec::new() },
        is_task: suspect.frozen.is_hosted(),
    }
}

/// How whoever started it was started, and so on; the nearest first.
fn ancestry(checked: &Checked, suspect: &Suspect) -> Vec<Ancestor> {
    let Some(watch) = &checked.watch else { return Vec::new() };
    let first = suspect.frozen.parent().and_then(|id| Some((id, watch.origin(id)?)));
    let next = |(_, spawned): &(_, Spawned)| {
        let id = spawned.by?;
        Some((id, watch.origin(id)?))
    };
    core::iter::successors(first, next)
        .take(ANCESTORS)
        .map(|(id, spawned)| Ancestor { id, at: spawned.at.into() })
        .collect()
}

/// The lines where handles were cloned that could release it.
fn possible_holders(suspect: &Suspect) -> Vec<(SourceLine, i64)> {
    let mut lines: Vec<(SourceLine, i64)> = Vec::new();
    for (record, _) in suspect.waits.iter().flat_map(|wait| &wait.capabilities) {
        for site in record.clones() {
            let at = SourceLine::from(site.at);
            match lines.iter().position(|(known, _)| *known == at) {
                Some(known) => lines[known].1 += site.amount,
                None if lines.len() < SAMPLES => lines.push((at, site.amount)),
                None => {}
            }
        }
    }
    lines
}

fn wait((info, primitive): (&WaitInfo, &Option<Arc<Primitive>>)) -> Wait {
    Wait { reason: info.reason, at: info.at.into(), primitive: primitive.as_deref().cloned() }
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
            Figure::Semaphore { free, size, wants, taken: outstanding(&record.sites()) }
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
pub(crate) fn outstanding(sites: &[inspect::Site]) -> Vec<(SourceLine, i64)> {
    let mut sums: Vec<(inspect::Location, i64)> = Vec::new();
    for site in sites {
        match sums.iter_mut().find(|(at, _)| *at == site.at) {
            Some((_, sum)) => *sum += site.amount,
            None => sums.push((site.at, site.amount)),
        }
    }
    sums.into_iter().filter(|(_, sum)| *sum > 0).map(|(at, sum)| (at.into(), sum)).collect()
}

fn goroutine_panic(note: &inspect::PanicNote, severity: Severity) -> GoroutinePanic {
    GoroutinePanic {
        severity,
        goroutine: Some(note.goroutine),
        created_at: note.created_at.into(),
        message: note.message.clone(),
    }
}
