//! Models of the state word under all interleavings.

use super::*;
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, AtomicUsize};
use loom::thread;

/// A goroutine whose future waits for two flags. Two polls at a time fail the model.
struct G {
    state: State,
    flags: [AtomicBool; 2],
    polls: UnsafeCell<usize>,
    done: AtomicUsize,
}

// SAFETY: the model checks exactly this.
unsafe impl Sync for G {}
// SAFETY: as above.
unsafe impl Send for G {}

impl G {
    fn new() -> Arc<Self> {
        Self::with(State::new(false))
    }

    fn with(state: State) -> Arc<Self> {
        Arc::new(Self {
            state,
            flags: [AtomicBool::new(false), AtomicBool::new(false)],
            polls: UnsafeCell::new(0),
            done: AtomicUsize::new(0),
        })
    }

    /// What an M does with it until it is parked or done.
    fn run(&self) {
        loop {
            match self.state.start_poll() {
                StartPoll::Poll => {}
                StartPoll::Cancel => return self.finish(),
                StartPoll::Skip => return,
            }
            // SAFETY: claimed; the model fails if not.
            self.polls.with_mut(|polls| unsafe { *polls += 1 });
            // Relaxed: whatever happened before a wake is seen by the poll that it causes.
            if self.flags.iter().all(|flag| flag.load(Ordering::Relaxed)) {
                return self.finish();
            }
            match self.state.end_own_poll(false) {
                EndPoll::Parked => return,
                EndPoll::Requeue => {}
                EndPoll::Cancel => return self.finish(),
            }
        }
    }

    fn finish(&self) {
        // SAFETY: claimed; the model fails if not.
        self.polls.with_mut(|polls| unsafe { *polls += 1 });
        self.state.complete(false);
        self.done.fetch_add(1, Ordering::Relaxed);
    }

    /// Sets a flag and wakes, as a waker does or as a leaf does; the waker's thread is the M that finds
    /// it in the queue.
    fn set(&self, flag: usize) {
        self.flags[flag].store(true, Ordering::Relaxed);
        let by_ref = flag == 0;
        if !by_ref {
            self.state.ref_inc();
        }
        let ready = if by_ref { self.state.ready_by_ref() } else { self.state.ready() };
        if ready == Ready::Enqueue {
            self.run();
        } else if !by_ref {
            assert!(!self.state.ref_dec(), "the registry has a reference");
        }
    }

    /// As [`set`](Self::set), as a leaf does that is fired: mostly the goroutine is made ready first, and queued
    /// when the flag is set.
    fn fire(&self, flag: usize) {
        let set = || self.flags[flag].store(true, Ordering::Relaxed);
        if self.state.ready_if_parked() {
            set();
            return self.run();
        }
        self.state.ref_inc();
        set();
        match self.state.ready() {
            Ready::Enqueue => self.run(),
            Ready::Nothing => assert!(!self.state.ref_dec(), "the registry has a reference"),
        }
    }

    /// Uses what the cell holds beside its header: the future, the output, all of it when it is freed.
    fn use_cell(&self) {
        // SAFETY: whoever uses it has it alone; the model fails if not.
        self.polls.with_mut(|polls| unsafe { *polls += 1 });
    }

    fn free(&self) {
        self.use_cell();
        self.done.fetch_add(1, Ordering::Relaxed);
    }

    /// What its M does when the poll returned an output.
    fn end(&self) {
        assert_eq!(self.state.start_poll(), StartPoll::Poll);
        self.use_cell();
        if !self.state.complete(true) {
            self.use_cell();
        }
        if self.state.ref_dec_by(2) {
            self.free();
        }
    }

    /// What a join handle does that goes, and takes the output if it is there and `takes` says so.
    fn leave(&self, takes: bool) {
        if takes && self.state.load().is_complete() && self.state.take_output() {
            self.use_cell();
        }
        match self.state.drop_join_and_ref() {
            DropJoin::Done => {}
            DropJoin::Last => self.free(),
            DropJoin::Output => {
                self.use_cell();
                if self.state.ref_dec() {
                    self.free();
                }
            }
        }
    }

