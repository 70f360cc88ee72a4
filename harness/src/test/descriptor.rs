//! The descriptor of a test: what the attribute macro writes down at compile time.

use core::future::Future;
use core::pin::Pin;
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Context, Poll};
use core::time::Duration;
use std::process::{ExitCode, Termination};

/// A test, as `#[gmp::test]` describes it. One static for each test.
#[derive(Debug)]
pub struct Descriptor {
    spec: Spec,
    ran: AtomicBool,
}

/// The fields of a [`Descriptor`].
#[derive(Debug)]
#[allow(missing_docs, reason = "written by the macro only; the names say it")]
pub struct Spec {
    pub module_path: &'static str,
    pub name: &'static str,
    pub file: &'static str,
    pub line: u32,
    /// The folder of the crate's manifest, when cargo compiled it.
    pub manifest_dir: Option<&'static str>,
    pub body: Body,
    pub timeout: Option<Duration>,
    pub linger: Option<Duration>,
    pub clock: Clock,
    /// Ps; 1 if not given.
    pub procs: usize,
    pub ignore_rules: &'static [&'static str],
    pub severities: &'static [&'static str],
    /// A test that leaks runs again, with its contexts cancelled.
    pub probe_cancel: bool,
    /// `None`: a leak fails the test. `Some` of nothing: any leak is expected.
    pub expect_leak: Option<&'static [ExpectLeak]>,
    /// `Some`: the test runs under many schedules.
    pub explore: Option<Explore>,
    /// `Some`: the body runs on a tokio runtime.
    pub tokio: Option<Tokio>,
    pub should_panic: ShouldPanic,
    /// The reason of `#[ignore]`, empty if it has none.
    pub ignored: Option<&'static str>,
}

/// How the user's function is called.
#[derive(Clone, Copy, Debug)]
pub enum Body {
    /// An `async fn`; its future is made on the M that runs it, and need not be `Send`.
    Async(fn() -> Pin<Box<dyn Future<Output = Outcome>>>),
    /// A plain `fn`, called on the test's thread.
    Sync(fn() -> Outcome),
}

/// The clock of a test's runtime.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Clock {
    /// Time passes by itself.
    #[default]
    Real,
    /// Time moves to the next timer when everything is parked; what is outside stops it.
    Virtual,
    /// The same, whatever is outside.
    VirtualIgnoringExternal,
}

/// Whether a body that returned was successful.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome(pub(crate) bool);

impl Outcome {
    /// Whether the body was successful.
    pub fn is_success(self) -> bool {
        self.0
    }
}

/// One leak that a test expects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "written by the macro only; the names say it")]
pub struct ExpectLeak {
    pub count: Option<usize>,
    pub reason: &'static str,
    pub verdict: Option<&'static str>,
}

/// How the schedules of a test are explored; what is not set is as the environment or the harness says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "written by the macro only; the names say it")]
pub struct Explore {
    pub schedules: Option<u64>,
    pub strategy: Option<&'static str>,
    pub depth: Option<u32>,
    pub seed: Option<u64>,
    pub max_time: Option<Duration>,
    pub max_steps: Option<u64>,
    pub replay: Option<&'static str>,
}

/// The tokio runtime that a test asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "written by the macro only; the names say it")]
pub struct Tokio {
    pub flavor: TokioFlavor,
    pub worker_threads: Option<usize>,
    pub start_paused: bool,
}

/// The flavour of a tokio runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "tokio's own names")]
pub enum TokioFlavor {
    CurrentThread,
    MultiThread,
    Local,
}

/// What `#[should_panic]` said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum ShouldPanic {
    No,
    Yes,
    Expected(&'static str),
}

/// A descriptor as `inventory` collects it, for targets with `harness = false`.
#[derive(Debug)]
pub struct Submission(pub &'static Descriptor);

inventory::collect!(Submission);

impl Descriptor {
    /// A descriptor of a test that has not run.
    pub const fn new(spec: Spec) -> Self {
        Self { spec, ran: AtomicBool::new(false) }
    }

    pub(crate) fn spec(&self) -> &Spec {
        &self.spec
    }

    /// The name that the harness lists: the module path without the crate, and the function.
    pub fn path(&self) -> String {
        match self.spec.module_path.split_once("::") {
            Some((_, modules)) => format!("{modules}::{}", self.spec.name),
            None => self.spec.name.to_string(),
        }
    }

    /// The clock that it asks for.
    pub fn clock(&self) -> Clock {
        self.spec.clock
    }

    /// The function to be tested: for tests that run it in another way.
    pub fn body(&self) -> Body {
        self.spec.body
    }

    /// Whether its body is to panic.
    pub fn expects_panic(&self) -> bool {
        self.spec.should_panic != ShouldPanic::No
    }

    /// Whether a leak is expected of it.
    pub fn expects_leak(&self) -> bool {
        self.spec.expect_leak.is_some()
    }

    /// Marks the test as run. False if it was: it is registered twice.
    pub(crate) fn first_run(&self) -> bool {
        !self.ran.swap(true, Ordering::Relaxed)
    }
}

/// What a body's return value means; an error is printed as a test's `main` would.
pub fn outcome(value: impl Termination) -> Outcome {
    Outcome(value.report() == ExitCode::SUCCESS)
}

/// The future of an `async fn` body. Generic over the future, so that the macro need not expand to an
/// async block of its own.
pub fn box_body<F>(body: F) -> Pin<Box<dyn Future<Output = Outcome>>>
where
    F: Future<Output: Termination> + 'static,
{
    Box::pin(Mapped(Box::pin(body)))
}

/// A body whose return value becomes an outcome. Not an async block: the compiler would make a state
/// machine of it for every test.
struct Mapped<F>(Pin<Box<F>>);

impl<F: Future<Output: Termination>> Future for Mapped<F> {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        self.0.as_mut().poll(cx).map(outcome)
    }
}
