//! Go's tests of virtual time.
//!
//! Left out everywhere: what Go forbids because its bubbles are not scopes (channels, timers and wait groups
//! that cross their border), the garbage collector, iterators that pull, and how `testing.T` prints.
//! And one by one:
//!
//! | of Go | why |
//! |---|---|
//! | `TestHappensBefore` | asks the race detector what `Wait` orders; here the compiler says what may be shared |
//! | `TestDeadline`, `TestParallel`, `TestRun` | calls of `testing.T` that panic in a bubble; there is no such call |
//! | `TestMallocs` | counts allocations of Go's runtime |
//! | `TestWeak`, `TestSpecialFinalizer`, `TestReflectFuncOf` | the garbage collector and reflection |
//! | `ExampleHTTPTransport100Continue` | is about `net/http`; what it shows of time is here, on channels |
//!
//! Go starts its clock at midnight of the first of January 2000; a moment here has no date. Where Go draws
//! among timers of one moment, the first armed is first here, in every run.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use gmp::context::{ContextError, after_func as context_after_func, with_cancel, with_timeout};
use gmp::sync::{Cond, Mutex, WaitGroup};
use gmp::time::{Instant, Timer, after, after_func, now, sleep, tick};
use gmp::{Chan, chan, go, select, yield_now};

const S: Duration = Duration::from_secs(1);
const NS: Duration = Duration::from_nanos(1);

/// Go's `synctest.Wait`: returns when all others are parked. It takes a nanosecond, the next moment there is.
async fn wait() {
    sleep(NS).await;
}

/// <https://github.com/golang/go/blob/master/src/internal/synctest/synctest_test.go>
mod internal {
    use super::*;

    #[gmp::test(clock = "virtual")]
    async fn a_sleep_moves_the_clock_for_all_goroutines() {
        let start = now();
        let other = go(async move { assert_eq!(now(), start) });
        sleep(S).await;
        assert_eq!(now(), start + S);
        other.await.unwrap();
    }

    #[gmp::test(clock = "virtual")]
    async fn elapsed_asks_the_virtual_clock() {
        let start = Instant::now();
        sleep(S).await;
        assert_eq!((start.elapsed(), now() - start), (S, S));
    }

    #[gmp::test(clock = "virtual")]
    async fn a_body_may_do_nothing() {}

    #[gmp::test(clock = "virtual")]
    async fn waiting_for_all_to_park_works_with_none_and_with_one() {
        wait().await;
        go(async {});
        wait().await;
    }

    fn countdown(ch: Chan<u32>, done: Arc<AtomicU32>) {
        go(async move {
            match ch.recv().await.expect("not closed") {
                0 => done.store(1, Ordering::Relaxed),
                count => {
                    countdown(ch.clone(), done);
                    ch.send(count - 1).await;
                }
            }
        });
    }

    #[gmp::test(clock = "virtual")]
    async fn waiting_for_all_to_park_waits_for_a_chain_of_a_hundred() {
        let (ch, done) = (chan(0), Arc::new(AtomicU32::new(0)));
        countdown(ch.clone(), done.clone());
        ch.send(100).await;
        wait().await;
        assert_eq!(done.load(Ordering::Relaxed), 1);
    }

    #[gmp::test(clock = "virtual")]
    async fn a_timer_is_read_before_and_after_its_moment() {
        let start = now();
        let before = Timer::new(5 * S);
        before.recv().await;
        assert_eq!(start.elapsed(), 5 * S);
        let (start, late) = (now(), Timer::new(S));
        sleep(2 * S).await;
        assert_eq!(late.recv().await, Some(start + S));
        let (start, late) = (now(), Timer::new(S));
        sleep(2 * S).await;
        select! {
            recv(late.chan()) -> at => assert_eq!(at, Some(start + S)),
            default => panic!("it has fired"),
        }
    }

    #[gmp::test(clock = "virtual")]
    async fn a_timer_is_reset_after_it_fired_and_while_it_runs() {
        let (start, timer) = (now(), Timer::new(S));
        assert_eq!(timer.recv().await, Some(start + S));
        timer.reset(2 * S);
        assert_eq!(timer.recv().await, Some(start + 3 * S));
        timer.reset(3 * S);
        sleep(S).await;
        timer.reset(3 * S);
        assert_eq!(timer.recv().await, Some(start + 7 * S));
    }

