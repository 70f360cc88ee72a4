//! `futures::io` traits of the streams and of their halves.

use core::pin::Pin;
use core::task::{Context, Poll};
use std::io::{IoSlice, IoSliceMut, Result};
use std::net::Shutdown;

use futures_io::{AsyncRead, AsyncWrite};

use super::half::{OwnedReadHalf, OwnedWriteHalf};
use super::tcp::TcpStream;

/// The traits of a stream whose source is a field: for itself, for references, and for its halves.
macro_rules! io_traits {
    ($name:ty) => {
        io_traits!(@read $name, source);
        io_traits!(@read &$name, source);
        io_traits!(@read OwnedReadHalf<$name>, source);
        io_traits!(@write $name, source);
        io_traits!(@write &$name, source);
        io_traits!(@write OwnedWriteHalf<$name>, source);
    };
    (@read $name:ty, $field:ident) => {
        impl AsyncRead for $name {
            fn poll_read(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &mut [u8],
            ) -> Poll<Result<usize>> {
                self.$field.poll_read(cx, buf)
            }
            fn poll_read_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bufs: &mut [IoSliceMut<'_>],
            ) -> Poll<Result<usize>> {
                self.$field.poll_read_vectored(cx, bufs)
            }
        }
    };
    (@write $name:ty, $field:ident) => {
        impl AsyncWrite for $name {
            fn poll_write(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &[u8],
            ) -> Poll<Result<usize>> {
                self.$field.poll_write(cx, buf)
            }
            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bufs: &[IoSlice<'_>],
            ) -> Poll<Result<usize>> {
                self.$field.poll_write_vectored(cx, bufs)
            }
            fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
                Poll::Ready(Ok(()))
            }
            /// Ends writing, at once.
            fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
                Poll::Ready(self.shutdown(Shutdown::Write))
            }
        }
    };
}

io_traits!(TcpStream);
#[cfg(unix)]
io_traits!(super::unix::UnixStream);
