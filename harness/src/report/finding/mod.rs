//! The model of a report: plain data that the detector fills in and every output reads.

mod context;

use core::time::Duration;
use std::path::PathBuf;

use gmp_core::inspect::{GoroutineId, IoWant, PrimitiveId, PrimitiveKind, TimerInfo, WaitReason};

use crate::leak::code::Code;
use crate::leak::severity::Severity;
use crate::leak::verdict::Verdict;
pub use context::{CancelProbe, ContextFault, ContextNode, ContextState};

/// Everything one check has to say about one scope.
#[derive(Clone, Debug)]
pub struct Report {
    /// Name of the test, or of the scope.
    pub name: String,
    /// How the body ended.
    pub outcome: BodyOutcome,
    /// Groups of equal leaks, each a cause with whatever is stuck behind it; the most telling first.
    pub findings: Vec<Finding>,
    /// Primitives that were left in a bad state, and that no finding speaks of.
    pub leftovers: Vec<Leftover>,
    /// The wait-for graph from goroutine to goroutine, as far as it is kept.
    pub graph: Graph,
    /// The first goroutines other than the body that panicked.
    pub panics: Vec<GoroutinePanic>,
    /// How many more panicked.
    pub more_panics: usize,
    /// What destructors did while stuck goroutines were reaped.
    pub reap_notes: Vec<String>,
    /// The contexts of the scope, roots first; empty when nothing waits for one.
    pub contexts: Vec<ContextNode>,
    /// How many more there are: the tree is kept as far as it leads to waiters and breaks.
    pub more_contexts: usize,
    /// What was alive when the scope opened, and what is alive at the check.
    pub stock: Stock,
    /// What each allow rule hid.
    pub hidden: Vec<Hidden>,
    /// From the body's end to the last verdict, symbols apart.
    pub verdict_after: Duration,
}

impl Report {
    /// Whether a test with this report passes: the body was successful, nothing panicked, and what is
    /// left has a severity below `deny`.
    pub fn is_clean(&self) -> bool {
        matches!(self.outcome, BodyOutcome::Passed | BodyOutcome::NoBody)
            && !self.has_denied()
            && self.reap_notes.is_empty()
    }

    /// Whether something is left whose severity is `deny`.
    pub fn has_denied(&self) -> bool {
        self.groups().any(|finding| finding.severity == Severity::Deny)
            || self.panics.iter().any(|panic| panic.severity == Severity::Deny)
            || self.leftovers.iter().any(|leftover| leftover.severity == Severity::Deny)
    }

    /// Whether something is left whose severity is `warn`.
    pub fn has_warnings(&self) -> bool {
        self.groups().any(|finding| finding.severity == Severity::Warn)
            || self.leftovers.iter().any(|leftover| leftover.severity == Severity::Warn)
            || self.panics.iter().any(|panic| panic.severity == Severity::Warn)
    }

    /// All groups: the causes, and whatever is behind each.
    pub fn groups(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().flat_map(|finding| core::iter::once(finding).chain(&finding.followers))
    }
}

impl Default for Report {
    /// Nothing was found, and there was no body.
    fn default() -> Self {
        Self {
            name: String::new(),
            outcome: BodyOutcome::NoBody,
            findings: Vec::new(),
            leftovers: Vec::new(),
            graph: Graph::default(),
            panics: Vec::new(),
            more_panics: 0,
            reap_notes: Vec::new(),
            contexts: Vec::new(),
            more_contexts: 0,
            stock: Stock::default(),
            hidden: Vec::new(),
            verdict_after: Duration::ZERO,
        }
    }
}

impl core::fmt::Display for Report {
    /// The text that a failing test prints, without colour.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&super::text::render(self, &super::text::Style::plain()))
    }
}

/// How the body of a test or scope ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BodyOutcome {
    /// It returned, successfully.
    Passed,
    /// It returned a failure (`Err`), already printed.
    Failed,
    /// It panicked with this message.
    Panicked(String),
    /// It is blocked, and nothing can release it: "all goroutines are asleep".
    Asleep,
    /// It had not ended after this time.
    TimedOut(Duration),
    /// There is no body: a check that was asked for by hand.
    NoBody,
}

