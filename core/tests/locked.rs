//! Goroutines that are locked to their threads: what waits for a P, a timer or the network while they give
//! theirs up.

mod support;

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Barrier, mpsc};
use std::thread;
use std::time::Duration;

use gmp_core::go;
use gmp_core::runtime::{self, Builder, Runtime, lock_os_thread, unlock_os_thread};
use gmp_core::time::sleep;
use support::rounds;

/// By then sysmon has long gone to sleep for good, as no P is in use: nobody comes to the rescue.
const LONG: Duration = Duration::from_millis(300);

/// Runs `body` with a runtime with so many Ps: a body that hangs fails.
#[track_caller]
fn ends(procs: usize, body: impl FnOnce(&Runtime) + Send + 'static) {
    let (tx, rx) = mpsc::channel();
    let running = thread::spawn(move || {
        body(&Builder::new().procs(procs).build());
        let _ = tx.send(());
    });
    match rx.recv_timeout(Duration::from_secs(20)) {
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("it hangs"),
        _ => running.join().expect("no panic"),
    }
}

#[test]
fn the_last_p_is_given_up_with_a_timer() {
    ends(1, |runtime| {
        let sleeps = runtime.go(async {
            lock_os_thread();
            sleep(LONG).await;
        });
        runtime.block_on(sleeps).unwrap();
    });
}

#[test]
fn the_last_two_ps_are_given_up_with_timers() {
    ends(2, |runtime| {
        let barrier = Arc::new(Barrier::new(2));
        let two = [0, 1].map(|_| {
            let barrier = barrier.clone();
            runtime.go(async move {
                lock_os_thread();
                let (mut sleeps, mut first) = (pin!(sleep(LONG)), true);
                poll_fn(|cx| {
                    let slept = sleeps.as_mut().poll(cx);
                    // Both have armed their timers before either gives up its P.
                    if core::mem::take(&mut first) {
                        barrier.wait();
                    }
                    slept
                })
                .await;
            })
        });
        runtime.block_on(support::join_all(two));
    });
}

#[test]
fn a_thread_that_ends_leaves_the_timers_of_others() {
    ends(1, |runtime| {
        let sleeps = runtime.go(sleep(LONG));
        drop(runtime.go(async { lock_os_thread() }));
        runtime.block_on(sleeps).unwrap();
    });
}

#[cfg(feature = "net")]
#[test]
fn the_last_p_is_given_up_while_a_socket_is_waited_for() {
    use gmp_core::net::TcpListener;
    ends(1, |runtime| {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        let accepts = runtime.go(async move {
            lock_os_thread();
            listener.accept().await.map(drop)
        });
        thread::sleep(LONG);
        let _near = std::net::TcpStream::connect(address).expect("listening");
        runtime.block_on(accepts).unwrap().expect("connected");
    });
}

/// Nobody steals from the P of a runtime that had one, and no M opens it: its M waits for its own goroutine.
#[test]
fn what_is_queued_behind_a_locked_goroutine_runs_when_there_are_more_ps() {
    ends(1, |_| {
        for _ in 0..rounds(100) {
            let runtime = Builder::new().procs(1).build();
            let locked = runtime.go(async {
                lock_os_thread();
                runtime::set_procs(2);
                go(async {}).await.unwrap();
                unlock_os_thread();
            });
            runtime.block_on(locked).unwrap();
        }
    });
}
