//! What hyper asks of a runtime: its connections, how it starts tasks, how it tells the time.
//!
//! [`TcpStream`] and [`UnixStream`](super::UnixStream) are hyper's `Read` and `Write` as they are.
//!
//! A connection is served by `serve_connection(stream, service)` with this timer.
//!
//! ```
//! use std::time::Duration;
//!
//! use gmp_core::net::hyper::{Executor, Timer};
//! use hyper::rt::{Executor as _, Timer as _};
//!
//! gmp_core::block_on(async {
//!     let done = gmp_core::chan(1);
//!     let from_task = done.clone();
//!     Executor::new().execute(async move {
//!         Timer::new().sleep(Duration::from_millis(1)).await;
//!         from_task.send(true).await;
//!     });
//!     assert_eq!(done.recv().await, Some(true));
//! });
//! ```

use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};
use std::io::{IoSlice, Result};
use std::net::Shutdown;
use std::panic::Location;
use std::time::{Duration, Instant};

use hyper::rt::{self, ReadBufCursor};

use super::stream::write_methods;
use super::tcp::TcpStream;
use crate::inspect;
use crate::sched::scope_here;
use crate::time::{self, sleep_until};

/// Starts hyper's tasks as goroutines of whoever drives the connection.
#[derive(Clone, Copy, Debug)]
pub struct Executor {
    at: inspect::Location,
}

/// Tells hyper the time of the goroutine's runtime, a virtual one too.
#[derive(Clone, Copy, Debug, Default)]
pub struct Timer(());

struct Sleep(time::Sleep);

impl Executor {
    /// An executor whose goroutines are reported as started here.
    #[expect(clippy::new_without_default, reason = "the caller's line counts")]
    #[track_caller]
    pub fn new() -> Self {
        Self { at: Location::caller() }
    }
}

impl<F> rt::Executor<F> for Executor
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, future: F) {
        drop(crate::g::go_in(&scope_here(), future, self.at));
    }
}

impl Timer {
    /// The timer of gmp.
    pub fn new() -> Self {
        Self(())
    }
}

impl rt::Timer for Timer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn rt::Sleep>> {
        Box::pin(Sleep(time::sleep(duration)))
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn rt::Sleep>> {
        Box::pin(Sleep(sleep_until(deadline)))
    }

    fn now(&self) -> Instant {
        time::now().into()
    }
}

impl rt::Sleep for Sleep {}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // SAFETY: the field is pinned with the whole, which neither drops nor moves it by hand.
        unsafe { self.map_unchecked_mut(|this| &mut this.0) }.poll(cx)
    }
}

/// hyper's traits of a stream whose source is a field.
macro_rules! hyper_traits {
    ($name:ty) => {
        impl rt::Read for $name {
            fn poll_read(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                mut buf: ReadBufCursor<'_>,
            ) -> Poll<Result<()>> {
                // SAFETY: nothing is written there but by the read, which initializes what it counts.
                let room = unsafe { buf.as_mut() };
                // SAFETY: the read has initialized so many bytes.
                self.source.poll_read_into(cx, room).map_ok(|n| unsafe { buf.advance(n) })
            }
        }

        impl rt::Write for $name {
            write_methods!(poll_shutdown);
            fn is_write_vectored(&self) -> bool {
                true
            }
        }
    };
}

hyper_traits!(TcpStream);
#[cfg(unix)]
hyper_traits!(super::unix::UnixStream);
