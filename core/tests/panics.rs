//! Panics in bodies, destructors and wakers end where they belong; everything else goes on.

mod support;

use std::panic::panic_any;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Wake, Waker};

use gmp_core::runtime::Runtime;
use gmp_core::{block_on, chan, channel, go, select, yield_now};
use support::{Counter, Life, panic_text, poll, poll_once, text};

/// Panics when it is dropped.
#[derive(Debug)]
struct Bomb(&'static str);

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("{}", self.0);
    }
}

#[test]
fn a_panic_goes_to_whoever_joins() {
    block_on(async {
        let handle = go(async { panic!("number {}", 7) });
        let bystander = go(async { 1 });
        let error = handle.await.unwrap_err();
        assert!(error.is_panic() && !error.is_aborted());
        assert_eq!(error.to_string(), "the goroutine panicked: number 7");
        assert_eq!(text(&*error.try_into_panic().unwrap()), "number 7");
        assert_eq!(bystander.await.unwrap(), 1);
    });
}

#[test]
fn a_panic_drops_what_the_goroutine_held() {
    let life = Life::default();
    block_on(async {
        let (value, ch) = (life.make(1), chan::<u8>(0));
        let (tx, rx) = channel::<u8>(0);
        let waiting = go(async move { rx.recv().await });
        let handle = go(async move {
            let _held = (value, tx);
            yield_now().await;
            panic!("gone");
        });
        assert!(handle.await.is_err());
        assert_eq!((life.alive(), waiting.await.unwrap()), (0, None));
        drop(ch);
    });
}

#[test]
fn a_panic_of_main_leaves_the_runtime_usable() {
    let runtime = Runtime::new();
    assert_eq!(panic_text(|| runtime.block_on(async { panic!("main") })), "main");
    assert_eq!(runtime.block_on(async { go(async { 5 }).await.unwrap() }), 5);
}

#[test]
fn a_payload_of_any_type_arrives() {
    block_on(async {
        let error = go(async { panic_any(5u8) }).await.unwrap_err();
        assert_eq!(error.to_string(), "the goroutine panicked: a panic whose payload is no text");
        assert_eq!(*error.try_into_panic().unwrap().downcast::<u8>().unwrap(), 5);
    });
}

#[test]
fn a_destructor_that_panics_after_the_end_is_a_panic_of_the_goroutine() {
    /// Ready at once; its destructor panics.
    struct Ends(#[expect(dead_code, reason = "held")] Bomb);
    impl Future for Ends {
        type Output = u8;
        fn poll(self: std::pin::Pin<&mut Self>, _: &mut Context<'_>) -> std::task::Poll<u8> {
            std::task::Poll::Ready(1)
        }
    }
    block_on(async {
        let error = go(Ends(Bomb("late"))).await.unwrap_err();
        assert_eq!(text(&*error.try_into_panic().unwrap()), "late");
    });
}

/// A future that ends or panics with payloads and outputs that panic when they are dropped.
struct Nasty {
    panics: bool,
    _bomb: Bomb,
}

impl Future for Nasty {
    type Output = Bomb;
    fn poll(self: std::pin::Pin<&mut Self>, _: &mut Context<'_>) -> std::task::Poll<Bomb> {
        if self.panics {
            panic_any(Bomb("payload"));
        }
        std::task::Poll::Ready(Bomb("output"))
    }
}

#[test]
fn nothing_that_panics_twice_hurts_the_scheduler() {
    struct BombInDrop;
    impl Drop for BombInDrop {
        fn drop(&mut self) {
            panic_any(Bomb("payload of a destructor"));
        }
    }
    block_on(async {
        for panics in [false, true] {
            let error = go(Nasty { panics, _bomb: Bomb("future") }).await.unwrap_err();
            // The payload is ours now.
            std::mem::forget(error.try_into_panic());
            drop(go(Nasty { panics, _bomb: Bomb("detached") }));
            yield_now().await;
        }
        let (held, never) = (BombInDrop, chan::<u8>(0));
        let waiting = go(async move {
            let _held = held;
            never.recv().await
        });
        yield_now().await;
        waiting.abort();
        assert!(waiting.await.unwrap_err().is_aborted());
        assert_eq!(go(async { 3 }).await.unwrap(), 3);
    });
}

#[test]
fn a_runtime_drops_everything_though_destructors_panic() {
    let life = Life::default();
    let runtime = Runtime::new();
    for id in 0..10 {
        let value = (life.make(id), (id % 2 == 0).then(|| Bomb("while the runtime goes")));
        drop(runtime.go(async move {
            std::future::pending::<()>().await;
            drop(value);
        }));
    }
    drop(runtime);
    assert_eq!(life.alive(), 0);
}

/// Panics when it is woken or dropped.
struct BadWaker {
    wake: bool,
    drop: bool,
    woken: Arc<AtomicUsize>,
}

impl Wake for BadWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }
    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.fetch_add(1, Ordering::Relaxed);
        assert!(!self.wake, "a waker that panics");
    }
}

