//! The file `gmp-leak.toml`: what a project asks for in all its tests.
//!
//! Two files are read, if they are there: the one beside the `Cargo.toml` of the crate that is tested, and
//! the one at the root of its workspace. Their rules add up; of the other settings those of the crate
//! count more.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml_span::Span;
use toml_span::value::{Key, Table, Value, ValueInner};

use super::Mode;
use super::duration;
use crate::leak::rules::nearest::nearest;
use crate::leak::rules::{Rules, Source};
use crate::leak::severity::Severities;

/// The name of the file.
pub(super) const NAME: &str = "gmp-leak.toml";

/// The keys of the file.
const KEYS: [&str; 5] = ["ignore", "severity", "mode", "timeout", "linger"];
/// The keys of a rule that is a table.
const RULE_KEYS: [&str; 2] = ["rule", "reason"];

/// What the files ask for.
#[derive(Clone, Debug, Default)]
pub(super) struct File {
    pub(super) rules: Rules,
    pub(super) severities: Severities,
    pub(super) mode: Option<Mode>,
    pub(super) timeout: Option<Duration>,
    pub(super) linger: Option<Duration>,
}

/// Where the files of the crate in `folder` would be: that of the workspace first.
pub(super) fn places(folder: &Path) -> Vec<PathBuf> {
    let is_root = |folder: &&Path| {
        let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).unwrap_or_default();
        let begins =
            |line: &str| line.starts_with("[workspace]") || line.starts_with("[workspace.");
        manifest.lines().map(str::trim_start).any(begins)
    };
    let root = folder.ancestors().find(is_root).filter(|root| *root != folder);
    root.into_iter().chain([folder]).map(|folder| folder.join(NAME)).collect()
}

impl File {
    /// Adds what the file at `path` says; nothing if it is not there. The texts say what is wrong.
    pub(super) fn add(&mut self, path: &Path) -> Result<(), Vec<String>> {
        match std::fs::read_to_string(path) {
            Ok(text) => self.add_text(&shown(path), &text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(vec![format!("{}: cannot be read: {error}", shown(path))]),
        }
    }

    /// Adds what `text` says, which is the file `name`.
    pub(super) fn add_text(&mut self, name: &str, text: &str) -> Result<(), Vec<String>> {
        let mut reader = Reader { name, text, faults: Vec::new() };
        match toml_span::parse(text) {
            Err(error) => reader.fault(error.span, error.to_string()),
            Ok(mut value) => match value.take() {
                ValueInner::Table(table) => reader.table(table, self),
                _ => reader.fault(value.span, "this is no table".into()),
            },
        }
        if reader.faults.is_empty() { Ok(()) } else { Err(reader.faults) }
    }
}

/// The path as it is told: below the folder that the tests run in it needs no more.
fn shown(path: &Path) -> String {
    let here = std::env::current_dir().ok();
    let below = here.and_then(|here| path.strip_prefix(here).ok().map(Path::to_path_buf));
    below.unwrap_or_else(|| path.to_path_buf()).display().to_string()
}

/// Reads one file and collects what is wrong with it.
struct Reader<'a> {
    name: &'a str,
    text: &'a str,
    faults: Vec<String>,
}

