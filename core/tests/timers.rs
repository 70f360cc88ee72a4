//! `Timer`, `Ticker`, `after_func`: results of stop and reset, stale values, what is seen of them.

#[path = "support/mod.rs"]
mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use gmp_core::chan::TryRecvError;
use gmp_core::inspect::{Figure, PrimitiveKind, TimerInfo, WaitReason};
use gmp_core::runtime::{Builder, Runtime};
use gmp_core::sync::WaitGroup;
use gmp_core::time::{Ticker, Timer, after, after_func, now, sleep, tick, timeout};
use gmp_core::{chan, go, select, snapshot, yield_now};
use support::{Rng, rounds};

const S: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3_600);

fn virtual_time<F: Future<Output = ()>>(body: F) {
    Builder::new().virtual_time().build().block_on(body);
}

#[test]
fn a_timer_fires_once_with_the_time_when_it_fired() {
    virtual_time(async {
        let (begin, timer) = (now(), Timer::new(S));
        sleep(3 * S).await;
        assert_eq!(timer.recv().await, Some(begin + S), "it fired while nobody received");
        assert_eq!(timer.chan().try_recv(), Err(TryRecvError::Empty));
        assert!(timeout(HOUR, timer.recv()).await.is_err());
    });
}

#[test]
fn stop_says_whether_it_prevented_a_value() {
    virtual_time(async {
        let timer = Timer::new(S);
        assert!(timer.stop() && !timer.stop());
        sleep(2 * S).await;
        assert!(timer.chan().is_empty(), "stopped before it fired");

        timer.reset(S);
        sleep(2 * S).await;
        assert_eq!(timer.chan().len(), 1);
        assert!(timer.stop(), "nobody had received the value");
        assert!(timer.chan().is_empty(), "the stale value is gone");

        timer.reset(S);
        timer.recv().await;
        assert!(!timer.stop(), "it has fired, and the value was received");
    });
}

#[test]
fn reset_starts_anew_and_leaves_no_stale_value() {
    virtual_time(async {
        let begin = now();
        let timer = Timer::new(S);
        assert!(timer.reset(3 * S));
        sleep(2 * S).await;
        assert!(timer.chan().is_empty());
        assert_eq!(timer.recv().await, Some(begin + 3 * S));
        assert!(!timer.reset(S), "it has fired");
        sleep(2 * S).await;
        assert!(timer.reset(S), "its value was still there");
        assert_eq!(timer.recv().await, Some(begin + 6 * S));
        assert!(!timer.reset(Duration::ZERO));
        assert_eq!(timer.chan().try_recv(), Ok(begin + 6 * S), "due at once");
    });
}

#[test]
fn a_timer_that_no_clock_reaches_is_running_all_the_same() {
    virtual_time(async {
        let timer = Timer::new(Duration::MAX);
        assert!(timer.stop() && !timer.stop());
        assert!(!timer.reset(Duration::MAX) && timer.reset(S));
        assert!(timer.recv().await.is_some());
    });
}

#[test]
fn a_ticker_ticks_in_its_period_and_leaves_out_what_nobody_takes() {
    virtual_time(async {
        let (begin, ticker) = (now(), Ticker::new(S));
        assert_eq!(ticker.recv().await, Some(begin + S));
        sleep(3 * S + S / 2).await;
        assert_eq!(ticker.recv().await, Some(begin + 2 * S), "the oldest of three ticks");
        assert_eq!(ticker.recv().await, Some(begin + 5 * S), "the two others are left out");
        sleep(2 * S).await;
        ticker.stop();
        assert!(ticker.chan().is_empty());
        assert!(timeout(HOUR, ticker.recv()).await.is_err(), "stopped, not closed");
        let again = now();
        ticker.reset(2 * S);
        assert_eq!(ticker.recv().await, Some(again + 2 * S));
        assert_eq!(ticker.recv().await, Some(again + 4 * S));
    });
}

#[test]
fn tick_is_a_ticker_without_a_handle_and_nil_for_no_period() {
    virtual_time(async {
        let (begin, ticks) = (now(), tick(S));
        assert_eq!(
            (ticks.recv().await, ticks.recv().await),
            (Some(begin + S), Some(begin + 2 * S))
        );
        assert!(tick(Duration::ZERO).is_nil());
    });
}

#[test]
#[should_panic(expected = "a period of zero")]
fn a_ticker_needs_a_period() {
    virtual_time(async { drop(Ticker::new(Duration::ZERO)) });
}

#[test]
#[should_panic(expected = "a period of zero")]
fn a_ticker_is_not_reset_to_no_period() {
    virtual_time(async { Ticker::new(S).reset(Duration::ZERO) });
}

