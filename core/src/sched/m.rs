//! An M: an OS thread that owns a P and runs goroutines.

use core::cell::{Cell, RefCell};
use core::ptr::NonNull;
use std::sync::Arc;
use std::time::Instant;

use super::locked::Locked;
use super::owner::{Hand, Tenure};
use super::p::P;
use super::shared::Shared;
use crate::g::{GRef, Polled, Wake, blocking, current};
use crate::time::clock::{NEVER, Nanos};

thread_local! {
    /// The M that runs on this thread.
    static MACHINE: Cell<*const Machine> = const { Cell::new(core::ptr::null()) };
}

/// Polls for which one reading of the clock is good enough: reading it costs a third of a poll.
const POLLS_A_READING: u32 = 16;

/// Why a turn of an M ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// The caller's condition held.
    Stopped,
    /// Nothing is runnable. The next timer is due then, if there is one.
    Idle(Option<Instant>),
    /// The P was taken away while a poll ran. This M must not run goroutines any more.
    Lost,
}

/// Where a goroutine that was made ready went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pushed {
    /// Into a P that nobody steals from.
    Alone,
    /// Into a P with a few others.
    Few,
    /// Into a P with so many others that an M should come and take some.
    Many,
}

/// An M, bound to the thread that made it.
pub(crate) struct Machine {
    shared: Arc<Shared>,
    /// The P it has, or had last; one of `shared`.
    p: Cell<NonNull<P>>,
    tenure: Cell<Tenure>,
    hand: Hand,
    in_poll: Cell<bool>,
    /// Whether it has no P: it gave it up, or it was taken away.
    lost: Cell<bool>,
    /// The next timer when a turn found nothing to run.
    seen: Cell<Nanos>,
    /// The goroutine that this M is locked to, and whether there is one.
    pub(super) locked: RefCell<Option<Locked>>,
    pub(super) has_locked: Cell<bool>,
    /// Whether it counts among those that look for work.
    pub(super) spinning: Cell<bool>,
    /// A reading of the clock in milliseconds, and the polls for which it is good enough.
    now: Cell<(u32, u32)>,
    before: *const Machine,
}

impl Machine {
    /// Binds this thread to the idle P of `shared` and runs `f` as its M. `None` if the P is taken, or
    /// has an M of its own.
    pub(crate) fn run<R>(shared: &Arc<Shared>, f: impl FnOnce(&Machine) -> R) -> Option<R> {
        let p = shared.driven()?;
        let tenure = p.owner.acquire(shared.machine_number())?;
        Some(Self::bind(shared, p, tenure, f))
    }

    /// As [`run`](Self::run), with the P taken away from a poll that runs elsewhere. `None` if the P
    /// is neither idle nor in a poll.
    pub(crate) fn run_taken<R>(shared: &Arc<Shared>, f: impl FnOnce(&Machine) -> R) -> Option<R> {
        let m = shared.machine_number();
        let p = shared.driven()?;
        let tenure = p.owner.take(m).or_else(|| p.owner.acquire(m))?;
        Some(Self::bind(shared, p, tenure, f))
    }

