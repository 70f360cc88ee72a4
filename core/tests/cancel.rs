//! Futures that are dropped, moved or aborted at any moment lose no value and leave nothing behind.

mod support;

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use gmp_core::{Chan, block_on, chan, channel, go, select, yield_now};
use support::{Counter, Life, Living, Rng, poll, poll_once, rounds};

#[test]
fn a_receiver_dropped_after_the_handoff_gives_the_value_back_to_the_front() {
    block_on(async {
        let ch = chan(2);
        let mut recv = Box::pin(ch.recv());
        assert!(poll_once(recv.as_mut()).is_pending());
        for i in 0..3 {
            ch.send(i).await;
        }
        assert_eq!((ch.len(), ch.try_send(9).is_err()), (2, true));
        drop(recv);
        assert_eq!(ch.len(), 3, "one more than its capacity, for a moment");
        assert!(ch.try_send(9).is_err());
        for i in 0..3 {
            assert_eq!(ch.recv().await, Some(i));
        }
    });
}

#[test]
fn a_value_given_back_goes_to_the_next_receiver() {
    block_on(async {
        let ch = chan(0);
        let mut first = Box::pin(ch.recv());
        assert!(poll_once(first.as_mut()).is_pending());
        let rx = ch.clone();
        let second = go(async move { rx.recv().await });
        yield_now().await;
        ch.try_send(1).unwrap();
        drop(first);
        assert_eq!(second.await.unwrap(), Some(1));
    });
}

#[test]
fn a_value_given_back_to_a_closed_channel_is_still_received() {
    let (tx, rx) = channel(0);
    let mut recv = Box::pin(rx.recv());
    assert!(poll_once(recv.as_mut()).is_pending());
    tx.try_send(1).unwrap();
    drop(tx);
    drop(recv);
    assert_eq!((rx.try_recv(), rx.try_recv().is_err()), (Ok(1), true));
}

#[test]
fn a_dropped_send_takes_its_value_with_it_unless_it_was_taken() {
    let life = Life::default();
    let ch = chan(0);
    let mut send = Box::pin(ch.send(life.make(1)));
    assert!(poll_once(send.as_mut()).is_pending());
    drop(send);
    assert_eq!((life.alive(), ch.try_recv().is_err()), (0, true));
    let mut send = Box::pin(ch.send(life.make(2)));
    assert!(poll_once(send.as_mut()).is_pending());
    let taken = ch.try_recv().unwrap();
    drop(send);
    assert_eq!((life.alive(), taken.id), (1, 2));
    drop(ch.send(life.make(3)));
    assert_eq!(life.alive(), 1, "never polled");
}

#[test]
fn a_send_released_by_close_drops_its_value_once() {
    let life = Life::default();
    let ch = chan(0);
    let mut send = Box::pin(ch.send_checked(life.make(1)));
    assert!(poll_once(send.as_mut()).is_pending());
    ch.close();
    drop(send);
    assert_eq!(life.alive(), 0);
}

#[test]
fn aborting_drops_the_future_and_unlinks_what_it_waited_for() {
    let life = Life::default();
    block_on(async {
        let ch = chan::<u8>(0);
        let (rx, value) = (ch.clone(), life.make(1));
        let waiting = go(async move {
            let _value = value;
            rx.recv().await
        });
        yield_now().await;
        let abort = waiting.abort_handle();
        abort.clone().abort();
        assert!(!abort.is_finished(), "when it would next be polled");
        assert!(waiting.await.unwrap_err().is_aborted());
        assert!(abort.is_finished());
        abort.abort();
        assert_eq!(life.alive(), 0);
        assert!(ch.try_send(1).is_err(), "no receiver is left");
    });
}

#[test]
fn aborting_before_the_first_poll_or_from_inside_works_too() {
    let life = Life::default();
    block_on(async {
        let value = life.make(1);
        let never = go(async move {
            drop(value);
            unreachable!()
        });
        never.abort();
        assert!(never.await.unwrap_err().is_aborted());
        let me = chan(1);
        let (rx, value) = (me.clone(), life.make(2));
        let handle = go(async move {
            let me: gmp_core::AbortHandle = rx.recv().await.unwrap();
            me.abort();
            let _value = value;
            yield_now().await;
            unreachable!()
        });
        me.send(handle.abort_handle()).await;
        assert!(handle.await.unwrap_err().is_aborted());
    });
    assert_eq!(life.alive(), 0);
}

