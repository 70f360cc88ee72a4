//! `TcpListener` and `TcpStream`.

use std::future::Future;
use std::io::{self, ErrorKind, IoSlice, IoSliceMut};
use std::net::{self, Shutdown, SocketAddr, ToSocketAddrs};
use std::panic::Location;
use std::sync::Arc;

use super::half::{self, OwnedReadHalf, OwnedWriteHalf};
use super::socket::socket;
use super::stream::{Bytes, bytes, stream};
use super::{connect, deadline::deadlines};
use crate::inspect::{self, IoWant, PrimitiveKind};
use crate::netpoll::{Names, Object, Source};

/// Listens for TCP connections.
///
/// Dropping it closes it. Several goroutines may accept at a time.
pub struct TcpListener {
    source: Arc<Source<net::TcpListener>>,
}

/// A TCP connection.
///
/// It sends small writes at once, as Go's does ([`set_nodelay`](Self::set_nodelay) changes that). Dropping
/// it closes it.
///
/// [`futures_io::AsyncRead`] and [`futures_io::AsyncWrite`] are there for the stream and for references
/// to it. Through them one task reads and one writes at a time: the last who polled is woken.
pub struct TcpStream {
    pub(super) source: Arc<Source<net::TcpStream>>,
}

impl TcpListener {
    /// Listens on the first of the addresses that can be had. Port 0 asks the system for a free one.
    ///
    /// # Errors
    /// Of the last address that was tried.
    #[track_caller]
    pub fn bind(addr: impl ToSocketAddrs) -> io::Result<Self> {
        let at = Location::caller();
        let listener = net::TcpListener::bind(addr)?;
        connect::prepare(&listener)?;
        Self::new(listener, at)
    }

    /// Waits for a connection; gives it and the peer's address.
    ///
    /// # Errors
    /// `TimedOut` when the deadline has passed; `NotConnected` after [`close`](Self::close); what the system
    /// says, for example that no descriptor is left. Then the connection keeps waiting in line.
    ///
    /// # Cancel safety
    /// No connection is lost when it is dropped.
    #[track_caller]
    pub fn accept(&self) -> impl Future<Output = io::Result<(TcpStream, SocketAddr)>> + Send + '_ {
        let at = Location::caller();
        self.source.when_ready(IoWant::Accept, at, move |listener| {
            match connect::accept(listener) {
                Ok((stream, from)) => Ok((TcpStream::connected(stream, at), from).into()),
                // That one has gone; the next may be there.
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => {
                    Err(ErrorKind::Interrupted.into())
                }
                Err(error) => Err(error),
            }
        })
    }

    /// Stops listening: whoever accepts, now or later, gets `NotConnected`. The address is free again when
    /// the listener is dropped.
    pub fn close(&self) {
        self.source.head.close();
        #[cfg(target_os = "linux")]
        // New connections are refused from now on. It can only fail if that is so already.
        let _ = rustix::net::shutdown(&self.source.io, rustix::net::Shutdown::Both);
    }

    /// The address it listens on.
    ///
    /// # Errors
    /// What the system says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.source.io.local_addr()
    }
}

impl TcpStream {
    /// Connects to the first of the addresses that can be reached. A name is looked up in a call that blocks
    /// ([`blocking`](crate::blocking)).
    ///
    /// # Errors
    /// Of the last address that was tried; `InvalidInput` if there is none.
    ///
    /// # Cancel safety
    /// The attempt ends when it is dropped.
    #[track_caller]
    #[doc(alias = "Dial")]
    pub fn connect<A>(addr: A) -> impl Future<Output = io::Result<Self>> + Send + use<A>
    where
        A: ToSocketAddrs + Send,
    {
        let at = Location::caller();
        async move {
            let mut failed = io::Error::new(ErrorKind::InvalidInput, "no address to connect to");
            // A plain list, as the iterator need not be `Send`.
            let all: Vec<_> = crate::blocking(|| addr.to_socket_addrs())?.collect();
            for to in all {
                match Self::connect_to(to, at).await {
                    Ok(stream) => return Ok(stream),
                    Err(error) => failed = error,
                }
            }
            Err(failed)
        }
    }

    async fn connect_to(to: SocketAddr, at: inspect::Location) -> io::Result<Self> {
        let stream = Self::connected(connect::start(&to)?, at);
        stream.source.head.note_goal(to);
        let mut begun = false;
        let go_on = |socket: &_| Ok(connect::go_on(socket, &to, &mut begun)?.into());
        stream.source.when_ready(IoWant::Connect, at, go_on).await?;
        Ok(stream)
    }

    /// A connection that is non-blocking.
    fn connected(stream: net::TcpStream, at: inspect::Location) -> Self {
        // What cannot be set, on a connection that has gone, does no harm.
        let _ = stream.set_nodelay(true);
        Self { source: Source::new(stream, at) }
    }

    /// As [`read`](Self::read), but leaves the bytes to be read again.
    ///
    /// # Errors
    /// As `read`.
    ///
    /// # Cancel safety
    /// Nothing changes.
    #[track_caller]
    pub fn peek<'a>(
        &'a self,
        buf: &'a mut [u8],
    ) -> impl Future<Output = io::Result<usize>> + Send + 'a {
        self.source.when_ready(IoWant::Read, Location::caller(), |io| Ok(io.peek(buf)?.into()))
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
    /// What the system says, for example that it is not connected any more.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.source.io.peer_addr()
    }

    /// Whether small writes are sent at once.
    ///
    /// # Errors
    /// What the system says.
    pub fn nodelay(&self) -> io::Result<bool> {
        self.source.io.nodelay()
    }

    /// Says whether small writes are sent at once.
    ///
    /// # Errors
    /// What the system says.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.source.io.set_nodelay(nodelay)
    }

    /// Takes the error that the system has noted for this socket.
    ///
    /// # Errors
    /// What the system says.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.source.io.take_error()
    }
}

socket!(TcpListener, net::TcpListener);
socket!(TcpStream, net::TcpStream);
bytes!(net::TcpStream);
stream!(TcpStream);
deadlines!(TcpStream);
deadlines!(TcpListener, accept);

impl Object for net::TcpStream {
    const KIND: PrimitiveKind = PrimitiveKind::TcpStream;

    fn names(&self) -> Names {
        let text = |address: io::Result<SocketAddr>| address.ok().map(|a| a.to_string());
        Names { local: text(self.local_addr()), peer: text(self.peer_addr()) }
    }
}

impl Object for net::TcpListener {
    const KIND: PrimitiveKind = PrimitiveKind::TcpListener;

    fn names(&self) -> Names {
        Names { local: self.local_addr().ok().map(|a| a.to_string()), peer: None }
    }
}
