//! The error of a bad allow rule: where it is, what is wrong and what is allowed.

use core::ops::Range;

use super::Source;
use super::kind::Kind;

/// A list of allow rules that cannot be read.
///
/// `Display` prints the source and the fault, the whole text, and marks the faulty part below it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{origin}: {}\n    {}\n    {} {}",
    fault.what,
    printable(text),
    carets(text, &fault.at),
    fault.what.help()
)]
pub struct RuleError {
    origin: Source,
    text: String,
    fault: Fault,
}

/// What is wrong, and which bytes of the text are to blame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) at: Range<usize>,
    pub(super) what: What,
}

/// What is wrong with a rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum What {
    #[error("unknown rule kind `{written}`")]
    UnknownKind { written: String, meant: Option<&'static str> },
    #[error("no rule kind before `:`")]
    NoKind,
    #[error("no pattern after `{kind}:`")]
    NoPattern { kind: Kind },
    #[error("`{bracket}` is never closed")]
    Unclosed { bracket: char, class: bool },
    #[error("`{close}` closes nothing")]
    Unopened { close: char },
    #[error("`{close}` does not close `{open}`")]
    Mismatched { open: char, close: char },
    #[error("this class is empty")]
    EmptyClass,
    #[error("the range `{from}-{to}` runs backwards")]
    BackwardRange { from: char, to: char },
    #[error("`[^` does not negate a class")]
    CaretClass,
    #[error("nothing follows the `\\`")]
    DanglingEscape,
    #[error("`\\{letter}` is not an escape")]
    BadEscape { letter: char },
}

impl What {
    /// What to write instead.
    fn help(&self) -> String {
        match self {
            Self::UnknownKind { meant, .. } => {
                let meant = meant.map(|kind| format!("did you mean `{kind}`? "));
                format!(
                    "{}kinds: {}; a `:` in a pattern is written `\\:`",
                    meant.unwrap_or_default(),
                    Kind::NAMES.join(", ")
                )
            }
            Self::NoKind => format!("kinds: {}", Kind::NAMES.join(", ")),
            Self::NoPattern { .. } => "a pattern is needed; `*` matches everything".into(),
            Self::Unclosed { bracket, class: true } => {
                format!(
                    "a class such as `[abc]` needs its `]`; the character itself is `\\{bracket}`"
                )
            }
            Self::Unclosed { bracket, class: false } => {
                format!("close it, or write `\\{bracket}` for the character itself")
            }
            Self::Unopened { close } => format!("write `\\{close}` for the character itself"),
            Self::Mismatched { open, close } => {
                format!("write `\\{open}` or `\\{close}` for the character itself")
            }
            Self::EmptyClass => "list the characters, as in `[abc]` or `[a-z]`".into(),
            Self::BackwardRange { from, to } => format!("write `{to}-{from}`"),
            Self::CaretClass => "write `[!a]` for all but `a`, `[\\^a]` for `^` or `a`".into(),
            Self::DanglingEscape => "write `\\\\` for a backslash".into(),
            Self::BadEscape { .. } => {
                "only punctuation and spaces are escaped; file paths are written with `/`".into()
            }
        }
    }
}

impl RuleError {
    pub(super) fn new(origin: Source, text: &str, fault: Fault) -> Self {
        Self { origin, text: text.to_owned(), fault }
    }

    /// Where the bad rules came from.
    pub fn origin(&self) -> &Source {
        &self.origin
    }

    /// The whole text that was read.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The faulty part of the text, in bytes. Empty when something is missing there.
    pub fn position(&self) -> Range<usize> {
        self.fault.at.clone()
    }
}

/// The text on one line: a control character would break the line of carets below it.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Spaces up to the faulty part and a caret under each character of it, at least one.
fn carets(text: &str, at: &Range<usize>) -> String {
    let before = text[..at.start].chars().count();
    let under = text[at.clone()].chars().count().max(1);
    " ".repeat(before) + &"^".repeat(under)
}
