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

/// The public face of a stream whose only field is its source.
macro_rules! stream {
    ($name:ident, $std:ty) => {
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

            /// The stream of the standard library, non-blocking. What waits for it otherwise, as the other half
            /// of [`into_split`](Self::into_split), keeps it: then it is a duplicate.
            ///
            /// # Errors
            /// If the system refuses a duplicate.
            pub fn into_std(self) -> io::Result<$std> {
                let copy = self.source.io.try_clone()?;
                Ok(Source::take(self.source).unwrap_or(copy))
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

        impl core::fmt::Debug for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                self.source.io.fmt(f)
            }
        }
    };
}
pub(super) use stream;
