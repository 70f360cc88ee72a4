//! What the source around a wait tells of it: a send before this one, an `add` on the wrong side of its `go`, the
//! arm of a `select!` that was meant to end it. Where the source is not at hand, nothing is said.

use gmp_core::inspect::PrimitiveKind;

use super::{Case, NAME_LIMIT};
use crate::report::finding::SourceLine;

/// How many lines are read in each direction.
const LINES: u32 = 40;

impl Case<'_> {
    /// The line of a send on the same channel that comes before the one `at`, in the same function or block.
    pub(super) fn earlier_send(&self, at: &SourceLine) -> Option<SourceLine> {
        let call = format!("{}.send(", self.variable(at)?);
        let first = at.line.saturating_sub(LINES).max(1);
        for line in (first..at.line).rev() {
            let place = SourceLine { line, column: 0, ..at.clone() };
            let text = self.sources.line(&place)?;
            if calls(&text, &call) {
                return Some(place);
            }
            if text.contains("fn ") || text.contains("go(") || text.starts_with('}') {
                return None;
            }
        }
        None
    }

    /// What to change about an `add` that runs inside the goroutine which it counts.
    pub(super) fn add_inside(&self) -> Option<String> {
        let (start, wait) = (&self.finding.created_at, self.finding.waits.first()?);
        let ours = start.line < wait.at.line && wait.at.line - start.line <= LINES;
        if self.finding.is_body || wait.at.file != start.file || !ours {
            return None;
        }
        if !self.sources.line(start)?.contains("go(") {
            return None;
        }
        let line = |line| SourceLine { line, column: 0, ..start.clone() };
        let (at, group) = (start.line..wait.at.line).find_map(|number| {
            let at = line(number);
            let group = added_to(&self.sources.line(&at)?)?.to_owned();
            Some((at, group))
        })?;
        let done = format!("{group}.done()");
        let is_done = |number| self.sources.line(&line(number)).is_some_and(|l| calls(&l, &done));
        (wait.at.line..wait.at.line + LINES).any(is_done).then(|| {
            format!(
                "The `add` at {} runs inside the goroutine, so a `wait` may pass before it: move it in \
                 front of the `go` at {}, or start the goroutine with `wg.go(..)`.",
                self.sources.show_line(&at),
                self.sources.show_line(start)
            )
        })
    }

    /// The channel of the only arm of the `select!` that leaves it.
    pub(super) fn ending_arm(&self) -> Option<String> {
        // Arms that are operations on channels have the line of their `select!`.
        let mut receives = self.waits_on(PrimitiveKind::Chan).map(|wait| &wait.at);
        let at = receives.next()?;
        if receives.any(|other| other != at) {
            return None;
        }
        let indent = |text: &str| text.len() - text.trim_start().len();
        let own = indent(&self.sources.line(at)?);
        let lines = (at.line + 1..at.line + LINES)
            .map_while(|line| self.sources.line(&SourceLine { line, ..at.clone() }));
        let lines: Vec<String> = lines.take_while(|text| indent(text) > own).collect();
        let leaves = |text: &str| text.starts_with("break") || text.starts_with("return");
        let ends = |(n, text): (usize, &String)| {
            let (name, rest) = text.trim_start().strip_prefix("recv(")?.split_once(") ->")?;
            let (_, does) = rest.split_once("=>")?;
            let next = lines.get(n + 1).map_or("", |next| next.trim_start());
            let leaves = leaves(does.trim()) || does.trim() == "{" && leaves(next);
            (leaves && is_name(name)).then(|| name.to_owned())
        };
        let mut found = lines.iter().enumerate().filter_map(ends);
        let first = found.next()?;
        found.next().is_none().then_some(first)
    }
}

/// Whether `call` is in `text`, as a call on exactly this variable.
fn calls(text: &str, call: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
    text.match_indices(call).any(|(at, _)| !text[..at].ends_with(part))
}

/// The variable of `group.add(3)`.
fn added_to(text: &str) -> Option<&str> {
    let (before, after) = text.split_once(".add(")?;
    let name = before.trim_start();
    (after.starts_with(|c: char| c.is_ascii_digit()) && is_name(name)).then_some(name)
}

/// Whether it can be printed as the name of a variable.
fn is_name(text: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
    !text.is_empty() && text.len() <= NAME_LIMIT && text.chars().all(part)
}
