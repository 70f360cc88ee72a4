//! Sockets that goroutines wait for, on a driven runtime and on one with threads of its own.
#![cfg(feature = "net")]

#[cfg(target_os = "linux")]
mod alone;
mod basics;
mod crowd;
mod few;
#[cfg(unix)]
mod hazards;
mod leaves;
#[cfg(unix)]
mod outside;
#[expect(clippy::duplicate_mod, reason = "the same tests for each kind of stream")]
mod tcp;
#[cfg(unix)]
#[expect(clippy::duplicate_mod, reason = "as above")]
mod unix;

#[path = "../support/mod.rs"]
mod support;

use std::future::Future;
use std::io;
use std::net::SocketAddr;

use gmp_core::net::{TcpListener, TcpStream};
use gmp_core::runtime::Builder;

/// Runs the same body on a driven runtime, and on runtimes with one and with two Ps of their own.
fn on_each_runtime<F: Future<Output = ()>>(body: impl Fn() -> F) {
    gmp_core::block_on(body());
    for procs in [1, 2] {
        Builder::new().procs(procs).build().block_on(body());
    }
}

fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    (listener, address)
}

/// As [`listen`], at an address where nobody else in these tests listens, if the system has more of them than one:
/// once it is closed nobody answers there. `own` is the caller's.
fn listen_apart(own: u8) -> (TcpListener, SocketAddr) {
    let last = if cfg!(target_os = "linux") { own } else { 1 };
    let listener = TcpListener::bind(format!("127.0.0.{last}:0")).expect("a free port");
    let address = listener.local_addr().expect("bound");
    (listener, address)
}

/// Both ends of a connection: who connected, and who accepted.
async fn pair() -> io::Result<(TcpStream, TcpStream)> {
    let (listener, address) = listen();
    let near = TcpStream::connect(address).await?;
    Ok((near, listener.accept().await?.0))
}
