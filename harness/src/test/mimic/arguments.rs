//! The command line of a test binary: every flag that the built-in harness documents, and `--isolate`.

use std::ffi::OsString;

use super::limits::Limits;
use crate::leak::rules::nearest::nearest;

/// What `--help` prints.
pub(super) const HELP: &str = "\
Usage: [OPTIONS] [FILTERS...]

Options:
        --include-ignored    Run ignored and not ignored tests
        --ignored            Run only ignored tests
        --exclude-should-panic
                             Leave tests out that should panic
        --test               Run tests and not benchmarks
        --bench              Run benchmarks instead of tests: there are none
        --list               List all tests
    -h, --help               Display this message
        --logfile PATH       Write the outcome of each test to this file as well
        --no-capture         With --isolate: show the output of tests as it comes
        --isolate            Run each test in a process of its own, and capture its output
        --test-threads n     Number of tests that run at the same time
        --skip FILTER        Leave tests out whose names contain FILTER (may be given several times)
    -q, --quiet              One character for each test. The same as --format=terse
        --exact              Filters match whole names
        --color auto|always|never
                             Colour in the output
        --format pretty|terse|json|junit
                             The form of the output
        --show-output        With --isolate: show the output of tests that pass. Without it all is shown as it
                             comes
    -Z unstable-options      Accepted; the options that need it elsewhere do not need it here
        --report-time        Show how long each test took
        --ensure-time        Fail tests that take longer than 100 ms, in tests/ 1 s
        --shuffle            Run the tests in random order
        --shuffle-seed SEED  Run them in the random order of this seed

A test runs if its name contains one of the FILTERS, or if there are none. RUST_TEST_THREADS stands for
--test-threads, RUST_TEST_SHUFFLE and RUST_TEST_SHUFFLE_SEED for --shuffle and --shuffle-seed, and
RUST_TEST_NOCAPTURE for --no-capture. RUST_TEST_TIME_UNIT=50,100 and RUST_TEST_TIME_INTEGRATION=500,1000 set the
limits of --ensure-time in milliseconds: the second number counts. Without --isolate all tests run in this process, and nothing is captured.
";

/// All options, for what may have been meant.
const OPTIONS: [&str; 22] = [
    "--include-ignored",
    "--ignored",
    "--exclude-should-panic",
    "--test",
    "--bench",
    "--list",
    "--help",
    "--logfile",
    "--no-capture",
    "--nocapture",
    "--isolate",
    "--test-threads",
    "--skip",
    "--quiet",
    "--exact",
    "--color",
    "--format",
    "--show-output",
    "--report-time",
    "--ensure-time",
    "--shuffle",
    "--shuffle-seed",
];

/// How results are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Format {
    #[default]
    Pretty,
    Terse,
    Json,
    Junit,
}

/// When results are coloured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Colour {
    #[default]
    Auto,
    Always,
    Never,
}

/// Which tests run, of those that are ignored and those that are not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Ignored {
    #[default]
    Skip,
    Only,
    Include,
}

/// What the command line asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) filters: Vec<String>,
    pub(super) skip: Vec<String>,
    pub(super) exact: bool,
    pub(super) ignored: Ignored,
    pub(super) exclude_should_panic: bool,
    pub(super) bench: bool,
    pub(super) list: bool,
    pub(super) help: bool,
    pub(super) format: Format,
    pub(super) colour: Colour,
    pub(super) threads: Option<usize>,
    pub(super) logfile: Option<String>,
    pub(super) isolate: bool,
    pub(super) no_capture: bool,
    pub(super) show_output: bool,
    pub(super) report_time: bool,
    /// Tests that take longer fail.
    pub(super) limits: Option<Limits>,
    /// In random order; `Some(None)`: a seed is to be drawn.
    pub(super) shuffle: Option<Option<u64>>,
    /// This test alone, in a process that was started for it.
    pub(super) isolated: Option<String>,
}

/// The option of processes that are started for one test.
pub(super) const ISOLATED: &str = "--gmp-isolated";

