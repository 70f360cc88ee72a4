//! Ten thousand connections: no descriptor is left of those that end, and those that are idle are small.
//!
//! Both tests count what belongs to the whole process, so each runs in a process of its own.
#![cfg(target_os = "linux")]

use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use gmp_core::net::{TcpListener, TcpStream};
use gmp_core::runtime::Builder;
use gmp_core::sync::{Semaphore, WaitGroup};
use gmp_core::{go, yield_now};

use super::alone::{
    alone, descriptors_fit, no_more_descriptors_than, open_descriptors, role, run_alone,
};
use super::support::Rng;

const CONNECTIONS: usize = 10_000;
/// What a process needs besides them.
const OTHERS: u64 = 200;

#[test]
fn whatever_becomes_of_ten_thousand_connections_no_descriptor_is_left() {
    match role().as_deref() {
        Some("driven") => churn(&Builder::new().build()),
        Some("two") => churn(&Builder::new().procs(2).build()),
        _ => {
            let name = "crowd::whatever_becomes_of_ten_thousand_connections_no_descriptor_is_left";
            run_alone(name, "driven");
            run_alone(name, "two");
        }
    }
}

/// How connections ended, by either end.
#[derive(Debug, Default)]
struct Endings {
    accepted: AtomicUsize,
    given_up: AtomicUsize,
    closed: AtomicUsize,
    half_closed: AtomicUsize,
    timed_out: AtomicUsize,
    split: AtomicUsize,
    handed_over: AtomicUsize,
    reset: AtomicUsize,
    /// Found to be reset by the other end.
    found_reset: AtomicUsize,
}

fn count(of: &AtomicUsize) {
    of.fetch_add(1, Ordering::Relaxed);
}

impl Endings {
    /// Each has happened often.
    fn check(&self) {
        println!("{self:?}");
        for count in [
            &self.given_up,
            &self.closed,
            &self.half_closed,
            &self.timed_out,
            &self.split,
            &self.handed_over,
            &self.reset,
            &self.found_reset,
        ] {
            assert!(count.load(Ordering::Relaxed) >= 100, "{self:?}");
        }
        assert!(self.accepted.load(Ordering::Relaxed) > CONNECTIONS / 2);
    }
}

/// Opens connections, some hundred at a time, and ends each in a way that chance chooses.
fn churn(runtime: &gmp_core::runtime::Runtime) {
    /// Several addresses, so that the ports of connections that have ended do not run out.
    const HOSTS: [&str; 4] = ["127.0.0.1:0", "127.0.0.2:0", "127.0.0.3:0", "127.0.0.4:0"];
    const AT_A_TIME: u64 = 200;
    if !descriptors_fit(4 * AT_A_TIME + OTHERS) {
        return;
    }
    // The netpoll keeps its own descriptors.
    runtime.block_on(async { super::pair().await.map(drop).expect("loopback") });
    let before = open_descriptors();
    let endings = Arc::new(Endings::default());
    let counts = endings.clone();
    runtime.block_on(async move {
        let listeners = HOSTS.map(|host| Arc::new(TcpListener::bind(host).expect("a free port")));
        let to = listeners.each_ref().map(|listener| listener.local_addr().expect("bound"));
        let (servers, clients) = (WaitGroup::new(), WaitGroup::new());
        for (i, listener) in listeners.iter().enumerate() {
            servers.go(accept(listener.clone(), i as u64, counts.clone()));
        }
        let room = Arc::new(Semaphore::new(AT_A_TIME));
        for i in 0..CONNECTIONS {
            let permit = room.clone().acquire_owned(1).await;
            let (to, counts) = (to[i % to.len()], counts.clone());
            clients.go(async move {
                let _permit = permit;
                client(to, Rng::new(i as u64), &counts).await;
            });
        }
        clients.wait().await;
        listeners.iter().for_each(|listener| listener.close());
        servers.wait().await;
    });
    // What was accepted and not served yet has ended with its goroutine.
    endings.check();
    no_more_descriptors_than(before);
}

async fn accept(listener: Arc<TcpListener>, seed: u64, counts: Arc<Endings>) {
    let (all, mut seeds) = (WaitGroup::new(), Rng::new(seed));
    while let Ok((stream, _)) = listener.accept().await {
        count(&counts.accepted);
        let (random, counts) = (Rng::new(seeds.below(usize::MAX) as u64), counts.clone());
        all.go(async move { any_end(stream, random, &counts).await });
    }
    all.wait().await;
}

