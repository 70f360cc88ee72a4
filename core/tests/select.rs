//! `select!`: fairness, default, bias, future arms, and what a parked select does.
// Deep macros are part of what is tested: the limit stays at the compiler's default of 128.
#![recursion_limit = "128"]

mod support;

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use futures_util::future::{join, ready};
use futures_util::stream::{FuturesUnordered, StreamExt};
use gmp_core::{Chan, block_on, chan, channel, go, select, yield_now};
use support::{Counter, Hand, Life, Rng, panic_text, poll, poll_once, rounds};

/// Whether `counts` may come from equal chances: chi-square at 1 in a million, for up to 8 classes.
fn even(counts: &[usize]) -> bool {
    let expected = counts.iter().sum::<usize>() as f64 / counts.len() as f64;
    let square = |n: &usize| (*n as f64 - expected).powi(2) / expected;
    counts.iter().map(square).sum::<f64>()
        < [0.0, 23.9, 27.6, 30.7, 33.4, 35.9, 38.3, 40.5][counts.len() - 1]
}

#[test]
fn ready_arms_win_equally_often() {
    block_on(async {
        let ch: Vec<Chan<()>> = (0..4).map(|_| chan(1)).collect();
        ch[0].send(()).await;
        ch[1].send(()).await;
        ch[2].close();
        let mut wins = [0; 4];
        for _ in 0..rounds(4_000) {
            select! {
                recv(ch[0]) -> _ => { wins[0] += 1; ch[0].send(()).await }
                recv(ch[1]) -> _ => { wins[1] += 1; ch[1].send(()).await }
                recv(ch[2]) -> _ => wins[2] += 1,
                send(ch[3], ()) => { wins[3] += 1; ch[3].recv().await; }
            }
        }
        assert!(even(&wins), "{wins:?}");
    });
}

#[test]
fn futures_and_channels_win_equally_often() {
    block_on(async {
        let ch = chan::<()>(0);
        ch.close();
        let mut wins = [0; 3];
        for _ in 0..rounds(3_000) {
            select! {
                _ = ready(()) => wins[0] += 1,
                recv(ch) -> _ => wins[1] += 1,
                () = ready(()) => wins[2] += 1,
            }
        }
        assert!(even(&wins), "{wins:?}");
    });
}

#[test]
fn selects_on_both_sides_are_fair() {
    block_on(async {
        let (a, b, done) = (chan::<()>(0), chan::<()>(0), chan::<()>(0));
        let (tx_a, tx_b, stop) = (a.clone(), b.clone(), done.clone());
        let sender = go(async move {
            loop {
                select! {
                    send(tx_a, ()) => {}
                    send(tx_b, ()) => {}
                    recv(stop) -> _ => break,
                }
            }
        });
        let mut wins = [0; 2];
        for _ in 0..rounds(4_000) {
            select! {
                recv(a) -> _ => wins[0] += 1,
                recv(b) -> _ => wins[1] += 1,
            }
        }
        done.close();
        sender.await.unwrap();
        assert!(even(&wins), "{wins:?}");
    });
}

#[test]
fn with_biased_the_first_ready_arm_wins_whatever_its_kind() {
    block_on(async {
        let (empty, closed) = (chan::<u8>(0), chan::<u8>(0));
        closed.close();
        for _ in 0..100 {
            let first = select! { biased;
                recv(empty) -> _ => "empty",
                recv(closed) -> _ => "closed",
                _ = ready(()) => "future",
                default => "default",
            };
            assert_eq!(first, "closed");
            let first = select! { biased;
                recv(empty) -> _ => "empty",
                _ = ready(()) => "future",
                recv(closed) -> _ => "closed",
            };
            assert_eq!(first, "future");
        }
    });
}

