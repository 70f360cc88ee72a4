//! What goes wrong out there: resets, no descriptors left, signals in between, a runtime that ends.

use std::io::ErrorKind;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use gmp_core::net::{TcpListener, TcpStream};
use gmp_core::runtime::Builder;
use gmp_core::signal::{self, Signal};
use gmp_core::{chan, go, yield_now};

use super::{listen_apart, on_each_runtime, pair};

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

#[cfg(target_os = "linux")]
#[test]
fn a_storm_of_signals_ends_neither_a_sleep_nor_a_wait() {
    use std::os::unix::thread::{JoinHandleExt, RawPthread};

    unsafe extern "C" {
        safe fn pthread_kill(thread: RawPthread, signal: i32) -> i32;
    }
    let name = "hazards::a_storm_of_signals_ends_neither_a_sleep_nor_a_wait";
    super::alone::in_own_process(name, || {
        // Whoever listens in this process: without it the signal would end it.
        let signals = chan(1);
        let _notify = signal::notify(&signals, [Signal::USER_2]).expect("can be caught");
        let sent = Arc::new(AtomicUsize::new(0));
        let storm = sent.clone();
        let body = std::thread::spawn(move || gmp_core::block_on(sleeps_and_asks(&storm)));
        while !body.is_finished() {
            assert_eq!(pthread_kill(body.as_pthread_t(), Signal::USER_2.number()), 0);
            sent.fetch_add(1, Ordering::Relaxed);
            std::thread::sleep(std::time::Duration::from_micros(50));
        }
        body.join().expect("no panic");
    });
}

/// Sleeps, and asks somebody who answers: both where only the netpoll is left to wait in. Goes on until more signals
/// were `sent` than there were rounds.
#[cfg(target_os = "linux")]
async fn sleeps_and_asks(sent: &AtomicUsize) {
    use gmp_core::time::{now, sleep};
    use std::io::{Read, Write};
    use std::time::Duration;

    const ROUNDS: usize = 100;
    let (near, far) = pair().await.expect("loopback");
    // A thread answers: nothing in this runtime is ready meanwhile.
    let far = far.into_std().expect("alone");
    far.set_nonblocking(false).expect("a socket");
    let echo = std::thread::spawn(move || {
        let mut one = [0];
        while { &far }.read(&mut one).expect("open") == 1 {
            { &far }.write_all(&one).expect("open");
        }
    });
    let mut round = 0;
    while round < ROUNDS || sent.load(Ordering::Relaxed) <= round {
        // One that epoll can sleep, and one that is shorter than that.
        for time in [Duration::from_micros(2_500), Duration::from_micros(300)] {
            let begin = now();
            sleep(time).await;
            assert!(now() - begin >= time);
        }
        near.write_all(&[round as u8]).await.expect("open");
        let mut one = [0];
        near.read_exact(&mut one).await.expect("open");
        assert_eq!(one, [round as u8]);
        round += 1;
    }
    drop(near);
    echo.join().expect("no panic");
}

#[test]
fn a_runtime_may_end_while_goroutines_accept_read_and_write() {
    for procs in [None, Some(1), Some(2)] {
        let runtime = match procs {
            None => Builder::new().build(),
            Some(procs) => Builder::new().procs(procs).build(),
        };
        let (listener, address) = listen_apart(14);
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
