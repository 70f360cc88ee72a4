//! Matches the pattern of an allow rule against function paths, places and plain words.

use std::borrow::Cow;

use crate::report::finding::SourceLine;

/// One step of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// Exactly this character.
    Literal(char),
    /// One character, whichever.
    One,
    /// Any run of characters, also none.
    Run,
    /// One character of a class.
    Class(Class),
}

/// A set of characters: `[abc]`, `[a-z]`, `[!a]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Class {
    /// The class stands for every character that is not listed.
    pub(super) negated: bool,
    /// First and last character of each range; the same for a single character.
    pub(super) ranges: Vec<(char, char)>,
}

impl Class {
    fn contains(&self, c: char) -> bool {
        self.ranges.iter().any(|&(from, to)| (from..=to).contains(&c)) != self.negated
    }
}

impl Token {
    /// Whether this token stands for `c`. A run is the caller's business.
    fn accepts(&self, c: char) -> bool {
        match self {
            Self::Literal(literal) => *literal == c,
            Self::One => true,
            Self::Run => false,
            Self::Class(class) => class.contains(c),
        }
    }
}

/// The pattern of a rule.
#[derive(Clone, Debug)]
pub(super) enum Pattern {
    /// Without wildcards: matches whole segments.
    Words(String),
    /// With wildcards: matches the whole text.
    Glob(Vec<Token>),
}

impl Pattern {
    /// Makes a pattern of its tokens.
    pub(super) fn new(tokens: Vec<Token>) -> Self {
        let literal = |token: &Token| match token {
            Token::Literal(c) => Some(*c),
            _ => None,
        };
        match tokens.iter().map(literal).collect() {
            Some(words) => Self::Words(words),
            None => Self::Glob(tokens),
        }
    }

    /// Matches a function or the name of a test: segments between `::`.
    ///
    /// The simplified path has no `<`, so only patterns without one can match there.
    pub(super) fn matches_path(&self, path: &str) -> bool {
        self.matches_segments(path, "::") || self.matches_segments(&simplify(path), "::")
    }

    /// Matches a place in the source: segments between `/`, with or without line and column.
    pub(super) fn matches_place(&self, place: &SourceLine) -> bool {
        let file = place.file.to_string_lossy();
        let file = if cfg!(windows) { Cow::from(file.replace('\\', "/")) } else { file };
        let with_line = format!("{file}:{}", place.line);
        let with_column = format!("{with_line}:{}", place.column);
        [&*file, &with_line, &with_column].iter().any(|text| self.matches_segments(text, "/"))
    }

    /// Matches the whole text.
    pub(super) fn matches_whole(&self, text: &str) -> bool {
        match self {
            Self::Words(words) => words == text,
            Self::Glob(tokens) => matches_glob(tokens, text),
        }
    }

    /// Matches the whole text or, without wildcards, whole segments at its start or its end.
    fn matches_segments(&self, text: &str, separator: &str) -> bool {
        self.matches_whole(text)
            || match self {
                Self::Words(words) => {
                    text.strip_prefix(words.as_str())
                        .is_some_and(|rest| rest.starts_with(separator))
                        || text
                            .strip_suffix(words.as_str())
                            .is_some_and(|rest| rest.ends_with(separator))
                }
                Self::Glob(_) => false,
            }
    }
}

/// Whether `tokens` match the whole of `text`.
///
/// Only the last run ever has to grow: when what follows a later run has matched, an earlier run
/// could not help any more. So the time is at most the product of both lengths, without recursion.
fn matches_glob(tokens: &[Token], text: &str) -> bool {
    let mut token = 0;
    let mut rest = text.chars();
    // The token behind the last run, and the text that this run has not taken yet.
    let mut retry: Option<(usize, core::str::Chars<'_>)> = None;
    loop {
        if tokens.get(token) == Some(&Token::Run) {
            token += 1;
            retry = Some((token, rest.clone()));
            continue;
        }
        let mut ahead = rest.clone();
        match (tokens.get(token), ahead.next()) {
            (None, None) => return true,
            (Some(wanted), Some(c)) if wanted.accepts(c) => {
                token += 1;
                rest = ahead;
            }
            _ => {
                let Some((behind, untaken)) = &mut retry else { return false };
                if untaken.next().is_none() {
                    return false;
                }
                token = *behind;
                rest = untaken.clone();
            }
        }
    }
}

/// A path without generic arguments, and with `<X>::f` and `<X as Trait>::f` written as `X::f`.
///
/// Text whose angle brackets do not pair is returned unchanged.
fn simplify(path: &str) -> Cow<'_, str> {
    if !path.contains('<') {
        return Cow::Borrowed(path);
    }
    let mut out = String::new();
    let mut rest = path;
    while let Some(open) = rest.find('<') {
        let (before, from_open) = rest.split_at(open);
        let Some(close) = matching_angle(from_open) else { return Cow::Borrowed(path) };
        out.push_str(before);
        let inside = &from_open[1..close];
        rest = &from_open[close + 1..];
        if out.is_empty() && rest.starts_with("::") {
            out.push_str(&simplify(before_as(inside)));
        } else if let Some(shorter) = out.strip_suffix("::") {
            // `f::<T>` and `module::<impl X>::f`: the arguments go together with their `::`.
            out.truncate(shorter.len());
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// The byte of the `>` that closes the `<` at the start of `text`.
fn matching_angle(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let mut previous = 0;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'<' => depth += 1,
            b'>' if previous != b'-' => {
                depth -= 1;
                if depth == 0 {
                    return Some(at);
                }
            }
            _ => {}
        }
        previous = byte;
    }
    None
}

/// The type of `Type as Trait`, or everything when there is no trait.
fn before_as(inside: &str) -> &str {
    let mut depth = 0_usize;
    let mut previous = 0;
    for (at, byte) in inside.bytes().enumerate() {
        match byte {
            b'<' | b'(' | b'[' => depth += 1,
            b'>' if previous == b'-' => {}
            b'>' | b')' | b']' => depth = depth.saturating_sub(1),
            b' ' if depth == 0 && inside[at..].starts_with(" as ") => return &inside[..at],
            _ => {}
        }
        previous = byte;
    }
    inside
}