    #[gmp::test(clock = "virtual")]
    async fn what_a_function_starts_later_has_the_same_clock() {
        let steps = Arc::new(AtomicU32::new(0));
        let count = steps.clone();
        let _ = after_func(S, move || {
            let count = count.clone();
            async move {
                count.fetch_add(1, Ordering::Relaxed);
                go(async move {
                    sleep(S).await;
                    count.fetch_add(1, Ordering::Relaxed);
                });
            }
        });
        sleep(3 * S).await;
        wait().await;
        assert_eq!(steps.load(Ordering::Relaxed), 2);
    }

    /// As after a bubble: the clock goes no further than the linger, and a function is no goroutine yet.
    #[gmp::test(clock = "virtual", linger = "1ms")]
    async fn a_function_is_not_called_after_the_end() {
        let _ = after_func(S, || async { panic!("the test is over") });
    }

    /// Go draws; here the first armed is first.
    #[gmp::test(clock = "virtual")]
    async fn sleepers_of_one_moment_wake_in_the_order_in_which_they_lay_down() {
        for _ in 0..100 {
            let order = chan(2);
            for name in ["first", "second"] {
                let order = order.clone();
                go(async move {
                    sleep(NS).await;
                    order.send(name).await;
                });
                yield_now().await;
            }
            assert_eq!((order.recv().await, order.recv().await), (Some("first"), Some("second")));
        }
    }

    #[gmp::test(clock = "virtual")]
    async fn no_duration_is_over_at_once() {
        let start = now();
        let timer = Timer::new(Duration::ZERO);
        select! {
            recv(timer.chan()) -> at => assert_eq!(at, Some(start)),
            default => panic!("due at once"),
        }
        let called = Arc::new(AtomicU32::new(0));
        let call = called.clone();
        let _ = after_func(Duration::ZERO, move || {
            call.store(1, Ordering::Relaxed);
            std::future::ready(())
        });
        while called.load(Ordering::Relaxed) == 0 {
            yield_now().await;
        }
        assert_eq!(now(), start);
    }

    #[gmp::test(clock = "virtual")]
    async fn a_reset_to_no_duration_wakes_who_waits() {
        let (timer, fired) = (Arc::new(Timer::new(Duration::ZERO)), Arc::new(AtomicU32::new(0)));
        let (ctx, cancel) = with_cancel(&gmp::test::context());
        let (ticking, count) = (timer.clone(), fired.clone());
        let looper = go(async move {
            loop {
                select! {
                    _ = ctx.done() => return,
                    recv(ticking.chan()) -> _ => _ = count.fetch_add(1, Ordering::Relaxed),
                }
            }
        });
        wait().await;
        timer.reset(Duration::ZERO);
        wait().await;
        assert_eq!(fired.load(Ordering::Relaxed), 2);
        cancel.cancel();
        looper.await.unwrap();
    }

    /// A channel that somebody outside uses: the thread's answer comes before the hour is over.
    #[gmp::test(clock = "virtual")]
    async fn channels_from_outside_are_waited_for() {
        let (value, closed, asked) = (chan(0), chan::<u32>(0), chan(0));
        let outside = (value.clone(), closed.clone(), asked.clone());
        let thread = std::thread::spawn(move || {
            let (value, closed, asked) = outside;
            value.blocking_send(7);
            assert_eq!(asked.blocking_recv(), Some(8));
            closed.close();
        });
        let hour = after(3_600 * S);
        select! {
            recv(value) -> got => assert_eq!(got, Some(7)),
            recv(hour) -> _ => panic!("the thread was not waited for"),
        }
        asked.send(8).await;
        assert_eq!(closed.recv().await, None);
        thread.join().unwrap();
    }

    #[gmp::test(clock = "virtual", expect_leak("1 select (no cases): Proven"))]
    async fn a_body_that_waits_for_ever_is_a_deadlock() {
        select! {}
    }

    #[gmp::test(clock = "virtual", expect_leak("1 select (no cases): Proven"))]
    async fn a_child_that_waits_for_ever_is_a_deadlock() {
        go(async {
            select! {}
        });
    }

    /// Its first tick would come after the linger.
    #[gmp::test(clock = "virtual", expect_leak("1 chan receive: Timer"))]
    async fn a_child_that_waits_for_ticks_is_left_behind() {
        go(async {
            let ticks = tick(S);
            let tick = ticks.recv().await;
            panic!("a tick after the end: {tick:?}");
        });
    }

