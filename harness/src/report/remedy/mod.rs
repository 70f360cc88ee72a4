//! Says what to change: one or two sentences for each pattern of leak, with its lines and names.

mod chan;
mod circle;
mod context;
mod io;
mod nearby;
mod panics;
mod shared;
mod sync;

use gmp_core::inspect::{GoroutineId, PrimitiveKind, WaitReason};

use super::finding::{BodyOutcome, Figure, Finding, Primitive, Report, SourceLine, Wait};
use super::group::OWN_PRIMITIVES;
use super::source::{Sources, first_own};
use super::words::{count, duration};
use crate::leak::verdict::{Holder, Verdict};
pub(crate) use panics::of_panic;

/// The longest name that is taken from a source line.
const NAME_LIMIT: usize = 40;

/// What the developer can change so that `finding` does not leak.
///
/// The advice follows from the wait reason, the verdict, the figures and the other findings of
/// `report`. Names of variables are read from the source lines where these are at hand.
pub fn remedy(finding: &Finding, report: &Report, sources: &Sources) -> String {
    let case = Case { finding, report, sources };
    match (case.advice(), case.add_inside()) {
        (advice, Some(add)) => format!("{advice} {add}"),
        (advice, None) => advice,
    }
}

/// One finding with everything that an advice can draw on.
struct Case<'a> {
    finding: &'a Finding,
    report: &'a Report,
    sources: &'a Sources,
}

impl<'a> Case<'a> {
    fn advice(&self) -> String {
        if let Some(circle) = self.finding.circle.as_ref().filter(|circle| circle.length > 1) {
            return self.circle(circle);
        }
        if let Some(ignored) = self.ignored_context() {
            return ignored;
        }
        match self.finding.reason {
            WaitReason::ChanReceiveNil | WaitReason::ChanSendNil => self.nil_chan(),
            WaitReason::ChanReceive => self.timer_receive().unwrap_or_else(|| self.chan_receive()),
            WaitReason::ChanSend => self.chan_send(),
            WaitReason::SelectNoCases => {
                "A `select!` without arms never returns. Wait for something that ends, for example \
                 `ctx.done()`, or let the goroutine return."
                    .to_owned()
            }
            WaitReason::Select => self.select(),
            WaitReason::MutexLock => self.mutex(),
            WaitReason::RwLockRead | WaitReason::RwLockWrite => self.rwlock(),
            WaitReason::CondWait => self.cond(),
            WaitReason::OnceDo | WaitReason::SingleFlightDo => self.once(),
            WaitReason::Semacquire => self.semaphore(),
            WaitReason::WaitGroupWait => self.wait_group(),
            WaitReason::ContextDone => self.context_done(),
            WaitReason::Sleep => self.sleep(),
            WaitReason::Join => self.join(),
            WaitReason::IoWait => self.io_wait(),
            WaitReason::External => self.external(),
            WaitReason::NoWaker => self.no_waker(),
            WaitReason::Runnable => self.runnable(),
            WaitReason::Running => self.running(),
            _ => format!(
                "Wait in a `select!` beside `ctx.done()`, or keep the `JoinHandle` from {} and \
                 `abort()` it.",
                self.spawn_line()
            ),
        }
    }

    /// Several leaves: the arm that was meant to end the wait decides.
    fn select(&self) -> String {
        if self.waits_on(PrimitiveKind::Context).next().is_some() {
            return self.context_done();
        }
        if self.finding.waits.iter().any(is_timer) {
            return self.sleep();
        }
        let who = match self.finding.waits.len() {
            1 => self.who_could("make its only arm ready"),
            arms => self.who_could(&format!("make one of its {arms} arms ready")),
        };
        format!("{who} Add an arm for `ctx.done()` that returns{}.", self.or_close())
    }

    /// `, or close chan #4 when its producers are done`, if there is such an arm; one that leaves the `select!`
    /// was made for it.
    fn or_close(&self) -> String {
        let is_timed = self.finding.waits.iter().any(is_timer);
        if let Some(name) = self.ending_arm().filter(|_| !is_timed) {
            return format!(", or close `{name}`, whose arm ends it");
        }
        let receives = |wait: &&Wait| wait.reason != WaitReason::ChanSend;
        self.waits_on(PrimitiveKind::Chan).find(receives).map_or(String::new(), |wait| {
            format!(", or close {} when its producers are done", self.name(wait))
        })
    }

