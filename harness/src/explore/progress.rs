//! The progress bar of an exploration that lasts, on a terminal.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::explorer::Explorer;

/// An exploration that is over by then needs no bar.
const PATIENCE: Duration = Duration::from_millis(700);
/// Schedules between two looks at the time.
const STRIDE: u64 = 64;

/// The bar of one exploration; drawn only when it lasts, and on a terminal.
pub(super) struct Bar {
    began: Instant,
    name: String,
    schedules: u64,
    bar: Option<ProgressBar>,
    wanted: bool,
}

impl Bar {
    pub(super) fn new(explorer: &Explorer) -> Self {
        let (name, schedules) = (explorer.name().to_owned(), explorer.most_schedules());
        let wanted = std::io::stderr().is_terminal();
        Self { began: Instant::now(), name, schedules, bar: None, wanted }
    }

    /// So many schedules were played.
    pub(super) fn at(&mut self, schedules: u64) {
        if !self.wanted || !schedules.is_multiple_of(STRIDE) {
            return;
        }
        if self.bar.is_none() && self.began.elapsed() >= PATIENCE {
            self.bar = Some(bar(&self.name, self.schedules));
        }
        if let Some(bar) = &self.bar {
            bar.set_position(schedules);
        }
    }

    /// Takes the bar away.
    pub(super) fn end(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

fn bar(name: &str, schedules: u64) -> ProgressBar {
    let form = "{prefix} {wide_bar} {pos}/{len} schedules, {per_sec}";
    let bar = ProgressBar::new(schedules).with_prefix(name.to_owned());
    match ProgressStyle::with_template(form) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
