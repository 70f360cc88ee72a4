//! Models of a wait for a descriptor beside the edge that it waits for.

use core::future::Future;
use core::pin::{Pin, pin};
use core::task::Poll;

use loom::sync::Arc;
use loom::sync::atomic::AtomicBool;
use loom::thread;

use super::*;
use crate::inspect::{Anchor, WaitReason};
use crate::sys::model::{block_on, poll_once};

/// A source and what the system has for it, which loom does not know otherwise.
struct Model {
    edges: Edges,
    ready: AtomicBool,
    /// Touched first by both sides: loom forgets that the waiter has read the word when the other reads it too, and
    /// would not try the edge before that read.
    first: AtomicBool,
}

impl Model {
    fn new() -> Arc<Self> {
        let [ready, first] = [AtomicBool::new(false), AtomicBool::new(false)];
        Arc::new(Self { edges: Edges::new(), ready, first })
    }

    /// As the reactor that is told an edge.
    fn tell(&self) {
        self.first.store(true, Ordering::Relaxed);
        self.ready.store(true, Ordering::Relaxed);
        let mut wakes = Vec::new();
        self.edges.change(IoWant::Read, &mut wakes, |word| word.wrapping_add(word::EDGE));
        wakes.into_iter().for_each(Wake::wake);
    }
}

/// As an operation, see `attempt`.
struct Wait<'a>(&'a Model, IoLeaf);

impl<'a> Wait<'a> {
    fn new(model: &'a Model) -> Self {
        model.first.load(Ordering::Relaxed);
        let anchor = NonNull::<Anchor>::dangling();
        let at = core::panic::Location::caller();
        Self(model, Leaf::new(WaitReason::IoWait, anchor, at, IoWant::Read))
    }
}

impl Future for Wait<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Self(model, leaf) = self.into_ref().get_ref();
        if leaf.waits_for(cx) {
            return Poll::Pending;
        }
        if !leaf.is_idle() {
            // SAFETY: it parked there.
            unsafe { model.edges.withdraw(leaf.into()) };
        }
        loop {
            let before = model.edges.before(IoWant::Read);
            if model.ready.load(Ordering::Relaxed) {
                return Poll::Ready(());
            }
            // SAFETY: idle, and pinned until it is withdrawn.
            if unsafe { model.edges.park(leaf.into(), cx, before) } {
                return Poll::Pending;
            }
        }
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        if !self.1.is_idle() {
            // SAFETY: ours, and it parked there.
            unsafe { self.0.edges.withdraw(NonNull::from(&self.1)) };
        }
    }
}

#[test]
fn an_edge_is_seen_before_a_wait_or_ends_it() {
    loom::model(|| {
        let model = Model::new();
        let tells = model.clone();
        let system = thread::spawn(move || tells.tell());
        block_on(Wait::new(&model));
        system.join().expect("the system");
    });
}

#[test]
fn a_wait_that_is_dropped_beside_its_edge_is_used_no_more() {
    loom::model(|| {
        let model = Model::new();
        let tells = model.clone();
        let system = thread::spawn(move || tells.tell());
        let _ = poll_once(pin!(Wait::new(&model)));
        system.join().expect("the system");
        assert_eq!(model.edges.waited_for(), [false; 2]);
    });
}
