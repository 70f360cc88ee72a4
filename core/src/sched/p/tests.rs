//! What a P takes, from its own queue, the global one and other Ps: which goroutines, in which order.

use core::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::g::{Origin, Scope};
use crate::sched::Shared;

/// Goroutines that nobody runs, and the global queue of their runtime.
struct World {
    shared: Arc<Shared>,
    all: Vec<GRef>,
    _scope: Arc<Scope>,
}

fn with(n: usize) -> World {
    let shared = Shared::with_machines(2);
    let scope = Scope::new(shared.clone(), 1, false);
    let origin = Origin { scope: &scope, parent: None, at: Location::caller() };
    let all = (0..n).map(|_| GRef::new(async {}, &origin).0).collect();
    World { shared, all, _scope: scope }
}

impl World {
    fn global(&self) -> &Global {
        &self.shared.global
    }

    /// Another reference to number `i`, to be queued.
    fn get(&self, i: usize) -> GRef {
        self.all[i].clone()
    }

    /// Which one it is.
    fn number(&self, g: &GRef) -> usize {
        let at = |other: &GRef| other.as_ptr() == g.as_ptr();
        self.all.iter().position(at).expect("one of ours")
    }

    /// Puts `queued` into the ring of `p` and then `next` into its slot.
    fn fill(&self, p: &P, queued: core::ops::Range<usize>, next: Option<usize>) {
        // SAFETY: no other thread uses the P.
        unsafe {
            queued.for_each(|i| p.put(self.get(i), self.global()));
            next.into_iter().for_each(|i| _ = p.put_next(self.get(i), self.global()));
        }
    }

    fn steal(&self, thief: &P, victim: &P, next_too: bool) -> Option<usize> {
        // SAFETY: no other thread uses the thief, whose queue is empty.
        let g = unsafe { thief.steal(victim, next_too, self.global()) };
        g.map(|g| self.number(&g))
    }

    /// What `p` has: in the slot, and in the ring.
    fn empty(&self, p: &P) -> (Option<usize>, Vec<usize>) {
        let next = p.take_next().map(|g| self.number(&g));
        (next, core::iter::from_fn(|| p.queue.get()).map(|g| self.number(&g)).collect())
    }

    fn empty_global(&self) -> Vec<usize> {
        core::iter::from_fn(|| self.global().pop()).map(|g| self.number(&g)).collect()
    }
}

fn two() -> [P; 2] {
    [0, 1].map(|index| P::new(index, true, true))
}

#[test]
fn a_thief_runs_the_oldest_and_queues_the_rest_of_the_older_half() {
    let world = with(SLOTS + 1);
    for n in 1..=SLOTS {
        for next_too in [false, true] {
            let [thief, victim] = two();
            world.fill(&victim, 0..n, Some(n));
            assert_eq!(world.steal(&thief, &victim, next_too), Some(0));
            let half = n.div_ceil(2);
            assert_eq!(world.empty(&thief), (None, (1..half).collect()), "of {n}");
            // What would run next stays as long as something is queued.
            assert_eq!(world.empty(&victim), (Some(n), (half..n).collect()), "of {n}");
            assert!(world.global().is_empty());
        }
    }
}

/// Go's `runqgrab` with `stealRunNextG`: its owner is about to run it, so it is left alone until there is nothing
/// else, and for a moment even then.
#[test]
fn what_runs_next_is_taken_in_the_last_pass_from_an_empty_queue_after_a_moment() {
    let world = with(1);
    let [thief, victim] = two();
    world.fill(&victim, 0..0, Some(0));
    assert_eq!(world.steal(&thief, &victim, false), None);
    assert_eq!(victim.len(), 1);
    let began = Instant::now();
    assert_eq!(world.steal(&thief, &victim, true), Some(0));
    // Go's number.
    assert!(began.elapsed() >= Duration::from_micros(3), "its owner had no time to run it");
    assert!(victim.is_empty() && thief.is_empty());
    assert_eq!(world.steal(&thief, &victim, true), None);
}

#[test]
fn nothing_is_stolen_from_a_p_that_is_not_open() {
    let world = with(3);
    let [thief, victim] = [P::new(0, true, true), P::new(1, false, true)];
    world.fill(&victim, 0..2, Some(2));
    assert_eq!(world.steal(&thief, &victim, true), None);
    assert_eq!(world.empty(&victim), (Some(2), vec![0, 1]));
}

/// Go's `globrunqgetbatch`: one of so many equal parts and one more, half a ring at most.
#[test]
fn a_share_of_the_global_queue_goes_to_the_p_in_its_order() {
    const MOST: usize = 2 * SLOTS;
    let world = with(MOST);
    for len in (0..=20).chain([100, SLOTS - 2, SLOTS - 1, SLOTS, SLOTS + 1, MOST]) {
        for sharers in [1, 2, 3, 4, 8, 64, 1024] {
            let [p, _] = two();
            world.global().push_all((0..len).map(|i| world.get(i)));
            assert_eq!(world.global().len(), len);
            let share = match sharers {
                1 => len.min(1),
                _ => len.min(len / sharers + 1).min(SLOTS / 2),
            };
            // SAFETY: no other thread uses the P.
            let first = unsafe { p.pick(world.global(), sharers) };
            let first = first.map(|g| world.number(&g));
            assert_eq!(first, (len > 0).then_some(0), "of {len}");
            assert_eq!(world.global().len(), len - share, "{len} for {sharers}");
            let counted = (p.meters.global.get(), p.meters.empty.get());
            assert_eq!(counted, if len > 0 { (1, 0) } else { (0, 1) });
            let (next, queued) = world.empty(&p);
            assert!(next.is_none() && queued.into_iter().eq(1..share.max(1)), "{len}, {sharers}");
            assert!(world.empty_global().into_iter().eq(share..len), "{len} for {sharers}");
        }
    }
}
