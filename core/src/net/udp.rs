//! `UdpSocket`.

use std::future::Future;
use std::io::{self, ErrorKind};
use std::net::{self, SocketAddr, ToSocketAddrs};
use std::panic::Location;
use std::sync::Arc;

use super::deadline::deadlines;
use super::socket::socket;
use crate::inspect::{IoWant, PrimitiveKind};
use crate::netpoll::{Names, Object, Source};

/// A UDP socket. Several goroutines may send and receive at a time.
///
/// ```
/// use gmp_core::net::UdpSocket;
///
/// # fn main() -> std::io::Result<()> {
/// gmp_core::block_on(async {
///     let (a, b) = (UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?);
///     a.send_to(b"ping", b.local_addr()?).await?;
///     let mut buf = [0; 16];
///     let (n, from) = b.recv_from(&mut buf).await?;
///     assert_eq!((&buf[..n], from), (&b"ping"[..], a.local_addr()?));
///     Ok(())
/// })
/// # }
/// ```
pub struct UdpSocket {
    source: Arc<Source<net::UdpSocket>>,
}

impl UdpSocket {
    /// A socket on the first of the addresses that can be had. Port 0 asks the system for a free one.
    ///
    /// # Errors
    /// Of the last address that was tried.
    #[track_caller]
    pub fn bind(addr: impl ToSocketAddrs) -> io::Result<Self> {
        let at = Location::caller();
        Self::new(net::UdpSocket::bind(addr)?, at)
    }

    /// From now on [`send`](Self::send) goes to the first of the addresses that can be used, and only what comes
    /// from there is received.
    ///
    /// # Errors
    /// What the system says.
    pub fn connect(&self, addr: impl ToSocketAddrs) -> io::Result<()> {
        self.source.io.connect(addr)
    }

    /// Receives a datagram and gives its length and sender. What does not fit into `buf` is lost.
    ///
    /// # Errors
    /// `TimedOut` when the read deadline has passed; what the system says.
    ///
    /// # Cancel safety
    /// No datagram is lost when it is dropped.
    #[track_caller]
    pub fn recv_from<'a>(
        &'a self,
        buf: &'a mut [u8],
    ) -> impl Future<Output = io::Result<(usize, SocketAddr)>> + Send + 'a {
        let at = Location::caller();
        self.source.when_ready(IoWant::Read, at, |io| Ok(io.recv_from(buf)?.into()))
    }

    /// Receives a datagram from the connected peer and gives its length. What does not fit into `buf` is lost.
    ///
    /// # Errors
    /// As [`recv_from`](Self::recv_from).
    ///
    /// # Cancel safety
    /// No datagram is lost when it is dropped.
    #[track_caller]
    pub fn recv<'a>(
        &'a self,
        buf: &'a mut [u8],
    ) -> impl Future<Output = io::Result<usize>> + Send + 'a {
        let at = Location::caller();
        self.source.when_ready(IoWant::Read, at, |io| Ok(io.recv(buf)?.into()))
    }

    /// As [`recv_from`](Self::recv_from), but leaves the datagram to be received again.
    ///
    /// # Errors
    /// As `recv_from`.
    ///
    /// # Cancel safety
    /// Nothing changes.
    #[track_caller]
    pub fn peek_from<'a>(
        &'a self,
        buf: &'a mut [u8],
    ) -> impl Future<Output = io::Result<(usize, SocketAddr)>> + Send + 'a {
        let at = Location::caller();
        self.source.when_ready(IoWant::Read, at, |io| Ok(io.peek_from(buf)?.into()))
    }

    /// Sends a datagram to `to`.
    ///
    /// # Errors
    /// `TimedOut` when the write deadline has passed; what the system says.
    ///
    /// # Cancel safety
    /// Nothing is sent if it is dropped before it is done.
    #[track_caller]
    pub fn send_to<'a>(
        &'a self,
        buf: &'a [u8],
        to: SocketAddr,
    ) -> impl Future<Output = io::Result<usize>> + Send + 'a {
        let at = Location::caller();
        self.source.when_ready(IoWant::Write, at, move |io| Ok(io.send_to(buf, to)?.into()))
    }

    /// Sends a datagram to the connected peer.
    ///
    /// # Errors
    /// As [`send_to`](Self::send_to).
    ///
    /// # Cancel safety
    /// Nothing is sent if it is dropped before it is done.
    #[track_caller]
    pub fn send<'a>(
        &'a self,
        buf: &'a [u8],
    ) -> impl Future<Output = io::Result<usize>> + Send + 'a {
        let at = Location::caller();
        self.source.when_ready(IoWant::Write, at, move |io| Ok(io.send(buf)?.into()))
    }

    /// The address of this end.
    ///
    /// # Errors
    /// What the system says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.source.io.local_addr()
    }

    /// The address it is connected to.
    ///
    /// # Errors
    /// `NotConnected`; what the system says.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.source.io.peer_addr()
    }

    /// The socket as the standard library has it, for options such as broadcast and multicast. It is
    /// non-blocking and has to stay so.
    pub fn as_std(&self) -> &net::UdpSocket {
        &self.source.io
    }

    /// From now on every operation fails with `NotConnected`, also those that wait.
    pub fn close(&self) {
        self.source.head.close();
    }
}

socket!(UdpSocket, net::UdpSocket);
deadlines!(UdpSocket);

impl Object for net::UdpSocket {
    const KIND: PrimitiveKind = PrimitiveKind::UdpSocket;

    fn names(&self) -> Names {
        let text = |address: io::Result<SocketAddr>| match address {
            Err(error) if error.kind() == ErrorKind::NotConnected => None,
            address => address.ok().map(|a| a.to_string()),
        };
        Names { local: text(self.local_addr()), peer: text(self.peer_addr()) }
    }
}
