//! <https://github.com/golang/go/blob/master/src/time/sleep_test.go>
//!
//! Left out: timers that were never initialised, negative durations and nil timers, which do not exist here.
//! What asks for a moment runs on a virtual clock, where it is exact; what asks for races runs on four Ps.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use gmp::runtime::Builder;
use gmp::sync::WaitGroup;
use gmp::time::{AfterFunc, Instant, Ticker, Timer, after, after_func, now, sleep, timeout};
use gmp::{Chan, chan, go, select, yield_now};

const S: Duration = Duration::from_secs(1);
const MS: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_secs(3_600);
const NS: Duration = Duration::from_nanos(1);

/// Runs `body` on four Ps, and waits for what it started.
fn on_four_ps<F: Future<Output = ()> + Send + 'static>(body: F) {
    Builder::new().procs(4).build().block_on(body);
}

/// A timer made of a function, so that both kinds pass the same tests.
struct FuncTimer {
    func: AfterFunc,
    times: Chan<Instant>,
}

impl FuncTimer {
    fn new(duration: Duration) -> Self {
        let times = chan(1);
        let send = times.clone();
        let func = after_func(duration, move || {
            let send = send.clone();
            async move { send.send(now()).await }
        });
        Self { func, times }
    }
}

#[gmp::test(clock = "virtual")]
async fn a_sleep_is_not_shortened_by_what_others_do() {
    let start = now();
    go(async {
        sleep(50 * MS).await;
        yield_now().await;
    });
    sleep(100 * MS).await;
    assert_eq!(start.elapsed(), 100 * MS);
}

fn call_again(left: u32, done: Chan<u32>) {
    let _ = after_func(Duration::ZERO, move || {
        let done = done.clone();
        async move {
            match left {
                0 => done.send(0).await,
                _ => {
                    call_again(left - 1, done);
                    sleep(S).await;
                }
            }
        }
    });
}

#[gmp::test(clock = "virtual", linger = "2s")]
async fn functions_arm_functions() {
    let done = chan(0);
    call_again(10, done.clone());
    assert_eq!(done.recv().await, Some(0));
}

#[test]
fn a_ticker_as_fast_as_can_be_reaches_many() {
    on_four_ps(async {
        let (stop, ticker) = (Arc::new(AtomicBool::new(false)), Arc::new(Ticker::new(NS)));
        let stopped = stop.clone();
        let noise = go(async move {
            while !stopped.load(Ordering::Relaxed) {
                sleep(NS).await;
            }
        });
        let wg = WaitGroup::new();
        for _ in 0..10 {
            let ticker = ticker.clone();
            wg.go(async move {
                for _ in 0..100 {
                    assert!(ticker.recv().await.is_some());
                }
            });
        }
        wg.wait().await;
        ticker.stop();
        stop.store(true, Ordering::Relaxed);
        noise.await.unwrap();
    });
}

/// Two that keep each other busy on one P do not keep a function from being called.
#[gmp::test]
async fn functions_are_not_starved() {
    let (stop, ch, wg) = (Arc::new(AtomicBool::new(false)), chan(1), WaitGroup::new());
    let (stopped, sends, receives) = (stop.clone(), ch.clone(), ch);
    wg.go(async move {
        while !stopped.load(Ordering::Relaxed) {
            sends.send(true).await;
        }
        sends.close();
    });
    wg.go(async move { while receives.recv().await.is_some() {} });
    let _ = after_func(Duration::from_micros(1), move || {
        stop.store(true, Ordering::Relaxed);
        std::future::ready(())
    });
    wg.wait().await;
}

#[gmp::test(clock = "virtual")]
async fn after_gives_its_moment() {
    let start = now();
    assert_eq!(after(100 * MS).recv().await, Some(start + 100 * MS));
}

#[gmp::test(clock = "virtual")]
async fn ten_ticks_take_ten_periods() {
    let start = now();
    for n in 1..=10 {
        assert_eq!(after(100 * MS).recv().await, Some(start + n * 100 * MS));
    }
}