#[test]
fn default_runs_only_if_no_arm_is_ready() {
    block_on(async {
        let ch = chan(1);
        let got = select! { recv(ch) -> v => v, default => Some(0) };
        assert_eq!(got, Some(0));
        let sent = select! { send(ch, 1) => true, default => false };
        assert!(sent && ch.len() == 1);
        let sent = select! { send(ch, 2) => true, default => false };
        assert!(!sent && ch.len() == 1);
        let got = select! { recv(ch) -> v => v, default => Some(0) };
        assert_eq!(got, Some(1));
        let only = select! { default => 7 };
        assert_eq!(only, 7);
        let pending = select! { _ = std::future::pending::<()>() => 1, default => 2 };
        assert_eq!(pending, 2);
    });
}

#[test]
fn arms_on_nil_channels_are_never_ready_and_keep_their_values() {
    let life = Life::default();
    block_on(async {
        let nil = Chan::nil();
        let other = chan(1);
        other.send(1).await;
        let got = select! {
            recv(nil) -> _ => None,
            send(nil, life.make(1)) => None,
            recv(other) -> v => v,
        };
        assert_eq!(got, Some(1));
        let idle = select! { recv(nil) -> _ => false, default => true };
        assert!(idle && life.alive() == 0);
    });
}

#[test]
fn the_value_of_an_arm_on_a_nil_channel_is_not_dropped_under_the_locks() {
    /// Uses a channel of the same select when it is dropped.
    struct Uses(Chan<u8>);
    impl Drop for Uses {
        fn drop(&mut self) {
            let _ = self.0.try_recv();
        }
    }
    block_on(async {
        let (nil, ch) = (Chan::nil(), chan(0));
        for _ in 0..20 {
            select! {
                send(nil, Uses(ch.clone())) => unreachable!(),
                recv(ch) -> _ => unreachable!(),
                default => {}
            }
        }
        let mut parked = Box::pin(async {
            select! {
                send(nil, Uses(ch.clone())) => unreachable!(),
                recv(ch) -> v => v,
            }
        });
        assert!(poll_once(parked.as_mut()).is_pending());
        ch.close();
        assert_eq!(poll_once(parked.as_mut()), Poll::Ready(None));
    });
}

#[test]
fn a_select_without_arms_waits_for_ever() {
    let mut never = Box::pin(async {
        select! {}
    });
    assert!(poll_once(never.as_mut()).is_pending());
    assert!(poll_once(never.as_mut()).is_pending());
}

#[test]
fn a_send_arm_on_a_closed_channel_panics_only_if_it_is_chosen() {
    block_on(async {
        let closed = chan(0);
        closed.close();
        let text = panic_text(|| {
            let _ = poll_once(pin!(async {
                select! { send(closed, 1) => {} }
            }));
        });
        assert_eq!(text, "send on closed channel");
        let other = select! { biased; _ = ready(()) => 1, send(closed, 1) => 2 };
        assert_eq!(other, 1);
        let (tx, rx) = channel(0);
        drop(rx);
        let result = select! { send(tx, 5) -> result => result };
        assert_eq!(result, Err(gmp_core::chan::SendError(5)));
        let (open, life) = (chan(1), Life::default());
        let result = select! { send(open.checked(), life.make(6)) -> result => result };
        assert_eq!((result.is_ok(), open.try_recv().unwrap().id), (true, 6));
        open.close();
        let result = select! { send(open.checked(), life.make(7)) -> result => result };
        assert_eq!(result.unwrap_err().0.id, 7, "the value comes back");
        let nil = Chan::nil();
        assert!(select! { send(nil.checked(), life.make(8)) -> _ => false, default => true });
        assert_eq!(life.alive(), 0);
    });
}

#[test]
fn closing_gives_a_parked_checked_arm_its_value_back() {
    let (ch, other) = (chan(0), chan::<u8>(0));
    let mut select = Hand::waiting(async {
        select! { send(ch.checked(), 7) -> result => result, recv(other) -> _ => Ok(()) }
    });
    ch.close();
    assert_eq!(select.poll(), Some(Err(gmp_core::chan::SendError(7))));
}

