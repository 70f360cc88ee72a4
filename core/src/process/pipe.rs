//! The ends of pipes that goroutines read and write.

use std::future::Future;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_io::{AsyncRead, AsyncWrite};

use crate::inspect::{self, PrimitiveKind};
use crate::net::Bytes;
use crate::netpoll::{Names, Object, Source};

/// The end of a pipe that is read.
pub struct PipeReader {
    source: Arc<Source<io::PipeReader>>,
}

/// The end of a pipe that is written. Dropping it ends it: the reader sees the end.
pub struct PipeWriter {
    source: Arc<Source<io::PipeWriter>>,
}

/// Makes a descriptor non-blocking, whatever it is of.
fn non_blocking(descriptor: OwnedFd) -> io::Result<OwnedFd> {
    // The standard library asks for it in the same way for all descriptors, but only sockets have the method.
    let any = UnixStream::from(descriptor);
    any.set_nonblocking(true)?;
    Ok(any.into())
}

impl PipeReader {
    pub(super) fn from_descriptor(fd: OwnedFd, at: inspect::Location) -> io::Result<Self> {
        Ok(Self { source: Source::new(non_blocking(fd)?.into(), at) })
    }

    /// Takes over the end of a pipe.
    ///
    /// # Errors
    /// If it cannot be made non-blocking.
    #[track_caller]
    pub fn from_std(pipe: io::PipeReader) -> io::Result<Self> {
        Self::from_descriptor(pipe.into(), Location::caller())
    }

    /// Reads what is there into `buf`; 0 is the end. Waits if there is nothing.
    ///
    /// # Errors
    /// What the system says.
    ///
    /// # Cancel safety
    /// Nothing is read if it is dropped before it is done.
    #[track_caller]
    pub fn read<'a>(
        &'a self,
        buf: &'a mut [u8],
    ) -> impl Future<Output = io::Result<usize>> + Send + 'a {
        self.read_at(buf, Location::caller())
    }

    pub(super) fn read_at<'a>(
        &'a self,
        buf: &'a mut [u8],
        at: inspect::Location,
    ) -> impl Future<Output = io::Result<usize>> + Send + 'a {
        self.source.read(buf, at)
    }
}

impl PipeWriter {
    pub(super) fn from_descriptor(fd: OwnedFd, at: inspect::Location) -> io::Result<Self> {
        Ok(Self { source: Source::new(non_blocking(fd)?.into(), at) })
    }

    /// Takes over the end of a pipe.
    ///
    /// # Errors
    /// If it cannot be made non-blocking.
    #[track_caller]
    pub fn from_std(pipe: io::PipeWriter) -> io::Result<Self> {
        Self::from_descriptor(pipe.into(), Location::caller())
    }

    /// Writes as much of `buf` as there is room for. Waits if there is none.
    ///
    /// # Errors
    /// `BrokenPipe` if nobody reads any more; what the system says.
    ///
    /// # Cancel safety
    /// Nothing is written if it is dropped before it is done.
    #[track_caller]
    pub fn write<'a>(
        &'a self,
        buf: &'a [u8],
    ) -> impl Future<Output = io::Result<usize>> + Send + 'a {
        self.source.write(buf, Location::caller())
    }

    /// Writes all of `buf`.
    ///
    /// # Errors
    /// As [`write`](Self::write). How much was written before is not known then.
    ///
    /// # Cancel safety
    /// A part may have been written when it is dropped.
    #[track_caller]
    pub fn write_all<'a>(
        &'a self,
        buf: &'a [u8],
    ) -> impl Future<Output = io::Result<()>> + Send + 'a {
        self.source.write_all(buf, Location::caller())
    }
}

impl AsyncRead for PipeReader {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.source.poll_read(cx, buf)
    }
}

impl AsyncWrite for PipeWriter {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.source.poll_write(cx, buf)
    }
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
    /// Does nothing: dropping it ends it.
    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl Object for io::PipeReader {
    const KIND: PrimitiveKind = PrimitiveKind::Pipe;
    fn names(&self) -> Names {
        Names::default()
    }
}

impl Object for io::PipeWriter {
    const KIND: PrimitiveKind = PrimitiveKind::Pipe;
    fn names(&self) -> Names {
        Names::default()
    }
}

fn one_way<T>() -> io::Result<T> {
    Err(io::ErrorKind::Unsupported.into())
}

impl Bytes for io::PipeReader {
    fn read(&self, buf: &mut [u8]) -> io::Result<usize> {
        Read::read(&mut { self }, buf)
    }
    fn read_vectored(&self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        Read::read_vectored(&mut { self }, bufs)
    }
    fn write(&self, _: &[u8]) -> io::Result<usize> {
        one_way()
    }
    fn write_vectored(&self, _: &[IoSlice<'_>]) -> io::Result<usize> {
        one_way()
    }
    fn shutdown(&self, _: Shutdown) -> io::Result<()> {
        one_way()
    }
}

impl Bytes for io::PipeWriter {
    fn read(&self, _: &mut [u8]) -> io::Result<usize> {
        one_way()
    }
    fn read_vectored(&self, _: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        one_way()
    }
    fn write(&self, buf: &[u8]) -> io::Result<usize> {
        Write::write(&mut { self }, buf)
    }
    fn write_vectored(&self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        Write::write_vectored(&mut { self }, bufs)
    }
    fn shutdown(&self, _: Shutdown) -> io::Result<()> {
        one_way()
    }
}

impl core::fmt::Debug for PipeReader {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.source.io.fmt(f)
    }
}

impl core::fmt::Debug for PipeWriter {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.source.io.fmt(f)
    }
}
