//! Durations as users write them, such as `"60s"`, `"1.5s"` or `"1m30s"`.

use std::time::Duration;

/// What a duration looks like, for messages.
const FORM: &str = "write numbers with a unit (ns, us, ms, s, m, h), such as \"100ms\", \"1.5s\" \
                    or \"1m30s\"";

/// Reads a duration exactly.
///
/// # Errors
///
/// A message that says what is wrong and how to write it.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(format!("this duration is empty; {FORM}"));
    }
    let mut nanos: u128 = 0;
    while !rest.is_empty() {
        let (part, tail) = part(rest).map_err(|why| format!("`{text}` {why}; {FORM}"))?;
        nanos = nanos.checked_add(part).ok_or_else(|| format!("`{text}` is too long"))?;
        rest = tail;
    }
    let seconds =
        u64::try_from(nanos / NANOS_PER_SECOND).map_err(|_| format!("`{text}` is too long"))?;
    let fraction = u32::try_from(nanos % NANOS_PER_SECOND).expect("less than a second");
    Ok(Duration::new(seconds, fraction))
}

const NANOS_PER_SECOND: u128 = 1_000_000_000;

/// Reads one number with its unit: its nanoseconds, and the text that follows.
fn part(text: &str) -> Result<(u128, &str), String> {
    let (whole, rest) = digits(text);
    let (fraction, rest) = rest.strip_prefix('.').map_or(("", rest), digits);
    if whole.is_empty() && fraction.is_empty() {
        return Err("is not a duration".to_owned());
    }
    let end = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
    let (unit, rest) = rest.split_at(end);
    let nanos = match unit.trim() {
        "" => return Err("has no unit".to_owned()),
        unit => unit_nanos(unit).ok_or_else(|| format!("has the unknown unit `{unit}`"))?,
    };
    let too_long = || "is too long".to_owned();
    let number = match whole {
        "" => 0,
        whole => whole.parse::<u128>().map_err(|_| too_long())?,
    };
    let nanos_of_whole = number.checked_mul(nanos).ok_or_else(too_long)?;
    let nanos_of_fraction = fraction_of(fraction, nanos).ok_or("is finer than a nanosecond")?;
    Ok((nanos_of_whole.checked_add(nanos_of_fraction).ok_or_else(too_long)?, rest))
}

/// Splits `text` after its leading ASCII digits.
fn digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

/// `0.<digits>` of `nanos`; `None` when that is not a whole number of nanoseconds.
fn fraction_of(digits: &str, nanos: u128) -> Option<u128> {
    let digits = digits.trim_end_matches('0');
    if digits.is_empty() {
        return Some(0);
    }
    // More digits than this are finer than a nanosecond in every unit, and would overflow.
    let scale = 10_u128.pow(u32::try_from(digits.len()).ok().filter(|len| *len <= 15)?);
    let product = digits.parse::<u128>().ok()? * nanos;
    product.is_multiple_of(scale).then_some(product / scale)
}

/// The nanoseconds of a unit.
fn unit_nanos(unit: &str) -> Option<u128> {
    Some(match unit {
        "ns" => 1,
        // The micro sign and the Greek letter look the same.
        "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
        "ms" => 1_000_000,
        "s" => NANOS_PER_SECOND,
        "m" => 60 * NANOS_PER_SECOND,
        "h" => 3_600 * NANOS_PER_SECOND,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_is_exact() {
        for (text, nanos) in [
            ("7ns", 7),
            ("7us", 7_000),
            ("7\u{b5}s", 7_000),
            ("100ms", 100_000_000),
            ("60s", 60_000_000_000),
            ("2m", 120_000_000_000),
            ("1h", 3_600_000_000_000),
            ("0s", 0),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_nanos(nanos)), "{text}");
        }
    }

    #[test]
    fn fractions_and_sums_are_exact() {
        for (text, nanos) in [
            ("1.5s", 1_500_000_000),
            (".5s", 500_000_000),
            ("0.000000001s", 1),
            ("0.10ms", 100_000),
            ("1m30s", 90_000_000_000),
            ("1h 0.5m", 3_630_000_000_000),
            (" 5s ", 5_000_000_000),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_nanos(nanos)), "{text}");
        }
    }

    #[test]
    fn the_longest_duration_fits_and_one_more_second_does_not() {
        assert_eq!(parse("18446744073709551615s"), Ok(Duration::from_secs(u64::MAX)));
        assert_eq!(
            parse("18446744073709551616s"),
            Err("`18446744073709551616s` is too long".to_owned())
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, why) in [
            ("", "is empty"),
            ("60", "`60` has no unit"),
            ("fast", "`fast` is not a duration"),
            ("-1s", "`-1s` is not a duration"),
            ("1 sec", "`1 sec` has the unknown unit `sec`"),
            ("1.2.3s", "`1.2.3s` has no unit"),
            (".s", "`.s` is not a duration"),
            ("0.5ns", "`0.5ns` is finer than a nanosecond"),
            ("0.00000000000000000000000000000000000000000001h", "is finer than a nanosecond"),
            ("340282366920938463463374607431768211456ns", "is too long"),
            ("1e3s", "`1e3s` has the unknown unit `e`"),
        ] {
            let message = parse(text).unwrap_err();
            assert!(message.contains(why), "{text}: {message}");
        }
    }
}