    /// Advice on a receive from the channel of a timer or a ticker.
    fn timer_receive(&self) -> Option<String> {
        let wait = self.finding.waits.first()?;
        let Figure::TimerChan { due_in, every, resets, .. } = wait.primitive.as_ref()?.figure
        else {
            return None;
        };
        let name = self.name(wait);
        Some(match (due_in, every) {
            (Some(_), Some(_)) => format!(
                "A ticker never ends by itself, and stopping it does not close its channel. Receive \
                 from {name} in a `select!` beside `ctx.done()`, and stop it when the loop ends."
            ),
            (Some(left), None) if resets > 0 => format!(
                "{name} was reset {}, which put it off each time; it is due in {}. Stop it when \
                 nobody needs it any more, and wait in a `select!` beside `ctx.done()`.",
                count(resets as usize, "time"),
                duration(left)
            ),
            (Some(_), None) => self.sleep(),
            (None, _) => format!(
                "{name} has fired or was stopped, and its channel is not closed then: this receive \
                 waits for ever. Reset it before, or receive in a `select!` beside `ctx.done()`."
            ),
        })
    }

    fn sleep(&self) -> String {
        let left = match self.finding.verdict {
            Verdict::Timer { due_in } => Some(due_in),
            _ => self.waits_on(PrimitiveKind::Timer).find_map(|wait| {
                match wait.primitive.as_ref()? {
                    Primitive { figure: Figure::Timer { due_in }, .. } => Some(*due_in),
                    _ => None,
                }
            }),
        };
        let left = left.map_or("Its timer".to_owned(), |left| {
            format!("Its timer, due in {},", duration(left))
        });
        if self.finding.is_body {
            return format!(
                "{left} is later than the test can wait. Shorten it, or raise `timeout`."
            );
        }
        match self.finding.reason {
            WaitReason::Select => {
                let put_off = match self.resets() {
                    0 => String::new(),
                    n => format!(" It was put off {} by `reset`.", count(n as usize, "time")),
                };
                format!(
                    "{left} is the only arm that can still end this `select!`.{put_off} Add an arm for \
                     `ctx.done()` that returns{}, so that the goroutine ends with the test.",
                    self.or_close()
                )
            }
            _ => format!(
                "{left} outlives the test. Wait in a `select!` for it and for `ctx.done()`, or keep \
                 the `JoinHandle` from {} and `abort()` it.",
                self.spawn_line()
            ),
        }
    }

    /// How often the timers that it waits for were reset.
    fn resets(&self) -> u32 {
        let figures = self.finding.waits.iter().filter_map(|wait| wait.primitive.as_ref());
        let resets = figures.filter_map(|primitive| match primitive.figure {
            Figure::TimerChan { resets, .. } => Some(resets),
            _ => None,
        });
        resets.sum()
    }

    fn join(&self) -> String {
        let target =
            self.finding.waits.iter().find_map(|wait| match wait.primitive.as_ref()?.figure {
                Figure::Goroutine { target } => Some(target),
                _ => None,
            });
        let Some(target) = target else {
            return "The goroutine that is joined never ends. `abort()` it before the join."
                .to_owned();
        };
        match self.leak_of(target) {
            Some(leak) => format!(
                "It joins {target}, which is itself stuck in {}. Cure that leak first; this one goes \
                 with it.",
                self.place(leak)
            ),
            None => format!("{target}, which it joins, never ends. `abort()` it before the join."),
        }
    }

    fn external(&self) -> String {
        let who = "Something outside gmp's primitives keeps its waker: I/O, a future of another \
                   crate, or an OS thread.";
        if self.finding.is_body {
            return format!(
                "{who} Find out why that end never answers; `gmp::time::timeout` around the await \
                 turns the silence into an error."
            );
        }
        format!(
            "{who} Close that end before the test returns, or keep the `JoinHandle` from {} \
             and `abort()` it.",
            self.spawn_line()
        )
    }

    fn no_waker(&self) -> String {
        let at = self.top_line().map_or(String::new(), |at| format!(" at {at}"));
        format!(
            "The future awaited{at} returned `Pending` and kept no waker, so nothing can ever poll it \
             again; `std::future::pending()` does so on purpose. Store `cx.waker()` in it, or wait in \
             a `select!` beside `ctx.done()`."
        )
    }

    fn runnable(&self) -> String {
        let running = |other: &&Finding| other.reason == WaitReason::Running;
        if let Some(id) = self.report.groups().find(running).and_then(|f| f.goroutines.first()) {
            return format!("It could go on, but {id} never gives the P back; end that one first.");
        }
        let at = self.top_line().map_or(String::new(), |at| format!(" at {at}"));
        format!(
            "It yields again and again{at} and never ends. See to it that what the loop polls comes true, \
             wait for it instead of asking (a channel, a `WaitGroup`), or leave the loop when the \
             context is done."
        )
    }

