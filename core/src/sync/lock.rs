//! The futures that lock a `Mutex`.

use core::cell::Cell;
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::ptr::NonNull;
use core::task::{Context, Poll};
use std::sync::Arc;

use super::Mutex;
use super::guard::{MutexGuard, OwnedMutexGuard};
use super::mutex::{Contender, Core, HANDED};
use crate::g::leaf::{FIRED, Leaf, Prepared};
use crate::inspect::{Anchor, Location, WaitInfo, WaitReason};
use crate::sched::others_run;
use crate::time::clock::Nanos;
use crate::time::current::now_nanos;

/// A waiter that still has no lock after this time starves. Go's number.
const STARVES_AFTER: Nanos = 1_000_000;

/// Locks a [`Mutex`]. Made by [`Mutex::lock`].
///
/// # Cancel safety
/// It can be dropped at any time: it gives its place in the queue up, and passes on a lock that it was
/// handed and an invitation to try.
#[must_use = "futures do nothing unless awaited"]
pub struct Lock<'a, T: ?Sized> {
    waiter: Waiter,
    mutex: &'a Mutex<T>,
}

/// Locks a [`Mutex`] and keeps it alive. Made by [`Mutex::lock_owned`].
///
/// # Cancel safety
/// As [`Lock`].
#[must_use = "futures do nothing unless awaited"]
pub struct LockOwned<T: ?Sized> {
    waiter: Waiter,
    mutex: Arc<Mutex<T>>,
}

/// What both futures do alike.
struct Waiter {
    leaf: Leaf<Patience>,
}

/// How long a waiter has been waiting.
struct Patience {
    since: Cell<Option<Nanos>>,
    /// It waited for more than 1 ms. Stays set.
    starving: Cell<bool>,
}

/// The anchor of leaves that never parked.
static UNUSED: Anchor = Anchor { describe: describe_nothing, record: None };

/// # Safety
/// None: nothing is read.
unsafe fn describe_nothing(_: NonNull<Anchor>, _: NonNull<()>, _: &mut dyn FnMut(WaitInfo)) {}

impl Waiter {
    fn new(at: Location) -> Self {
        let patience = Patience { since: Cell::new(None), starving: Cell::new(false) };
        let anchor = NonNull::from(&UNUSED);
        Self { leaf: Leaf::new(WaitReason::MutexLock, anchor, at, patience) }
    }

    fn node(&self) -> NonNull<Leaf> {
        Leaf::erase(NonNull::from(&self.leaf))
    }

    /// Ready when the lock is owned.
    #[inline(always)]
    fn poll(&self, core: &Core, cx: &Context<'_>) -> Poll<()> {
        if self.leaf.traced(cx) {
            return Poll::Pending;
        }
        if !self.leaf.is_idle() {
            return self.poll_parked(core, cx);
        }
        if !self.leaf.proceed(cx) {
            return Poll::Pending;
        }
        if core.try_lock(self.leaf.at()) {
            return Poll::Ready(());
        }
        self.contend(core, cx)
    }

    #[cold]
    fn contend(&self, core: &Core, cx: &Context<'_>) -> Poll<()> {
        if others_run() && core.spin(self.leaf.at()) {
            return Poll::Ready(());
        }
        self.compete(core, Prepared::new(self.node(), cx), false)
    }

    fn poll_parked(&self, core: &Core, cx: &Context<'_>) -> Poll<()> {
        match self.leaf.state() {
            HANDED => {
                self.settle();
                core.receive(self.starves(), self.leaf.at());
                Poll::Ready(())
            }
            FIRED => {
                // First: should a foreign waker panic when it is cloned, the invitation is still there to be
                // passed on.
                let waiter = Prepared::new(self.node(), cx);
                self.settle();
                self.compete(core, waiter, true)
            }
            _ if self.leaf.is_for(cx) => Poll::Pending,
            _ => {
                // SAFETY: ours, enlisted when it parked, on this mutex.
                let kept = unsafe { Leaf::adopt(self.node(), cx, || core.room().0.queue().lock()) };
                if kept { Poll::Pending } else { self.poll_parked(core, cx) }
            }
        }
    }

