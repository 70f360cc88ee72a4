//! Durations as people write them in settings, such as `500ms`, `1.5s` or `1m30s`.

use std::time::Duration;

/// What a duration looks like, for messages.
pub(crate) const FORM: &str =
    "numbers with a unit (ns, us, ms, s, m, h), such as `100ms`, `1.5s` or `1m30s`";

/// Reads a duration; `None` if it is none, or too long.
pub(crate) fn parse(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut total = Duration::ZERO;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(end);
        let end = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(end);
        let number: f64 = number.parse().ok()?;
        let seconds = number * seconds_in(unit.trim())?;
        total = total.checked_add(Duration::try_from_secs_f64(seconds).ok()?)?;
        rest = tail;
    }
    Some(total)
}

fn seconds_in(unit: &str) -> Option<f64> {
    Some(match unit {
        "ns" => 1e-9,
        "us" | "µs" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_with_units_add_up() {
        let cases = [("500ms", 500), ("1.5s", 1500), ("1m30s", 90_000), (" 2 s ", 2000), ("0s", 0)];
        for (text, ms) in cases {
            assert_eq!(parse(text), Some(Duration::from_millis(ms)), "{text}");
        }
        assert_eq!(parse("7us"), Some(Duration::from_micros(7)));
    }

    #[test]
    fn anything_else_is_no_duration() {
        for text in
            ["", "7", "s", "7 parsecs", "1..5s", "-1s", "9e99h", "1s2", "99999999999999999999h"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
