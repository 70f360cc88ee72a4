//! Go's programs about `select`.

/// <https://github.com/golang/go/blob/master/test/chan/doubleselect.go>
mod doubleselect {
    use std::collections::HashSet;

    use gmp::{Chan, chan, go, select};

    const COUNT: u32 = 10_000;

    async fn send_each_once(chans: [Chan<u32>; 4]) {
        let [a, b, c, d] = &chans;
        for n in 0..COUNT {
            select! {
                send(a, n) => (),
                send(b, n) => (),
                send(c, n) => (),
                send(d, n) => (),
            }
        }
        chans.iter().for_each(Chan::close);
    }

    #[gmp::test]
    async fn no_value_is_sent_twice() {
        let chans = [(); 4].map(|()| chan::<u32>(0));
        let (merged, done) = (chan::<u32>(0), chan::<()>(4));
        for from in chans.clone() {
            let (to, done) = (merged.clone(), done.clone());
            drop(go(async move {
                while let Some(n) = from.recv().await {
                    to.send(n).await;
                }
                done.send(()).await;
            }));
        }
        drop(go(send_each_once(chans)));
        let (mut seen, mut ended) = (HashSet::new(), 0);
        while ended < 4 {
            select! {
                recv(merged) -> n => assert!(seen.insert(n.unwrap()), "sent twice"),
                recv(done) -> _ => ended += 1,
            }
        }
        assert_eq!(seen.len(), COUNT as usize);
    }
}

/// <https://github.com/golang/go/blob/master/test/chan/select.go>
mod select {
    use gmp::{Chan, chan, go, select};

    /// Nil every other time: a nil channel takes an arm out.
    fn if_any(shift: u32, ch: &Chan<u32>) -> Chan<u32> {
        if shift == 0 { Chan::nil() } else { ch.clone() }
    }

    async fn send_bits(mut a: u32, mut b: u32, to: [Chan<u32>; 2]) {
        while a != 0 || b != 0 {
            let (first, second) = (if_any(a, &to[0]), if_any(b, &to[1]));
            select! {
                send(first, a & 1) => a >>= 1,
                send(second, b & 1) => b >>= 1,
            }
        }
    }

    #[gmp::test]
    async fn arms_on_nil_channels_are_left_out() {
        let chans = [chan(0), chan(0)];
        let sender = go(send_bits(0b1011, 0b110, chans.clone()));
        let (mut ones, mut got) = (0, 0);
        while got < 4 + 3 {
            let bit = select! {
                recv(chans[0]) -> bit => bit,
                recv(chans[1]) -> bit => bit,
            };
            ones += bit.unwrap();
            got += 1;
        }
        assert_eq!(ones, 3 + 2);
        sender.await.unwrap();
    }
}

/// <https://github.com/golang/go/blob/master/test/chan/select2.go>
mod select2 {
    use gmp::{chan, go, select};

    // Go measures that memory does not grow. Here nothing of a select is on a list after it, so that
    // many in a row end with channels that nobody waits on.
    #[gmp::test]
    async fn selects_leave_nothing_on_the_channels_that_lost() {
        let (ch, idle) = (chan::<u32>(0), chan::<u32>(0));
        let other = ch.clone();
        let sender = go(async move {
            for n in 0..100_000 {
                other.send(n).await;
            }
        });
        for n in 0..100_000 {
            select! {
                recv(ch) -> got => assert_eq!(got, Some(n)),
                recv(idle) -> _ => unreachable!("nobody sends"),
            }
        }
        sender.await.unwrap();
        assert!(idle.try_send(1).is_err(), "nobody waits for it");
    }
}

/// <https://github.com/golang/go/blob/master/test/chan/select3.go>
mod select3 {
    use std::time::Duration;

    use gmp::time::timeout;
    use gmp::{Chan, chan, go, select, yield_now};

    use crate::panic_of;

    /// It neither ends nor panics.
    async fn blocks<F: Future>(future: F) {
        let limit = Duration::from_millis(2);
        assert!(timeout(limit, future).await.is_err(), "it should block");
    }

    #[gmp::test]
    async fn what_blocks_for_ever() {
        let (nil, ch, full) = (Chan::<u32>::nil(), chan::<u32>(0), chan::<u32>(1));
        full.send(0).await;
        blocks(nil.send(7)).await;
        blocks(nil.recv()).await;
        blocks(ch.send(7)).await;
        blocks(ch.recv()).await;
        blocks(full.send(7)).await;
        blocks(chan::<u32>(1).recv()).await;
        blocks(async {
            select! {}
        })
        .await;
        blocks(async {
            select! { recv(nil) -> _ => (), send(nil, 7) => () }
        })
        .await;
        blocks(async {
            select! { recv(ch) -> _ => (), send(ch, 7) => () }
        })
        .await;
    }

    #[gmp::test]
    async fn what_does_not_block() {
        let (nil, ch, closed) = (Chan::<u32>::nil(), chan::<u32>(1), chan::<u32>(0));
        closed.close();
        select! { recv(nil) -> _ => unreachable!(), send(nil, 7) => unreachable!(), default => () }
        select! { recv(ch) -> _ => unreachable!(), default => () }
        select! { send(ch, 8) => (), default => unreachable!() }
        select! { recv(ch) -> got => assert_eq!(got, Some(8)), default => unreachable!() }
        select! { recv(closed) -> got => assert_eq!(got, None) }
        let panics = panic_of(async move {
            select! { send(closed, 7) => () }
        })
        .await;
        assert_eq!(panics, "send on closed channel");
    }

