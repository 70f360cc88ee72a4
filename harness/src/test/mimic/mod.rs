//! The main function of targets with `harness = false`: every collected test as a trial.

mod arguments;
mod isolate;
mod limits;
mod results;

use std::hash::{BuildHasher, RandomState};
use std::io::Write as _;
use std::process::ExitCode;
use std::sync::{Arc, mpsc};
use std::time::Instant;

use libtest_mimic::{Arguments, ColorSetting, Failed, FormatSetting, Trial};

use self::arguments::{Asked, Colour, Format, HELP, Ignored};
use self::results::{Came, Results};
use super::descriptor::{Descriptor, Submission};
use super::entry::attempt;
use crate::leak::census::{self, Ours};
use crate::leak::check::payload_text;
use crate::say::{in_a_test, say_outside, under_own_main};

/// Where a printer writes that nobody reads.
const NOWHERE: &str = if cfg!(windows) { "NUL" } else { "/dev/null" };

/// Runs the tests of this binary. See [`test_main!`](crate::test_main).
pub fn main() -> ExitCode {
    under_own_main();
    in_a_test();
    let variable = |name: &str| std::env::var(name).ok();
    match Asked::parse(std::env::args_os().skip(1), variable) {
        Ok(asked) => run(&Arc::new(asked)),
        Err(why) => refuse(&why),
    }
}

/// Ends with what is wrong, as the built-in harness does.
fn refuse(why: &str) -> ExitCode {
    say_outside(&format!("error: {why}\n"));
    ExitCode::from(101)
}

fn run(asked: &Arc<Asked>) -> ExitCode {
    let mut tests: Vec<&'static Descriptor> =
        inventory::iter::<Submission>().map(|submission| submission.0).collect();
    tests.sort_by_cached_key(|test| test.path());
    if asked.help {
        return print(HELP);
    }
    if let Some(name) = &asked.isolated {
        return one(&tests, name);
    }
    if asked.list {
        return print(&list(asked, &tests));
    }
    if let Some(path) = &asked.logfile
        && let Err(error) = std::fs::write(path, "")
    {
        return refuse(&format!("--logfile: `{path}` cannot be written: {error}"));
    }
    let seed = asked.shuffle.map(|seed| seed.unwrap_or_else(draw));
    if let Some(seed) = seed {
        shuffle(&mut tests, seed);
        if matches!(asked.format, Format::Pretty | Format::Terse) {
            print(&format!("shuffle seed: {seed}\n"));
        }
    }
    all(asked, &tests)
}