impl Reader<'_> {
    fn table(&mut self, table: Table<'_>, file: &mut File) {
        // In the order of the text, so that faults are too.
        let mut entries: Vec<_> = table.into_iter().collect();
        entries.sort_by_key(|(key, _)| key.span.start);
        for (key, mut value) in entries {
            let span = value.span;
            match (&*key.name, value.take()) {
                ("ignore", ValueInner::Array(rules)) => {
                    for rule in rules {
                        self.rule(rule, &mut file.rules);
                    }
                }
                ("severity", ValueInner::Table(levels)) => self.severities(levels, file),
                ("mode", ValueInner::String(word)) => match Mode::named(&word) {
                    Ok(mode) => file.mode = Some(mode),
                    Err(why) => self.fault(span, why),
                },
                ("timeout", ValueInner::String(text)) => {
                    file.timeout = self.duration(span, &text).or(file.timeout);
                }
                ("linger", ValueInner::String(text)) => {
                    file.linger = self.duration(span, &text).or(file.linger);
                }
                ("ignore", other) => self.wanted(span, "a list of rules", &other),
                ("severity", other) => self.wanted(span, "a table of levels", &other),
                ("mode" | "timeout" | "linger", other) => self.wanted(span, "a string", &other),
                _ => self.unknown(&key, &KEYS),
            }
        }
    }

    /// A rule: its text, or a table of it and the reason why it is there.
    fn rule(&mut self, mut value: Value<'_>, rules: &mut Rules) {
        let (span, inner) = (value.span, value.take());
        match inner {
            ValueInner::String(text) => self.add_rule(span, &text, rules),
            ValueInner::Table(table) => {
                let known: BTreeSet<&str> = RULE_KEYS.into_iter().collect();
                let mut text = None;
                for (key, mut value) in table {
                    match (&*key.name, value.span, value.take()) {
                        ("rule", span, ValueInner::String(rule)) => {
                            self.add_rule(span, &rule, rules);
                            text = Some(());
                        }
                        ("reason", _, ValueInner::String(_)) => {}
                        (name, span, other) if known.contains(name) => {
                            text = Some(());
                            self.wanted(span, "a string", &other);
                        }
                        _ => self.unknown(&key, &RULE_KEYS),
                    }
                }
                if text.is_none() {
                    self.fault(span, "this table has no `rule`".into());
                }
            }
            other => self.wanted(span, "a rule, or a table with `rule` and `reason`", &other),
        }
    }

    fn add_rule(&mut self, span: Span, text: &str, rules: &mut Rules) {
        let (line, _) = position(self.text, span.start);
        match Rules::parse(Source::named(format!("{}:{line}", self.name)), text) {
            Ok(more) => rules.extend(more),
            Err(error) => self.faults.push(error.to_string()),
        }
    }

    fn severities(&mut self, levels: Table<'_>, file: &mut File) {
        for (key, mut value) in levels {
            match value.take() {
                ValueInner::String(level) => {
                    let (line, _) = position(self.text, key.span.start);
                    let origin = format!("{}:{line}", self.name);
                    match Severities::parse(&origin, &format!("{}={level}", key.name)) {
                        Ok(more) => file.severities.extend(more),
                        Err(error) => self.faults.push(error.to_string()),
                    }
                }
                other => self.wanted(value.span, "`deny`, `warn` or `allow` in quotes", &other),
            }
        }
    }

    fn duration(&mut self, span: Span, text: &str) -> Option<Duration> {
        let read = duration::parse(text);
        if read.is_none() {
            self.fault(span, format!("`{text}` is no duration; write {}", duration::FORM));
        }
        read
    }

    fn wanted(&mut self, span: Span, what: &str, found: &ValueInner<'_>) {
        self.fault(span, format!("expected {what}, found {}", found.type_str()));
    }

    fn unknown(&mut self, key: &Key<'_>, known: &[&'static str]) {
        let meant = nearest(&key.name, known).map(|near| format!(" (did you mean `{near}`?)"));
        let meant = meant.unwrap_or_default();
        self.fault(
            key.span,
            format!("unknown key `{}`{meant}; known are {}", key.name, known.join(", ")),
        );
    }

    /// Notes what is wrong, with the line and a mark below it.
    fn fault(&mut self, span: Span, what: String) {
        let (line, column) = position(self.text, span.start);
        let text = self.text.lines().nth(line - 1).unwrap_or_default();
        let printable = text.replace(|c: char| c.is_control(), " ");
        let rest = text.chars().count().saturating_sub(column - 1);
        let within = self.text.get(span.start..span.end).map_or(1, |part| part.chars().count());
        let marks = "^".repeat(within.min(rest).max(1));
        self.faults.push(format!(
            "{}:{line}:{column}: {what}\n    {printable}\n    {}{marks}",
            self.name,
            " ".repeat(column - 1)
        ));
    }
}

