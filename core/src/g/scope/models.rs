//! Models of the end of a scope with real goroutines: beside a start and beside a poll each future is dropped once.
//!
//! No future here does anything that loom sees but touch itself: between two steps all threads of a model share what
//! is the thread's own, so none may stop inside a poll or a drop.

use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};

use loom::cell::UnsafeCell;
use loom::thread;

use super::*;
use crate::g::{JoinHandle, Polled, go_in};
use crate::sys::modelled::Lock;
use std::sync::atomic::AtomicUsize;

/// Where goroutines that are ready go, and whether the runtime stops, or has ended.
struct Queue {
    ready: Lock<Vec<GRef>>,
    stopping: Lock<bool>,
    shut_down: Flag,
}

impl Schedule for Queue {
    fn enqueue(&self, g: GRef) {
        self.ready.lock().push(g);
    }
    fn is_shut_down(&self) -> bool {
        self.shut_down.load(Ordering::SeqCst)
    }
    fn has_machines(&self) -> bool {
        true
    }
    fn adopt(&self, _: Weak<Scope>) {}
    fn check_fork(&self) {}
    fn forsake(&self, _: GoroutineId) {}
    fn demand(&self) {
        unreachable!("nobody parks")
    }
    fn timers(&self) -> &Arc<Timers> {
        unreachable!("no goroutine of the models sleeps")
    }
    fn netpoll(&self) -> &Arc<Netpoll> {
        unreachable!("nor waits for a descriptor")
    }
    fn on_panic(&self, _: &PanicNote, _: Option<GoroutineId>) {
        unreachable!("nor panics")
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
    fn procs(&self) -> usize {
        1
    }
    fn set_procs(&self, _: usize) -> bool {
        false
    }
}

/// A future that never ends, and counts its drops. Two that use it at a time fail the model.
struct Probe {
    used: UnsafeCell<()>,
    drops: Arc<AtomicUsize>,
}

// SAFETY: the model checks exactly this.
unsafe impl Send for Probe {}

impl Future for Probe {
    type Output = ();
    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        self.used.with_mut(|_| ());
        Poll::Pending
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.used.with_mut(|_| ());
        self.drops.fetch_add(1, Ordering::Relaxed);
    }
}

struct Model {
    queue: Arc<Queue>,
    scope: Arc<Scope>,
    drops: Arc<AtomicUsize>,
}

impl Model {
    fn new() -> Arc<Self> {
        let queue = Arc::new(Queue {
            ready: Lock::new(Vec::new()),
            stopping: Lock::new(false),
            shut_down: Flag::new(false),
        });
        let scope = Scope::new(queue.clone(), 1, false);
        Arc::new(Self { queue, scope, drops: Arc::default() })
    }

    fn start(&self) -> JoinHandle<()> {
        let probe = Probe { used: UnsafeCell::new(()), drops: self.drops.clone() };
        go_in(&self.scope, probe, core::panic::Location::caller())
    }

    /// As the end of a runtime that waits for no M, see `shut_down`.
    fn end(&self) {
        self.scope.close();
        *self.queue.stopping.lock() = true;
        self.scope.discard_all();
        self.queue.shut_down.store(true, Ordering::SeqCst);
        self.scope.discard_all();
    }

    fn check(&self) {
        assert_eq!(self.drops.load(Ordering::Relaxed), 1);
        assert_eq!(self.scope.live(), 0);
        // A run queue may have it for longer than anybody else.
        self.queue.ready.lock().clear();
    }
}

#[test]
fn what_is_started_beside_the_end_is_dropped_once() {
    loom::model(|| {
        let model = Model::new();
        let starts = model.clone();
        let starter = thread::spawn(move || drop(starts.start()));
        model.end();
        starter.join().expect("the starter");
        model.check();
    });
}

#[test]
fn what_is_polled_beside_the_end_is_dropped_once() {
    loom::model(|| {
        let model = Model::new();
        let joined = model.start();
        let polls = model.clone();
        let m = thread::spawn(move || {
            let g = polls.queue.ready.lock().pop().expect("just started");
            assert!(matches!(g.run(0, &*polls.queue, None), Polled::Gone));
            // As an M that sees between two polls that the runtime stops.
            let stops = *polls.queue.stopping.lock();
            if stops {
                polls.scope.discard_all();
            }
        });
        model.end();
        m.join().expect("the M");
        model.check();
        drop(joined);
    });
}
