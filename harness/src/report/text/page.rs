//! The page that a report is written on: painted pieces, wrapped paragraphs.

use core::fmt::Write as _;

use super::style::{Ink, Style};
use crate::report::words::text_columns;

/// Text under construction.
#[derive(Debug)]
pub(super) struct Page {
    out: String,
    style: Style,
}

impl Page {
    pub(super) fn new(style: Style) -> Self {
        Self { out: String::new(), style }
    }

    /// The finished text.
    pub(super) fn finish(self) -> String {
        self.out
    }

    /// The width in columns.
    pub(super) fn width(&self) -> usize {
        self.style.width()
    }

    /// Appends painted text.
    pub(super) fn paint(&mut self, ink: Ink, text: &str) -> &mut Self {
        if !text.is_empty() {
            let ansi = self.style.of(ink);
            // Writing to a `String` never fails.
            let _ = write!(self.out, "{ansi}{text}{ansi:#}");
        }
        self
    }

    /// Appends plain text.
    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        self.out.push_str(text);
        self
    }

    /// Ends the line, without trailing spaces.
    pub(super) fn end(&mut self) -> &mut Self {
        self.out.truncate(self.out.trim_end_matches(' ').len());
        self.out.push('\n');
        self
    }

    /// Leaves a line empty, unless one is empty already.
    pub(super) fn gap(&mut self) -> &mut Self {
        if !self.out.is_empty() && !self.out.ends_with("\n\n") {
            self.out.push('\n');
        }
        self
    }

    /// Goes on with `text` where the line is, wraps it at the page's width and indents further lines
    /// by `hang` columns. Code between backticks stands out.
    pub(super) fn wrap(&mut self, ink: Ink, hang: usize, text: &str) -> &mut Self {
        let width = self.width();
        let line = self.out.rfind('\n').map_or(0, |at| at + 1);
        let mut column = text_columns(&uncoloured(&self.out[line..]));
        let mut fresh = true;
        let mut code = false;
        for (n, word) in text.split(' ').enumerate() {
            let columns = text_columns(word);
            if n > 0 && !fresh && column + 1 + columns > width {
                self.out.push('\n');
                self.out.extend(core::iter::repeat_n(' ', hang));
                column = hang;
            } else if n > 0 {
                self.out.push(' ');
                column += 1;
            }
            fresh = false;
            for (part, piece) in word.split('`').enumerate() {
                if part > 0 {
                    code = !code;
                    self.out.push('`');
                }
                self.paint(if code { Ink::Code } else { ink }, piece);
            }
            column += columns;
        }
        self.end()
    }
}

/// The text without its escape sequences; the page itself writes no others than colours.
pub(super) fn uncoloured(text: &str) -> String {
    let mut parts = text.split("\x1b[");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.split_once('m').map_or("", |(_, rest)| rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraphs_are_wrapped_and_indented() {
        let mut page = Page::new(Style::plain().with_width(60));
        page.text("  = fix: ").wrap(Ink::Plain, 9, &"word ".repeat(14));
        let text = page.finish();
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some(&*format!("  = fix: {}", ["word"; 10].join(" "))));
        assert_eq!(lines.next(), Some(&*format!("         {}", ["word"; 4].join(" "))));
        assert_eq!(lines.next(), None);
    }

    #[test]
    fn a_word_that_is_too_long_is_not_cut() {
        let mut page = Page::new(Style::plain().with_width(60));
        page.wrap(Ink::Plain, 0, &format!("a {} b", "x".repeat(100)));
        assert_eq!(page.finish(), format!("a\n{}\nb\n", "x".repeat(100)));
    }

    #[test]
    fn every_colour_is_switched_off_again() {
        let mut page = Page::new(Style::coloured());
        page.paint(Ink::Alarm, "a").wrap(Ink::Plain, 0, "b `c d` e");
        let text = page.finish();
        assert_eq!(uncoloured(&text), "ab `c d` e\n");
        assert_eq!(text.matches("\x1b[0m").count(), 3);
    }
}