    #[gmp::test(clock = "virtual")]
    async fn time_moves_while_all_wait_for_a_cond() {
        let ms = Duration::from_millis(1);
        let (lock, cond) = (Arc::new(Mutex::new(())), Arc::new(Cond::new()));
        let (start, signals) = (now(), cond.clone());
        let signaller = go(async move {
            sleep(ms).await;
            signals.signal();
            sleep(ms).await;
            signals.broadcast();
        });
        drop(cond.wait(lock.lock().await).await);
        assert_eq!(start.elapsed(), ms);
        let (second, waits) = (lock.clone(), cond.clone());
        let other = go(async move { drop(waits.wait(second.lock().await).await) });
        yield_now().await;
        drop(cond.wait(lock.lock().await).await);
        other.await.unwrap();
        assert_eq!(start.elapsed(), 2 * ms);
        signaller.await.unwrap();
    }

    #[gmp::test(clock = "virtual")]
    async fn time_moves_while_all_wait_for_a_wait_group() {
        let (wg, start) = (WaitGroup::new(), now());
        wg.go(sleep(S));
        wg.wait().await;
        assert_eq!(start.elapsed(), S);
        (0..100).for_each(|_| wg.go(async {}));
        wg.wait().await;
    }
}

/// <https://github.com/golang/go/blob/master/src/testing/synctest/synctest_test.go>
mod public {
    use super::*;

    /// The context of the test ends with its body, and the test waits for what that starts.
    #[gmp::test(clock = "virtual", linger = "2s")]
    async fn goroutines_may_end_after_the_context_of_the_test() {
        let ctx = gmp::test::context();
        go(async move {
            assert_eq!(ctx.done().await, ContextError::Canceled);
            sleep(S).await;
        });
    }
}

/// <https://github.com/golang/go/blob/master/src/testing/synctest/example_test.go>
mod example {
    use super::*;

    #[gmp::test(clock = "virtual")]
    async fn an_earlier_sleep_ends_before_a_later_one() {
        let start = now();
        let seen = chan(1);
        let tell = seen.clone();
        go(async move {
            sleep(NS).await;
            tell.send(start.elapsed()).await;
        });
        sleep(2 * NS).await;
        assert_eq!((seen.try_recv(), start.elapsed()), (Ok(NS), 2 * NS));
    }

    #[gmp::test(clock = "virtual")]
    async fn a_function_of_a_context_is_called_when_that_is_cancelled() {
        let (ctx, cancel) = with_cancel(&gmp::test::context());
        let called = Arc::new(AtomicU32::new(0));
        let call = called.clone();
        let _stop = context_after_func(&ctx, async move { call.store(1, Ordering::Relaxed) });
        wait().await;
        assert_eq!(called.load(Ordering::Relaxed), 0);
        cancel.cancel();
        wait().await;
        assert_eq!(called.load(Ordering::Relaxed), 1);
    }

    /// Sends a head, and what belongs to it when that was asked for, or after a while.
    async fn sends_with_leave(wire: Chan<&'static str>, leave: Chan<()>) {
        wire.send("head").await;
        select! {
            recv(leave) -> _ => {}
            recv(after(S)) -> _ => {}
        }
        wire.send("body").await;
    }

    #[gmp::test(clock = "virtual")]
    async fn what_is_held_back_is_sent_with_leave_or_at_the_time_out() {
        for asked in [true, false] {
            let (wire, leave) = (chan(8), chan(0));
            let sent = go(sends_with_leave(wire.clone(), leave.clone()));
            wait().await;
            assert_eq!((wire.try_recv(), wire.try_recv().is_err()), (Ok("head"), true));
            let began = now();
            if asked {
                leave.send(()).await;
                wait().await;
                assert_eq!(wire.try_recv(), Ok("body"));
                assert_eq!(now() - began, NS);
            } else {
                assert_eq!(wire.recv().await, Some("body"));
                assert_eq!(now() - began, S - NS);
            }
            sent.await.unwrap();
        }
    }

    #[gmp::test(clock = "virtual")]
    async fn a_context_ends_at_its_deadline_and_not_a_nanosecond_before() {
        let (ctx, _cancel) = with_timeout(&gmp::test::context(), 5 * S);
        sleep(5 * S - NS).await;
        assert_eq!(ctx.err(), None);
        sleep(NS).await;
        yield_now().await;
        assert_eq!(ctx.err(), Some(ContextError::DeadlineExceeded));
    }
}
