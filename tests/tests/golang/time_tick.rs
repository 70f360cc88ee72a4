//! <https://github.com/golang/go/blob/master/src/time/tick_test.go>
//!
//! Left out: negative durations, which do not exist here, and a ticker that its user put together. In Go the
//! channel of a timer always looks empty; here it has room for one value and says whether that is there.

use std::sync::Arc;
use std::time::Duration;

use gmp::sync::WaitGroup;
use gmp::time::{Ticker, Timer, after, after_func, now, sleep, tick};
use gmp::{Chan, chan, go, select, yield_now};

const S: Duration = Duration::from_secs(1);
const MS: Duration = Duration::from_millis(1);
const LONG: Duration = Duration::from_secs(10_000);

#[gmp::test(clock = "virtual")]
async fn a_ticker_takes_its_time_before_and_after_a_reset() {
    let (start, ticker) = (now(), Ticker::new(20 * MS));
    for _ in 0..5 {
        ticker.recv().await;
    }
    ticker.reset(40 * MS);
    for _ in 0..5 {
        ticker.recv().await;
    }
    ticker.stop();
    assert_eq!(start.elapsed(), 5 * 20 * MS + 5 * 40 * MS);
    sleep(100 * MS).await;
    assert!(ticker.chan().is_empty(), "it has stopped");
}

#[gmp::test(clock = "virtual")]
async fn tickers_are_made_and_stopped_one_after_the_other() {
    for _ in 0..3 {
        let ticker = Ticker::new(20 * MS);
        ticker.recv().await;
        ticker.stop();
    }
}

#[gmp::test]
async fn tick_of_no_period_is_nil() {
    assert!(tick(Duration::ZERO).is_nil());
}

#[gmp::test]
#[should_panic(expected = "a period of zero")]
async fn a_ticker_without_a_period_panics() {
    drop(Ticker::new(Duration::ZERO));
}

#[gmp::test]
#[should_panic(expected = "a period of zero")]
async fn a_reset_to_no_period_panics() {
    Ticker::new(S).reset(Duration::ZERO);
}

/// A queue that is asked beside thousands of timers keeps up.
#[gmp::test(clock = "virtual")]
async fn a_large_heap_does_not_stop_a_queue() {
    let wg = WaitGroup::new();
    for _ in 0..5_000 {
        wg.go(sleep(Duration::from_micros(10)));
    }
    let done = chan::<()>(0);
    let closes = done.clone();
    let watchdog = after_func(60 * S, move || {
        closes.close();
        std::future::ready(())
    });
    let (jobs, results) = (chan::<u32>(0), chan::<u32>(0));
    let (takes, gives, ends) = (jobs.clone(), results.clone(), done.clone());
    wg.go(async move {
        let mut queue = std::collections::VecDeque::new();
        loop {
            let (out, first) = match queue.front() {
                Some(&first) => (gives.clone(), first),
                None => (Chan::nil(), 0),
            };
            select! {
                send(out, first) => _ = queue.pop_front(),
                recv(takes) -> job => match job {
                    Some(job) => queue.push_back(job),
                    None => return,
                },
                recv(ends) -> _ => return,
            }
        }
    });
    for _ in 0..200 {
        for job in 0..20 {
            jobs.send(job).await;
        }
        for job in 0..20 {
            select! {
                recv(results) -> result => assert_eq!(result, Some(job)),
                recv(after(5 * S)) -> _ => panic!("no work came out"),
                recv(done) -> _ => panic!("the watchdog has barked"),
            }
        }
    }
    jobs.close();
    wg.wait().await;
    assert!(watchdog.stop());
}

/// What nobody has any more is stopped, and leaves nothing armed.
#[gmp::test]
async fn timers_go_with_their_last_handle() {
    let scope = gmp::runtime::current_scope();
    let armed = || scope.watch().expect("a test is watched").armed_timers();
    for _ in 0..100 {
        drop((after(LONG), tick(LONG), Timer::new(LONG), Ticker::new(LONG)));
        Timer::new(LONG).stop();
        Ticker::new(LONG).stop();
    }
    assert_eq!(armed(), 0);
}

/// A timer or a ticker, stopped and reset alike.
enum Either {
    Timer(Timer),
    Ticker(Ticker),
}

impl Either {
    fn chan(&self) -> &Chan<gmp::time::Instant> {
        match self {
            Self::Timer(timer) => timer.chan(),
            Self::Ticker(ticker) => ticker.chan(),
        }
    }

    fn stop(&self) {
        match self {
            Self::Timer(timer) => _ = timer.stop(),
            Self::Ticker(ticker) => ticker.stop(),
        }
    }

    fn reset(&self, duration: Duration) {
        match self {
            Self::Timer(timer) => _ = timer.reset(duration),
            Self::Ticker(ticker) => ticker.reset(duration),
        }
    }

    fn is_ticker(&self) -> bool {
        matches!(self, Self::Ticker(_))
    }

    fn no_tick(&self) {
        assert!(self.chan().try_recv().is_err(), "a tick too many");
    }

    fn has_tick(&self) {
        assert!(self.chan().try_recv().is_ok(), "a tick is missing");
    }
}

async fn stops_and_resets(either: Either) {
    either.stop();
    either.no_tick();
    either.reset(LONG);
    either.no_tick();

    either.reset(MS);
    sleep(2 * MS).await;
    either.has_tick();
    // A ticker has ticked again: a reset takes that out.
    sleep(2 * MS).await;
    either.reset(LONG);
    either.no_tick();

    // The same while somebody waits.
    let (either, done) = (Arc::new(either), chan(1));
    let (waits, tell) = (either.clone(), done.clone());
    go(async move {
        waits.chan().recv().await;
        tell.send(()).await;
    });
    sleep(10 * MS).await;
    either.reset(2 * LONG);
    sleep(10 * MS).await;
    assert!(done.is_empty(), "reset far away");
    either.reset(MS);
    sleep(2 * MS + MS / 2).await;
    assert_eq!(done.recv().await, Some(()));
    if either.is_ticker() {
        either.has_tick()
    } else {
        either.no_tick()
    }
    either.stop();
    either.no_tick();

    // Two that wait in a select: one tick releases one, unless there are more to come.
    either.reset(LONG);
    let (done, stop) = (chan(2), chan::<()>(0));
    let wg = WaitGroup::new();
    for _ in 0..2 {
        let (either, done, stop) = (either.clone(), done.clone(), stop.clone());
        wg.go(async move {
            select! {
                recv(either.chan()) -> _ => done.send(()).await,
                recv(stop) -> _ => {}
            }
        });
    }
    sleep(10 * MS).await;
    assert!(done.is_empty());
    either.reset(MS);
    sleep(2 * MS + MS / 2).await;
    assert_eq!(done.len(), if either.is_ticker() { 2 } else { 1 });
    stop.close();
    wg.wait().await;
    either.stop();
    yield_now().await;
    either.no_tick();
}

#[gmp::test(clock = "virtual")]
async fn the_channel_of_a_timer_has_no_stale_value() {
    stops_and_resets(Either::Timer(Timer::new(LONG))).await;
}

#[gmp::test(clock = "virtual")]
async fn the_channel_of_a_ticker_has_no_stale_value() {
    stops_and_resets(Either::Ticker(Ticker::new(LONG))).await;
}