    /// Binds this thread to the P `p` of `shared`, which it has acquired.
    pub(super) fn bind<R>(
        shared: &Arc<Shared>,
        p: &P,
        tenure: Tenure,
        f: impl FnOnce(&Machine) -> R,
    ) -> R {
        struct Unbind<'a>(&'a Machine);
        impl Drop for Unbind<'_> {
            fn drop(&mut self) {
                MACHINE.with(|m| m.set(self.0.before));
                if self.0.has_p() {
                    self.0.give_up_p();
                }
            }
        }
        let machine = Machine {
            shared: shared.clone(),
            p: Cell::new(NonNull::from(p)),
            tenure: Cell::new(tenure),
            hand: Hand::new(),
            in_poll: Cell::new(false),
            lost: Cell::new(false),
            seen: Cell::new(NEVER),
            locked: RefCell::new(None),
            has_locked: Cell::new(false),
            spinning: Cell::new(false),
            now: Cell::new((0, 0)),
            before: MACHINE.with(Cell::get),
        };
        p.owner.begin(tenure, &machine.hand);
        if shared.world().is_none() {
            p.meters.begin_use();
        }
        shared.gate.end_turn();
        MACHINE.with(|m| m.set(&raw const machine));
        let _unbind = Unbind(&machine);
        f(&machine)
    }

    /// Runs `f` and lets the P be taken away meanwhile, if this is a poll on a runtime with Ms of its own.
    pub(super) fn while_blocking<R>(f: impl FnOnce() -> R) -> R {
        struct Leave<'a>(&'a Machine);
        impl Drop for Leave<'_> {
            fn drop(&mut self) {
                if !self.0.p().owner.leave_blocking(self.0.tenure.get()) {
                    self.0.regain_p();
                }
            }
        }
        let machine = MACHINE.with(Cell::get);
        // SAFETY: as in `push_local`; `f` returns before `bind` does.
        let machine = unsafe { machine.as_ref() };
        let polls = |m: &&Machine| m.in_poll.get() && m.shared.has_own_machines();
        let machine = machine.filter(polls);
        let lends = |m: &&Machine| m.p().owner.enter_blocking(m.tenure.get());
        let Some(machine) = machine else { return f() };
        let _leave = Some(machine).filter(lends).map(Leave);
        blocking::while_allowed(f)
    }

    /// The number of the P that the M on this thread has, or had last. A hint: the P may be taken away at
    /// any moment.
    pub(super) fn p_number() -> Option<usize> {
        let machine = MACHINE.with(Cell::get);
        // SAFETY: as in `push_local`.
        unsafe { machine.as_ref() }.map(|m| m.p().index)
    }

    /// Calls `f` with the M on this thread and the goroutine that it polls, if there are both.
    pub(super) fn with_polled(f: impl FnOnce(&Machine, GRef)) {
        let machine = MACHINE.with(Cell::get);
        // SAFETY: as in `push_local`; `f` returns before `bind` does.
        let machine = unsafe { machine.as_ref() }.filter(|m| m.in_poll.get());
        if let (Some(machine), Some(g)) = (machine, current::goroutine()) {
            // SAFETY: the goroutine being polled is alive.
            f(machine, unsafe { GRef::clone_from_raw(g) });
        }
    }

    /// Its number.
    pub(super) fn number(&self) -> u32 {
        self.tenure.get().machine()
    }

    /// The P of `shared` that the M on this thread has, and has not lost.
    pub(super) fn own_p(shared: &Shared) -> Option<usize> {
        let machine = MACHINE.with(Cell::get);
        // SAFETY: as in `push_local`.
        let machine = unsafe { machine.as_ref() }?;
        let has_it = core::ptr::eq(&*machine.shared, shared)
            && machine.p().owner.is_held_in(machine.tenure.get());
        has_it.then_some(machine.p().index)
    }

    /// Whether others run on Ps of this runtime while nothing waits for this one: hints.
    pub(super) fn others_run() -> bool {
        let machine = MACHINE.with(Cell::get);
        // SAFETY: as in `push_local`.
        let Some(m) = (unsafe { machine.as_ref() }) else { return false };
        m.has_p() && m.p().is_empty() && m.shared.busy_ps() > 1
    }

    /// Whether this thread is an M of `shared`.
    pub(super) fn is_here(shared: &Shared) -> bool {
        let machine = MACHINE.with(Cell::get);
        // SAFETY: as in `push_local`.
        unsafe { machine.as_ref() }.is_some_and(|m| core::ptr::eq(&*m.shared, shared))
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// The P it has, or had last.
    pub(super) fn p(&self) -> &P {
        // SAFETY: it is one of `shared`, which never drops a P and which we keep.
        unsafe { self.p.get().as_ref() }
    }

    pub(super) fn has_p(&self) -> bool {
        !self.lost.get()
    }

    /// The time in milliseconds, as it was a few polls ago at most: what is parked shows it.
    fn coarse_now(&self) -> u32 {
        let (mut now, mut left) = self.now.get();
        if left == 0 {
            now = (self.shared.timers().clock().now() / 1_000_000) as u32;
            left = POLLS_A_READING;
        }
        self.now.set((now, left - 1));
        now
    }

    /// This M may have slept: the time has to be read again.
    fn forget_now(&self) {
        self.now.set((0, 0));
    }

    /// Goes on with `p`, which was acquired for this M.
    pub(super) fn take_p(&self, p: &P, tenure: Tenure) {
        self.forget_now();
        self.p.set(NonNull::from(p));
        self.tenure.set(tenure);
        p.owner.begin(tenure, &self.hand);
        self.lost.set(false);
        p.meters.begin_use();
    }

    /// Lends the P that it has taken inside a poll, to run what is at this address, to that poll.
    pub(super) fn lend_to_poll(&self, running: *mut ()) {
        let p = self.p();
        p.meters.goes_on_with(running);
        // SAFETY: it is one of `shared`, which never drops a P and which we keep.
        unsafe { current::ask_at(p.asked_to_yield()) };
        p.owner.lend(self.tenure.get(), &self.hand);
    }

    /// Gives the P up, between two polls.
    pub(super) fn give_up_p(&self) {
        self.lost.set(true);
        self.p().meters.end_use();
        self.p().owner.release(self.tenure.get());
    }

    /// Makes `g` the next to run if this thread is an M of `shared` and has a P.
    #[inline]
    pub(super) fn push_local(shared: &Shared, g: GRef) -> Result<Pushed, GRef> {
        let machine = MACHINE.with(Cell::get);
        // SAFETY: `bind` unsets the pointer before the machine goes, and it is this thread's own.
        let Some(machine) = (unsafe { machine.as_ref() }) else { return Err(g) };
        if !core::ptr::eq(&*machine.shared, shared) || machine.lost.get() {
            return Err(g);
        }
        let p = machine.p();
        if !machine.in_poll.get() {
            p.meters.made_ready(&g);
            // SAFETY: outside a poll the P is this M's, and this is its thread.
            return Ok(unsafe { p.put_next(g, &shared.global) });
        }
        let tenure = machine.tenure.get();
        if !p.owner.claim(tenure, &machine.hand) {
            return Err(g);
        }
        p.meters.made_ready(&g);
        // SAFETY: claimed just now, rule 3.
        let pushed = unsafe { p.put_next(g, &shared.global) };
        p.owner.lend(tenure, &machine.hand);
        Ok(pushed)
    }

    /// Runs goroutines until `stop` says so (asked before each), none is runnable, or the P is lost.
    pub(crate) fn turn(&self, stop: &dyn Fn() -> bool) -> Turn {
        if let Some(world) = self.shared.world() {
            return world.turn(&self.shared, stop);
        }
        /// Ends the turn, also by a panic of `stop`. If the P is lost it may be in a turn of another M by now.
        struct End<'a>(&'a Machine);
        impl Drop for End<'_> {
            fn drop(&mut self) {
                if self.0.has_p() {
                    self.0.shared.gate.end_turn();
                }
            }
        }
        if !self.has_p() {
            return Turn::Lost;
        }
        self.shared.gate.begin_turn();
        let _end = End(self);
        self.turn_until(stop)
    }

    fn turn_until(&self, stop: &dyn Fn() -> bool) -> Turn {
        let timers = self.shared.timers();
        self.forget_now();
        loop {
            if self.lost.get() {
                return Turn::Lost;
            }
            if self.shared.gate.is_closed() {
                self.shared.gate.wait();
            }
            if stop() {
                return Turn::Stopped;
            }
            self.fire_timers();
            self.look_at_net_now_and_then();
            // SAFETY: outside a poll the P is ours, or `lost` is set.
            if let Some(g) = unsafe { self.p().pick(&self.shared.global, 1) } {
                self.poll(g);
                continue;
            }
            if self.shared.look_at_net() {
                continue;
            }
            let next = timers.next();
            if next > timers.clock().now() {
                self.seen.set(next);
                return Turn::Idle(timers.clock().instant(next).filter(|_| next != NEVER));
            }
        }
    }

    /// Makes ready whatever waits for a moment that has come, of what was armed on this P. The P is ours.
    #[inline]
    pub(super) fn fire_timers(&self) {
        let timers = self.shared.timers();
        let p = self.p().index;
        if timers.has_any(p) {
            let now = timers.clock().now();
            if timers.is_due(p, now) {
                timers.delivering(|| wake_in_order(timers.fire_due(p, now)));
            }
        }
    }

    /// As [`fire_timers`](Self::fire_timers), of what was armed on any P. True if something was due.
    pub(super) fn fire_all_timers(&self) -> bool {
        let timers = self.shared.timers();
        let next = timers.next();
        if next == NEVER {
            return false;
        }
        let now = timers.clock().now();
        if next > now {
            return false;
        }
        timers.delivering(|| {
            let wakes = timers.fire_all_due(now);
            let any = !wakes.is_empty();
            wake_in_order(wakes);
            any
        })
    }

    /// Polls one goroutine with the P lent to the poll.
    pub(super) fn poll(&self, g: GRef) {
        let p = self.p();
        let now = self.coarse_now();
        p.meters.runs(&g);
        self.in_poll.set(true);
        p.owner.lend(self.tenure.get(), &self.hand);
        let asked = self.shared.has_own_machines().then(|| p.asked_to_yield());
        let polled = g.run(now, &*self.shared, asked);
        // It may be another one by now, after a call that blocked.
        let p = self.p();
        let ours = p.owner.claim(self.tenure.get(), &self.hand);
        self.in_poll.set(false);
        if !ours {
            self.lost.set(true);
        }
        if let Polled::Requeue(g) = polled {
            if ours {
                p.meters.made_ready(&g);
                // SAFETY: claimed just now, rule 4.
                unsafe { p.put_last(g, &self.shared.global) };
            } else {
                self.shared.made_ready_outside(&g);
                self.shared.global.push(g);
                self.shared.wake();
            }
        }
    }

    /// Sleeps until a goroutine may be runnable or `until` has come.
    pub(crate) fn sleep(&self, until: Option<Instant>) {
        self.shared.sleep(until, self.seen.get());
    }

    /// Whether a turn would find a goroutine to run, timers apart.
    pub(crate) fn is_runnable(&self) -> bool {
        self.shared.is_runnable()
    }

    /// Moves a virtual clock to the next timer, if that is due at `limit` at the latest: the next turn fires
    /// it. False if there is no such timer, or the clock is real.
    pub(crate) fn advance(&self, limit: Option<Instant>) -> bool {
        let timers = self.shared.timers();
        let (clock, next) = (timers.clock(), timers.next());
        let limit = limit.map_or(NEVER - 1, |limit| clock.nanos_of(limit));
        let moves = clock.is_virtual() && next <= limit;
        if moves {
            clock.advance_to(next);
        }
        moves
    }
}

/// What is woken last runs next: so that they run in the order of their moments, the first comes last.
fn wake_in_order(mut wakes: Vec<Wake>) {
    if !wakes.is_empty() {
        wakes.rotate_left(1);
    }
    wakes.into_iter().for_each(Wake::wake);
}
