//! How the text looks: colours or none, and how wide it may be.

use std::env;
use std::ffi::OsString;
use std::io::{IsTerminal as _, stderr};

use anstyle::{AnsiColor, Style as Ansi};

/// The widest and the narrowest text.
const WIDTHS: core::ops::RangeInclusive<usize> = 60..=120;
/// The width when nobody says anything: that of a terminal that nobody made larger.
const WIDTH: usize = 80;

/// The look of a rendered report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    colour: bool,
    width: usize,
}

impl Style {
    /// Text without any escape sequence.
    pub fn plain() -> Self {
        Self { colour: false, width: WIDTH }
    }

    /// Text with ANSI colours.
    pub fn coloured() -> Self {
        Self { colour: true, width: WIDTH }
    }

    /// The style that standard error wants: see [`wants_colour`] for the variables. `COLUMNS`, if it
    /// is exported, gives the width, kept between 60 and 120.
    pub fn detect() -> Self {
        let colour = wants_colour(|name| env::var_os(name), stderr().is_terminal());
        let width = env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
        Self { colour, width: WIDTH }.with_width(width.unwrap_or(WIDTH))
    }

    /// The same with another width, in columns; kept between 60 and 120.
    pub fn with_width(self, width: usize) -> Self {
        Self { width: width.clamp(*WIDTHS.start(), *WIDTHS.end()), ..self }
    }

    /// The width in columns.
    pub(crate) fn width(self) -> usize {
        self.width
    }

    /// The escape sequences for `ink`; empty in plain text.
    pub(crate) fn of(self, ink: Ink) -> Ansi {
        if self.colour { ink.ansi() } else { Ansi::new() }
    }
}

/// Decides whether colours are wanted. The first of these that says something decides: `NO_COLOR`
/// (set and not empty: no), `CLICOLOR_FORCE` (set and not `0`: yes), `CARGO_TERM_COLOR` (`always`,
/// `never`), `CLICOLOR` (`0`: no), `TERM` (`dumb`: no); else a terminal wants them.
pub fn wants_colour(var: impl Fn(&str) -> Option<OsString>, is_terminal: bool) -> bool {
    let set = |name| var(name).filter(|value| !value.is_empty());
    let is = |name, value: &str| set(name).is_some_and(|found| found == value);
    if set("NO_COLOR").is_some() {
        return false;
    }
    if set("CLICOLOR_FORCE").is_some_and(|value| value != "0") || is("CARGO_TERM_COLOR", "always") {
        return true;
    }
    let never = is("CARGO_TERM_COLOR", "never") || is("CLICOLOR", "0") || is("TERM", "dumb");
    is_terminal && !never
}

/// What a piece of text is, which decides its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ink {
    /// Running text.
    Plain,
    /// Headlines and names that the eye should find.
    Strong,
    /// What is certain to be wrong: the first line, Proven, Running, panics.
    Alarm,
    /// What is wrong but could still end: Reachable, External, Timer.
    Warning,
    /// Line numbers, arrows and bars.
    Gutter,
    /// Where something began.
    Origin,
    /// What to change.
    Fix,
    /// What matters least.
    Dim,
    /// Code inside a sentence.
    Code,
}

impl Ink {
    fn ansi(self) -> Ansi {
        let colour = |colour: AnsiColor| Ansi::new().fg_color(Some(colour.into()));
        match self {
            Self::Plain => Ansi::new(),
            Self::Strong => Ansi::new().bold(),
            Self::Alarm => colour(AnsiColor::BrightRed).bold(),
            Self::Warning => colour(AnsiColor::BrightYellow).bold(),
            Self::Gutter => colour(AnsiColor::BrightBlue).bold(),
            Self::Origin => colour(AnsiColor::BrightCyan).bold(),
            Self::Fix => colour(AnsiColor::BrightGreen).bold(),
            Self::Dim => Ansi::new().dimmed(),
            Self::Code => Ansi::new().bold(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Decides with these variables.
    fn decide(vars: &[(&str, &str)], is_terminal: bool) -> bool {
        let get = |name: &str| {
            vars.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value))
        };
        wants_colour(get, is_terminal)
    }

    #[test]
    fn a_terminal_wants_colours_and_a_pipe_does_not() {
        assert!(decide(&[], true));
        assert!(!decide(&[], false));
        assert!(!decide(&[("TERM", "dumb")], true));
        assert!(!decide(&[("CLICOLOR", "0")], true));
    }

    #[test]
    fn variables_decide_in_their_order() {
        assert!(!decide(&[("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")], true));
        assert!(decide(&[("NO_COLOR", "")], true));
        assert!(decide(&[("CLICOLOR_FORCE", "1"), ("TERM", "dumb")], false));
        assert!(!decide(&[("CLICOLOR_FORCE", "0")], false));
        assert!(decide(&[("CARGO_TERM_COLOR", "always")], false));
        assert!(!decide(&[("CARGO_TERM_COLOR", "never")], true));
        assert!(decide(&[("CARGO_TERM_COLOR", "auto")], true));
    }

    #[test]
    fn the_width_stays_in_its_bounds() {
        assert_eq!(Style::plain().with_width(3).width(), 60);
        assert_eq!(Style::plain().with_width(100_000).width(), 120);
    }
}
