//! How an M of a runtime with several Ps finds a goroutine to run: its own P, the global queue, the
//! timers, other Ps; and how it parks when there is none.

use core::ptr::null_mut;
use std::sync::Arc;

use super::idle::Lists;
use super::locked::Next;
use super::m::Machine;
use super::metrics::nanos;
use super::parker::{Grant, Parker, Woken};
use super::pool::Pool;
use super::shared::Shared;
use crate::choose::choose;
use crate::g::GRef;
use crate::sys::atomic::Ordering;
use crate::time::clock::NEVER;

/// Rounds over all Ps of a search; in the last one what a P would run next may be taken too.
const PASSES: usize = 4;

/// The timers of all Ps are looked at on every 61st dispatch: their own Ms may be in long polls.
const FOREIGN_TIMERS_TICK: u64 = 61;

/// The numbers that a search comes by, and whether what such a P would run next may be taken too: in each pass those
/// of all `ps` Ps, from one on that `start` chooses among so many.
#[inline]
fn victims(
    ps: usize,
    mut start: impl FnMut(usize) -> usize,
) -> impl Iterator<Item = (usize, bool)> {
    (0..PASSES).flat_map(move |pass| {
        let start = start(ps);
        (0..ps).map(move |i| ((start + i) % ps, pass == PASSES - 1))
    })
}

impl Machine {
    /// Runs goroutines on this thread until the runtime stops. The grant says on which P.
    pub(super) fn run_own(shared: &Arc<Shared>, parker: &Arc<Parker>, grant: Grant) {
        let (Some(pool), Grant::P(index, tenure)) = (&shared.pool, grant) else { return };
        Self::bind(shared, shared.p(index), tenure, |machine| {
            machine.spin(parker, true);
            while machine.wait_for_p(pool, parker) {
                if let Some(g) = machine.find(pool, parker) {
                    machine.found(pool, parker);
                    if g.is_locked() {
                        machine.send_home(g, pool, parker);
                        continue;
                    }
                    machine.poll(g);
                    if machine.has_locked.get()
                        && let Next::End = machine.stay_locked(pool, parker)
                    {
                        return;
                    }
                    if !machine.has_p() {
                        machine.come_back(pool, parker);
                    }
                }
            }
        });
    }

    /// The next goroutine. `None`: the P was given up.
    fn find(&self, pool: &Pool, parker: &Arc<Parker>) -> Option<GRef> {
        // An M that was woken looks from its first moment on.
        let mut began = self.spinning.get().then(nanos);
        let mut napped = false;
        loop {
            if pool.idle.is_surplus(self.p().index) && self.give_up_surplus(pool, parker) {
                return None;
            }
            if !self.p().is_open() && pool.idle.most_procs() > 1 {
                self.open_p(pool);
            }
            match self.p().tick().is_multiple_of(FOREIGN_TIMERS_TICK) {
                true => _ = self.fire_all_timers(),
                false => self.fire_timers(),
            }
            self.look_at_net_now_and_then();
            let global = &self.shared().global;
            // SAFETY: between two polls the P is ours, as `wait_for_p` made sure.
            let own = unsafe { self.p().pick(global, pool.idle.procs()) };
            if own.is_some() && began.is_none() {
                return own;
            }
            if own.is_none() && (self.fire_all_timers() || self.shared().look_at_net()) {
                continue;
            }
            let since = *began.get_or_insert_with(nanos);
            if let Some(g) = own.or_else(|| self.steal(pool, parker)) {
                self.p().meters.has_looked_since(since);
                return Some(g);
            }
            if !napped && self.spinning.get() && pool.idle.counts.some_run(pool.idle.procs()) {
                // Two goroutines that hand work to each other on another P would wake an M with each push.
                napped = true;
                pool.idle.nap(parker);
                continue;
            }
            if self.park_without_work(pool, parker, since) {
                return None;
            }
        }
    }