/// A function that counts its calls, and how many goroutines of it have ended.
fn counter() -> (Arc<AtomicU32>, impl Fn() -> std::future::Ready<()> + Send + Sync + 'static) {
    let calls = Arc::new(AtomicU32::new(0));
    let count = calls.clone();
    let call = move || {
        count.fetch_add(1, Ordering::Relaxed);
        std::future::ready(())
    };
    (calls, call)
}

#[test]
fn after_func_calls_in_a_goroutine_of_its_own_unless_it_is_stopped() {
    virtual_time(async {
        let (calls, call) = counter();
        let timer = after_func(S, call);
        sleep(S / 2).await;
        assert!(timer.stop() && !timer.stop());
        sleep(HOUR).await;
        assert_eq!(calls.load(Ordering::Relaxed), 0);
        assert!(!timer.reset(S));
        assert!(timer.reset(2 * S));
        sleep(2 * S).await;
        yield_now().await;
        assert_eq!(calls.load(Ordering::Relaxed), 1);
        assert!(!timer.stop(), "it has been called");
        timer.reset(Duration::ZERO);
        sleep(Duration::from_nanos(1)).await;
        assert_eq!(calls.load(Ordering::Relaxed), 2);
    });
}

#[test]
fn the_goroutine_of_after_func_may_wait_and_outlives_its_handle() {
    virtual_time(async {
        let done = chan(0);
        let tell = done.clone();
        let at = line!() + 1;
        drop(after_func(S, move || {
            let tell = tell.clone();
            async move {
                sleep(S).await;
                tell.send(snapshot::who().expect("a goroutine").1.line()).await;
            }
        }));
        assert_eq!(done.recv().await, Some(at), "it was started by the line of `after_func`");
    });
}

