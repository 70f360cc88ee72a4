//! The explorer: plays schedules until one shows something or enough were played.

use std::panic::Location;
use std::process::Termination;
use std::time::{Duration, Instant};

use super::guide::{Guide, Mind};
use super::play::{Kind, MakeBody, Seen, Showed, Stage, Want};
use super::rng::{Rng, hash};
use super::schedule::{Schedule, ScheduleError, course_hash};
use super::shrink::Shrink;
use super::strategy::{FIRST_LENGTH, Strategy, Way};
use crate::leak::census::Ours;
use crate::leak::check::{BodyEnd, payload_text};
use crate::leak::rules::Rules;
use crate::report::build;
use crate::report::finding::Report;
use crate::report::source::Sources;
use crate::test::box_body;

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
    linger: Duration,
    rules: Rules,
}

/// What an exploration came to.
#[derive(Debug)]
pub struct Outcome {
    /// How many schedules were played until the end, or until one showed something.
    pub schedules: u64,
    /// How long that took.
    pub elapsed: Duration,
    /// What was found.
    pub finding: Option<Finding>,
    /// Why the body cannot be explored.
    pub trouble: Option<Trouble>,
}

/// A schedule that showed something.
#[derive(Debug)]
pub struct Finding {
    /// What it showed.
    pub kind: Kind,
    /// The seed of the exploration.
    pub seed: u64,
    /// Its number, from 1.
    pub schedule: u64,
    /// The schedule, to be played again with [`Explorer::replay`]; shrunk to what it takes to show the same.
    pub replay: String,
    /// Decisions in it that were not the ordinary ones.
    pub switches: usize,
    /// What the leak detector says about it.
    pub report: Report,
}

/// Why a body cannot be explored.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Trouble {
    /// A thread that is no part of a schedule made a goroutine ready.
    Outside,
    /// The same schedule went another way when it was played again.
    Differs,
    /// The schedule that was to be played again is none of this body.
    Schedule(ScheduleError),
    /// What is played again goes another way than the schedule says: the body has changed, or it is not the
    /// same each time.
    Strays,
}

