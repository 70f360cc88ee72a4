//! `sleep`, `timeout`, `after`: order, limits, and timers that outlive what they were armed for.

mod support;

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use gmp_core::inspect::{Figure, WaitReason};
use gmp_core::runtime::{Builder, Runtime};
use gmp_core::sync::WaitGroup;
use gmp_core::time::{after, now, sleep, sleep_until, timeout};
use gmp_core::{Chan, block_on, chan, go, select, snapshot, yield_now};
use support::lead;

const MS: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_secs(3_600);

/// Polls once, with a waker that does nothing.
fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn sleepers_wake_in_the_order_of_their_moments_then_of_their_calls() {
    block_on(async {
        loop {
            let woken = Arc::new(Mutex::new(Vec::new()));
            let (wg, base) = (WaitGroup::new(), now() + lead(30 * MS));
            for (name, offset) in [("c", 2), ("a", 0), ("b", 1), ("a2", 0), ("c2", 2), ("b2", 1)] {
                let woken = woken.clone();
                wg.go(async move {
                    sleep_until(base + offset * MS).await;
                    woken.lock().unwrap().push(name);
                });
                yield_now().await;
            }
            // Else the system ran others meanwhile: some may be awake, so it is done again.
            let all_sleep = now() < base;
            // Nobody runs while this spins: all moments come at once.
            while now() <= base + 3 * MS {
                std::hint::spin_loop();
            }
            wg.wait().await;
            if all_sleep {
                return assert_eq!(*woken.lock().unwrap(), ["a", "a2", "b", "b2", "c", "c2"]);
            }
        }
    });
}

#[test]
fn a_sleep_lasts_as_long_as_asked_counted_from_the_call() {
    block_on(async {
        let before = now();
        let sleeping = sleep(3 * MS);
        let end = sleeping.deadline().expect("in range");
        assert!(end >= before + 3 * MS);
        sleeping.await;
        assert!(now() >= end);
        let again = now();
        sleep(Duration::ZERO).await;
        sleep_until(again - MS).await;
        let mut forever = pin!(sleep(Duration::MAX));
        assert!(poll_once(forever.as_mut()).is_pending() && forever.deadline().is_none());
    });
}

#[test]
fn a_loop_of_sleeps_of_no_time_lets_others_run() {
    block_on(async {
        let flag = Arc::new(Mutex::new(false));
        let other = flag.clone();
        let setter = go(async move { *other.lock().unwrap() = true });
        while !*flag.lock().unwrap() {
            sleep(Duration::ZERO).await;
        }
        setter.await.unwrap();
    });
}

#[test]
fn a_timeout_polls_the_future_first() {
    block_on(async {
        assert_eq!(timeout(Duration::ZERO, async { 1 }).await, Ok(1));
        assert!(timeout(Duration::ZERO, std::future::pending::<()>()).await.is_err());
        assert_eq!(timeout(Duration::MAX, async { 2 }).await, Ok(2));
        let ch = chan::<u32>(0);
        let sender = ch.clone();
        go(async move { sender.send(3).await });
        assert_eq!(timeout(HOUR, ch.recv()).await, Ok(Some(3)));
        assert!(timeout(MS, ch.recv()).await.is_err());
        assert!(ch.try_send(4).is_err(), "nobody is left in the queue");
    });
}

#[test]
fn after_gives_the_time_once_and_is_never_closed() {
    block_on(async {
        let before = now();
        let late = after(2 * MS);
        assert_eq!((late.cap(), late.len()), (1, 0));
        let at = late.recv().await.expect("not closed");
        assert!(at >= before + 2 * MS && at <= now());
        assert!(timeout(MS, late.recv()).await.is_err());
    });
}

#[test]
fn a_select_takes_whatever_comes_first() {
    block_on(async {
        let work = chan(0);
        let worker = work.clone();
        go(async move {
            sleep(2 * MS).await;
            worker.send("done").await;
        });
        let mut ticks = 0;
        let deadline = after(HOUR);
        let got = loop {
            select! {
                recv(work) -> value => break value,
                recv(after(Duration::from_micros(200))) -> _ => ticks += 1,
                recv(deadline) -> _ => panic!("an hour has not passed"),
            }
        };
        assert_eq!(got, Some("done"));
        assert!(ticks > 0);
    });
}

#[test]
fn the_channel_of_after_may_be_full_or_closed_when_the_time_comes() {
    block_on(async {
        let (full, closed) = (after(MS), after(MS));
        let mark = now() - HOUR;
        full.try_send(mark).unwrap();
        closed.close();
        sleep(3 * MS).await;
        assert_eq!((full.recv().await, full.len()), (Some(mark), 0));
        assert_eq!(closed.recv().await, None);
    });
}

/// How many timers are armed in the scope of the calling goroutine's runtime.
fn armed(runtime: &Runtime) -> usize {
    runtime.scope().watch().expect("watched").armed_timers()
}

#[test]
fn timers_are_counted_while_they_are_armed() {
    let runtime = Builder::new().watch(true).build();
    let kept = runtime.block_on(async {
        let fired = after(MS);
        let stopped = after(HOUR);
        let clone = stopped.clone();
        assert_eq!(armed(&runtime), 2);
        drop(stopped);
        assert_eq!(armed(&runtime), 2, "a handle is left");
        drop(clone);
        assert_eq!(armed(&runtime), 1);
        fired.recv().await;
        assert_eq!(armed(&runtime), 0);
        assert!(timeout(MS, std::future::pending::<()>()).await.is_err());
        assert_eq!(armed(&runtime), 0);
        {
            let mut sleeping = pin!(sleep(HOUR));
            let mut never = pin!(sleep(Duration::MAX));
            std::future::poll_fn(|cx| {
                assert!(sleeping.as_mut().poll(cx).is_pending());
                assert!(never.as_mut().poll(cx).is_pending());
                Poll::Ready(())
            })
            .await;
            assert_eq!(armed(&runtime), 1);
        }
        assert_eq!(armed(&runtime), 0);
        after(HOUR)
    });
    let watch = runtime.scope().watch().expect("watched").clone();
    assert_eq!((watch.armed_timers(), watch.records().len()), (1, 1));
    drop(runtime);
    assert_eq!(watch.armed_timers(), 0, "the runtime has stopped it");
    drop(kept);
    assert_eq!(watch.records().len(), 0);
}