#[test]
fn closing_wakes_a_parked_select() {
    block_on(async {
        let (a, b) = (chan::<u8>(0), chan::<u8>(0));
        let (ra, sb) = (a.clone(), b.clone());
        let receiving = go(async move {
            select! { recv(ra) -> v => v.is_none(), _ = std::future::pending::<()>() => false }
        });
        let sending = go(async move {
            select! { send(sb, 1) => {}, recv(Chan::<()>::nil()) -> _ => {} }
        });
        yield_now().await;
        a.close();
        b.close();
        assert!(receiving.await.unwrap());
        let payload = sending.await.unwrap_err().try_into_panic().unwrap();
        assert_eq!(support::text(&*payload), "send on closed channel");
    });
}

#[test]
fn one_channel_in_several_arms_gives_one_value_once() {
    block_on(async {
        let ch = chan(0);
        let rx = ch.clone();
        let receiver = go(async move {
            let mut got = Vec::new();
            for _ in 0..50 {
                got.push(select! { recv(rx) -> v => v.unwrap(), recv(rx) -> v => v.unwrap() });
            }
            got
        });
        for i in 0..50 {
            select! { send(ch, i) => {}, send(ch, i) => {} }
        }
        assert!(receiver.await.unwrap().into_iter().eq(0..50));
        assert_eq!(ch.try_recv(), Err(gmp_core::chan::TryRecvError::Empty));
    });
}

#[test]
fn a_select_does_not_meet_itself() {
    block_on(async {
        let ch = chan(0);
        let idle = select! { send(ch, 1) => false, recv(ch) -> _ => false, default => true };
        assert!(idle);
        let counter = Counter::new();
        let mut both = Box::pin(async {
            select! { send(ch, 1) => 0, recv(ch) -> v => v.unwrap() }
        });
        assert!(poll(both.as_mut(), &counter).is_pending());
        assert!(
            poll(both.as_mut(), &Counter::new()).is_pending(),
            "nor when another task polls it"
        );
        ch.try_send(9).unwrap();
        assert_eq!(poll_once(both.as_mut()), Poll::Ready(9));
    });
}

#[test]
fn two_selects_of_one_goroutine_meet() {
    block_on(async {
        let (ch, never) = (chan(0), chan::<()>(0));
        let sending = async {
            select! { send(ch, 7) => true, recv(never) -> _ => false }
        };
        let receiving = async {
            select! { recv(ch) -> v => v, recv(never) -> _ => None }
        };
        assert_eq!(join(sending, receiving).await, (true, Some(7)));
        assert_eq!(join(ch.send(8), ch.recv()).await, ((), Some(8)));
    });
}

#[test]
fn a_dropped_select_gives_the_value_back() {
    block_on(async {
        let (a, b) = (chan(0), chan::<u8>(0));
        let mut parked = Box::pin(async {
            select! { recv(a) -> v => v, recv(b) -> v => v }
        });
        assert!(poll_once(parked.as_mut()).is_pending());
        a.try_send(1).unwrap();
        drop(parked);
        assert_eq!((a.len(), a.try_recv()), (1, Ok(1)));
    });
}

#[test]
fn a_dropped_select_leaves_no_arm_behind() {
    let life = Life::default();
    block_on(async {
        let (a, b) = (chan(0), chan::<u8>(0));
        let mut parked = Box::pin(async {
            select! { send(a, life.make(1)) => {}, recv(b) -> _ => {} }
        });
        assert!(poll_once(parked.as_mut()).is_pending());
        drop(parked);
        assert_eq!(life.alive(), 0);
        assert!(a.try_recv().is_err() && b.try_send(1).is_err());
    });
}

