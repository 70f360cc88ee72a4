//! The graph of a scope that goes on, where nothing is reaped: what primitives say of their holders is enough to put
//! everybody behind the cause.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use gmp::context::{background, with_cancel};
use gmp::leak::{Code, Finding, Options, find_with, guard};
use gmp::sync::{Mutex, Once};
use gmp::{Chan, chan, go};

/// What `find_with` finds of the goroutines that `start` starts; they are reaped afterwards.
fn found(start: impl FnOnce() + Send + 'static) -> Finding {
    let look = || {
        let guard = guard!();
        start();
        // Patient, but who is parked for good is found at once.
        let found = find_with(&Options::new().linger(Duration::from_secs(30))).unwrap();
        guard.check().expect_err("it is still there");
        found
    };
    let found = thread::spawn(look).join().expect("no panic");
    assert_eq!(found.len(), 1, "{found:#?}");
    found.into_iter().next().expect("one")
}

/// The only follower, which waits for the only goroutine of the cause.
#[track_caller]
fn follower(cause: &Finding) -> &Finding {
    assert_eq!((cause.count, cause.followers.len()), (1, 1), "{cause:#?}");
    assert_eq!(cause.followers[0].waits_for, cause.goroutines.first().copied());
    &cause.followers[0]
}

/// Says that it has come here, and waits for ever.
async fn come(there: Chan<()>) {
    there.send(()).await;
    chan::<u32>(0).recv().await;
}

#[test]
fn behind_the_owner_of_a_lock() {
    let cause = found(|| {
        let (lock, there) = (Arc::new(Mutex::new(())), chan(0));
        let (held, came) = (lock.clone(), there.clone());
        go(async move {
            let _guard = held.lock().await;
            come(came).await;
        });
        there.blocking_recv();
        go(async move { drop(lock.lock().await) });
    });
    assert_eq!((cause.code, follower(&cause).code), (Code::ChanReceive, Code::Lock));
}

#[test]
fn behind_the_goroutine_that_is_joined() {
    let cause = found(|| {
        let never = go(async { chan::<u32>(0).recv().await });
        go(async move { never.await.is_ok() });
    });
    assert_eq!((cause.code, follower(&cause).code), (Code::ChanReceive, Code::Join));
}

#[test]
fn behind_the_runner_of_a_once() {
    let cause = found(|| {
        let (once, there) = (Arc::new(Once::new()), chan(0));
        let (runs, came) = (once.clone(), there.clone());
        go(async move { runs.call(|| come(came)).await });
        there.blocking_recv();
        go(async move { once.call(|| async {}).await });
    });
    assert_eq!((cause.code, follower(&cause).code), (Code::ChanReceive, Code::Once));
}

#[test]
fn behind_the_parent_of_a_context() {
    let cause = found(|| {
        let (parent, cancel) = with_cancel(&background());
        core::mem::forget(cancel);
        let (child, cancel) = with_cancel(&parent);
        drop(cancel);
        go(async move { parent.done().await });
        go(async move { child.done().await });
    });
    assert_eq!((cause.code, cause.total()), (Code::ContextNotDone, 2), "{cause:#?}");
}
