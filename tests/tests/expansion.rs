//! What `#[gmp::test]` and `#[gmp::main]` expand to, seen by a stand-in for the harness.
//!
//! Each test below is run by the stand-in, which compares its description with what `EXPECTED` says
//! and then calls the body. The lints hold for the expansion as well.
#![forbid(unsafe_code)]
#![deny(warnings, missing_docs, clippy::pedantic)]

use std::num::ParseIntError;
use std::process::Termination;

/// The parts of gmp that an expansion names.
mod stand_in {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
        let mut future = pin!(future);
        let mut context = Context::from_waker(Waker::noop());
        loop {
            if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
                return output;
            }
        }
    }

    pub(crate) mod __private {
        use std::future::Future;
        use std::panic::catch_unwind;
        use std::pin::Pin;
        use std::process::{ExitCode, Termination};
        use std::time::Duration;

        #[derive(Debug, PartialEq)]
        pub(crate) struct Outcome(pub(crate) bool);

        pub(crate) fn outcome(value: impl Termination) -> Outcome {
            Outcome(value.report() == ExitCode::SUCCESS)
        }

        type BoxBody = Pin<Box<dyn Future<Output = Outcome>>>;

        pub(crate) fn box_body<F>(body: F) -> BoxBody
        where
            F: Future<Output: std::process::Termination> + 'static,
        {
            Box::pin(async move { outcome(body.await) })
        }

        pub(crate) enum Body {
            Async(fn() -> BoxBody),
            Sync(fn() -> Outcome),
        }

        #[derive(Debug)]
        pub(crate) enum ShouldPanic {
            No,
            Yes,
            Expected(&'static str),
        }

        #[derive(Debug)]
        pub(crate) struct ExpectLeak {
            pub(crate) count: Option<usize>,
            pub(crate) reason: &'static str,
            pub(crate) verdict: Option<&'static str>,
        }

        #[derive(Debug)]
        pub(crate) enum Clock {
            Real,
            Virtual,
            VirtualIgnoringExternal,
        }

        #[derive(Debug)]
        #[allow(dead_code, reason = "the expansion builds it, and not all of it is read")]
        pub(crate) struct Explore {
            pub(crate) schedules: Option<u64>,
            pub(crate) strategy: Option<&'static str>,
            pub(crate) depth: Option<u32>,
            pub(crate) seed: Option<u64>,
            pub(crate) max_time: Option<Duration>,
            pub(crate) max_steps: Option<u64>,
            pub(crate) replay: Option<&'static str>,
        }

        #[derive(Debug)]
        #[allow(dead_code, reason = "the expansion builds it, and not all of it is read")]
        pub(crate) struct Tokio {
            pub(crate) flavor: TokioFlavor,
            pub(crate) worker_threads: Option<usize>,
            pub(crate) start_paused: bool,
        }

        #[derive(Debug)]
        #[allow(dead_code, reason = "the expansion builds it, and not all of it is read")]
        pub(crate) enum TokioFlavor {
            CurrentThread,
            MultiThread,
            Local,
        }

        pub(crate) struct Spec {
            pub(crate) module_path: &'static str,
            pub(crate) name: &'static str,
            pub(crate) file: &'static str,
            pub(crate) line: u32,
            pub(crate) manifest_dir: Option<&'static str>,
            pub(crate) body: Body,
            pub(crate) timeout: Option<Duration>,
            pub(crate) linger: Option<Duration>,
            pub(crate) clock: Clock,
            pub(crate) procs: usize,
            pub(crate) ignore_rules: &'static [&'static str],
            pub(crate) severities: &'static [&'static str],
            pub(crate) probe_cancel: bool,
            pub(crate) expect_leak: Option<&'static [ExpectLeak]>,
            pub(crate) explore: Option<Explore>,
            pub(crate) tokio: Option<Tokio>,
            pub(crate) should_panic: ShouldPanic,
            pub(crate) ignored: Option<&'static str>,
        }

        pub(crate) struct Descriptor(Spec);

        impl Descriptor {
            pub(crate) const fn new(spec: Spec) -> Self {
                Self(spec)
            }
        }

        pub(crate) struct Submission(pub(crate) &'static Descriptor);

        pub(crate) mod inventory {
            macro_rules! submit {
                ($submission:expr) => {
                    const _: () = {
                        let submission = $submission;
                        assert!(!submission.0.name().is_empty());
                    };
                };
            }
            pub(crate) use submit;
        }

        impl Descriptor {
            pub(crate) const fn name(&self) -> &'static str {
                self.0.name
            }

            /// The options and attributes that were given, on one line.
            pub(crate) fn describe(&self) -> String {
                let Spec { timeout, linger, clock, ignore_rules, severities, explore, .. } =
                    &self.0;
                let mut given = Vec::new();
                given.extend(self.0.tokio.as_ref().map(|tokio| format!("{tokio:?}")));
                given.extend(timeout.map(|timeout| format!("timeout {timeout:?}")));
                given.extend(linger.map(|linger| format!("linger {linger:?}")));
                given.extend(explore.as_ref().map(|explore| format!("explore {:?}", explore.seed)));
                given.extend((self.0.procs != 1).then(|| format!("procs {}", self.0.procs)));
                if !matches!(clock, Clock::Real) {
                    given.push(format!("clock {clock:?}"));
                }
                given.extend(ignore_rules.iter().map(|rule| format!("ignore {rule}")));
                given.extend(severities.iter().map(|one| format!("severity {one}")));
                if self.0.probe_cancel {
                    given.push("probes".to_owned());
                }
                if let Some(leaks) = self.0.expect_leak {
                    given.push(format!("{} leaks", leaks.len()));
                    given.extend(leaks.iter().map(|ExpectLeak { count, reason, verdict }| {
                        format!("{count:?} {reason} {verdict:?}")
                    }));
                }
                match self.0.should_panic {
                    ShouldPanic::No => {}
                    ShouldPanic::Yes => given.push("panics".to_owned()),
                    ShouldPanic::Expected(text) => given.push(format!("panics with {text}")),
                }
                given.extend(self.0.ignored.map(|why| format!("ignored {why:?}")));
                given.join(", ")
            }
        }

        pub(crate) fn run(descriptor: &'static Descriptor) {
            let Spec { module_path, name, file, line, manifest_dir, body, should_panic, .. } =
                &descriptor.0;
            assert_eq!(*manifest_dir, Some(env!("CARGO_MANIFEST_DIR")));
            let (_, expected) = super::super::EXPECTED
                .iter()
                .find(|(expected, _)| expected == name)
                .expect("every test is in the table");
            assert_eq!(descriptor.describe(), *expected);
            assert!(module_path.starts_with("expansion"), "{module_path}");
            assert_eq!(*file, file!());
            let source = include_str!("expansion.rs");
            let at = source.lines().nth(*line as usize - 1).expect("the line exists");
            assert!(at.contains(name), "line {line} is not the function's: {at}");

            let result = catch_unwind(|| match body {
                Body::Async(start) => super::block_on(start()),
                Body::Sync(call) => call(),
            });
            let should_panic = !matches!(should_panic, ShouldPanic::No);
            assert_eq!(result.is_err(), should_panic);
            if let Ok(outcome) = result {
                assert_eq!(outcome, Outcome(!name.starts_with("fails")));
            }
        }
    }
}

