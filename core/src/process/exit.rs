//! How the end of a child is learnt: from its pidfd, or from `SIGCHLD`.

use std::future::Future;
use std::io::{self, ErrorKind, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, ExitStatus};
use std::sync::Arc;

use signal_hook::SigId;
use signal_hook::consts::SIGCHLD;
use signal_hook::low_level::{pipe, unregister};

use crate::inspect::{self, IoWant, PrimitiveKind};
use crate::netpoll::{Names, Object, Source};

/// What becomes readable when a child may have exited.
pub(super) struct Exit(Arc<Source<Ending>>);

/// Its descriptor.
struct Ending {
    pid: u32,
    tells: Tells,
}

enum Tells {
    /// Readable once the child has exited.
    PidFd(OwnedFd),
    /// Gets a byte for every `SIGCHLD`.
    Pipe(UnixStream, SigId),
}

impl Exit {
    pub(super) fn of(child: &Child, at: inspect::Location) -> io::Result<Self> {
        let tells = match pidfd(child) {
            Some(pidfd) => Tells::PidFd(pidfd),
            None => {
                let (read, write) = UnixStream::pair()?;
                read.set_nonblocking(true)?;
                Tells::Pipe(read, pipe::register(SIGCHLD, write)?)
            }
        };
        Ok(Self(Source::new(Ending { pid: child.id(), tells }, at)))
    }

    pub(super) fn wait<'a>(
        &'a self,
        child: &'a mut Child,
        at: inspect::Location,
    ) -> impl Future<Output = io::Result<ExitStatus>> + Send + 'a {
        self.0.when_ready(IoWant::Exit, at, |ending| {
            ending.empty();
            match child.try_wait()? {
                Some(status) => Ok(status.into()),
                None => Err(ErrorKind::WouldBlock.into()),
            }
        })
    }
}

impl Ending {
    /// Takes what was told so far, before the child is looked at.
    fn empty(&self) {
        if let Tells::Pipe(pipe, _) = &self.tells {
            while matches!({ pipe }.read(&mut [0; 64]), Ok(1..)) {}
        }
    }
}

/// The pidfd of a child, where the system has them.
#[cfg(target_os = "linux")]
fn pidfd(child: &Child) -> Option<OwnedFd> {
    use rustix::process::{Pid, PidfdFlags, pidfd_open};
    if cfg!(gmp_portable_netpoll) {
        return None;
    }
    pidfd_open(Pid::from_child(child), PidfdFlags::empty()).ok()
}

#[cfg(not(target_os = "linux"))]
fn pidfd(_: &Child) -> Option<OwnedFd> {
    None
}

impl AsFd for Ending {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.tells {
            Tells::PidFd(fd) => fd.as_fd(),
            Tells::Pipe(stream, _) => stream.as_fd(),
        }
    }
}

impl Object for Ending {
    const KIND: PrimitiveKind = PrimitiveKind::Process;

    fn names(&self) -> Names {
        Names { local: None, peer: Some(format!("pid {}", self.pid)) }
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        if let Tells::Pipe(_, id) = &self.tells {
            unregister(*id);
        }
    }
}

impl core::fmt::Debug for Exit {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Exit").field("pid", &self.0.io.pid).finish_non_exhaustive()
    }
}