    fn running(&self) -> String {
        let line = self.top_line().unwrap_or_else(|| self.spawn_line());
        format!(
            "It never reaches an await that waits. Leave the loop in the goroutine of {line} when \
             the context is done, and move blocking calls into `gmp::blocking`."
        )
    }

    /// The waits on primitives of this kind.
    fn waits_on(&self, kind: PrimitiveKind) -> impl Iterator<Item = &'a Wait> {
        let of_kind =
            move |wait: &&Wait| wait.primitive.as_ref().is_some_and(|found| found.kind == kind);
        self.finding.waits.iter().filter(of_kind)
    }

    /// The finding that this goroutine belongs to.
    fn leak_of(&self, id: GoroutineId) -> Option<&'a Finding> {
        self.report.groups().find(|finding| finding.goroutines.contains(&id))
    }

    /// `chan send at src/a.rs:5`.
    fn place(&self, finding: &Finding) -> String {
        match finding.waits.first() {
            Some(wait) => format!("{} at {}", finding.reason, self.sources.show_line(&wait.at)),
            None => finding.reason.to_string(),
        }
    }

    /// Where the goroutine was started.
    fn spawn_line(&self) -> String {
        self.sources.show_line(&self.finding.created_at)
    }

    /// The innermost line that is known.
    fn top_line(&self) -> Option<String> {
        let frame = self.finding.stacks.first().and_then(|stack| stack.get(first_own(stack)));
        frame.and_then(|frame| frame.at.as_ref()).map(|at| self.sources.show_line(at))
    }

    /// Whether the body is asleep for ever, so that advice to its successors is in vain.
    fn is_sleeping_body(&self) -> bool {
        self.finding.is_body && self.report.outcome == BodyOutcome::Asleep
    }

    /// The variable that the operation was called on, or the kind and id of the primitive.
    fn name(&self, wait: &Wait) -> String {
        match (self.variable(&wait.at), &wait.primitive) {
            (Some(variable), _) => format!("`{variable}`"),
            (None, Some(Primitive { id, kind, .. })) => format!("{kind} {id}"),
            (None, None) => "the channel".to_owned(),
        }
    }

    /// Reads `self.jobs` out of `self.jobs.recv()`, when the column points at the method.
    fn variable(&self, at: &SourceLine) -> Option<String> {
        let line = self.sources.line(at)?;
        let column = usize::try_from(at.column).ok()?.checked_sub(1)?;
        let (column, _) = line.char_indices().nth(column)?;
        let (before, call) = line.split_at(column);
        let before = before.strip_suffix('.')?;
        if !call.starts_with(|c: char| c.is_alphabetic()) {
            return None;
        }
        let part = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
        let name = before.rsplit(|c| !part(c)).next()?;
        let plausible = name.starts_with(|c: char| c.is_alphabetic() || c == '_');
        (plausible && name.len() <= NAME_LIMIT).then(|| name.to_owned())
    }

    /// Who could still do `deed`, as a sentence; `nobody` when it is proven that no one can.
    fn who_could(&self, deed: &str) -> String {
        match &self.finding.verdict {
            Verdict::Reachable { by: Holder::Outside } => format!(
                "Only something outside this test could still {deed}: a static, another test, an OS \
                 thread or a leaked `Arc`."
            ),
            Verdict::Reachable { by: Holder::Goroutine { id, verdict } } => {
                format!("Only {id} ({verdict}) could still {deed}; end that one first.")
            }
            _ => format!("Nobody is left to {deed}."),
        }
    }

    /// Whether something outside the test could still release it.
    fn is_held_outside(&self) -> bool {
        matches!(self.finding.verdict, Verdict::Reachable { by: Holder::Outside })
    }

    /// ` at src/a.rs:5`, or nothing when it is not known where the primitive was made.
    fn made_at(&self, primitive: &Primitive) -> String {
        let at = primitive.created_at.as_ref();
        at.map_or(String::new(), |at| format!(" at {}", self.sources.show_line(at)))
    }

    /// Whether every member of the group waits on the same primitives.
    fn is_shared(&self) -> bool {
        !self.finding.notes.iter().any(|note| note.contains(OWN_PRIMITIVES))
    }
}

/// Whether it ends by itself when its time has come.
fn is_timer(wait: &Wait) -> bool {
    let on = wait.primitive.as_ref().map(|on| on.kind);
    let on_timer = matches!(on, Some(PrimitiveKind::Timer | PrimitiveKind::Ticker));
    wait.reason == WaitReason::Sleep || on_timer
}

#[cfg(test)]
mod tests;
