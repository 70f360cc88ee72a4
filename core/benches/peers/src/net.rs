//! The cases over the network: an echo over TCP, and HTTP with hyper, 64 connections each.
//!
//! Both ends are tasks of the same runtime, so that one process measures one runtime.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;

use hyper::service::service_fn;
use hyper::{Request, Response, body::Incoming};

use crate::peer::Rt;
use crate::runtimes::{Gmp, Tokio, TokioCurrent};

/// Connections at a time.
const CONNECTIONS: u64 = 64;
/// Bytes of one echo.
const MESSAGE: usize = 64;
/// What the HTTP client sends.
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: peers\r\n\r\n";
/// What the HTTP server answers with.
const BODY: &str = "hello";

/// A runtime with sockets.
trait Net: Rt {
    type Listener: Send;
    type Stream: Send;
    /// The stream as hyper wants it.
    type Hyper: hyper::rt::Read + hyper::rt::Write + Send + Unpin + 'static;
    fn listen() -> impl Future<Output = (Self::Listener, SocketAddr)> + Send;
    fn accept(listener: &Self::Listener) -> impl Future<Output = Self::Stream> + Send;
    fn connect(to: SocketAddr) -> impl Future<Output = Self::Stream> + Send;
    fn read(stream: &mut Self::Stream, buf: &mut [u8]) -> impl Future<Output = usize> + Send;
    fn write(stream: &mut Self::Stream, buf: &[u8]) -> impl Future<Output = ()> + Send;
    fn hyper(stream: Self::Stream) -> Self::Hyper;
}

/// Runs a case of this file; `None` if it is none, or the peer has no sockets.
pub fn run(peer: &str, case: &str, n: u64, procs: usize) -> Option<u64> {
    match peer {
        "gmp" => on::<Gmp>(case, n, procs),
        "tokio" => on::<Tokio>(case, n, procs),
        "tokio-current" => on::<TokioCurrent>(case, n, procs),
        _ => None,
    }
}

fn on<N: Net>(case: &str, n: u64, procs: usize) -> Option<u64> {
    match case {
        "echo_64" => Some(N::run(procs, echo::<N>(n))),
        "http_64" => Some(N::run(procs, http::<N>(n))),
        _ => None,
    }
}

/// `n` messages there and back.
async fn echo<N: Net>(n: u64) -> u64 {
    let (listener, to) = N::listen().await;
    N::detach(async move {
        for _ in 0..CONNECTIONS {
            let mut stream = N::accept(&listener).await;
            N::detach(async move {
                let mut buf = [0; 1024];
                loop {
                    match N::read(&mut stream, &mut buf).await {
                        0 => return,
                        got => N::write(&mut stream, &buf[..got]).await,
                    }
                }
            });
        }
    });
    clients::<N, _>(n, move |each| async move {
        let mut stream = N::connect(to).await;
        let (message, mut buf) = ([7; MESSAGE], [0; MESSAGE]);
        for _ in 0..each {
            N::write(&mut stream, &message).await;
            let mut got = 0;
            while got < MESSAGE {
                got += N::read(&mut stream, &mut buf[got..]).await;
            }
        }
        each
    })
    .await
}

/// `n` requests.
async fn http<N: Net>(n: u64) -> u64 {
    let (listener, to) = N::listen().await;
    N::detach(async move {
        for _ in 0..CONNECTIONS {
            let stream = N::hyper(N::accept(&listener).await);
            N::detach(async move {
                let answer = |_: Request<Incoming>| async {
                    Ok::<_, Infallible>(Response::new(BODY.to_owned()))
                };
                let serving = hyper::server::conn::http1::Builder::new()
                    .serve_connection(stream, service_fn(answer));
                // The client goes away when it has all answers.
                let _ = serving.await;
            });
        }
    });
    clients::<N, _>(n, move |each| async move {
        let mut stream = N::connect(to).await;
        let mut buf = [0; 4096];
        let mut answered = 0;
        for _ in 0..each {
            N::write(&mut stream, REQUEST).await;
            let mut got = 0;
            while !buf[..got].ends_with(BODY.as_bytes()) {
                got += match N::read(&mut stream, &mut buf[got..]).await {
                    0 => return answered,
                    more => more,
                };
            }
            answered += u64::from(buf.starts_with(b"HTTP/1.1 200"));
        }
        answered
    })
    .await
}

/// Runs one client for each connection and sums up what they did.
async fn clients<N: Net, F>(n: u64, client: impl Fn(u64) -> F) -> u64
where
    F: Future<Output = u64> + Send + 'static,
{
    let each = n / CONNECTIONS;
    let all: Vec<_> = (0..CONNECTIONS).map(|_| N::go(client(each))).collect();
    let mut sum = n - each * CONNECTIONS;
    for one in all {
        sum += one.await;
    }
    sum
}

impl Net for Gmp {
    type Listener = gmp_core::net::TcpListener;
    type Stream = gmp_core::net::TcpStream;
    type Hyper = gmp_core::net::TcpStream;
    async fn listen() -> (Self::Listener, SocketAddr) {
        let listener = gmp_core::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        (listener, address)
    }
    async fn accept(listener: &Self::Listener) -> Self::Stream {
        listener.accept().await.expect("listening").0
    }
    async fn connect(to: SocketAddr) -> Self::Stream {
        gmp_core::net::TcpStream::connect(to).await.expect("listening")
    }
    async fn read(stream: &mut Self::Stream, buf: &mut [u8]) -> usize {
        stream.read(buf).await.expect("open")
    }
    async fn write(stream: &mut Self::Stream, buf: &[u8]) {
        stream.write_all(buf).await.expect("open");
    }
    fn hyper(stream: Self::Stream) -> Self::Hyper {
        stream
    }
}

/// Both flavours of tokio have the same sockets.
macro_rules! tokio_net {
    ($name:ident) => {
        impl Net for $name {
            type Listener = tokio::net::TcpListener;
            type Stream = tokio::net::TcpStream;
            type Hyper = hyper_util::rt::TokioIo<tokio::net::TcpStream>;
            async fn listen() -> (Self::Listener, SocketAddr) {
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
                let listener = listener.expect("a free port");
                let address = listener.local_addr().expect("bound");
                (listener, address)
            }
            async fn accept(listener: &Self::Listener) -> Self::Stream {
                no_delay(listener.accept().await.expect("listening").0)
            }
            async fn connect(to: SocketAddr) -> Self::Stream {
                no_delay(tokio::net::TcpStream::connect(to).await.expect("listening"))
            }
            async fn read(stream: &mut Self::Stream, buf: &mut [u8]) -> usize {
                tokio::io::AsyncReadExt::read(stream, buf).await.expect("open")
            }
            async fn write(stream: &mut Self::Stream, buf: &[u8]) {
                tokio::io::AsyncWriteExt::write_all(stream, buf).await.expect("open");
            }
            fn hyper(stream: Self::Stream) -> Self::Hyper {
                hyper_util::rt::TokioIo::new(stream)
            }
        }
    };
}

tokio_net!(Tokio);
tokio_net!(TokioCurrent);

/// As gmp and Go have it from the start.
fn no_delay(stream: tokio::net::TcpStream) -> tokio::net::TcpStream {
    stream.set_nodelay(true).expect("open");
    stream
}
