//! Allow rules: which goroutines and primitives may outlive their scope without failing the test.
//!
//! Rules come as text: from the variable `GMP_LEAK_IGNORE`, from `gmp-leak.toml` (see
//! [`settings`](crate::settings)), from the option `ignore(..)` of the attribute, and from libraries that
//! [declare](crate::leak::declare!) goroutines of their own. The rules of all sources add up.
//!
//! # Grammar
//!
//! ```text
//! list    = rule { "," rule }
//! rule    = [ kind ":" ] pattern
//! kind    = "any" | "top" | "created-by" | "file" | "test" | "reason"
//!         | "chan" | "mutex" | "rwlock" | "waitgroup" | "cond" | "once" | "semaphore" | "singleflight"
//!         | "timer" | "ticker" | "context" | "goroutine"
//!         | "tcp" | "tcp-listener" | "udp" | "unix" | "unix-listener" | "pipe" | "process"
//! pattern = { "*" | "?" | class | "\" punctuation | character }
//! class   = "[" [ "!" ] { character | character "-" character } "]"
//! ```
//!
//! * **Commas** separate rules, except inside `<..>`, `(..)`, `{..}` and classes, and except `\,`.
//!   Those brackets must be balanced; the `>` of `->` is not a bracket. Empty entries and spaces
//!   around rules are skipped.
//! * **The kind** is what stands before the first `:` outside brackets, unless a second `:` follows:
//!   `foo::bar` is a pattern. Without a kind the rule is of the kind `any`.
//! * **`*`** stands for any run of characters, also none and also across `::` and `/`; **`?`** for
//!   one character.
//! * **`[`** outside other brackets opens a class: `[abc]`, `[a-z]`, and `[!a]` for all but `a`.
//!   Inside other brackets it is an ordinary character, so `foo<[u8], T>` means what it says.
//! * **`\`** takes the meaning from the punctuation character or the space after it. Before a letter
//!   or a digit it is an error: file paths are written with `/` on every platform.
//!
//! # Kinds
//!
//! | kind | the pattern is matched against |
//! |---|---|
//! | `any` | the function of each frame of each stack |
//! | `top` | the innermost function of each stack |
//! | `created-by` | the place of the `go` that started the goroutine, and its module |
//! | `file` | the places of frames, of awaited operations and of that `go` |
//! | `test` | the name of the test |
//! | `reason` | the wait reason of the goroutine and of each leaf, such as `chan receive` |
//! | `chan`, `mutex`, `rwlock`, `waitgroup`, `cond`, `once`, `semaphore`, `singleflight`, `timer`, `ticker`, `context`, `goroutine`, `tcp`, `tcp-listener`, `udp`, `unix`, `unix-listener`, `pipe`, `process` | the place where a primitive of that kind, which it waits on, was created |
//!
//! Of a primitive that was [left behind](crate::leak::Code::WaitGroupLeft) three of them speak: `chan`, `mutex` and
//! so on of the place where it was created, `file` also of the places that locked, took or counted it, `test` of the
//! test. So `waitgroup:src/pool.rs` allows both those who wait for such a group and one that is left above zero.
//!
//! # What a match is
//!
//! A pattern with a wildcard (`*`, `?` or a class) must match the whole text. A pattern without one
//! matches the whole text, or a run of whole segments at its start or its end: `worker` and
//! `pool::worker` match `my_crate::pool::worker`, and so do `my_crate` and `my_crate::pool`, but
//! `work` and `pool` do not. Wait reasons are always matched whole.
//!
//! *Functions and tests* have segments between `::`. Demanglers differ in how they print generic
//! arguments and the type before a method, so a pattern without `<` sees a simplified path as well:
//! `Pool::run` matches `my_crate::Pool<u8>::run`, `<my_crate::Pool>::run::<u8>` and
//! `<my_crate::Pool as Service>::run`.
//!
//! *Places* have segments between `/`. A pattern is tried on `src/pool.rs`, `src/pool.rs:12` and
//! `src/pool.rs:12:5`.
//!
//! *The module of a `go`* is read off the file's name, with the folder as the name of the crate:
//! `created-by:my_pool::*` matches whatever is started in `my-pool-1.2.0/src/worker.rs`.
//!
//! A test body that is blocked is never hidden, whatever the rules say.
//!
//! # Example
//!
//! ```
//! use gmp::leak::rules::{Rules, Source};
//!
//! let rules = Rules::parse(Source::ENV, "top:my_crate::worker, chan:src/pool.rs, vendor::*")?;
//! assert_eq!(rules.iter().count(), 3);
//!
//! let error = Rules::parse(Source::ENV, "top:[").unwrap_err();
//! assert!(error.to_string().starts_with("GMP_LEAK_IGNORE: `[` is never closed"));
//! # Ok::<(), gmp::leak::rules::RuleError>(())
//! ```

