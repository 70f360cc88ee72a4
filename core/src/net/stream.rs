//! What all byte streams have in common: reading and writing, and what an attempt at it says about the
//! next one.

use std::future::Future;
use std::io::{self, ErrorKind, IoSlice, IoSliceMut};
#[cfg(any(feature = "tokio", feature = "hyper"))]
use std::mem::MaybeUninit;
use std::net::Shutdown;
use std::task::{Context, Poll};

use crate::inspect::{IoWant, Location};
use crate::netpoll::{Attempt, Object, Source};

/// A stream of bytes as the system has it, non-blocking.
pub(crate) trait Bytes: Object {
    fn read(&self, buf: &mut [u8]) -> io::Result<usize>;
    /// As `read`; initializes as many bytes as it counts.
    #[cfg(any(feature = "tokio", feature = "hyper"))]
    fn read_into(&self, buf: &mut [MaybeUninit<u8>]) -> io::Result<usize> {
        #[cfg(target_os = "linux")]
        return Ok(rustix::io::read(self, buf)?.0.len());
        #[cfg(not(target_os = "linux"))]
        {
            buf.fill(MaybeUninit::new(0));
            // SAFETY: initialized just now.
            self.read(unsafe { &mut *(core::ptr::from_mut(buf) as *mut [u8]) })
        }
    }
    fn read_vectored(&self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize>;
    fn write(&self, buf: &[u8]) -> io::Result<usize>;
    fn write_vectored(&self, bufs: &[IoSlice<'_>]) -> io::Result<usize>;
    /// Ends one direction, or both.
    fn shutdown(&self, how: Shutdown) -> io::Result<()>;
}

/// A read that filled less than it could has emptied the stream. The end is no emptiness.
fn read(n: usize, room: usize) -> Attempt<usize> {
    Attempt { value: n, dry: 0 < n && n < room }
}

/// A write that took less than it could has filled the stream.
fn written(n: usize, len: usize) -> Attempt<usize> {
    Attempt { value: n, dry: n < len }
}

fn room(bufs: &[IoSliceMut<'_>]) -> usize {
    bufs.iter().map(|buf| buf.len()).sum()
}

fn len(bufs: &[IoSlice<'_>]) -> usize {
    bufs.iter().map(|buf| buf.len()).sum()
}

/// The operations of a stream as futures, and for those who poll.
impl<S: Bytes> Source<S> {
    pub(crate) fn read<'a>(
        &'a self,
        buf: &'a mut [u8],
        at: Location,
    ) -> impl Future<Output = io::Result<usize>> + Send + 'a {
        self.when_ready(IoWant::Read, at, |io| Ok(read(io.read(buf)?, buf.len())))
    }

    pub(crate) fn read_vectored<'a>(
        &'a self,
        bufs: &'a mut [IoSliceMut<'_>],
        at: Location,
    ) -> impl Future<Output = io::Result<usize>> + Send + 'a {
        self.when_ready(IoWant::Read, at, |io| Ok(read(io.read_vectored(bufs)?, room(bufs))))
    }

