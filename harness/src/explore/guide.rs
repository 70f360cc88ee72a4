//! The policy of explored schedules: it asks a strategy or follows a script, and keeps what was decided.

use std::collections::HashMap;

use gmp_core::inspect::{GoroutineId, Location, Operation};
use gmp_core::runtime::policy::{Choice, Event, Options, Policy};

use super::pins::Pins;
use super::rng::{Rng, mix};
use super::strategy::Way;

/// Decisions in a row after which going on is not the ordinary thing any more.
const IN_A_ROW: u32 = 400;
/// Decisions in a row by which a timer was passed by after which it fires: somebody may wait for it in a loop.
const PATIENCE: u32 = 4_096;
/// A planned decision is expected in the next poll if fewer than so many come before it, and in how many polls in
/// a row it may be waited for. Which of these holds differs from schedule to schedule: where it is too few, the
/// decision is made later.
const SOON: [(u32, u32); 4] = [(1, 4), (2, 8), (4, 32), (64, u32::MAX)];

/// What a decision was where it was not the [ordinary](Guide::ordinary) one; of equals that is the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    /// This goroutine ran.
    Run(u32),
    /// The next timer fired.
    Timer,
    /// This one of equals was chosen.
    Pick(u32),
}

/// A decision that was not the ordinary one: the `nth` that was made while goroutine `g` ran, or had run last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    pub(super) g: u32,
    pub(super) nth: u32,
    pub(super) deed: Deed,
}

/// Who decides.
#[derive(Clone, Debug)]
pub(super) enum Mind {
    Way(Way),
    Script(HashMap<(u32, u32), Deed>),
}

impl Mind {
    /// Before it is told who decides.
    pub(super) fn nobody() -> Self {
        Self::Way(Way::nobody())
    }

    pub(super) fn script(turns: &[Turn]) -> Self {
        Self::Script(turns.iter().map(|turn| ((turn.g, turn.nth), turn.deed)).collect())
    }
}

/// What happened in a schedule.
#[derive(Clone, Debug, Default)]
pub(super) struct Course {
    pub(super) turns: Vec<Turn>,
    pub(super) events: Vec<Event>,
    /// Before which events a decision was made that was not the ordinary one.
    pub(super) marks: Vec<usize>,
    /// Whether operations that are not awaited were points as well.
    pub(super) inside: bool,
    /// The goroutines by number: identity, and the line that started it.
    pub(super) goroutines: Vec<(GoroutineId, Location)>,
}

/// The policy of one schedule after the other.
#[derive(Clone, Debug)]
pub(super) struct Guide {
    pub(super) mind: Mind,
    /// Operations that are not awaited are points as well.
    pub(super) inside: bool,
    /// Before which of the decisions inside polls a strategy may choose another goroutine, the last one first.
    /// Suspending a poll takes threads: it happens a few times in a schedule at most.
    plan: Vec<u32>,
    /// One of [`SOON`].
    soon: (u32, u32),
    /// How many polls have been waited in for the next planned decision.
    waited: u32,
    /// Decisions inside polls so far.
    pub(super) within: u32,
    pub(super) rng: Rng,
    /// Of all decisions and what there was to decide.
    pub(super) hash: u64,
    pub(super) decisions: u32,
    /// Where no poll is suspended any more, with all guides of this exploration.
    pub(super) pins: Pins,
    /// The first thing that a script asked for and could not have, and what came before it.
    missed: Option<(Turn, Option<Event>)>,
    /// `Some`: it keeps what happens.
    pub(super) course: Option<Course>,
    /// Who runs, or ran last, and how many decisions each has had; while it keeps what happens.
    last: u32,
    had: Vec<u32>,
    /// Who runs has nothing to do for the moment; while it keeps what happens.
    idle: bool,
    /// Who had nothing to do when it was last asked, and has gone on since.
    looks: Option<u32>,
    /// Decisions in a row by which the same goroutine went on.
    in_a_row: u32,
    /// Decisions in a row by which a timer that could fire did not.
    passed_by: u32,
}

impl Guide {
    pub(super) fn new(mind: Mind, rng: Rng, keeps: bool) -> Self {
        let course = keeps.then(Course::default);
        let (had, idle, in_a_row) = (Vec::new(), false, 0);
        Self {
            mind,
            inside: false,
            plan: Vec::new(),
            soon: SOON[0],
            waited: 0,
            within: 0,
            rng,
            hash: 0,
            decisions: 0,
            pins: Pins::default(),
            missed: None,
            course,
            last: 0,
            had,
            idle,
            looks: None,
            in_a_row,
            passed_by: 0,
        }
    }

    /// Makes it ready for the next schedule.
    pub(super) fn begin(&mut self) {
        (self.hash, self.decisions, self.missed, self.last) = (0, 0, None, 0);
        (self.idle, self.in_a_row, self.passed_by) = (false, 0, 0);
        (self.within, self.waited, self.looks) = (0, 0, None);
        self.had.clear();
        if let Some(course) = &mut self.course {
            *course = Course { inside: self.inside, ..Course::default() };
        }
    }

