//! Ten thousand connections: no descriptor is left of those that end, and those that are idle are small.
//!
//! Both tests count what belongs to the whole process, so each runs in a process of its own.
#![cfg(target_os = "linux")]

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use gmp_core::net::{TcpListener, TcpStream};
use gmp_core::runtime::Builder;
use gmp_core::sync::{Semaphore, WaitGroup};
use gmp_core::{go, yield_now};

use super::support::Rng;

/// Connections, if the system allows for so many descriptors.
const CONNECTIONS: usize = 10_000;
/// Set for the process that runs one test alone.
const ALONE: &str = "TEST_RUNS_ALONE";

/// A process that runs only the test with this name.
fn alone(name: &str, role: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("known"));
    command.args(["--exact", name, "--nocapture"]).env(ALONE, role);
    command
}

fn role() -> Option<String> {
    std::env::var(ALONE).ok()
}

fn run_alone(name: &str, role: &str) {
    let ran = alone(name, role).output().expect("it can be started");
    let text = String::from_utf8_lossy(&[ran.stdout, ran.stderr].concat()).into_owned();
    assert!(ran.status.success() && text.contains("1 passed"), "{text}");
}

fn open_descriptors() -> usize {
    // One is the folder itself.
    std::fs::read_dir("/proc/self/fd").expect("linux").count() - 1
}

/// As many connections as asked for, or as one end of them can have descriptors.
fn as_many_as_fit(each: usize) -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").expect("linux");
    let line = limits.lines().find(|line| line.starts_with("Max open files")).expect("linux");
    let soft = line.split_whitespace().nth(3).and_then(|n| n.parse::<usize>().ok());
    CONNECTIONS.min(soft.map_or(CONNECTIONS, |soft| soft.saturating_sub(200) / each))
}

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

/// Opens connections, some hundred at a time, and ends each in a way that chance chooses.
fn churn(runtime: &gmp_core::runtime::Runtime) {
    /// Several addresses, so that the ports of connections that have ended do not run out.
    const HOSTS: [&str; 4] = ["127.0.0.1:0", "127.0.0.2:0", "127.0.0.3:0", "127.0.0.4:0"];
    const AT_A_TIME: u64 = 200;
    // The netpoll keeps its own descriptors.
    runtime.block_on(async { super::pair().await.map(drop).expect("loopback") });
    let before = open_descriptors();
    let served = Arc::new(AtomicUsize::new(0));
    let count = served.clone();
    runtime.block_on(async move {
        let listeners = HOSTS.map(|host| Arc::new(TcpListener::bind(host).expect("a free port")));
        let to = listeners.each_ref().map(|listener| listener.local_addr().expect("bound"));
        let (servers, clients) = (WaitGroup::new(), WaitGroup::new());
        for (i, listener) in listeners.iter().enumerate() {
            servers.go(accept(listener.clone(), i as u64, count.clone()));
        }
        let room = Arc::new(Semaphore::new(AT_A_TIME));
        for i in 0..CONNECTIONS {
            let permit = room.clone().acquire_owned(1).await;
            let to = to[i % to.len()];
            clients.go(async move {
                let _permit = permit;
                client(to, Rng::new(i as u64)).await;
            });
        }
        clients.wait().await;
        listeners.iter().for_each(|listener| listener.close());
        servers.wait().await;
    });
    // What was accepted and not served yet has ended with its goroutine.
    assert!(served.load(Ordering::SeqCst) > CONNECTIONS / 2);
    assert_eq!(open_descriptors(), before);
}

async fn accept(listener: Arc<TcpListener>, seed: u64, served: Arc<AtomicUsize>) {
    let (all, mut seeds) = (WaitGroup::new(), Rng::new(seed));
    while let Ok((stream, _)) = listener.accept().await {
        served.fetch_add(1, Ordering::SeqCst);
        let random = Rng::new(seeds.below(usize::MAX) as u64);
        all.go(async move { any_end(stream, random).await });
    }
    all.wait().await;
}

async fn client(to: SocketAddr, mut random: Rng) {
    let connecting = TcpStream::connect(to);
    match random.below(20) {
        // Given up half-way.
        0 => gmp_core::select! { biased; _ = yield_now() => {}, _ = connecting => {} },
        _ => any_end(connecting.await.expect("listening"), random).await,
    }
}

/// Uses a connection for a while, and ends it. Whatever the other end does is fine; nothing waits for long.
async fn any_end(stream: TcpStream, mut random: Rng) {
    let soon = |micros: usize| Some(gmp_core::time::now() + Duration::from_micros(micros as u64));
    let mut buf = [0; 512];
    stream.set_deadline(soon(50_000));
    for _ in 0..random.below(3) {
        let _ = stream.write(&buf[..=random.below(511)]).await;
    }
    match random.below(5) {
        // Closed, or reset if something is unread.
        0 => {}
        // Half closed, and read to the end.
        1 => {
            let _ = stream.shutdown(std::net::Shutdown::Write);
            while let Ok(1..) = stream.read(&mut buf).await {}
        }
        // Timed out.
        2 => {
            stream.set_read_deadline(soon(random.below(500)));
            while let Ok(1..) = stream.read(&mut buf).await {}
        }
        // Two halves in two goroutines.
        3 => {
            let (read, write) = stream.into_split();
            let reader = go(async move { read.read(&mut [0; 64]).await.map(drop) });
            let _ = write.write_all(&buf).await;
            drop(write);
            let _ = reader.await;
        }
        // Handed to the standard library.
        _ => drop(stream.into_std()),
    }
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
    let connections = as_many_as_fit(1);
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
        for _ in 0..connections {
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
        let each = (resident() - before) / connections;
        println!("{connections} idle connections: {each} bytes each");
        assert!(each <= 4096, "{each} bytes each");
        drop(holder.stdin.take());
        readers.wait().await;
        assert!(holder.wait().expect("a child").success());
    });
}

/// Connects as often as the other process accepts, until that closes our input.
fn hold(address: SocketAddr) {
    let connections = as_many_as_fit(1);
    let all: Vec<_> = (0..connections)
        .map(|_| std::net::TcpStream::connect(address).expect("listening"))
        .collect();
    println!("holding {}", all.len());
    let _ = std::io::stdin().read(&mut [0]);
}
