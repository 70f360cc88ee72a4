//! A small HTTP service on hyper over gmp: it counts the words of texts in a pool of goroutines.
//!
//! Every request has a context of its own, below that of the service. It is cancelled when the client goes
//! away, when the request takes too long, and when the service ends; whoever works for the request looks
//! at it. When the context of the service is cancelled it stops to listen, lets the requests under way
//! finish, and closes the connections.

mod count;
mod handler;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use gmp::context::{Context, with_cancel};
use gmp::net::hyper::Timer;
use gmp::net::{TcpListener, TcpStream};
use gmp::select;
use gmp::sync::WaitGroup;
use hyper::server::conn::http1;
use hyper::service::service_fn;

pub use count::Pool;

/// How the service works.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Goroutines that count words.
    pub workers: usize,
    /// How long a request may take.
    pub limit: Duration,
    /// A mistake for the test suite to find: the handler starts a goroutine that never looks at the context.
    pub ignore_cancellation: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { workers: 4, limit: Duration::from_secs(5), ignore_cancellation: false }
    }
}

/// Serves until `ctx` is cancelled and all requests under way are answered.
///
/// # Errors
/// If the listener fails for good.
pub async fn serve(ctx: Context, listener: TcpListener, settings: Settings) -> io::Result<()> {
    // The pool outlives the context of the service, so that the last requests are answered too.
    let (pool, connections) = (Pool::start(settings.workers), WaitGroup::new());
    let shared = Arc::new((settings, pool.clone()));
    let served = accept(&ctx, listener, &shared, &connections).await;
    connections.wait().await;
    pool.stop().await;
    served
}

async fn accept(
    ctx: &Context,
    listener: TcpListener,
    shared: &Arc<(Settings, Pool)>,
    connections: &WaitGroup,
) -> io::Result<()> {
    loop {
        let accepted = select! {
            accepted = listener.accept() => accepted,
            _ = ctx.done() => return Ok(()),
        };
        match accepted {
            Ok((stream, _)) => connections.go(connection(ctx.clone(), stream, shared.clone())),
            // Too many files are open: some connection will end.
            Err(error) if error.raw_os_error() == Some(24) => {
                gmp::time::sleep(Duration::from_millis(10)).await;
            }
            Err(error) => return Err(error),
        }
    }
}

/// Serves one connection. A graceful end answers the request under way.
async fn connection(ctx: Context, stream: TcpStream, shared: Arc<(Settings, Pool)>) {
    // Cancelled when the connection ends, whatever became of its requests.
    let (of_connection, gone) = with_cancel(&gmp::context::without_cancel(&ctx));
    let service = service_fn(|request| {
        let shared = shared.clone();
        handler::handle(of_connection.clone(), shared, request)
    });
    let serving = http1::Builder::new().timer(Timer::new()).serve_connection(stream, service);
    let mut serving = std::pin::pin!(serving);
    let ended = select! {
        ended = serving.as_mut() => ended,
        _ = ctx.done() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    gone.cancel();
    // A client that goes away in the middle is nothing to worry about.
    drop(ended);
}
