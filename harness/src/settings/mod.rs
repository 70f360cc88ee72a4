//! What the environment, the files `gmp-leak.toml` and libraries ask of the harness, read and checked once
//! for the whole process.
//!
//! # Variables
//!
//! | variable | meaning |
//! |---|---|
//! | `GMP_LEAK_IGNORE` | allow rules, see [`rules`](crate::leak::rules) |
//! | `GMP_LEAK_SEVERITY` | what findings do to a test, see [`severity`](crate::leak::severity) |
//! | `GMP_LEAK_PROBE_CANCEL` | `on`: tests that leak run again to see what a cancel would have done |
//! | `GMP_LEAK_MAIN` | `on`: at the end of the process what is left on the global runtime is an error, too |
//! | `GMP_LEAK_MODE` | `report`: leaks are told and counted, but fail no test; `fail`: they do (default) |
//! | `GMP_EXPLORE` | feature `explore`: `on` or settings for every async test, `off` for none |
//! | `GMP_EXPLORE_SHARD` | feature `explore`: `2/8` plays every eighth schedule, from the second on |
//! | `GMP_REPLAY` | feature `explore`: a schedule to play again, as a finding prints it |
//!
//! A misspelt name would silently do nothing, so any other variable that starts with `GMP_LEAK_`, or
//! that is one or two letters away from a known name, is an error. Other `GMP_` variables belong to
//! somebody else. An empty value means the same as no variable.
//!
//! # Files
//!
//! `gmp-leak.toml` is looked for beside the `Cargo.toml` of the crate that is tested, and at the root of its
//! workspace. Rules of both add up; of the other settings those of the crate count more. Above the
//! files stand the variables, and above these the options of the attribute.
//!
//! ```toml
//! mode = "report"
//! timeout = "10s"      # of tests that set none
//! linger = "200ms"     # of tests that set none
//! ignore = [
//!     "top:my_crate::pool::*",
//!     { rule = "created-by:vendor::*", reason = "its worker lives as long as the process" },
//! ]
//!
//! [severity]
//! GMP102 = "deny"
//! Timer = "warn"
//! ```
//!
//! What is wrong in a file fails every test, with the line and the column.
//!
//! # What is told at the end
//!
//! At the end of a process stderr has what report mode would have failed, what allow rules hid, and which of them
//! matched nothing. Under the built-in harness and our own main that is one summary for all tests of a binary.
//! `cargo nextest run` gives each test a process of its own, so each has a summary of its own, and it shows the output
//! of a test that passes only when it is asked to: `cargo nextest run --success-output final`, or
//! `success-output = "final"` in a profile of `.config/nextest.toml`. A rule that all tests share may be meant for any
//! of them, so under nextest, and in a run of some tests only, it is not called unused; one of an attribute is.

mod duration;
mod file;
mod mode;

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

#[cfg(feature = "explore")]
pub(crate) use duration::parse as parse_duration;
use file::File;
pub use mode::Mode;

use crate::leak::declare;
use crate::leak::rules::nearest::{distance, nearest};
use crate::leak::rules::{RuleError, Rules, Source};
use crate::leak::severity::{Severities, SeverityError};
use crate::report::build::Policy;
use crate::test::Submission;

const LEAK_IGNORE: &str = "GMP_LEAK_IGNORE";
const LEAK_MAIN: &str = "GMP_LEAK_MAIN";
const LEAK_MODE: &str = "GMP_LEAK_MODE";
const LEAK_SEVERITY: &str = "GMP_LEAK_SEVERITY";
const LEAK_PROBE_CANCEL: &str = "GMP_LEAK_PROBE_CANCEL";
#[cfg(feature = "explore")]
const EXPLORE: &str = "GMP_EXPLORE";
#[cfg(feature = "explore")]
const EXPLORE_SHARD: &str = "GMP_EXPLORE_SHARD";
#[cfg(feature = "explore")]
const REPLAY: &str = "GMP_REPLAY";

/// The variables that the harness reads.
const KNOWN: &[&str] = &[
    LEAK_IGNORE,
    LEAK_MAIN,
    LEAK_MODE,
    LEAK_SEVERITY,
    LEAK_PROBE_CANCEL,
    #[cfg(feature = "explore")]
    EXPLORE,
    #[cfg(feature = "explore")]
    EXPLORE_SHARD,
    #[cfg(feature = "explore")]
    REPLAY,
];
/// Names with this start are ours alone.
const RESERVED: &str = "GMP_LEAK_";

