//! A source line with its number in the gutter and the place in it underlined.

use super::page::Page;
use super::style::Ink;
use crate::report::finding::SourceLine;
use crate::report::source::{Sources, in_registry, is_std};
use crate::report::words::{clean, columns, push_clean, text_columns};

/// The longest name of a function that is printed.
const FUNCTION_LIMIT: usize = 120;

/// One place in the source, and what happens there.
#[derive(Clone, Debug)]
pub(super) struct Step {
    /// Where.
    pub(super) at: Option<SourceLine>,
    /// In which function.
    pub(super) function: Option<String>,
    /// What happens there.
    pub(super) label: String,
    /// How important it is.
    pub(super) weight: Weight,
}

impl Step {
    /// Whether only the position is shown: what is not the user's own code is not theirs to change.
    fn is_brief(&self) -> bool {
        let foreign = |at: &SourceLine| is_std(&at.file) || in_registry(&at.file).is_some();
        self.weight == Weight::Brief || self.at.as_ref().is_none_or(foreign)
    }
}

/// How important a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weight {
    /// The goroutine is stuck here.
    Stuck,
    /// A function on the way there.
    Way,
    /// It began here.
    Origin,
    /// Only the position is shown.
    Brief,
}

impl Weight {
    fn ink(self) -> Ink {
        match self {
            Self::Stuck => Ink::Alarm,
            Self::Way => Ink::Gutter,
            Self::Origin => Ink::Origin,
            Self::Brief => Ink::Dim,
        }
    }
}

/// The width of a gutter that holds the line numbers of these steps.
pub(super) fn gutter<'a>(steps: impl IntoIterator<Item = &'a Step>) -> usize {
    let shown = steps.into_iter().filter(|step| !step.is_brief());
    shown
        .filter_map(|step| Some(step.at.as_ref()?.line))
        .max()
        .map_or(2, |line| line.to_string().len().max(2))
}

/// Writes one step: the position, the source line if it can be read, the underline with its label.
pub(super) fn write(page: &mut Page, sources: &Sources, gutter: usize, arrow: &str, step: &Step) {
    let pad = " ".repeat(gutter);
    page.paint(Ink::Gutter, &format!("{pad}{arrow} "));
    place(page, sources, step);
    let line = step
        .at
        .as_ref()
        .filter(|_| !step.is_brief())
        .and_then(|at| Excerpt::of(&sources.line(at)?, at.column, page.width() - gutter - 3));
    let Some(line) = line else {
        if !step.label.is_empty() {
            let colon = if step.at.is_some() || step.function.is_some() { ": " } else { "" };
            page.text(colon).paint(step.weight.ink(), &step.label);
        }
        page.end();
        return;
    };
    page.end();
    let number = step.at.as_ref().map_or(0, |at| at.line);
    page.paint(Ink::Gutter, &format!("{number:>gutter$} | "));
    source(page, &line, step);
    if !step.label.is_empty() {
        page.paint(Ink::Gutter, &format!("{pad} | "));
        underline(page, gutter, &line, step);
    }
}

/// Writes the position and the function.
fn place(page: &mut Page, sources: &Sources, step: &Step) {
    let function = step.function.as_ref().map(|function| clean(function, FUNCTION_LIMIT));
    match (&step.at, function) {
        (Some(at), None) => page.text(&sources.show(at)),
        (Some(at), Some(function)) => {
            page.text(&sources.show(at)).paint(Ink::Dim, " in ").text(&function)
        }
        (None, Some(function)) => page.text(&function).paint(Ink::Dim, " (no line known)"),
        (None, None) => page,
    };
}

/// Writes the source line. Where no row follows, the underlined part itself stands out.
fn source(page: &mut Page, line: &Excerpt, step: &Step) {
    let chars =
        |from: usize, length: usize| line.text.chars().skip(from).take(length).collect::<String>();
    match line.place {
        Some((from, length)) if step.label.is_empty() => {
            page.text(&chars(0, from)).paint(step.weight.ink(), &chars(from, length));
            page.text(&chars(from + length, usize::MAX)).end()
        }
        _ => page.text(&line.text).end(),
    };
}

/// Writes the row below the source line.
fn underline(page: &mut Page, gutter: usize, line: &Excerpt, step: &Step) {
    let (from, length) = line.mark.unwrap_or((0, 0));
    let mark = if step.weight == Weight::Stuck { "^" } else { "-" };
    let marks = mark.repeat(length);
    let room = page.width() - gutter - 3;
    page.text(&" ".repeat(from)).paint(step.weight.ink(), &marks);
    let label = text_columns(&step.label);
    if length == 0 {
        page.paint(step.weight.ink(), &step.label).end();
    } else if from + length + 1 + label <= room {
        page.text(" ").paint(step.weight.ink(), &step.label).end();
    } else {
        let indent = (from + length).min(room.saturating_sub(label));
        page.end().paint(Ink::Gutter, &format!("{} | ", " ".repeat(gutter)));
        page.text(&" ".repeat(indent)).paint(step.weight.ink(), &step.label).end();
    }
}