    /// Tries again under the queue's lock, and queues if that fails.
    fn compete(&self, core: &Core, waiter: Prepared, woken: bool) -> Poll<()> {
        let contender = Contender { woken, starving: self.starves() };
        let (room, anchor) = core.room();
        self.leaf.set_anchor(anchor);
        let mut queue = room.queue().lock();
        if core.compete(contender, self.leaf.at()) {
            return Poll::Ready(());
        }
        // SAFETY: the queue's lock is held; the leaf is idle, and pinned until `settle` or `cancel`
        // withdrew it. It is linked once, and enlisted outside the lock.
        unsafe {
            if woken {
                Leaf::park_first(self.node(), waiter, &mut queue);
            } else {
                Leaf::park(self.node(), waiter, &mut queue);
            }
            drop(queue);
            Leaf::enlist(self.node());
        }
        Poll::Pending
    }

    /// Models have no clock: in some of them nobody has patience.
    #[cfg(loom)]
    fn starves(&self) -> bool {
        models::IMPATIENT.get()
    }

    /// Whether it has waited too long; the first call starts the watch.
    #[cfg(not(loom))]
    fn starves(&self) -> bool {
        let patience = &self.leaf.slot;
        let now = now_nanos();
        let since = patience.since.get().unwrap_or(now);
        patience.since.set(Some(since));
        if now.saturating_sub(since) > STARVES_AFTER {
            patience.starving.set(true);
        }
        patience.starving.get()
    }

    /// Ends the registration of a leaf that was released.
    fn settle(&self) {
        // SAFETY: ours, enlisted when it parked, and out of the queue.
        unsafe { Leaf::settle(self.node()) };
    }

    /// Gives up: whatever was given to this waiter goes to the next.
    #[inline]
    fn cancel(&self, core: &Core) {
        if !self.leaf.is_idle() {
            self.give_up(core);
        }
    }

    #[cold]
    fn give_up(&self, core: &Core) {
        // SAFETY: ours, and parked on this mutex.
        let waited = unsafe { core.withdraw(self.node()) };
        let state = self.leaf.state();
        self.settle();
        match state {
            _ if waited => {}
            HANDED => core.unlock(self.leaf.at()),
            _ => core.decline(),
        }
    }
}

impl<'a, T: ?Sized> Lock<'a, T> {
    pub(super) fn new(mutex: &'a Mutex<T>, at: Location) -> Self {
        Self { waiter: Waiter::new(at), mutex }
    }
}

impl<T: ?Sized> LockOwned<T> {
    pub(super) fn new(mutex: Arc<Mutex<T>>, at: Location) -> Self {
        Self { waiter: Waiter::new(at), mutex }
    }
}

impl<'a, T: ?Sized> Future for Lock<'a, T> {
    type Output = MutexGuard<'a, T>;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.as_ref().get_ref();
        let locked = this.waiter.poll(this.mutex.core(), cx);
        locked.map(|()| MutexGuard::new(this.mutex, this.waiter.leaf.at()))
    }
}

impl<T: ?Sized> Future for LockOwned<T> {
    type Output = OwnedMutexGuard<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.as_ref().get_ref();
        let locked = this.waiter.poll(this.mutex.core(), cx);
        locked.map(|()| OwnedMutexGuard::new(this.mutex.clone(), this.waiter.leaf.at()))
    }
}

impl<T: ?Sized> Drop for Lock<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.waiter.cancel(self.mutex.core());
    }
}

impl<T: ?Sized> Drop for LockOwned<T> {
    #[inline]
    fn drop(&mut self) {
        self.waiter.cancel(self.mutex.core());
    }
}

impl<T: ?Sized> fmt::Debug for Lock<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lock").field("at", &self.waiter.leaf.at()).finish_non_exhaustive()
    }
}

impl<T: ?Sized> fmt::Debug for LockOwned<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LockOwned").field("at", &self.waiter.leaf.at()).finish_non_exhaustive()
    }
}

#[cfg(loom)]
mod models {
    use super::super::Mutex;
    use crate::sys::model::{Token, block_on, poll_once};
    use core::pin::pin;
    use loom::sync::Arc;
    use loom::thread;
    use std::cell::Cell;

    thread_local! {
        /// Whoever waits in this model starves at once. All threads of a model are one to the system.
        pub(super) static IMPATIENT: Cell<bool> = const { Cell::new(false) };
    }

