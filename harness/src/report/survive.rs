//! A panic while a report is written: it must not end the process, nor take the verdict with it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::finding::Report;
use super::text::{self, Style};
use crate::leak::check::payload_text;

/// What `write` comes to, or the text of its panic.
pub(crate) fn survive<R>(write: impl FnOnce() -> R) -> Result<R, String> {
    catch_unwind(AssertUnwindSafe(write)).map_err(|payload| payload_text(&*payload))
}

/// Said in place of the report on `name`.
pub(crate) fn unwritten(name: &str, why: &str) -> String {
    format!("Error: gmp: {name}: a panic while its report was written: {why}")
}

/// The report as text, or why there is none.
pub(crate) fn rendered(report: &Report, style: &Style) -> String {
    survive(|| text::render(report, style)).unwrap_or_else(|why| unwritten(&report.name, &why))
}

/// Makes reports of this thread panic, for tests of what comes then.
#[cfg(test)]
pub(crate) mod broken {
    use core::cell::Cell;

    thread_local! {
        static BREAKS: Cell<Option<&'static str>> = const { Cell::new(None) };
    }

    /// Where it panics: `"build"` or `"render"`.
    pub(crate) fn set(at: Option<&'static str>) {
        BREAKS.set(at);
    }

    /// Called where a report is written.
    pub(crate) fn here(at: &str) {
        assert!(BREAKS.get() != Some(at), "no symbols");
    }
}
