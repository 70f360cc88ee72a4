//! `Child`: a process that was started.

use std::future::Future;
use std::io;
use std::panic::Location;
use std::pin::pin;
use std::process::{self, ExitStatus, Output};
use std::task::Poll;

use super::exit::Exit;
use super::pipe::{PipeReader, PipeWriter};
use crate::inspect;

/// A process that was started by a [`Command`](super::Command).
///
/// Dropping it closes the pipes and lets the child go on, unless it is to be killed then. A child that was never
/// waited for stays a zombie, as in the standard library.
#[derive(Debug)]
pub struct Child {
    /// Where the child reads from, if that is a pipe. Dropping it ends the child's input.
    pub stdin: Option<PipeWriter>,
    /// What the child prints, if that goes to a pipe.
    pub stdout: Option<PipeReader>,
    /// What the child prints as errors, if that goes to a pipe.
    pub stderr: Option<PipeReader>,
    child: process::Child,
    exit: Exit,
    kill_on_drop: bool,
}

impl Child {
    pub(super) fn new(
        mut child: process::Child,
        kill_on_drop: bool,
        at: inspect::Location,
    ) -> io::Result<Self> {
        let prepared = (|| {
            let reader = |fd| PipeReader::from_descriptor(fd, at);
            let stdin = child.stdin.take().map(|pipe| PipeWriter::from_descriptor(pipe.into(), at));
            let stdout = child.stdout.take().map(|pipe| reader(pipe.into()));
            let stderr = child.stderr.take().map(|pipe| reader(pipe.into()));
            let exit = Exit::of(&child, at)?;
            Ok((stdin.transpose()?, stdout.transpose()?, stderr.transpose()?, exit))
        })();
        match prepared {
            Ok((stdin, stdout, stderr, exit)) => {
                Ok(Self { stdin, stdout, stderr, child, exit, kill_on_drop })
            }
            Err(error) => {
                // Nobody would ever wait for it.
                let _ = child.kill();
                let _ = crate::blocking(|| child.wait());
                Err(error)
            }
        }
    }

    /// The number of the process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Kills the child. It still has to be waited for.
    ///
    /// # Errors
    /// What the system says. A child that has exited already is none.
    pub fn kill(&mut self) -> io::Result<()> {
        self.child.kill()
    }

    /// The status if it has exited.
    ///
    /// # Errors
    /// What the system says.
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Waits until it exits. [`stdin`](Self::stdin), if it is still there, is closed first, so that a child that
    /// reads it to the end can exit.
    ///
    /// # Errors
    /// What the system says.
    ///
    /// # Cancel safety
    /// It can be dropped and called again.
    #[track_caller]
    pub fn wait(&mut self) -> impl Future<Output = io::Result<ExitStatus>> + Send + '_ {
        self.wait_at(Location::caller())
    }

    pub(super) fn wait_at(
        &mut self,
        at: inspect::Location,
    ) -> impl Future<Output = io::Result<ExitStatus>> + Send + '_ {
        drop(self.stdin.take());
        self.exit.wait(&mut self.child, at)
    }

    /// Collects what it prints into its pipes, and waits until it exits.
    ///
    /// # Errors
    /// What the system says.
    ///
    /// # Cancel safety
    /// What was read is lost when it is dropped.
    #[track_caller]
    pub fn wait_with_output(self) -> impl Future<Output = io::Result<Output>> + Send {
        self.output_at(Location::caller())
    }

    pub(super) async fn output_at(mut self, at: inspect::Location) -> io::Result<Output> {
        drop(self.stdin.take());
        let (out, err) = (self.stdout.take(), self.stderr.take());
        let (stdout, stderr) = both(read_all(out, at), read_all(err, at)).await;
        let status = self.wait_at(at).await?;
        Ok(Output { status, stdout: stdout?, stderr: stderr? })
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.kill_on_drop && matches!(self.child.try_wait(), Ok(None)) {
            // It can only fail if it has exited just now.
            let _ = self.child.kill();
            let _ = crate::blocking(|| self.child.wait());
        }
    }
}

async fn read_all(pipe: Option<PipeReader>, at: inspect::Location) -> io::Result<Vec<u8>> {
    let mut all = Vec::new();
    if let Some(pipe) = pipe {
        let mut buf = vec![0; 8 << 10];
        while let n @ 1.. = pipe.read_at(&mut buf, at).await? {
            all.extend_from_slice(&buf[..n]);
        }
    }
    Ok(all)
}

/// Awaits both at a time: a child may fill either pipe first.
async fn both<A, B>(a: impl Future<Output = A>, b: impl Future<Output = B>) -> (A, B) {
    let (mut a, mut b) = (pin!(a), pin!(b));
    let (mut first, mut second) = (None, None);
    core::future::poll_fn(|cx| {
        if first.is_none()
            && let Poll::Ready(value) = a.as_mut().poll(cx)
        {
            first = Some(value);
        }
        if second.is_none()
            && let Poll::Ready(value) = b.as_mut().poll(cx)
        {
            second = Some(value);
        }
        match (first.take(), second.take()) {
            (Some(a), Some(b)) => Poll::Ready((a, b)),
            (a, b) => {
                (first, second) = (a, b);
                Poll::Pending
            }
        }
    })
    .await
}