/// Line and column of a byte, in characters, from 1.
fn position(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leak::{Code, Severity};

    fn read(text: &str) -> Result<File, String> {
        let mut file = File::default();
        file.add_text(NAME, text).map(|()| file).map_err(|faults| faults.join("\n"))
    }

    #[test]
    fn everything_that_can_be_said_is_taken_over() {
        let file = read(
            r#"
            mode = "report"
            timeout = "10s"
            linger = "1m30s"
            ignore = [
                "top:worker, file:vendor/*", # two in one
                { rule = "created-by:pool.rs", reason = "it is started once" },
            ]
            [severity]
            GMP102 = "deny"
            Timer = "warn"
            "#,
        )
        .expect("good");
        let rules: Vec<String> = file.rules.iter().map(ToString::to_string).collect();
        assert_eq!(
            rules,
            [
                "`top:worker` (gmp-leak.toml:6)",
                "`file:vendor/*` (gmp-leak.toml:6)",
                "`created-by:pool.rs` (gmp-leak.toml:7)"
            ]
        );
        assert_eq!(file.mode, Some(Mode::Report));
        assert_eq!(file.timeout, Some(Duration::from_secs(10)));
        assert_eq!(file.linger, Some(Duration::from_secs(90)));
        assert_eq!(file.severities.of(Code::UnreadValues, None), Severity::Deny);
        assert_eq!(file.severities.of(Code::Timer, Some("Timer")), Severity::Warn);
        assert!(read("").expect("an empty file is good").rules.is_empty());
    }

    #[test]
    fn later_files_count_more_and_rules_add_up() {
        let mut file = File::default();
        file.add_text("a", "linger = \"1s\"\nignore = [\"x\"]\nseverity.Timer = \"allow\"")
            .unwrap();
        file.add_text("b", "linger = \"2s\"\nignore = [\"y\"]\nseverity.Timer = \"warn\"").unwrap();
        assert_eq!(file.linger, Some(Duration::from_secs(2)));
        assert_eq!(file.rules.iter().count(), 2);
        assert_eq!(file.severities.of(Code::Timer, Some("Timer")), Severity::Warn);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let cases = [
            ("a =", "gmp-leak.toml:1:4: "),
            ("\nignore = [\"a\"\nlinger = \"1s\"", "gmp-leak.toml:3:"),
            (
                "igonre = []",
                "gmp-leak.toml:1:1: unknown key `igonre` (did you mean `ignore`?); known",
            ),
            ("ignore = \"a\"", "gmp-leak.toml:1:11: expected a list of rules, found string\n"),
            ("ignore = [1]", "gmp-leak.toml:1:11: expected a rule, or a table"),
            ("ignore = [{ reason = \"b\" }]", "gmp-leak.toml:1:11: this table has no `rule`"),
            ("ignore = [{ rule = 1 }]", "gmp-leak.toml:1:20: expected a string, found integer"),
            ("ignore = [{ rules = \"a\" }]", "gmp-leak.toml:1:13: unknown key `rules`"),
            ("ignore = [\n  \"top:[\"]", "gmp-leak.toml:2: `[` is never closed\n    top:[\n"),
            ("timeout = 5", "gmp-leak.toml:1:11: expected a string, found integer"),
            ("timeout = \"5\"", "gmp-leak.toml:1:12: `5` is no duration; write numbers with"),
            (
                "mode = \"reprot\"",
                "gmp-leak.toml:1:9: `reprot` is no mode (did you mean `report`?)",
            ),
            (
                "[severity]\nGMP999 = \"deny\"",
                "gmp-leak.toml:2: `GMP999` is no code and no verdict",
            ),
            ("severity.Timer = 1", "gmp-leak.toml:1:18: expected `deny`, `warn` or `allow`"),
        ];
        for (text, start) in cases {
            let error = read(text).expect_err(text);
            assert!(error.starts_with(start), "{text}\n{error}");
        }
        let two = read("speed = 1\nmode = \"x\"").expect_err("both are bad");
        assert!(two.contains(":1:1: ") && two.contains(":2:9: "), "{two}");
        let marked = read("\"é\" = 1\nmood = \"report\"").expect_err("bad");
        assert!(marked.contains("\n    mood = \"report\"\n    ^^^^"), "{marked}");
    }
}
