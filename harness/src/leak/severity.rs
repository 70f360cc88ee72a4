//! What a finding does to its test: the severity, by default and as the settings say.
//!
//! A setting is `name=level`: the name is a code (`GMP103`) or a verdict (`Timer`), the level is `deny`
//! (the test fails), `warn` (it is told) or `allow` (it is counted as hidden). Settings are
//! separated by commas: `GMP_LEAK_SEVERITY="GMP103=deny,Timer=warn"`. Those of the attribute count more
//! than those of the environment; of two settings of one source the later counts, and a code counts more
//! than a verdict.

use core::fmt;

use super::code::Code;
use super::rules::nearest::nearest;

/// What a finding does to its test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Nothing: it is counted among what was hidden.
    Allow,
    /// It is told on stderr; the test passes.
    Warn,
    /// The test fails.
    Deny,
}

impl Severity {
    /// The word that settings are written with.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Warn => "warn",
            Self::Deny => "deny",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The names of the verdicts, as settings spell them.
const VERDICTS: [&str; 5] = ["Proven", "Timer", "External", "Reachable", "Running"];

/// What a setting is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Subject {
    Verdict(&'static str),
    Code(Code),
}

/// Severities that differ from the defaults.
#[derive(Clone, Debug, Default)]
pub struct Severities {
    settings: Vec<(Subject, Severity)>,
}

/// A setting that cannot be read.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{origin}: {what}")]
pub struct SeverityError {
    origin: String,
    what: String,
}

impl Severities {
    /// Reads a comma-separated list of settings; `origin` names their source in errors.
    ///
    /// # Errors
    /// The first setting that is not `name=level`, or whose name or level is not known.
    ///
    /// ```
    /// use gmp::leak::{Code, Severities, Severity, Verdict};
    ///
    /// let severities = Severities::parse("example", "GMP102=deny, Timer=warn")?;
    /// assert_eq!(severities.of(Code::UnreadValues, None), Severity::Deny);
    /// assert_eq!(severities.of(Code::ChanReceive, Some("Timer")), Severity::Warn);
    /// assert!(Severities::parse("example", "GMP102=denied").is_err());
    /// # Ok::<(), gmp::leak::SeverityError>(())
    /// ```
    pub fn parse(origin: &str, text: &str) -> Result<Self, SeverityError> {
        let fault = |what| SeverityError { origin: origin.to_owned(), what };
        let settings = text.split(',').map(str::trim).filter(|setting| !setting.is_empty());
        let settings =
            settings.map(|setting| read(setting).map_err(fault)).collect::<Result<_, _>>()?;
        Ok(Self { settings })
    }

    /// Adds settings that count more than the ones that are here.
    pub fn extend(&mut self, other: Self) {
        self.settings.extend(other.settings);
    }

    /// Whether nothing differs from the defaults.
    pub fn is_empty(&self) -> bool {
        self.settings.is_empty()
    }

    /// The severity of a finding with this code and, for goroutines, the name of its verdict.
    pub fn of(&self, code: Code, verdict: Option<&str>) -> Severity {
        self.setting(code, verdict).unwrap_or(code.default_severity())
    }

    /// What the settings say of it.
    pub(crate) fn setting(&self, code: Code, verdict: Option<&str>) -> Option<Severity> {
        let set = |wanted: &dyn Fn(&Subject) -> bool| {
            self.settings.iter().rev().find(|(subject, _)| wanted(subject)).map(|(_, level)| *level)
        };
        set(&|subject| *subject == Subject::Code(code))
            .or_else(|| set(&|s| matches!(s, Subject::Verdict(name) if Some(*name) == verdict)))
    }
}

fn read(setting: &str) -> Result<(Subject, Severity), String> {
    let Some((name, level)) = setting.split_once('=') else {
        return Err(format!("`{setting}` is not `name=level`, such as `GMP103=deny`"));
    };
    let (name, level) = (name.trim(), level.trim().trim_matches('"'));
    let levels = [Severity::Allow, Severity::Warn, Severity::Deny];
    let severity = levels.into_iter().find(|known| known.as_str() == level);
    let severity = severity
        .ok_or_else(|| format!("`{level}` is no level; known are `allow`, `warn` and `deny`"))?;
    let verdict = VERDICTS.into_iter().find(|known| known.eq_ignore_ascii_case(name));
    let subject = Code::from_name(name).map(Subject::Code).or(verdict.map(Subject::Verdict));
    let subject = subject.ok_or_else(|| {
        let names: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).chain(VERDICTS).collect();
        let meant = nearest(name, &names).map(|near| format!(" (did you mean `{near}`?)"));
        format!(
            "`{name}` is no code and no verdict{}; codes go from {} to {}, verdicts are {}",
            meant.unwrap_or_default(),
            Code::ALL[0].as_str(),
            Code::ALL[Code::ALL.len() - 1].as_str(),
            VERDICTS.join(", ")
        )
    })?;
    Ok((subject, severity))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Severities, String> {
        Severities::parse("GMP_LEAK_SEVERITY", text).map_err(|error| error.to_string())
    }

    #[test]
    fn a_code_counts_more_than_a_verdict_and_the_later_more_than_the_earlier() {
        let set = parse("GMP001=warn,Proven=allow , gmp002=deny,GMP001=allow,").unwrap();
        assert_eq!(set.of(Code::ChanReceive, Some("Proven")), Severity::Allow);
        assert_eq!(set.of(Code::ChanSend, Some("Proven")), Severity::Deny);
        assert_eq!(set.of(Code::NilChan, Some("Proven")), Severity::Allow);
        assert_eq!(set.of(Code::NilChan, Some("Timer")), Severity::Deny);
        assert_eq!(set.of(Code::UnreadValues, None), Code::UnreadValues.default_severity());
        let mut both = set;
        both.extend(parse("Proven=warn").unwrap());
        assert_eq!(both.of(Code::NilChan, Some("Proven")), Severity::Warn);
    }

    #[test]
    fn what_cannot_be_read_is_said_with_what_can() {
        let error = |text| parse(text).unwrap_err();
        assert!(error("GMP001").contains("`GMP001` is not `name=level`"));
        assert!(error("GMP001=fail").contains("`fail` is no level; known are `allow`"));
        assert!(
            error("Provn=deny").contains("(did you mean `Proven`?)"),
            "{}",
            error("Provn=deny")
        );
        assert!(error("GMP999=deny").starts_with("GMP_LEAK_SEVERITY: `GMP999` is no code"));
    }
}
