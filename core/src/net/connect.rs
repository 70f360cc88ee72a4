//! Making connections and taking them: what differs between systems.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};

#[cfg(target_os = "linux")]
mod system {
    use std::io::ErrorKind;
    use std::os::fd::OwnedFd;

    use rustix::io::Errno;
    use rustix::net::{self, AddressFamily, SocketFlags, SocketType};

    use super::*;

    const FLAGS: SocketFlags = SocketFlags::NONBLOCK.union(SocketFlags::CLOEXEC);

    /// Connections that may wait to be accepted. The kernel cuts it down to what is allowed.
    const BACKLOG: i32 = 4096;

    /// A socket that is not connected yet.
    pub(crate) fn start(to: &SocketAddr) -> io::Result<TcpStream> {
        let family = if to.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let socket = net::socket_with(family, SocketType::STREAM, FLAGS, None)?;
        Ok(TcpStream::from(socket))
    }

    /// Goes on connecting. `WouldBlock` if it has to be tried again when the socket is writable.
    pub(crate) fn go_on(socket: &TcpStream, to: &SocketAddr, begun: &mut bool) -> io::Result<()> {
        if !core::mem::replace(begun, true) {
            return match net::connect(socket, to) {
                // Interrupted, it goes on by itself.
                Err(Errno::INPROGRESS | Errno::INTR) => Err(ErrorKind::WouldBlock.into()),
                done => Ok(done?),
            };
        }
        match (socket.take_error()?, socket.peer_addr()) {
            (Some(error), _) => Err(error),
            (None, Ok(_)) => Ok(()),
            (None, Err(error)) if error.kind() == ErrorKind::NotConnected => {
                Err(ErrorKind::WouldBlock.into())
            }
            (None, Err(error)) => Err(error),
        }
    }

    pub(crate) fn prepare(listener: &TcpListener) -> io::Result<()> {
        Ok(net::listen(listener, BACKLOG)?)
    }

    pub(crate) fn accept(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
        let (socket, from): (OwnedFd, _) = net::acceptfrom_with(listener, FLAGS)?;
        let from = from.ok_or(ErrorKind::InvalidData)?;
        let from = SocketAddr::try_from(from).map_err(|_| ErrorKind::InvalidData)?;
        Ok((TcpStream::from(socket), from))
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use super::*;

    /// A connected socket: the connection is made in a blocking call.
    pub(crate) fn start(to: &SocketAddr) -> io::Result<TcpStream> {
        let socket = crate::blocking(|| TcpStream::connect(to))?;
        socket.set_nonblocking(true)?;
        Ok(socket)
    }

    pub(crate) fn go_on(_: &TcpStream, _: &SocketAddr, _: &mut bool) -> io::Result<()> {
        Ok(())
    }

    pub(crate) fn prepare(_: &TcpListener) -> io::Result<()> {
        Ok(())
    }

    pub(crate) fn accept(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
        let (socket, from) = listener.accept()?;
        socket.set_nonblocking(true)?;
        Ok((socket, from))
    }
}

pub(super) use system::{accept, go_on, prepare, start};