/// What the stand-in must be told about each test.
const EXPECTED: &[(&str, &str)] = &[
    ("plain", ""),
    ("documented", ""),
    ("in_a_module", ""),
    (
        "all_options",
        "timeout 1.5s, linger 100ms, clock VirtualIgnoringExternal, ignore top:x, ignore y, \
         probes, 2 leaks, Some(2) chan receive Some(\"Proven\"), None sleep None",
    ),
    ("any_leak", "0 leaks"),
    ("several", "procs 4"),
    ("virtual_clock", "clock Virtual"),
    ("real_clock", ""),
    ("result", ""),
    ("fails_with_an_error", ""),
    ("fails_without_async", ""),
    ("panics", "panics"),
    ("panics_with_a_text", "panics with boom"),
    ("panics_with_a_text_after_equals", "panics with boom"),
    ("panics_when_the_attribute_is_above", "panics"),
    ("panics_under_a_condition", "panics with second"),
    ("never_returns", "panics"),
    ("never_returns_without_async", "panics"),
    ("absorbs_the_plain_test", ""),
    ("absorbs_the_plain_test_by_path", ""),
    ("absorbs_a_conditional_test", ""),
    ("is_not_send", ""),
    ("is_large", ""),
    ("expects_a_lint", ""),
    ("Capital", ""),
    ("r#match", ""),
    ("from_a_macro", "timeout 2s, panics with 2s"),
];

#[gmp::test(crate = crate::stand_in)]
fn plain() {}

/// A public test needs its documentation.
#[gmp::test(crate = crate::stand_in)]
pub async fn documented() {
    std::future::ready(()).await;
}

mod inner {
    #[gmp::test(crate = super::stand_in)]
    async fn in_a_module() {
        assert!(module_path!().ends_with("inner"));
    }
}

#[gmp::test(
    crate = crate::stand_in,
    timeout = "1.5s",
    linger = "100ms",
    clock = "virtual, ignoring external",
    ignore("top:x", "y"),
    probe_cancel,
    expect_leak("2 chan receive: Proven", "sleep"),
)]
async fn all_options() {}

#[gmp::test(crate = crate::stand_in, expect_leak)]
async fn any_leak() {}

#[gmp::test(crate = crate::stand_in, procs = 4)]
async fn several() {}

#[gmp::test(crate = crate::stand_in, clock = "virtual")]
async fn virtual_clock() {}

#[gmp::test(crate = crate::stand_in, clock = "real")]
async fn real_clock() {}

#[gmp::test(crate = crate::stand_in)]
async fn result() -> Result<(), Box<dyn std::error::Error>> {
    let number: u32 = "42".parse()?;
    std::future::ready(()).await;
    assert_eq!(number, 42);
    Ok(())
}

