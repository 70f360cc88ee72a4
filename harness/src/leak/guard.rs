//! `guard!`: a scope that is checked when it ends.

use std::sync::Arc;
use std::time::Instant;

use gmp_core::inspect::Location;
use gmp_core::runtime::{self, Entered, Scope};

use super::api::{CheckError, Options, fail_if_any, report, settle};
use super::census::Ours;
use super::check::{self, BodyEnd, Reach};
use super::progress::Progress;
use crate::report::survive::{rendered, survive, unwritten};
use crate::report::text::Style;
use crate::say::{in_a_test, say};
#[cfg(feature = "tokio")]
use crate::tokio::guarded::Guarded;

/// Where there is no other runtime.
#[cfg(not(feature = "tokio"))]
struct Guarded;

#[cfg(not(feature = "tokio"))]
impl Guarded {
    fn new(_: Location) -> Self {
        Self
    }

    fn is_alive(&self, _: &Scope) -> bool {
        false
    }

    fn is_alone(&self) -> bool {
        false
    }

    fn end(&self, _: &Arc<Scope>) {}

    fn forget(&self, _: &Scope) {}
}

/// A scope that is checked when it ends: made by [`guard!`](crate::leak::guard!).
#[must_use = "a guard that is dropped at once checks nothing: `let _guard = gmp::leak::guard!();`"]
pub struct Guard {
    scope: Arc<Scope>,
    options: Options,
    name: &'static str,
    entered: Option<Entered>,
    other: Guarded,
}

impl Guard {
    #[doc(hidden)]
    #[track_caller]
    pub fn new(name: &'static str, options: Options) -> Self {
        in_a_test();
        let at: Location = core::panic::Location::caller();
        let scope = runtime::new_scope();
        let entered = Some(scope.enter());
        Self { scope, options, name, entered, other: Guarded::new(at) }
    }

    /// Ends the scope now: lets goroutines finish, then drops the futures of those that are left and
    /// gives each its verdict.
    ///
    /// # Errors
    /// [`CheckError::Leaks`] with the report, and what [`find`](super::find) fails with.
    pub fn check(mut self) -> Result<(), CheckError> {
        self.end()
    }

    /// As [`check`](Self::check), inside a task or a test of tokio: tasks go on while it lets them finish, which
    /// they cannot do on a runtime of one thread when the guard is dropped.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    ///
    /// ```
    /// # use gmp::tokio::spawn;
    /// #[tokio::test]
    /// async fn an_existing_test() {
    ///     let guard = gmp::leak::guard!();
    ///     spawn(std::future::pending::<()>()).abort();
    ///     guard.check_async().await.unwrap();
    /// }
    /// # fn main() {}
    /// ```
    #[cfg(feature = "tokio")]
    pub async fn check_async(mut self) -> Result<(), CheckError> {
        let deadline = Instant::now() + self.options.linger_time();
        let moves =
            || super::api::moves(&self.scope, &|_| true) || self.other.others(&self.scope) > 0;
        while moves() && Instant::now() < deadline {
            ::tokio::task::yield_now().await;
        }
        self.end()
    }

    fn end(&mut self) -> Result<(), CheckError> {
        let Some(entered) = self.entered.take() else { return Ok(()) };
        drop(entered);
        let policy = self.options.policy()?;
        let _ours = Ours::register();
        let is_alone = self.other.is_alone();
        if !is_alone || !super::api::are_hosted(&self.scope) {
            let outside = || self.other.is_alive(&self.scope);
            settle(&self.scope, self.options.linger_time(), &|_| true, &outside);
        }
        let stand_ins = self.other.end(&self.scope);
        let (end, progress) = (BodyEnd::Returned(true), Progress::new());
        // Who only waits for a turn on this very thread is not stuck.
        let reach = Reach { body: None, body_is_elsewhere: false, spare_ready_tasks: is_alone };
        let checked = check::close_and_judge(&self.scope, &progress, &reach, end, Instant::now());
        let _ = stand_ins;
        self.other.forget(&self.scope);
        let report = report(self.name, &checked, &policy)?;
        if !report.has_denied() && report.has_warnings() {
            say(&rendered(&report, &Style::detect()));
        }
        fail_if_any(report)
    }
}

