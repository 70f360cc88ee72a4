//! What came of each test, for outputs that the printer of the run does not write: times, a log, JUnit.

use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// What came of one test.
#[derive(Clone, Debug)]
pub(super) struct Came {
    pub(super) name: String,
    pub(super) took: Duration,
    /// `None`: it passed.
    pub(super) failure: Option<String>,
    /// What it printed, if that was captured.
    pub(super) output: Option<String>,
}

/// What came of the tests so far, in the order in which they ended.
#[derive(Debug, Default)]
pub(super) struct Results(Mutex<Vec<Came>>);

impl Results {
    pub(super) fn add(&self, came: Came) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(came);
    }

    pub(super) fn take(&self) -> Vec<Came> {
        core::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A line for each test with the time it took, the slowest first.
pub(super) fn times(came: &[Came]) -> String {
    let mut sorted: Vec<&Came> = came.iter().collect();
    sorted.sort_by_key(|one| core::cmp::Reverse(one.took));
    let mut text = String::from("times:\n");
    for Came { name, took, .. } in sorted {
        // Writing to a `String` never fails, here and below.
        let _ = writeln!(text, "    {:.3}s  {name}", took.as_secs_f64());
    }
    text
}

/// A line for each test, as the built-in harness logs it.
pub(super) fn log(came: &[Came], ignored: &[String]) -> String {
    let mut text = String::new();
    for Came { name, failure, .. } in came {
        let outcome = if failure.is_some() { "failed" } else { "ok" };
        let _ = writeln!(text, "{outcome} {name}");
    }
    for name in ignored {
        let _ = writeln!(text, "ignored {name}");
    }
    text
}

/// All results as JUnit XML, on one line as the built-in harness writes it.
pub(super) fn junit(came: &[Came], ignored: &[String], took: Duration) -> String {
    let failures = came.iter().filter(|one| one.failure.is_some()).count();
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?><testsuites>");
    let _ = write!(
        text,
        "<testsuite name=\"test\" package=\"test\" id=\"0\" errors=\"0\" failures=\"{failures}\" \
         tests=\"{}\" skipped=\"{}\" time=\"{:.3}\">",
        came.len() + ignored.len(),
        ignored.len(),
        took.as_secs_f64()
    );
    for Came { name, took, failure, output } in came {
        let _ = write!(text, "{} time=\"{:.3}\"", case(name), took.as_secs_f64());
        if failure.is_none() && output.is_none() {
            text.push_str("/>");
            continue;
        }
        text.push('>');
        if let Some(failure) = failure {
            let message = failure.lines().next().unwrap_or_default();
            let _ = write!(
                text,
                "<failure type=\"failure\" message=\"{}\">{}</failure>",
                escape(message),
                escape(failure)
            );
        }
        if let Some(output) = output {
            let _ = write!(text, "<system-out>{}</system-out>", escape(output));
        }
        text.push_str("</testcase>");
    }
    for name in ignored {
        let _ = write!(text, "{} time=\"0\"><skipped/></testcase>", case(name));
    }
    text.push_str("</testsuite></testsuites>\n");
    text
}

/// `<testcase` with the module and the name.
fn case(name: &str) -> String {
    let (module, name) = name.rsplit_once("::").unwrap_or(("crate", name));
    format!("<testcase classname=\"{}\" name=\"{}\"", escape(module), escape(name))
}

/// The text between tags or quotes. What XML has no form for is left out.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\n' => out.push_str("&#10;"),
            '\t' | '\r' => out.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => {}
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn came(name: &str, failure: Option<&str>) -> Came {
        let took = Duration::from_millis(1500);
        Came { name: name.into(), took, failure: failure.map(Into::into), output: None }
    }

    #[test]
    fn junit_has_every_test_and_escapes_what_they_say() {
        let all = [came("a::ok", None), came("bad", Some("Error: <x> & \"y\"\n\u{1b}[1mmore"))];
        assert_eq!(
            junit(&all, &["a::b::later".into()], Duration::from_secs(2)),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><testsuites><testsuite name=\"test\" \
             package=\"test\" id=\"0\" errors=\"0\" failures=\"1\" tests=\"3\" skipped=\"1\" \
             time=\"2.000\"><testcase classname=\"a\" name=\"ok\" time=\"1.500\"/><testcase \
             classname=\"crate\" name=\"bad\" time=\"1.500\"><failure type=\"failure\" \
             message=\"Error: &lt;x&gt; &amp; &quot;y&quot;\">Error: &lt;x&gt; &amp; &quot;y&quot;&#10;[1mmore\
             </failure></testcase><testcase classname=\"a::b\" name=\"later\" time=\"0\"><skipped/>\
             </testcase></testsuite></testsuites>\n"
        );
    }

    #[test]
    fn the_log_and_the_times_name_every_test() {
        let all = [came("a", None), Came { took: Duration::from_secs(3), ..came("b", Some("x")) }];
        assert_eq!(log(&all, &["c".into()]), "ok a\nfailed b\nignored c\n");
        assert_eq!(times(&all), "times:\n    3.000s  b\n    1.500s  a\n");
    }
}