/// A source line that is ready to print.
#[derive(Debug, PartialEq, Eq)]
struct Excerpt {
    /// The text without its indentation, cut to fit, with nothing in it that could harm a terminal.
    text: String,
    /// First column and length of the underlined part.
    mark: Option<(usize, usize)>,
    /// The same in characters of `text`.
    place: Option<(usize, usize)>,
}

impl Excerpt {
    /// Cuts `room` columns out of `line`, around the character `column` (from 1). `None` for a line
    /// that shows nothing.
    fn of(line: &str, column: u32, room: usize) -> Option<Self> {
        let all: Vec<char> = line.trim_end().chars().collect();
        let indent = all.iter().take_while(|c| c.is_whitespace()).count();
        if indent == all.len() {
            return None;
        }
        let mark = usize::try_from(column).ok().and_then(|column| column.checked_sub(1));
        let mark = mark.filter(|mark| (indent..all.len()).contains(mark));
        let length = mark.map_or(0, |mark| token_len(&all[mark..]));
        let start = window_start(&all, indent, mark.map_or(indent, |mark| mark + length), room);
        let mut text = if start > indent { "…".to_owned() } else { String::new() };
        let mut place = None;
        let mut columns = None;
        for (at, c) in all.iter().enumerate().skip(start) {
            if mark == Some(at) {
                place = Some((text.chars().count(), length));
                columns = Some((text_columns(&text), length));
            }
            let before = text.len();
            push_clean(&mut text, *c);
            if text_columns(&text) >= room && at + 1 < all.len() {
                text.truncate(before);
                text.push('…');
                break;
            }
        }
        Some(Self { text, mark: columns, place })
    }
}

/// Where the window begins so that the character before `end` is still in it.
fn window_start(all: &[char], indent: usize, end: usize, room: usize) -> usize {
    let width = |c: &char| {
        if c.is_control() { c.escape_default().count() } else { columns(*c) }
    };
    // Columns for both ellipses, and a little of what follows the mark.
    let wanted = room * 3 / 4;
    let mut used = 0;
    let mut start = end.min(all.len());
    while start > indent && used + width(&all[start - 1]) <= wanted {
        start -= 1;
        used += width(&all[start]);
    }
    start
}

/// The length of the path or token at the start of `rest`.
fn token_len(rest: &[char]) -> usize {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let mut at = 0;
    while at < rest.len() {
        match &rest[at..] {
            [c, ..] if word(*c) => at += 1,
            [':', ':', c, ..] if word(*c) => at += 2,
            ['!', ..] if at > 0 => return at + 1,
            _ => break,
        }
    }
    at.clamp(1, 40)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_at_the_column_is_underlined() {
        let of = |line, column| Excerpt::of(line, column, 80).unwrap();
        let line = of("    let job = jobs.recv().await;", 20);
        assert_eq!(
            (line.text.as_str(), line.mark),
            ("let job = jobs.recv().await;", Some((15, 4)))
        );
        assert_eq!(of("\tgmp::go(f());", 2).mark, Some((0, 7)));
        assert_eq!(of("  gmp::select! {", 3).mark, Some((0, 12)));
        assert_eq!(of("  (a)", 3).mark, Some((0, 1)));
    }

    #[test]
    fn a_column_outside_the_line_underlines_nothing() {
        for column in [0, 1, 9, u32::MAX] {
            assert_eq!(Excerpt::of("    abc", column, 80).unwrap().mark, None);
        }
        assert_eq!(Excerpt::of("   ", 1, 80), None);
        assert_eq!(Excerpt::of("", 1, 80), None);
    }

    #[test]
    fn a_long_line_is_cut_around_its_column() {
        let line = format!("{}recv(){}", "a ".repeat(100), " b".repeat(100));
        let cut = Excerpt::of(&line, 201, 60).unwrap();
        let (from, length) = cut.mark.unwrap();
        assert!(text_columns(&cut.text) <= 60, "{cut:?}");
        assert!(cut.text.starts_with('…') && cut.text.ends_with('…'), "{cut:?}");
        let marked: String = cut.text.chars().skip(from).take(length).collect();
        assert_eq!(marked, "recv");
    }

    #[test]
    fn control_and_wide_characters_keep_the_mark_in_place() {
        let cut = Excerpt::of("\"\x1b[31m漢\".send(1)", 10, 80).unwrap();
        assert_eq!(cut.text, "\"\\u{1b}[31m漢\".send(1)");
        assert_eq!(cut.mark, Some((15, 4)));
    }
}
