//! What every socket has in common: it comes from the standard library and goes back to it.

/// The conversions of a socket whose only field is its source.
macro_rules! socket {
    ($name:ident, $std:ty) => {
        impl $name {
            /// Takes over a socket of the standard library.
            ///
            /// # Errors
            /// If it cannot be made non-blocking.
            #[track_caller]
            pub fn from_std(socket: $std) -> std::io::Result<Self> {
                Self::new(socket, std::panic::Location::caller())
            }

            fn new(socket: $std, at: crate::inspect::Location) -> std::io::Result<Self> {
                socket.set_nonblocking(true)?;
                Ok(Self { source: crate::netpoll::Source::new(socket, at) })
            }

            /// The socket of the standard library, non-blocking. If something else waits for it, as the other
            /// half of a stream that was split, that keeps it: then it is a duplicate.
            ///
            /// # Errors
            /// If the system refuses a duplicate.
            pub fn into_std(self) -> std::io::Result<$std> {
                let copy = self.source.io.try_clone()?;
                Ok(crate::netpoll::Source::take(self.source).unwrap_or(copy))
            }
        }

        impl core::fmt::Debug for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                core::fmt::Debug::fmt(&self.source.io, f)
            }
        }
    };
}

pub(super) use socket;