    pub(crate) fn read_exact<'a>(
        &'a self,
        buf: &'a mut [u8],
        at: Location,
    ) -> impl Future<Output = io::Result<()>> + Send + 'a {
        let mut done = 0;
        self.when_ready(IoWant::Read, at, move |io| {
            while done < buf.len() {
                match io.read(&mut buf[done..])? {
                    0 => return Err(ErrorKind::UnexpectedEof.into()),
                    n => done += n,
                }
            }
            Ok(().into())
        })
    }

    pub(crate) fn write<'a>(
        &'a self,
        buf: &'a [u8],
        at: Location,
    ) -> impl Future<Output = io::Result<usize>> + Send + 'a {
        self.when_ready(IoWant::Write, at, |io| Ok(written(io.write(buf)?, buf.len())))
    }

    pub(crate) fn write_vectored<'a>(
        &'a self,
        bufs: &'a [IoSlice<'_>],
        at: Location,
    ) -> impl Future<Output = io::Result<usize>> + Send + 'a {
        self.when_ready(IoWant::Write, at, |io| Ok(written(io.write_vectored(bufs)?, len(bufs))))
    }

    pub(crate) fn write_all<'a>(
        &'a self,
        buf: &'a [u8],
        at: Location,
    ) -> impl Future<Output = io::Result<()>> + Send + 'a {
        let mut done = 0;
        self.when_ready(IoWant::Write, at, move |io| {
            while done < buf.len() {
                match io.write(&buf[done..])? {
                    0 => return Err(ErrorKind::WriteZero.into()),
                    n => done += n,
                }
            }
            Ok(().into())
        })
    }

    pub(crate) fn poll_read(
        &self,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.poll(IoWant::Read, cx, |io| Ok(read(io.read(buf)?, buf.len())))
    }

    /// As `poll_read`; so many bytes as it gives were initialized.
    #[cfg(any(feature = "tokio", feature = "hyper"))]
    pub(super) fn poll_read_into(
        &self,
        cx: &mut Context<'_>,
        buf: &mut [MaybeUninit<u8>],
    ) -> Poll<io::Result<usize>> {
        self.poll(IoWant::Read, cx, |io| Ok(read(io.read_into(buf)?, buf.len())))
    }

    pub(crate) fn poll_read_vectored(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll(IoWant::Read, cx, |io| Ok(read(io.read_vectored(bufs)?, room(bufs))))
    }

    pub(crate) fn poll_write(&self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll(IoWant::Write, cx, |io| Ok(written(io.write(buf)?, buf.len())))
    }

    pub(crate) fn poll_write_vectored(
        &self,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll(IoWant::Write, cx, |io| Ok(written(io.write_vectored(bufs)?, len(bufs))))
    }
}

/// What a stream whose only field is its source does with bytes.
macro_rules! stream {
    ($name:ident) => {
        impl $name {
            /// Reads what is there into `buf`, at least one byte; 0 is the end, if `buf` is not empty. Waits if
            /// there is nothing.
            ///
            /// # Errors
            /// `TimedOut` when the read deadline has passed; what the system says.
            ///
            /// # Cancel safety
            /// Nothing is read if it is dropped before it is done.
            #[track_caller]
            pub fn read<'a>(
                &'a self,
                buf: &'a mut [u8],
            ) -> impl Future<Output = io::Result<usize>> + Send + 'a {
                self.source.read(buf, Location::caller())
            }

            /// As [`read`](Self::read), into several buffers, one after the other.
            ///
            /// # Errors
            /// As `read`.
            ///
            /// # Cancel safety
            /// As `read`.
            #[track_caller]
            pub fn read_vectored<'a>(
                &'a self,
                bufs: &'a mut [IoSliceMut<'_>],
            ) -> impl Future<Output = io::Result<usize>> + Send + 'a {
                self.source.read_vectored(bufs, Location::caller())
            }

            /// Reads until `buf` is full.
            ///
            /// # Errors
            /// `UnexpectedEof` if the stream ends before; as [`read`](Self::read).
            ///
            /// # Cancel safety
            /// What was read before it is dropped is in `buf`, and its length is lost.
            #[track_caller]
            #[doc(alias = "ReadFull")]
            pub fn read_exact<'a>(
                &'a self,
                buf: &'a mut [u8],
            ) -> impl Future<Output = io::Result<()>> + Send + 'a {
                self.source.read_exact(buf, Location::caller())
            }

            /// Writes as much of `buf` as there is room for, at least one byte. Waits if there is no room.
            ///
            /// # Errors
            /// `TimedOut` when the write deadline has passed; what the system says.
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

            /// As [`write`](Self::write), from several buffers, one after the other.
            ///
            /// # Errors
            /// As `write`.
            ///
            /// # Cancel safety
            /// As `write`.
            #[track_caller]
            pub fn write_vectored<'a>(
                &'a self,
                bufs: &'a [IoSlice<'_>],
            ) -> impl Future<Output = io::Result<usize>> + Send + 'a {
                self.source.write_vectored(bufs, Location::caller())
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

            /// Ends reading, writing, or both: a half close. Whoever waits for it is released.
            ///
            /// # Errors
            /// What the system says, for example that it is not connected any more.
            #[doc(alias("CloseRead", "CloseWrite"))]
            pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
                Bytes::shutdown(&self.source.io, how)
            }

            /// Two halves that borrow this stream: one to read, one to write.
            pub fn split(&mut self) -> (&Self, &Self) {
                (self, self)
            }

            /// Two halves that can go to two goroutines. Dropping the one that writes ends writing.
            pub fn into_split(self) -> (OwnedReadHalf<Self>, OwnedWriteHalf<Self>) {
                half::split(self)
            }
        }

        impl half::Sealed for $name {
            fn share(&self) -> Self {
                Self { source: self.source.clone() }
            }
            fn same(&self, other: &Self) -> bool {
                Arc::ptr_eq(&self.source, &other.source)
            }
            fn end_writing(&self) {
                // It can only fail if it has ended already.
                let _ = self.shutdown(Shutdown::Write);
            }
        }
    };
}

