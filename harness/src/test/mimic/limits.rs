//! `--ensure-time`: a test that takes longer than its limit has failed.

use std::time::Duration;

use crate::test::descriptor::Descriptor;

/// The limits of tests in a library or a program, and of those in `tests/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    unit: Duration,
    integration: Duration,
}

impl Default for Limits {
    /// Those of the built-in harness.
    fn default() -> Self {
        Self { unit: Duration::from_millis(100), integration: Duration::from_secs(1) }
    }
}

impl Limits {
    /// Reads `RUST_TEST_TIME_UNIT` and `RUST_TEST_TIME_INTEGRATION`.
    pub(super) fn parse(variable: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let read = |name: &str| variable(name).map(|value| critical(name, &value)).transpose();
        let built_in = Self::default();
        Ok(Self {
            unit: read("RUST_TEST_TIME_UNIT")?.unwrap_or(built_in.unit),
            integration: read("RUST_TEST_TIME_INTEGRATION")?.unwrap_or(built_in.integration),
        })
    }

    /// Why a test that took so long has failed, if it has.
    pub(super) fn exceeded(&self, test: &Descriptor, took: Duration) -> Option<String> {
        let mut folders = test.spec().file.split(['/', '\\']);
        let is_unit = folders.any(|folder| folder == "src");
        let limit = if is_unit { self.unit } else { self.integration };
        (took > limit).then(|| {
            format!(
                "Error: gmp: {} took {:.3} s, and --ensure-time allows {:.3} s",
                test.path(),
                took.as_secs_f64(),
                limit.as_secs_f64()
            )
        })
    }
}

/// The second of two times in milliseconds; the first only warns.
fn critical(name: &str, value: &str) -> Result<Duration, String> {
    let millis = |text: &str| text.trim().parse().ok().map(Duration::from_millis);
    let times =
        value.split_once(',').and_then(|(warn, limit)| Some((millis(warn)?, millis(limit)?)));
    match times {
        Some((warn, limit)) if warn <= limit => Ok(limit),
        Some(_) => Err(format!("{name}: `{value}` warns later than it fails")),
        None => {
            Err(format!("{name}: `{value}` is not two times in milliseconds, such as 500,1000"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &'static str, value: &'static str) -> Result<Limits, String> {
        Limits::parse(|asked| (asked == name).then(|| value.to_owned()))
    }

    #[test]
    fn limits_are_those_of_the_built_in_harness_or_of_the_variables() {
        assert_eq!(Limits::parse(|_| None), Ok(Limits::default()));
        let unit = read("RUST_TEST_TIME_UNIT", "5, 20").expect("good");
        assert_eq!(unit, Limits { unit: Duration::from_millis(20), ..Limits::default() });
        let integration = read("RUST_TEST_TIME_INTEGRATION", "1,2").expect("good");
        assert_eq!(integration.integration, Duration::from_millis(2));
        for (value, error) in [
            ("100", "RUST_TEST_TIME_UNIT: `100` is not two times"),
            ("a,b", "RUST_TEST_TIME_UNIT: `a,b` is not two times"),
            ("3,2", "RUST_TEST_TIME_UNIT: `3,2` warns later"),
        ] {
            let told = read("RUST_TEST_TIME_UNIT", value).expect_err(value);
            assert!(told.starts_with(error), "{told}");
        }
    }
}
