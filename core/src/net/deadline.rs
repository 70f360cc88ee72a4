//! The deadlines of sockets: the public face of what the netpoll keeps.

/// The methods that set deadlines, for a type whose field `source` has them.
macro_rules! deadlines {
    ($name:ty) => {
        impl $name {
            /// Sets the read and the write deadline, see [the module](crate::net#deadlines).
            ///
            /// ```
            /// use std::io::ErrorKind;
            /// use std::time::Duration;
            /// use gmp_core::net::UdpSocket;
            ///
            /// gmp_core::block_on(async {
            ///     let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            ///     socket.set_deadline(Some(gmp_core::time::now() + Duration::from_millis(1)));
            ///     let error = socket.recv(&mut [0; 8]).await.unwrap_err();
            ///     assert_eq!(error.kind(), ErrorKind::TimedOut);
            /// });
            /// ```
            pub fn set_deadline(&self, moment: Option<$crate::time::Instant>) {
                self.set_read_deadline(moment);
                self.set_write_deadline(moment);
            }

            /// Sets the moment from which on reads fail, or none. Reads that wait already are held to it.
            pub fn set_read_deadline(&self, moment: Option<$crate::time::Instant>) {
                self.source.head.set_deadline($crate::inspect::IoWant::Read, moment);
            }

            /// Sets the moment from which on writes fail, or none. Writes that wait already are held to it.
            pub fn set_write_deadline(&self, moment: Option<$crate::time::Instant>) {
                self.source.head.set_deadline($crate::inspect::IoWant::Write, moment);
            }
        }
    };
    ($name:ty, accept) => {
        impl $name {
            /// Sets the moment from which on `accept` fails, or none, see [the module](crate::net#deadlines).
            pub fn set_deadline(&self, moment: Option<$crate::time::Instant>) {
                self.source.head.set_deadline($crate::inspect::IoWant::Read, moment);
            }
        }
    };
}
pub(super) use deadlines;