    /// There are more Ps from now on: they may steal from this one, the first.
    #[cold]
    fn open_p(&self, pool: &Pool) {
        // SAFETY: between two polls the P is ours.
        unsafe { self.p().open() };
        self.shared().wake_one(pool);
    }

    /// Notes whether this M looks for work. Gives what was noted before.
    fn spin(&self, parker: &Parker, spins: bool) -> bool {
        let before = self.spinning.replace(spins);
        if before != spins {
            parker.spinning.store(spins, Ordering::Relaxed);
        }
        before
    }

    /// Looks at all other Ps, from a random one on.
    fn steal(&self, pool: &Pool, parker: &Parker) -> Option<GRef> {
        // A P that is one too many now may have something left.
        let ps = pool.idle.most_procs();
        if ps < 2 || !(self.spinning.get() || pool.idle.counts.may_spin(pool.idle.procs())) {
            return None;
        }
        self.spin(parker, true);
        let mut others = victims(ps, choose);
        others.find_map(|(victim, next_too)| {
            let victim = self.shared().p(victim);
            if core::ptr::eq(victim, self.p()) {
                return None;
            }
            // SAFETY: the P is ours, and `pick` has just found its queue empty.
            let g = unsafe { self.p().steal(victim, next_too, &self.shared().global) }?;
            self.p().meters.stolen.add(1);
            Some(g)
        })
    }

    /// Something was found: this M spins no more, and another may have to.
    fn found(&self, pool: &Pool, parker: &Parker) {
        if self.spin(parker, false) {
            pool.idle.counts.end_spinning();
            self.shared().wake_one(pool);
        }
    }

    /// Gives the P up and lists this M as parked. False if there is work after all.
    fn park_without_work(&self, pool: &Pool, parker: &Arc<Parker>, since: u64) -> bool {
        let gives_up = |lists: &Lists| {
            let gives_up = self.shared().global.is_empty();
            if gives_up {
                self.p().meters.parks.add(1);
                self.p().meters.has_looked_since(since);
                // SAFETY: between two polls the P is ours.
                unsafe { self.shared().leave_queue(lists, self.p()) };
                self.give_up_p();
            }
            gives_up
        };
        if !pool.idle.park(parker, self.p().index, gives_up) {
            return false;
        }
        let spun = self.spin(parker, false);
        if pool.idle.look_again(spun, || self.shared().has_work_to_share()) {
            self.unpark_self(pool, parker);
        }
        true
    }

    /// After a poll that has lost its P: takes an idle one, the lost one if it can, or lists this M as parked.
    fn come_back(&self, pool: &Pool, parker: &Arc<Parker>) {
        let lost = self.p().index;
        pool.idle.change(|lists| {
            // Under the lock: so that whoever took the P has made the note.
            parker.lost_with.store(null_mut(), Ordering::Relaxed);
            match lists.take_idle_p(lost) {
                Some(index) if !lists.stopping => self.acquire_listed(index, parker),
                _ => lists.wait_for_p(parker),
            }
        });
    }

    /// In a poll, after a call that blocked and lost the P: takes an idle one, the lost one if it can. Else the poll
    /// goes on without. So it does in a forked child, where nobody may ever give the lock back.
    #[cold]
    pub(super) fn regain_p(&self) {
        let pool = self.shared().pool.as_ref().filter(|_| !self.shared().is_orphan());
        let Some(pool) = pool else { return };
        let (number, lost) = (self.number(), self.p().index);
        let runs = pool.idle.change(|lists| {
            let parker = lists.all.iter().find(|m| m.number == number).cloned()?;
            let index = lists.take_idle_p(lost)?;
            self.acquire_listed(index, &parker);
            // Under the lock: as in `come_back`.
            Some(parker.lost_with.swap(null_mut(), Ordering::Relaxed))
        });
        if let Some(runs) = runs {
            self.lend_to_poll(runs);
        }
    }

