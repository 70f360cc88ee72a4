//! Models of the end of a runtime beside a poll, and beside a start: each future is dropped once, by one party.
//!
//! See "Closing a scope versus a dispatch" and "A start versus the end of the runtime" in `sched/README.md`. The
//! state word is the production one; the flags and locks around it stand for those of scope and runtime.

use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use loom::sync::{Arc, Mutex};
use loom::thread;

use super::state::{EndPoll, StartPoll, State};

/// A goroutine and the runtime it belongs to. Two users of its future at a time fail the model.
struct Model {
    state: State,
    future: UnsafeCell<usize>,
    drops: AtomicUsize,
    closed: AtomicBool,
    stopping: Mutex<bool>,
    registered: Mutex<bool>,
    shut_down: AtomicBool,
}

// SAFETY: the model checks exactly this.
unsafe impl Sync for Model {}
// SAFETY: as above.
unsafe impl Send for Model {}

impl Model {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            state: State::new(false),
            future: UnsafeCell::new(0),
            drops: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
            stopping: Mutex::new(false),
            registered: Mutex::new(false),
            shut_down: AtomicBool::new(false),
        })
    }

    fn touch(&self) {
        // SAFETY: the caller has claimed the goroutine; the model fails if not.
        self.future.with_mut(|future| unsafe { *future += 1 });
    }

    /// As `GRef::discard_idle`.
    fn discard_idle(&self) {
        if self.state.seize() && self.state.claim_frozen() {
            self.touch();
            self.drops.fetch_add(1, Ordering::Relaxed);
            self.state.complete(false);
        }
    }

    /// An M that has taken it from a queue, up to the moment between two polls in which it sees that the
    /// runtime stops. If it does not, whoever stops comes later.
    fn run(&self) {
        if self.state.start_poll() == StartPoll::Poll {
            // Relaxed: that the scope is closed spares a poll, no more.
            if self.closed.load(Ordering::Relaxed) {
                self.state.refuse_poll();
            } else {
                self.touch();
                assert_eq!(self.state.end_poll(), EndPoll::Parked);
            }
        }
        let stops = *self.stopping.lock().expect("no panic");
        if stops {
            self.discard_idle();
        }
    }

    /// As `Scope::discard_all`.
    fn sweep(&self) {
        let registered = *self.registered.lock().expect("no panic");
        if registered {
            self.discard_idle();
        }
    }

    /// As `go_in`, without an M that would run it.
    fn start(&self) {
        *self.registered.lock().expect("no panic") = true;
        if self.closed.load(Ordering::Relaxed) {
            let is_gone = self.shut_down.load(Ordering::Relaxed);
            self.state.refuse_start();
            if is_gone {
                self.discard_idle();
            }
        }
    }
}

#[test]
fn a_shutdown_that_does_not_wait_for_a_poll() {
    loom::model(|| {
        let model = Model::new();
        *model.registered.lock().expect("no panic") = true;
        let m = {
            let model = model.clone();
            thread::spawn(move || model.run())
        };
        model.closed.store(true, Ordering::Relaxed);
        *model.stopping.lock().expect("no panic") = true;
        model.sweep();
        m.join().expect("the M");
        assert_eq!(model.drops.load(Ordering::Relaxed), 1);
    });
}

#[test]
fn a_start_beside_the_end_of_the_runtime() {
    loom::model(|| {
        let model = Model::new();
        let starter = {
            let model = model.clone();
            thread::spawn(move || model.start())
        };
        model.closed.store(true, Ordering::Relaxed);
        model.sweep();
        model.shut_down.store(true, Ordering::Relaxed);
        model.sweep();
        starter.join().expect("the starter");
        assert_eq!(model.drops.load(Ordering::Relaxed), 1);
    });
}
