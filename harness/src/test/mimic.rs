//! The main function of targets with `harness = false`: every collected test as a trial.

use std::process::ExitCode;
use std::sync::mpsc;

use libtest_mimic::{Arguments, Failed, Trial};

use crate::leak::census::Ours;
use crate::leak::check::payload_text;

use super::descriptor::{Descriptor, Submission};
use super::entry::attempt;
use crate::leak::census;

/// Runs the tests of this binary. See [`test_main!`](crate::test_main).
pub fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let mut trials: Vec<Trial> =
        inventory::iter::<Submission>().map(|submission| trial(submission.0)).collect();
    trials.sort_by(|a, b| a.name().cmp(b.name()));
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn trial(descriptor: &'static Descriptor) -> Trial {
    let ignored = descriptor.spec().ignored.is_some();
    Trial::test(descriptor.path(), move || on_own_thread(descriptor)).with_ignored_flag(ignored)
}

/// Each test gets a thread that is named after it: workers are unnamed and reused.
fn on_own_thread(descriptor: &'static Descriptor) -> Result<(), Failed> {
    // The worker that waits here releases no goroutine.
    census::register_for_good();
    let (send, receive) = mpsc::channel();
    let run = move || {
        let _ours = Ours::register();
        let result = std::panic::catch_unwind(|| attempt(descriptor));
        let _ = send.send(result);
    };
    let thread = std::thread::Builder::new()
        .name(descriptor.path())
        .spawn(run)
        .map_err(|error| format!("the system refused a thread: {error}"))?;
    let result = receive.recv();
    let _ = thread.join();
    match result {
        Ok(Ok(Ok(()))) => Ok(()),
        Ok(Ok(Err(failure))) => Err(Failed::from(failure.into_text())),
        Ok(Err(payload)) => Err(Failed::from(payload_text(&*payload))),
        Err(_) => Err(Failed::from("the test's thread ended without a result")),
    }
}