#[test]
fn losing_sends_keep_their_values_until_the_select_is_over() {
    let life = Life::default();
    block_on(async {
        let ch: Vec<Chan<support::Living>> = (0..3).map(|_| chan(0)).collect();
        let mut parked = Box::pin(async {
            select! {
                send(ch[0], life.make(0)) => 0,
                send(ch[1], life.make(1)) => 1,
                send(ch[2], life.make(2)) => 2,
            }
        });
        assert!(poll_once(parked.as_mut()).is_pending());
        assert_eq!(ch[1].try_recv().unwrap().id, 1);
        assert!(ch[0].try_recv().is_err() && ch[2].try_recv().is_err(), "the select is decided");
        assert_eq!(poll_once(parked.as_mut()), Poll::Ready(1));
        assert_eq!(life.alive(), 0);
    });
}

#[test]
fn arms_are_evaluated_once_and_in_order() {
    let order = AtomicUsize::new(0);
    let next = |n| assert_eq!(order.fetch_add(1, Ordering::Relaxed), n);
    block_on(async {
        let ch = chan(1);
        select! {
            recv({ next(0); Chan::<u8>::nil() }) -> _ => {}
            send({ next(1); ch.clone() }, { next(2); 1 }) => {}
            () = { next(3); std::future::pending::<()>() } => {}
        }
    });
    assert_eq!(order.into_inner(), 4);
}

#[test]
fn bodies_may_break_return_and_use_question_marks() {
    async fn run(ch: &Chan<u32>) -> Result<u32, std::num::ParseIntError> {
        let mut sum = 0;
        loop {
            select! {
                recv(ch) -> value => match value {
                    Some(0) => continue,
                    Some(1) => return Ok(sum),
                    Some(2) => sum += "x2".parse::<u32>()?,
                    Some(value) => sum += value,
                    None => break,
                },
                default => break,
            }
        }
        Ok(100 + sum)
    }
    block_on(async {
        let ch = chan(9);
        for value in [0, 7, 1, 8, 2, 9] {
            ch.send(value).await;
        }
        assert_eq!(run(&ch).await, Ok(7));
        assert!(run(&ch).await.is_err());
        assert_eq!(run(&ch).await, Ok(109));
    });
}

#[test]
fn a_future_arm_keeps_its_progress_when_it_is_borrowed() {
    block_on(async {
        let ticks = chan(0);
        let tx = ticks.clone();
        drop(go(async move {
            for i in 0..3 {
                tx.send(i).await;
            }
            tx.close();
        }));
        let slow = async {
            for _ in 0..10 {
                yield_now().await;
            }
            "slow"
        };
        let (mut slow, mut seen) = (pin!(slow), 0);
        let end = loop {
            select! {
                end = slow.as_mut() => break end,
                recv(ticks) -> tick => match tick {
                    Some(_) => seen += 1,
                    None => break slow.await,
                },
            }
        };
        assert_eq!((end, seen), ("slow", 3));
    });
}

#[test]
fn a_parked_select_with_a_future_hears_both() {
    block_on(async {
        let (ch, gate) = (chan::<u8>(0), chan::<u8>(0));
        for first in [true, false] {
            let (rx, future) = (ch.clone(), gate.clone());
            let parked = go(async move {
                select! { recv(rx) -> v => v, v = future.recv() => v }
            });
            yield_now().await;
            if first { &ch } else { &gate }.send(3).await;
            assert_eq!(parked.await.unwrap(), Some(3));
        }
    });
}

#[test]
fn selects_inside_a_futures_unordered_are_woken_one_by_one() {
    block_on(async {
        let ch: [Chan<usize>; 2] = [chan(0), chan(0)];
        let one = |_| {
            let [a, b] = ch.clone();
            async move {
                select! { recv(a) -> v => v.unwrap(), recv(b) -> v => v.unwrap() }
            }
        };
        let mut all: FuturesUnordered<_> = (0..8).map(one).collect();
        let send = |i: usize| {
            let ch = ch[i % 2].clone();
            go(async move { ch.send(1).await })
        };
        let senders: Vec<_> = (0..8).map(send).collect();
        let mut sum = 0;
        while let Some(value) = all.next().await {
            sum += value;
        }
        drop(all);
        assert_eq!(sum, 8);
        for sender in senders {
            sender.await.unwrap();
        }
    });
}

