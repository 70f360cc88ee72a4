//! Contexts: the tree, its ends, values, functions, and what the inspection reads.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context as Task, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use gmp_core::context::{
    Context, ContextError, Key, after_func, background, todo, with_cancel, with_cancel_cause,
    with_deadline, with_deadline_cause, with_timeout, with_timeout_cause, with_value,
    without_cancel,
};
use gmp_core::inspect::{Capability, ContextInfo, ContextState, Figure, WaitReason};
use gmp_core::runtime::{Builder, Runtime};
use gmp_core::time::{now, sleep, timeout};
use gmp_core::{block_on, chan, go, select, snapshot, yield_now};

const MS: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_secs(3_600);
const CANCELED: Option<ContextError> = Some(ContextError::Canceled);
const EXCEEDED: Option<ContextError> = Some(ContextError::DeadlineExceeded);

/// Polls once, with a waker that does nothing.
fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Task::from_waker(Waker::noop()))
}

#[test]
fn cancelling_reaches_everything_below_and_nothing_else() {
    let root = background();
    let (middle, cancel) = with_cancel(&root);
    let (sibling, _keep) = with_cancel(&root);
    let (child, cancel_child) = with_cancel(&with_value::<Name>(&middle, "x"));
    let (free, _free) = with_cancel(&without_cancel(&middle));
    let grandchild = with_value::<Name>(&child, "y");
    assert!([&middle, &child, &grandchild].iter().all(|c| c.err().is_none()));
    cancel.cancel();
    cancel.cancel();
    for ended in [&middle, &child, &grandchild] {
        assert_eq!(ended.err(), CANCELED);
        assert_eq!(ended.cause().unwrap().to_string(), "context canceled");
    }
    for other in [&root, &sibling, &free] {
        assert!(other.err().is_none() && other.cause().is_none());
    }
    let (late, _late) = with_cancel(&grandchild);
    assert_eq!(late.err(), CANCELED, "born ended");
    cancel_child.cancel();
}

#[test]
fn cancelling_a_child_leaves_its_parent_alone() {
    let (parent, _cancel) = with_cancel(&todo());
    let (child, cancel_child) = with_cancel(&parent);
    cancel_child.clone().cancel();
    assert_eq!((child.err(), parent.err()), (CANCELED, None));
    drop((child, cancel_child));
    let (other, cancel_other) = with_cancel(&parent);
    drop(cancel_other);
    assert!(other.err().is_none(), "dropping the handle does not cancel");
}

#[test]
fn the_first_cause_counts_and_goes_down() {
    let (parent, cancel) = with_cancel_cause(&background());
    let (child, _keep) = with_cancel(&parent);
    cancel.cancel_with(std::io::Error::other("the disk is gone"));
    cancel.cancel_with("too late");
    for context in [&parent, &child] {
        assert_eq!(context.err(), CANCELED);
        assert_eq!(context.cause().unwrap().to_string(), "the disk is gone");
        assert!(context.cause().unwrap().downcast_ref::<std::io::Error>().is_some());
    }
}

#[test]
fn the_cause_of_a_deadline_counts_where_that_deadline_ends_it() {
    let cause = |ctx: &Context| ctx.cause().unwrap().to_string();
    let past = now();
    let (ended, _one) = with_deadline_cause(&background(), past, "too slow");
    let (below, _two) = with_cancel(&ended);
    for ctx in [&ended, &below] {
        assert_eq!((ctx.err(), cause(ctx)), (EXCEEDED, "too slow".to_owned()));
    }
    let (cancelled, cancel) = with_timeout_cause(&background(), HOUR, "too slow");
    cancel.cancel();
    assert_eq!((cancelled.err(), cause(&cancelled)), (CANCELED, "context canceled".to_owned()));
    block_on(async {
        let (parent, _three) = with_timeout_cause(&background(), MS, "the parent");
        let (child, _four) = with_timeout_cause(&parent, HOUR, "the child");
        assert_eq!(child.done().await, ContextError::DeadlineExceeded);
        assert_eq!(cause(&child), "the parent");
        let (parent, _five) = with_timeout_cause(&background(), HOUR, "the parent");
        let (child, _six) = with_timeout_cause(&parent, MS, "the child");
        assert_eq!(child.done().await, ContextError::DeadlineExceeded);
        assert_eq!((cause(&child), parent.err()), ("the child".to_owned(), None));
    });
}

