//! Models of channels: all interleavings of the production code, see `ci/loom.sh`.
//!
//! They fail if a leaf's state is read without its ordering or the lock loses one of its own, if a dropped
//! receiver drops what it was handed, if a second peer may commit to a select, if a select that is polled
//! again does not keep peers away or does not try its channels once more, if a close leaves a line as it
//! is, and if who sees a channel closed does not see what came before.

use core::future::poll_fn;
use core::pin::pin;
use core::task::Poll;

use loom::sync::Arc;
use loom::sync::atomic::{AtomicU32, Ordering};
use loom::thread;

use super::{Chan, TryRecvError, chan};
use crate::select;
use crate::sys::model::{Token, block_on, poll_once};

/// Two channels without a buffer, in the order of their addresses: a select locks them in that order, and a
/// model must do the same each time.
fn pair() -> (Chan<Token>, Chan<Token>) {
    let (a, b) = (chan(0), chan(0));
    let address = |ch: &Chan<Token>| ch.core().map(core::ptr::from_ref);
    if address(&a) < address(&b) { (a, b) } else { (b, a) }
}

fn read(token: Option<Token>) -> Option<u32> {
    token.map(Token::read)
}

#[test]
fn a_value_is_handed_over() {
    for cap in [0, 1] {
        loom::model(move || {
            let ch = chan(cap);
            let tx = ch.clone();
            let sender = thread::spawn(move || {
                block_on(async {
                    tx.send(Token::new(1)).await;
                    tx.send(Token::new(2)).await;
                });
            });
            assert_eq!(read(block_on(ch.recv())), Some(1));
            assert_eq!(read(block_on(ch.recv())), Some(2));
            sender.join().expect("the sender");
        });
    }
}

#[test]
fn a_value_that_was_handed_to_a_dropped_receiver_is_not_lost() {
    loom::model(|| {
        let ch = chan(0);
        let tx = ch.clone();
        let sender = thread::spawn(move || tx.try_send(Token::new(1)).is_ok());
        let polled = {
            let mut recv = pin!(ch.recv());
            poll_once(recv.as_mut())
        };
        let sent = sender.join().expect("the sender");
        let got = match polled {
            Poll::Ready(token) => token,
            Poll::Pending => ch.try_recv().ok(),
        };
        assert_eq!(read(got), sent.then_some(1));
        assert!(matches!(ch.try_recv(), Err(TryRecvError::Empty)));
    });
}

#[test]
fn who_sees_a_channel_closed_sees_what_came_before() {
    loom::model(|| {
        let (ch, done) = (chan::<Token>(0), Arc::new(AtomicU32::new(0)));
        let (closes, did) = (ch.clone(), done.clone());
        let closer = thread::spawn(move || {
            did.store(1, Ordering::Relaxed);
            closes.close();
        });
        if ch.is_closed() {
            assert_eq!(done.load(Ordering::Relaxed), 1);
        }
        closer.join().expect("the closer");
    });
}

#[test]
fn a_value_of_a_dropped_sender_is_sent_or_not() {
    loom::model(|| {
        let ch = chan(0);
        let rx = ch.clone();
        let receiver = thread::spawn(move || rx.try_recv().ok());
        let polled = {
            let mut send = pin!(ch.send_checked(Token::new(1)));
            let first = poll_once(send.as_mut()).is_ready();
            first || poll_once(send.as_mut()).is_ready()
        };
        let got = read(receiver.join().expect("the receiver"));
        assert!(got.is_some() || !polled, "sent to nobody");
        assert!(matches!(ch.try_recv(), Err(TryRecvError::Empty)));
    });
}

async fn send_either(a: Chan<Token>, b: Chan<Token>) -> usize {
    select! {
        biased;
        send(a, Token::new(1)) => 1,
        send(b, Token::new(2)) => 2,
    }
}

async fn receive_either(a: Chan<Token>, b: Chan<Token>) -> (usize, Option<u32>) {
    select! {
        biased;
        recv(b) -> token => (2, read(token)),
        recv(a) -> token => (1, read(token)),
    }
}

#[test]
fn two_selects_meet_on_one_arm() {
    loom::model(|| {
        let (a, b) = pair();
        let sends = send_either(a.clone(), b.clone());
        let sender = thread::spawn(move || block_on(sends));
        let (arm, value) = block_on(receive_either(a.clone(), b.clone()));
        assert_eq!(value, Some(arm as u32));
        assert_eq!(sender.join().expect("the sender"), arm);
        assert!(a.try_recv().is_err() && b.try_recv().is_err());
    });
}