async fn client(to: SocketAddr, mut random: Rng, counts: &Endings) {
    let connecting = TcpStream::connect(to);
    match random.below(20) {
        // Given up half-way.
        0 => gmp_core::select! {
            biased;
            _ = yield_now() => count(&counts.given_up),
            _ = connecting => {},
        },
        _ => any_end(connecting.await.expect("listening"), random, counts).await,
    }
}

/// Uses a connection for a while, and ends it. Whatever the other end does is fine; nothing waits for long.
async fn any_end(stream: TcpStream, mut random: Rng, counts: &Endings) {
    let soon = |micros: usize| Some(gmp_core::time::now() + Duration::from_micros(micros as u64));
    let mut buf = [0; 512];
    stream.set_deadline(soon(50_000));
    for _ in 0..random.below(3) {
        let _ = stream.write(&buf[..=random.below(511)]).await;
    }
    match random.below(6) {
        // Closed; the system makes a reset of it if something is unread.
        0 => count(&counts.closed),
        // Half closed, and read to the end.
        1 => {
            if stream.shutdown(std::net::Shutdown::Write).is_ok() {
                count(&counts.half_closed);
            }
            while read(&stream, &mut buf, counts).await {}
        }
        // Timed out.
        2 => {
            stream.set_read_deadline(soon(random.below(500)));
            while read(&stream, &mut buf, counts).await {}
        }
        // Two halves in two goroutines.
        3 => {
            count(&counts.split);
            let (read, write) = stream.into_split();
            let reader = go(async move { read.read(&mut [0; 64]).await.map(drop) });
            let _ = write.write_all(&buf).await;
            drop(write);
            let _ = reader.await;
        }
        // Reset, whatever is unread.
        4 => {
            let stream = stream.into_std().expect("alone");
            let at_once = rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO));
            at_once.expect("a socket");
            count(&counts.reset);
        }
        // Handed to the standard library.
        _ => {
            count(&counts.handed_over);
            drop(stream.into_std());
        }
    }
}

/// Reads something; false if that was the end, which is counted if it is one of the bad ones.
async fn read(stream: &TcpStream, buf: &mut [u8], counts: &Endings) -> bool {
    match stream.read(buf).await {
        Ok(n) => return n > 0,
        Err(error) if error.kind() == ErrorKind::TimedOut => count(&counts.timed_out),
        Err(error) if error.kind() == ErrorKind::ConnectionReset => count(&counts.found_reset),
        Err(_) => {}
    }
    false
}

#[test]
fn ten_thousand_idle_connections_take_at_most_four_kib_each() {
    let name = "crowd::ten_thousand_idle_connections_take_at_most_four_kib_each";
    match role().as_deref() {
        None => run_alone(name, "idle"),
        Some("idle") => idle(name),
        Some(address) => hold(address.parse().expect("an address")),
    }
}

/// The resident memory of this process.
fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").expect("linux");
    let pages: usize = text.split_whitespace().nth(1).and_then(|n| n.parse().ok()).expect("linux");
    pages * 4096
}

fn idle(name: &str) {
    if !descriptors_fit(CONNECTIONS as u64 + OTHERS) {
        return;
    }
    let runtime = Builder::new().procs(2).build();
    let (listener, address) = super::listen();
    let mut holder = alone(name, &address.to_string());
    let mut holder =
        holder.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it can be started");
    runtime.block_on(async {
        // What a first connection needs once.
        let _first = super::pair().await.expect("loopback");
        let before = resident();
        let readers = WaitGroup::new();
        for _ in 0..CONNECTIONS {
            let (stream, _) = listener.accept().await.expect("listening");
            readers.go(async move {
                let mut one = [0];
                assert_eq!(stream.read(&mut one).await.expect("open"), 0);
            });
        }
        // The other process has connected all.
        let mut line = String::new();
        let out = holder.stdout.take().expect("a pipe");
        let mut out = BufReader::new(out);
        while !line.contains("holding") {
            assert_ne!(out.read_line(&mut line).expect("open"), 0, "{line}");
        }
        yield_now().await;
        let each = (resident() - before) / CONNECTIONS;
        println!("{CONNECTIONS} idle connections: {each} bytes each");
        assert!(each <= 4096, "{each} bytes each");
        drop(holder.stdin.take());
        readers.wait().await;
        assert!(holder.wait().expect("a child").success());
    });
}

/// Connects as often as the other process accepts, until that closes our input.
fn hold(address: SocketAddr) {
    assert!(descriptors_fit(CONNECTIONS as u64 + OTHERS), "as in the process that accepts");
    let all: Vec<_> = (0..CONNECTIONS)
        .map(|_| std::net::TcpStream::connect(address).expect("listening"))
        .collect();
    println!("holding {}", all.len());
    let _ = std::io::stdin().read(&mut [0]);
}
