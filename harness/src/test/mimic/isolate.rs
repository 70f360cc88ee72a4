//! `--isolate`: each test in a process of its own, which starts again with one test and has its output captured.

use std::process::{Command, Stdio};

use super::arguments::ISOLATED;
use crate::say::say_outside;

/// What came of a test in a process of its own.
pub(super) struct Isolated {
    pub(super) failure: Option<String>,
    /// `None`: it was not captured.
    pub(super) output: Option<String>,
}

/// Runs the test `name` in a process of its own. With `capture` its output is kept, else it is shown as it comes.
pub(super) fn run(name: &str, capture: bool) -> Isolated {
    let failed = |why: String| Isolated { failure: Some(why), output: None };
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => return failed(format!("Error: gmp: this program has no path: {error}")),
    };
    let stdio = || if capture { Stdio::piped() } else { Stdio::inherit() };
    let mut command = Command::new(program);
    command.args([ISOLATED, name]).stdin(Stdio::null()).stdout(stdio()).stderr(stdio());
    let ended = match command.spawn().and_then(std::process::Child::wait_with_output) {
        Ok(ended) => ended,
        Err(error) => return failed(format!("Error: gmp: no process for {name}: {error}")),
    };
    let stdout = String::from_utf8_lossy(&ended.stdout);
    let stderr = String::from_utf8_lossy(&ended.stderr);
    let output = capture.then(|| format!("{stdout}{stderr}"));
    if ended.status.success() {
        // What a process tells at its end is about all its tests, and not captured elsewhere either.
        say_outside(told_at_the_end(&stderr));
        return Isolated { failure: None, output };
    }
    let how = match ended.status.code() {
        Some(101) => String::new(),
        _ => format!("\nError: gmp: the process of {name} ended with {}\n", ended.status),
    };
    let shown = output.as_deref().unwrap_or("its output is above");
    Isolated { failure: Some(format!("{shown}{how}")), output }
}

/// The last lines, which are told of all tests of a process.
fn told_at_the_end(stderr: &str) -> &str {
    let starts = ["gmp: report mode: ", "gmp: allow rules "];
    let mut at = 0;
    for line in stderr.split_inclusive('\n') {
        if starts.iter().any(|start| line.starts_with(start)) {
            return &stderr[at..];
        }
        at += line.len();
    }
    ""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_told_at_the_end_goes_on() {
        let text = "a line\ngmp: report mode: 1 of 1 check would have failed:\n  leaks: one\n";
        assert_eq!(told_at_the_end(text), &text[7..]);
        assert_eq!(told_at_the_end("a line\n"), "");
    }
}
