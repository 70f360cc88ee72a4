//! No descriptor is left: whatever needs one fails with what the system says, and works once there is one.
#![cfg(target_os = "linux")]

use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt;
use std::process;

use gmp_core::net::TcpStream;
use gmp_core::process::Command;
use gmp_core::signal::{self, Signal};
use gmp_core::{Chan, chan};
use rustix::process::{Resource, Rlimit, WaitOptions, getppid, prlimit, wait};

use super::alone::{in_own_process, limit_descriptors, open_descriptors};
use super::listen;

/// Takes all descriptors that are left but `left`.
fn take_all_but(left: usize) -> Vec<File> {
    limit_descriptors(60);
    let mut all = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        all.push(file);
    }
    assert!(all.len() > left, "there were some");
    all.truncate(all.len() - left);
    all
}

#[track_caller]
fn none_is_left<T>(result: io::Result<T>) {
    match result {
        Ok(_) => panic!("there was a descriptor"),
        Err(error) => assert!(error.to_string().contains("Too many open files"), "{error}"),
    }
}

#[test]
fn accept_fails_and_the_connection_waits() {
    in_own_process("few::accept_fails_and_the_connection_waits", || {
        gmp_core::block_on(async {
            let (listener, address) = listen();
            let mut near = vec![TcpStream::connect(address).await.expect("room")];
            let mut far = vec![listener.accept().await.expect("room").0];
            // One, so that a connection can still be made.
            let mut taken = take_all_but(1);
            near.push(TcpStream::connect(address).await.expect("one is left"));
            for _ in 0..2 {
                none_is_left(listener.accept().await);
            }
            drop(taken.pop());
            far.push(listener.accept().await.expect("it has waited").0);
            near[1].write_all(b"x").await.expect("open");
            far[1].read_exact(&mut [0]).await.expect("open");
        });
    });
}

#[test]
fn connecting_fails() {
    in_own_process("few::connecting_fails", || {
        gmp_core::block_on(async {
            let (_listener, address) = listen();
            TcpStream::connect(address).await.map(drop).expect("room");
            let mut taken = take_all_but(0);
            none_is_left(TcpStream::connect(address).await);
            drop(taken.pop());
            TcpStream::connect(address).await.map(drop).expect("one is left");
        });
    });
}

#[test]
fn the_first_wait_of_a_runtime_fails() {
    in_own_process("few::the_first_wait_of_a_runtime_fails", || {
        let (listener, address) = listen();
        // The netpoll takes two, and gives one back if there is no other.
        for left in [0, 1] {
            let mut taken = take_all_but(left);
            let before = open_descriptors_of(&mut taken);
            gmp_core::block_on(async { none_is_left(listener.accept().await) });
            assert_eq!(open_descriptors_of(&mut taken), before);
        }
        let client = std::net::TcpStream::connect(address).expect("room");
        gmp_core::block_on(listener.accept()).map(drop).expect("room");
        drop(client);
    });
}

/// How many are open; looking takes one.
fn open_descriptors_of(taken: &mut Vec<File>) -> usize {
    drop(taken.pop());
    let open = open_descriptors();
    taken.push(File::open("/dev/null").expect("one was given back"));
    open
}

#[test]
fn asking_for_a_signal_fails() {
    in_own_process("few::asking_for_a_signal_fails", || {
        gmp_core::block_on(async {
            let signals: Chan<Signal> = chan(1);
            let notify = || signal::notify(&signals, [Signal::USER_1]);
            drop(notify().expect("room"));
            let mut taken = take_all_but(1);
            let before = open_descriptors_of(&mut taken);
            none_is_left(notify());
            assert_eq!(open_descriptors_of(&mut taken), before);
            drop(taken);
            let _notify = notify().expect("room");
            let own = process::id().to_string();
            let sent = process::Command::new("kill").args(["-USR1", &own]).status();
            assert!(sent.expect("a program of every system").success());
            assert_eq!(signals.recv().await, Some(Signal::USER_1));
        });
    });
}

#[test]
fn starting_a_child_fails() {
    in_own_process("few::starting_a_child_fails", || {
        gmp_core::block_on(async {
            let taken = take_all_but(0);
            none_is_left(Command::new("true").status().await);
            drop(taken);
            assert!(Command::new("true").status().await.expect("room").success());
        });
    });
}

/// None is left after the child has been started, just when somebody is to wait for it.
#[test]
fn a_child_that_cannot_be_waited_for_is_killed() {
    in_own_process("few::a_child_that_cannot_be_waited_for_is_killed", || {
        gmp_core::block_on(async {
            let mut sleep = process::Command::new("sleep");
            sleep.arg("1000");
            let none = || {
                let none = Rlimit { current: Some(0), maximum: Some(60) };
                prlimit(getppid(), Resource::Nofile, none)?;
                Ok(())
            };
            limit_descriptors(60);
            // SAFETY: it is one system call.
            unsafe { sleep.pre_exec(none) };
            none_is_left(Command::from(sleep).spawn());
            let children = wait(WaitOptions::NOHANG).expect_err("there are none");
            assert_eq!(children, rustix::io::Errno::CHILD);
        });
    });
}
