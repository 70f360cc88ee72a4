//! What goes wrong out there: resets, no descriptors left, signals in between, a runtime that ends.

use std::io::ErrorKind;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use gmp_core::net::{TcpListener, TcpStream};
use gmp_core::runtime::Builder;
use gmp_core::signal::{self, Signal};
use gmp_core::{chan, go, yield_now};

use super::{listen, on_each_runtime, pair};

#[test]
fn a_connection_that_the_peer_resets_says_so() {
    on_each_runtime(|| async {
        let (near, far) = pair().await.expect("loopback");
        near.write_all(b"never read").await.expect("open");
        // Closing with something unread is a reset, once it has arrived.
        far.peek(&mut [0]).await.expect("open");
        drop(far);
        let error = near.read(&mut [0]).await.expect_err("reset");
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        let error = near.write(b"x").await.expect_err("gone");
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
    });
}

#[test]
fn goroutines_that_never_stop_to_run_do_not_starve_the_network() {
    on_each_runtime(|| async {
        let (near, far) = pair().await.expect("loopback");
        let over = Arc::new(AtomicBool::new(false));
        let is_over = over.clone();
        let busy = go(async move {
            while !is_over.load(Ordering::SeqCst) {
                yield_now().await;
            }
        });
        let reader = go(async move {
            far.read_exact(&mut [0; 3]).await.expect("open");
            over.store(true, Ordering::SeqCst);
        });
        yield_now().await;
        near.write_all(b"abc").await.expect("open");
        reader.await.expect("no panic");
        busy.await.expect("no panic");
    });
}

#[test]
fn nor_does_a_poll_that_does_not_end() {
    let runtime = Builder::new().procs(1).build();
    runtime.block_on(async {
        let (near, far) = pair().await.expect("loopback");
        let near = near.into_std().expect("alone");
        let [over, spins] = [(); 2].map(|()| Arc::new(AtomicBool::new(false)));
        let (is_over, does_spin) = (over.clone(), spins.clone());
        let reader = go(async move {
            far.read_exact(&mut [0; 1]).await.expect("open");
            over.store(true, Ordering::SeqCst);
        });
        let spinning = go(async move {
            does_spin.store(true, Ordering::SeqCst);
            while !is_over.load(Ordering::SeqCst) {
                std::hint::spin_loop();
            }
        });
        let writer = std::thread::spawn(move || {
            while !spins.load(Ordering::SeqCst) {
                std::thread::yield_now();
            }
            std::io::Write::write_all(&mut &near, b"x").expect("open");
        });
        spinning.await.expect("no panic");
        reader.await.expect("no panic");
        writer.join().expect("no panic");
    });
}

/// Set for the process that has few descriptors.
const FEW: &str = "TEST_HAS_FEW_DESCRIPTORS";

#[test]
fn without_a_descriptor_left_accept_fails_and_the_connection_waits() {
    if std::env::var_os(FEW).is_some() {
        return with_few_descriptors();
    }
    let own = std::env::current_exe().expect("known");
    let name = "hazards::without_a_descriptor_left_accept_fails_and_the_connection_waits";
    let ran = Command::new("sh")
        .args(["-c", "ulimit -n 40 && exec \"$0\" --exact \"$1\" --nocapture"])
        .arg(own)
        .arg(name)
        .env(FEW, "1")
        .output()
        .expect("a shell");
    let text = String::from_utf8_lossy(&[ran.stdout, ran.stderr].concat()).into_owned();
    assert!(ran.status.success() && text.contains("1 passed"), "{text}");
}

fn with_few_descriptors() {
    gmp_core::block_on(async {
        let (listener, address) = listen();
        let mut near = vec![TcpStream::connect(address).await.expect("room")];
        let mut far = vec![listener.accept().await.expect("room").0];
        // Fills all that is left but one, so that a connection can still be made.
        let mut filler = Vec::new();
        while let Ok(file) = std::fs::File::open("/dev/null") {
            filler.push(file);
        }
        filler.pop();
        near.push(TcpStream::connect(address).await.expect("one is left"));
        for _ in 0..2 {
            let error = listener.accept().await.expect_err("none is left");
            assert!(error.to_string().contains("Too many open files"), "{error}");
        }
        drop(filler.pop());
        far.push(listener.accept().await.expect("it has waited").0);
        near[1].write_all(b"x").await.expect("open");
        far[1].read_exact(&mut [0]).await.expect("open");
    });
}

#[test]
fn signals_in_between_disturb_neither_sleep_nor_sockets() {
    on_each_runtime(|| async {
        let signals = chan(64);
        let notify = signal::notify(&signals, [Signal::USER_2]).expect("can be caught");
        let (near, far) = pair().await.expect("loopback");
        let echo = go(async move {
            let mut one = [0];
            while far.read(&mut one).await.expect("open") == 1 {
                far.write_all(&one).await.expect("open");
            }
        });
        let own = std::process::id().to_string();
        for round in 0..10u8 {
            let kill = Command::new("kill").args(["-USR2", &own]).status();
            assert!(kill.expect("a program of every system").success());
            assert_eq!(signals.recv().await, Some(Signal::USER_2));
            near.write_all(&[round]).await.expect("open");
            let mut one = [0];
            near.read_exact(&mut one).await.expect("open");
            assert_eq!(one, [round]);
        }
        drop((near, notify));
        echo.await.expect("no panic");
    });
}

#[test]
fn a_runtime_may_end_while_goroutines_accept_read_and_write() {
    for procs in [None, Some(1), Some(2)] {
        let runtime = match procs {
            None => Builder::new().build(),
            Some(procs) => Builder::new().procs(procs).build(),
        };
        let (listener, address) = listen();
        let client = runtime.block_on(async {
            let client = TcpStream::connect(address).await.expect("listening");
            let (peer, _) = listener.accept().await.expect("connected");
            let peer = Arc::new(peer);
            let writes = peer.clone();
            go(async move { listener.accept().await.map(drop) });
            go(async move { peer.read(&mut [0]).await.map(drop) });
            go(async move { while writes.write_all(&[0; 4096]).await.is_ok() {} });
            yield_now().await;
            client
        });
        drop(runtime);
        // All ends of that runtime are gone.
        gmp_core::block_on(async {
            let mut buf = vec![0; 1 << 16];
            while let Ok(1..) = client.read(&mut buf).await {}
            assert!(TcpStream::connect(address).await.is_err(), "the listener is gone");
        });
    }
}

#[test]
fn a_socket_that_waits_twice_in_one_task_is_woken_for_both() {
    on_each_runtime(|| async {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        let two = go(async move {
            let (a, b) = futures_util::join!(listener.accept(), listener.accept());
            a.and(b).map(drop)
        });
        yield_now().await;
        let _a = TcpStream::connect(address).await.expect("listening");
        let _b = TcpStream::connect(address).await.expect("listening");
        two.await.expect("no panic").expect("both");
    });
}