impl Asked {
    /// Reads the arguments behind the name of the program. The text says what is wrong.
    pub(super) fn parse(
        arguments: impl IntoIterator<Item = OsString>,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, String> {
        let mut asked = Self::default();
        asked.variables(&variable)?;
        let mut rest = arguments.into_iter();
        let mut only_filters = false;
        while let Some(argument) = rest.next() {
            let argument = text(argument)?;
            if only_filters || !argument.starts_with('-') || argument == "-" {
                asked.filters.push(argument);
                continue;
            }
            if argument == "--" {
                only_filters = true;
                continue;
            }
            let (name, given) = match argument.split_once('=') {
                Some((name, value)) if name.starts_with("--") => (name, Some(value.to_owned())),
                _ => (&*argument, None),
            };
            let takes_value = [
                "--logfile",
                "--test-threads",
                "--skip",
                "--color",
                "--format",
                "--shuffle-seed",
                "-Z",
                ISOLATED,
            ];
            match (takes_value.contains(&name), given) {
                (true, Some(value)) => asked.value(name, value)?,
                (true, None) => {
                    let value = rest.next().ok_or_else(|| format!("{name} needs a value"))?;
                    asked.value(name, text(value)?)?;
                }
                (false, Some(_)) if OPTIONS.contains(&name) => {
                    return Err(format!("{name} takes no value"));
                }
                (false, _) if name == "--ensure-time" => {
                    asked.limits = Some(Limits::parse(&variable)?);
                }
                (false, _) => asked.flag(name)?,
            }
        }
        asked.check()
    }

    fn flag(&mut self, name: &str) -> Result<(), String> {
        match name {
            "--include-ignored" => self.and_ignored(Ignored::Include)?,
            "--ignored" => self.and_ignored(Ignored::Only)?,
            "--exclude-should-panic" => self.exclude_should_panic = true,
            "--test" | "--force-run-in-process" => {}
            "--bench" => self.bench = true,
            "--list" => self.list = true,
            "--help" | "-h" => self.help = true,
            "--no-capture" | "--nocapture" => self.no_capture = true,
            "--isolate" => self.isolate = true,
            "--quiet" | "-q" => self.format = Format::Terse,
            "--exact" => self.exact = true,
            "--show-output" => self.show_output = true,
            "--report-time" => self.report_time = true,
            "--shuffle" => self.shuffle = self.shuffle.or(Some(None)),
            _ => {
                let meant = nearest(name, &OPTIONS).map(|near| format!(" (did you mean {near}?)"));
                return Err(format!(
                    "unknown option {name}{}; --help lists all",
                    meant.unwrap_or_default()
                ));
            }
        }
        Ok(())
    }

    fn value(&mut self, name: &str, value: String) -> Result<(), String> {
        match name {
            "--logfile" => self.logfile = Some(value),
            "--test-threads" => self.threads = Some(threads(name, &value)?),
            "--skip" => self.skip.push(value),
            "--color" => {
                self.colour = match &*value {
                    "auto" => Colour::Auto,
                    "always" => Colour::Always,
                    "never" => Colour::Never,
                    _ => return Err(wrong(name, &value, "auto, always or never")),
                };
            }
            "--format" => {
                self.format = match &*value {
                    "pretty" => Format::Pretty,
                    "terse" => Format::Terse,
                    "json" => Format::Json,
                    "junit" => Format::Junit,
                    _ => return Err(wrong(name, &value, "pretty, terse, json or junit")),
                };
            }
            "--shuffle-seed" => self.shuffle = Some(Some(seed(name, &value)?)),
            ISOLATED => self.isolated = Some(value),
            _ if value == "unstable-options" => {}
            _ => return Err(wrong(name, &value, "unstable-options")),
        }
        Ok(())
    }

    fn and_ignored(&mut self, ignored: Ignored) -> Result<(), String> {
        if self.ignored != Ignored::Skip && self.ignored != ignored {
            return Err("--include-ignored and --ignored exclude each other".into());
        }
        self.ignored = ignored;
        Ok(())
    }

    /// What the environment asks for; the command line counts more.
    fn variables(&mut self, variable: impl Fn(&str) -> Option<String>) -> Result<(), String> {
        const THREADS: &str = "RUST_TEST_THREADS";
        const SEED: &str = "RUST_TEST_SHUFFLE_SEED";
        let is_on = |name| variable(name).is_some_and(|value| value != "0");
        self.threads = variable(THREADS).map(|value| threads(THREADS, &value)).transpose()?;
        self.no_capture = is_on("RUST_TEST_NOCAPTURE");
        self.shuffle = is_on("RUST_TEST_SHUFFLE").then_some(None);
        if let Some(value) = variable(SEED) {
            self.shuffle = Some(Some(seed(SEED, &value)?));
        }
        Ok(())
    }

    fn check(self) -> Result<Self, String> {
        if self.show_output && !self.isolate && self.format == Format::Junit {
            return Err("--show-output with --format junit needs --isolate".into());
        }
        Ok(self)
    }

    /// Whether a test of this name is asked for, whether or not it is ignored.
    pub(super) fn names(&self, name: &str) -> bool {
        let is =
            |filter: &String| if self.exact { name == filter } else { name.contains(&**filter) };
        (self.filters.is_empty() || self.filters.iter().any(is)) && !self.skip.iter().any(is)
    }
}

fn text(argument: OsString) -> Result<String, String> {
    let shown =
        |argument: OsString| format!("the argument `{}` is not valid UTF-8", argument.display());
    argument.into_string().map_err(shown)
}

fn wrong(name: &str, value: &str, known: &str) -> String {
    format!("{name}: `{value}` is not {known}")
}

fn threads(name: &str, value: &str) -> Result<usize, String> {
    let wrong =
        || format!("{name}: `{value}` is no number of tests at a time; 1 runs one after the other");
    value.trim().parse().ok().filter(|threads| *threads > 0).ok_or_else(wrong)
}

fn seed(name: &str, value: &str) -> Result<u64, String> {
    value
        .trim()
        .parse()
        .map_err(|_| format!("{name}: `{value}` is no number from 0 to {}", u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Asked, String> {
        let words = line.split_whitespace().map(OsString::from);
        Asked::parse(words, |_| None)
    }

    fn good(line: &str) -> Asked {
        read(line).expect(line)
    }

    #[test]
    fn every_flag_of_the_built_in_harness_is_read() {
        let asked =
            good("a --skip b --exact c --skip=d --test-threads=3 --no-capture --color never");
        assert_eq!(
            (asked.filters, asked.skip),
            (vec!["a".into(), "c".into()], vec!["b".into(), "d".into()])
        );
        assert_eq!((asked.threads, asked.colour), (Some(3), Colour::Never));
        assert!(asked.exact && asked.no_capture);
        let asked =
            good("--nocapture --include-ignored -q --report-time --shuffle -Z unstable-options");
        assert!(asked.no_capture && asked.report_time);
        assert_eq!((asked.ignored, asked.format), (Ignored::Include, Format::Terse));
        assert_eq!(asked.shuffle, Some(None));
        assert_eq!(good("--ensure-time").limits, Some(Limits::default()));
        assert_eq!(good("--test"), Asked::default());
        let asked = good("--shuffle --shuffle-seed 7 --ignored --list --format junit --logfile x");
        assert_eq!(asked.shuffle, Some(Some(7)));
        assert_eq!((asked.ignored, asked.format), (Ignored::Only, Format::Junit));
        assert_eq!(asked.logfile.as_deref(), Some("x"));
        assert!(asked.list && good("--help").help && good("-h").help && good("--bench").bench);
        let asked = good("--exclude-should-panic --show-output --isolate --test -- --exact");
        assert!(asked.exclude_should_panic && asked.show_output && asked.isolate);
        assert_eq!(asked.filters, ["--exact"]);
    }

    #[test]
    fn what_is_wrong_is_said() {
        let cases = [
            ("--test-threads 0", "--test-threads: `0` is no number of tests at a time"),
            ("--test-threads many", "--test-threads: `many` is no number"),
            ("--test-threads", "--test-threads needs a value"),
            ("--format xml", "--format: `xml` is not pretty, terse, json or junit"),
            ("--color blue", "--color: `blue` is not auto, always or never"),
            ("--shuffle-seed x", "--shuffle-seed: `x` is no number"),
            ("--ignored --include-ignored", "--include-ignored and --ignored exclude"),
            ("--no-captur", "unknown option --no-captur (did you mean --no-capture?)"),
            ("--exact=yes", "--exact takes no value"),
            ("-Z miri", "-Z: `miri` is not unstable-options"),
            ("--ensure-time=5", "--ensure-time takes no value"),
            ("-x", "unknown option -x; --help lists all"),
        ];
        for (line, start) in cases {
            let error = read(line).expect_err(line);
            assert!(error.starts_with(start), "{line}: {error}");
        }
    }

    #[test]
    fn variables_stand_for_options_and_options_count_more() {
        let with = |line: &str, name: &'static str, value: &'static str| {
            let words = line.split_whitespace().map(OsString::from);
            Asked::parse(words, move |asked| (asked == name).then(|| value.to_owned()))
        };
        assert_eq!(with("", "RUST_TEST_THREADS", "2").expect("good").threads, Some(2));
        assert_eq!(
            with("--test-threads 1", "RUST_TEST_THREADS", "2").expect("good").threads,
            Some(1)
        );
        let error = with("", "RUST_TEST_THREADS", "0").expect_err("bad");
        assert!(error.starts_with("RUST_TEST_THREADS: `0` is no number of tests"), "{error}");
        assert_eq!(with("", "RUST_TEST_SHUFFLE_SEED", "9").expect("good").shuffle, Some(Some(9)));
        assert_eq!(with("", "RUST_TEST_SHUFFLE", "1").expect("good").shuffle, Some(None));
        assert_eq!(with("", "RUST_TEST_SHUFFLE", "0").expect("good").shuffle, None);
        let seeded = with("--shuffle-seed 3", "RUST_TEST_SHUFFLE_SEED", "9").expect("good");
        assert_eq!(seeded.shuffle, Some(Some(3)));
        assert!(with("", "RUST_TEST_NOCAPTURE", "1").expect("good").no_capture);
        assert!(!with("", "RUST_TEST_NOCAPTURE", "0").expect("good").no_capture);
    }

    #[test]
    fn a_test_runs_if_one_filter_names_it_and_nothing_skips_it() {
        let runs = |line: &str, name: &str| good(line).names(name);
        assert!(runs("", "a::b") && runs("x b", "a::b") && !runs("x y", "a::b"));
        assert!(runs("--exact a::b c", "a::b") && !runs("--exact b", "a::b"));
        assert!(!runs("--skip b", "a::b") && runs("--exact --skip b", "a::b"));
        assert!(!runs("a --exact --skip a", "a"));
    }
}
