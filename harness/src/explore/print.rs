//! How the table of a schedule looks in a terminal.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use gmp_core::inspect::Location;

use super::table::{Column, Deed, Row, Table, Then};
use crate::report::finding::SourceLine;
use crate::report::source::Sources;
use crate::report::text::{Ink, Style};

/// Rows that are shown at the beginning and at the end of a long table.
const FIRST: usize = 12;
const LAST: usize = 40;
/// The least width of a column.
const NARROWEST: usize = 22;
/// The width of the row numbers and the marks beside them.
const MARGIN: usize = 6;

/// A table while it is printed.
struct Print<'a> {
    table: &'a Table,
    style: Style,
    sources: Sources,
    /// The numbers of the goroutines that have a column.
    shown: Vec<u32>,
    width: usize,
    text: String,
}

/// The table as text.
pub(super) fn table(table: &Table, style: &Style) -> String {
    let fit = ((style.width() - MARGIN) / NARROWEST).max(1);
    let shown = columns(table, fit);
    let width = ((style.width() - MARGIN) / shown.len().max(1)).min(52);
    let sources = Sources::from_env();
    let mut print = Print { table, style: *style, sources, shown, width, text: String::new() };
    print.heads();
    print.rows();
    print.text
}

/// Who gets a column: those that are stuck or panicked first, then those that did most.
fn columns(table: &Table, fit: usize) -> Vec<u32> {
    let mut weight = vec![0usize; table.columns.len()];
    for row in &table.rows {
        let Some(weight) = row.column.and_then(|g| weight.get_mut(g as usize)) else { continue };
        *weight += match row.deed {
            Deed::Does { then: Then::Stuck, .. } | Deed::Panics => 1_000_000,
            _ => 1,
        };
    }
    let mut by_weight: Vec<u32> = (0..weight.len() as u32).collect();
    by_weight.retain(|g| weight[*g as usize] > 0);
    by_weight.sort_by_key(|g| core::cmp::Reverse(weight[*g as usize]));
    by_weight.truncate(fit);
    by_weight.into_iter().collect::<BTreeSet<u32>>().into_iter().collect()
}

impl Print<'_> {
    fn paint(&mut self, ink: Ink, text: &str) {
        let style = self.style.of(ink);
        let _ = write!(self.text, "{style}{text}{style:#}");
    }

    fn end(&mut self) {
        let kept = self.text.trim_end_matches(' ').len();
        self.text.truncate(kept);
        self.text.push('\n');
    }

    /// Two lines a column: who it is, and the line that started it.
    fn heads(&mut self) {
        for line in 0..3 {
            self.text.push_str(&" ".repeat(MARGIN));
            for i in 0..self.shown.len() {
                let g = self.shown[i];
                let Column { id, at } = self.table.columns[g as usize];
                let (ink, text) = match line {
                    0 if g == 0 => (Ink::Strong, format!("{id}, the body")),
                    0 => (Ink::Strong, id.to_string()),
                    1 if g == 0 => (Ink::Dim, place(at)),
                    1 => (Ink::Dim, format!("go at {}", place(at))),
                    _ => (Ink::Gutter, "-".repeat(self.width - 2)),
                };
                self.cell(ink, &text);
            }
            self.end();
        }
    }

    /// `text` in a cell of its own.
    fn cell(&mut self, ink: Ink, text: &str) {
        let text = cut(text, self.width - 2);
        let pad = self.width - text.chars().count();
        self.paint(ink, &text);
        self.text.push_str(&" ".repeat(pad));
    }

    fn rows(&mut self) {
        let rows = &self.table.rows;
        let hidden = rows.len().saturating_sub(FIRST + LAST);
        for (i, row) in rows.iter().enumerate() {
            if hidden > 1 && (FIRST..FIRST + hidden).contains(&i) {
                if i == FIRST {
                    let text = format!("{:MARGIN$}.. {hidden} more ..", "");
                    self.paint(Ink::Dim, &text);
                    self.end();
                }
                continue;
            }
            self.row(i, *row);
        }
    }

    fn row(&mut self, i: usize, row: Row) {
        self.paint(Ink::Dim, &format!("{:>4}", i + 1));
        self.paint(Ink::Warning, if row.forced { "> " } else { "  " });
        let (ink, text) = self.deed(row);
        let Some(g) = row.column else {
            self.paint(ink, &text);
            return self.end();
        };
        match self.shown.iter().position(|shown| *shown == g) {
            Some(place) => {
                self.text.push_str(&" ".repeat(place * self.width));
                self.cell(ink, &text);
            }
            None => {
                let id = self.table.columns.get(g as usize).map(|column| column.id.to_string());
                let text = format!("({}: {text})", id.unwrap_or_default());
                let text = cut(&text, self.style.width() - MARGIN);
                self.paint(Ink::Dim, &text);
            }
        }
        self.end();
    }

    /// What a row says.
    fn deed(&self, row: Row) -> (Ink, String) {
        match row.deed {
            Deed::Fires => (Ink::Origin, "~~ the next timer fires ~~".into()),
            Deed::Ends => (Ink::Dim, "ends".into()),
            Deed::Panics => (Ink::Alarm, "panics".into()),
            Deed::GoesOn(at) => (Ink::Plain, format!("{}goes on", self.line(row.column, at))),
            Deed::Does { operation, at, then } => {
                let dropped = at.filter(|_| operation.is_a_drop());
                let code = match dropped {
                    Some(made) => format!("{operation} of {}", self.of(row.column, made)),
                    None => self.code(at).unwrap_or_else(|| operation.to_string()),
                };
                let line = self.line(row.column, at.filter(|_| dropped.is_none()));
                let room = |mark: &str| {
                    let room = self.width - 2 - mark.len();
                    format!("{}{mark}", cut(&format!("{line}{code}"), room))
                };
                match then {
                    Then::On => (Ink::Plain, room("")),
                    Then::Waited => (Ink::Plain, room(" waits")),
                    Then::Stuck => (Ink::Alarm, room(" STUCK")),
                }
            }
        }
    }

    /// The line number, with the file where that is not the one that started the goroutine.
    fn line(&self, g: Option<u32>, at: Option<Location>) -> String {
        let Some(at) = at else { return String::new() };
        if self.is_at_home(g, at) { format!("{} ", at.line()) } else { format!("{} ", place(at)) }
    }

    /// The line that made what is dropped, likewise.
    fn of(&self, g: Option<u32>, made: Location) -> String {
        if self.is_at_home(g, made) { format!("line {}", made.line()) } else { place(made) }
    }

    /// Whether the goroutine was started in this file.
    fn is_at_home(&self, g: Option<u32>, at: Location) -> bool {
        let started = g.and_then(|g| self.table.columns.get(g as usize));
        started.is_some_and(|column| column.at.file() == at.file())
    }

    /// The source text of a line.
    fn code(&self, at: Option<Location>) -> Option<String> {
        let line = self.sources.line(&SourceLine::from(at?))?;
        let line = line.trim().trim_end_matches([';', '{', ',']).trim_end();
        let plain: String = line.chars().filter(|c| !c.is_control()).collect();
        (!plain.is_empty()).then_some(plain)
    }
}

/// The name of the file, and the line.
fn place(at: Location) -> String {
    let file = at.file().rsplit(['/', '\\']).next().unwrap_or_default();
    format!("{file}:{}", at.line())
}

/// At most `width` characters of `text`.
fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width.saturating_sub(2)).collect();
    format!("{kept}..")
}

#[cfg(test)]
#[path = "print_tests.rs"]
mod tests;
