//! `Select`: arms known at run time do what those of `select!` do.

mod support;

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use gmp_core::chan::{Select, SendError};
use gmp_core::context::{ContextError, background, with_cancel};
use gmp_core::runtime::Builder;
use gmp_core::sync::WaitGroup;
use gmp_core::{Chan, block_on, chan, channel, go, yield_now};
use support::{Hand, Life, panic_text, poll_once, rounds};

#[test]
fn every_kind_of_arm_gives_its_result() {
    block_on(async {
        let (ch, (tx, rx)) = (chan(1), channel(1));
        assert_eq!(Select::new().send(&ch, 1, |()| "sent").wait().await, "sent");
        assert_eq!(Select::new().recv(&ch, |got| got).wait().await, Some(1));
        assert_eq!(Select::new().send(&tx, 2, |sent| sent).wait().await, Ok(()));
        assert_eq!(Select::new().recv(&rx, |got| got).wait().await, Some(2));
        assert_eq!(Select::new().recv(&rx, |_| 'r').default(|| 'd').wait().await, 'd');
        let future = std::future::ready(3);
        assert_eq!(Select::new().future(future, |n| n + 1).wait().await, 4);
        let later = Duration::from_millis(1);
        assert_eq!(Select::new().recv(&rx, |_| 'r').after(later, || 'a').wait().await, 'a');
        drop(tx);
        assert_eq!(Select::new().recv(&rx, |got| got).wait().await, None);
        let (tx, rx) = channel(1);
        drop(rx);
        assert_eq!(Select::new().send(&tx, 5, |sent| sent).wait().await, Err(SendError(5)));
        let (ch, closed) = (chan(1), chan(0));
        assert_eq!(Select::new().send(ch.checked(), 6, |sent| sent).wait().await, Ok(()));
        closed.close();
        let sent = Select::new().send(closed.checked(), 7, |sent| sent).wait().await;
        assert_eq!((sent, ch.recv().await), (Err(SendError(7)), Some(6)));
    });
}

#[test]
fn arms_of_different_types_meet_in_one_result() {
    #[derive(Debug, PartialEq)]
    enum Event {
        Number(Option<u32>),
        Text(Option<String>),
        Done(ContextError),
    }
    block_on(async {
        let (numbers, texts) = (chan::<u32>(1), chan::<String>(1));
        let (ctx, cancel) = with_cancel(&background());
        let next = async || {
            let mut select = Select::new();
            select.recv(&numbers, Event::Number).recv(&texts, Event::Text);
            select.future(ctx.done(), Event::Done);
            select.wait().await
        };
        numbers.send(1).await;
        assert_eq!(next().await, Event::Number(Some(1)));
        texts.send("two".to_owned()).await;
        assert_eq!(next().await, Event::Text(Some("two".to_owned())));
        cancel.cancel();
        assert_eq!(next().await, Event::Done(ContextError::Canceled));
    });
}

#[test]
fn a_thousand_arms_each_have_their_turn() {
    block_on(async {
        let chans: Vec<Chan<usize>> = (0..1_000).map(|_| chan(0)).collect();
        for ready in [0, 999, 500] {
            let waiting = {
                let chans = chans.clone();
                go(async move {
                    let mut select = Select::new();
                    for (n, ch) in chans.iter().enumerate() {
                        select.recv(ch, move |got| (n, got));
                    }
                    assert_eq!(select.arms(), 1_000);
                    select.wait().await
                })
            };
            yield_now().await;
            chans[ready].send(ready).await;
            assert_eq!(waiting.await.unwrap(), (ready, Some(ready)));
        }
        assert!(chans.iter().all(|ch| ch.try_send(0).is_err()), "nobody is left in a queue");
    });
}

#[test]
fn one_channel_may_be_in_many_arms() {
    block_on(async {
        let ch = chan::<u32>(0);
        let other = ch.clone();
        let both = go(async move {
            let mut select = Select::new();
            for _ in 0..3 {
                select.recv(&other, |_| "received").send(&other, 1, |()| "sent");
            }
            select.wait().await
        });
        yield_now().await;
        assert_eq!(ch.recv().await, Some(1), "it does not meet itself");
        assert_eq!(both.await.unwrap(), "sent");
    });
}

#[test]
fn ready_arms_are_chosen_at_random_or_in_order() {
    block_on(async {
        const ARMS: usize = 8;
        let trials = rounds(8_000);
        let chans: Vec<Chan<()>> = (0..ARMS).map(|_| chan(1)).collect();
        let mut counts = [0_usize; ARMS];
        for _ in 0..trials {
            let mut select = Select::new();
            for (n, ch) in chans.iter().enumerate() {
                let _ = ch.try_send(());
                select.recv(ch, move |_| n);
            }
            counts[select.wait().await] += 1;
        }
        // Chi-square with 7 degrees of freedom: above 40.5 once in a million runs.
        let expected = trials as f64 / ARMS as f64;
        let chi: f64 = counts.iter().map(|n| (*n as f64 - expected).powi(2) / expected).sum();
        assert!(chi < 40.5, "{counts:?}: {chi}");
        let mut select = Select::new();
        for (n, ch) in chans.iter().enumerate() {
            let _ = ch.try_send(());
            select.recv(ch, move |_| n);
        }
        chans[0].recv().await;
        assert_eq!(select.biased().wait().await, 1);
    });
}

