//! Sockets that goroutines wait for: TCP, UDP and Unix sockets with Go's deadlines.
//!
//! Every wait parks the goroutine, not its thread. A socket belongs to no runtime: whoever waits for it is
//! woken on its own. All operations take `&self`, so that one goroutine may read while another writes, and
//! several may accept from one listener.
//!
//! # Deadlines
//! As in Go, a deadline is a moment, not a duration, and holds for all operations that follow and for those
//! that wait already. When it has passed they fail with [`TimedOut`](std::io::ErrorKind::TimedOut), and so do
//! all others until another deadline is set, in the future or none.
//!
//! # Cancel safety
//! An operation whose future is dropped before it is done has taken nothing and sent nothing; those that
//! move more than one piece (`read_exact`, `write_all`) say so themselves.
//!
//! ```
//! use gmp_core::net::{TcpListener, TcpStream};
//!
//! # fn main() -> std::io::Result<()> {
//! gmp_core::block_on(async {
//!     let listener = TcpListener::bind("127.0.0.1:0")?;
//!     let address = listener.local_addr()?;
//!     let echo = gmp_core::go(async move {
//!         let (peer, _) = listener.accept().await?;
//!         let mut line = [0; 5];
//!         peer.read_exact(&mut line).await?;
//!         peer.write_all(&line).await
//!     });
//!     let stream = TcpStream::connect(address).await?;
//!     stream.write_all(b"hello").await?;
//!     let mut back = [0; 5];
//!     stream.read_exact(&mut back).await?;
//!     assert_eq!(&back, b"hello");
//!     echo.await.unwrap()
//! })
//! # }
//! ```

mod connect;
mod deadline;
mod half;
#[cfg(feature = "hyper")]
pub mod hyper;
mod io_traits;
mod socket;
mod stream;
mod tcp;
#[cfg(feature = "tokio")]
mod tokio;
mod udp;
#[cfg(unix)]
mod unix;

pub use half::{OwnedReadHalf, OwnedWriteHalf, ReuniteError};
#[cfg(unix)]
pub(crate) use stream::Bytes;
pub use tcp::{TcpListener, TcpStream};
pub use udp::UdpSocket;
#[cfg(unix)]
pub use unix::{UnixListener, UnixStream};