/// One group of goroutines that leaked in the same way: same verdict, spawn line and wait set.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The code of its cause; each has a page.
    pub code: Code,
    /// What it does to the test.
    pub severity: Severity,
    /// How sure it is.
    pub verdict: Verdict,
    /// Why the goroutine is parked; `Select` where several leaves belong to one select.
    pub reason: WaitReason,
    /// How many goroutines are in this group.
    pub count: usize,
    /// The first few of them.
    pub goroutines: Vec<GoroutineId>,
    /// The group is the test body itself.
    pub is_body: bool,
    /// How long the longest-waiting of them has been parked.
    pub waited: Duration,
    /// What it waits for: one entry a leaf. Empty for External, NoWaker and Running.
    pub waits: Vec<Wait>,
    /// Where it was started.
    pub created_at: SourceLine,
    /// Who started it; `None` for the body and for goroutines started from outside the runtime.
    pub created_by: Option<GoroutineId>,
    /// The async stack, innermost function first, runtime frames trimmed. A goroutine that waits on
    /// several branches (`join!`, `select!`) has one stack a branch.
    pub stacks: Vec<Vec<Frame>>,
    /// Further sentences of evidence ("its M was abandoned", "lost wake-up", ..).
    pub notes: Vec<String>,
    /// How the goroutine that started it was started, and so on.
    pub ancestry: Vec<Ancestor>,
    /// Groups that are stuck behind this one: they go on, or may do so, once this is cured.
    pub followers: Vec<Finding>,
    /// The goroutine that the first of the group waits for, if it is behind one.
    pub waits_for: Option<GoroutineId>,
    /// The circle that the first of the group is part of.
    pub circle: Option<Circle>,
    /// Why the context it waits for, or has, does not end it.
    pub context: Option<ContextFault>,
    /// What the live cancel probe found, if it was asked for.
    pub probe: Option<CancelProbe>,
    /// Lines where handles were cloned that could release it and that nobody here held at the end.
    pub possible_holders: Vec<(SourceLine, i64)>,
    /// It is a task of another runtime, such as tokio.
    pub is_task: bool,
}

impl Finding {
    /// What one of them is called.
    pub(crate) fn noun(&self) -> &'static str {
        if self.is_task { "task" } else { "goroutine" }
    }

    /// The goroutines of this group and of those behind it.
    pub fn total(&self) -> usize {
        self.count + self.behind()
    }

    /// The goroutines of the groups behind this one.
    pub fn behind(&self) -> usize {
        self.followers.iter().map(|follower| follower.count).sum()
    }
}

/// How an ancestor of a goroutine was started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ancestor {
    /// Which.
    pub id: GoroutineId,
    /// Where it was started.
    pub at: SourceLine,
}

/// One edge of the wait-for graph: a goroutine waits for what another one could do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edge {
    /// Who waits.
    pub from: GoroutineId,
    /// Who could release it.
    pub to: GoroutineId,
    /// On what; `None` for a join.
    pub primitive: Option<(PrimitiveId, PrimitiveKind)>,
    /// Where `from` waits.
    pub at: Option<SourceLine>,
    /// Where `to` took what it holds: a lock, or the run of a `Once`.
    pub held_at: Option<SourceLine>,
}

/// Goroutines that wait for one another in a circle; one that waits for itself is a circle of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Circle {
    /// The first steps, each from one goroutine to the next.
    pub steps: Vec<Edge>,
    /// How many goroutines are in it.
    pub length: usize,
}

/// The wait-for graph as far as it is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Graph {
    /// The first edges, by the goroutine that waits.
    pub edges: Vec<Edge>,
    /// How many there are.
    pub total: usize,
}

/// Primitives that were made at one line and left in a bad state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leftover {
    /// The code; each has a page.
    pub code: Code,
    /// What it does to the test.
    pub severity: Severity,
    /// The first of them.
    pub id: PrimitiveId,
    /// Their kind.
    pub kind: PrimitiveKind,
    /// Where they were made.
    pub created_at: SourceLine,
    /// How many.
    pub count: usize,
    /// Of the first: the counter, the values nobody received, the guards or permits nobody dropped, or the
    /// cancel handles.
    pub amount: i64,
    /// Still alive when the scope ended, so somebody outside has it.
    pub is_alive: bool,
    /// Of the first: what lines did to it, such as `add` and `done`.
    pub lines: Vec<(SourceLine, i64)>,
    /// Of the first: who locked it, and where.
    pub held: Option<(Option<GoroutineId>, SourceLine)>,
    /// Of the first, a timer or a ticker: when it fires.
    pub timer: Option<TimerInfo>,
}

/// One leaf of a parked goroutine.
#[derive(Clone, Debug)]
pub struct Wait {
    /// Why this leaf waits.
    pub reason: WaitReason,
    /// The line of the user's operation.
    pub at: SourceLine,
    /// The primitive it waits on; `None` for a nil channel or an empty select.
    pub primitive: Option<Primitive>,
}

/// A primitive as it was when the scope was frozen.
#[derive(Clone, Debug)]
pub struct Primitive {
    /// Its identity.
    pub id: PrimitiveId,
    /// Its kind.
    pub kind: PrimitiveKind,
    /// Where it was created; `None` when it was made outside any watched scope.
    pub created_at: Option<SourceLine>,
    /// Its figures.
    pub figure: Figure,
}