#[gmp::test(clock = "virtual")]
async fn a_stopped_timer_stays_silent() {
    for stop_both in [false, true] {
        let early = Timer::new(50 * MS);
        let (chan_timer, func_timer) = (Timer::new(100 * MS), FuncTimer::new(100 * MS));
        let called = func_timer.times.clone();
        assert!(early.stop() || stop_both);
        early.recv().timeout_is_over().await;
        assert!(chan_timer.stop() && func_timer.func.stop());
        assert!(!chan_timer.stop() && !func_timer.func.stop(), "stopped already");
        sleep(200 * MS).await;
        assert!(early.chan().is_empty() && chan_timer.chan().is_empty() && called.is_empty());
    }
}

/// A wait that is not over after 10 ms.
trait TimeoutIsOver: Future + Sized {
    async fn timeout_is_over(self) {
        assert!(timeout(10 * MS, self).await.is_err());
    }
}

impl<F: Future> TimeoutIsOver for F {}

#[gmp::test(clock = "virtual")]
async fn channels_of_after_are_filled_in_the_order_of_their_moments() {
    let (results, start) = (chan(16), now());
    let slots = [5, 3, 6, 6, 6, 1, 1, 2, 7, 9, 4, 8, 0];
    for slot in slots {
        let (at, results) = (after(slot * MS), results.clone());
        go(async move { results.send((slot, at.recv().await.expect("open"))).await });
    }
    let mut sorted = slots;
    sorted.sort_unstable();
    for slot in sorted {
        assert_eq!(results.recv().await, Some((slot, start + slot * MS)));
    }
}

#[gmp::test(clock = "virtual")]
async fn a_hundred_functions_are_stopped_in_time() {
    let wg = WaitGroup::new();
    for _ in 0..100 {
        wg.go(async {
            let timer = after_func(2 * S, || async { panic!("not stopped") });
            sleep(S).await;
            assert!(timer.stop());
        });
    }
    wg.wait().await;
    sleep(2 * S).await;
}

#[test]
fn a_sleep_of_no_time_never_hangs() {
    on_four_ps(async {
        let busy = go(async {
            for _ in 0..100 {
                yield_now().await;
            }
        });
        for n in 0..100 {
            sleep(Duration::ZERO).await;
            let ch = chan(1);
            ch.send(n).await;
            assert_eq!(ch.recv().await, Some(n));
        }
        busy.await.unwrap();
    });
}

#[gmp::test(clock = "virtual")]
async fn reset_moves_the_moment_and_says_whether_the_timer_ran() {
    let timer = Timer::new(2 * MS);
    sleep(MS).await;
    assert!(timer.reset(3 * MS), "it had not fired");
    sleep(2 * MS).await;
    assert!(timer.chan().is_empty(), "too early");
    sleep(2 * MS).await;
    select! { recv(timer.chan()) -> at => assert!(at.is_some()), default => panic!("too late") }
    assert!(!timer.reset(50 * MS), "it had fired");
}

#[gmp::test(clock = "virtual")]
async fn a_duration_beyond_the_clock_is_no_short_one() {
    let sleeper = go(async {
        sleep(Duration::MAX).await;
        panic!("a sleep for ever is over");
    });
    let nearly = go(async {
        sleep(Duration::from_nanos(u64::MAX - 1)).await;
        panic!("a sleep of centuries is over");
    });
    select! {
        recv(after(Duration::MAX)) -> _ => panic!("never has come"),
        recv(after(25 * MS)) -> at => assert!(at.is_some()),
    }
    sleep(Duration::ZERO).await;
    select! {
        recv(after(Duration::ZERO)) -> at => assert!(at.is_some()),
        recv(after(S)) -> _ => panic!("zero is later than a second"),
    }
    sleeper.abort();
    nearly.abort();
}

/// A panic between two operations on timers leaves no lock behind.
#[gmp::test]
async fn a_panic_leaves_the_timers_usable() {
    let ticker = Ticker::new(HOUR);
    let panicked = go(async {
        let _timer = Timer::new(HOUR);
        panic!("expected by this test");
    });
    assert!(panicked.await.is_err());
    ticker.stop();
}

#[gmp::test(clock = "virtual")]
async fn the_period_of_a_ticker_may_reach_beyond_the_clock() {
    let ticker = Ticker::new(Duration::from_nanos(u64::MAX - 1));
    ticker.recv().timeout_is_over().await;
    let never = Ticker::new(Duration::MAX);
    never.recv().timeout_is_over().await;
}

