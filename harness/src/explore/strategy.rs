//! How schedules are chosen: random walks, and priorities with few changes (PCT).
//!
//! PCT is the algorithm of Burckhardt, Kothari, Musuvathi and Nagarakatte, "A randomized scheduler with
//! probabilistic guarantees of finding bugs" (ASPLOS 2010): every goroutine has a random priority, the
//! highest one runs, and at `depth - 1` random moments whoever runs falls below all others.

use gmp_core::runtime::policy::{Choice, Options};

use super::rng::Rng;

/// A strategy as the user names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Strategy {
    /// Priorities with `depth - 1` changes; every other schedule is a random walk.
    Pct,
    /// Random walks only: at every point anybody may run.
    Random,
}

impl Strategy {
    /// The strategy of this name.
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "pct" => Some(Self::Pct),
            "random" => Some(Self::Random),
            _ => None,
        }
    }
}

/// Decisions of the same goroutine in a row after which it falls below the others: it may be waiting for
/// them in a loop.
const IN_A_ROW: u32 = 400;
/// Decisions after which a schedule is fair, at the latest: one that does not end then never does.
const FAIR_AFTER: u32 = 10_000;
/// Of so many fair decisions one is for the next timer.
const TIMER_TURN: u32 = 16;
/// Changes fall into this many first decisions while nothing is known about the length of a schedule.
pub(super) const FIRST_LENGTH: u32 = 48;

/// The way one schedule is chosen.
#[derive(Clone, Debug)]
pub(super) struct Way {
    kind: Kind,
    /// How many decisions in a row a timer that may fire is passed by, at most: goroutines that are ready may
    /// be waiting for it in a loop.
    patience: u32,
    passed_by: u32,
    /// Decisions after which everybody gets a turn.
    fair_after: u32,
}

#[derive(Clone, Debug)]
enum Kind {
    Walk(Walk),
    Pct(Pct),
}

impl Way {
    /// Before there is a schedule.
    pub(super) fn nobody() -> Self {
        let kind = Kind::Walk(Walk { stays: 16, timers: 0 });
        Self { kind, patience: 0, passed_by: 0, fair_after: FAIR_AFTER }
    }

    /// The way of a schedule. `length` is how many decisions the longest one has had so far. What can be used
    /// again of `spare` is.
    pub(super) fn new(
        strategy: Strategy,
        depth: u32,
        length: u32,
        rng: &mut Rng,
        spare: Self,
    ) -> Self {
        let kind = if rng.below(2) == 1 || strategy == Strategy::Random {
            Kind::Walk(Walk::new(rng))
        } else {
            Kind::Pct(Pct::new(depth, length, rng, spare))
        };
        let patience = [64, 512, 4096][rng.below(3)];
        Self { kind, patience, passed_by: 0, fair_after: FAIR_AFTER }
    }

    /// The same where `max_steps` without anything new are a livelock: everybody gets a turn long before that.
    pub(super) fn fair_within(mut self, max_steps: u64) -> Self {
        self.fair_after = self.fair_after.min(u32::try_from(max_steps / 4).unwrap_or(u32::MAX));
        self
    }

    pub(super) fn next(&mut self, options: &Options<'_>, decision: u32, rng: &mut Rng) -> Choice {
        if decision >= self.fair_after {
            return fair(options, decision);
        }
        let choice = match &mut self.kind {
            _ if options.timer && self.passed_by >= self.patience => Choice::Timer,
            Kind::Walk(walk) => walk.next(options, rng),
            Kind::Pct(pct) => pct.next(options, decision, rng),
        };
        let passed_by = options.timer && choice != Choice::Timer;
        self.passed_by = if passed_by { self.passed_by + 1 } else { 0 };
        choice
    }

    /// Decides inside a poll that is to be left here.
    pub(super) fn leave(&mut self, options: &Options<'_>, rng: &mut Rng) -> Choice {
        match &mut self.kind {
            Kind::Walk(walk) => walk.leave(options, rng),
            Kind::Pct(pct) => {
                pct.lower(options.current.unwrap_or(u32::MAX) as usize);
                pct.best(options).1
            }
        }
    }

    pub(super) fn started(&mut self, rng: &mut Rng) {
        if let Kind::Pct(pct) = &mut self.kind {
            pct.priorities.push(draw(rng));
        }
    }

    pub(super) fn idles(&mut self, g: u32) {
        if let Kind::Pct(pct) = &mut self.kind {
            pct.lower(g as usize);
        }
    }
}

/// Everybody in turn, the one that has been ready for longest first, and now and then the next timer.
///
/// A strategy may keep a goroutine waiting for ever, and one that looks for it in a loop is then no bug of
/// the program. Musuvathi and Qadeer, "Fair stateless model checking" (PLDI 2008), say why search has to be fair.
fn fair(options: &Options<'_>, decision: u32) -> Choice {
    if options.timer && decision.is_multiple_of(TIMER_TURN) {
        return Choice::Timer;
    }
    match (options.ready, options.current) {
        ([], Some(_)) => Choice::Current,
        ([], None) => Choice::Timer,
        _ => Choice::Ready(0),
    }
}