/// Goroutines that select at random over the same channels, sending and receiving.
#[test]
fn values_go_from_select_to_select_once_each() {
    const GOROUTINES: usize = 8;
    let each = rounds(300);
    let sum = Arc::new(AtomicUsize::new(0));
    block_on(async {
        let ch: Vec<Chan<usize>> = (0..3).map(|i| chan(i % 2)).collect();
        let mut all = Vec::new();
        for g in 0..GOROUTINES {
            let (ch, sum) = (ch.clone(), sum.clone());
            all.push(go(async move {
                let mut rng = Rng::new(g as u64 + 1);
                let (mut sent, mut received) = (0, 0);
                while sent < each || received < each {
                    let pick = |rng: &mut Rng, on: bool| {
                        if on { ch[rng.below(3)].clone() } else { Chan::nil() }
                    };
                    let (tx, rx) = (pick(&mut rng, sent < each), pick(&mut rng, received < each));
                    let rx2 = pick(&mut rng, received < each);
                    select! {
                        send(tx, sent) => sent += 1,
                        recv(rx) -> v => { received += 1; sum.fetch_add(v.unwrap(), Ordering::Relaxed); }
                        recv(rx2) -> v => { received += 1; sum.fetch_add(v.unwrap(), Ordering::Relaxed); }
                        // The last ones may each wait for a channel that nobody else picked.
                        () = yield_now() => {}
                    }
                }
            }));
        }
        for handle in all {
            handle.await.unwrap();
        }
    });
    assert_eq!(sum.load(Ordering::Relaxed), GOROUTINES * each * (each - 1) / 2);
}

/// An expression of another macro's may be the body of any arm.
#[test]
fn another_macro_may_pass_the_bodies_on() {
    macro_rules! first {
        ($ch:expr, $got:expr, $sent:expr, $other:expr, $none:expr) => {
            select! {
                biased;
                recv($ch) -> _ => $got,
                send($ch, 1) => $sent,
                () = std::future::pending() => $other,
                default => $none,
            }
        };
    }
    block_on(async {
        let ch = chan(1);
        let turn = async || first!(ch, "got", "sent", "other", "none");
        assert_eq!((turn().await, turn().await), ("sent", "got"));
        assert_eq!(first!(Chan::<i32>::nil(), 1, 2, 3, { 4 }), 4);
    });
}

macro_rules! wide {
    ($ch:ident, $($i:literal)*) => {
        select! { $(recv($ch[$i]) -> v => (v, $i),)* }
    };
}

#[test]
fn a_select_may_have_64_arms() {
    block_on(async {
        let ch: Vec<Chan<usize>> = (0..64).map(|_| chan(0)).collect();
        for sent in [0, 31, 63] {
            let tx = ch[sent].clone();
            let sender = go(async move { tx.send(sent).await });
            let (value, arm) = wide!(ch,
                0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31
                32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59 60
                61 62 63);
            assert_eq!((value, arm), (Some(sent), sent));
            sender.await.unwrap();
        }
    });
}

#[test]
fn arms_of_a_forgotten_select_leave_the_channel() {
    use gmp_core::chan::{ArmList, NoArms, SelectArms};
    let life = Life::default();
    block_on(async {
        let (rx, tx) = (chan(0), chan(0));
        {
            let (mut recv, mut send) = (pin!(rx.recv_arm()), pin!(tx.send_arm(life.make(1))));
            let list = NoArms.with(recv.as_mut()).with(send.as_mut());
            let mut forgotten = Box::pin(SelectArms::new(list, false, false));
            assert!(poll_once(forgotten.as_mut()).is_pending());
            std::mem::forget(forgotten);
        }
        assert_eq!(life.alive(), 0);
        assert!(rx.try_send(1).is_err() && tx.try_recv().is_err());
    });
}