    #[gmp::test]
    async fn a_peer_that_comes_later_is_met() {
        let (ch, nil) = (chan::<u32>(0), Chan::<u32>::nil());
        let other = ch.clone();
        let peer = go(async move {
            select! { recv(other) -> got => got, recv(nil) -> got => got }
        });
        // On several Ps the receiver may not wait yet.
        while !select! { send(ch, 5) => true, default => false } {
            yield_now().await;
        }
        assert_eq!(peer.await.unwrap(), Some(5));
    }
}

/// <https://github.com/golang/go/blob/master/test/chan/select4.go>
mod select4 {
    use gmp::{chan, select};

    #[gmp::test]
    async fn the_place_for_a_value_is_looked_up_only_if_the_arm_is_taken() {
        let (empty, ready) = (chan::<u32>(0), chan(1));
        ready.send(42).await;
        let place = |slot: Option<&'static str>| slot.expect("looked up without need");
        let got = select! {
            recv(empty) -> got => (place(None), got),
            recv(ready) -> got => (place(Some("here")), got),
        };
        assert_eq!(got, ("here", Some(42)));
    }
}

/// <https://github.com/golang/go/blob/master/test/chan/select5.go>
mod select5 {
    use std::cell::RefCell;

    use gmp::{Chan, chan, select};

    #[gmp::test]
    async fn channels_and_values_are_evaluated_once_in_the_order_of_the_source() {
        let log = RefCell::new(Vec::new());
        let note = |what: &'static str, ch: &Chan<u32>| {
            log.borrow_mut().push(what);
            ch.clone()
        };
        let value = |what: &'static str| {
            log.borrow_mut().push(what);
            7
        };
        let (nil, ready, never) = (Chan::nil(), chan(1), chan(0));
        let taken = select! {
            send(note("a", &nil), value("b")) => "nil",
            recv(note("c", &never)) -> _ => "never",
            send(note("d", &ready), value("e")) => "ready",
            recv(note("f", &nil)) -> _ => "nil",
        };
        assert_eq!((taken, ready.recv().await), ("ready", Some(7)));
        assert_eq!(*log.borrow(), ["a", "b", "c", "d", "e", "f"]);
    }
}

/// <https://github.com/golang/go/blob/master/test/chan/select6.go>
mod select6 {
    use gmp::{chan, go, select, yield_now};

    #[gmp::test]
    async fn a_select_that_won_elsewhere_is_gone_from_the_middle_of_the_queue() {
        let (first, second) = (chan::<bool>(0), chan::<bool>(0));
        let (one, two) = (first.clone(), first.clone());
        let receiver = go(async move { one.recv().await });
        yield_now().await;
        let (arm, other) = (first.clone(), second.clone());
        let selecting = go(async move {
            select! { recv(arm) -> _ => "first", recv(other) -> _ => "second" }
        });
        yield_now().await;
        let last = go(async move { two.recv().await });
        yield_now().await;
        second.send(true).await;
        assert_eq!(selecting.await.unwrap(), "second");
        first.send(true).await;
        first.send(true).await;
        assert_eq!((receiver.await.unwrap(), last.await.unwrap()), (Some(true), Some(true)));
    }
}

/// <https://github.com/golang/go/blob/master/test/chan/select7.go>
mod select7 {
    use gmp::{Chan, chan, go, select, yield_now};

    async fn receive(how: usize, ch: Chan<u32>) -> Option<u32> {
        let never = chan::<u32>(0);
        match how {
            0 => ch.recv().await,
            1 => select! { recv(ch) -> got => got },
            _ => select! { recv(ch) -> got => got, recv(never) -> _ => unreachable!() },
        }
    }

    async fn send(how: usize, ch: &Chan<u32>) {
        let never = chan::<u32>(0);
        match how {
            0 => ch.send(1).await,
            1 => select! { send(ch, 1) => () },
            2 => select! { send(ch, 1) => (), send(never, 2) => unreachable!() },
            // On several Ps the receiver may not wait yet.
            _ => {
                while !select! { send(ch, 1) => true, default => false } {
                    yield_now().await;
                }
            }
        }
    }

    #[gmp::test]
    async fn every_way_to_send_meets_every_way_to_receive() {
        for cap in [0, 1, 10] {
            for (to, from) in (0..4).flat_map(|to| (0..3).map(move |from| (to, from))) {
                let ch = chan(cap);
                let receiver = go(receive(from, ch.clone()));
                yield_now().await;
                send(to, &ch).await;
                assert_eq!(receiver.await.unwrap(), Some(1), "cap {cap}, ways {to} and {from}");
            }
        }
    }
}

/// <https://github.com/golang/go/blob/master/test/chan/select8.go>
mod select8 {
    use gmp::{chan, select};

    // In Go `break` leaves the select. Here an arm is a block of the function: a labelled block is left
    // instead, and a plain `break` leaves the loop around the select.
    #[gmp::test]
    async fn arms_can_break_continue_and_return() {
        let ch = chan::<u32>(1);
        ch.send(42).await;
        let mut rest = "not reached";
        'arm: {
            select! {
                recv(ch) -> got => {
                    if got == Some(42) {
                        break 'arm;
                    }
                    rest = "reached";
                }
                default => unreachable!("a value waits"),
            }
        }
        assert_eq!(rest, "not reached");
        let mut rounds = 0;
        loop {
            rounds += 1;
            select! {
                recv(ch) -> _ => unreachable!("it is empty"),
                default => {
                    if rounds < 3 {
                        continue;
                    }
                    break;
                }
            }
        }
        assert_eq!(rounds, 3);
    }
}
