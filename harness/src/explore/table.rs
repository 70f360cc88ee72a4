//! The course of a schedule: a column for each goroutine, a row for each operation.

use core::fmt;

use gmp_core::inspect::{GoroutineId, Location, Operation};
use gmp_core::runtime::policy::{Event, Stop};

use super::guide::Course;
use super::print;
use crate::report::text::Style;

/// What happened in a schedule, row by row.
///
/// `Display` prints it without colour, 100 columns wide.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// The goroutines, by number; the body is the first.
    pub columns: Vec<Column>,
    /// What they did, in order.
    pub rows: Vec<Row>,
}

/// A goroutine of a schedule.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Its identity, as the report names it.
    pub id: GoroutineId,
    /// The line that started it.
    pub at: Location,
}

/// One thing that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The number of the goroutine; `None` for a timer that fired.
    pub column: Option<u32>,
    /// What happened.
    pub deed: Deed,
    /// Another one would ordinarily have run here.
    pub forced: bool,
}

/// What a goroutine did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Deed {
    /// It did an operation.
    Does {
        /// What.
        operation: Operation,
        /// Where. Where a value was dropped, the line that made it: see [`Operation::is_a_drop`].
        at: Option<Location>,
        /// What came of it.
        then: Then,
    },
    /// What it waited for at this line has come.
    GoesOn(Option<Location>),
    /// It has panicked.
    Panics,
    /// It is done.
    Ends,
    /// The next timer fired.
    Fires,
}

/// What came of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// The goroutine went on.
    On,
    /// It waited for a while.
    Waited,
    /// It waits to this day.
    Stuck,
}

impl Deed {
    /// The line of an operation.
    pub(super) fn at(self) -> Option<Location> {
        match self {
            Self::Does { at, .. } | Self::GoesOn(at) => at,
            _ => None,
        }
    }
}

impl Table {
    pub(super) fn new(course: &Course) -> Self {
        let columns = course.goroutines.iter().map(|&(id, at)| Column { id, at });
        let mut table = Self { columns: columns.collect(), rows: Vec::new() };
        let mut wall = Wall { waits: vec![None; table.columns.len()], ..Wall::default() };
        wall.last.clone_from(&wall.waits);
        let mut marks = course.marks.iter().peekable();
        for (i, event) in course.events.iter().enumerate() {
            while marks.next_if(|mark| **mark <= i).is_some() {
                wall.forced = true;
            }
            wall.take(*event, &mut table.rows);
        }
        for row in wall.waits.into_iter().flatten() {
            table.rows[row].set(Then::Stuck);
        }
        table
    }

    /// As text, as wide as `style` says.
    pub fn render(&self, style: &Style) -> String {
        print::table(self, style)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(&Style::plain()))
    }
}

impl Row {
    fn set(&mut self, then: Then) {
        if let Deed::Does { then: before, .. } = &mut self.deed {
            *before = then;
        }
    }
}

/// What is known of the goroutines while the rows are written.
#[derive(Default)]
struct Wall {
    /// By number: the row of the operation that it waits in.
    waits: Vec<Option<usize>>,
    /// By number: the row of its last operation.
    last: Vec<Option<usize>>,
    /// The next row is there because another than the ordinary decision was made.
    forced: bool,
}

impl Wall {
    fn take(&mut self, event: Event, rows: &mut Vec<Row>) {
        let (column, deed) = match event {
            Event::Does { g, operation, at } => {
                if let Some(last) = self.last.get_mut(g as usize) {
                    *last = Some(rows.len());
                }
                (Some(g), Deed::Does { operation, at, then: Then::On })
            }
            Event::Stops { g, how: Stop::Parked } => {
                let row = self.last.get(g as usize).copied().flatten();
                if let Some(row) = row {
                    rows[row].set(Then::Waited);
                    self.waits[g as usize] = Some(row);
                }
                return;
            }
            Event::Runs(g) => match self.waits.get_mut(g as usize).and_then(Option::take) {
                Some(row) => (Some(g), Deed::GoesOn(rows[row].deed.at())),
                None => return,
            },
            Event::Stops { g, how: Stop::Done } => (Some(g), Deed::Ends),
            Event::Panics(g) => (Some(g), Deed::Panics),
            Event::Fires => (None, Deed::Fires),
            _ => return,
        };
        let forced = core::mem::take(&mut self.forced);
        rows.push(Row { column, deed, forced });
    }
}
