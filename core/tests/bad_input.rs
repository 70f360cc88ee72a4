//! Bad input: a clear error or Go's panic, and nothing lost.

mod support;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::time::Duration;

use gmp_core::chan::{CloseError, Select, TryRecvError, TrySendError};
use gmp_core::context::{
    Cancel, Context, ContextError, Key, after_func, background, with_cancel, with_cancel_cause,
    with_timeout, with_value,
};
use gmp_core::runtime::{Builder, Runtime};
use gmp_core::time::{after, sleep};
use gmp_core::{Chan, block_on, chan, channel, go, select, yield_now};
use support::{Life, Living, panic_text, poll_once, rounds};

#[test]
fn a_capacity_of_usize_max_is_as_good_as_none() {
    block_on(async {
        let (ch, (tx, rx)) = (chan(usize::MAX), channel(usize::MAX));
        for n in 0..10_000 {
            ch.send(n).await;
            tx.send(n).await.unwrap();
        }
        assert_eq!((ch.cap(), ch.len(), rx.len()), (usize::MAX, 10_000, 10_000));
        for n in 0..10_000 {
            assert_eq!((ch.recv().await, rx.recv().await), (Some(n), Some(n)));
        }
    });
}

/// An element that comes back as it went.
async fn goes_round<T: Send + Clone + PartialEq + std::fmt::Debug + 'static>(value: T) {
    for cap in [0, 1, 3] {
        let ch = chan(cap);
        let sender = ch.clone();
        let sent = value.clone();
        drop(go(async move {
            for _ in 0..3 {
                sender.send(sent.clone()).await;
            }
            select! { send(sender, sent) => () }
            sender.close();
        }));
        assert!(ch.recv().await.is_some_and(|got| got == value));
        assert!(select! { recv(ch) -> got => got.is_some_and(|got| got == value) });
        assert!(ch.recv().await.is_some() && ch.recv().await.is_some());
        assert!(ch.recv().await.is_none());
    }
}

#[test]
fn elements_without_size_and_with_odd_alignment_go_round() {
    #[derive(Clone, PartialEq, Debug)]
    #[repr(align(256))]
    struct Aligned(u8);
    block_on(async {
        goes_round(()).await;
        goes_round([0_u64; 0]).await;
        goes_round(Aligned(7)).await;
        goes_round([7_u8; 4096]).await;
    });
}

/// A mebibyte on the stack for each call that a value goes through needs a large one.
#[test]
fn elements_of_a_mebibyte_go_round() {
    let large = std::thread::Builder::new().stack_size(256 << 20);
    let thread = large.spawn(|| block_on(Box::pin(goes_round([7_u8; 1 << 20]))));
    thread.unwrap().join().unwrap();
    Builder::new().procs(2).build().block_on(goes_round(Box::new([7_u8; 1 << 20])));
}

/// Panics when it is dropped, and counts.
struct Bomb(Arc<AtomicUsize>);

impl Drop for Bomb {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
        assert!(std::thread::panicking(), "a bomb");
    }
}

