//! A schedule as text: `1:` the version, the hash of the test's name, the decisions that were not the ordinary
//! ones, and the hash of what happened.
//!
//! `1:5c1f9a02:2.4>1,1.3>t,0.2=1:8e21b7c4` says: after four decisions of goroutine 2, goroutine 1 runs; after
//! three of goroutine 1 the next timer fires; after two of the body the second of equals is chosen. `~` before the
//! decisions says that operations that are not awaited are points as well; `!1000!`, that the body is blocked from
//! 1,000 ns on, and that it is not worth looking much further.

use std::time::Duration;

use gmp_core::runtime::policy::Event;

use super::guide::{Course, Deed, Turn};
use super::rng::{hash, mix};

/// What this version writes and reads.
const VERSION: u32 = 1;

/// A schedule that can be played again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Schedule {
    /// Of the name of the test.
    pub(super) name: u32,
    /// Whether operations that are not awaited are points as well; `~` in the text.
    pub(super) inside: bool,
    /// The body is blocked for good from this moment on, in nanoseconds.
    pub(super) blocked_since: Option<u64>,
    pub(super) turns: Vec<Turn>,
    /// Of what happened.
    pub(super) course: u32,
}

/// Why a text is no schedule of a test.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScheduleError {
    /// It is not a schedule.
    #[error(
        "`{0}` is no schedule: expected `1:<test>:<decisions>:<course>`, as a finding prints it"
    )]
    Malformed(String),
    /// One of its decisions cannot be read.
    #[error("`{0}` in the schedule is no decision such as `2.4>1`, `2.4>t` or `2.4=1`")]
    BadDecision(String),
    /// Another version of gmp wrote it.
    #[error("the schedule is of version {0}, this gmp reads version {VERSION}: explore again")]
    OtherVersion(u32),
    /// It belongs to another test.
    #[error("the schedule belongs to another test: it was found under another name")]
    OtherTest,
}

/// The hash by which a schedule knows its test.
pub(super) fn name_hash(name: &str) -> u32 {
    hash(name.as_bytes()) as u32
}

/// The hash of what happened: who did what, and on which line.
pub(super) fn course_hash(course: &Course) -> u32 {
    let word = |hash: u64, event: &Event| match event {
        Event::Does { g, operation, at } => {
            let line = at.map_or(0, |at| at.line());
            let what = operation.as_str().len() as u64;
            mix(hash, u64::from(*g) << 40 | u64::from(line) << 8 | what)
        }
        Event::Fires => mix(hash, 1),
        _ => hash,
    };
    (course.events.iter().fold(0, word) >> 16) as u32
}

impl Schedule {
    pub(super) fn new(name: &str, course: &Course, blocked_since: Option<Duration>) -> Self {
        let (turns, inside) = (course.turns.clone(), course.inside);
        let blocked_since = blocked_since.and_then(|since| u64::try_from(since.as_nanos()).ok());
        Self { name: name_hash(name), inside, blocked_since, turns, course: course_hash(course) }
    }

    /// Reads a schedule of the test `name`.
    pub(super) fn parse(text: &str, name: &str) -> Result<Self, ScheduleError> {
        let schedule = Self::read(text)?;
        if schedule.name == name_hash(name) { Ok(schedule) } else { Err(ScheduleError::OtherTest) }
    }

    /// Reads a schedule of any test.
    pub(super) fn read(text: &str) -> Result<Self, ScheduleError> {
        let malformed = || ScheduleError::Malformed(text.chars().take(60).collect());
        let mut parts = text.trim().split(':');
        let mut part = || parts.next().ok_or_else(malformed);
        let version: u32 = part()?.parse().map_err(|_| malformed())?;
        if version != VERSION {
            return Err(ScheduleError::OtherVersion(version));
        }
        let hex = |part: &str| u32::from_str_radix(part, 16).map_err(|_| malformed());
        let (test, turns, course) = (hex(part()?)?, part()?, hex(part()?)?);
        if parts.next().is_some() {
            return Err(malformed());
        }
        let (inside, turns) = match turns.strip_prefix('~') {
            Some(turns) => (true, turns),
            None => (false, turns),
        };
        let (blocked_since, turns) = match turns.strip_prefix('!') {
            Some(rest) => {
                let (since, turns) = rest.split_once('!').ok_or_else(malformed)?;
                (Some(since.parse().map_err(|_| malformed())?), turns)
            }
            None => (None, turns),
        };
        let turns = turns.split(',').filter(|turn| !turn.is_empty());
        let read = |turn: &str| {
            read(turn).ok_or_else(|| ScheduleError::BadDecision(turn.chars().take(20).collect()))
        };
        let turns = turns.map(read).collect::<Result<_, _>>()?;
        Ok(Self { name: test, inside, blocked_since, turns, course })
    }
}

fn read(turn: &str) -> Option<Turn> {
    let (g, rest) = turn.split_once('.')?;
    let at = rest.find(['>', '='])?;
    let (nth, deed) = (&rest[..at], &rest[at + 1..]);
    let deed = match &rest[at..=at] {
        "=" => Deed::Pick(deed.parse().ok()?),
        _ if deed == "t" => Deed::Timer,
        _ => Deed::Run(deed.parse().ok()?),
    };
    Some(Turn { g: g.parse().ok()?, nth: nth.parse().ok()?, deed })
}

impl core::fmt::Display for Schedule {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let inside = if self.inside { "~" } else { "" };
        write!(f, "{VERSION}:{:08x}:{inside}", self.name)?;
        if let Some(since) = self.blocked_since {
            write!(f, "!{since}!")?;
        }
        for (i, Turn { g, nth, deed }) in self.turns.iter().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            match deed {
                Deed::Run(other) => write!(f, "{comma}{g}.{nth}>{other}")?,
                Deed::Timer => write!(f, "{comma}{g}.{nth}>t")?,
                Deed::Pick(which) => write!(f, "{comma}{g}.{nth}={which}")?,
            }
        }
        write!(f, ":{:08x}", self.course)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_is_read_back_as_it_was_written() {
        let turn = |g, nth, deed| Turn { g, nth, deed };
        let turns =
            vec![turn(2, 4, Deed::Run(1)), turn(1, 3, Deed::Timer), turn(0, 2, Deed::Pick(1))];
        for (turns, inside, blocked_since) in
            [(turns.clone(), true, Some(7)), (turns, false, Some(0)), (Vec::new(), false, None)]
        {
            let (name, course) = (name_hash("a::b"), 0x8e21_b7c4);
            let schedule = Schedule { name, inside, blocked_since, turns, course };
            assert_eq!(Schedule::parse(&schedule.to_string(), "a::b"), Ok(schedule));
        }
    }

    #[test]
    fn what_is_no_schedule_of_this_test_says_why() {
        let error = |text: &str| Schedule::parse(text, "test").unwrap_err();
        assert_eq!(error("7:00000000::00000000"), ScheduleError::OtherVersion(7));
        assert_eq!(error("1:00000000::00000000"), ScheduleError::OtherTest);
        for text in
            ["", "seed", "1", "1:x::0", "1:0", "1:0::0:0", "-1:0::0", "1:0:!5:0", "1:0:!x!:0"]
        {
            assert_eq!(error(text), ScheduleError::Malformed(text.into()), "{text}");
        }
        for turn in ["2", "2.>1", "2.4", "2.4>", "2.4>x", "x.4>1", "2.4=t"] {
            let text = format!("1:{:08x}:{turn}:00000000", name_hash("test"));
            assert_eq!(error(&text), ScheduleError::BadDecision(turn.into()));
        }
    }
}