/// A cause whose drop panics, by whoever lets go of it last.
#[derive(Debug)]
struct Loud;

impl std::fmt::Display for Loud {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("loud")
    }
}

impl std::error::Error for Loud {}

impl Drop for Loud {
    fn drop(&mut self) {
        panic!("expected by this test");
    }
}

#[test]
fn a_cause_whose_drop_panics_harms_nobody() {
    let (waits, cancel) = with_timeout_cause(&background(), HOUR, Loud);
    drop((waits, cancel));
    block_on(async {
        let (ends, cancel) = with_timeout_cause(&background(), MS, Loud);
        let (below, _keep) = with_cancel(&ends);
        assert_eq!(below.done().await, ContextError::DeadlineExceeded);
        assert_eq!(below.cause().unwrap().to_string(), "loud");
        drop((ends, cancel, below));
    });
}

#[test]
fn all_who_wait_go_on() {
    block_on(async {
        let (ctx, cancel) = with_cancel(&background());
        let done = Arc::new(AtomicUsize::new(0));
        let handles: Vec<_> = (0..10)
            .map(|_| {
                let (ctx, done) = (with_value::<Name>(&ctx, "worker"), done.clone());
                go(async move {
                    assert_eq!(ctx.done().await, ContextError::Canceled);
                    done.fetch_add(1, Ordering::Relaxed);
                })
            })
            .collect();
        yield_now().await;
        assert_eq!(done.load(Ordering::Relaxed), 0);
        cancel.cancel();
        for handle in handles {
            handle.await.unwrap();
        }
        assert_eq!(ctx.done().await, ContextError::Canceled, "again, and at once");
    });
}

#[test]
fn a_context_that_cannot_end_keeps_its_waiters() {
    let mut values = pin!(async { with_value::<Name>(&background(), "x").done().await });
    assert!(poll_once(values.as_mut()).is_pending());
    let (parent, cancel) = with_cancel(&background());
    let cut = without_cancel(&parent);
    let mut waiting = pin!(cut.done());
    cancel.cancel();
    assert!(poll_once(waiting.as_mut()).is_pending());
    assert!(cut.err().is_none() && cut.cause().is_none());
}

#[test]
fn deadlines_end_contexts_and_the_nearest_counts() {
    block_on(async {
        let start = now();
        let (outer, _outer) = with_timeout(&background(), 3 * MS);
        let (inner, _inner) = with_deadline(&outer, start + HOUR);
        assert_eq!(inner.deadline(), outer.deadline());
        assert_eq!(with_value::<Name>(&inner, "x").deadline(), outer.deadline());
        assert_eq!(without_cancel(&inner).deadline(), None);
        assert_eq!(inner.done().await, ContextError::DeadlineExceeded);
        assert!(now() >= outer.deadline().unwrap());
        assert_eq!((outer.err(), inner.err()), (EXCEEDED, EXCEEDED));
        assert_eq!(inner.cause().unwrap().to_string(), "context deadline exceeded");
        let (past, _past) = with_deadline(&background(), start);
        assert_eq!(past.err(), EXCEEDED);
        let (never, cancel) = with_timeout(&background(), Duration::MAX);
        assert!(never.deadline().is_none() && never.err().is_none());
        cancel.cancel();
        assert_eq!(never.err(), CANCELED);
    });
}

#[test]
fn a_cancelled_context_stays_cancelled_when_its_deadline_comes() {
    Builder::new().virtual_time().build().block_on(async {
        let (ctx, cancel) = with_timeout(&background(), 2 * MS);
        cancel.cancel();
        sleep(4 * MS).await;
        assert_eq!(ctx.err(), CANCELED);
    });
}

#[test]
fn plain_threads_wait_for_contexts_too() {
    let (ctx, _cancel) = with_timeout(&background(), 2 * MS);
    assert_eq!(ctx.blocking_done(), ContextError::DeadlineExceeded);
}

struct Name;
impl Key for Name {
    type Value = &'static str;
}

struct Number;
impl Key for Number {
    type Value = u64;
}

#[test]
fn values_are_found_from_the_nearest_up_by_their_key() {
    let one = with_value::<Name>(&background(), "outer");
    let two = with_value::<Number>(&without_cancel(&one), 7);
    let three = with_value::<Name>(&with_cancel(&two).0, "inner");
    assert_eq!((three.value::<Name>(), three.value::<Number>()), (Some(&"inner"), Some(&7)));
    assert_eq!((two.value::<Name>(), one.value::<Number>()), (Some(&"outer"), None));
}