impl Drop for Guard {
    /// Ends the scope.
    ///
    /// # Panics
    /// If a goroutine leaked: the report goes to stderr. While the thread panics already, it is only
    /// printed.
    fn drop(&mut self) {
        // A panic that left this function while the thread panics would end the process.
        let said = match survive(|| self.end()) {
            Ok(Ok(())) => return,
            Ok(Err(error)) => format!("Error: {error}"),
            Err(why) => unwritten(self.name, &why),
        };
        say(&said);
        if !std::thread::panicking() {
            std::panic::resume_unwind(Box::new("gmp: the guarded scope leaked goroutines"));
        }
    }
}

impl core::fmt::Debug for Guard {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Guard").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Checks everything that this thread starts until the guard is dropped: leaks panic, with a report on
/// stderr. For tests without `#[gmp::test]`. Takes [`Options`] if given.
///
/// It watches what its thread starts. Inside a goroutine, and in the body of a `#[gmp::test]`, what is started belongs
/// to the scope of that test, and a guard sees nothing of it: there [`verify_none`](crate::leak::verify_none) and
/// [`Snapshot`](crate::leak::Snapshot) check in between.
///
/// ```
/// let _guard = gmp::leak::guard!();
/// let done = gmp::go(async { 7 });
/// # drop(done);
/// ```
#[doc(hidden)]
#[macro_export]
macro_rules! __leak_guard {
    () => {
        $crate::leak::guard!($crate::leak::Options::new())
    };
    ($options:expr) => {
        $crate::leak::Guard::new(
            ::core::concat!("the guard at ", ::core::file!(), ":", ::core::line!()),
            $options,
        )
    };
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;
    use crate::leak::check::payload_text;
    use crate::report::survive::broken;

    /// A guard with a leak, on a runtime of its own.
    fn leaks() -> Guard {
        let guard = Guard::new("the guard", Options::new());
        drop(gmp_core::go(core::future::pending::<()>()));
        guard
    }

    #[test]
    fn a_panic_while_the_report_is_written_fails_the_check_with_its_name() {
        let text = "gmp: the guard: a panic while its report was written: no symbols";
        for at in ["build", "render"] {
            let guard = leaks();
            broken::set(Some(at));
            let error = guard.check().expect_err("it leaks");
            assert_eq!(error.to_string(), text, "{at}");
            broken::set(None);
        }
        let guard = leaks();
        assert!(guard.check().expect_err("it leaks").to_string().contains("1 goroutine leaked"));
    }

    #[test]
    fn a_panic_while_the_report_is_written_ends_no_thread_that_panics() {
        for at in ["build", "render"] {
            let panics = || {
                let _guard = leaks();
                broken::set(Some(at));
                panic!("the test itself");
            };
            let payload = catch_unwind(AssertUnwindSafe(panics)).expect_err("it panics");
            broken::set(None);
            assert_eq!(payload_text(&*payload), "the test itself", "{at}");
        }
    }

    #[test]
    fn goroutines_go_on_after_a_look_whose_report_cannot_be_written() {
        let _guard = Guard::new("the guard", Options::new());
        let ch = gmp_core::chan::<u32>(0);
        let receives = ch.clone();
        let got = gmp_core::go(async move { receives.recv().await });
        broken::set(Some("build"));
        let found = crate::leak::find_with(&Options::new().linger(core::time::Duration::ZERO));
        broken::set(None);
        let error = found.expect_err("it cannot be written");
        assert!(error.to_string().ends_with("no symbols"), "{error}");
        ch.blocking_send(3);
        assert_eq!(gmp_core::block_on(got).expect("no panic"), Some(3));
    }
}
