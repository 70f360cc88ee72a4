//! The report as text: one line that names the culprit, then what a developer reads from top to
//! bottom in a terminal of 80 to 120 columns.

mod behind;
mod block;
mod footer;
mod leftover;
mod page;
mod snippet;
mod style;
mod summary;
mod trail;
mod tree;

pub use style::{Style, wants_colour};

use super::finding::Report;
use super::source::Sources;
use page::Page;
#[cfg(feature = "explore")]
pub(crate) use style::Ink;
#[cfg(not(feature = "explore"))]
use style::Ink;

/// The most groups of leaks that get a block of their own.
const BLOCKS: usize = 20;

/// Renders a report as text.
///
/// The first line is a summary. It begins with `Error: gmp: ` if anything is wrong, which test
/// runners take for the failure message. Source lines are read from disk as far as they are there.
/// Everything that comes from the tested program is escaped and bounded.
///
/// ```
/// use gmp::report::{finding::*, text::{Style, render}};
///
/// let name = "pool::shuts_down".into();
/// let report = Report { name, outcome: BodyOutcome::Passed, ..Report::default() };
/// assert_eq!(render(&report, &Style::plain()), "gmp: nothing leaked in pool::shuts_down\n");
/// ```
pub fn render(report: &Report, style: &Style) -> String {
    render_with(report, style, &Sources::from_env())
}

/// [`render`] with sources that may have been read before.
pub fn render_with(report: &Report, style: &Style, sources: &Sources) -> String {
    #[cfg(test)]
    super::survive::broken::here("render");
    let mut page = Page::new(*style);
    // No colour up to here: tools look for these words at the beginning of a line.
    page.text(if summary::is_failure(report) { "Error: gmp: " } else { "gmp: " });
    page.paint(Ink::Strong, &summary::summary(report, sources)).end();
    let shown = report.findings.len().min(BLOCKS);
    for finding in &report.findings[..shown] {
        block::write(&mut page, finding, report, sources);
    }
    block::write_more(&mut page, &report.findings[shown..]);
    let panics = report.panics.len().min(BLOCKS);
    for panic in &report.panics[..panics] {
        block::write_panic(&mut page, panic, sources);
    }
    let more = report.panics.len() - panics + report.more_panics;
    block::write_more_panics(&mut page, more);
    leftover::write(&mut page, &report.leftovers, sources);
    tree::write(&mut page, report, sources);
    footer::write(&mut page, report);
    page.finish()
}

#[cfg(test)]
mod tests;