impl Drop for BadWaker {
    fn drop(&mut self) {
        assert!(!self.drop, "a waker that panics when it is dropped");
    }
}

#[test]
fn wakers_that_panic_do_not_reach_their_peers() {
    for (wake, drops) in [(true, false), (false, true), (true, true)] {
        let woken = Arc::new(AtomicUsize::new(0));
        let ch = chan::<u8>(0);
        let mut bad = Box::pin(ch.recv());
        {
            let waker = Waker::from(Arc::new(BadWaker { wake, drop: drops, woken: woken.clone() }));
            assert!(bad.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            // The leaf has the last clone.
        }
        let good = Counter::new();
        let mut next = Box::pin(ch.recv());
        assert!(poll(next.as_mut(), &good).is_pending());
        ch.close();
        assert_eq!((woken.load(Ordering::Relaxed), good.wakes()), (1, 1));
        assert!(poll_once(bad.as_mut()).is_ready() && poll_once(next.as_mut()).is_ready());
    }
}

#[test]
fn a_waker_that_panics_when_dropped_does_not_keep_a_future_from_going() {
    let ch = chan::<u8>(0);
    let mut bad = Box::pin(ch.recv());
    {
        let woken = Arc::default();
        let waker = Waker::from(Arc::new(BadWaker { wake: false, drop: true, woken }));
        assert!(bad.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    }
    assert!(poll(bad.as_mut(), &Counter::new()).is_pending(), "moved to another waker");
    drop(bad);
    assert!(ch.try_send(1).is_err());
}

#[test]
fn a_future_arm_that_panics_takes_the_select_apart() {
    let life = Life::default();
    block_on(async {
        let ch = chan(0);
        let (tx, value) = (ch.clone(), life.make(1));
        let error = go(async move {
            select! {
                send(tx, value) => {}
                () = async { yield_now().await; panic!("arm") } => {}
            }
        });
        assert!(error.await.unwrap_err().is_panic());
        assert!(ch.try_recv().is_err() && life.alive() == 0);
    });
}

#[test]
fn a_send_on_a_closed_channel_drops_the_value_before_it_panics() {
    struct Asks(Arc<AtomicUsize>);
    impl Drop for Asks {
        fn drop(&mut self) {
            self.0.store(1 + usize::from(std::thread::panicking()), Ordering::Relaxed);
        }
    }
    let state = Arc::new(AtomicUsize::new(0));
    let ch = chan(0);
    ch.close();
    let text = panic_text(|| _ = poll_once(pin!(ch.send(Asks(state.clone())))));
    assert_eq!((text.as_str(), state.swap(0, Ordering::Relaxed)), ("send on closed channel", 1));
    let arm = async {
        select! { send(ch, Asks(state.clone())) => {} }
    };
    let text = panic_text(|| _ = poll_once(pin!(arm)));
    assert_eq!((text.as_str(), state.load(Ordering::Relaxed)), ("send on closed channel", 1));
}

#[test]
fn an_exit_of_the_main_goroutine_is_told() {
    let ran = support::run_alone_with("exits_the_main_goroutine", "GMP_DEBUG", "");
    let text = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert!(!ran.status.success(), "{text}");
    assert!(text.contains("gmp: exit_goroutine in a main goroutine"), "{text}");
}

#[test]
#[ignore = "run by the test above"]
fn exits_the_main_goroutine() {
    block_on(async { gmp_core::runtime::exit_goroutine() })
}
