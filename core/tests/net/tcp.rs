//! The streams of TCP, for the tests of all streams.

use std::io;
use std::net::SocketAddr;

pub(crate) use gmp_core::net::TcpStream as Stream;

pub(crate) use super::{listen, pair};

pub(crate) async fn connect(to: &SocketAddr) -> io::Result<Stream> {
    Stream::connect(*to).await
}

#[path = "streams.rs"]
mod streams;