#[test]
fn a_select_takes_the_end_of_a_context_as_an_arm() {
    block_on(async {
        let work = chan::<u32>(0);
        let (ctx, cancel) = with_cancel(&background());
        let worker = {
            let work = work.clone();
            go(async move {
                let mut seen = 0;
                loop {
                    select! {
                        recv(work) -> _ => seen += 1,
                        error = ctx.done() => break (seen, error),
                    }
                }
            })
        };
        for n in 0..3 {
            work.send(n).await;
        }
        cancel.cancel();
        assert_eq!(worker.await.unwrap(), (3, ContextError::Canceled));
    });
}

#[test]
fn a_wait_that_is_dropped_or_moved_to_another_task_leaves_the_others_in_place() {
    struct Count(AtomicUsize);
    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let (ctx, cancel) = with_cancel(&background());
    let count = || Arc::new(Count(AtomicUsize::new(0)));
    let (first, second) = (count(), count());
    let mut kept = pin!(ctx.done());
    {
        let mut gone = pin!(ctx.done());
        let waker = Waker::from(first.clone());
        assert!(gone.as_mut().poll(&mut Task::from_waker(&waker)).is_pending());
        assert!(kept.as_mut().poll(&mut Task::from_waker(&waker)).is_pending());
    }
    let waker = Waker::from(second.clone());
    assert!(kept.as_mut().poll(&mut Task::from_waker(&waker)).is_pending());
    cancel.cancel();
    let wakes = (first.0.load(Ordering::Relaxed), second.0.load(Ordering::Relaxed));
    assert_eq!(wakes, (0, 1));
    assert!(poll_once(kept.as_mut()).is_ready());
}

#[test]
fn functions_run_once_in_goroutines_of_their_own_unless_stopped() {
    block_on(async {
        let order = Arc::new(Mutex::new(Vec::new()));
        let (ctx, cancel) = with_cancel(&background());
        let note = |name| {
            let order = order.clone();
            async move { order.lock().unwrap().push(name) }
        };
        let below = with_value::<Name>(&ctx, "x");
        let ran = after_func(&below, note("ran"));
        let stopped = after_func(&ctx, note("stopped"));
        assert!(stopped.stop() && !stopped.stop());
        drop(after_func(&ctx, note("handle dropped")));
        yield_now().await;
        assert!(order.lock().unwrap().is_empty());
        cancel.cancel();
        assert!(order.lock().unwrap().is_empty(), "not inside the cancel");
        assert!(!ran.stop());
        let _ = after_func(&ctx, note("at once"));
        yield_now().await;
        yield_now().await;
        let mut order = order.lock().unwrap().clone();
        order.sort_unstable();
        assert_eq!(order, ["at once", "handle dropped", "ran"]);
        let never = after_func(&background(), async {});
        assert!(never.stop() && !never.stop());
    });
}

#[test]
fn a_destructor_may_use_the_context_it_is_dropped_by() {
    struct Held(Context, Option<Box<dyn FnOnce() + Send + Sync>>);
    impl Key for Held {
        type Value = Held;
    }
    impl Drop for Held {
        fn drop(&mut self) {
            assert!(self.0.err().is_none());
            if let Some(tell) = self.1.take() {
                tell();
            }
            panic!("and it may even panic");
        }
    }
    let (ctx, cancel) = with_cancel(&background());
    let dropped = Arc::new(AtomicUsize::new(0));
    let tell = |dropped: &Arc<AtomicUsize>| {
        let dropped = dropped.clone();
        let tell: Box<dyn FnOnce() + Send + Sync> = Box::new(move || {
            dropped.fetch_add(1, Ordering::Relaxed);
        });
        Some(tell)
    };
    let held = with_value::<Held>(&ctx, Held(ctx.clone(), tell(&dropped)));
    let held_twice = with_value::<Held>(&held, Held(held.clone(), tell(&dropped)));
    let captured = Held(ctx.clone(), tell(&dropped));
    let stop = after_func(&ctx, async move { drop(captured) });
    drop((held, held_twice));
    assert_eq!(dropped.load(Ordering::Relaxed), 2);
    assert!(stop.stop());
    assert_eq!(dropped.load(Ordering::Relaxed), 3);
    drop((ctx, cancel));
}