#[test]
fn a_select_keeps_its_place_while_a_future_arm_is_polled() {
    block_on(async {
        let (ch, polls) = (chan::<u32>(0), Arc::new(AtomicUsize::new(0)));
        let restless = {
            let polls = polls.clone();
            async move {
                for _ in 0..3 {
                    polls.fetch_add(1, Ordering::Relaxed);
                    yield_now().await;
                }
                std::future::pending::<()>().await;
            }
        };
        let first = ch.clone();
        let first = go(async move {
            select! {
                recv(first) -> value => value,
                () = restless => None,
            }
        });
        yield_now().await;
        let second = ch.clone();
        let second = go(async move { second.recv().await });
        for _ in 0..8 {
            yield_now().await;
        }
        assert_eq!(polls.load(Ordering::Relaxed), 3);
        ch.send(1).await;
        ch.send(2).await;
        assert_eq!((first.await.unwrap(), second.await.unwrap()), (Some(1), Some(2)));
    });
}

#[test]
fn what_comes_while_a_future_arm_is_polled_is_not_missed() {
    // The future arm itself uses the channel that its select is parked on.
    for cap in [0, 1] {
        block_on(async move {
            let ch = chan::<u32>(cap);
            let sender = ch.clone();
            let mut sends = pin!(async move {
                yield_now().await;
                sender.send(7).await;
                std::future::pending::<()>().await;
            });
            let got = select! {
                recv(ch) -> value => value,
                () = &mut sends => None,
            };
            assert_eq!(got, Some(7), "capacity {cap}");
        });
    }
}

#[test]
fn a_channel_that_is_closed_while_a_future_arm_is_polled_ends_the_select() {
    block_on(async {
        let ch = chan::<u32>(0);
        let closer = ch.clone();
        let mut closes = pin!(async move {
            yield_now().await;
            closer.close();
            std::future::pending::<()>().await;
        });
        let closed = select! {
            recv(ch) -> value => value.is_none(),
            () = &mut closes => false,
        };
        assert!(closed);
    });
}

#[test]
fn one_arm_wins_when_a_future_and_a_peer_come_at_once() {
    let runtime = gmp_core::runtime::Builder::new().procs(4).build();
    let values = rounds(4_000) as u32;
    let main = runtime.go(async move {
        let ch = chan::<u32>(0);
        let senders: Vec<_> = (0..2)
            .map(|_| {
                let ch = ch.clone();
                go(async move {
                    for value in 1..=values {
                        ch.send(value).await;
                    }
                })
            })
            .collect();
        let (mut sum, mut received, mut yielded) = (0u64, 0, 0u64);
        while received < 2 * values {
            select! {
                recv(ch) -> value => { sum += u64::from(value.unwrap()); received += 1; }
                () = async { yield_now().await; yield_now().await } => yielded += 1,
            }
        }
        for sender in senders {
            sender.await.unwrap();
        }
        (sum, yielded)
    });
    let (sum, _) = runtime.block_on(main).unwrap();
    assert_eq!(sum, u64::from(values) * (u64::from(values) + 1));
}

/// A peer takes an arm out of its line whose select another arm has won; the select must not do it again.
#[test]
fn an_arm_that_lost_is_out_of_its_line_when_its_select_goes_on() {
    let (a, b) = (chan::<u8>(0), chan::<u8>(0));
    let mut select = Hand::waiting(async {
        gmp_core::select! { recv(a) -> got => got, recv(b) -> got => got }
    });
    assert!(a.try_send(1).is_ok());
    assert!(b.try_send(2).is_err(), "nobody waits for it any more");
    let mut next = Hand::waiting(b.recv());
    assert_eq!(select.poll(), Some(Some(1)));
    assert!(b.try_send(3).is_ok(), "the next is still in line");
    assert_eq!(next.poll(), Some(Some(3)));
}