    fn model(impatient: bool, run: impl Fn() + Sync + Send + 'static) {
        let mut builder = loom::model::Builder::new();
        // With three the models of this file take minutes each.
        builder.preemption_bound = Some(2);
        builder.check(move || {
            IMPATIENT.set(impatient);
            run();
        });
    }

    async fn add(mutex: &Mutex<Option<Token>>) {
        let mut guard = mutex.lock().await;
        let before = guard.take().map_or(0, Token::read);
        *guard = Some(Token::new(before + 1));
    }

    fn counted(mutex: &Mutex<Option<Token>>) -> u32 {
        block_on(mutex.lock()).take().map_or(0, Token::read)
    }

    #[test]
    fn one_owner_at_a_time() {
        for impatient in [false, true] {
            model(impatient, || {
                let mutex = Arc::new(Mutex::new(None));
                // A model does not see that who finds it made has seen who made it.
                let _ = mutex.core().room();
                let other = mutex.clone();
                let thread = thread::spawn(move || block_on(add(&other)));
                block_on(async {
                    add(&mutex).await;
                    add(&mutex).await;
                });
                thread.join().expect("the other");
                assert_eq!(counted(&mutex), 3);
            });
        }
    }

    #[test]
    fn a_newcomer_beside_a_waiter() {
        for impatient in [false, true] {
            model(impatient, || {
                let mutex = Arc::new(Mutex::new(None));
                let _ = mutex.core().room();
                let mut guard = mutex.try_lock().expect("free");
                let mut waiter = Box::pin(add(&mutex));
                assert!(poll_once(waiter.as_mut()).is_pending());
                let other = mutex.clone();
                let newcomer = thread::spawn(move || {
                    let taken = other.try_lock();
                    taken.map(|mut guard| {
                        let before = guard.take().map_or(0, Token::read);
                        *guard = Some(Token::new(before + 1));
                    })
                });
                *guard = Some(Token::new(1));
                drop(guard);
                block_on(waiter);
                let came = newcomer.join().expect("the newcomer").is_some();
                assert_eq!(counted(&mutex), 2 + u32::from(came));
            });
        }
    }

    /// Outside of what a model replays: what was seen in any of its runs.
    static SPUN: [std::sync::atomic::AtomicBool; 2] =
        [const { std::sync::atomic::AtomicBool::new(false) }; 2];

    #[test]
    fn a_lock_that_is_given_back_while_somebody_spins_is_taken_without_a_wait() {
        model(false, || {
            let mutex = Arc::new(Mutex::new(Some(Token::new(1))));
            let mut guard = mutex.try_lock().expect("free");
            let other = mutex.clone();
            let spinner = thread::spawn(move || {
                let spun = other.core().spin(std::panic::Location::caller());
                if spun {
                    // It is ours, and as its owner left it.
                    assert!(other.try_lock().is_none());
                    // SAFETY: the lock is owned, by this thread.
                    assert_eq!(unsafe { &mut *other.value() }.take().map(Token::read), Some(2));
                    other.core().unlock(std::panic::Location::caller());
                }
                spun
            });
            guard.take().map(Token::read);
            *guard = Some(Token::new(2));
            drop(guard);
            let spun = spinner.join().expect("the spinner");
            SPUN[usize::from(spun)].store(true, std::sync::atomic::Ordering::Relaxed);
            assert_eq!(counted(&mutex), if spun { 0 } else { 2 });
        });
        let seen = SPUN.each_ref().map(|spun| spun.load(std::sync::atomic::Ordering::Relaxed));
        assert_eq!(seen, [true; 2], "it comes in time in some runs, and too late in others");
    }

    #[test]
    fn a_waiter_that_goes_passes_on_what_it_was_given() {
        for impatient in [false, true] {
            model(impatient, || {
                let mutex = Arc::new(Mutex::new(None));
                let guard = mutex.try_lock().expect("free");
                let other = mutex.clone();
                let mut first = Box::pin(mutex.lock());
                assert!(poll_once(first.as_mut()).is_pending());
                let thread = thread::spawn(move || block_on(add(&other)));
                drop(guard);
                drop(first);
                thread.join().expect("the other");
                assert_eq!(counted(&mutex), 1);
                let mut last = pin!(mutex.lock());
                assert!(poll_once(last.as_mut()).is_ready(), "nobody owns it");
            });
        }
    }
}
