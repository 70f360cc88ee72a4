//! What the patterns share.

use std::any::Any;
use std::sync::Mutex;
use std::time::Duration;

/// Longer than any test runs.
pub(crate) const HOUR: Duration = Duration::from_secs(3600);

static KEPT: Mutex<Vec<Box<dyn Any + Send>>> = Mutex::new(Vec::new());

/// Keeps `value` in a static for as long as the process runs.
pub(crate) fn keep(value: impl Any + Send) {
    KEPT.lock().unwrap().push(Box::new(value));
}
