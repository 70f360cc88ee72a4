//! `futures::io` traits of the streams and of their halves.

use core::pin::Pin;
use core::task::{Context, Poll};
use std::io::{IoSlice, IoSliceMut, Result};
use std::net::Shutdown;

use futures_io::{AsyncRead, AsyncWrite};

use super::half::{OwnedReadHalf, OwnedWriteHalf};
use super::stream::write_methods;
use super::tcp::TcpStream;

/// The traits of a stream whose source is a field: for itself, for references, and for its halves.
macro_rules! io_traits {
    ($name:ty) => {
        io_traits!(@read $name);
        io_traits!(@read &$name);
        io_traits!(@read OwnedReadHalf<$name>);
        io_traits!(@write $name);
        io_traits!(@write &$name);
        io_traits!(@write OwnedWriteHalf<$name>);
    };
    (@read $name:ty) => {
        impl AsyncRead for $name {
            fn poll_read(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &mut [u8],
            ) -> Poll<Result<usize>> {
                self.source.poll_read(cx, buf)
            }
            fn poll_read_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bufs: &mut [IoSliceMut<'_>],
            ) -> Poll<Result<usize>> {
                self.source.poll_read_vectored(cx, bufs)
            }
        }
    };
    (@write $name:ty) => {
        impl AsyncWrite for $name {
            write_methods!(poll_close);
        }
    };
}

io_traits!(TcpStream);
#[cfg(unix)]
io_traits!(super::unix::UnixStream);
