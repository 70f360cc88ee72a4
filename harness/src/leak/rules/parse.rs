//! Reads a list of allow rules: characters become units, units are split into rules.

use core::iter::Peekable;
use core::ops::Range;
use core::str::CharIndices;

use super::error::{Fault, What};
use super::hygiene::Uses;
use super::kind::Kind;
use super::matching::{Class, Pattern, Token};
use super::nearest::nearest;
use super::{Rule, Source};

/// A piece of the text that has one meaning, and where it stands.
struct Unit {
    at: Range<usize>,
    is: Is,
}

/// What a unit means.
enum Is {
    /// A step of a pattern.
    Pattern(Token),
    /// A space outside brackets; it counts only between other characters of a pattern.
    Space(char),
    /// A `:` outside brackets.
    Colon,
    /// A `,` outside brackets.
    Comma,
}

/// Reads all rules of `text`.
pub(super) fn rules(source: &Source, text: &str) -> Result<Vec<Rule>, Fault> {
    let units = Scanner::new(text).run()?;
    units
        .split(|unit| matches!(unit.is, Is::Comma))
        .map(trim)
        .filter(|units| !units.is_empty())
        .map(|units| rule(source, text, units))
        .collect()
}

/// Reads one rule of one or more units.
fn rule(source: &Source, text: &str, units: &[Unit]) -> Result<Rule, Fault> {
    let start = units[0].at.start;
    let end = units[units.len() - 1].at.end;
    let (kind, pattern) = match kind_colon(units) {
        None => (Kind::Any, units),
        Some(colon) => {
            let kind = kind(text, start..units[colon].at.start)?;
            let pattern = trim(&units[colon + 1..]);
            if pattern.is_empty() {
                return Err(Fault { at: end..end, what: What::NoPattern { kind } });
            }
            (kind, pattern)
        }
    };
    Ok(Rule {
        origin: source.clone(),
        text: text[start..end].to_owned(),
        kind,
        pattern: Pattern::new(pattern.iter().map(|unit| unit.is.token()).collect()),
        uses: Uses::default(),
    })
}

/// The index of the colon that ends the kind; `None` for a rule without a kind.
fn kind_colon(units: &[Unit]) -> Option<usize> {
    let is_colon = |unit: &Unit| matches!(unit.is, Is::Colon);
    let first = units.iter().position(is_colon)?;
    let doubled = units.get(first + 1).is_some_and(is_colon);
    (!doubled).then_some(first)
}

/// Reads the kind at `at`.
fn kind(text: &str, at: Range<usize>) -> Result<Kind, Fault> {
    let written = text[at.clone()].trim_end();
    if written.is_empty() {
        return Err(Fault { at: at.start..at.end + 1, what: What::NoKind });
    }
    Kind::named(written).ok_or_else(|| Fault {
        at: at.start..at.start + written.len(),
        what: What::UnknownKind {
            written: written.to_owned(),
            meant: nearest(written, &Kind::NAMES),
        },
    })
}

/// Takes the spaces off both ends.
fn trim(mut units: &[Unit]) -> &[Unit] {
    while let [Unit { is: Is::Space(_), .. }, rest @ ..] = units {
        units = rest;
    }
    while let [rest @ .., Unit { is: Is::Space(_), .. }] = units {
        units = rest;
    }
    units
}

impl Is {
    /// The step of a pattern that this unit is, once the rule around it is known.
    fn token(&self) -> Token {
        match self {
            Self::Pattern(token) => token.clone(),
            Self::Space(space) => Token::Literal(*space),
            Self::Colon => Token::Literal(':'),
            Self::Comma => Token::Literal(','),
        }
    }
}

/// Cuts a text into units.
struct Scanner<'a> {
    chars: Peekable<CharIndices<'a>>,
    /// The brackets that are open, with their positions.
    open: Vec<(usize, char)>,
    units: Vec<Unit>,
    end: usize,
}