/// Straight to the system: a call through libc may cancel its thread, which takes atomic operations around each.
#[cfg(target_os = "linux")]
mod system {
    use rustix::net::{RecvFlags, SendFlags};
    use std::os::fd::AsFd;

    use super::*;

    pub(crate) fn receive(socket: &impl AsFd, buf: &mut [u8]) -> io::Result<usize> {
        Ok(rustix::net::recv(socket, buf, RecvFlags::empty())?.0)
    }

    pub(crate) fn send(socket: &impl AsFd, buf: &[u8]) -> io::Result<usize> {
        Ok(rustix::net::send(socket, buf, SendFlags::NOSIGNAL)?)
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use super::*;

    pub(crate) fn receive<S>(socket: &S, buf: &mut [u8]) -> io::Result<usize>
    where
        for<'a> &'a S: io::Read,
    {
        io::Read::read(&mut { socket }, buf)
    }

    pub(crate) fn send<S>(socket: &S, buf: &[u8]) -> io::Result<usize>
    where
        for<'a> &'a S: io::Write,
    {
        io::Write::write(&mut { socket }, buf)
    }
}

/// The bytes of a socket of the standard library.
macro_rules! bytes {
    ($std:ty) => {
        impl Bytes for $std {
            fn read(&self, buf: &mut [u8]) -> io::Result<usize> {
                $crate::net::stream::receive(self, buf)
            }
            fn read_vectored(&self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
                io::Read::read_vectored(&mut { self }, bufs)
            }
            fn write(&self, buf: &[u8]) -> io::Result<usize> {
                $crate::net::stream::send(self, buf)
            }
            fn write_vectored(&self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
                io::Write::write_vectored(&mut { self }, bufs)
            }
            fn shutdown(&self, how: Shutdown) -> io::Result<()> {
                <$std>::shutdown(self, how)
            }
        }
    };
}

/// The methods of a trait for writing, inside its `impl` for a stream whose source is a field. The traits
/// differ only in the name of the last one.
macro_rules! write_methods {
    ($end:ident) => {
        fn poll_write(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buf: &[u8],
        ) -> Poll<Result<usize>> {
            self.source.poll_write(cx, buf)
        }
        fn poll_write_vectored(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            bufs: &[IoSlice<'_>],
        ) -> Poll<Result<usize>> {
            self.source.poll_write_vectored(cx, bufs)
        }
        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
            Poll::Ready(Ok(()))
        }
        /// Ends writing, at once.
        fn $end(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
            Poll::Ready(self.shutdown(Shutdown::Write))
        }
    };
}

pub(super) use system::{receive, send};
pub(super) use {bytes, stream, write_methods};