/// Deep enough to overflow any stack if anything recursed.
const DEPTH: usize = 1_000_000;

/// A chain below `root`, of every kind by turns; without a cut it is done with `root`.
fn deep_chain(root: &Context, cuts: bool) -> Context {
    let mut chain = with_value::<Name>(root, "top");
    for n in 0..DEPTH {
        chain = match n % 5 {
            0 => with_cancel(&chain).0,
            1 => with_value::<Number>(&chain, 1),
            // Each of them is due before those above it, so that all have timers.
            2 => with_timeout(&chain, HOUR * 2 - Duration::from_micros(n as u64)).0,
            3 if cuts => without_cancel(&chain),
            3 => with_cancel_cause(&chain).0,
            _ => with_timeout_cause(&chain, HOUR * 3, "slow").0,
        };
    }
    chain
}

/// Runs `f` on a stack that has no room for a million frames of any size.
fn on_a_small_stack(f: impl FnOnce() + Send + 'static) {
    let small = std::thread::Builder::new().stack_size(256 << 10);
    small.spawn(f).unwrap().join().unwrap();
}

#[test]
fn a_chain_of_a_million_contexts_is_cancelled_and_dropped() {
    on_a_small_stack(|| {
        let (root, cancel) = with_cancel(&background());
        let chain = deep_chain(&root, false);
        let mut last = Box::pin(chain.done());
        assert!(poll_once(last.as_mut()).is_pending());
        let dropped = Arc::new(());
        let kept = dropped.clone();
        let _stop = after_func(&chain, async move { drop(kept) });
        assert_eq!(chain.value::<Name>(), Some(&"top"));
        cancel.cancel();
        assert_eq!(poll_once(last.as_mut()), Poll::Ready(ContextError::Canceled));
        assert_eq!((chain.err(), chain.value::<Name>()), (CANCELED, Some(&"top")));
        block_on(async {
            while Arc::strong_count(&dropped) > 1 {
                yield_now().await;
            }
        });
    });
}

#[test]
fn a_million_children_of_one_parent_are_cancelled_and_dropped() {
    let (root, cancel) = with_cancel(&background());
    let children: Vec<_> = (0..1_000_000).map(|_| with_cancel(&root).0).collect();
    let mut last = pin!(children[children.len() - 1].done());
    assert!(poll_once(last.as_mut()).is_pending());
    cancel.cancel();
    assert_eq!(poll_once(last.as_mut()), Poll::Ready(ContextError::Canceled));
    assert!(children.iter().all(|child| child.err() == CANCELED));
}

/// Children go, are made and are ended by hand while their parent ends all of them.
#[test]
fn children_may_go_while_their_parent_ends_them() {
    for _ in 0..200 {
        let (root, cancel) = with_cancel(&background());
        let made: Vec<_> = (0..64).map(|_| with_cancel(&root)).collect();
        let start = std::sync::Barrier::new(4);
        std::thread::scope(|scope| {
            let [a, b] = [(); 2].map(|()| (&start, &root));
            scope.spawn(move || {
                a.0.wait();
                for (at, (child, cancel)) in made.into_iter().enumerate() {
                    if at % 2 == 0 {
                        cancel.cancel();
                    }
                    drop((cancel, child));
                }
            });
            scope.spawn(move || {
                b.0.wait();
                let late: Vec<_> = (0..64).map(|_| with_cancel(b.1).0).collect();
                late.iter().rev().for_each(|child| drop(child.clone()));
            });
            for _ in 0..2 {
                scope.spawn(|| {
                    start.wait();
                    cancel.cancel();
                });
            }
        });
        assert_eq!(with_cancel(&root).0.err(), CANCELED);
    }
}

#[test]
fn a_chain_that_nobody_cancelled_is_dropped_too() {
    for cuts in [false, true] {
        on_a_small_stack(move || {
            let (root, cancel) = with_cancel(&background());
            let chain = deep_chain(&root, cuts);
            if cuts {
                // It ends what lies above the first cut.
                cancel.cancel();
                assert!(chain.err().is_none());
            }
            assert_eq!(chain.value::<Name>(), Some(&"top"));
            drop((root, cancel));
            drop(chain);
        });
    }
}

