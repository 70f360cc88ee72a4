//! `UnixListener` and `UnixStream`.

use std::future::Future;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{self, SocketAddr};
use std::panic::Location;
use std::path::Path;
use std::sync::Arc;

use super::deadline::deadlines;
use super::half::{self, OwnedReadHalf, OwnedWriteHalf};
use super::stream::{Bytes, stream};
use crate::inspect::{self, IoWant, PrimitiveKind};
use crate::netpoll::{Names, Object, Source};

/// Listens for Unix connections. Dropping it closes it; the file stays.
pub struct UnixListener {
    source: Arc<Source<net::UnixListener>>,
}

/// A Unix connection. Dropping it closes it.
///
/// [`futures_io::AsyncRead`] and [`futures_io::AsyncWrite`] are there as for
/// [`TcpStream`](super::TcpStream).
///
/// ```
/// use gmp_core::net::UnixStream;
///
/// # fn main() -> std::io::Result<()> {
/// gmp_core::block_on(async {
///     let (a, b) = UnixStream::pair()?;
///     a.write_all(b"hi").await?;
///     let mut buf = [0; 2];
///     b.read_exact(&mut buf).await?;
///     assert_eq!(&buf, b"hi");
///     Ok(())
/// })
/// # }
/// ```
pub struct UnixStream {
    pub(super) source: Arc<Source<net::UnixStream>>,
}

impl UnixListener {
    /// Listens at `path`, which must not exist.
    ///
    /// # Errors
    /// What the system says.
    #[track_caller]
    pub fn bind(path: impl AsRef<Path>) -> io::Result<Self> {
        let at = Location::caller();
        Self::new(net::UnixListener::bind(path)?, at)
    }

    /// Takes over a listener of the standard library.
    ///
    /// # Errors
    /// If it cannot be made non-blocking.
    #[track_caller]
    pub fn from_std(listener: net::UnixListener) -> io::Result<Self> {
        Self::new(listener, Location::caller())
    }

    fn new(listener: net::UnixListener, at: inspect::Location) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Ok(Self { source: Source::new(listener, at) })
    }

    /// The listener of the standard library, non-blocking.
    ///
    /// # Errors
    /// If the system refuses a duplicate.
    pub fn into_std(self) -> io::Result<net::UnixListener> {
        let copy = self.source.io.try_clone()?;
        Ok(Source::take(self.source).unwrap_or(copy))
    }

    /// Waits for a connection; gives it and the peer's address.
    ///
    /// # Errors
    /// `TimedOut` when the deadline has passed; `NotConnected` after [`close`](Self::close); what the system
    /// says.
    ///
    /// # Cancel safety
    /// No connection is lost when it is dropped.
    #[track_caller]
    pub fn accept(&self) -> impl Future<Output = io::Result<(UnixStream, SocketAddr)>> + Send + '_ {
        let at = Location::caller();
        self.source.when_ready(IoWant::Accept, at, move |listener| {
            let (stream, from) = listener.accept()?;
            Ok((UnixStream::new(stream, at)?, from).into())
        })
    }

    /// Whoever accepts, now or later, gets `NotConnected`.
    pub fn close(&self) {
        self.source.head.close();
    }

    /// The address it listens on.
    ///
    /// # Errors
    /// What the system says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.source.io.local_addr()
    }
}

impl UnixStream {
    /// Connects to the listener at `path`. The system does so at once, or waits in a call that blocks
    /// ([`blocking`](crate::blocking)) until the listener has room.
    ///
    /// # Errors
    /// What the system says.
    #[track_caller]
    pub fn connect<P>(path: P) -> impl Future<Output = io::Result<Self>> + Send + use<P>
    where
        P: AsRef<Path> + Send,
    {
        let at = Location::caller();
        async move { Self::new(crate::blocking(|| net::UnixStream::connect(path))?, at) }
    }

    /// Two streams that are connected to each other.
    ///
    /// # Errors
    /// What the system says.
    #[track_caller]
    pub fn pair() -> io::Result<(Self, Self)> {
        let at = Location::caller();
        let (a, b) = net::UnixStream::pair()?;
        Ok((Self::new(a, at)?, Self::new(b, at)?))
    }

    /// Takes over a connection of the standard library.
    ///
    /// # Errors
    /// If it cannot be made non-blocking.
    #[track_caller]
    pub fn from_std(stream: net::UnixStream) -> io::Result<Self> {
        Self::new(stream, Location::caller())
    }

    fn new(stream: net::UnixStream, at: inspect::Location) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self { source: Source::new(stream, at) })
    }

    /// The address of this end.
    ///
    /// # Errors
    /// What the system says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.source.io.local_addr()
    }

    /// The address of the other end.
    ///
    /// # Errors
    /// What the system says.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.source.io.peer_addr()
    }
}

stream!(UnixStream, net::UnixStream);
deadlines!(UnixStream);
deadlines!(UnixListener, accept);

fn path(address: io::Result<SocketAddr>) -> Option<String> {
    Some(address.ok()?.as_pathname()?.display().to_string())
}

impl Object for net::UnixStream {
    const KIND: PrimitiveKind = PrimitiveKind::UnixStream;

    fn names(&self) -> Names {
        Names { local: path(self.local_addr()), peer: path(self.peer_addr()) }
    }
}

impl Object for net::UnixListener {
    const KIND: PrimitiveKind = PrimitiveKind::UnixListener;

    fn names(&self) -> Names {
        Names { local: path(self.local_addr()), peer: None }
    }
}

impl Bytes for net::UnixStream {
    fn read(&self, buf: &mut [u8]) -> io::Result<usize> {
        Read::read(&mut { self }, buf)
    }
    fn read_vectored(&self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        Read::read_vectored(&mut { self }, bufs)
    }
    fn write(&self, buf: &[u8]) -> io::Result<usize> {
        Write::write(&mut { self }, buf)
    }
    fn write_vectored(&self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        Write::write_vectored(&mut { self }, bufs)
    }
    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        net::UnixStream::shutdown(self, how)
    }
}

impl core::fmt::Debug for UnixListener {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.source.io.fmt(f)
    }
}
