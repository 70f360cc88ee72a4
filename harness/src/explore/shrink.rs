//! Shrinking: the fewest decisions, other than the ordinary ones, that still show the same.
//!
//! Zeller and Hildebrandt's delta debugging ("Simplifying and isolating failure-inducing input", IEEE TSE
//! 2002) over the list of decisions: parts of it are left out, first all of it, then smaller and smaller ones.

use std::time::{Duration, Instant};

use super::guide::{Guide, Mind, Turn};
use super::outcome::Trouble;
use super::play::{Kind, MakeBody, Seen, Showed, Sign, Stage, Want};
use super::rng::Rng;
use crate::leak::census;

/// Schedules that are played at most, and their operations and dispatches in all: half a second to some seconds. The
/// same is found on a fast machine and on a slow one.
const ATTEMPTS: u32 = 3_000;
const STEPS: u64 = 2_000_000;
/// Time that is spent at most on a body that takes long between two operations, not counting the time in which the
/// system let others run.
const TIME: Duration = Duration::from_secs(5);

/// Makes the least of a schedule that showed something, and plays that to be judged.
pub(super) fn smallest(
    stage: &mut Stage,
    body: MakeBody<'_>,
    inside: bool,
    seen: Seen,
) -> Result<Seen, Trouble> {
    let (Some(sign), Some(course)) = (&seen.sign, &seen.guide.course) else { return Ok(seen) };
    let guide = |turns: &[Turn]| script(turns, inside);
    let all = course.turns.clone();
    let mut sign = sign.clone();
    if seen.blocked_since.is_some() {
        stage.blocked_since = seen.blocked_since;
        let again = stage.play(guide(&all), body, Want::Sign);
        sign = again.sign.ok_or_else(|| why_not_the_same(again.showed))?;
    }
    let most = (stage.max_steps, stage.max_in_all);
    if seen.showed != Showed::Found(Kind::Livelock) {
        // A smaller schedule is hardly ever longer.
        stage.max_steps = most.0.min(2 * seen.steps + 200);
        stage.max_in_all = most.1.min(stage.max_steps);
    }
    let turns = Shrink::new(stage, body, &sign, inside).run(all.clone());
    (stage.max_steps, stage.max_in_all) = most;
    let mut turns = turns?;
    if stage.blocked_since.is_some() {
        // The rest of it was not looked at so far: it may be that the body is released there.
        let before = stage.blocked_since.take();
        let whole = stage.play(guide(&turns), body, Want::Nothing);
        stage.blocked_since = match whole.showed {
            Showed::Found(Kind::Deadlock) => whole.blocked_since,
            _ => {
                turns = all;
                before
            }
        };
    }
    stage.loud = true;
    let judged = stage.play(guide(&turns), body, Want::Judgement);
    if judged.sign.as_ref() == Some(&sign) {
        Ok(judged)
    } else {
        Err(why_not_the_same(judged.showed))
    }
}

/// Why a schedule did not show the same when it was played again.
fn why_not_the_same(showed: Showed) -> Trouble {
    match showed {
        Showed::Outside => Trouble::Outside,
        _ => Trouble::Differs(String::new()),
    }
}

/// For how long this thread has waited for a processor; zero if that cannot be known.
fn delay_here() -> Duration {
    let delay = |number| {
        let stat = std::fs::read_to_string(format!("/proc/self/task/{number}/schedstat")).ok()?;
        stat.split(' ').nth(1)?.parse().ok()
    };
    census::own_number().and_then(delay).map(Duration::from_nanos).unwrap_or_default()
}

/// A guide that follows `turns`.
pub(super) fn script(turns: &[Turn], inside: bool) -> Box<Guide> {
    let mut guide = Box::new(Guide::new(Mind::script(turns), Rng::new(0), true));
    guide.inside = inside;
    guide
}

/// The search for a smaller schedule.
struct Shrink<'a, 'b> {
    stage: &'a mut Stage,
    body: MakeBody<'b>,
    sign: &'a Sign,
    /// Whether operations that are not awaited are points as well.
    inside: bool,
    attempts: u32,
    steps: u64,
    began: Instant,
    /// For how long this thread had waited for a processor then.
    delay: Duration,
    /// A thread that is no part of it had a hand in one.
    outside: bool,
}

impl<'a, 'b> Shrink<'a, 'b> {
    fn new(stage: &'a mut Stage, body: MakeBody<'b>, sign: &'a Sign, inside: bool) -> Self {
        let (began, delay) = (Instant::now(), delay_here());
        let (attempts, steps, outside) = (0, 0, false);
        Self { stage, body, sign, inside, attempts, steps, began, delay, outside }
    }

    /// The smallest list found that shows the same. An error if `turns` itself does not.
    fn run(mut self, turns: Vec<Turn>) -> Result<Vec<Turn>, Trouble> {
        let smallest = self.search(turns);
        match self.outside {
            true => Err(Trouble::Outside),
            false => smallest.ok_or_else(|| why_not_the_same(Showed::Nothing)),
        }
    }

    fn search(&mut self, turns: Vec<Turn>) -> Option<Vec<Turn>> {
        // What always happens needs no decision, and may need a long schedule.
        if let Some(best) = self.attempt(&[]).filter(Vec::is_empty) {
            return Some(best);
        }
        let mut best = self.attempt(&turns)?;
        let mut size = best.len().div_ceil(2);
        while size > 0 && !self.is_enough() {
            let before = best.len();
            let mut start = 0;
            while start < best.len() && !self.is_enough() {
                let mut fewer = best.clone();
                fewer.drain(start..(start + size).min(best.len()));
                match self.attempt(&fewer) {
                    Some(kept) if kept.len() < best.len() => best = kept,
                    _ => start += size,
                }
            }
            if size == 1 && best.len() == before {
                break;
            }
            size = if best.len() < before { size.min(best.len()) } else { size / 2 };
        }
        Some(best)
    }

    fn is_enough(&self) -> bool {
        self.attempts >= ATTEMPTS || self.steps >= STEPS || self.outside || self.is_late()
    }

    fn is_late(&self) -> bool {
        let lasted = self.began.elapsed();
        // The other is looked at only then: that takes longer.
        lasted >= TIME && lasted.saturating_sub(delay_here().saturating_sub(self.delay)) >= TIME
    }

    /// Plays `turns`. What was really decided comes back if it shows the same.
    fn attempt(&mut self, turns: &[Turn]) -> Option<Vec<Turn>> {
        self.attempts += 1;
        let guide = script(turns, self.inside);
        let mut seen = self.stage.play(guide, self.body, Want::Sign);
        self.steps += seen.steps;
        self.outside |= seen.showed == Showed::Outside;
        let same = seen.sign.as_ref() == Some(self.sign);
        seen.guide.course.take().filter(|_| same).map(|course| course.turns)
    }
}
