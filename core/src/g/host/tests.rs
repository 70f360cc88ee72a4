//! What hosted goroutines do when their host polls, wakes, drops and panics.

use super::*;
use crate::chan;
use crate::runtime::{Builder, Runtime};
use crate::snapshot::{self, Traced};
use core::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn runtime() -> Runtime {
    Builder::new().watch(true).build()
}

#[track_caller]
fn host<F>(runtime: &Runtime, future: F) -> Hosted<F>
where
    F: Future<Output: Send> + Send + 'static,
{
    Hosted::new(runtime.scope(), future, core::panic::Location::caller())
}

fn poll<F: Future + 'static>(
    hosted: &mut Hosted<F>,
    waker: &Waker,
) -> Poll<Result<F::Output, Ended>> {
    Pin::new(hosted).poll(&mut Context::from_waker(waker))
}

#[test]
fn a_leaf_wakes_the_host_and_the_host_gets_the_output() {
    let runtime = runtime();
    let ch = chan::<u32>(0);
    let from = ch.clone();
    let mut hosted = host(&runtime, async move { from.recv().await });
    let count = Arc::new(Count::default());
    let waker = Waker::from(count.clone());
    assert!(poll(&mut hosted, &waker).is_pending());
    assert_eq!((runtime.scope().live(), count.0.load(Ordering::SeqCst)), (1, 0));
    assert!(ch.try_send(7).is_ok());
    assert_eq!(count.0.load(Ordering::SeqCst), 1, "the send woke the host");
    assert!(matches!(poll(&mut hosted, &waker), Poll::Ready(Ok(Some(7)))));
    assert_eq!(runtime.scope().live(), 0);
}

#[test]
fn a_panic_and_a_dropped_host_end_the_goroutine() {
    let runtime = runtime();
    let mut panics = host(&runtime, async { panic!("on purpose") });
    let ended = poll(&mut panics, Waker::noop());
    assert!(matches!(ended, Poll::Ready(Err(Ended::Panicked(_)))));
    let held = Arc::new(());
    let holds = held.clone();
    let mut waits = host(&runtime, async move {
        core::future::pending::<()>().await;
        drop(holds);
    });
    assert!(poll(&mut waits, Waker::noop()).is_pending());
    drop(waits);
    assert_eq!((runtime.scope().live(), Arc::strong_count(&held)), (0, 1));
}

/// Sends when the last clone of the waker goes.
struct Sends(chan::Chan<u32>);

impl Wake for Sends {
    fn wake(self: Arc<Self>) {}
}

impl Drop for Sends {
    fn drop(&mut self) {
        assert!(self.0.try_send(1).is_ok(), "somebody receives");
    }
}

#[test]
fn a_goroutine_that_is_woken_while_its_host_goes_ends() {
    let runtime = runtime();
    let (ch, held) = (chan::<u32>(0), Arc::new(()));
    let (from, holds) = (ch.clone(), held.clone());
    let mut hosted = host(&runtime, async move { (from.recv().await, holds).0 });
    assert!(poll(&mut hosted, &Waker::from(Arc::new(Sends(ch)))).is_pending());
    drop(hosted);
    assert_eq!((runtime.scope().live(), Arc::strong_count(&held)), (0, 1));
}

/// Tells who is polled where it is woken.
struct Tells(std::sync::mpsc::SyncSender<Option<crate::inspect::GoroutineId>>);

impl Wake for Tells {
    fn wake(self: Arc<Self>) {
        let _ = self.0.send(current::id());
    }
}

/// It may do what it likes, and that goroutine is in no scope any more.
#[test]
fn a_host_that_is_woken_by_the_end_of_a_goroutine_is_not_woken_as_that_one() {
    let runtime = runtime();
    let ch = chan::<u32>(0);
    let from = ch.clone();
    let joined = runtime.go(async move { from.recv().await });
    let mut hosted = host(&runtime, joined);
    let (tell, told) = std::sync::mpsc::sync_channel(1);
    let waker = Waker::from(Arc::new(Tells(tell)));
    assert!(poll(&mut hosted, &waker).is_pending());
    runtime.block_on(async {
        ch.send(7).await;
        crate::yield_now().await;
    });
    assert_eq!(told.try_recv(), Ok(None));
    assert!(matches!(poll(&mut hosted, &waker), Poll::Ready(Ok(Ok(Some(7))))));
}

#[test]
fn it_is_frozen_traced_thawed_and_reaped_like_any_other() {
    let runtime = runtime();
    let ch = chan::<u32>(0);
    let from = ch.clone();
    let mut hosted = host(&runtime, async move { from.recv().await });
    assert!(poll(&mut hosted, Waker::noop()).is_pending());
    let mut frozen = snapshot::freeze_parked(runtime.scope());
    let g = frozen.pop().expect("one goroutine");
    assert_eq!(g.waits().len(), 1);
    let mut places = 0;
    assert_eq!(g.trace(&mut |_, _| places += 1), Some(Traced::Parked));
    assert_eq!(places, 1);
    assert!(poll(&mut hosted, Waker::noop()).is_pending(), "frozen");
    let sent = ch.try_send(3);
    g.thaw();
    assert!(sent.is_ok());
    assert!(matches!(poll(&mut hosted, Waker::noop()), Poll::Ready(Ok(Some(3)))));

    let mut stuck = host(&runtime, core::future::pending::<()>());
    assert!(poll(&mut stuck, Waker::noop()).is_pending());
    runtime.scope().close();
    let frozen = snapshot::freeze(runtime.scope());
    assert!(frozen[0].reap(runtime.scope()).is_some());
    assert!(matches!(poll(&mut stuck, Waker::noop()), Poll::Ready(Err(Ended::Dropped))));
}

#[test]
fn a_future_that_is_not_send_is_left_alone_by_other_threads() {
    let runtime = runtime();
    let not_send = std::rc::Rc::new(());
    let at = core::panic::Location::caller();
    let waits = async move {
        core::future::pending::<()>().await;
        drop(not_send);
    };
    let mut hosted = Hosted::new_local(runtime.scope(), waits, at);
    assert!(poll(&mut hosted, Waker::noop()).is_pending());
    runtime.scope().close();
    let frozen = snapshot::freeze(runtime.scope());
    let scope = runtime.scope();
    let untouched = std::thread::scope(|s| {
        s.spawn(|| frozen[0].trace(&mut |_, _| {}).is_none() && frozen[0].reap(scope).is_none())
            .join()
    });
    assert!(untouched.unwrap());
    assert!(frozen[0].reap(scope).is_some());
}
