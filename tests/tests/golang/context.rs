//! Go's tests of package `context`.
//!
//! Left out everywhere: contexts of a user's own type and nil parents, which do not exist here; keys that
//! cannot be compared, as keys are types; and what `fmt` prints for a context.

use std::time::Duration;

use gmp::context::{
    Cancel, Context, ContextError, Key, after_func, background, todo, with_cancel,
    with_cancel_cause, with_deadline, with_deadline_cause, with_timeout, with_timeout_cause,
    with_value, without_cancel,
};
use gmp::sync::WaitGroup;
use gmp::time::{now, timeout};
use gmp::{chan, go, select, yield_now};

const LONG: Duration = Duration::from_secs(3_600);
const SHORT: Duration = Duration::from_millis(2);

struct Name;
impl Key for Name {
    type Value = &'static str;
}

struct Number;
impl Key for Number {
    type Value = u32;
}

/// Not done, in every way to ask.
async fn is_active(ctx: &Context) {
    select! { _ = ctx.done() => unreachable!("it is done"), default => () }
    assert!(ctx.err().is_none() && ctx.cause().is_none());
}

/// Done with this error, in every way to ask.
async fn is_done(ctx: &Context, error: ContextError) {
    select! { got = ctx.done() => assert_eq!(got, error), default => unreachable!("not done") }
    assert_eq!((ctx.err(), ctx.done().await), (Some(error), error));
}

/// <https://github.com/golang/go/blob/master/src/context/context_test.go>
///
/// What these tests see of the inside, the lists of children, is seen by those of the package itself.
///
/// Left out: `TestAllocs`, whose numbers are those of Go's compiler; what a context costs here is measured by `ctx_cancel`
/// and `ctx_tree` in `core/benches/peers`. `TestDeadlineExceededSupportsTimeout`: there is no common interface of errors
/// here that tells a timeout, but the error is a value of its own to compare with.
mod context_test {
    use super::*;

    #[gmp::test]
    async fn a_parent_finishes_its_children() {
        let (parent, cancel) = with_cancel(&background());
        let (child, _stop) = with_cancel(&parent);
        let value = with_value::<Name>(&parent, "value");
        let (timed, _stop_timer) = with_timeout(&value, LONG);
        let ran = chan(1);
        let tell = ran.clone();
        let _after = after_func(&parent, async move { tell.send(()).await });
        for ctx in [&parent, &child, &value, &timed] {
            is_active(ctx).await;
        }
        cancel.cancel();
        for ctx in [&parent, &child, &value, &timed] {
            is_done(ctx, ContextError::Canceled).await;
        }
        assert_eq!(ran.recv().await, Some(()));
        is_done(&with_value::<Name>(&parent, "late"), ContextError::Canceled).await;
    }

    #[gmp::test]
    async fn a_child_finishes_first() {
        let (cancelable, _stop) = with_cancel(&background());
        for parent in [background(), cancelable] {
            let (child, cancel) = with_cancel(&parent);
            is_active(&parent).await;
            is_active(&child).await;
            cancel.cancel();
            is_done(&child, ContextError::Canceled).await;
            is_active(&parent).await;
        }
    }
}

/// <https://github.com/golang/go/blob/master/src/context/x_test.go>
mod x_test {
    use super::*;

    #[gmp::test]
    async fn roots_are_never_done() {
        for ctx in [background(), todo()] {
            is_active(&ctx).await;
            assert!(ctx.deadline().is_none() && ctx.value::<Name>().is_none());
        }
    }

    #[gmp::test]
    async fn a_cancel_is_seen_by_what_is_made_from_it_and_may_be_repeated() {
        let (first, cancel) = with_cancel(&background());
        let value = with_value::<Name>(&first, "value");
        is_active(&value).await;
        cancel.cancel();
        cancel.cancel();
        is_done(&first, ContextError::Canceled).await;
        is_done(&value, ContextError::Canceled).await;
    }

    #[gmp::test]
    async fn the_nearest_deadline_counts() {
        let (ctx, _one) = with_deadline(&background(), now() + SHORT);
        assert_eq!(ctx.done().await, ContextError::DeadlineExceeded);
        let (outer, _two) = with_deadline(&background(), now() + SHORT);
        let (inner, _three) = with_deadline(&outer, now() + LONG);
        assert_eq!(inner.deadline(), outer.deadline());
        assert_eq!(inner.done().await, ContextError::DeadlineExceeded);
        let (past, _four) = with_deadline(&background(), now());
        is_done(&past, ContextError::DeadlineExceeded).await;
    }