/// An element: one of them panics when it is dropped.
enum Element {
    Plain(#[expect(dead_code, reason = "its drop is counted")] Living),
    Bomb(#[expect(dead_code, reason = "its drop is counted")] Bomb),
}

#[test]
fn a_buffer_with_an_element_whose_drop_panics_drops_the_others_too() {
    let (life, bombs) = (Life::default(), Arc::new(AtomicUsize::new(0)));
    for is_pair in [false, true] {
        bombs.store(0, Ordering::SeqCst);
        let fill = |send: &dyn Fn(Element)| {
            send(Element::Plain(life.make(1)));
            send(Element::Bomb(Bomb(bombs.clone())));
            send(Element::Plain(life.make(2)));
        };
        let text = if is_pair {
            let (tx, rx) = channel(3);
            fill(&|element| assert!(tx.try_send(element).is_ok()));
            panic_text(|| drop(rx))
        } else {
            let ch = chan(3);
            fill(&|element| assert!(ch.try_send(element).is_ok()));
            panic_text(|| drop(ch))
        };
        assert_eq!(text, "a bomb");
        assert_eq!((life.alive(), bombs.load(Ordering::SeqCst)), (0, 1));
    }
}

#[test]
fn a_drop_that_panics_leaves_the_channel_as_it_was() {
    let bombs = Arc::new(AtomicUsize::new(0));
    let bomb = || Bomb(bombs.clone());
    let ch = chan(0);
    // A send that is dropped half-way, one that is refused, and the arm of a select that lost.
    let mut send = Box::pin(ch.send_checked(bomb()));
    assert!(poll_once(send.as_mut()).is_pending());
    assert_eq!(panic_text(|| drop(send)), "a bomb");
    assert_eq!(panic_text(|| drop(ch.try_send(bomb()))), "a bomb");
    let other = chan(1);
    other.try_send(1).unwrap();
    let lost = panic_text(|| {
        let mut select = Select::new();
        select.send(&ch, bomb(), |()| ()).recv(&other, |got| assert_eq!(got, Some(1)));
        assert!(poll_once(pin!(select.wait())).is_ready());
    });
    assert_eq!((lost.as_str(), bombs.load(Ordering::SeqCst)), ("a bomb", 3));
    assert!(matches!(ch.try_recv(), Err(TryRecvError::Empty)), "no sender is left in the queue");
    let mut recv = Box::pin(ch.recv());
    assert!(poll_once(recv.as_mut()).is_pending());
    assert!(ch.try_send(Bomb(bombs.clone())).is_ok());
    std::mem::forget(poll_once(recv.as_mut()));
}

#[test]
fn closing_twice_and_closing_nil_say_so() {
    let ch = chan::<u32>(0);
    assert_eq!((ch.try_close(), ch.try_close()), (Ok(()), Err(CloseError::Closed)));
    assert_eq!(Chan::<u32>::nil().try_close(), Err(CloseError::Nil));
    assert_eq!(panic_text(|| ch.close()), "close of closed channel");
    assert_eq!(panic_text(|| Chan::<u32>::nil().close()), "close of nil channel");
    for procs in [1, 4] {
        Builder::new().procs(procs).build().block_on(async {
            let (ch, closed) = (chan::<u32>(0), Arc::new(AtomicUsize::new(0)));
            let closers: Vec<_> =
                (0..8)
                    .map(|_| {
                        let (ch, closed) = (ch.clone(), closed.clone());
                        go(async move {
                            closed.fetch_add(ch.try_close().is_ok().into(), Ordering::SeqCst)
                        })
                    })
                    .collect();
            for closer in closers {
                closer.await.unwrap();
            }
            assert_eq!(closed.load(Ordering::SeqCst), 1, "one of many closes it");
        });
    }
}

/// Sends when it is dropped, to whom it was given.
struct Farewell(Chan<&'static str>);

impl Drop for Farewell {
    fn drop(&mut self) {
        let _ = self.0.try_send("farewell");
    }
}

#[test]
fn a_destructor_may_send() {
    block_on(async {
        let heard = chan(8);
        // Of a goroutine that ended, was aborted, or panicked.
        let kept = Farewell(heard.clone());
        go(async move { drop(kept) }).await.unwrap();
        let kept = Farewell(heard.clone());
        let stuck = go(async move {
            let _kept = kept;
            core::future::pending::<()>().await;
        });
        yield_now().await;
        stuck.abort();
        assert!(stuck.await.unwrap_err().is_aborted());
        let kept = Farewell(heard.clone());
        let panics = go(async move {
            let _kept = kept;
            std::panic::resume_unwind(Box::new("expected by this test"));
        });
        assert!(panics.await.is_err());
        // Of a value that a channel held, sent on while the channel goes.
        let held = chan(1);
        held.send(Farewell(heard.clone())).await;
        drop(held);
        assert_eq!(heard.len(), 4);
    });
}

#[test]
fn a_destructor_may_send_to_the_channel_it_was_received_from() {
    block_on(async {
        struct Again(Option<Chan<Again>>);
        impl Drop for Again {
            fn drop(&mut self) {
                if let Some(ch) = self.0.take() {
                    assert!(ch.try_send(Again(None)).is_ok(), "there is room");
                }
            }
        }
        let ch = chan(1);
        ch.send(Again(Some(ch.clone()))).await;
        drop(ch.recv().await);
        assert!(ch.recv().await.is_some_and(|again| again.0.is_none()));
    });
}

#[test]
fn a_runtime_that_goes_drops_goroutines_whose_destructors_send() {
    let heard = chan(8);
    for procs in [None, Some(2)] {
        let runtime = procs.map_or_else(Runtime::new, |n| Builder::new().procs(n).build());
        let kept = Farewell(heard.clone());
        runtime.block_on(async {
            drop(go(async move {
                let _kept = kept;
                core::future::pending::<()>().await;
            }));
            yield_now().await;
        });
        drop(runtime);
        assert_eq!(heard.try_recv(), Ok("farewell"));
    }
}

#[test]
fn an_arm_on_a_dropped_runtime_is_over_or_never_ready() {
    let runtime = Runtime::new();
    let (tx, rx) = channel::<u32>(0);
    let (join, timer, nap, ctx) = runtime.block_on(async move {
        let join = go(async move { tx.send(1).await });
        yield_now().await;
        let short = Duration::from_millis(1);
        (join, after(short), sleep(short), with_timeout(&background(), short))
    });
    drop(runtime);
    block_on(async {
        let got = select! { recv(rx) -> got => got, default => Some(9) };
        assert_eq!(got, None, "its sender went with the runtime");
        let aborted = select! { joined = join => joined.is_err_and(|error| error.is_aborted()) };
        assert!(aborted, "its goroutine went with the runtime");
        // Nobody moves the clock of a runtime that is gone. What is armed later is armed here.
        let woken = select! { recv(timer) -> _ => "timer", () = nap => "nap" };
        assert_eq!(woken, "nap");
        assert!(select! { recv(timer) -> _ => false, default => true });
        let (late, _stop) = with_timeout(&ctx.0, Duration::from_secs(3600));
        ctx.1.cancel();
        assert_eq!(late.done().await, ContextError::Canceled, "cancelling works without a clock");
    });
}

/// A tree of `n` contexts, each made from one of those before.
fn tree(n: usize) -> Vec<(Context, Cancel)> {
    let mut tree = vec![with_cancel_cause(&background())];
    for at in 1..n {
        tree.push(with_cancel_cause(&tree[(at - 1) / 2].0));
    }
    tree
}

/// Every context ends once: with the cause that was given to it, or with that of its parent.
#[test]
fn cancelling_during_cancellation_from_eight_threads_ends_each_context_once() {
    const THREADS: usize = 8;
    for _ in 0..rounds(200) {
        let (tree, start) = (tree(63), Barrier::new(THREADS));
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let (tree, start) = (&tree, &start);
                scope.spawn(move || {
                    start.wait();
                    for n in (thread..63).step_by(3) {
                        tree[62 - n].1.cancel_with(format!("{}", 62 - n));
                    }
                    tree[0].1.cancel_with("0");
                });
            }
        });
        let cause = |n: usize| tree[n].0.cause().expect("all have ended").to_string();
        assert_eq!(cause(0), "0");
        for (n, (ctx, _)) in tree.iter().enumerate().skip(1) {
            assert_eq!(ctx.err(), Some(ContextError::Canceled));
            let cause_of_it = cause(n);
            assert!(
                cause_of_it == format!("{n}") || cause_of_it == cause((n - 1) / 2),
                "{n} ended with {cause_of_it}"
            );
        }
    }
}

