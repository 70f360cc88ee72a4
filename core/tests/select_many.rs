//! `select!` with more arms than fit into its own memory: nine, and sixty-four, of all kinds.
// Deep macros are part of what is tested: the limit stays at the compiler's default of 128.
#![recursion_limit = "128"]

mod support;

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use gmp_core::{Chan, chan, select};
use support::{Hand, Life, Living};

/// A future arm that is ready when it is its turn.
struct Turn<'a>(&'a AtomicUsize, usize);

impl Future for Turn<'_> {
    type Output = ();
    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if self.0.load(Ordering::Relaxed) == self.1 { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// Nobody's turn.
const NOBODY: usize = usize::MAX;

/// Arms of the three kinds by turns: the arm `n` receives `n`, sends a value with that number, or is a future.
/// Gives the number of the one that won.
macro_rules! mixed {
    ($name:ident: $($recv:literal $send:literal $future:literal)+ $(, $last:literal)?) => {
        async fn $name(ch: &[Chan<Living>], turns: &AtomicUsize, life: &Life) -> usize {
            select! {
                $(
                    recv(ch[$recv]) -> got => { assert_eq!(got.unwrap().id, $recv); $recv }
                    send(ch[$send], life.make($send)) => $send,
                    () = Turn(turns, $future) => $future,
                )+
                $(recv(ch[$last]) -> got => { assert_eq!(got.unwrap().id, $last); $last })?
            }
        }
    };
}

mixed!(nine: 0 1 2  3 4 5  6 7 8);
mixed!(sixty_four:
    0 1 2  3 4 5  6 7 8  9 10 11  12 13 14  15 16 17  18 19 20
    21 22 23  24 25 26  27 28 29  30 31 32  33 34 35  36 37 38  39 40 41
    42 43 44  45 46 47  48 49 50  51 52 53  54 55 56  57 58 59  60 61 62,
    63);

/// Lets each arm win once, parked before and not, and looks at what is left of the others.
macro_rules! each_wins {
    ($name:ident, $arms:literal) => {
        let (life, turns) = (Life::default(), AtomicUsize::new(NOBODY));
        let ch: Vec<Chan<Living>> = (0..$arms).map(|_| chan(0)).collect();
        for n in 0..$arms {
            let mut waiting = Hand::waiting($name(&ch, &turns, &life));
            match n % 3 {
                0 => ch[n].try_send(life.make(n)).unwrap(),
                1 => assert_eq!(ch[n].try_recv().unwrap().id, n),
                _ => turns.store(n, Ordering::Relaxed),
            }
            assert_eq!(waiting.poll(), Some(n));
            turns.store(NOBODY, Ordering::Relaxed);
            drop(waiting);
            assert_eq!(life.alive(), 0, "after arm {n}");
            for (other, ch) in ch.iter().enumerate() {
                assert!(ch.try_send(life.make(other)).is_err(), "{other} waits after {n}");
                assert!(ch.try_recv().is_err(), "{other} waits after {n}");
            }
        }
        for n in (0..$arms).step_by(3) {
            let mut peer = Hand::waiting(ch[n].send(life.make(n)));
            assert_eq!(Hand::new($name(&ch, &turns, &life)).poll(), Some(n), "without parking");
            assert_eq!(peer.poll(), Some(()));
        }
        for n in (1..$arms).step_by(3) {
            let mut peer = Hand::waiting(ch[n].recv());
            assert_eq!(Hand::new($name(&ch, &turns, &life)).poll(), Some(n), "without parking");
            assert_eq!(peer.poll().unwrap().unwrap().id, n);
        }
        // Dropped while it is parked.
        drop(Hand::waiting($name(&ch, &turns, &life)));
        assert_eq!(life.alive(), 0);
        assert!(ch.iter().all(|ch| ch.try_send(life.make(0)).is_err() && ch.try_recv().is_err()));
    };
}

#[test]
fn nine_arms_of_all_kinds_each_win() {
    each_wins!(nine, 9);
}

#[test]
fn sixty_four_arms_of_all_kinds_each_win() {
    each_wins!(sixty_four, 64);
}