    #[gmp::test]
    async fn a_timeout_ends_it_and_a_cancel_ends_it_before() {
        let (ctx, _stop) = with_timeout(&background(), SHORT);
        let (child, _stop_child) = with_timeout(&ctx, LONG);
        assert_eq!(child.done().await, ContextError::DeadlineExceeded);
        let (outer, _stop_outer) = with_timeout(&background(), LONG);
        let (ctx, cancel) = with_timeout(&outer, LONG);
        cancel.cancel();
        is_done(&ctx, ContextError::Canceled).await;
        is_active(&outer).await;
    }

    #[gmp::test]
    async fn the_nearest_value_of_a_key_counts() {
        let check = |ctx: &Context, name, number| {
            assert_eq!(
                (ctx.value::<Name>().copied(), ctx.value::<Number>().copied()),
                (name, number)
            );
        };
        let root = background();
        check(&root, None, None);
        let first = with_value::<Name>(&root, "first");
        check(&first, Some("first"), None);
        let second = with_value::<Number>(&first, 2);
        check(&second, Some("first"), Some(2));
        let third = with_value::<Name>(&second, "third");
        check(&third, Some("third"), Some(2));
        check(&second, Some("first"), Some(2));
        let (child, _stop) = with_cancel(&third);
        check(&without_cancel(&child), Some("third"), Some(2));
    }

    #[gmp::test]
    async fn many_cancels_at_once() {
        let mut tree: Vec<(Context, Cancel)> = vec![with_cancel(&background())];
        for n in 0..25 {
            for _ in 0..4 {
                let child = with_cancel(&tree[n].0);
                tree.push(child);
            }
        }
        let wg = WaitGroup::new();
        while !tree.is_empty() {
            let (ctx, cancel) = tree.swap_remove(gmp::choose(tree.len()));
            wg.go(async move { cancel.cancel() });
            wg.go(async move { assert_eq!(ctx.done().await, ContextError::Canceled) });
        }
        wg.wait().await;
    }

    #[gmp::test]
    async fn a_cancel_of_the_parent_meets_one_of_the_child() {
        let (parent, cancel_parent) = with_cancel(&background());
        let (child, cancel_child) = with_cancel(&parent);
        drop(go(async move {
            parent.done().await;
            cancel_child.cancel();
        }));
        cancel_parent.cancel();
        assert_eq!(child.done().await, ContextError::Canceled);
    }

    /// A chain of thirty contexts of random kinds, and its cancel handles.
    fn layers(limit: Duration) -> (Context, Vec<Cancel>) {
        let (mut ctx, first) = with_timeout(&with_value::<Number>(&background(), 7), limit);
        let mut cancels = vec![first];
        for _ in 0..30 {
            let (next, cancel) = match gmp::choose(3) {
                0 => (with_value::<Name>(&ctx, "layer"), None),
                1 => {
                    let (next, cancel) = with_cancel(&ctx);
                    (next, Some(cancel))
                }
                _ => {
                    let (next, cancel) = with_timeout(&ctx, limit);
                    (next, Some(cancel))
                }
            };
            ctx = next;
            cancels.extend(cancel);
        }
        (ctx, cancels)
    }

    #[gmp::test]
    async fn any_layer_cancels_and_times_out_those_above_it() {
        let (ctx, cancels) = layers(LONG);
        is_active(&ctx).await;
        cancels[gmp::choose(cancels.len())].cancel();
        is_done(&ctx, ContextError::Canceled).await;
        assert_eq!(ctx.value::<Number>(), Some(&7));
        let (ctx, _cancels) = layers(SHORT);
        assert_eq!(ctx.done().await, ContextError::DeadlineExceeded);
        assert_eq!(ctx.value::<Number>(), Some(&7));
    }

    #[gmp::test]
    async fn a_child_of_a_cancelled_parent_is_done_with_its_cause() {
        let (parent, cancel) = with_cancel_cause(&background());
        cancel.cancel_with("because");
        let (child, _stop) = with_cancel(&parent);
        is_done(&child, ContextError::Canceled).await;
        assert_eq!(child.cause().unwrap().to_string(), "because");
    }

