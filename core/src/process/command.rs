//! `Command`: how a child is to be started.

use std::ffi::OsStr;
use std::future::Future;
use std::io;
use std::panic::Location;
use std::path::Path;
use std::process::{self, ExitStatus, Output, Stdio};

use super::child::Child;

/// A process to be started, as [`std::process::Command`].
#[derive(Debug)]
pub struct Command {
    command: process::Command,
    set: Set,
    kill_on_drop: bool,
}

/// The standard streams that somebody has set: [`Command::output`] leaves them as they are.
#[derive(Clone, Copy, Debug, Default)]
struct Set {
    stdin: bool,
    stdout: bool,
    stderr: bool,
}

impl Command {
    /// A command that runs `program`, which is looked for in `PATH`.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        process::Command::new(program).into()
    }

    /// Adds an argument.
    pub fn arg(&mut self, arg: impl AsRef<OsStr>) -> &mut Self {
        self.command.arg(arg);
        self
    }

    /// Adds arguments.
    pub fn args(&mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> &mut Self {
        self.command.args(args);
        self
    }

    /// Sets a variable of the child's environment.
    pub fn env(&mut self, key: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> &mut Self {
        self.command.env(key, value);
        self
    }

    /// Takes a variable out of the child's environment.
    pub fn env_remove(&mut self, key: impl AsRef<OsStr>) -> &mut Self {
        self.command.env_remove(key);
        self
    }

    /// Starts the child with an empty environment, apart from what is set from here on.
    pub fn env_clear(&mut self) -> &mut Self {
        self.command.env_clear();
        self
    }

    /// Sets the folder that the child starts in.
    pub fn current_dir(&mut self, dir: impl AsRef<Path>) -> &mut Self {
        self.command.current_dir(dir);
        self
    }

    /// Says where the child reads from. With [`Stdio::piped`], [`Child::stdin`] is the other end.
    pub fn stdin(&mut self, from: impl Into<Stdio>) -> &mut Self {
        self.command.stdin(from);
        self.set.stdin = true;
        self
    }

    /// Says where the child's output goes. With [`Stdio::piped`], [`Child::stdout`] is the other end.
    pub fn stdout(&mut self, to: impl Into<Stdio>) -> &mut Self {
        self.command.stdout(to);
        self.set.stdout = true;
        self
    }

    /// Says where the child's errors go. With [`Stdio::piped`], [`Child::stderr`] is the other end.
    pub fn stderr(&mut self, to: impl Into<Stdio>) -> &mut Self {
        self.command.stderr(to);
        self.set.stderr = true;
        self
    }

    /// Whether the child is killed when its [`Child`] is dropped before it was waited for. Off by default: it
    /// goes on.
    pub fn kill_on_drop(&mut self, kill: bool) -> &mut Self {
        self.kill_on_drop = kill;
        self
    }

    /// Starts the child.
    ///
    /// # Errors
    /// If it cannot be started.
    #[track_caller]
    pub fn spawn(&mut self) -> io::Result<Child> {
        Child::new(self.command.spawn()?, self.kill_on_drop, Location::caller())
    }

    /// Runs the child and waits until it exits. It has this process's standard streams.
    ///
    /// # Errors
    /// If it cannot be started or waited for.
    ///
    /// # Cancel safety
    /// If it is dropped the child goes on, unless [`kill_on_drop`](Self::kill_on_drop) was asked for.
    #[track_caller]
    pub fn status(&mut self) -> impl Future<Output = io::Result<ExitStatus>> + Send + use<> {
        let (child, at) = (self.spawn(), Location::caller());
        async move { child?.wait_at(at).await }
    }

    /// Runs the child, and collects what it prints until it exits. A stream that was set stays as it was set;
    /// otherwise its input is empty, and both its outputs are collected.
    ///
    /// # Errors
    /// If it cannot be started, read from or waited for.
    ///
    /// # Cancel safety
    /// As [`status`](Self::status); what was read is lost.
    #[track_caller]
    pub fn output(&mut self) -> impl Future<Output = io::Result<Output>> + Send + use<> {
        let at = Location::caller();
        self.set_others(Stdio::null, Stdio::piped);
        let child = self.spawn();
        // As before: the next call may be another.
        self.set_others(Stdio::inherit, Stdio::inherit);
        async move { child?.output_at(at).await }
    }

    /// Sets the streams that nobody has set.
    fn set_others(&mut self, input: fn() -> Stdio, output: fn() -> Stdio) {
        if !self.set.stdin {
            self.command.stdin(input());
        }
        if !self.set.stdout {
            self.command.stdout(output());
        }
        if !self.set.stderr {
            self.command.stderr(output());
        }
    }
}

/// Which streams were set there is not known: [`output`](Command::output) takes them for not set.
impl From<process::Command> for Command {
    fn from(command: process::Command) -> Self {
        Self { command, set: Set::default(), kill_on_drop: false }
    }
}