    fn is_done_once(&self) {
        assert_eq!(self.done.load(Ordering::Relaxed), 1);
    }
}

#[test]
fn no_wake_is_lost_and_one_m_polls() {
    loom::model(|| {
        let g = G::new();
        let other = g.clone();
        let waker = thread::spawn(move || other.set(0));
        g.flags[1].store(true, Ordering::Relaxed);
        g.run();
        waker.join().expect("the waker");
        g.is_done_once();
    });
}

#[test]
fn two_wakers() {
    loom::model(|| {
        let g = G::new();
        let wakers = [0, 1].map(|flag| {
            let g = g.clone();
            thread::spawn(move || g.set(flag))
        });
        g.run();
        for waker in wakers {
            waker.join().expect("a waker");
        }
        g.is_done_once();
    });
}

#[test]
fn a_goroutine_that_is_made_ready_before_its_leaf_fires() {
    loom::model(|| {
        let g = G::new();
        let other = g.clone();
        let peer = thread::spawn(move || other.fire(0));
        let other = g.clone();
        let waker = thread::spawn(move || other.set(1));
        g.run();
        peer.join().expect("the peer");
        waker.join().expect("the waker");
        g.is_done_once();
    });
}

#[test]
fn an_abort_ends_it_once_beside_a_wake() {
    loom::model(|| {
        let g = G::new();
        let other = g.clone();
        let waker = thread::spawn(move || other.set(0));
        let other = g.clone();
        let aborter = thread::spawn(move || {
            if other.state.abort() == Ready::Enqueue {
                other.run();
            }
        });
        g.run();
        waker.join().expect("the waker");
        aborter.join().expect("the aborter");
        g.is_done_once();
    });
}

#[test]
fn a_frozen_goroutine_is_not_polled_and_remembers_its_wakes() {
    loom::model(|| {
        let g = G::new();
        g.flags[1].store(true, Ordering::Relaxed);
        g.run();
        let other = g.clone();
        let waker = thread::spawn(move || other.set(0));
        if g.state.freeze() {
            // SAFETY: frozen: nobody polls; the model fails if not.
            g.polls.with_mut(|polls| unsafe { *polls += 1 });
            g.state.ref_inc();
            if g.state.thaw() == Ready::Enqueue {
                g.run();
            }
        }
        waker.join().expect("the waker");
        g.is_done_once();
    });
}

#[test]
fn the_last_reference_or_waker_frees_and_sees_everything() {
    loom::model(|| {
        let g = G::new();
        g.state.waker_inc();
        let other = g.clone();
        let holder = thread::spawn(move || {
            other.flags[0].store(true, Ordering::Relaxed);
            let freed = other.state.waker_dec();
            freed.then(|| other.flags[1].load(Ordering::Relaxed))
        });
        g.flags[1].store(true, Ordering::Relaxed);
        let first = g.state.ref_dec();
        let last = g.state.ref_dec();
        let seen = last.then(|| g.flags[0].load(Ordering::Relaxed));
        let other = holder.join().expect("the holder of the waker");
        assert!(!first);
        assert_eq!(seen.or(other), Some(true), "freed by both or by nobody, or not all was seen");
        assert!(seen.is_none() || other.is_none());
    });
}

#[test]
fn the_m_or_the_join_handle_frees_the_cell_when_the_other_has_left_it() {
    for takes in [false, true] {
        loom::model(move || {
            let g = G::with(State::new(true));
            let other = g.clone();
            let machine = thread::spawn(move || other.end());
            g.leave(takes);
            machine.join().expect("the M");
            g.is_done_once();
        });
    }
}

#[test]
fn a_third_who_has_a_reference_may_be_the_last() {
    loom::model(|| {
        let g = G::with(State::new(true));
        g.state.ref_inc();
        let [end, third] = [g.clone(), g.clone()];
        let machine = thread::spawn(move || end.end());
        let third = thread::spawn(move || {
            if third.state.ref_dec() {
                third.free();
            }
        });
        g.leave(true);
        machine.join().expect("the M");
        third.join().expect("the third");
        g.is_done_once();
    });
}