impl Explorer {
    /// With the defaults: 10,000 schedules, strategy PCT of depth 3, a seed that follows from `name`.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            schedules: 10_000,
            strategy: Strategy::Pct,
            depth: 3,
            seed: None,
            max_time: None,
            max_steps: 100_000,
            linger: Duration::from_millis(100),
            rules: Rules::default(),
        }
    }

    /// How many schedules are played if none shows anything.
    pub fn schedules(mut self, schedules: u64) -> Self {
        self.schedules = schedules;
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

    /// Stops after this time.
    pub fn max_time(mut self, max_time: Duration) -> Self {
        self.max_time = Some(max_time);
        self
    }

    /// After so many operations and dispatches a schedule counts as a livelock.
    pub fn max_steps(mut self, max_steps: u64) -> Self {
        self.max_steps = max_steps;
        self
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
        self.explore(&|| box_body(body()), at)
    }

    pub(super) fn explore(&self, body: MakeBody<'_>, at: &'static Location<'static>) -> Outcome {
        let seed = self.seed.unwrap_or_else(|| hash(self.name.as_bytes()));
        let mut stage = Stage::new(self.max_steps, self.linger, at);
        let began = Instant::now();
        let mut length = FIRST_LENGTH;
        let mut guide = Box::new(Guide::new(Mind::nobody(), Rng::new(0), false));
        let mut outcome =
            Outcome { schedules: 0, elapsed: Duration::ZERO, finding: None, trouble: None };
        for number in 0..self.schedules {
            guide.set_out(|rng, spare| self.way(length, rng, spare), seed, number);
            let seen = stage.play(guide, body, Want::Nothing);
            outcome.schedules = number + 1;
            match seen.showed {
                Showed::Nothing => {}
                Showed::Outside => outcome.trouble = Some(Trouble::Outside),
                Showed::Found(kind) => {
                    match self.look_again(&mut stage, body, (seed, number, length), kind, &seen) {
                        Ok(finding) => outcome.finding = finding,
                        Err(trouble) => outcome.trouble = Some(trouble),
                    }
                }
            }
            guide = seen.guide;
            length = length.max(guide.decisions);
            let late = self.max_time.is_some_and(|most| began.elapsed() >= most);
            if late || outcome.finding.is_some() || outcome.trouble.is_some() {
                break;
            }
        }
        outcome.elapsed = began.elapsed();
        outcome
    }

    fn way(&self, length: u32, rng: &mut Rng, spare: Way) -> Way {
        Way::new(self.strategy, self.depth, length, rng, spare)
    }

    /// Plays a schedule that showed something once more, and makes the least of it.
    fn look_again(
        &self,
        stage: &mut Stage,
        body: MakeBody<'_>,
        (seed, number, length): (u64, u64, u32),
        kind: Kind,
        before: &Seen,
    ) -> Result<Option<Finding>, Trouble> {
        let mut guide = Box::new(Guide::new(Mind::nobody(), Rng::new(0), true));
        guide.set_out(|rng, spare| self.way(length, rng, spare), seed, number);
        let mut seen = stage.play(guide, body, Want::Judgement);
        if seen.showed == Showed::Outside {
            return Err(Trouble::Outside);
        }
        if seen.guide.hash != before.guide.hash || seen.showed != Showed::Found(kind) {
            return Err(Trouble::Differs);
        }
        if let (Some(sign), Some(course)) = (&seen.sign, &seen.guide.course)
            && kind != Kind::Failure
        {
            let most = stage.max_steps;
            if kind != Kind::Livelock {
                // A smaller schedule is hardly ever longer.
                stage.max_steps = most.min(2 * seen.steps + 200);
            }
            let turns = Shrink::new(stage, body, sign).run(course.turns.clone());
            stage.max_steps = most;
            let turns = turns.ok_or(Trouble::Differs)?;
            let guide = Box::new(Guide::new(Mind::script(&turns), Rng::new(0), true));
            let again = stage.play(guide, body, Want::Judgement);
            if again.sign.as_ref() != Some(sign) {
                return Err(Trouble::Differs);
            }
            seen = again;
        }
        Ok(self.finding(kind, seed, number, seen))
    }

    /// What a schedule showed that was played with everything that is to be known about it. `None` if rules
    /// allow it.
    fn finding(&self, kind: Kind, seed: u64, number: u64, seen: Seen) -> Option<Finding> {
        let checked = seen.checked?;
        let course = seen.guide.course.unwrap_or_default();
        let panic = match &checked.body {
            BodyEnd::Panicked(payload) => Some(payload_text(&**payload)),
            _ => None,
        };
        let report = build::report(&self.name, &checked, panic, &self.rules, &Sources::from_env());
        if kind == Kind::Leak && report.findings.is_empty() {
            return None;
        }
        let replay = Schedule::new(&self.name, &course).to_string();
        let switches = course.turns.len();
        Some(Finding { kind, seed, schedule: number + 1, replay, switches, report })
    }

    /// Plays the schedule that a finding gave, on this thread. The finding has the number 1 and the seed 0.
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
        self.play_again(schedule, &|| box_body(body()), at)
    }

    pub(super) fn play_again(
        &self,
        schedule: &str,
        body: MakeBody<'_>,
        at: &'static Location<'static>,
    ) -> Outcome {
        let began = Instant::now();
        let mut outcome =
            Outcome { schedules: 0, elapsed: Duration::ZERO, finding: None, trouble: None };
        match Schedule::parse(schedule, &self.name) {
            Err(error) => outcome.trouble = Some(Trouble::Schedule(error)),
            Ok(schedule) => {
                let mind = Mind::script(&schedule.turns);
                let guide = Box::new(Guide::new(mind, Rng::new(0), true));
                let mut stage = Stage::new(self.max_steps, self.linger, at);
                let seen = stage.play(guide, body, Want::Judgement);
                outcome.schedules = 1;
                let strays = seen.guide.missed > 0
                    || seen.guide.course.as_ref().map(course_hash) != Some(schedule.course);
                match seen.showed {
                    Showed::Outside => outcome.trouble = Some(Trouble::Outside),
                    _ if strays => outcome.trouble = Some(Trouble::Strays),
                    _ => {}
                }
                if let Showed::Found(kind) = seen.showed {
                    outcome.finding = self.finding(kind, 0, 0, seen);
                }
            }
        }
        outcome.elapsed = began.elapsed();
        outcome
    }
}