mod error;
mod hygiene;
mod kind;
mod matching;
mod module;
pub(crate) mod nearest;
mod parse;

#[cfg(test)]
mod tests;

use core::fmt;
use std::borrow::Cow;
use std::sync::Arc;

pub use error::RuleError;
pub use hygiene::Unused;
use hygiene::Uses;
pub use kind::Kind;
use matching::Pattern;

use crate::report::finding::{Finding, Hidden, Leftover};

/// Where rules come from; printed in errors and beside what a rule hid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source(Cow<'static, str>);

impl Source {
    /// The environment variable.
    pub const ENV: Self = Self(Cow::Borrowed("GMP_LEAK_IGNORE"));
    /// The option of the attribute.
    pub const ATTRIBUTE: Self = Self(Cow::Borrowed("#[gmp::test(ignore(..))]"));

    /// A source with a name of its own: a file, a library that declares its goroutines.
    pub fn named(name: impl Into<Cow<'static, str>>) -> Self {
        Self(name.into())
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One allow rule and what it did so far.
#[derive(Debug)]
pub struct Rule {
    origin: Source,
    text: String,
    kind: Kind,
    pattern: Pattern,
    uses: Uses,
}

impl Rule {
    /// The rule as it was written, without the spaces around it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Where it came from.
    pub fn origin(&self) -> &Source {
        &self.origin
    }

    /// What it is matched against.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// How many goroutines it hid in this process.
    pub fn hidden(&self) -> usize {
        self.uses.hidden()
    }

    /// How many primitives that were left behind it hid in this process.
    pub fn hidden_primitives(&self) -> usize {
        self.uses.primitives()
    }

    /// The line of a report that says how many goroutines this rule hid there.
    pub fn report(&self, count: usize) -> Hidden {
        Hidden { rule: self.text.clone(), source: self.origin.to_string(), count, primitives: 0 }
    }

    /// Whether this rule allows `finding` in `test`. Counts nothing.
    fn matches(&self, test: &str, finding: &Finding) -> bool {
        self.kind.matches(&self.pattern, test, finding)
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` ({})", self.text, self.origin)
    }
}

/// An ordered set of allow rules. Clones share the rules and their counts.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    rules: Vec<Arc<Rule>>,
}

impl Rules {
    /// Reads a comma-separated list of rules; see the [module](self) for the grammar.
    ///
    /// # Errors
    /// The first bad rule, with its position in `text`, what is wrong and what is allowed.
    pub fn parse(source: Source, text: &str) -> Result<Self, RuleError> {
        match parse::rules(&source, text) {
            Ok(rules) => Ok(Self { rules: rules.into_iter().map(Arc::new).collect() }),
            Err(fault) => Err(RuleError::new(source, text, fault)),
        }
    }

    /// Adds the rules of another source behind the ones that are here.
    pub fn extend(&mut self, other: Self) {
        self.rules.extend(other.rules);
    }

    /// The rules, in the order in which they are tried.
    pub fn iter(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter().map(|rule| &**rule)
    }

    /// True when there is no rule at all.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The first rule that allows `finding` in `test`, credited with the goroutines it hides.
    ///
    /// Later rules that match as well are noted as used, so that [`unused`](Self::unused) names no
    /// rule that has a match. A finding about the test body is never hidden.
    pub fn hide(&self, test: &str, finding: &Finding) -> Option<&Rule> {
        if finding.is_body {
            return None;
        }
        let first = self.first(|rule| rule.matches(test, finding))?;
        first.uses.add_hidden(finding.count);
        Some(first)
    }

    /// As [`hide`](Self::hide), for primitives that were left behind.
    pub fn hide_leftover(&self, test: &str, leftover: &Leftover) -> Option<&Rule> {
        let matches = |rule: &Rule| rule.kind.matches_leftover(&rule.pattern, test, leftover);
        let first = self.first(matches)?;
        first.uses.add_primitives(leftover.count);
        Some(first)
    }

    /// The first rule that `matches`; all of them are noted as used.
    fn first(&self, matches: impl Fn(&Rule) -> bool) -> Option<&Rule> {
        let mut first = None;
        for rule in self.iter().filter(|rule| matches(rule)) {
            rule.uses.note_match();
            first.get_or_insert(rule);
        }
        first
    }
}
