//! The words that every output shares: safe text, durations, plurals and bounded lists.

use core::fmt::Write as _;
use core::time::Duration;

use gmp_core::inspect::WaitReason;

/// How many goroutine ids, waits or lines a list shows before it says "and N more".
pub(crate) const LIST_LIMIT: usize = 6;

/// What the note on something says that was started nobody knows where.
pub(crate) const NO_LINE: &str = "its line is not known";

/// Makes `text` safe to print on one line: control characters and bidirectional overrides, which
/// could rewrite what a terminal shows, become visible escapes. At most `limit` characters are kept.
pub(crate) fn clean(text: &str, limit: usize) -> String {
    let mut out = String::with_capacity(text.len().min(limit));
    for (n, c) in text.chars().enumerate() {
        if n == limit {
            out.push('…');
            break;
        }
        push_clean(&mut out, c);
    }
    out
}

/// Appends one character, escaped if it could harm a terminal.
pub(crate) fn push_clean(out: &mut String, c: char) {
    match c {
        '\t' => out.push(' '),
        c if c.is_control() || is_invisible(c) => {
            // Writing to a `String` never fails.
            let _ = write!(out, "{}", c.escape_default());
        }
        c => out.push(c),
    }
}

/// Characters that reorder or hide text without being control characters.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{00AD}' | '\u{061C}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}'
        | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{E0000}'..='\u{E007F}')
}

/// The number of terminal columns that `c` takes, as far as a report needs to know.
pub(crate) fn columns(c: char) -> usize {
    match c {
        '\u{0300}'..='\u{036F}' | '\u{20D0}'..='\u{20FF}' | '\u{FE00}'..='\u{FE0F}' => 0,
        '\u{1100}'..='\u{115F}'
        | '\u{2E80}'..='\u{A4CF}'
        | '\u{AC00}'..='\u{D7A3}'
        | '\u{F900}'..='\u{FAFF}'
        | '\u{FE30}'..='\u{FE6F}'
        | '\u{FF00}'..='\u{FF60}'
        | '\u{1F300}'..='\u{1FAFF}'
        | '\u{20000}'..='\u{3FFFD}' => 2,
        _ => 1,
    }
}

/// The number of terminal columns that `text` takes.
pub(crate) fn text_columns(text: &str) -> usize {
    text.chars().map(columns).sum()
}

/// A duration with its two largest units: `350 ms`, `1.2 s`, `59 min 59 s`, `3 h 2 min`.
pub(crate) fn duration(time: Duration) -> String {
    let secs = time.as_secs();
    let pair = |big: u64, unit: &str, small: u64, below: &str| match small {
        0 => format!("{big} {unit}"),
        _ => format!("{big} {unit} {small} {below}"),
    };
    match secs {
        0 if time.as_micros() < 1_000 => format!("{} µs", time.as_micros()),
        0 => format!("{} ms", time.as_millis()),
        1..60 => match time.subsec_millis() / 100 {
            0 => format!("{secs} s"),
            tenths => format!("{secs}.{tenths} s"),
        },
        60..3_600 => pair(secs / 60, "min", secs % 60, "s"),
        3_600..86_400 => pair(secs / 3_600, "h", secs / 60 % 60, "min"),
        _ => pair(secs / 86_400, "d", secs / 3_600 % 24, "h"),
    }
}

/// A number with thousands separated: `100,000`.
pub(crate) fn number(n: usize) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `2 goroutines`, `1 goroutine and 3 primitives`, `1 primitive`.
pub(crate) fn things(goroutines: usize, noun: &str, primitives: usize) -> String {
    match (goroutines, primitives) {
        (n, 0) => count(n, noun),
        (0, n) => count(n, "primitive"),
        (n, m) => format!("{} and {}", count(n, noun), count(m, "primitive")),
    }
}

/// `1 goroutine`, `2 goroutines`. The plural is made with an `s`.
pub(crate) fn count(n: usize, what: &str) -> String {
    format!("{} {what}{}", number(n), plural(n))
}

/// What a goroutine with this wait reason does: `in chan receive`, `still running`.
pub(crate) fn doing(reason: WaitReason) -> String {
    match reason {
        WaitReason::Running | WaitReason::Runnable => format!("still {reason}"),
        WaitReason::External => "on something external".to_owned(),
        WaitReason::NoWaker => "with no waker kept".to_owned(),
        reason => format!("in {reason}"),
    }
}

/// The ending of a noun that is counted.
pub(crate) fn plural(n: usize) -> &'static str {
    if n == 1 { "" } else { "s" }
}

/// `a`, `a and b`, `a, b and 3 more`. `total` counts items that the list no longer holds, too.
pub(crate) fn list<T: ToString>(items: &[T], total: usize, limit: usize) -> String {
    let total = total.max(items.len());
    // "and 1 more" takes as much room as the item itself.
    let fits = items.len() == total && total <= limit + 1;
    let shown = if fits { total } else { items.len().min(limit) };
    let mut out = String::new();
    for (i, item) in items[..shown].iter().enumerate() {
        match i {
            0 => {}
            _ if i + 1 == shown && shown == total => out.push_str(" and "),
            _ => out.push_str(", "),
        }
        out.push_str(&item.to_string());
    }
    match (shown, total - shown) {
        (_, 0) => {}
        (0, more) => out.push_str(&number(more)),
        (_, more) => {
            let _ = write!(out, " and {} more", number(more));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_and_bidirectional_characters_become_visible() {
        assert_eq!(clean("a\x1b[31mb\nc\td\u{202e}e", 100), "a\\u{1b}[31mb\\nc d\\u{202e}e");
        assert_eq!(clean("abcdef", 3), "abc…");
        assert_eq!(clean("abc", 3), "abc");
    }

    #[test]
    fn durations_have_at_most_two_units() {
        let words = |ms| duration(Duration::from_millis(ms));
        assert_eq!(duration(Duration::from_micros(12)), "12 µs");
        assert_eq!(words(350), "350 ms");
        assert_eq!(words(1_250), "1.2 s");
        assert_eq!(words(60_000), "1 min");
        assert_eq!(words(3_599_000), "59 min 59 s");
        assert_eq!(words(10_920_000), "3 h 2 min");
        assert_eq!(words(90_000_000), "1 d 1 h");
    }

    #[test]
    fn lists_are_bounded_and_count_the_rest() {
        assert_eq!(list(&["a"], 1, 3), "a");
        assert_eq!(list(&["a", "b"], 2, 3), "a and b");
        assert_eq!(list(&["a", "b", "c", "d"], 4, 3), "a, b, c and d");
        assert_eq!(list(&["a", "b", "c", "d", "e"], 5, 3), "a, b, c and 2 more");
        assert_eq!(list(&["a"], 100_000, 3), "a and 99,999 more");
        assert_eq!(list::<&str>(&[], 4, 3), "4");
    }

    #[test]
    fn wide_characters_take_two_columns() {
        assert_eq!(text_columns("a漢e\u{301}"), 4);
    }
}