    /// Takes an idle P again and spins, unless all are in use or a grant is on its way.
    fn unpark_self(&self, pool: &Pool, parker: &Arc<Parker>) {
        if pool.idle.unpark(parker, |index| self.acquire_listed(index, parker)) {
            self.spin(parker, true);
        }
    }

    /// Goes on with a P that was just taken off the list of idle ones; under the lock.
    fn acquire_listed(&self, index: usize, parker: &Parker) {
        let p = self.shared().p(index);
        let Some(tenure) = p.owner.acquire(parker.number) else {
            unreachable!("a listed P is idle, and acquired under the lock only")
        };
        self.take_p(p, tenure);
    }

    /// Parks until this M has a P. False if the runtime ends.
    fn wait_for_p(&self, pool: &Pool, parker: &Arc<Parker>) -> bool {
        let mut keeps_timers = true;
        while !self.has_p() {
            let keeper = keeps_timers && pool.idle.keeper.become_keeper(parker);
            let timers = self.shared().timers();
            // Read after we became the keeper: whoever arms an earlier timer pokes us.
            let next = if keeper { timers.next() } else { NEVER };
            if keeper {
                pool.idle.keeper.keeps_until(next);
            }
            let until = timers.clock().instant(next).filter(|_| next != NEVER);
            // The keeper of the timers watches the network too.
            let net = Some(&self.shared().netpoll).filter(|net| keeper && net.is_on());
            let (woken, ready) = match net {
                Some(net) => parker.wait_in(net, until),
                None => (parker.wait(until), Vec::new()),
            };
            if keeper {
                pool.idle.keeper.leave();
            }
            match woken {
                Woken::Granted(Grant::Exit) => return false,
                Woken::Granted(Grant::P(index, tenure)) => {
                    self.take_p(self.shared().p(index), tenure);
                    self.spin(parker, true);
                }
                Woken::Poked => keeps_timers = true,
                Woken::Due | Woken::Ready => {
                    self.unpark_self(pool, parker);
                    // All Ps are in use: their Ms look at the timers, and the first to park keeps them.
                    keeps_timers = false;
                }
            }
            self.shared().run_ready(ready);
        }
        true
    }

    /// Gives up a P that is one too many. False if it is not, after all.
    fn give_up_surplus(&self, pool: &Pool, parker: &Arc<Parker>) -> bool {
        let given = pool.idle.give_up_surplus(parker, self.p().index, |lists| {
            // In a pause the queue stays where it is.
            // SAFETY: between two polls the P is ours.
            unsafe { self.shared().leave_queue(lists, self.p()) };
            self.give_up_p();
        });
        if given {
            if self.spin(parker, false) {
                pool.idle.counts.end_spinning();
            }
            self.shared().wake_one(pool);
        }
        given
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// The fact of Go's `TestStealOrder`: from wherever it starts, a pass comes by each P once.
    #[test]
    fn each_pass_comes_by_each_p_once_and_the_last_takes_what_runs_next() {
        for ps in 1..=64 {
            for start in 0..ps {
                // Each pass starts elsewhere.
                let starts: Vec<_> = (0..PASSES).map(|pass| (start + 7 * pass) % ps).collect();
                let mut chosen = starts.iter().copied();
                let among = |n| {
                    assert_eq!(n, ps);
                    chosen.next().expect("one choice a pass")
                };
                let order: Vec<_> = victims(ps, among).collect();
                assert_eq!(order.len(), PASSES * ps);
                for (pass, (order, start)) in order.chunks(ps).zip(starts).enumerate() {
                    assert_eq!(order[0].0, start, "{ps} Ps");
                    assert!(order.iter().all(|(_, next_too)| *next_too == (pass == PASSES - 1)));
                    let mut seen: Vec<_> = order.iter().map(|(victim, _)| *victim).collect();
                    seen.sort_unstable();
                    assert!(seen.iter().copied().eq(0..ps), "{ps} Ps from {start} on: {seen:?}");
                }
            }
        }
    }
}