#[test]
fn a_select_may_be_filled_again() {
    block_on(async {
        let (ch, mut select) = (chan(4), Select::new());
        for n in 0..3 {
            ch.send(n).await;
            assert_eq!(select.recv(&ch, |got| got).wait().await, Some(n));
            assert_eq!(select.arms(), 0);
        }
    });
}

#[test]
fn no_arm_waits_for_ever_and_a_default_alone_does_not() {
    block_on(async {
        assert!(poll_once(pin!(Select::<()>::new().wait())).is_pending());
        assert_eq!(Select::new().default(|| 1).wait().await, 1);
        let nil = Chan::<u32>::nil();
        let mut select = Select::new();
        select.recv(&nil, |_| ()).send(&nil, 1, |()| ());
        assert!(poll_once(pin!(select.wait())).is_pending());
    });
}

#[test]
fn misuse_panics_with_gos_words() {
    let closed = chan(1);
    closed.close();
    let text = panic_text(|| {
        let mut select = Select::new();
        let _ = poll_once(pin!(select.send(&closed, 1, |()| ()).wait()));
    });
    assert_eq!(text, "send on closed channel");
    let text = panic_text(|| drop(Select::new().default(|| ()).default(|| ()).wait()));
    assert_eq!(text, "gmp: a select has at most one default");
}

#[test]
fn a_panic_in_the_function_of_an_arm_loses_nothing_else() {
    let life = Life::default();
    let (a, b) = (chan(1), chan(1));
    a.try_send(life.make(1)).unwrap();
    let text = panic_text(|| {
        let mut select = Select::new();
        select.send(&b, life.make(2), |()| ()).biased();
        select.recv(&a, |_| panic!("the user's"));
        let _ = b.try_send(life.make(3));
        let _ = poll_once(pin!(select.wait()));
    });
    assert_eq!(text, "the user's");
    assert_eq!((life.alive(), b.try_recv().unwrap().id), (1, 3));
}

#[test]
fn dropping_it_gives_back_what_was_handed_over_and_drops_what_was_not_sent() {
    let life = Life::default();
    block_on(async {
        let (a, b) = (chan(0), chan(0));
        let mut select = Select::new();
        select.recv(&a, |_| unreachable!("it is dropped")).send(&b, life.make(1), |()| ());
        let mut waiting = Box::pin(select.wait());
        assert!(poll_once(waiting.as_mut()).is_pending());
        a.try_send(life.make(2)).unwrap();
        drop(waiting);
        assert_eq!((life.alive(), a.try_recv().unwrap().id), (1, 2));
        assert!(b.try_recv().is_err(), "no sender is left");
    });
    assert_eq!(life.alive(), 0);
}

#[test]
fn it_is_woken_once_by_the_arm_that_wins() {
    let (a, b) = (chan(0), chan(0));
    let mut select = Select::new();
    select.recv(&a, |got| got).recv(&b, |got| got);
    let mut waiting = Hand::waiting(select.wait());
    a.try_send(1).unwrap();
    assert!(b.try_send(2).is_err(), "the select is won");
    assert_eq!((waiting.wakes(), waiting.poll()), (1, Some(Some(1))));
}

#[test]
fn a_plain_thread_may_select() {
    for _ in 0..rounds(200) {
        let (work, quit) = (chan::<u32>(0), chan::<()>(0));
        std::thread::scope(|scope| {
            let worker = scope.spawn(|| {
                let mut jobs = 0;
                loop {
                    let mut select = Select::new();
                    select.recv(&work, |_| true).recv(&quit, |_| false);
                    if !select.blocking_wait() {
                        return jobs;
                    }
                    jobs += 1;
                }
            });
            (0..3).for_each(|n| work.blocking_send(n));
            quit.close();
            assert_eq!(worker.join().unwrap(), 3);
        });
    }
}

#[test]
fn selects_on_both_sides_exchange_everything_on_many_ps() {
    for procs in [1, 2, 4] {
        Builder::new().procs(procs).build().block_on(async {
            let each = rounds(500);
            let (chans, sum) = ([(); 4].map(|()| chan::<usize>(0)), Arc::new(AtomicUsize::new(0)));
            let wg = WaitGroup::new();
            for _ in 0..4 {
                let (from, to, sum) = (chans.clone(), chans.clone(), sum.clone());
                wg.go(async move {
                    for n in 1..=each {
                        let mut select = Select::new();
                        for ch in &to {
                            select.send(ch, n, |()| ());
                        }
                        select.wait().await;
                    }
                });
                wg.go(async move {
                    for _ in 0..each {
                        let mut select = Select::new();
                        for ch in &from {
                            select.recv(ch, |got| got.unwrap());
                        }
                        sum.fetch_add(select.wait().await, Ordering::Relaxed);
                    }
                });
            }
            wg.wait().await;
            assert_eq!(sum.load(Ordering::Relaxed), 4 * each * (each + 1) / 2);
        });
    }
}
