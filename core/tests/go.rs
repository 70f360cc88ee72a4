//! Goroutines: the order in which they run, fairness, joining, and the life of a runtime.

mod support;

use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use gmp_core::runtime::Runtime;
use gmp_core::{block_on, chan, go, yield_now};
use support::{Life, panic_text, poll_once, rounds};

type Log = Arc<Mutex<Vec<usize>>>;

fn noting(log: &Log, entry: usize) -> impl Future<Output = ()> + Send + 'static {
    let log = log.clone();
    async move { log.lock().unwrap().push(entry) }
}

#[test]
fn the_last_started_runs_first_then_the_others_in_order() {
    let log = Log::default();
    block_on(async {
        let all: Vec<_> = (0..5).map(|i| go(noting(&log, i))).collect();
        for handle in all {
            handle.await.unwrap();
        }
    });
    assert_eq!(*log.lock().unwrap(), [4, 0, 1, 2, 3]);
}

#[test]
fn a_full_queue_keeps_everybody() {
    let log = Log::default();
    block_on(async {
        let all: Vec<_> = (0..2_000).map(|i| go(noting(&log, i))).collect();
        for handle in all {
            handle.await.unwrap();
        }
    });
    let mut seen = log.lock().unwrap().clone();
    seen.sort_unstable();
    assert!(seen.into_iter().eq(0..2_000));
}

#[test]
fn yielding_goes_behind_all_that_are_ready() {
    let log = Log::default();
    let turns = |i: usize| {
        let log = log.clone();
        async move {
            for turn in 0..3 {
                log.lock().unwrap().push(10 * turn + i);
                yield_now().await;
            }
        }
    };
    block_on(async {
        let all: Vec<_> = (0..3).map(|i| go(turns(i))).collect();
        for handle in all {
            handle.await.unwrap();
        }
    });
    assert_eq!(*log.lock().unwrap(), [2, 0, 1, 12, 10, 11, 22, 20, 21]);
}

#[test]
fn yielding_goes_behind_those_made_ready_by_other_threads() {
    let runtime = Runtime::new();
    let log = Log::default();
    runtime.block_on(async {
        let other = std::thread::scope(|s| s.spawn(|| runtime.go(noting(&log, 1))).join().unwrap());
        drop(go(noting(&log, 0)));
        yield_now().await;
        log.lock().unwrap().push(2);
        other.await.unwrap();
    });
    assert_eq!(*log.lock().unwrap(), [0, 1, 2]);
}

/// Two goroutines that make each other ready until `stop`; `start` is called in the tenth round.
/// Returns how many rounds there were.
fn ping_pong(runtime: &Runtime, start: impl FnOnce(Arc<AtomicBool>) + Send + 'static) -> usize {
    let (stop, count) = <(Arc<AtomicBool>, Arc<AtomicUsize>)>::default();
    let (a, b) = (chan::<()>(0), chan::<()>(0));
    let mut start = Some(start);
    runtime.block_on(async {
        let (tx, rx, closed) = (b.clone(), a.clone(), stop.clone());
        let pong = go(async move {
            while rx.recv().await.is_some() {
                tx.send(()).await;
            }
            assert!(closed.load(Ordering::Relaxed));
        });
        let rounds = count.clone();
        let ping = go(async move {
            while !stop.load(Ordering::Relaxed) {
                if rounds.fetch_add(1, Ordering::Relaxed) == 10 {
                    start.take().unwrap()(stop.clone());
                }
                a.send(()).await;
                b.recv().await;
            }
            a.close();
        });
        ping.await.unwrap();
        pong.await.unwrap();
    });
    count.load(Ordering::Relaxed)
}

#[test]
fn two_that_wake_each_other_do_not_starve_the_queue() {
    let runtime = Runtime::new();
    let rounds = ping_pong(&runtime, |stop| {
        drop(go(async move { stop.store(true, Ordering::Relaxed) }));
        // Takes its place as the next to run: from now on it is in the queue.
        drop(go(async {}));
    });
    assert!(rounds <= 1_000, "{rounds}");
}

