//! `UnixListener` and `UnixStream`.

use std::future::Future;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::Shutdown;
use std::os::unix::net::{self, SocketAddr};
use std::panic::Location;
use std::path::Path;
use std::sync::Arc;

use super::deadline::deadlines;
use super::half::{self, OwnedReadHalf, OwnedWriteHalf};
use super::socket::socket;
use super::stream::{Bytes, bytes, stream};
use crate::inspect::{IoWant, PrimitiveKind};
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

socket!(UnixListener, net::UnixListener);
socket!(UnixStream, net::UnixStream);
bytes!(net::UnixStream);
stream!(UnixStream);
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