#[test]
fn aborting_a_goroutine_that_finished_changes_nothing() {
    block_on(async {
        let handle = go(async { 1 });
        yield_now().await;
        handle.abort();
        assert_eq!(handle.await.unwrap(), 1);
        let handle = go(async { 2 });
        let abort = handle.abort_handle();
        assert_eq!(handle.await.unwrap(), 2);
        abort.abort();
    });
}

#[test]
fn a_value_handed_to_an_aborted_goroutine_is_not_lost() {
    block_on(async {
        let ch = chan(0);
        let rx = ch.clone();
        let waiting = go(async move { rx.recv().await });
        yield_now().await;
        ch.send(1).await;
        waiting.abort();
        assert!(waiting.await.unwrap_err().is_aborted());
        assert_eq!(ch.try_recv(), Ok(1));
    });
}

#[test]
fn a_future_that_moves_to_another_task_keeps_its_place() {
    let (one, two) = (Counter::new(), Counter::new());
    let ch = chan(0);
    let mut first = Box::pin(ch.recv());
    let mut second = Box::pin(ch.recv());
    assert!(poll(first.as_mut(), &one).is_pending() && poll(second.as_mut(), &one).is_pending());
    assert!(poll(first.as_mut(), &two).is_pending());
    ch.try_send(1).unwrap();
    assert_eq!((one.wakes(), two.wakes()), (0, 1));
    assert_eq!(poll(first.as_mut(), &one), Poll::Ready(Some(1)));
    ch.try_send(2).unwrap();
    assert_eq!((one.wakes(), two.wakes()), (1, 1));
    drop(second);
    let mut first = Box::pin(ch.send(3));
    let mut second = Box::pin(ch.send(4));
    assert_eq!(ch.try_recv(), Ok(2));
    assert!(poll(first.as_mut(), &one).is_pending() && poll(second.as_mut(), &one).is_pending());
    assert!(poll(first.as_mut(), &two).is_pending());
    assert_eq!((ch.try_recv(), two.wakes()), (Ok(3), 2));
}