#[test]
fn two_that_wake_each_other_do_not_starve_the_global_queue() {
    let runtime = Arc::new(Runtime::new());
    let handle = runtime.clone();
    let rounds = ping_pong(&runtime, move |stop| {
        let third = async move { stop.store(true, Ordering::Relaxed) };
        std::thread::scope(|s| s.spawn(|| drop(handle.go(third))).join().unwrap());
    });
    // The global queue is looked at on every 61st dispatch.
    assert!(rounds <= 10 + 61, "{rounds}");
}

/// Runs `busy` beside a goroutine that stops it.
fn lets_others_run<F: Future<Output = ()> + Send + 'static>(
    busy: impl FnOnce(Arc<AtomicBool>) -> F,
) {
    block_on(async {
        let stop = Arc::new(AtomicBool::new(false));
        let busy = go(busy(stop.clone()));
        yield_now().await;
        assert!(!busy.is_finished());
        stop.store(true, Ordering::Relaxed);
        busy.await.unwrap();
    });
}

#[test]
fn a_loop_over_a_ready_channel_lets_others_run() {
    lets_others_run(|stop| async move {
        let ch = chan(1);
        while !stop.load(Ordering::Relaxed) {
            ch.send(1).await;
            ch.recv().await;
        }
    });
}

#[test]
fn a_loop_over_a_closed_channel_lets_others_run() {
    lets_others_run(|stop| async move {
        let ch = chan::<()>(1);
        ch.close();
        while !stop.load(Ordering::Relaxed) {
            assert_eq!(ch.recv().await, None);
        }
    });
}

#[test]
fn a_loop_over_a_select_with_default_lets_others_run() {
    lets_others_run(|stop| async move {
        let ch = chan::<()>(0);
        while !stop.load(Ordering::Relaxed) {
            gmp_core::select! {
                recv(ch) -> _ => unreachable!(),
                default => {}
            }
        }
    });
}

#[test]
fn joining_gives_the_result_before_or_after_the_end() {
    block_on(async {
        let early = go(async {
            yield_now().await;
            "early"
        });
        assert!(!early.is_finished());
        assert_eq!(early.await.unwrap(), "early");
        let late = go(async { "late" });
        yield_now().await;
        assert!(late.is_finished());
        assert_eq!(late.await.unwrap(), "late");
    });
}

#[test]
fn a_dropped_handle_detaches_and_the_output_is_dropped() {
    let life = Life::default();
    block_on(async {
        let done = chan(0);
        let (value, tx) = (life.make(1), done.clone());
        drop(go(async move {
            yield_now().await;
            tx.send(()).await;
            value
        }));
        done.recv().await;
        yield_now().await;
        assert_eq!(life.alive(), 0);
        let value = life.make(2);
        let handle = go(async move { value });
        yield_now().await;
        assert_eq!(life.alive(), 1, "kept for the handle");
        drop(handle);
        assert_eq!(life.alive(), 0);
    });
}

#[test]
fn a_handle_may_be_joined_by_another_goroutine_than_polled_it_first() {
    block_on(async {
        let (gate, results) = (chan::<()>(0), chan(1));
        let wait = gate.clone();
        let mut handle = go(async move { wait.recv().await });
        let results_tx = results.clone();
        std::future::poll_fn(|cx| {
            assert!(std::pin::Pin::new(&mut handle).poll(cx).is_pending());
            std::task::Poll::Ready(())
        })
        .await;
        drop(go(async move { results_tx.send(handle.await.unwrap()).await }));
        yield_now().await;
        gate.close();
        assert_eq!(results.recv().await, Some(None));
    });
}

#[test]
fn main_may_borrow_and_need_not_be_send() {
    let mut list = std::rc::Rc::new(vec![1]);
    let text = String::from("borrowed");
    let output: &str = block_on(async {
        yield_now().await;
        std::rc::Rc::get_mut(&mut list).unwrap().push(2);
        &text[..6]
    });
    assert_eq!((output, list.len()), ("borrow", 2));
}