#[gmp::test(crate = crate::stand_in)]
async fn fails_with_an_error() -> Result<(), ParseIntError> {
    "not a number".parse::<u32>()?;
    Ok(())
}

#[gmp::test(crate = crate::stand_in)]
fn fails_without_async() -> impl Termination {
    "not a number".parse::<u32>().map(drop)
}

#[gmp::test(crate = crate::stand_in)]
#[should_panic]
#[allow(clippy::should_panic_without_expect, reason = "the form without a text is what is tested")]
async fn panics() {
    panic!("boom");
}

#[gmp::test(crate = crate::stand_in)]
#[should_panic(expected = "boom")]
async fn panics_with_a_text() {
    panic!("boom");
}

#[gmp::test(crate = crate::stand_in)]
#[should_panic = "boom"]
fn panics_with_a_text_after_equals() {
    panic!("boom");
}

#[should_panic]
#[gmp::test(crate = crate::stand_in)]
fn panics_when_the_attribute_is_above() {
    panic!("boom");
}

#[gmp::test(crate = crate::stand_in)]
#[cfg_attr(not(test), should_panic(expected = "first"))]
#[cfg_attr(test, should_panic(expected = "second"))]
fn panics_under_a_condition() {
    panic!("second");
}

#[gmp::test(crate = crate::stand_in)]
#[should_panic]
async fn never_returns() -> ! {
    panic!("boom");
}

#[gmp::test(crate = crate::stand_in)]
#[should_panic]
fn never_returns_without_async() -> ! {
    panic!("boom");
}

// The stand-in has no entry for the ignored ones: they fail when they are run.
#[gmp::test(crate = crate::stand_in)]
#[ignore = "it is never run"]
async fn ignored() {}

#[gmp::test(crate = crate::stand_in)]
#[ignore]
#[allow(clippy::ignore_without_reason)]
fn ignored_without_a_reason() {}

#[gmp::test(crate = crate::stand_in)]
#[cfg_attr(test, ignore = "it is never run in a test")]
async fn ignored_under_a_condition() {}

#[test]
fn the_descriptor_knows_what_is_ignored() {
    assert_eq!(__gmp_test_ignored.describe(), "ignored \"it is never run\"");
    assert_eq!(__gmp_test_ignored_without_a_reason.describe(), "ignored \"\"");
    assert_eq!(
        __gmp_test_ignored_under_a_condition.describe(),
        "ignored \"it is never run in a test\""
    );
}

// A `#[test]` left on the user's function would not compile.
#[gmp::test(crate = crate::stand_in)]
#[test]
async fn absorbs_the_plain_test() {}

#[gmp::test(crate = crate::stand_in)]
#[core::prelude::v1::test]
fn absorbs_the_plain_test_by_path() {}

#[gmp::test(crate = crate::stand_in)]
#[cfg_attr(test, test)]
async fn absorbs_a_conditional_test() {}

#[gmp::test(crate = crate::stand_in)]
#[cfg(not(test))]
async fn absent() {
    this_name_does_not_exist();
}

#[gmp::test(crate = crate::stand_in)]
async fn is_not_send() {
    let shared = std::rc::Rc::new(1);
    std::future::ready(()).await;
    assert_eq!(*shared, 1);
}

#[gmp::test(crate = crate::stand_in)]
async fn is_large() {
    let bytes = [0_u8; 100_000];
    std::future::ready(()).await;
    assert_eq!(std::hint::black_box(&bytes).len(), 100_000);
}

#[gmp::test(crate = crate::stand_in)]
#[expect(unused_variables)]
async fn expects_a_lint() {
    let unused = 1;
}

#[gmp::test(crate = crate::stand_in)]
#[allow(non_snake_case, reason = "the name must reach the descriptor as it is")]
fn Capital() {}

#[gmp::test(crate = crate::stand_in)]
fn r#match() {}

macro_rules! generated {
    ($name:ident, $text:literal) => {
        #[gmp::test(crate = crate::stand_in, timeout = $text)]
        #[should_panic(expected = $text)]
        async fn $name() {
            panic!($text);
        }
    };
}

generated!(from_a_macro, "2s");

/// A main function under another name, to be called.
#[gmp::main(crate = crate::stand_in)]
#[allow(clippy::unnecessary_wraps, reason = "a main function may return a result")]
async fn main_function() -> Result<u32, ParseIntError> {
    let number: u32 = "42".parse()?;
    std::future::ready(()).await;
    Ok(number)
}

#[gmp::main(crate = crate::stand_in)]
#[expect(unused_variables)]
#[inline(never)]
async fn failing_main_function() -> Result<u32, ParseIntError> {
    let unused = 1;
    "not a number".parse()
}

#[test]
fn a_main_function_is_plain_and_returns_what_its_body_returns() {
    assert_eq!(main_function(), Ok(42));
    assert!(failing_main_function().is_err());
}