impl<'a> Scanner<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            chars: text.char_indices().peekable(),
            open: Vec::new(),
            units: Vec::new(),
            end: text.len(),
        }
    }

    fn run(mut self) -> Result<Vec<Unit>, Fault> {
        let mut previous = None;
        while let Some((at, c)) = self.chars.next() {
            let is = self.unit(at, c, previous)?;
            let end = self.here();
            self.units.push(Unit { at: at..end, is });
            previous = Some(c);
        }
        match self.open.last() {
            None => Ok(self.units),
            Some(&(at, bracket)) => {
                Err(fault(at, bracket, What::Unclosed { bracket, class: false }))
            }
        }
    }

    /// Reads the unit that starts with `c`.
    fn unit(&mut self, at: usize, c: char, previous: Option<char>) -> Result<Is, Fault> {
        let outside = self.open.is_empty();
        Ok(match c {
            '\\' => Is::Pattern(Token::Literal(self.escaped(at)?)),
            '*' => Is::Pattern(Token::Run),
            '?' => Is::Pattern(Token::One),
            ',' if outside => Is::Comma,
            ':' if outside => Is::Colon,
            '[' if outside => Is::Pattern(Token::Class(self.class(at)?)),
            _ if outside && c.is_whitespace() => Is::Space(c),
            _ => {
                self.nest(at, c, previous)?;
                Is::Pattern(Token::Literal(c))
            }
        })
    }

    /// Keeps account of brackets.
    fn nest(&mut self, at: usize, c: char, previous: Option<char>) -> Result<(), Fault> {
        let opener = match c {
            '<' | '(' | '[' | '{' => {
                self.open.push((at, c));
                return Ok(());
            }
            '>' if previous == Some('-') => return Ok(()),
            '>' => '<',
            ')' => '(',
            ']' => '[',
            '}' => '{',
            _ => return Ok(()),
        };
        match self.open.pop() {
            Some((_, open)) if open == opener => Ok(()),
            Some((_, open)) => Err(fault(at, c, What::Mismatched { open, close: c })),
            None => Err(fault(at, c, What::Unopened { close: c })),
        }
    }

    /// Reads the character behind the backslash at `at`.
    fn escaped(&mut self, at: usize) -> Result<char, Fault> {
        match self.chars.next() {
            None => Err(fault(at, '\\', What::DanglingEscape)),
            Some((next, letter)) if letter.is_alphanumeric() => {
                Err(Fault { at: at..next + letter.len_utf8(), what: What::BadEscape { letter } })
            }
            Some((_, c)) => Ok(c),
        }
    }

    /// Reads the class that opened at `open`.
    fn class(&mut self, open: usize) -> Result<Class, Fault> {
        let negated = self.chars.next_if(|&(_, c)| c == '!').is_some();
        if self.chars.next_if(|&(_, c)| c == '^').is_some() {
            return Err(Fault { at: open..self.here(), what: What::CaretClass });
        }
        let mut ranges = Vec::new();
        while self.chars.next_if(|&(_, c)| c == ']').is_none() {
            ranges.push(self.range(open)?);
        }
        if ranges.is_empty() {
            return Err(Fault { at: open..self.here(), what: What::EmptyClass });
        }
        Ok(Class { negated, ranges })
    }

    /// Reads `a` or `a-z` inside the class that opened at `open`.
    fn range(&mut self, open: usize) -> Result<(char, char), Fault> {
        let start = self.here();
        let from = self.class_character(open)?;
        // A `-` in front of the `]` is a character of the class.
        let mut ahead = self.chars.clone();
        let dash = ahead.next().is_some_and(|(_, c)| c == '-');
        if !dash || ahead.next().is_none_or(|(_, c)| c == ']') {
            return Ok((from, from));
        }
        self.chars.next();
        let to = self.class_character(open)?;
        if to < from {
            let what = What::BackwardRange { from, to };
            return Err(Fault { at: start..self.here(), what });
        }
        Ok((from, to))
    }

    /// Reads one character inside the class that opened at `open`.
    fn class_character(&mut self, open: usize) -> Result<char, Fault> {
        match self.chars.next() {
            None => Err(fault(open, '[', What::Unclosed { bracket: '[', class: true })),
            Some((at, '\\')) => self.escaped(at),
            Some((_, c)) => Ok(c),
        }
    }

    /// The position of the next character.
    fn here(&mut self) -> usize {
        self.chars.peek().map_or(self.end, |&(at, _)| at)
    }
}

/// A fault that is one character.
fn fault(at: usize, c: char, what: What) -> Fault {
    Fault { at: at..at + c.len_utf8(), what }
}