    /// Gives it the way of the `number`th schedule of `seed`. At most `within` decisions inside polls are known
    /// from others.
    pub(super) fn set_out(
        &mut self,
        way: impl FnOnce(&mut Rng, Way) -> Way,
        seed: u64,
        number: u64,
        within: u32,
    ) {
        self.rng = Rng::of_schedule(seed, number);
        self.plan.clear();
        if self.inside {
            let mut rng = Rng::of_schedule(!seed, number);
            // Half of the schedules look at a beginning of random length only.
            let span =
                within.max(1) >> (rng.below(2) * rng.below(1 + within.max(1).ilog2() as usize));
            self.soon = SOON[rng.below(SOON.len())];
            let most = [1, 1, 2, 3, 5][rng.below(5)];
            // One more than is known: where each schedule is left at once nobody sees how many there are.
            self.plan.extend((0..most).map(|_| rng.below(span as usize + 1) as u32));
            self.plan.sort_unstable_by(|a, b| b.cmp(a));
        }
        let spare = match core::mem::replace(&mut self.mind, Mind::nobody()) {
            Mind::Way(way) => way,
            Mind::Script(_) => Way::nobody(),
        };
        self.mind = Mind::Way(way(&mut self.rng, spare));
    }

    /// How many decisions there were before this one while the same goroutine ran.
    fn nth(&mut self) -> u32 {
        let last = self.last as usize;
        if self.had.len() <= last {
            self.had.resize(last + 1, 0);
        }
        self.had[last] += 1;
        self.had[last] - 1
    }

    /// Decides inside a poll: as planned, or where whoever runs has nothing to do.
    fn inside(&mut self, options: &Options<'_>) -> Choice {
        let planned = self.plan.last().is_some_and(|at| *at <= self.within);
        self.within += 1;
        self.waited = 0;
        match &mut self.mind {
            Mind::Way(way) if planned && !options.pinned => {
                self.plan.pop();
                way.leave(options, &mut self.rng)
            }
            Mind::Way(way) if self.looks == options.current && !options.pinned => {
                way.next(options, self.decisions, &mut self.rng)
            }
            _ => Choice::Current,
        }
    }

    /// What the script says for this decision.
    fn deed(&self, nth: u32) -> Option<Deed> {
        match &self.mind {
            Mind::Way(_) => None,
            Mind::Script(deeds) => deeds.get(&(self.last, nth)).copied(),
        }
    }

    /// What is decided where nothing else is said: who runs goes on, unless it has nothing to do or has gone on
    /// for long; else the one that has been ready for longest; else the next timer, which is not passed by for ever.
    fn ordinary(&mut self, options: &Options<'_>) -> Choice {
        let tired = self.idle || self.in_a_row > IN_A_ROW;
        match options.current {
            _ if options.timer && self.passed_by > PATIENCE => Choice::Timer,
            Some(_) if !tired => Choice::Current,
            _ if !options.ready.is_empty() => Choice::Ready(0),
            _ => Choice::Timer,
        }
    }

    fn keep(&mut self, nth: u32, deed: Deed) {
        let g = self.last;
        if let Some(course) = &mut self.course {
            course.turns.push(Turn { g, nth, deed });
            course.marks.push(course.events.len());
        }
    }

    /// The script asks for something at this decision that cannot be had.
    fn misses(&mut self, nth: u32) {
        let g = self.last;
        if let (None, Some(deed)) = (&self.missed, self.deed(nth)) {
            let events = self.course.iter().flat_map(|course| course.events.iter().rev());
            let before = events
                .copied()
                .find(|event| matches!(event, Event::Does { g: of, .. } if *of == g));
            self.missed = Some((Turn { g, nth, deed }, before));
        }
    }

    /// Where the schedule did not go as `turns` say; `None` if it did.
    pub(super) fn strays_from(&self, turns: &[Turn]) -> Option<String> {
        let was_to = |deed: Deed| match deed {
            Deed::Run(g) => format!("goroutine {g} was to run"),
            Deed::Timer => "the next timer was to fire".into(),
            Deed::Pick(which) => format!("number {} of equals was to be chosen", which + 1),
        };
        if let Some((Turn { g, nth, deed }, before)) = self.missed {
            let after = match before {
                Some(Event::Does { operation, at: Some(at), .. }) => {
                    format!(", after `{operation}` at {}:{}", at.file(), at.line())
                }
                _ => String::new(),
            };
            let (nth, deed) = (nth + 1, was_to(deed));
            return Some(format!(
                "at decision {nth} of goroutine {g}{after}, {deed}, which it cannot"
            ));
        }
        let had = |g: u32| self.had.get(g as usize).copied().unwrap_or(0);
        let Turn { g, nth, deed } = turns.iter().find(|turn| turn.nth >= had(turn.g))?;
        let at = self.course.as_ref().and_then(|course| course.goroutines.get(*g as usize));
        let who = match at {
            Some((_, at)) => format!("goroutine {g}, of {}:{},", at.file(), at.line()),
            None => format!("there is no goroutine {g}, which"),
        };
        Some(format!("{who} does not come to decision {}, where {}", nth + 1, was_to(*deed)))
    }