#[test]
fn a_future_that_moves_between_goroutines_wakes_the_one_that_has_it() {
    block_on(async {
        let ch: &'static Chan<u32> = Box::leak(Box::new(chan(0)));
        let hand_over = chan(1);
        let mut recv = Box::pin(ch.recv());
        std::future::poll_fn(|cx| {
            assert!(recv.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        let rx = hand_over.clone();
        let other = go(async move {
            let recv: Pin<Box<gmp_core::chan::Recv<'static, u32>>> = rx.recv().await.unwrap();
            recv.await
        });
        hand_over.send(recv).await;
        yield_now().await;
        ch.send(5).await;
        assert_eq!(other.await.unwrap(), Some(5));
    });
}

/// What a task of a random program does, and what it waits for by now.
struct Task {
    future: Option<Pin<Box<dyn Future<Output = ()>>>>,
    waits: Rc<RefCell<Waits>>,
    /// The waker of the last poll, and how often it had been woken then.
    waker: Arc<Counter>,
    seen: usize,
}

/// Channels that a parked task would receive from and send to.
#[derive(Default, Clone)]
struct Waits {
    recv: Vec<usize>,
    send: Vec<usize>,
}

/// What the tasks of a random program share.
#[derive(Clone, Default)]
struct Books {
    life: Life,
    channels: Vec<Chan<Living>>,
    started: Rc<RefCell<usize>>,
    received: Rc<RefCell<Vec<usize>>>,
    sent: Rc<RefCell<Vec<usize>>>,
}

impl Books {
    fn value(&self) -> (Living, usize) {
        *self.started.borrow_mut() += 1;
        let id = *self.started.borrow();
        (self.life.make(id), id)
    }

    fn got(&self, value: Option<Living>) {
        self.received.borrow_mut().push(value.unwrap().id);
    }

    async fn task(self, mut rng: Rng, waits: Rc<RefCell<Waits>>) {
        let n = self.channels.len();
        for _ in 0..1 + rng.below(4) {
            let (a, b) = (rng.below(n), rng.below(n));
            let (ca, cb) = (&self.channels[a], &self.channels[b]);
            let say = |recv: &[usize], send: &[usize]| {
                *waits.borrow_mut() = Waits { recv: recv.to_vec(), send: send.to_vec() };
            };
            match rng.below(5) {
                0 | 1 => {
                    let (value, id) = self.value();
                    say(&[], &[a]);
                    ca.send(value).await;
                    self.sent.borrow_mut().push(id);
                }
                2 => {
                    say(&[a], &[]);
                    self.got(ca.recv().await);
                }
                3 => {
                    let (value, id) = self.value();
                    say(&[b], &[a]);
                    select! {
                        send(ca, value) => self.sent.borrow_mut().push(id),
                        recv(cb) -> v => self.got(v),
                    }
                }
                _ => {
                    say(&[a, b], &[]);
                    select! { recv(ca) -> v => self.got(v), recv(cb) -> v => self.got(v) }
                }
            }
        }
    }

    /// Tasks that were not woken wait for what cannot be had.
    fn nobody_was_forgotten(&self, tasks: &[Task]) {
        let parked: Vec<Waits> = tasks
            .iter()
            .filter(|task| task.future.is_some() && task.waker.wakes() == task.seen)
            .map(|task| task.waits.borrow().clone())
            .collect();
        for (i, waits) in parked.iter().enumerate() {
            for &from in &waits.recv {
                assert_eq!(self.channels[from].len(), 0, "a receiver was not woken");
                let peer =
                    parked.iter().enumerate().find(|(j, w)| *j != i && w.send.contains(&from));
                assert!(peer.is_none(), "a sender and a receiver wait for each other");
            }
            for &to in &waits.send {
                assert!(
                    self.channels[to].len() >= self.channels[to].cap(),
                    "a sender was not woken"
                );
            }
        }
    }
}

/// One random program: tasks that send, receive and select over a few channels are polled in random
/// order, only when they were woken, with changing wakers, and dropped at random awaits. Afterwards
/// each value was received once, is in a channel once, or was dropped with a send that nobody took.
fn random_program(seed: u64) {
    let mut rng = Rng::new(seed);
    let channels = (0..1 + rng.below(2)).map(|_| chan(rng.below(3))).collect();
    let books = Books { channels, ..Books::default() };
    let mut tasks: Vec<Task> = (0..2 + rng.below(6) as u64)
        .map(|i| {
            let waits = <Rc<RefCell<Waits>>>::default();
            let future = books.clone().task(Rng::new(seed ^ (i + 1) << 32), waits.clone());
            Task { future: Some(Box::pin(future)), waits, waker: Counter::new(), seen: usize::MAX }
        })
        .collect();
    for _ in 0..10 + rng.below(60) {
        let at = rng.below(tasks.len());
        let task = &mut tasks[at];
        let (dropped, moved) = (rng.chance(8), rng.chance(10));
        let Some(future) = task.future.as_mut().filter(|_| !dropped) else {
            task.future = None;
            continue;
        };
        if task.waker.wakes() == task.seen && !moved {
            continue;
        }
        if moved {
            task.waker = Counter::new();
        }
        task.seen = task.waker.wakes();
        if poll(future.as_mut(), &task.waker).is_ready() {
            task.future = None;
        }
        books.nobody_was_forgotten(&tasks);
    }
    tasks.clear();
    let mut ends = books.received.take();
    for ch in &books.channels {
        ends.extend(std::iter::from_fn(|| ch.try_recv().ok()).map(|v| v.id));
    }
    assert_eq!(books.life.alive(), 0, "seed {seed}: values were leaked");
    ends.sort_unstable();
    let unique = ends.windows(2).all(|pair| pair[0] != pair[1]);
    assert!(unique, "seed {seed}: a value came twice: {ends:?}");
    for id in &*books.sent.borrow() {
        assert!(ends.binary_search(id).is_ok(), "seed {seed}: {id} was sent and lost");
    }
}

#[test]
fn no_value_is_lost_or_doubled_when_futures_are_dropped_at_random() {
    for seed in 0..rounds(10_000) as u64 {
        random_program(seed);
    }
}

/// The same with threads: one thread polls and drops receives while another sends.
#[test]
fn no_value_is_lost_when_a_polled_future_is_released_by_another_thread() {
    let n = rounds(100_000);
    let (ch, back) = (chan::<usize>(0), chan::<usize>(0));
    std::thread::scope(|s| {
        s.spawn(|| {
            for i in 0..n {
                ch.blocking_send(i);
                assert_eq!(back.blocking_recv(), Some(i));
            }
        });
        // Polls without waiting to be woken, so that a release falls into every moment of a poll.
        let counter = Counter::new();
        for i in 0..n {
            let mut recv = Box::pin(ch.recv());
            let got = loop {
                if let Poll::Ready(got) = poll(recv.as_mut(), &counter) {
                    break got;
                }
            };
            assert_eq!(got, Some(i));
            drop(recv);
            assert_eq!(ch.len(), 0, "a second value was taken");
            let mut send = Box::pin(back.send(i));
            while poll(send.as_mut(), &counter).is_pending() {}
        }
    });
}

#[test]
fn aborts_and_sends_from_other_threads_lose_nothing() {
    let life = Life::default();
    for _ in 0..rounds(1_000) {
        let ch = chan(0);
        let rx = ch.clone();
        let waiting = go(async move { rx.recv().await });
        let abort = waiting.abort_handle();
        let (tx, value) = (ch.clone(), life.make(1));
        let sender = std::thread::spawn(move || drop(tx.try_send(value)));
        abort.abort();
        sender.join().unwrap();
        drop(block_on(waiting));
        drop(ch);
        assert_eq!(life.alive(), 0);
    }
}

#[test]
fn a_join_that_is_dropped_and_begun_again_still_ends() {
    block_on(async {
        let gate = chan::<()>(0);
        let rx = gate.clone();
        let handle = go(async move { rx.recv().await });
        let mut handle = Box::pin(handle);
        let (one, two) = (Counter::new(), Counter::new());
        assert!(
            poll(handle.as_mut(), &one).is_pending() && poll(handle.as_mut(), &two).is_pending()
        );
        gate.close();
        yield_now().await;
        assert_eq!((one.wakes(), two.wakes()), (0, 1));
        assert!(poll(handle.as_mut(), &one).is_ready());
    });
}

#[test]
fn dropping_a_select_from_another_thread_races_with_its_peers_safely() {
    let life = Life::default();
    for _ in 0..rounds(2_000) {
        let (a, b) = (chan(0), chan(0));
        let mut parked = {
            let (a, b) = (a.clone(), b.clone());
            Box::pin(async move {
                select! { recv(a) -> v => drop(v), recv(b) -> v => drop(v) }
            })
        };
        assert!(poll(parked.as_mut(), &Counter::new()).is_pending());
        let (tx, v1, v2) = ((a.clone(), b.clone()), life.make(1), life.make(2));
        let sent = std::thread::spawn(move || {
            usize::from(tx.0.try_send(v1).is_ok()) + usize::from(tx.1.try_send(v2).is_ok())
        });
        drop(parked);
        let sent = sent.join().unwrap();
        assert!(sent <= 1 && a.len() + b.len() == sent && life.alive() == sent);
    }
}

#[test]
fn wakers_are_let_go_with_the_future() {
    let counter = Counter::new();
    let ch = chan::<u8>(0);
    let mut recv = Box::pin(ch.recv());
    assert!(poll(recv.as_mut(), &counter).is_pending());
    assert_eq!(Arc::strong_count(&counter), 2);
    drop(recv);
    assert_eq!(Arc::strong_count(&counter), 1);
}