#[test]
fn a_sleep_goes_on_in_another_runtime_when_its_own_is_gone() {
    let runtime = Runtime::new();
    // Long enough for the slowest machine to get to the poll.
    let mut sleeping = Box::pin(sleep_until(Instant::now() + lead(300 * MS)));
    runtime.block_on(std::future::poll_fn(|cx| {
        assert!(sleeping.as_mut().poll(cx).is_pending());
        Poll::Ready(())
    }));
    drop(runtime);
    block_on(sleeping);
}

#[test]
fn plain_threads_use_the_timers_of_the_global_runtime() {
    let before = Instant::now();
    assert!(after(2 * MS).blocking_recv().is_some());
    assert!(before.elapsed() >= 2 * MS);
}

#[test]
fn the_stock_tells_when_a_timer_will_release_a_wait() {
    let runtime = Builder::new().watch(true).build();
    let line = line!();
    runtime.block_on(async {
        go(sleep(HOUR));
        go(async { after(HOUR).recv().await });
        go(async {
            select! { recv(Chan::<u8>::nil()) -> _ => {}, recv(after(HOUR)) -> _ => {} }
        });
        go(sleep(Duration::MAX));
        let fired = after(Duration::ZERO);
        go(async move { while fired.recv().await.is_some() {} });
        sleep(MS).await;
        yield_now().await;
    });
    runtime.scope().close();
    let all: Vec<_> = snapshot::freeze(runtime.scope()).iter().map(|g| g.waits()).collect();
    assert_eq!(all.len(), 5);
    let soon = |due: Option<Duration>| due.is_some_and(|due| due <= HOUR && due > HOUR / 2);
    assert_eq!((all[0][0].reason, all[0][0].at.line()), (WaitReason::Sleep, line + 2));
    assert!(soon(all[0][0].due_in) && all[0][0].complete && all[0][0].capabilities.is_empty());
    assert!(matches!(all[0][0].figure, Figure::Timer { due_in } if soon(Some(due_in))));
    assert_eq!(all[1][0].reason, WaitReason::ChanReceive);
    assert!(soon(all[1][0].due_in));
    assert!(all[2][0].due_in.is_none() && soon(all[2][1].due_in));
    assert!(all[3][0].due_in.is_none() && all[3][0].complete, "never comes");
    assert!(all[4][0].due_in.is_none(), "fired already");
}

#[test]
fn a_virtual_clock_moves_to_the_next_timer_when_all_are_parked() {
    let runtime = Builder::new().virtual_time().build();
    runtime.block_on(async {
        let begin = now();
        let woken = chan(3);
        for (name, at) in [("late", 3 * HOUR), ("early", HOUR), ("early too", HOUR)] {
            let woken = woken.clone();
            go(async move {
                sleep(at).await;
                woken.send((name, now())).await;
            });
            yield_now().await;
        }
        for _ in 0..10 {
            yield_now().await;
        }
        assert_eq!(now(), begin, "somebody was runnable all the time");
        assert_eq!(woken.recv().await, Some(("early", begin + HOUR)));
        assert_eq!(woken.recv().await, Some(("early too", begin + HOUR)));
        assert_eq!(woken.recv().await, Some(("late", begin + 3 * HOUR)));
        assert_eq!(after(HOUR).recv().await, Some(begin + 4 * HOUR));
    });
}

/// A future that a thread completes: the clock must not move while the thread has the waker.
#[test]
fn a_waker_outside_stops_a_virtual_clock_until_it_is_gone() {
    let runtime = Builder::new().virtual_time().build();
    runtime.block_on(async {
        let begin = now();
        let (send, receive) = std::sync::mpsc::channel::<Waker>();
        let (idle, is_idle) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::spawn(move || {
            let waker = receive.recv().expect("sent by the poll");
            is_idle.recv().expect("sent by the body");
            // Time for a clock that is not stopped to run away.
            std::thread::sleep(20 * MS);
            waker.wake();
        });
        let mut polled = false;
        let answered = std::future::poll_fn(move |cx| match std::mem::replace(&mut polled, true) {
            true => Poll::Ready(now()),
            false => {
                send.send(cx.waker().clone()).expect("the thread waits");
                idle.send(()).expect("the thread waits");
                Poll::Pending
            }
        });
        assert_eq!(timeout(HOUR, answered).await, Ok(begin));
        thread.join().unwrap();
        sleep(HOUR).await;
        assert_eq!(now(), begin + HOUR, "the clone is gone");
    });
}

#[test]
fn a_virtual_clock_that_ignores_what_is_outside_goes_on() {
    let runtime = Builder::new().virtual_time().ignore_external().build();
    runtime.block_on(async {
        let begin = now();
        let keep = |cx: &mut Context<'_>| Poll::<Waker>::Ready(cx.waker().clone());
        let kept = std::future::poll_fn(keep).await;
        sleep(HOUR).await;
        assert_eq!(now(), begin + HOUR);
        drop(kept);
    });
}

#[test]
#[should_panic(expected = "no virtual clock")]
fn several_ps_have_no_virtual_clock() {
    Builder::new().procs(2).virtual_time().build();
}