#[test]
fn timers_of_no_duration_are_never_missed() {
    on_four_ps(async {
        let cached = FuncTimer::new(HOUR);
        for _ in 0..2_000 {
            assert!(Timer::new(Duration::ZERO).recv().await.is_some());
            assert!(FuncTimer::new(Duration::ZERO).times.recv().await.is_some());
            cached.func.reset(Duration::ZERO);
            assert!(cached.times.recv().await.is_some());
        }
    });
}

#[test]
fn a_timer_that_is_moved_earlier_again_and_again_is_not_lost() {
    on_four_ps(async {
        for _ in 0..500 {
            let timer = FuncTimer::new(HOUR);
            for _ in 0..10 {
                if !timer.func.stop() {
                    timer.times.recv().await;
                }
                timer.func.reset(Duration::ZERO);
            }
            assert!(timer.times.recv().await.is_some());
        }
    });
}

/// Timers are moved and stopped at random; all that are left fire, none before its moment.
#[test]
fn timers_are_adjusted_at_random() {
    on_four_ps(async {
        let wg = WaitGroup::new();
        for seed in 0..100u64 {
            wg.go(async move {
                let mut random = seed * 2_654_435_761 + 1;
                let mut below = |limit: u64| {
                    random = random.wrapping_mul(6364136223846793005).wrapping_add(1);
                    (random >> 33) % limit
                };
                let mut timers: Vec<(FuncTimer, Instant)> = Vec::new();
                for _ in 0..50 {
                    let delay = Duration::from_micros(below(200));
                    match below(3) {
                        0 => {
                            let due = now() + delay;
                            timers.push((FuncTimer::new(delay), due));
                        }
                        1 if !timers.is_empty() => {
                            let at = below(timers.len() as u64) as usize;
                            let (timer, _) = timers.swap_remove(at);
                            if !timer.func.stop() {
                                assert!(timer.times.recv().await.is_some());
                            }
                        }
                        2 if !timers.is_empty() => {
                            let at = below(timers.len() as u64) as usize;
                            let (timer, due) = &mut timers[at];
                            if !timer.func.stop() {
                                assert!(timer.times.recv().await.is_some());
                            }
                            *due = now() + delay;
                            timer.func.reset(delay);
                        }
                        _ => yield_now().await,
                    }
                }
                for (timer, due) in timers {
                    let at = timer.times.recv().await.expect("open");
                    assert!(at >= due, "fired {:?} early", due - at);
                }
            });
        }
        wg.wait().await;
    });
}

/// Stop, or a reset, says true exactly if no value comes from before.
#[test]
fn the_results_of_stop_and_reset_agree_with_the_channel() {
    for resets in [false, true] {
        on_four_ps(async move {
            let wg = WaitGroup::new();
            let fired = Arc::new(AtomicU32::new(0));
            for n in 0..100u64 {
                let fired = fired.clone();
                wg.go(async move {
                    for _ in 0..20 {
                        let timer = FuncTimer::new(Duration::from_micros(n % 50));
                        for _ in 0..n % 5 {
                            yield_now().await;
                        }
                        let stopped = match resets {
                            true => timer.func.reset(HOUR),
                            false => timer.func.stop(),
                        };
                        if stopped {
                            yield_now().await;
                            assert!(timer.times.is_empty(), "stopped, and called all the same");
                        } else {
                            assert!(timer.times.recv().await.is_some());
                            fired.fetch_add(1, Ordering::Relaxed);
                        }
                        timer.func.stop();
                    }
                });
            }
            wg.wait().await;
        });
    }
}

/// Several Ms wake for one ticker or timer; each tick is received once.
#[test]
fn many_wait_for_one_ticker_and_for_timers_of_one_moment() {
    on_four_ps(async {
        let ticker = Arc::new(Ticker::new(Duration::from_micros(100)));
        let wg = WaitGroup::new();
        for _ in 0..8 {
            let ticker = ticker.clone();
            wg.go(async move {
                for _ in 0..20 {
                    assert!(ticker.recv().await.is_some());
                    let timer = Timer::new(Duration::from_nanos(1));
                    assert!(timer.recv().await.is_some());
                    timer.reset(Duration::from_micros(1));
                    assert!(timer.recv().await.is_some());
                }
            });
        }
        wg.wait().await;
    });
}
