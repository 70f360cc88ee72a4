//! The explorer: plays schedules until one shows something or enough were played.

use std::panic::Location;
use std::process::Termination;
use std::time::{Duration, Instant};

use super::asked::Asked;
use super::entry::Test;
use super::found::{Found, differs};
use super::guide::{Guide, Mind};
use super::outcome::{Outcome, Trouble};
use super::play::{Kind, MORE_PATIENCE, MakeBody, Seen, Showed, Stage, Want};
use super::rng::{Rng, hash};
use super::schedule::{Schedule, course_hash};
use super::shrink::{script, smallest};
use super::strategy::{FIRST_LENGTH, Strategy, Way};
use super::table::Table;
use crate::leak::census::Ours;
use crate::report::build::Policy;
use crate::settings::settings;
use crate::test::box_body;

/// Of so many schedules one suspends polls at operations that are not awaited: it takes threads, and far longer.
const INSIDE_ONE_OF: usize = 128;
/// The same among the first schedules: a short exploration has some as well.
const INSIDE_ONE_OF_FIRST: usize = 6;
/// Polls are suspended within so many decisions while nothing is known about how many there are.
const FIRST_WITHIN: u32 = 1;
/// So many are the first.
const FIRST: u64 = 300;

/// Explores the schedules of a body.
///
/// ```
/// use gmp::explore::{Explorer, Kind};
///
/// let outcome = Explorer::new("two locks").run(|| async {
///     let (a, b) = (gmp::sync::Mutex::new(()), gmp::sync::Mutex::new(()));
///     let locks = std::sync::Arc::new((a, b));
///     let other = locks.clone();
///     let other = gmp::go(async move {
///         let _b = other.1.lock().await;
///         let _a = other.0.lock().await;
///     });
///     let _a = locks.0.lock().await;
///     let _b = locks.1.lock().await;
///     drop((_a, _b));
///     other.await.unwrap();
/// });
/// assert_eq!(outcome.finding.unwrap().kind, Kind::Deadlock);
/// ```
#[derive(Clone, Debug)]
#[must_use = "an explorer does nothing until `run` is called"]
pub struct Explorer {
    name: String,
    schedules: u64,
    strategy: Strategy,
    depth: u32,
    seed: Option<u64>,
    max_time: Option<Duration>,
    max_steps: u64,
    shard: (u64, u64),
    linger: Duration,
    policy: Policy,
}

/// What an exploration came to, for whoever judges it.
pub(super) struct Explored {
    pub(super) schedules: u64,
    pub(super) elapsed: Duration,
    pub(super) found: Option<Found>,
    pub(super) trouble: Option<Trouble>,
}

impl Explored {
    fn new() -> Self {
        let (schedules, elapsed) = (0, Duration::ZERO);
        Self { schedules, elapsed, found: None, trouble: None }
    }

    fn is_over(&self) -> bool {
        self.found.is_some() || self.trouble.is_some()
    }

    fn into_outcome(self) -> Outcome {
        let Self { schedules, elapsed, found, trouble } = self;
        Outcome { schedules, elapsed, finding: found.map(Found::into_finding), trouble }
    }
}

