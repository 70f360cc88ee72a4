//! `tokio::io` traits of the streams and of their halves. They need no tokio runtime.

use core::pin::Pin;
use core::task::{Context, Poll};
use std::io::{IoSlice, Result};
use std::net::Shutdown;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::half::{OwnedReadHalf, OwnedWriteHalf};
use super::stream::write_methods;
use super::tcp::TcpStream;

/// The traits of a stream whose source is a field: for itself, for references, and for its halves.
macro_rules! tokio_traits {
    ($name:ty) => {
        tokio_traits!(@read $name);
        tokio_traits!(@read &$name);
        tokio_traits!(@read OwnedReadHalf<$name>);
        tokio_traits!(@write $name);
        tokio_traits!(@write &$name);
        tokio_traits!(@write OwnedWriteHalf<$name>);
    };
    (@read $name:ty) => {
        impl AsyncRead for $name {
            fn poll_read(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &mut ReadBuf<'_>,
            ) -> Poll<Result<()>> {
                // SAFETY: nothing is written there but by the read, which initializes what it counts.
                let room = unsafe { buf.unfilled_mut() };
                self.source.poll_read_into(cx, room).map_ok(|n| {
                    // SAFETY: the read has initialized so many bytes.
                    unsafe { buf.assume_init(n) };
                    buf.advance(n);
                })
            }
        }
    };
    (@write $name:ty) => {
        impl AsyncWrite for $name {
            write_methods!(poll_shutdown);
            fn is_write_vectored(&self) -> bool {
                true
            }
        }
    };
}

tokio_traits!(TcpStream);
#[cfg(unix)]
tokio_traits!(super::unix::UnixStream);
