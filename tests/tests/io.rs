//! The detector and the network: who waits for it is External, or Timer with a deadline, and is evidence.

use std::time::Duration;

use gmp::go;
use gmp::net::{TcpListener, TcpStream, UdpSocket};
use gmp::process::Command;

async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    let near = TcpStream::connect(address).await.expect("listening");
    (near, listener.accept().await.expect("connected").0)
}

#[gmp::test(linger = "1ms", expect_leak("1 IO wait: External"))]
async fn a_reader_whose_peer_is_silent() {
    let (near, far) = pair().await;
    go(async move {
        let _near = near;
        far.read(&mut [0]).await.map(drop)
    });
}

#[gmp::test(linger = "1ms", expect_leak("1 IO wait: Timer"))]
async fn a_reader_with_a_deadline_that_is_far() {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    socket.set_read_deadline(Some(gmp::time::now() + Duration::from_secs(60)));
    go(async move { socket.recv(&mut [0]).await.map(drop) });
}

#[gmp::test(linger = "1ms", expect_leak("1 IO wait: External"))]
async fn whoever_waits_for_a_child() {
    let mut sleep = Command::new("sleep");
    let child = sleep.arg("1000").kill_on_drop(true).spawn().expect("sleep");
    go(async move {
        let mut child = child;
        child.wait().await.map(drop)
    });
}

#[gmp::test]
async fn what_is_under_way_when_the_body_ends_is_waited_for() {
    let (near, far) = pair().await;
    go(async move { far.read_exact(&mut [0; 1]).await.expect("open") });
    go(async move {
        // A process of its own: nothing in this one is ready meanwhile.
        let status = Command::new("true").status().await.expect("a program of every system");
        assert!(status.success());
        near.write_all(b"x").await.expect("open");
    });
}

#[gmp::test]
async fn a_body_that_waits_for_the_network_is_not_asleep() {
    let (near, far) = pair().await;
    let near = near.into_std().expect("alone");
    let thread = std::thread::spawn(move || std::io::Write::write_all(&mut &near, b"x"));
    far.read_exact(&mut [0; 1]).await.expect("open");
    thread.join().expect("no panic").expect("open");
}

#[gmp::test]
async fn a_body_that_waits_for_a_signal_is_not_asleep() {
    use gmp::signal::{self, Signal};
    let signals = gmp::chan(1);
    let _notify = signal::notify(&signals, [Signal::USER_1]).expect("can be caught");
    // Neither a thread nor a goroutine of this process knows that it comes.
    let mut kill = std::process::Command::new("sh");
    let mut child = kill.args(["-c", "kill -USR1 $PPID"]).spawn().expect("a shell");
    assert_eq!(signals.recv().await, Some(Signal::USER_1));
    assert!(child.wait().expect("a child").success());
}