/// A random walk. How much it likes to go on with whoever runs, and to let time pass, differs from schedule to
/// schedule.
#[derive(Clone, Debug)]
pub(super) struct Walk {
    /// In how many of 16 points who runs goes on without a draw.
    stays: u32,
    /// In how many of 16 points a timer may take part while goroutines are ready.
    timers: u32,
}

impl Walk {
    fn new(rng: &mut Rng) -> Self {
        let stays = [0, 0, 8, 12, 15][rng.below(5)];
        let timers = [0, 1, 4, 16][rng.below(4)];
        Self { stays, timers }
    }

    fn next(&self, options: &Options<'_>, rng: &mut Rng) -> Choice {
        if options.current.is_some() && rng.sixteenths(self.stays) {
            return Choice::Current;
        }
        let current = usize::from(options.current.is_some());
        let all = current + options.ready.len();
        let timer = options.timer && (all == 0 || rng.sixteenths(self.timers));
        match rng.below(all + usize::from(timer)) {
            i if i < options.ready.len() => Choice::Ready(i),
            i if i < all => Choice::Current,
            _ => Choice::Timer,
        }
    }
}

impl Walk {
    /// Anybody but the one that runs.
    fn leave(&self, options: &Options<'_>, rng: &mut Rng) -> Choice {
        let ready = options.ready.len();
        let timer = options.timer && (ready == 0 || rng.sixteenths(self.timers));
        match (ready, timer) {
            (0, false) => Choice::Current,
            _ => match rng.below(ready + usize::from(timer)) {
                i if i < ready => Choice::Ready(i),
                _ => Choice::Timer,
            },
        }
    }
}

/// Priorities; the highest runs.
#[derive(Clone, Debug, Default)]
pub(super) struct Pct {
    priorities: Vec<i64>,
    /// The decisions at which whoever runs falls, the last one first.
    changes: Vec<u32>,
    /// Below all priorities that were given so far.
    lowest: i64,
    /// The priority of the next timer.
    timer: i64,
    /// Who was chosen last, and how often in a row.
    last: (u32, u32),
}

fn draw(rng: &mut Rng) -> i64 {
    (rng.next() >> 2) as i64
}

impl Pct {
    /// The priorities of a schedule, in the memory of `spare`.
    fn new(depth: u32, length: u32, rng: &mut Rng, spare: Way) -> Self {
        let mut pct = match spare.kind {
            Kind::Pct(pct) => pct,
            Kind::Walk(_) => Self::default(),
        };
        // A few schedules are a little deeper, and a few less.
        let depth = match rng.below(4) {
            0 => 1 + rng.below(depth.max(1) as usize + 2) as u32,
            _ => depth,
        };
        pct.begin(depth, length, rng);
        pct
    }

    fn begin(&mut self, depth: u32, length: u32, rng: &mut Rng) {
        self.priorities.clear();
        self.changes.clear();
        // Half of the schedules look at a beginning of random length only.
        let span = match rng.below(2) {
            0 => length,
            _ => length >> rng.below(1 + length.max(1).ilog2() as usize),
        };
        for _ in 1..depth {
            self.changes.push(rng.below(span.max(1) as usize) as u32);
        }
        self.changes.sort_unstable_by(|a, b| b.cmp(a));
        self.lowest = 0;
        self.timer = if rng.sixteenths(8) { draw(rng) } else { i64::MIN };
        self.last = (u32::MAX, 0);
    }

    fn fall(&mut self) -> i64 {
        self.lowest -= 1;
        self.lowest
    }

    fn lower(&mut self, g: usize) {
        let lowest = self.fall();
        if let Some(priority) = self.priorities.get_mut(g) {
            *priority = lowest;
        }
    }

    fn priority(&self, g: u32) -> i64 {
        self.priorities.get(g as usize).copied().unwrap_or(0)
    }

    fn best(&self, options: &Options<'_>) -> (i64, Choice) {
        let current = options.current.map(|g| (self.priority(g), Choice::Current));
        let mut best = current.unwrap_or((i64::MIN, Choice::Current));
        // Of equals the last one wins.
        for (i, g) in options.ready.iter().enumerate() {
            let priority = self.priority(*g);
            if priority >= best.0 {
                best = (priority, Choice::Ready(i));
            }
        }
        if options.timer && self.timer >= best.0 {
            best = (self.timer, Choice::Timer);
        }
        best
    }

    fn next(&mut self, options: &Options<'_>, decision: u32, rng: &mut Rng) -> Choice {
        let who = |choice: Choice| match choice {
            Choice::Current => options.current.unwrap_or(u32::MAX),
            Choice::Ready(i) => options.ready[i],
            Choice::Timer => u32::MAX,
        };
        let mut choice = self.best(options).1;
        while self.changes.last().is_some_and(|at| *at <= decision) {
            self.changes.pop();
            self.lower(who(choice) as usize);
            choice = self.best(options).1;
        }
        let chosen = who(choice);
        self.last = if self.last.0 == chosen { (chosen, self.last.1 + 1) } else { (chosen, 0) };
        if self.last.1 > IN_A_ROW {
            self.last.1 = 0;
            self.lower(chosen as usize);
            choice = self.best(options).1;
        }
        if choice == Choice::Timer {
            self.timer = if rng.sixteenths(8) { draw(rng) } else { self.fall() };
        }
        choice
    }
}