#[test]
fn a_long_lived_parent_forgets_children_that_are_gone() {
    let runtime = Builder::new().watch(true).build();
    runtime.block_on(async {
        let (parent, cancel) = with_cancel(&background());
        for round in 0..10_000 {
            let (child, cancel) = with_timeout(&parent, HOUR);
            if round % 2 == 0 {
                cancel.cancel();
            }
            drop(child);
        }
        let watch = runtime.scope().watch().unwrap();
        assert_eq!((watch.contexts().len(), watch.armed_timers()), (2, 0));
        cancel.cancel();
    });
}

#[test]
fn cancelling_while_children_come_and_go_on_other_threads_misses_none() {
    for _ in 0..200 {
        let (root, cancel) = with_cancel(&background());
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let (child, _keep) = with_cancel(&with_value::<Number>(&root, 1));
                        let (_gone, _) = with_timeout(&child, HOUR);
                        if root.err().is_some() {
                            break;
                        }
                    }
                    let (last, _keep) = with_timeout(&root, HOUR);
                    assert_eq!(last.blocking_done(), ContextError::Canceled);
                });
            }
            scope.spawn(|| cancel.cancel());
        });
    }
}

fn line_of(context: &ContextInfo) -> u32 {
    context.created_at.line()
}

#[test]
fn the_tree_is_told_as_plain_data() {
    let runtime = Builder::new().watch(true).build();
    let line = line!();
    let kept = runtime.block_on(async {
        let root = background();
        let (one, cancel_one) = with_cancel(&root);
        let (two, cancel_two) = with_timeout(&with_value::<Name>(&one, "x"), HOUR);
        let (past, _past) = with_deadline(&one, now());
        let (three, cancel_three) = with_cancel(&root);
        cancel_three.cancel();
        drop(cancel_one);
        (root, one, two, cancel_two.clone(), cancel_two, past, three)
    });
    let tree = runtime.scope().watch().unwrap().contexts();
    let short: Vec<_> = tree.iter().map(|c| (c.kind, line_of(c) - line, c.parent)).collect();
    let id = |at: usize| Some(tree[at].id);
    assert_eq!(
        short,
        [
            ("background", 2, None),
            ("with_cancel", 3, id(0)),
            ("with_value", 4, id(1)),
            ("with_timeout", 4, id(2)),
            ("with_deadline", 5, id(1)),
            ("with_cancel", 6, id(0)),
        ]
    );
    let active = |cancel_handles| ContextState::Active { cancel_handles, deadline_in: None };
    assert_eq!((tree[0].state, tree[1].state), (active(None), active(Some(0))));
    assert_eq!(tree[2].state, active(None));
    let ContextState::Active { cancel_handles: Some(2), deadline_in: Some(due) } = tree[3].state
    else {
        panic!("{:?}", tree[3].state)
    };
    assert!(due <= HOUR && due > HOUR / 2);
    assert_eq!(tree[4].state, ContextState::DeadlineExceeded);
    let ContextState::Cancelled { at } = tree[5].state else { panic!("{:?}", tree[5].state) };
    assert_eq!(at.line(), line + 7);
    assert!(tree.iter().all(|c| c.created_by.is_some() && c.broken_from.is_none()));
    drop(kept);
    assert!(runtime.scope().watch().unwrap().contexts().is_empty(), "nothing is kept alive");
}

/// The contexts of `body`'s runtime when it is over, with the lines relative to `line`.
fn broken<F: Future>(line: u32, body: F) -> Vec<(u32, Option<u32>)> {
    let runtime = Builder::new().watch(true).build();
    let kept = runtime.block_on(body);
    let tree = runtime.scope().watch().unwrap().contexts();
    drop(kept);
    let roots = tree.iter().filter(|c| c.kind == "background");
    roots.map(|c| (line_of(c) - line, c.broken_from.map(|at| at.line() - line))).collect()
}

