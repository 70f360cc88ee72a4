//! What safe code may do against the grain: futures polled after their end, bodies driven by other threads,
//! scopes that go with their last goroutine, wakers that use what woke them.

mod support;

use std::cell::RefCell;
use std::future::{Future, pending, poll_fn};
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex as StdMutex};
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Wake, Waker};
use std::thread::{self, ThreadId};
use std::time::Duration;

use gmp_core::chan::{ArmList, NoArms, Select, SelectArms};
use gmp_core::runtime::{Builder, Runtime, current_scope, lock_os_thread, new_scope};
use gmp_core::snapshot;
use gmp_core::sync::Mutex;
use gmp_core::time::{Timer, after_func};
use gmp_core::{Chan, chan, channel, go, yield_now};
use support::{Hand, Life, poll_once, rounds, spin_until};

#[test]
fn a_select_that_is_polled_after_its_end_sends_nothing_again() {
    let life = Life::default();
    let (tx, rx) = channel(4);
    {
        let mut select = Select::new();
        select.send(&tx, life.make(1), |sent| sent.is_ok());
        let mut waiting = pin!(select.wait());
        assert_eq!(poll_once(waiting.as_mut()), Poll::Ready(true));
        let again = catch_unwind(AssertUnwindSafe(|| poll_once(waiting.as_mut())));
        assert!(!matches!(again, Ok(Poll::Ready(_))), "it is over");
    }
    assert_eq!((rx.len(), life.alive()), (1, 1));
}

#[test]
fn an_arm_of_a_forgotten_select_may_be_an_arm_again() {
    let life = Life::default();
    let ch = chan(0);
    {
        let mut arm = pin!(ch.send_arm(life.make(1)));
        let mut first = Box::pin(SelectArms::new(NoArms.with(arm.as_mut()), false, false));
        assert!(poll_once(first.as_mut()).is_pending());
        std::mem::forget(first);
        let mut second = pin!(SelectArms::new(NoArms.with(arm.as_mut()), false, false));
        assert!(poll_once(second.as_mut()).is_pending());
        assert_eq!(ch.try_recv().map(|value| value.id), Ok(1));
        assert!(ch.try_recv().is_err(), "it waits in the line once");
        assert_eq!(poll_once(second.as_mut()), Poll::Ready(true));
    }
    assert_eq!(life.alive(), 0);
}

/// The threads that have used something which must stay on its own.
#[derive(Clone, Default)]
struct Seen(Arc<StdMutex<Vec<ThreadId>>>);

impl Seen {
    fn note(&self) {
        self.0.lock().unwrap().push(thread::current().id());
    }
    fn is_empty(&self) -> bool {
        self.0.lock().unwrap().is_empty()
    }
}

/// Not to be dropped by another thread.
struct Stays(Seen, #[allow(dead_code, reason = "it makes this stay")] Rc<()>);

impl Drop for Stays {
    fn drop(&mut self) {
        self.0.note();
    }
}

#[test]
fn a_body_is_used_by_the_thread_that_started_it_only() {
    let (polled, dropped) = (Seen::default(), Seen::default());
    let runtime = Runtime::new();
    let (note, stays) = (polled.clone(), Stays(dropped.clone(), Rc::new(())));
    let body = runtime.drive(|driver| {
        driver.start(Location::caller(), async move {
            note.note();
            drop(stays);
        })
    });
    thread::scope(|scope| {
        scope.spawn(|| runtime.drive(|driver| driver.turn(&|| false)).expect("nobody drives it"));
    });
    assert!(polled.is_empty(), "another thread polled it");
    // It is the runtime's now, which goes on another thread.
    std::mem::forget(body);
    thread::spawn(move || drop(runtime)).join().unwrap();
    assert!(polled.is_empty() && dropped.is_empty(), "another thread dropped it");
}

#[test]
fn a_body_that_is_dropped_by_its_thread_goes_at_once() {
    let dropped = Seen::default();
    let runtime = Runtime::new();
    let stays = Stays(dropped.clone(), Rc::new(()));
    let body = runtime.drive(|driver| {
        let body = driver.start(Location::caller(), async move {
            pending::<()>().await;
            drop(stays);
        });
        driver.turn(&|| false);
        body
    });
    assert!(dropped.is_empty());
    drop(body);
    assert!(!dropped.is_empty());
    assert_eq!(runtime.scope().live(), 0);
}

/// A main goroutine borrows from its thread's stack: whoever takes the P must not touch it.
#[test]
fn a_main_goroutine_whose_p_was_taken_stays_on_its_thread() {
    for _ in 0..rounds(50) {
        let (in_poll, taken, over) =
            (AtomicBool::new(false), AtomicBool::new(false), AtomicBool::new(false));
        let elsewhere = AtomicUsize::new(0);
        let runtime = Runtime::new();
        thread::scope(|scope| {
            scope.spawn(|| {
                let own = thread::current().id();
                let main = poll_fn(|cx| {
                    if thread::current().id() != own {
                        elsewhere.fetch_add(1, Ordering::SeqCst);
                        return Poll::Pending;
                    }
                    in_poll.store(true, Ordering::Release);
                    spin_until(&taken);
                    cx.waker().wake_by_ref();
                    Poll::<()>::Pending
                });
                // The P is gone: it cannot be done.
                assert!(catch_unwind(AssertUnwindSafe(|| runtime.block_on(main))).is_err());
                over.store(true, Ordering::Release);
            });
            spin_until(&in_poll);
            let drove = runtime.drive_taken(|driver| {
                taken.store(true, Ordering::Release);
                while !over.load(Ordering::Acquire) {
                    driver.turn(&|| false);
                }
            });
            assert!(drove.is_some());
        });
        assert_eq!(elsewhere.load(Ordering::SeqCst), 0);
        assert_eq!(runtime.scope().live(), 0, "its thread dropped it");
    }
}

/// Uses the scope of whoever drops it.
struct UsesScope(Chan<usize>);

impl Drop for UsesScope {
    fn drop(&mut self) {
        let made = chan::<u8>(1);
        let live = current_scope().live();
        drop(made);
        let _ = self.0.try_send(live);
    }
}

impl Wake for UsesScope {
    fn wake(self: Arc<Self>) {
        let _ = current_scope().live();
        drop(chan::<u8>(1));
    }
}

#[test]
fn a_scope_goes_with_its_last_goroutine_and_what_it_keeps_uses_no_dead_scope() {
    let told = chan(1);
    let runtime = Runtime::new();
    let mut joined = {
        let scope = {
            let _outer = runtime.scope().enter();
            new_scope()
        };
        scope.attach(UsesScope(told.clone()));
        let _inner = scope.enter();
        Box::pin(go(yield_now()))
    };
    // Whoever joins is woken when the scope is gone.
    let waker = Waker::from(Arc::new(UsesScope(chan(1))));
    assert!(joined.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    runtime.block_on(async {
        while told.is_empty() {
            yield_now().await;
        }
    });
    assert!(joined.is_finished());
}

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("expected by this test");
    }
}