/// Runs all that are asked for.
fn all(asked: &Arc<Asked>, tests: &[&'static Descriptor]) -> ExitCode {
    let results = Arc::new(Results::default());
    let trial = |test: &&'static Descriptor| trial(test, asked, &results);
    let left_out = tests.iter().filter(|test| !is_asked(asked, test)).map(|test| test.path());
    let arguments = Arguments {
        // With whole names, so that several filters can be; the count of those left out is right, too.
        skip: left_out.collect(),
        exact: true,
        include_ignored: asked.ignored != Ignored::Skip,
        bench: asked.bench,
        test_threads: asked.threads,
        quiet: asked.format == Format::Terse,
        color: Some(match asked.colour {
            Colour::Auto => ColorSetting::Auto,
            Colour::Always => ColorSetting::Always,
            Colour::Never => ColorSetting::Never,
        }),
        format: (asked.format == Format::Json).then_some(FormatSetting::Json),
        logfile: (asked.format == Format::Junit).then(|| NOWHERE.to_owned()),
        ..Arguments::default()
    };
    let began = Instant::now();
    let conclusion = libtest_mimic::run(&arguments, tests.iter().map(trial).collect());
    let (came, took) = (results.take(), began.elapsed());
    let skipped = tests.iter().filter(|test| is_asked(asked, test) && is_skipped(asked, test));
    let skipped: Vec<String> = skipped.map(|test| test.path()).collect();
    if asked.format == Format::Junit {
        print(&results::junit(&came, &skipped, took));
    }
    if asked.report_time && matches!(asked.format, Format::Pretty | Format::Terse) {
        print(&results::times(&came));
    }
    if let Some(path) = &asked.logfile
        && let Err(error) = std::fs::write(path, results::log(&came, &skipped))
    {
        return refuse(&format!("--logfile: `{path}` cannot be written: {error}"));
    }
    conclusion.exit_code()
}

/// Whether the command line asks for a test; it may still be an ignored one.
fn is_asked(asked: &Asked, test: &Descriptor) -> bool {
    let is_ignored = test.spec().ignored.is_some();
    asked.names(&test.path())
        && (asked.ignored != Ignored::Only || is_ignored)
        && !(asked.exclude_should_panic && test.expects_panic())
}

/// Whether a test that is asked for is counted as ignored.
fn is_skipped(asked: &Asked, test: &Descriptor) -> bool {
    asked.bench || (test.spec().ignored.is_some() && asked.ignored == Ignored::Skip)
}

/// The tests that are asked for, as the built-in harness lists them.
fn list(asked: &Asked, tests: &[&'static Descriptor]) -> String {
    let asked_for = tests.iter().filter(|test| is_asked(asked, test));
    let names: Vec<String> = asked_for.map(|test| format!("{}: test\n", test.path())).collect();
    let mut text = names.concat();
    if asked.format == Format::Pretty {
        let s = if names.len() == 1 { "" } else { "s" };
        text.push_str(&format!("\n{} test{s}, 0 benchmarks\n", names.len()));
    }
    text
}

/// Prints to standard output. Who closed it does not read it.
fn print(text: &str) -> ExitCode {
    let _ = std::io::stdout().write_all(text.as_bytes());
    ExitCode::SUCCESS
}

/// A seed that nobody chose.
fn draw() -> u64 {
    RandomState::new().hash_one(std::process::id())
}

/// Puts the tests into the order of `seed`: swaps each with one that stands no later, as Fisher and Yates do,
/// with numbers from Marsaglia's xorshift64*.
fn shuffle(tests: &mut [&'static Descriptor], seed: u64) {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    for last in (1..tests.len()).rev() {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        let drawn = state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        tests.swap(last, drawn as usize % (last + 1));
    }
}

fn trial(test: &'static Descriptor, asked: &Arc<Asked>, results: &Arc<Results>) -> Trial {
    let name = test.path();
    let ignored = test.spec().ignored.is_some();
    let (asked, results) = (asked.clone(), results.clone());
    Trial::test(name.clone(), move || {
        let began = Instant::now();
        let (mut failure, output) = if asked.isolate {
            // The worker that waits here releases no goroutine.
            census::register_for_good();
            let isolated = isolate::run(&name, !asked.no_capture);
            (isolated.failure, isolated.output)
        } else {
            (on_own_thread(test).err(), None)
        };
        let took = began.elapsed();
        if failure.is_none() {
            failure = asked.limits.and_then(|limits| limits.exceeded(test, took));
        }
        if asked.show_output
            && asked.format != Format::Junit
            && failure.is_none()
            && let Some(output) = output.as_deref().filter(|output| !output.is_empty())
        {
            print(&format!("---- {name} ----\n{output}\n"));
        }
        let result = failure.clone().map_or(Ok(()), |text| Err(Failed::from(text)));
        results.add(Came { name, took, failure, output });
        result
    })
    .with_ignored_flag(ignored)
}

/// Runs one test in a process that was started for it.
fn one(tests: &[&'static Descriptor], name: &str) -> ExitCode {
    match tests.iter().find(|test| test.path() == name).map(|test| on_own_thread(test)) {
        Some(Ok(())) => ExitCode::SUCCESS,
        Some(Err(failure)) => {
            say_outside(&format!("{failure}\n"));
            ExitCode::from(101)
        }
        None => refuse(&format!("there is no test {name}")),
    }
}

/// Each test gets a thread that is named after it: workers are unnamed and reused.
fn on_own_thread(test: &'static Descriptor) -> Result<(), String> {
    // The worker that waits here releases no goroutine.
    census::register_for_good();
    let (send, receive) = mpsc::channel();
    let run = move || {
        let _ours = Ours::register();
        let result = std::panic::catch_unwind(|| __rust_begin_short_backtrace(test));
        let _ = send.send(result);
    };
    let thread = std::thread::Builder::new()
        .name(test.path())
        .spawn(run)
        .map_err(|error| format!("the system refused a thread: {error}"))?;
    let result = receive.recv();
    let _ = thread.join();
    match result {
        Ok(Ok(Ok(()))) => Ok(()),
        Ok(Ok(Err(failure))) => Err(failure.into_text()),
        Ok(Err(payload)) => Err(payload_text(&*payload)),
        Err(_) => Err("the test's thread ended without a result".into()),
    }
}

/// Backtraces leave out what is above a function of this name.
#[inline(never)]
fn __rust_begin_short_backtrace(test: &'static Descriptor) -> Result<(), super::entry::Failure> {
    let result = attempt(test);
    core::hint::black_box(());
    result
}
