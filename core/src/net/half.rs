//! The two halves of a stream, for two goroutines.

use core::fmt;
use std::ops::Deref;

/// A stream that can be split. Sealed.
#[doc(hidden)]
pub trait Sealed: Sized {
    /// Another handle to the same stream.
    fn share(&self) -> Self;
    /// Whether both are the same stream.
    fn same(&self, other: &Self) -> bool;
    /// Ends writing.
    fn end_writing(&self);
}

/// The half of a stream that reads. Made by `into_split`.
pub struct OwnedReadHalf<S: Sealed>(S);

/// The half of a stream that writes. Made by `into_split`. Dropping it ends writing: the peer sees the end.
pub struct OwnedWriteHalf<S: Sealed> {
    /// `None` while it is dropped, or reunited.
    stream: Option<S>,
}

/// Two halves of different streams cannot be reunited. Has both.
pub struct ReuniteError<S: Sealed>(pub OwnedReadHalf<S>, pub OwnedWriteHalf<S>);

pub(super) fn split<S: Sealed>(stream: S) -> (OwnedReadHalf<S>, OwnedWriteHalf<S>) {
    (OwnedReadHalf(stream.share()), OwnedWriteHalf { stream: Some(stream) })
}

impl<S: Sealed> OwnedReadHalf<S> {
    /// Puts the two halves of a stream together again.
    ///
    /// # Errors
    /// Gives both back if they are of different streams.
    pub fn reunite(self, mut write: OwnedWriteHalf<S>) -> Result<S, ReuniteError<S>> {
        if !self.0.same(write.stream()) {
            return Err(ReuniteError(self, write));
        }
        match write.stream.take() {
            Some(stream) => Ok(stream),
            None => Ok(self.0),
        }
    }
}

impl<S: Sealed> OwnedWriteHalf<S> {
    pub(super) fn stream(&self) -> &S {
        match &self.stream {
            Some(stream) => stream,
            None => unreachable!("only `drop` and `reunite` take it"),
        }
    }
}

/// The stream, for its addresses, deadlines and the operations of this half.
impl<S: Sealed> Deref for OwnedReadHalf<S> {
    type Target = S;
    fn deref(&self) -> &S {
        &self.0
    }
}

/// The stream, for its addresses, deadlines and the operations of this half.
impl<S: Sealed> Deref for OwnedWriteHalf<S> {
    type Target = S;
    fn deref(&self) -> &S {
        self.stream()
    }
}

impl<S: Sealed> Drop for OwnedWriteHalf<S> {
    fn drop(&mut self) {
        if let Some(stream) = &self.stream {
            stream.end_writing();
        }
    }
}

impl<S: Sealed + fmt::Debug> fmt::Debug for OwnedReadHalf<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OwnedReadHalf").field(&self.0).finish()
    }
}

impl<S: Sealed + fmt::Debug> fmt::Debug for OwnedWriteHalf<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OwnedWriteHalf").field(self.stream()).finish()
    }
}

impl<S: Sealed> fmt::Debug for ReuniteError<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReuniteError").finish_non_exhaustive()
    }
}

impl<S: Sealed> fmt::Display for ReuniteError<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the two halves are of different streams")
    }
}

impl<S: Sealed> std::error::Error for ReuniteError<S> {}