    #[gmp::test]
    async fn a_cancel_beside_the_making_of_a_child_is_not_missed() {
        for _ in 0..200 {
            let (parent, cancel) = with_cancel_cause(&background());
            let canceller = go(async move { cancel.cancel_with("because") });
            if gmp::choose(2) == 0 {
                yield_now().await;
            }
            let (child, _stop) = with_cancel(&parent);
            assert_eq!(child.done().await, ContextError::Canceled);
            assert_eq!(child.cause().unwrap().to_string(), "because");
            canceller.await.unwrap();
        }
    }

    /// The cause of a context, as text.
    fn cause(ctx: &Context) -> String {
        ctx.cause().map_or("none".to_owned(), |cause| cause.to_string())
    }

    #[gmp::test]
    async fn causes() {
        assert_eq!((cause(&background()), cause(&todo())), ("none".into(), "none".into()));
        let (ctx, cancel) = with_cancel(&background());
        cancel.cancel();
        assert_eq!(cause(&ctx), "context canceled");
        let (parent, cancel_parent) = with_cancel_cause(&background());
        let (child, cancel_child) = with_cancel_cause(&parent);
        cancel_parent.cancel_with("parent");
        cancel_child.cancel_with("child");
        assert_eq!((cause(&parent), cause(&child)), ("parent".into(), "parent".into()));
        let (parent, cancel_parent) = with_cancel_cause(&background());
        let (child, cancel_child) = with_cancel_cause(&parent);
        cancel_child.cancel_with("child");
        cancel_parent.cancel_with("parent");
        assert_eq!((cause(&parent), cause(&child)), ("parent".into(), "child".into()));
        cancel_child.cancel_with("again");
        assert_eq!(cause(&child), "child", "the first one stays");
        let (ctx, _stop) = with_timeout(&background(), Duration::ZERO);
        assert_eq!(cause(&ctx), "context deadline exceeded");
        let (timed, cancel) = with_timeout(&background(), LONG);
        cancel.cancel();
        assert_eq!(cause(&timed), "context canceled");
    }

    #[gmp::test]
    async fn causes_of_deadlines() {
        // It fires.
        let (ctx, _stop) = with_timeout_cause(&background(), Duration::ZERO, "too slow");
        assert_eq!(
            (ctx.err(), cause(&ctx)),
            (Some(ContextError::DeadlineExceeded), "too slow".into())
        );
        let (ctx, _stop) = with_deadline_cause(&background(), now() + SHORT, "too slow");
        let (child, _stop_child) = with_cancel(&ctx);
        assert_eq!(child.done().await, ContextError::DeadlineExceeded);
        assert_eq!(cause(&child), "too slow");
        // It is cancelled before.
        let (ctx, cancel) = with_timeout_cause(&background(), LONG, "too slow");
        cancel.cancel();
        assert_eq!(
            (ctx.err(), cause(&ctx)),
            (Some(ContextError::Canceled), "context canceled".into())
        );
        // The parent is first: by a cancel, by its own time.
        let (parent, cancel) = with_cancel_cause(&background());
        let (ctx, _stop) = with_timeout_cause(&parent, LONG, "too slow");
        cancel.cancel_with("parent");
        assert_eq!((ctx.err(), cause(&ctx)), (Some(ContextError::Canceled), "parent".into()));
        let (parent, _stop_parent) = with_timeout(&background(), SHORT);
        let (ctx, _stop) = with_deadline_cause(&parent, now() + LONG, "too slow");
        assert_eq!(ctx.done().await, ContextError::DeadlineExceeded);
        assert_eq!(cause(&ctx), "context deadline exceeded");
    }

    #[gmp::test]
    async fn error_and_cause_are_seen_together() {
        for _ in 0..200 {
            let (ctx, cancel) = with_cancel_cause(&background());
            drop(go(async move { cancel.cancel_with("cause") }));
            while ctx.err().is_none() {
                yield_now().await;
            }
            assert_eq!(cause(&ctx), "cause");
        }
    }