/// What is asked for.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Settings {
    /// `GMP_LEAK_IGNORE`: the allow rules for every test of the process.
    pub leak_ignore: Rules,
    /// `GMP_LEAK_SEVERITY`: severities for every test of the process.
    pub leak_severity: Severities,
    /// `GMP_LEAK_PROBE_CANCEL`: every test that leaks runs again to see what a cancel would have done.
    pub leak_probe_cancel: bool,
    /// `GMP_LEAK_MAIN`: the global runtime is checked when the process ends.
    pub leak_main: bool,
    /// `GMP_LEAK_MODE`; `None` without it.
    pub leak_mode: Option<Mode>,
    /// The rules of libraries, see [`declare!`](crate::leak::declare!).
    pub declared: Rules,
    /// What the files `gmp-leak.toml` ask for.
    file: File,
    /// `GMP_EXPLORE`, `GMP_EXPLORE_SHARD` and `GMP_REPLAY`.
    #[cfg(feature = "explore")]
    pub explore: crate::explore::Asked,
}

/// Every fault: of the variables, in the order of their names, of the files, of the libraries.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}", lines(faults))]
pub struct SettingsError {
    faults: Vec<Fault>,
}

/// What is wrong with one variable.
#[derive(Clone, Debug, thiserror::Error)]
enum Fault {
    #[error(transparent)]
    BadRule(#[from] RuleError),
    #[error(transparent)]
    BadSeverity(#[from] SeverityError),
    #[error("{name}: {why}")]
    BadValue { name: String, why: String },
    #[error("{0}")]
    BadFile(String),
    #[error("{name}: the value `{shown}` is not valid UTF-8")]
    NotUtf8 { name: String, shown: String },
    #[error(
        "{name}: no such variable{}; known are {}",
        meant.map(|known| format!(" (did you mean `{known}`?)")).unwrap_or_default(),
        KNOWN.join(", ")
    )]
    UnknownName { name: String, meant: Option<&'static str> },
}

/// The settings of this process, read at the first call.
///
/// # Errors
/// Every variable that cannot be read, the same at each call.
pub fn settings() -> Result<&'static Settings, &'static SettingsError> {
    static SETTINGS: OnceLock<Result<Settings, SettingsError>> = OnceLock::new();
    SETTINGS.get_or_init(read_all).as_ref()
}

/// Whether the environment may ask for a check at the end of the process; read before `main`.
pub(crate) fn asks_for_the_end() -> bool {
    std::env::var_os(LEAK_MAIN).is_some()
}

/// Reads the variables, the files and what libraries declare.
fn read_all() -> Result<Settings, SettingsError> {
    let (mut settings, mut faults) = match Settings::from_vars(std::env::vars_os()) {
        Ok(settings) => (settings, Vec::new()),
        Err(error) => (Settings::default(), error.faults),
    };
    faults.extend(manifest_folder().map(|at| settings.add_files(&at)).unwrap_or_default());
    let (declared, bad) = declare::rules();
    settings.declared = declared;
    faults.extend(bad.into_iter().map(Fault::BadRule));
    if faults.is_empty() { Ok(settings) } else { Err(SettingsError { faults }) }
}

/// The folder of the crate that is tested: as cargo says now, or as it said when the tests were compiled.
fn manifest_folder() -> Option<PathBuf> {
    let compiled = || inventory::iter::<Submission>().find_map(|one| one.0.spec().manifest_dir);
    let now = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    now.or_else(|| compiled().map(PathBuf::from))
}

impl Settings {
    /// Reads the settings from these names and values.
    ///
    /// # Errors
    /// Every variable that cannot be read.
    pub fn from_vars(
        vars: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self, SettingsError> {
        let mut vars: Vec<_> = vars
            .into_iter()
            .map(|(name, value)| (canonical(&name), value))
            .filter(|(name, value)| name.starts_with("GMP_") && !value.is_empty())
            .collect();
        vars.sort();
        let mut settings = Self::default();
        let faults: Vec<Fault> =
            vars.iter().filter_map(|(name, value)| settings.read(name, value).err()).collect();
        if faults.is_empty() { Ok(settings) } else { Err(SettingsError { faults }) }
    }

    /// Reads the files of the crate in `folder`.
    fn add_files(&mut self, folder: &Path) -> Vec<Fault> {
        let read = |path: PathBuf| self.file.add(&path).err().unwrap_or_default();
        file::places(folder).into_iter().flat_map(read).map(Fault::BadFile).collect()
    }

    /// Whether what is found fails a test.
    pub fn mode(&self) -> Mode {
        self.leak_mode.or(self.file.mode).unwrap_or_default()
    }

    /// The time-out of tests that set none, if a file has one.
    pub fn timeout(&self) -> Option<Duration> {
        self.file.timeout
    }

    /// The linger of tests that set none, if a file has one.
    pub fn linger(&self) -> Option<Duration> {
        self.file.linger
    }

    /// The rules of `gmp-leak.toml`.
    pub fn file_rules(&self) -> &Rules {
        &self.file.rules
    }

    /// What all tests allow: the rules of all sources, and the severities, those that count more behind.
    pub(crate) fn policy(&self) -> Policy {
        let mut rules = self.leak_ignore.clone();
        rules.extend(self.file.rules.clone());
        rules.extend(self.declared.clone());
        let mut severities = self.file.severities.clone();
        severities.extend(self.leak_severity.clone());
        Policy { rules, severities }
    }

    /// Takes over the variable `name`, or leaves it alone when it is somebody else's.
    fn read(&mut self, name: &str, value: &OsStr) -> Result<(), Fault> {
        match name {
            LEAK_IGNORE => self.leak_ignore = Rules::parse(Source::ENV, text(name, value)?)?,
            LEAK_SEVERITY => {
                self.leak_severity = Severities::parse(LEAK_SEVERITY, text(name, value)?)?;
            }
            LEAK_PROBE_CANCEL => self.leak_probe_cancel = switch(name, value)?,
            LEAK_MAIN => self.leak_main = switch(name, value)?,
            LEAK_MODE => {
                let mode = Mode::named(text(name, value)?);
                let mode = mode.map_err(|why| Fault::BadValue { name: name.to_owned(), why })?;
                self.leak_mode = Some(mode);
            }
            #[cfg(feature = "explore")]
            EXPLORE | EXPLORE_SHARD | REPLAY => {
                let (value, asked) = (text(name, value)?, &mut self.explore);
                let taken = match name {
                    EXPLORE => asked.explore(value),
                    REPLAY => asked.replay(value),
                    _ => asked.shard(value),
                };
                taken.map_err(|why| Fault::BadValue { name: name.to_owned(), why })?;
            }
            _ => return misspelt(name),
        }
        Ok(())
    }
}

/// The name as it is compared. Windows does not tell upper from lower case in names.
fn canonical(name: &OsStr) -> String {
    let name = name.to_string_lossy();
    if cfg!(windows) { name.to_uppercase() } else { name.into_owned() }
}

/// Refuses a name that we do not know but that nobody else can mean.
fn misspelt(name: &str) -> Result<(), Fault> {
    let meant = match name.strip_prefix(RESERVED) {
        Some(own) => {
            let mut reserved = KNOWN.iter().filter(|known| known.starts_with(RESERVED));
            reserved.find(|known| nearest(own, &[&known[RESERVED.len()..]]).is_some()).copied()
        }
        None => match KNOWN.iter().copied().find(|known| distance(name, known) <= 2) {
            None => return Ok(()),
            known => known,
        },
    };
    Err(Fault::UnknownName { name: name.to_owned(), meant })
}

/// The value of a variable that is on or off.
fn switch(name: &str, value: &OsStr) -> Result<bool, Fault> {
    match text(name, value)? {
        "on" | "1" => Ok(true),
        "off" | "0" => Ok(false),
        other => {
            let why = format!("`{other}` is neither `on` nor `off`");
            Err(Fault::BadValue { name: name.to_owned(), why })
        }
    }
}

/// The value as text.
fn text<'a>(name: &str, value: &'a OsStr) -> Result<&'a str, Fault> {
    value.to_str().ok_or_else(|| Fault::NotUtf8 {
        name: name.to_owned(),
        shown: value.to_string_lossy().into_owned(),
    })
}