    fn follow(&mut self, options: &Options<'_>, nth: u32) -> Choice {
        let choice = match self.deed(nth) {
            None => return self.ordinary(options),
            Some(Deed::Timer) if options.timer => Some(Choice::Timer),
            Some(Deed::Run(g)) if options.current == Some(g) => Some(Choice::Current),
            Some(Deed::Run(g)) => options.ready.iter().position(|r| *r == g).map(Choice::Ready),
            Some(_) => None,
        };
        choice.unwrap_or_else(|| {
            self.misses(nth);
            self.ordinary(options)
        })
    }
}

impl Policy for Guide {
    fn next(&mut self, options: Options<'_>) -> Choice {
        let kept = self.course.is_some();
        let nth = if kept { self.nth() } else { 0 };
        let choice = match &mut self.mind {
            Mind::Script(_) if options.pinned => Choice::Current,
            Mind::Script(_) => self.follow(&options, nth),
            Mind::Way(_) if options.inside => self.inside(&options),
            Mind::Way(way) => {
                self.decisions += 1;
                way.next(&options, self.decisions - 1, &mut self.rng)
            }
        };
        let (word, deed) = match choice {
            Choice::Current => (0, Deed::Run(options.current.unwrap_or(0))),
            Choice::Ready(i) => (u64::from(options.ready[i]) + 2, Deed::Run(options.ready[i])),
            Choice::Timer => (1, Deed::Timer),
        };
        let open = (options.ready.len() as u64) << 1 | u64::from(options.timer);
        let current = options.current.map_or(0, |g| u64::from(g) + 1);
        self.hash = mix(self.hash, word | open << 20 | current << 42);
        if choice != Choice::Current {
            self.looks = None;
        }
        // Pinned decisions as well: a script may find them open.
        if kept && choice != self.ordinary(&options) {
            self.keep(nth, deed);
        }
        self.in_a_row = if choice == Choice::Current { self.in_a_row + 1 } else { 0 };
        let passed_by = options.timer && choice != Choice::Timer;
        self.passed_by = if passed_by { self.passed_by + 1 } else { 0 };
        self.idle &= choice == Choice::Current;
        choice
    }

    fn choose(&mut self, n: usize) -> usize {
        let kept = self.course.is_some();
        let nth = if kept { self.nth() } else { 0 };
        let which = match self.mind {
            Mind::Way(_) => self.rng.below(n),
            Mind::Script(_) => match self.deed(nth) {
                Some(Deed::Pick(which)) if (which as usize) < n => which as usize,
                None => 0,
                Some(_) => {
                    self.misses(nth);
                    0
                }
            },
        };
        self.hash = mix(self.hash, (which as u64) << 32 | n as u64);
        if kept && which != 0 {
            self.keep(nth, Deed::Pick(which as u32));
        }
        which
    }

    fn may_leave(&mut self, g: u32) -> bool {
        let had = self.had.get(g as usize).copied().unwrap_or(0);
        match &self.mind {
            Mind::Way(_) => {
                let (ahead, polls) = self.soon;
                let soon = self.plan.last().is_some_and(|at| *at < self.within + ahead);
                self.waited += u32::from(soon && self.waited < polls);
                soon && self.waited < polls
            }
            Mind::Script(deeds) => deeds.keys().any(|(of, nth)| *of == g && *nth >= had),
        }
    }

    fn held(&mut self, operation: Operation, at: Option<Location>) {
        self.pins.held(operation, at);
    }

    fn is_pinned(&self, operation: Operation, at: Option<Location>) -> bool {
        self.pins.has(operation, at)
    }

    fn started(&mut self, g: u32, id: GoroutineId, at: Location) {
        if let Mind::Way(way) = &mut self.mind {
            way.started(&mut self.rng);
        }
        self.hash = mix(self.hash, u64::from(g) << 32 | u64::from(at.line()));
        if let Some(course) = &mut self.course {
            course.goroutines.push((id, at));
        }
    }

    fn idles(&mut self, g: u32) {
        (self.idle, self.looks) = (true, Some(g));
        if let Mind::Way(way) = &mut self.mind {
            way.idles(g);
        }
    }

    fn traces(&self) -> bool {
        self.course.is_some()
    }

    fn event(&mut self, event: Event) {
        if let Event::Runs(g) = event {
            if g != self.last {
                (self.idle, self.in_a_row) = (false, 0);
            }
            self.last = g;
        }
        if let Some(course) = &mut self.course {
            course.events.push(event);
        }
    }
}