/// The figures of a primitive.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Figure {
    /// A channel.
    Chan {
        /// Values in the buffer.
        len: usize,
        /// Capacity; zero is a rendezvous.
        cap: usize,
        /// Live handles that can send, as far as they are counted.
        senders: usize,
        /// Live handles that can receive.
        receivers: usize,
        /// Made by `channel()`, whose ends close by drop; a `Chan` only closes by `close`.
        pair: bool,
    },
    /// A mutex and its holder.
    Mutex {
        /// The goroutine that locked it.
        holder: Option<GoroutineId>,
        /// Where it was locked.
        locked_at: Option<SourceLine>,
    },
    /// A RwLock and its holders.
    RwLock {
        /// Who holds its guards, and where each was taken.
        holders: Vec<(Option<GoroutineId>, SourceLine)>,
        /// The one holder is a writer.
        writer: bool,
        /// Writers in line; they stop new readers.
        pending_writers: usize,
    },
    /// A Once and its runner.
    Once {
        /// The goroutine that runs it.
        runner: Option<GoroutineId>,
        /// Where that called it.
        called_at: Option<SourceLine>,
    },
    /// A semaphore.
    Semaphore {
        /// Permits that nobody holds.
        free: u64,
        /// All permits.
        size: u64,
        /// How many this waiter wants.
        wants: u64,
        /// Lines that took permits which were not given back, with their sums.
        taken: Vec<(SourceLine, i64)>,
    },
    /// A WaitGroup: its counter, and the lines that added and the lines that were done.
    WaitGroup {
        /// The counter.
        counter: i64,
        /// Lines of `add` with their sums.
        adds: Vec<(SourceLine, i64)>,
        /// Lines of `done` with their counts.
        dones: Vec<(SourceLine, i64)>,
    },
    /// The channel of a timer or a ticker.
    TimerChan {
        /// Time until it fires; `None` if it has fired, was stopped, or never fires.
        due_in: Option<Duration>,
        /// The time between two ticks of a ticker.
        every: Option<Duration>,
        /// How often it was reset.
        resets: u32,
        /// Handles of the channel.
        handles: usize,
    },
    /// A sleep and the time left.
    Timer {
        /// Time until it fires.
        due_in: Duration,
    },
    /// A context: see [`Report::contexts`].
    Context {
        /// Live cancel handles of it and of its ancestors.
        cancel_handles: usize,
        /// Time until the nearest deadline.
        deadline_in: Option<Duration>,
        /// It, or an ancestor, is the context that the harness cancels when the body ends.
        below_test_context: bool,
    },
    /// A socket, a pipe or a process.
    Io {
        /// Its own address, if it has one.
        local: Option<String>,
        /// The address of the other end, if it has one.
        peer: Option<String>,
        /// What is waited for.
        want: IoWant,
        /// For how long.
        since: Duration,
    },
    /// A goroutine that is joined.
    Goroutine {
        /// Which.
        target: GoroutineId,
    },
    /// Nothing to say.
    None,
}

/// A position in the user's source.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceLine {
    /// File, as the compiler named it.
    pub file: PathBuf,
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1; 0 when unknown.
    pub column: u32,
}

impl From<&core::panic::Location<'_>> for SourceLine {
    fn from(at: &core::panic::Location<'_>) -> Self {
        Self { file: PathBuf::from(at.file()), line: at.line(), column: at.column() }
    }
}

/// One function of an async stack.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Frame {
    /// Demangled path without hash and without the `{{closure}}` of async functions.
    pub function: String,
    /// Where in it; `None` without debug information.
    pub at: Option<SourceLine>,
}

/// A goroutine other than the body that panicked.
#[derive(Clone, Debug)]
pub struct GoroutinePanic {
    /// What it does to the test.
    pub severity: Severity,
    /// Which. `None` for a task of another runtime that is not tracked: whether somebody has received its panic
    /// is not known.
    pub goroutine: Option<GoroutineId>,
    /// Where it was started; of a task that is not tracked, where it panicked.
    pub created_at: SourceLine,
    /// The panic message.
    pub message: String,
}

impl GoroutinePanic {
    /// What it is called.
    pub(crate) fn who(&self) -> String {
        self.goroutine.map_or_else(|| "a tokio task".to_owned(), |id| id.to_string())
    }

    /// What happened where the place is.
    pub(crate) fn deed(&self) -> &'static str {
        if self.goroutine.is_some() { "started" } else { "panicked" }
    }
}

/// What is alive, by kind, before and after.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stock {
    /// When the scope opened.
    pub before: Counts,
    /// At the check.
    pub after: Counts,
}

/// Live things by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Goroutines.
    pub goroutines: usize,
    /// Channels.
    pub chans: usize,
    /// WaitGroups.
    pub waitgroups: usize,
    /// Mutexes and RwLocks.
    pub mutexes: usize,
    /// Armed timers.
    pub timers: usize,
    /// Contexts.
    pub contexts: usize,
}

/// What one allow rule, or the severity, hid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hidden {
    /// The rule as it was written.
    pub rule: String,
    /// Where it came from: `GMP_LEAK_IGNORE`, `#[gmp::test(ignore(..))]`, ..
    pub source: String,
    /// How many goroutines it hid.
    pub count: usize,
    /// How many primitives that were left behind it hid.
    pub primitives: usize,
}