    #[gmp::test]
    async fn without_cancel_outlives_its_parent() {
        let (parent, cancel) = with_timeout(&with_value::<Name>(&background(), "value"), LONG);
        let free = without_cancel(&parent);
        cancel.cancel();
        is_active(&free).await;
        assert!(free.deadline().is_none());
        assert_eq!(free.value::<Name>(), Some(&"value"));
        let (child, cancel) = with_cancel(&free);
        cancel.cancel();
        is_done(&child, ContextError::Canceled).await;
    }

    #[gmp::test]
    async fn after_func_runs_once_the_context_is_done() {
        for ends_by_time in [false, true] {
            let limit = if ends_by_time { SHORT } else { LONG };
            let (ctx, cancel) = with_timeout(&background(), limit);
            let ran = chan(1);
            let tell = ran.clone();
            let stop = after_func(&ctx, async move { tell.send(()).await });
            if !ends_by_time {
                assert!(ran.try_recv().is_err());
                cancel.cancel();
            }
            assert_eq!(ran.recv().await, Some(()));
            assert!(!stop.stop(), "it has run");
        }
        let (ctx, cancel) = with_cancel(&background());
        cancel.cancel();
        let ran = chan(1);
        let tell = ran.clone();
        let _stop = after_func(&ctx, async move { tell.send(()).await });
        assert_eq!(ran.recv().await, Some(()), "at once");
    }

    #[gmp::test]
    async fn after_func_does_not_run_after_stop() {
        let (ctx, cancel) = with_cancel(&background());
        let ran = chan::<()>(1);
        let tell = ran.clone();
        let stop = after_func(&ctx, async move { tell.send(()).await });
        assert!(stop.stop() && !stop.stop());
        cancel.cancel();
        assert!(timeout(SHORT, ran.recv()).await.is_err());
    }

    #[gmp::test]
    async fn after_func_does_not_hold_the_cancel_up() {
        let (ctx, cancel) = with_cancel(&background());
        let gate = chan::<()>(0);
        let wait = gate.clone();
        let _stop = after_func(&ctx, async move { assert_eq!(wait.recv().await, Some(())) });
        cancel.cancel();
        is_done(&ctx, ContextError::Canceled).await;
        gate.send(()).await;
    }

    #[gmp::test]
    async fn who_sees_it_done_sees_the_error() {
        for _ in 0..200 {
            let (ctx, cancel) = with_cancel(&background());
            let seen = ctx.clone();
            let waiter = go(async move {
                seen.done().await;
                seen.err()
            });
            yield_now().await;
            cancel.cancel();
            assert_eq!(waiter.await.unwrap(), Some(ContextError::Canceled));
        }
    }
}

/// <https://github.com/golang/go/blob/master/src/context/afterfunc_test.go>
///
/// That file is about contexts of a user's own type, which do not exist here. What it asks of them is
/// asked of ours: a child that is done for its own reason leaves nothing with its parent.
mod afterfunc_test {
    use super::*;

    #[gmp::test]
    async fn children_end_with_the_parent_in_every_form() {
        let (parent, cancel) = with_cancel(&background());
        let (child, _one) = with_cancel(&parent);
        let (timed, _two) = with_timeout(&parent, LONG);
        let ran = chan(1);
        let tell = ran.clone();
        let _stop = after_func(&parent, async move { tell.send(()).await });
        cancel.cancel();
        assert_eq!(child.done().await, ContextError::Canceled);
        assert_eq!(timed.done().await, ContextError::Canceled);
        assert_eq!(ran.recv().await, Some(()));
    }

    #[gmp::test]
    async fn what_has_ended_is_not_run_by_the_parent() {
        let (parent, cancel) = with_cancel(&background());
        let (child, cancel_child) = with_cancel(&parent);
        let (timed, _two) = with_timeout(&parent, SHORT);
        let ran = chan::<()>(1);
        let tell = ran.clone();
        let stop = after_func(&parent, async move { tell.send(()).await });
        cancel_child.cancel();
        assert_eq!(timed.done().await, ContextError::DeadlineExceeded);
        assert!(stop.stop());
        cancel.cancel();
        assert_eq!(child.err(), Some(ContextError::Canceled));
        assert_eq!(timed.err(), Some(ContextError::DeadlineExceeded));
        yield_now().await;
        assert!(ran.try_recv().is_err());
    }
}