#[test]
fn one_of_two_peers_commits_to_a_parked_select() {
    loom::model(|| {
        let (a, b) = pair();
        let mut parked = Box::pin(receive_either(a.clone(), b.clone()));
        assert!(poll_once(parked.as_mut()).is_pending());
        let sender = thread::spawn(move || a.try_send(Token::new(1)).is_ok());
        let second = b.try_send(Token::new(2)).is_ok();
        let first = sender.join().expect("the other sender");
        let Poll::Ready((arm, value)) = poll_once(parked.as_mut()) else {
            panic!("nobody committed")
        };
        assert_eq!((first, second), (arm == 1, arm == 2));
        assert_eq!(value, Some(arm as u32));
    });
}

#[test]
fn a_dropped_select_gives_the_value_back() {
    loom::model(|| {
        let (a, b) = pair();
        let mut parked = Box::pin(receive_either(a.clone(), b.clone()));
        assert!(poll_once(parked.as_mut()).is_pending());
        let tx = a.clone();
        let sender = thread::spawn(move || tx.try_send(Token::new(1)).is_ok());
        drop(parked);
        let sent = sender.join().expect("the sender");
        assert_eq!(read(a.try_recv().ok()), sent.then_some(1));
    });
}

#[test]
fn a_select_that_is_polled_again_misses_nothing() {
    for cap in [0, 1] {
        loom::model(move || {
            let ch = chan(cap);
            let tx = ch.clone();
            let sender = thread::spawn(move || block_on(tx.send(Token::new(1))));
            let mut restless = true;
            let got = block_on(async {
                let again = poll_fn(|cx| {
                    if core::mem::take(&mut restless) {
                        cx.waker().wake_by_ref();
                    }
                    Poll::Pending
                });
                select! {
                    biased;
                    recv(ch) -> token => read(token),
                    () = again => None,
                }
            });
            assert_eq!(got, Some(1));
            sender.join().expect("the sender");
        });
    }
}

#[test]
fn a_future_arm_and_a_peer_do_not_both_win() {
    loom::model(|| {
        let ch = chan(0);
        let tx = ch.clone();
        let mut polls = 0;
        let mut parked = Box::pin(async {
            let second = poll_fn(|_| {
                polls += 1;
                if polls == 2 { Poll::Ready(()) } else { Poll::Pending }
            });
            select! {
                biased;
                () = second => None,
                recv(ch) -> token => read(token),
            }
        });
        assert!(poll_once(parked.as_mut()).is_pending());
        let sender = thread::spawn(move || tx.try_send(Token::new(1)).is_ok());
        let got = poll_once(parked.as_mut());
        let sent = sender.join().expect("the sender");
        assert_eq!(got, Poll::Ready(sent.then_some(1)));
    });
}

#[test]
fn a_close_releases_who_receives_after_what_was_sent() {
    loom::model(|| {
        let ch = chan(1);
        let rx = ch.clone();
        let receiver = thread::spawn(move || {
            let first = read(block_on(rx.recv()));
            (first, read(block_on(rx.recv())))
        });
        ch.try_send(Token::new(1)).expect("room, and open");
        ch.close();
        assert_eq!(receiver.join().expect("the receiver"), (Some(1), None));
    });
}

#[test]
fn a_send_beside_a_close_is_received_or_fails() {
    for cap in [0, 1] {
        loom::model(move || {
            let ch = chan(cap);
            let tx = ch.clone();
            let sender = thread::spawn(move || {
                block_on(tx.send_checked(Token::new(1))).map_err(|error| error.0.read())
            });
            ch.close();
            let sent = sender.join().expect("the sender");
            let got = read(ch.try_recv().ok());
            match sent {
                Ok(()) => assert_eq!(got, Some(1)),
                Err(back) => assert_eq!((back, got), (1, None)),
            }
        });
    }
}

#[test]
fn a_close_releases_a_parked_select_once() {
    loom::model(|| {
        let (a, b) = pair();
        let closer = (a.clone(), b.clone());
        let thread = thread::spawn(move || {
            closer.0.close();
            closer.1.close();
        });
        let (_, value) = block_on(receive_either(a, b));
        assert_eq!(value, None);
        thread.join().expect("the closer");
    });
}