#[test]
fn what_a_scope_or_a_timer_keeps_may_panic_when_it_goes() {
    let runtime = Builder::new().procs(1).build();
    let scope = {
        let _outer = runtime.scope().enter();
        new_scope()
    };
    scope.attach(Bomb);
    let gate = chan::<()>(0);
    let last = {
        let _inner = scope.enter();
        drop(scope);
        let gate = gate.clone();
        go(async move { gate.recv().await })
    };
    // Nobody but the goroutine keeps the scope.
    gate.close();
    while !last.is_finished() {
        thread::yield_now();
    }
    assert_eq!(runtime.block_on(runtime.go(async { 7 })).unwrap(), 7, "its M lives on");
    let bomb = Bomb;
    let _here = runtime.scope().enter();
    let timer = after_func(Duration::from_secs(3600), move || {
        let _ = &bomb;
        async {}
    });
    drop(timer);
    drop(runtime);
}

/// Set when its thread ends.
struct Ends(Arc<AtomicBool>);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

thread_local!(static ENDS: RefCell<Option<Ends>> = const { RefCell::new(None) });

#[test]
fn a_locked_goroutine_that_is_reaped_leaves_no_thread_behind() {
    let ended = Arc::new(AtomicBool::new(false));
    let runtime = Builder::new().procs(2).build();
    let scope = {
        let _outer = runtime.scope().enter();
        new_scope()
    };
    let locked = chan(1);
    {
        let _inner = scope.enter();
        let (locked, ends) = (locked.clone(), Ends(ended.clone()));
        drop(go(async move {
            lock_os_thread();
            ENDS.set(Some(ends));
            locked.send(()).await;
            pending::<()>().await;
        }));
    }
    assert_eq!(locked.blocking_recv(), Some(()));
    // Its poll may go on for longer than `freeze` waits.
    while !snapshot::read(&scope)[0].parked {
        thread::yield_now();
    }
    scope.close();
    let frozen = snapshot::freeze(&scope);
    assert!(frozen[0].reap(&scope).is_some());
    // Its M ends, while the runtime goes on.
    spin_until(&ended);
    assert_eq!(runtime.block_on(runtime.go(async { 7 })).unwrap(), 7);
}

/// A waker that looks at the channel whose value it is told of.
struct Looks(Chan<gmp_core::time::Instant>, AtomicUsize);

impl Wake for Looks {
    fn wake(self: Arc<Self>) {
        self.1.store(1 + self.0.len(), Ordering::SeqCst);
    }
}

#[test]
fn a_timer_that_is_reset_to_now_wakes_outside_the_lock_of_its_channel() {
    let runtime = Runtime::new();
    let _here = runtime.scope().enter();
    let timer = Timer::new(Duration::from_secs(3600));
    let mut recv = pin!(timer.recv());
    let looks = Arc::new(Looks(timer.chan().clone(), AtomicUsize::new(0)));
    let waker = Waker::from(looks.clone());
    assert!(recv.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    assert!(timer.reset(Duration::ZERO));
    assert_eq!(looks.1.load(Ordering::SeqCst), 1, "woken, and nothing is left in the channel");
    assert!(recv.as_mut().poll(&mut Context::from_waker(&waker)).is_ready());
}

/// A waker that cannot be cloned.
fn unclonable() -> Waker {
    static TABLE: RawWakerVTable =
        RawWakerVTable::new(|_| panic!("expected by this test"), |_| (), |_| (), |_| ());
    // SAFETY: the functions use no data.
    unsafe { Waker::from_raw(RawWaker::new(std::ptr::null(), &TABLE)) }
}

#[test]
fn an_invitation_to_a_mutex_survives_a_waker_that_panics_when_it_is_cloned() {
    let mutex = Mutex::new(0);
    let guard = mutex.try_lock().unwrap();
    let mut first = Box::pin(mutex.lock());
    assert!(poll_once(first.as_mut()).is_pending());
    let mut second = Hand::waiting(mutex.lock());
    // The first is invited to try again.
    drop(guard);
    let waker = unclonable();
    let mut cx = Context::from_waker(&waker);
    assert!(catch_unwind(AssertUnwindSafe(|| first.as_mut().poll(&mut cx))).is_err());
    drop(first);
    assert_eq!(second.wakes(), 1, "the invitation goes to the next");
    assert!(second.poll().is_some());
}