#[test]
fn a_function_that_is_never_called_is_dropped_with_its_runtime() {
    struct Tell(Arc<AtomicU32>);
    impl Drop for Tell {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let dropped = Arc::new(AtomicU32::new(0));
    let runtime = Runtime::new();
    runtime.block_on(async {
        let tell = Tell(dropped.clone());
        let _ = after_func(HOUR, move || {
            let _tell = &tell;
            std::future::ready(())
        });
    });
    assert_eq!(dropped.load(Ordering::Relaxed), 0);
    drop(runtime);
    assert_eq!(dropped.load(Ordering::Relaxed), 1);
}

#[test]
fn the_record_of_a_timer_tells_whether_it_runs_and_how_often_it_was_reset() {
    let runtime = Builder::new().virtual_time().watch(true).build();
    let watch = runtime.scope().watch().expect("watched").clone();
    let infos = || -> Vec<(PrimitiveKind, u32, TimerInfo)> {
        let mut records = watch.records();
        records.sort_by_key(|record| record.id);
        records.iter().filter_map(|r| Some((r.kind, r.created_at.line(), r.timer()?))).collect()
    };
    runtime.block_on(async {
        let line = line!();
        let timer = Timer::new(S);
        let ticker = Ticker::new(2 * S);
        let func = after_func(HOUR, || std::future::ready(()));
        let once = after(Duration::MAX);
        timer.reset(3 * S);
        timer.reset(4 * S);
        let info = |armed, due_in, every, resets| TimerInfo { armed, due_in, every, resets };
        assert_eq!(
            infos(),
            [
                (PrimitiveKind::Timer, line + 1, info(true, Some(4 * S), None, 2)),
                (PrimitiveKind::Ticker, line + 2, info(true, Some(2 * S), Some(2 * S), 0)),
                (PrimitiveKind::Timer, line + 3, info(true, Some(HOUR), None, 0)),
                (PrimitiveKind::Timer, line + 4, info(true, None, None, 0)),
            ]
        );
        assert_eq!(watch.armed_timers(), 3);
        timer.stop();
        ticker.stop();
        func.stop();
        assert!(infos()[..3].iter().all(|(_, _, info)| !info.armed && info.due_in.is_none()));
        drop((timer, ticker, func, once));
        assert_eq!((infos().len(), watch.armed_timers()), (0, 0));
    });
}

#[test]
fn a_wait_for_a_timer_shows_the_timer() {
    let runtime = Builder::new().virtual_time().watch(true).build();
    runtime.block_on(async {
        let timer = Timer::new(S);
        timer.reset(HOUR);
        go(async move { timer.recv().await });
        let stopped = Timer::new(S);
        stopped.stop();
        go(async move { stopped.recv().await });
        yield_now().await;
    });
    runtime.scope().close();
    let all: Vec<_> = snapshot::freeze(runtime.scope()).iter().map(|g| g.waits()).collect();
    assert_eq!((all.len(), all[0][0].reason), (2, WaitReason::ChanReceive));
    assert_eq!((all[0][0].due_in, all[1][0].due_in), (Some(HOUR), None));
    let Figure::TimerChan { timer, handles } = all[0][0].figure else { panic!("a timer's") };
    assert_eq!((timer.due_in, timer.resets, handles), (Some(HOUR), 1, 1));
    assert_eq!(all[0][0].record.as_ref().map(|record| record.kind), Some(PrimitiveKind::Timer));
}

/// Whoever wins the race, a reset timer never gives a value from before.
#[test]
fn timers_are_stopped_and_reset_while_they_fire_on_several_ps() {
    let runtime = Builder::new().procs(4).build();
    runtime.block_on(async {
        let wg = WaitGroup::new();
        for _ in 0..8 {
            wg.go(async {
                for n in 0..200u32 {
                    let timer = Timer::new(Duration::from_nanos(u64::from(n % 7)));
                    yield_now().await;
                    let reset_at = now();
                    timer.reset(Duration::from_micros(u64::from(n % 5)));
                    let at = timer.recv().await.expect("not closed");
                    assert!(at >= reset_at, "a value from before the reset");
                    assert!(!timer.stop() && timer.chan().is_empty());
                }
            });
        }
        wg.wait().await;
    });
}

/// Runs `f` in as many goroutines as there are values, each of them on a P of its own.
async fn on_a_p_each<T: Send + 'static, R: Send + 'static>(
    values: Vec<T>,
    f: impl Fn(T) -> R + Clone + Send + 'static,
) -> Vec<R> {
    let (here, all) = (Arc::new(AtomicU32::new(0)), values.len() as u32);
    let start = |value: T| {
        let (here, f) = (here.clone(), f.clone());
        go(async move {
            here.fetch_add(1, Ordering::SeqCst);
            // Whoever waits here keeps its P.
            while here.load(Ordering::SeqCst) < all {
                std::thread::yield_now();
            }
            f(value)
        })
    };
    let goroutines: Vec<_> = values.into_iter().map(start).collect();
    let mut results = Vec::new();
    for goroutine in goroutines {
        results.push(goroutine.await.expect("no panic"));
    }
    results
}

#[test]
fn a_million_timers_of_several_ps_are_stopped_in_random_order_by_all_of_them() {
    const PS: usize = 4;
    let each = rounds(1_000_000) / PS;
    let runtime = Builder::new().procs(PS).watch(true).build();
    let watch = runtime.scope().watch().expect("watched").clone();
    runtime.block_on(async move {
        let arm = move |()| (0..each).map(|_| Timer::new(HOUR)).collect::<Vec<_>>();
        let timers = on_a_p_each(vec![(); PS], arm).await;
        let mut timers: Vec<_> = timers.into_iter().flatten().collect();
        assert_eq!(watch.armed_timers(), PS * each);
        let mut random = Rng::new(7);
        for left in (1..timers.len()).rev() {
            timers.swap(left, random.below(left + 1));
        }
        let mut shares = Vec::new();
        while !timers.is_empty() {
            shares.push(timers.split_off(timers.len() - each));
        }
        let stop = |share: Vec<Timer>| share.iter().filter(|timer| timer.stop()).count();
        assert_eq!(on_a_p_each(shares, stop).await, [each; PS]);
        assert_eq!(watch.armed_timers(), 0);
    });
}

/// A timer belongs to the P that armed it; its M sits in a poll, so another has to look.
#[test]
fn the_timers_of_a_busy_p_are_fired_by_others() {
    let runtime = Builder::new().procs(2).build();
    runtime.block_on(async {
        let fired = Arc::new(AtomicU32::new(0));
        let flag = fired.clone();
        let busy = go(async move {
            let _ = after_func(Duration::from_millis(1), move || {
                flag.store(1, Ordering::Release);
                std::future::ready(())
            });
            while fired.load(Ordering::Acquire) == 0 {
                std::thread::yield_now();
            }
        });
        busy.await.unwrap();
    });
}

#[test]
fn a_select_on_a_ticker_and_a_timer_sees_every_moment_in_order() {
    virtual_time(async {
        let (begin, ticker, end) = (now(), Ticker::new(2 * S), Timer::new(7 * S));
        let mut seen = Vec::new();
        loop {
            select! {
                recv(ticker.chan()) -> at => seen.push(at.unwrap() - begin),
                recv(end.chan()) -> at => break seen.push(at.unwrap() - begin),
            }
        }
        assert_eq!(seen, [2 * S, 4 * S, 6 * S, 7 * S]);
    });
}