impl Explorer {
    /// With the defaults: 10,000 schedules or 2 seconds, whichever is over first, strategy PCT of depth 3, a
    /// seed that follows from `name`.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            schedules: 10_000,
            strategy: Strategy::Pct,
            depth: 3,
            seed: None,
            max_time: Some(Duration::from_secs(2)),
            max_steps: 100_000,
            shard: (1, 1),
            linger: Duration::from_millis(100),
            policy: Policy::default(),
        }
    }

    /// As its attribute and the environment say.
    pub(super) fn of_test(test: &Test<'_>, asked: &Asked) -> Self {
        let mut explorer = Self::new(test.name);
        explorer.linger = test.linger;
        explorer.policy = test.policy.clone();
        if let Some(own) = test.attribute {
            explorer.take(&Asked {
                schedules: own.schedules,
                strategy: own.strategy.and_then(Strategy::named),
                depth: own.depth,
                seed: own.seed,
                max_time: own.max_time,
                max_steps: own.max_steps,
                ..Asked::default()
            });
        }
        explorer.take(asked);
        explorer
    }

    /// Takes over what is set. A number of schedules alone means that the time is not bounded.
    fn take(&mut self, asked: &Asked) {
        if let Some(schedules) = asked.schedules {
            self.schedules = schedules;
            self.max_time = None;
        }
        if let Some(max_time) = asked.max_time {
            self.max_time = Some(max_time);
            if asked.schedules.is_none() {
                self.schedules = u64::MAX;
            }
        }
        self.strategy = asked.strategy.unwrap_or(self.strategy);
        self.depth = asked.depth.unwrap_or(self.depth);
        self.seed = asked.seed.or(self.seed);
        self.max_steps = asked.max_steps.unwrap_or(self.max_steps);
        self.shard = asked.shard.unwrap_or(self.shard);
    }

    /// How many schedules are played if none shows anything, by all [shards](Self::shard) together. The time is not bounded then, unless
    /// [`max_time`](Self::max_time) is called after this.
    pub fn schedules(mut self, schedules: u64) -> Self {
        (self.schedules, self.max_time) = (schedules, None);
        self
    }

    /// How schedules are chosen.
    pub fn strategy(mut self, strategy: Strategy) -> Self {
        self.strategy = strategy;
        self
    }

    /// How many orderings a bug may need that PCT looks for.
    pub fn depth(mut self, depth: u32) -> Self {
        self.depth = depth;
        self
    }

    /// The seed: the same one plays the same schedules.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Stops after this time, however many schedules are left.
    pub fn max_time(mut self, max_time: Duration) -> Self {
        self.max_time = Some(max_time);
        self
    }

    /// After so many operations and dispatches without anything new a schedule counts as a livelock.
    pub fn max_steps(mut self, max_steps: u64) -> Self {
        self.max_steps = max_steps;
        self
    }

    /// Plays every `of`th of the schedules only, beginning with the `which`th: each of `of` machines gets its share.
    /// `GMP_EXPLORE_SHARD=2/8` says the same.
    ///
    /// # Panics
    /// If `which` is not one of 1 to `of`.
    pub fn shard(mut self, which: u64, of: u64) -> Self {
        assert!((1..=of).contains(&which), "gmp: there is no shard {which} of {of}");
        self.shard = (which, of);
        self
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// How many schedules it plays, and for how long, at most.
    pub(super) fn most(&self) -> (u64, Option<Duration>) {
        let (which, of) = self.shard;
        let own = self.schedules.saturating_sub(which - 1).div_ceil(of);
        (if self.schedules == u64::MAX { u64::MAX } else { own }, self.max_time)
    }

    /// Other machines play a part of the schedules.
    pub(super) fn is_a_shard(&self) -> bool {
        self.shard.1 > 1
    }

    /// The seed that it works with.
    pub(super) fn seed_used(&self) -> u64 {
        self.seed.unwrap_or_else(|| hash(self.name.as_bytes()))
    }

    /// Explores `body`, which is called for each schedule, on this thread.
    ///
    /// # Panics
    /// Inside a goroutine.
    #[track_caller]
    pub fn run<B, F>(&self, body: B) -> Outcome
    where
        B: Fn() -> F,
        F: Future<Output: Termination> + 'static,
    {
        let at = Location::caller();
        let _ours = Ours::register();
        let mut explorer = self.clone();
        match settings() {
            Ok(settings) => explorer.shard = settings.explore.shard.unwrap_or(self.shard),
            Err(error) => {
                let trouble = Some(Trouble::Settings(error.to_string()));
                return Explored { trouble, ..Explored::new() }.into_outcome();
            }
        }
        explorer.explore(&|| box_body(body()), at, &mut |_| {}).into_outcome()
    }

    /// Plays the schedule that a finding gave, on this thread. The finding has the number 1.
    ///
    /// # Panics
    /// Inside a goroutine.
    #[track_caller]
    pub fn replay<B, F>(&self, schedule: &str, body: B) -> Outcome
    where
        B: Fn() -> F,
        F: Future<Output: Termination> + 'static,
    {
        let at = Location::caller();
        let _ours = Ours::register();
        self.play_again(schedule, &|| box_body(body()), at).into_outcome()
    }

    pub(super) fn explore(
        &self,
        body: MakeBody<'_>,
        at: &'static Location<'static>,
        played: &mut dyn FnMut(u64),
    ) -> Explored {
        let seed = self.seed_used();
        let mut stage = Stage::new(self.max_steps, self.linger, at);
        let (began, mut length, mut within) = (Instant::now(), FIRST_LENGTH, FIRST_WITHIN);
        let mut guide = Box::new(Guide::new(Mind::nobody(), Rng::new(0), false));
        let mut explored = Explored::new();
        let (first, step) = (self.shard.0 - 1, self.shard.1);
        for number in (first..self.schedules).step_by(step as usize) {
            let one_of = if number < FIRST { INSIDE_ONE_OF_FIRST } else { INSIDE_ONE_OF };
            guide.inside =
                stage.has_inner_points && Rng::of_schedule(!seed, number).below(one_of) == 0;
            let draw = Draw { seed, number, length, within, inside: guide.inside };
            guide.set_out(|rng, spare| self.way(length, rng, spare), seed, number, within);
            let seen = stage.play(guide, body, Want::Nothing);
            explored.schedules += 1;
            played(explored.schedules);
            match seen.showed {
                Showed::Nothing if explored.schedules == 1 => {
                    explored.trouble = self.check_twice(&mut stage, body, draw);
                }
                Showed::Nothing | Showed::Spoiled => {}
                Showed::Outside => explored.trouble = Some(Trouble::Outside),
                Showed::Found(_) => match self.look_again(&mut stage, body, draw, &seen) {
                    Ok(found) => explored.found = found,
                    Err(trouble) => explored.trouble = Some(trouble),
                },
            }
            guide = seen.guide;
            length = length.max(guide.decisions);
            within = within.max(guide.within);
            let late = self.max_time.is_some_and(|most| began.elapsed() >= most);
            if late || explored.is_over() {
                break;
            }
        }
        explored.elapsed = began.elapsed();
        explored
    }

    fn way(&self, length: u32, rng: &mut Rng, spare: Way) -> Way {
        Way::new(self.strategy, self.depth, length, rng, spare).fair_within(self.max_steps)
    }

    /// A guide that keeps what happens in the schedule of `draw`.
    fn keeping(&self, draw: Draw) -> Box<Guide> {
        let mut guide = Box::new(Guide::new(Mind::nobody(), Rng::new(0), true));
        guide.inside = draw.inside;
        let way = |rng: &mut Rng, spare| self.way(draw.length, rng, spare);
        guide.set_out(way, draw.seed, draw.number, draw.within);
        guide
    }

    /// Plays one schedule twice more: they have to go the same way.
    fn check_twice(&self, stage: &mut Stage, body: MakeBody<'_>, draw: Draw) -> Option<Trouble> {
        let [one, two] = [(); 2].map(|()| stage.play(self.keeping(draw), body, Want::Nothing));
        if one.showed == Showed::Outside || two.showed == Showed::Outside {
            return Some(Trouble::Outside);
        }
        differs(&one.guide, &two.guide).map(Trouble::Differs)
    }

    /// Plays a schedule that showed something once more, and makes the least of it. `None` if rules allow what
    /// it showed.
    fn look_again(
        &self,
        stage: &mut Stage,
        body: MakeBody<'_>,
        draw: Draw,
        before: &Seen,
    ) -> Result<Option<Found>, Trouble> {
        let Showed::Found(kind) = before.showed else { return Ok(None) };
        // What is made smaller is judged then.
        let judged = kind == Kind::Failure || !self.policy.is_default();
        let want = if judged { Want::Judgement } else { Want::Sign };
        let patience = std::mem::replace(&mut stage.patience, MORE_PATIENCE);
        let mut seen = stage.play(self.keeping(draw), body, want);
        stage.patience = patience;
        if seen.showed == Showed::Outside {
            return Err(Trouble::Outside);
        }
        let same_course = seen.guide.hash == before.guide.hash;
        if same_course && kind == Kind::Panic && seen.showed == Showed::Nothing {
            // Whoever joined the goroutine that panicked has dealt with it.
            return Ok(None);
        }
        if seen.guide.hash != before.guide.hash || seen.showed != before.showed {
            let again = stage.play(self.keeping(draw), body, Want::Sign);
            return Err(Trouble::Differs(differs(&seen.guide, &again.guide).unwrap_or_default()));
        }
        if !self.is_forbidden(&seen) {
            return Ok(None);
        }
        // A body that returns an error prints it, each time.
        if kind != Kind::Failure {
            seen = smallest(stage, body, draw.inside, seen)?;
        }
        Ok(self.found(kind, draw, seen, stage.blocked_since))
    }

    /// Whether what a schedule showed is not allowed by rules.
    fn is_forbidden(&self, seen: &Seen) -> bool {
        if seen.showed != Showed::Found(Kind::Leak) || self.policy.is_default() {
            return true;
        }
        let checked = seen.checked.as_ref();
        checked.is_none_or(|checked| !Found::report(&self.name, checked, &self.policy).is_clean())
    }

    fn found(
        &self,
        kind: Kind,
        draw: Draw,
        seen: Seen,
        blocked: Option<Duration>,
    ) -> Option<Found> {
        let (seed, schedule) = (draw.seed, draw.number + 1);
        let course = seen.guide.course.unwrap_or_default();
        Some(Found {
            kind,
            seed,
            schedule,
            was_replay: false,
            replay: Schedule::new(&self.name, &course, blocked).to_string(),
            switches: course.turns.len(),
            steps: seen.steps,
            goes_on: blocked.map(|_| self.linger),
            table: Table::new(&course),
            checked: seen.checked?,
            name: self.name.clone(),
            policy: self.policy.clone(),
        })
    }

    pub(super) fn play_again(
        &self,
        schedule: &str,
        body: MakeBody<'_>,
        at: &'static Location<'static>,
    ) -> Explored {
        let began = Instant::now();
        let mut explored = Explored::new();
        match Schedule::parse(schedule, &self.name) {
            Err(error) => explored.trouble = Some(Trouble::Schedule(error)),
            Ok(schedule) => {
                let guide = script(&schedule.turns, schedule.inside);
                let mut stage = Stage::new(self.max_steps, self.linger, at);
                stage.loud = true;
                stage.blocked_since = schedule.blocked_since.map(Duration::from_nanos);
                let seen = stage.play(guide, body, Want::Judgement);
                explored.schedules = 1;
                let strays = seen.guide.strays_from(&schedule.turns).or_else(|| {
                    let same = seen.guide.course.as_ref().map(course_hash) == Some(schedule.course);
                    (!same).then(|| {
                        "every decision could be made, but goroutines do other things".into()
                    })
                });
                explored.trouble = match seen.showed {
                    Showed::Outside => Some(Trouble::Outside),
                    _ => strays.map(Trouble::Strays),
                };
                if let Showed::Found(kind) = seen.showed {
                    let draw = Draw {
                        seed: self.seed_used(),
                        number: 0,
                        length: 0,
                        within: 0,
                        inside: false,
                    };
                    let found = self.found(kind, draw, seen, stage.blocked_since);
                    explored.found = found.map(|found| Found { was_replay: true, ..found });
                }
            }
        }
        explored.elapsed = began.elapsed();
        explored
    }
}

/// What a schedule follows from.
#[derive(Clone, Copy)]
struct Draw {
    seed: u64,
    number: u64,
    length: u32,
    within: u32,
    inside: bool,
}