#[test]
fn blocking_inside_a_goroutine_is_refused() {
    block_on(async {
        let ch = chan::<()>(1);
        assert!(panic_text(|| _ = ch.blocking_recv()).contains("blocking call"));
        assert!(panic_text(|| ch.blocking_send(())).contains("blocking call"));
        assert!(panic_text(|| block_on(async {})).contains("block_on inside a goroutine"));
    });
}

#[test]
fn goroutines_wait_between_two_calls_of_block_on() {
    let runtime = Runtime::new();
    let (ch, results) = (chan::<usize>(0), chan::<usize>(1));
    let (rx, tx) = (ch.clone(), results.clone());
    drop(runtime.go(async move { tx.send(rx.recv().await.unwrap() + 1).await }));
    runtime.block_on(yield_now());
    runtime.block_on(async { ch.send(1).await });
    assert_eq!(runtime.block_on(results.recv()), Some(2));
}

#[test]
fn only_one_thread_at_a_time_runs_a_runtime() {
    let runtime = Runtime::new();
    runtime.block_on(async {
        let text = std::thread::scope(|s| {
            s.spawn(|| panic_text(|| runtime.block_on(async {}))).join().unwrap()
        });
        assert!(text.contains("another thread is running this runtime"), "{text}");
    });
}

#[test]
fn dropping_a_runtime_drops_all_futures_and_what_their_destructors_start() {
    struct StartsAnother(support::Living, Life);
    impl Drop for StartsAnother {
        fn drop(&mut self) {
            let value = self.1.make(self.0.id + 1);
            drop(go(async move {
                let _value = value;
                unreachable!("a closed scope starts nothing")
            }));
        }
    }
    let life = Life::default();
    let runtime = Runtime::new();
    let never = chan::<()>(0);
    for id in 0..10 {
        let (value, never) = (StartsAnother(life.make(id), life.clone()), never.clone());
        drop(runtime.go(async move {
            never.recv().await;
            drop(value);
        }));
    }
    runtime.block_on(yield_now());
    assert_eq!(life.alive(), 10);
    drop(runtime);
    assert_eq!(life.alive(), 0);
}

#[test]
fn joining_what_a_dropped_runtime_left_gives_an_error() {
    let runtime = Runtime::new();
    let mut handle = Box::pin(runtime.go(std::future::pending::<()>()));
    assert!(poll_once(handle.as_mut()).is_pending());
    drop(runtime);
    match poll_once(handle.as_mut()) {
        std::task::Poll::Ready(Err(error)) => assert!(error.is_aborted()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_runtime_may_go_while_another_thread_makes_its_goroutines_ready() {
    for _ in 0..rounds(2_000) {
        let runtime = Runtime::new();
        let ch = chan::<()>(0);
        for _ in 0..4 {
            let ch = ch.clone();
            drop(runtime.go(async move { ch.recv().await }));
        }
        runtime.block_on(yield_now());
        let closer = std::thread::spawn(move || ch.close());
        drop(runtime);
        closer.join().unwrap();
    }
}

#[test]
fn outside_any_goroutine_the_global_runtime_is_used() {
    let ch = chan(0);
    let tx = ch.clone();
    let handle = go(async move {
        tx.send(go(async { 20 }).await.unwrap() + 1).await;
        tx.close();
    });
    assert_eq!((ch.blocking_recv(), ch.blocking_recv()), (Some(21), None));
    block_on(handle).unwrap();
}

#[test]
fn thread_locals_that_are_dropped_last_may_use_channels() {
    struct Late;
    impl Drop for Late {
        fn drop(&mut self) {
            let ch = chan(1);
            ch.try_send(1).unwrap();
            assert_eq!(ch.try_recv(), Ok(1));
        }
    }
    thread_local!(static LATE: Late = const { Late });
    // Touched first, so dropped after the runtime's own.
    std::thread::spawn(|| LATE.with(|_| drop(chan::<()>(0)))).join().unwrap();
}
