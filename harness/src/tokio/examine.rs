//! The report on a body that runs on tokio, instead of a test that fails.

use core::future::Future;
use std::process::Termination;

use super::start::Settings;
use crate::leak::{CheckError, Report};
use crate::test::{Call, box_body, examine_call};

/// Runs `body` as a test of `#[gmp::test(tokio)]` runs, and returns the report on it instead of failing. The
/// defaults of the attribute hold.
///
/// # Errors
/// If the settings cannot be read from the environment.
///
/// ```
/// use gmp::tokio::{Settings, examine, spawn};
/// let report = examine("never ends", Settings::default(), || async {
///     spawn(core::future::pending::<()>());
/// })?;
/// assert_eq!(report.findings[0].verdict, gmp::leak::Verdict::Proven);
/// # Ok::<(), gmp::leak::CheckError>(())
/// ```
#[track_caller]
pub fn examine<B, F>(name: &str, settings: Settings, body: B) -> Result<Report, CheckError>
where
    B: FnOnce() -> F + Send + 'static,
    F: Future<Output: Termination> + 'static,
{
    let make = Box::new(move || box_body(body()));
    examine_call(name, call(make, settings))
}

/// A body that runs on tokio.
pub(crate) fn call(make: crate::test::MakeFuture, settings: Settings) -> Call {
    Call::Elsewhere(Box::new(move |run, at| super::run::drive(run, make, settings, at)))
}
