//! Whether a schedule still gets somewhere: the steps in which nothing new happens are counted.
//!
//! A loop that never ends cannot be told from one that lasts. What is taken for endless is
//! 1. `most` steps in a row without news, if at least one in [`VAIN_ONE_OF`] was in vain, or
//! 2. `most_in_all` steps without a new line.
//!
//! A **new line** is an operation that no goroutine of the same `go` has done so far: a program has so many of
//! them, so that rule 2 ends every schedule. **News** is a new line, a goroutine that starts, a value that is sent,
//! and a goroutine that goes on because of what another one did, or because its time has come. **In vain** is a
//! yield, an attempt that failed, the default arm of a select, and a look at what others change.

use std::collections::HashSet;

use crate::inspect::{Location, Operation, WaitReason};

/// One in so many steps is in vain where goroutines wait for something in a loop.
const VAIN_ONE_OF: u64 = 16;

/// The pace of one schedule.
#[derive(Debug, Default)]
pub(super) struct Pace {
    steps: u64,
    most: u64,
    most_in_all: u64,
    /// The step after which it is looked at again.
    look_after: u64,
    /// The step at which the schedule was found to be over.
    over_at: Option<u64>,
    /// It has come so far that it may be endless: from now on what happens is noted.
    notes: bool,
    /// When there was news, and a new line.
    news_at: u64,
    line_at: u64,
    /// Steps in vain since the last news.
    vain: u64,
    /// By number of the goroutine: where it was started.
    started: Vec<Location>,
    lines: HashSet<(Option<Location>, Operation, Option<Location>)>,
}

impl Pace {
    /// Before a schedule.
    pub(super) fn begin(&mut self, most: u64, most_in_all: u64) {
        self.started.clear();
        self.lines.clear();
        let (started, lines) =
            (core::mem::take(&mut self.started), core::mem::take(&mut self.lines));
        *self = Self { most, most_in_all, look_after: most / 2, started, lines, ..Self::default() };
    }

    /// Operations and dispatches so far.
    pub(super) fn steps(&self) -> u64 {
        self.steps
    }

    #[inline]
    pub(super) fn is_over(&self) -> bool {
        self.over_at.is_some()
    }

    /// An operation or a dispatch.
    #[inline]
    pub(super) fn step(&mut self) {
        self.steps += 1;
        if self.steps > self.look_after {
            self.look();
        }
    }

    /// An operation inside a poll. True if that goes on and on when the schedule is over.
    #[inline]
    pub(super) fn step_inside(&mut self) -> bool {
        self.step();
        self.over_at.is_some_and(|over| {
            self.steps > over.saturating_add(self.most).saturating_add(VAIN_ONE_OF)
        })
    }

    /// The goroutine `number` is new.
    #[inline]
    pub(super) fn starts(&mut self, number: u32, at: Location) {
        debug_assert_eq!(self.started.len(), number as usize);
        self.started.push(at);
    }

    /// The goroutine `g` does `operation` at a line.
    #[inline]
    pub(super) fn does(&mut self, g: u32, operation: Operation, at: Option<Location>) {
        if self.notes {
            self.note(g, operation, at);
        }
    }

    #[cold]
    fn note(&mut self, g: u32, operation: Operation, at: Option<Location>) {
        let started = self.started.get(g as usize).copied();
        if self.lines.insert((started, operation, at)) {
            self.line_at = self.steps;
            self.news();
        }
        match operation {
            Operation::Await(WaitReason::ChanSend) => self.news(),
            Operation::Look => self.vain(),
            _ => {}
        }
    }

    /// Something came of what a goroutine did.
    #[inline]
    pub(super) fn news(&mut self) {
        (self.news_at, self.vain) = (self.steps, 0);
    }

    /// A goroutine has found nothing to do.
    #[inline]
    pub(super) fn vain(&mut self) {
        self.vain += 1;
    }

    #[cold]
    fn look(&mut self) {
        if self.over_at.is_some() {
            return;
        }
        if !core::mem::replace(&mut self.notes, true) {
            self.line_at = self.steps;
            self.news();
        }
        let (quiet, most) = (self.steps - self.news_at, self.most);
        let long = self.line_at.saturating_add(self.most_in_all);
        let in_vain = quiet > most && self.vain.saturating_mul(VAIN_ONE_OF) >= quiet;
        if in_vain || self.steps > long {
            self.over_at = Some(self.steps);
            return;
        }
        let next = if quiet > most {
            self.steps + 1 + most / 16
        } else {
            self.news_at.saturating_add(most)
        };
        self.look_after = next.min(long);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: u64 = 1_000;

    /// After how many steps it is over, if each does this; at most `until`.
    fn over_after(until: u64, mut does: impl FnMut(&mut Pace, u64)) -> Option<u64> {
        let mut pace = Pace::default();
        pace.begin(MOST, 10 * MOST);
        pace.starts(0, core::panic::Location::caller());
        (0..until).find(|i| {
            does(&mut pace, *i);
            pace.step();
            pace.is_over()
        })
    }

    #[test]
    fn what_goes_on_in_vain_is_over_soon_and_other_loops_ten_times_later() {
        let at = Some(core::panic::Location::caller());
        let soon = over_after(100_000, |pace, _| pace.vain()).unwrap();
        assert!((MOST..2 * MOST).contains(&soon), "{soon}");
        let lock = Operation::Await(WaitReason::MutexLock);
        let late = over_after(100_000, |pace, _| pace.does(0, lock, at)).unwrap();
        assert!((10 * MOST..11 * MOST).contains(&late), "{late}");
        let late = over_after(100_000, |pace, _| {
            pace.vain();
            pace.news();
        });
        assert!((10 * MOST..11 * MOST).contains(&late.unwrap()), "{late:?}");
    }

    #[test]
    fn it_is_not_over_while_there_are_new_lines() {
        let lines =
            [Operation::Go, Operation::Close, Operation::Done, Operation::Cancel, Operation::Store];
        let over = over_after(10 * MOST, |pace, i| {
            pace.vain();
            pace.does(0, lines[(i / 990) as usize % lines.len()], None);
        });
        // The last of five lines is new after four turns.
        let over = over.unwrap();
        assert!((4 * 990 + MOST..9 * MOST).contains(&over), "{over}");
    }

    #[test]
    fn a_poll_that_goes_on_when_it_is_over_is_left_alone_for_a_while() {
        let mut pace = Pace::default();
        pace.begin(MOST, 10 * MOST);
        let far = (0..10 * MOST).find(|_| {
            pace.vain();
            pace.step_inside()
        });
        assert!((2 * MOST..4 * MOST).contains(&far.unwrap()), "{far:?}");
    }
}