#[test]
fn a_root_made_where_a_context_was_at_hand_breaks_the_chain() {
    let line = line!();
    let given = broken(line, async {
        let contexts = chan::<Context>(0);
        let inbox = contexts.clone();
        let child = go(async move {
            let given = inbox.recv().await.unwrap();
            assert!(given.err().is_none());
            background()
        });
        let (ctx, cancel) = with_cancel(&background());
        contexts.send(ctx.clone()).await;
        (child.await.unwrap(), ctx, cancel)
    });
    let mut given = given;
    given.sort_unstable();
    assert_eq!(given, [(7, Some(9)), (9, None)]);
    let line = line!();
    let inherited = broken(line, async {
        let (ctx, cancel) = with_cancel(&background());
        let grandchild = go(async { go(async { background() }).await.unwrap() });
        (grandchild.await.unwrap(), ctx, cancel)
    });
    assert_eq!(inherited, [(2, None), (3, Some(2))]);
    let line = line!();
    let used = broken(line, async {
        let (ctx, cancel) = with_cancel(&background());
        let (request, _) = with_cancel(&ctx);
        let child = go(async move {
            assert!(request.err().is_none());
            (background(), request)
        });
        (child.await.unwrap(), ctx, cancel)
    });
    assert_eq!(used, [(2, None), (6, Some(3))], "the one in use, not the one at hand");
}

#[test]
fn several_roots_of_ones_own_break_nothing() {
    let line = line!();
    let own = broken(line, async {
        let first = with_cancel(&background());
        let second = with_cancel(&background());
        let _ = first.0.err();
        let before_any = background();
        (first, second, before_any)
    });
    assert_eq!(own, [(2, None), (3, None), (5, None)]);
    let line = line!();
    let sibling = broken(line, async {
        let root = go(async { background() }).await.unwrap();
        let (ctx, cancel) = with_cancel(&root);
        (ctx, cancel)
    });
    assert_eq!(sibling, [(2, None)]);
}

#[test]
fn a_wait_tells_every_handle_that_could_end_it() {
    let (outside, outside_cancel) = with_cancel(&background());
    let runtime = Builder::new().watch(true).build();
    let line = line!();
    let kept = runtime.block_on(async {
        let (parent, cancel) = with_cancel(&background());
        let (child, gone) = with_timeout(&with_value::<Name>(&parent, "x"), HOUR);
        drop((gone, cancel.clone()));
        go(async move { child.done().await });
        let below = with_cancel(&outside).0;
        go(async move { below.done().await });
        go(async { background().done().await });
        yield_now().await;
        cancel
    });
    runtime.scope().close();
    let frozen = snapshot::freeze(runtime.scope());
    let waits: Vec<_> = frozen.iter().map(|g| g.waits().remove(0)).collect();
    assert!(waits.iter().all(|wait| wait.reason == WaitReason::ContextDone));
    let child = &waits[0];
    assert_eq!(child.at.line(), line + 5);
    let Figure::Context { cancel_handles, deadline_in } = child.figure else { panic!() };
    assert_eq!((cancel_handles, deadline_in), (1, child.due_in));
    assert!(child.due_in.is_some_and(|due| due <= HOUR && due > HOUR / 2) && child.complete);
    let deaths: Vec<_> = child.capabilities.iter().map(|(r, c)| r.death(*c).is_some()).collect();
    assert_eq!(deaths, [true, false], "the child's handle is gone, the parent's is not");
    assert_eq!(child.capabilities[1].1, Capability::Release);
    let record = child.capabilities[1].0.clone();
    let reaping = record.watch().reaping();
    drop(kept);
    assert!(record.death(Capability::Release).is_some());
    drop(reaping);
    let below = &waits[1];
    assert!(!below.complete && below.due_in.is_none(), "nobody recorded the context outside");
    let Figure::Context { cancel_handles: 1, deadline_in: None } = below.figure else { panic!() };
    let root = &waits[2];
    assert!(root.complete && root.capabilities.is_empty() && root.due_in.is_none());
    drop(outside_cancel);
}

#[test]
fn a_deadline_outlives_the_runtime_it_was_armed_on_without_harm() {
    let runtime = Runtime::new();
    let (ctx, cancel) = runtime.block_on(async { with_timeout(&background(), HOUR) });
    drop(runtime);
    assert!(ctx.err().is_none());
    cancel.cancel();
    assert_eq!(ctx.err(), CANCELED);
}

#[test]
fn futures_and_handles_can_be_sent_and_shared() {
    fn both<T: Send + Sync>(_: &T) {}
    let (ctx, cancel) = with_timeout(&background(), HOUR);
    both(&ctx);
    both(&cancel);
    both(&ctx.done());
    both(&after_func(&ctx, async {}));
    let _ = (timeout(MS, async {}), Instant::now());
}