fn lines(faults: &[Fault]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(vars: &[(&str, &str)]) -> Result<Settings, String> {
        let vars = vars.iter().map(|&(name, value)| (name.into(), value.into()));
        Settings::from_vars(vars).map_err(|error| error.to_string())
    }

    fn not_utf8() -> OsString {
        #[cfg(unix)]
        return std::os::unix::ffi::OsStringExt::from_vec(b"top:\xffx".to_vec());
        #[cfg(windows)]
        return std::os::windows::ffi::OsStringExt::from_wide(&[0x74, 0xd800, 0x78]);
    }

    #[test]
    fn an_environment_without_our_variables_gives_the_defaults() {
        let settings = read(&[("PATH", "/bin"), ("GMP_LEAK_IGNORE", "")]).expect("good");
        assert!(settings.leak_ignore.is_empty());
    }

    #[test]
    fn good_values_are_taken_over() {
        let vars = [("GMP_LEAK_IGNORE", "a, top:b"), ("GMP_LEAK_PROBE_CANCEL", "on")];
        let settings = read(&vars).expect("good");
        assert_eq!(settings.leak_ignore.iter().count(), 2);
        assert!(settings.leak_probe_cancel && !Settings::default().leak_probe_cancel);
    }

    #[test]
    fn the_check_at_the_end_is_on_or_off() {
        let main = |value| read(&[("GMP_LEAK_MAIN", value)]).map(|settings| settings.leak_main);
        assert_eq!((main("1"), main("0"), main("")), (Ok(true), Ok(false), Ok(false)));
        assert!(
            main("yes")
                .expect_err("bad")
                .starts_with("GMP_LEAK_MAIN: `yes` is neither `on` nor `off`")
        );
    }

    #[test]
    fn the_mode_is_one_of_two_words() {
        let mode = |word| read(&[("GMP_LEAK_MODE", word)]).map(|settings| settings.mode());
        assert_eq!(mode("report"), Ok(Mode::Report));
        assert_eq!((mode("fail"), mode("")), (Ok(Mode::Fail), Ok(Mode::Fail)));
        let error = mode("reports").expect_err("bad");
        assert!(
            error.starts_with("GMP_LEAK_MODE: `reports` is no mode (did you mean `report`?)"),
            "{error}"
        );
        let error = read(&[("GMP_LEAK_MDOE", "report")]).expect_err("bad");
        assert!(error.contains("(did you mean `GMP_LEAK_MODE`?)"), "{error}");
    }

    #[test]
    fn every_fault_is_reported_with_its_variable() {
        let shown = read(&[
            ("GMP_LEAK_IGNORE", "top:["),
            ("GMP_LEAK_INGORE", "a"),
            ("GMP_LEAK_COLOUR", "a"),
            ("GMP_LEAK_PROBE_CANCLE", "on"),
            ("GMP_LEAK_PROBE_CANCEL", "perhaps"),
            ("GMP_LEEK_IGNORE", "a"),
        ])
        .expect_err("all bad");
        let starts = [
            "GMP_LEAK_COLOUR: no such variable; known are GMP_LEAK_IGNORE, GMP_LEAK_MAIN",
            "GMP_LEAK_IGNORE: `[` is never closed",
            "    top:[",
            "        ^ a class",
            "GMP_LEAK_INGORE: no such variable (did you mean `GMP_LEAK_IGNORE`?); known",
            "GMP_LEAK_PROBE_CANCEL: `perhaps` is neither `on` nor `off`",
            "GMP_LEAK_PROBE_CANCLE: no such variable (did you mean `GMP_LEAK_PROBE_CANCEL`?); known",
            "GMP_LEEK_IGNORE: no such variable (did you mean `GMP_LEAK_IGNORE`?); known",
        ];
        assert_eq!(shown.lines().count(), starts.len(), "{shown}");
        for (line, start) in shown.lines().zip(starts) {
            assert!(line.starts_with(start), "{line}");
        }
    }

    #[test]
    fn a_value_that_is_not_utf8_is_an_error_that_names_the_variable() {
        let vars = [("GMP_LEAK_IGNORE".into(), not_utf8())];
        let shown = Settings::from_vars(vars).expect_err("bad").to_string();
        assert!(shown.starts_with("GMP_LEAK_IGNORE: the value `t"), "{shown}");
        assert!(shown.contains('\u{fffd}'), "{shown}");
        assert!(shown.ends_with("is not valid UTF-8"), "{shown}");
    }

    #[test]
    fn variables_of_others_are_left_alone() {
        assert!(read(&[("GMP_DEBUG", "schedtrace=1000"), ("GMP_DIR", "/opt")]).is_ok());
        let not_ours = [("GMP_PREFIX".into(), not_utf8()), (not_utf8(), "x".into())];
        assert!(Settings::from_vars(not_ours).is_ok());
    }
}
