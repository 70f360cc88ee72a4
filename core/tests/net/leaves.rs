//! Every operation that waits: its reason, its line, and what a trace poll sees of it.
#![cfg(target_os = "linux")]

use std::panic::Location;

use gmp_core::go;
use gmp_core::inspect::{Figure, IoWant, WaitReason};
use gmp_core::net::{TcpListener, TcpStream, UdpSocket, UnixListener, UnixStream};
use gmp_core::process::{Command, Stdio};
use gmp_core::runtime::{Builder, Runtime};
use gmp_core::snapshot::{Frozen, Traced, freeze_parked};
use gmp_core::yield_now;

use super::{listen, pair, unix};

/// Starts a goroutine that waits at `line`, or just below, looks at it, and drops it.
async fn check(
    runtime: &Runtime,
    line: u32,
    want: IoWant,
    waits: impl Future<Output = ()> + Send + 'static,
) {
    let goroutine = go(waits);
    let is_it = |frozen: &Frozen| frozen.id() == goroutine.id();
    let all = loop {
        yield_now().await;
        let all = freeze_parked(runtime.scope());
        if all.iter().any(is_it) {
            break all;
        }
        assert!(!goroutine.is_finished(), "line {line}: it has not waited");
        all.into_iter().for_each(Frozen::thaw);
    };
    let is_here = |at: &Location<'_>| {
        let here = at.file() == file!() && (line..line + 4).contains(&at.line());
        assert!(here, "{at} is not the user's line, {line}");
    };
    let frozen = all.iter().find(|frozen| is_it(frozen)).expect("it is parked");
    let wait = match &frozen.waits()[..] {
        [wait] => wait.clone(),
        other => panic!("line {line}: {} waits", other.len()),
    };
    assert_eq!((wait.reason, wait.complete), (WaitReason::IoWait, false), "line {line}");
    is_here(wait.at);
    match wait.figure {
        Figure::Io { want: is, .. } => assert_eq!(is, want, "line {line}"),
        other => panic!("line {line}: {other:?}"),
    }
    let mut seen = Vec::new();
    let traced = frozen.trace(&mut |at, _| seen.push(at));
    assert_eq!(traced, Some(Traced::Parked), "line {line}: a trace poll changes nothing");
    assert!(!seen.is_empty(), "line {line}: a trace poll sees it");
    seen.iter().flatten().for_each(|at| is_here(at));
    assert_eq!(frozen.waits().len(), 1, "line {line}: it waits as before");
    all.into_iter().for_each(Frozen::thaw);
    goroutine.abort();
    assert!(goroutine.await.unwrap_err().is_aborted(), "line {line}");
}

/// Checks a wait of this line.
macro_rules! waits {
    ($runtime:ident, $want:ident, $future:expr) => {
        check(&$runtime, line!(), IoWant::$want, async move { _ = $future.await }).await
    };
}

#[test]
fn each_has_its_reason_and_its_line_and_is_traced() {
    let runtime = Builder::new().watch(true).build();
    runtime.block_on(async {
        let leak = |listener| -> &'static TcpListener { Box::leak(Box::new(listener)) };
        let listener = leak(listen().0);
        waits!(runtime, Accept, listener.accept());
        let (near, far) = pair().await.expect("loopback");
        let (near, far): (&TcpStream, &TcpStream) = (Box::leak(near.into()), Box::leak(far.into()));
        waits!(runtime, Read, far.read(&mut [0]));
        waits!(runtime, Read, far.read_exact(&mut [0; 2]));
        waits!(runtime, Read, far.peek(&mut [0]));
        waits!(runtime, Write, near.write_all(&[0; 64 << 20]));
        // There may be room yet, as what was sent arrives later.
        waits!(runtime, Write, async { while near.write(&[0; 4096]).await.is_ok() {} });
        // The line of connections is as short as it can be, and full.
        let full = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        rustix::net::listen(&full, 0).expect("it listens");
        let to = full.local_addr().expect("bound");
        let _first = TcpStream::connect(to).await.expect("room for one");
        // There is room for another until the first has arrived.
        let mut all = Vec::new();
        waits!(runtime, Connect, async {
            while let Ok(one) = TcpStream::connect(to).await {
                all.push(one);
            }
        });
        let udp = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        let udp: &UdpSocket = Box::leak(udp.into());
        waits!(runtime, Read, udp.recv_from(&mut [0]));
        waits!(runtime, Read, udp.recv(&mut [0]));
        waits!(runtime, Read, udp.peek_from(&mut [0]));
        let (listener, path) = unix::listen();
        let listener: &UnixListener = Box::leak(listener.into());
        waits!(runtime, Accept, listener.accept());
        drop(path);
        let (a, b) = UnixStream::pair().expect("a pair");
        let (a, b): (&UnixStream, &UnixStream) = (Box::leak(a.into()), Box::leak(b.into()));
        waits!(runtime, Read, b.read(&mut [0]));
        waits!(runtime, Write, a.write_all(&[0; 64 << 20]));
        let mut sleep = Command::new("sleep");
        sleep.arg("1000").stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = sleep.spawn().expect("sleep");
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let (input, output) = (input.expect("a pipe"), output.expect("a pipe"));
        waits!(runtime, Write, input.write_all(&[0; 1 << 20]));
        waits!(runtime, Read, output.read(&mut [0]));
        waits!(runtime, Exit, child.wait());
    });
}