#[test]
fn a_function_may_cancel_while_a_cancellation_goes_on() {
    Builder::new().procs(4).build().block_on(async {
        let tree = Arc::new(tree(63));
        let _stops: Vec<_> = (0..63)
            .map(|n| {
                let others = tree.clone();
                after_func(&tree[n].0, async move { others[62 - n].1.cancel() })
            })
            .collect();
        tree[62].1.cancel();
        assert_eq!(tree[0].0.done().await, ContextError::Canceled, "from function to function");
        for (ctx, _) in tree.iter() {
            ctx.done().await;
        }
    });
}

#[test]
fn a_million_children_end_with_their_parent() {
    let (parent, cancel) = with_cancel(&background());
    let children: Vec<_> = (0..rounds(1_000_000)).map(|_| with_cancel(&parent)).collect();
    cancel.cancel();
    assert!(children.iter().all(|(ctx, _)| ctx.err() == Some(ContextError::Canceled)));
    drop(parent);
    drop(cancel);
    drop(children);
}

#[test]
fn a_key_of_another_type_finds_nothing_though_the_values_are_alike() {
    struct Asked;
    struct Given;
    impl Key for Asked {
        type Value = u32;
    }
    impl Key for Given {
        type Value = u32;
    }
    let ctx = with_value::<Given>(&background(), 7);
    assert_eq!((ctx.value::<Asked>(), ctx.value::<Given>()), (None, Some(&7)));
}

#[test]
fn a_value_whose_drop_panics_goes_with_its_context_in_silence() {
    struct Explosive;
    impl Key for Explosive {
        type Value = Bomb;
    }
    let bombs = Arc::new(AtomicUsize::new(0));
    let ctx = with_value::<Explosive>(&background(), Bomb(bombs.clone()));
    assert!(catch_unwind(AssertUnwindSafe(|| drop(ctx))).is_ok(), "it may go anywhere");
    assert_eq!(bombs.load(Ordering::SeqCst), 1);
}

#[test]
fn forms_that_do_not_wait_tell_full_empty_and_closed_apart() {
    let ch = chan(1);
    assert_eq!(ch.try_recv(), Err(TryRecvError::Empty));
    assert_eq!((ch.try_send(1), ch.try_send(2)), (Ok(()), Err(TrySendError::Full(2))));
    ch.close();
    assert_eq!(ch.try_send(3), Err(TrySendError::Closed(3)));
    assert_eq!((ch.try_recv(), ch.try_recv()), (Ok(1), Err(TryRecvError::Closed)));
}
