//! The progress bars of explorations that last, on a terminal: one below the other where tests run in parallel.

use std::io::IsTerminal as _;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::explorer::Explorer;

/// An exploration that is over by then needs no bar.
const PATIENCE: Duration = Duration::from_millis(700);
/// Schedules between two looks at the time.
const STRIDE: u64 = 64;
/// The length of a bar.
const WHOLE: u64 = 1_000;

/// The bar of one exploration; drawn only when it lasts, and on a terminal.
pub(super) struct Bar {
    began: Instant,
    name: String,
    most: (u64, Option<Duration>),
    bar: Option<ProgressBar>,
    wanted: bool,
}

impl Bar {
    pub(super) fn new(explorer: &Explorer) -> Self {
        let (name, most) = (explorer.name().to_owned(), explorer.most());
        let wanted = std::io::stderr().is_terminal();
        Self { began: Instant::now(), name, most, bar: None, wanted }
    }

    /// So many schedules were played.
    pub(super) fn at(&mut self, schedules: u64) {
        if !self.wanted || !schedules.is_multiple_of(STRIDE) {
            return;
        }
        let passed = self.began.elapsed();
        if self.bar.is_none() && passed >= PATIENCE {
            self.bar = Some(bar());
        }
        if let Some(bar) = &self.bar {
            bar.set_position(share(self.most, schedules, passed));
            bar.set_message(message(&self.name, self.most.0, schedules, passed));
        }
    }

    /// Takes the bar away.
    pub(super) fn end(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

/// How wide the terminal is; `None` without one.
pub(super) fn terminal_width() -> Option<usize> {
    let stderr = console::Term::stderr();
    let size = stderr.is_term().then(|| stderr.size_checked()).flatten();
    size.map(|(_, columns)| usize::from(columns))
}

/// How much of the schedules, or of the time, is over: of [`WHOLE`].
fn share(most: (u64, Option<Duration>), schedules: u64, passed: Duration) -> u64 {
    let of_schedules = schedules as f64 / most.0 as f64;
    let of_time = most.1.map_or(0.0, |most| passed.as_secs_f64() / most.as_secs_f64());
    (of_schedules.max(of_time).min(1.0) * WHOLE as f64) as u64
}

fn message(name: &str, most: u64, schedules: u64, passed: Duration) -> String {
    let rate = schedules as f64 / passed.as_secs_f64();
    let of = if most == u64::MAX { String::new() } else { format!(" of {}", grouped(most)) };
    format!("{}{of} schedules, {}/s: {name}", grouped(schedules), grouped(rate as u64))
}

/// The number with a comma between each three digits.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.char_indices() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn bar() -> ProgressBar {
    static ALL: OnceLock<MultiProgress> = OnceLock::new();
    let bar = ALL.get_or_init(MultiProgress::new).add(ProgressBar::new(WHOLE));
    // What is too long for the terminal is cut off.
    match ProgressStyle::with_template("{bar:16} {wide_msg}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_shows_whichever_bound_is_nearer() {
        let second = Duration::from_secs(1);
        assert_eq!(share((1_000, None), 250, second), 250);
        assert_eq!(share((1_000, Some(2 * second)), 250, second), 500);
        assert_eq!(share((u64::MAX, Some(second)), 9, 2 * second), 1_000);
    }

    #[test]
    fn the_text_names_no_bound_where_there_is_none() {
        let second = Duration::from_secs(1);
        let text = message("a::b", u64::MAX, 12_345, second);
        assert_eq!(text, "12,345 schedules, 12,345/s: a::b");
        let text = message("a::b", 1_000_000, 999, second);
        assert_eq!(text, "999 of 1,000,000 schedules, 999/s: a::b");
    }
}
