//! Sysmon: a thread without a P that takes Ps away from polls and blocking calls that last too long.
//!
//! It judges by the CPU clock of the thread, or by the kernel saying that it is blocked: wall time alone
//! would punish polls that the system itself has interrupted. And it acts only if other work waits.

use std::time::{Duration, Instant};

use super::clocks::{ThreadClock, ThreadTime};
use super::idle::Slept;
use super::metrics::PoolMeters;
use super::net::NetWatch;
use super::owner::Look;
use super::p::{GLOBAL_TICK, P};
use super::parker::{Grant, Parker};
use super::pool::{MAX_MS, Pool};
use super::shared::Shared;
use crate::debug::debug;
use crate::sys::atomic::Ordering;

/// How long a poll may keep its P while others wait. Go's number.
pub(super) const SLICE: Duration = Duration::from_millis(10);
/// How long a poll may go on until it is asked to yield at its next operation: one that performs some keeps its
/// P.
const ASKED: Duration = Duration::from_millis(8);
/// The sleeps of sysmon: the first after it had something to do, and the longest while a P is in use.
const SHORTEST: Duration = Duration::from_micros(20);
const LONGEST: Duration = Duration::from_millis(5);
/// Rounds without anything to do after which its sleeps get longer, and after which it sleeps for good if
/// all Ps are idle.
const BRISK_ROUNDS: u32 = 50;
const LAST_ROUND: u32 = 64;

/// A poll that is shorter is not looked at more closely.
const SUSPICIOUS: Duration = Duration::from_millis(1);

/// What sysmon has seen of a P.
struct Seen {
    tick: u64,
    look: Look,
    since: Instant,
    /// The first reading of the thread's clock in this poll.
    first: Option<ThreadTime>,
}

/// Since when sysmon watches who runs out of `runnext` on a P.
#[derive(Clone, Copy)]
struct Slice {
    tick: u64,
    since: Instant,
}

impl Slice {
    fn of(p: &P) -> Self {
        Self { tick: p.tick(), since: Instant::now() }
    }

    /// Gives the queue of `p` its turn if for a whole slice nothing else was dispatched than what made each other
    /// ready: it inherits the slice. What comes from the global queue meanwhile is no turn of the P's own.
    fn look(&mut self, p: &P) {
        if self.since.elapsed() < SLICE {
            return;
        }
        let (tick, streak) = (p.tick(), u64::from(p.streak()));
        let looks = tick.wrapping_sub(self.tick);
        if looks > 0 && streak + looks / GLOBAL_TICK + 1 >= looks {
            p.end_streak();
        }
        *self = Self { tick, since: Instant::now() };
    }
}

impl PoolMeters {
    /// A P was taken from what was seen on it. The tick says which poll it has really hit.
    fn count_retake(&self, seen: &Option<Seen>, tick: u64) {
        match seen {
            Some(Seen { look: Look::Blocking(_), .. }) => self.blocking_retakes.add(1),
            seen => {
                self.retakes.add(1);
                self.false_retakes.add(seen.as_ref().is_none_or(|seen| seen.tick != tick).into());
            }
        }
    }
}

/// What to do about a P.
#[derive(PartialEq)]
enum Judgement {
    Fine,
    /// It would have to be taken if its poll went on: look again soon.
    Suspicious,
    Take,
}

/// Watches over the Ps until the runtime ends.
fn run(shared: &Shared, pool: &Pool) {
    let mut seen: Vec<Option<Seen>> = Vec::new();
    let mut slices: Vec<Slice> = Vec::new();
    let (mut idle_rounds, mut delay) = (0u32, SHORTEST);
    let mut net = NetWatch::new();
    loop {
        let all_idle = || shared.ps().all(|p| p.owner.is_idle());
        match pool.idle.sysmon_sleep(delay, idle_rounds >= LAST_ROUND, all_idle) {
            Slept::AWhile => {}
            Slept::Deeply => (idle_rounds, delay) = (0, SHORTEST),
            Slept::Stopped => return,
        }
        net.look_if_nobody_does(shared);
        pool.meters.sysmon_rounds.add(1);
        // A timer is late, its P is idle, and the keeper has been granted one that it needs for other work. Or
        // there was no thread for an M that was to look for work, or to keep the timers.
        if pool.idle.take_refusal() || shared.is_timer_due() {
            // If it is refused again, so it is in the next round.
            let _ = shared.try_to_wake_one(pool);
        }
        seen.resize_with(pool.idle.most_procs(), || None);
        slices.extend((slices.len()..seen.len()).map(|index| Slice::of(shared.p(index))));
        slices.iter_mut().enumerate().for_each(|(index, slice)| slice.look(shared.p(index)));
        let (mut retaken, mut suspicious) = (false, false);
        for (index, seen) in seen.iter_mut().enumerate() {
            match judge(shared, pool, index, seen) {
                Judgement::Fine => {}
                Judgement::Suspicious => suspicious = true,
                Judgement::Take => retaken |= shared.retake(pool, index, seen),
            }
        }
        idle_rounds = if retaken { 0 } else { (idle_rounds + 1).min(LAST_ROUND) };
        delay = match idle_rounds {
            0 => SHORTEST,
            1..BRISK_ROUNDS => delay,
            _ if suspicious => SUSPICIOUS,
            _ => (delay * 2).min(LONGEST),
        };
    }
}

/// Whether the P has to be taken away now.
fn judge(shared: &Shared, pool: &Pool, index: usize, seen: &mut Option<Seen>) -> Judgement {
    let p = shared.p(index);
    let (tick, look) = (p.tick(), p.owner.look());
    let (Look::InPoll(m) | Look::Blocking(m)) = look else {
        *seen = None;
        return Judgement::Fine;
    };
    let Some(before) = seen.as_mut().filter(|seen| (seen.tick, seen.look) == (tick, look)) else {
        *seen = Some(Seen { tick, look, since: Instant::now(), first: None });
        return Judgement::Fine;
    };
    let lasted = before.since.elapsed();
    if before.first.is_none() && lasted >= SUSPICIOUS && matches!(look, Look::InPoll(_)) {
        before.first = read_clock(pool, m);
    }
    if lasted >= ASKED && matches!(look, Look::InPoll(_)) {
        p.ask_to_yield();
    }
    // Nobody can help it: it is one P too many, or the one that was alone until now.
    let procs = pool.idle.procs();
    let is_stuck = (index >= procs || procs > 1 && !p.is_open()) && !p.is_empty();
    let is_wanted = pool.idle.counts.is_short_of_ps() && shared.has_work();
    if !(is_stuck || is_wanted) {
        return Judgement::Fine;
    }
    let take = match look {
        _ if debug().retakeoff => false,
        Look::Blocking(_) => true,
        _ => lasted >= SLICE && has_used_slice(before, lasted, read_clock(pool, m)),
    };
    if take { Judgement::Take } else { Judgement::Suspicious }
}

/// Whether a poll that lasts longer than a slice has used one, or is blocked.
fn has_used_slice(seen: &mut Seen, lasted: Duration, now: Option<ThreadTime>) -> bool {
    let (Some(first), Some(now)) = (&mut seen.first, now) else {
        // The system does not tell: twice the time by the wall.
        return lasted >= 2 * SLICE;
    };
    // Blocked at two looks in a row: not only for a moment.
    let blocked = core::mem::replace(&mut first.blocked, now.blocked) && now.blocked;
    blocked || Duration::from_nanos(now.cpu.saturating_sub(first.cpu)) >= SLICE
}

fn read_clock(pool: &Pool, m: u32) -> Option<ThreadTime> {
    let parker = pool.idle.change(|lists| lists.all.iter().find(|p| p.number == m).cloned());
    parker?.thread.get().and_then(ThreadClock::read)
}

impl Shared {
    /// Starts sysmon beside the first M, or a later one if its thread was refused.
    pub(super) fn start_sysmon(&self, pool: &Pool) {
        let first = pool.idle.change(|lists| !core::mem::replace(&mut lists.has_sysmon, true));
        let Some(shared) = pool.upgrade().filter(|_| first) else { return };
        let run = move || {
            if let Some(pool) = &shared.pool {
                run(&shared, pool);
            }
        };
        let started = std::thread::Builder::new().name("gmp-sysmon".into()).spawn(run);
        // Without it the runtime works, except that nothing is taken from long polls, that they yield late, and that
        // nobody tries again for an M whose thread was refused. The next M that gets a P starts it.
        pool.idle.lacks_sysmon.store(started.is_err(), Ordering::Relaxed);
        if started.is_err() {
            pool.idle.change(|lists| lists.has_sysmon = false);
        }
    }

    /// Hands the P of the poll that was seen to another M. False if the poll has just ended.
    fn retake(&self, pool: &Pool, index: usize, seen: &Option<Seen>) -> bool {
        let p = self.p(index);
        let taken = pool.idle.change(|lists| {
            if lists.limit() == 0 {
                return None;
            }
            let parked = lists.ms.pop();
            let is_new = parked.is_none();
            if is_new && lists.threads >= MAX_MS {
                return None;
            }
            let parker = parked.unwrap_or_else(|| Parker::new(self.machine_number()));
            let before = p.owner.holder().machine;
            match p.owner.take(parker.number) {
                Some(tenure) => {
                    lists.note_loss(before, p.meters.running());
                    if is_new {
                        lists.add_machine(&parker);
                    }
                    Some((parker, is_new, tenure))
                }
                None => {
                    if !is_new {
                        lists.ms.push(parker);
                    }
                    None
                }
            }
        });
        let Some((parker, is_new, tenure)) = taken else { return false };
        pool.meters.count_retake(seen, p.tick());
        pool.idle.counts.start_spinning();
        let refused = self.give(pool, &parker, is_new, Grant::P(index, tenure)).err();
        if refused.is_some() {
            p.meters.end_use();
            self.take_back(pool, index, tenure);
            pool.idle.counts.end_spinning();
            pool.idle.note_refusal();
        }
        refused.is_none()
    }
}

/// Runs `f`, which may block the thread or compute for long, in place.
///
/// Inside a goroutine of a runtime with threads of its own, `f` keeps its P only as long as nobody else needs
/// it: then another thread goes on with the other goroutines. Nothing is moved, so `f` may borrow.
/// Everywhere else it is just called.
///
/// When the P is lost, and what the call costs if it is not:
/// [there](crate::runtime#long-polls-and-blocking-calls).
///
/// # Panics
/// With the panic of `f`.
///
/// ```
/// let text = String::from("borrowed");
/// gmp_core::block_on(async { assert_eq!(gmp_core::blocking(|| text.len()), 8) });
/// ```
#[doc(alias("spawn_blocking", "block_in_place"))]
pub fn blocking<R>(f: impl FnOnce() -> R) -> R {
    super::m::Machine::while_blocking(f)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use super::super::owner::Status;
    use super::*;
    use crate::runtime::Builder;

    /// Ps that Ms have, under the lock under which Ps change hands.
    fn owned(shared: &Shared) -> usize {
        let pool = shared.pool.as_ref().expect("Ms of its own");
        pool.idle.read(|_| {
            let holders = shared.ps().map(|p| p.owner.holder());
            let in_use = holders.filter(|holder| holder.status != Status::Idle);
            let mut ms: Vec<u32> = in_use.map(|holder| holder.machine).collect();
            let owned = ms.len();
            ms.sort_unstable();
            ms.dedup();
            assert_eq!(ms.len(), owned, "an M has two Ps");
            owned
        })
    }

    fn seen() -> Seen {
        let first = Some(ThreadTime { cpu: 0, blocked: false });
        Seen { tick: 1, look: Look::InPoll(1), since: Instant::now(), first }
    }

    #[test]
    fn a_poll_is_judged_by_the_clock_of_its_thread_and_not_by_the_wall() {
        let (slice, long) = (SLICE.as_nanos() as u64, 100 * SLICE);
        let mut seen = seen();
        let running = |cpu| Some(ThreadTime { cpu, blocked: false });
        let blocked = |cpu| Some(ThreadTime { cpu, blocked: true });
        assert!(!has_used_slice(&mut seen, long, running(slice - 1)), "the system ran others");
        assert!(has_used_slice(&mut seen, SLICE, running(slice)));
        // Blocked for a moment is not blocked.
        assert!(!has_used_slice(&mut seen, long, blocked(0)));
        assert!(!has_used_slice(&mut seen, long, running(0)));
        assert!(!has_used_slice(&mut seen, long, blocked(0)));
        assert!(has_used_slice(&mut seen, long, blocked(0)));
    }

    #[test]
    fn where_the_system_tells_nothing_the_wall_counts_double() {
        let mut seen = Seen { first: None, ..seen() };
        assert!(!has_used_slice(&mut seen, 2 * SLICE - Duration::from_nanos(1), None));
        assert!(has_used_slice(&mut seen, 2 * SLICE, None));
    }

    #[test]
    fn a_retake_is_false_if_it_hits_another_poll_than_was_seen() {
        let counted = |seen: Option<Seen>, tick| {
            let meters = PoolMeters::default();
            meters.count_retake(&seen, tick);
            let PoolMeters { retakes, false_retakes, blocking_retakes, .. } = meters;
            [retakes, false_retakes, blocking_retakes].map(|count| count.get())
        };
        let polls = || Some(Seen { tick: 7, ..seen() });
        assert_eq!(counted(polls(), 7), [1, 0, 0]);
        assert_eq!(counted(polls(), 8), [1, 1, 0]);
        assert_eq!(counted(polls(), 6), [1, 1, 0]);
        assert_eq!(counted(None, 7), [1, 1, 0]);
        let calls = || Some(Seen { tick: 7, look: Look::Blocking(1), ..seen() });
        assert_eq!(counted(calls(), 7), [0, 0, 1]);
        assert_eq!(counted(calls(), 8), [0, 0, 1]);
    }

    fn spin_until(done: impl Fn() -> bool) {
        while !done() {
            core::hint::spin_loop();
        }
    }

    /// As many as there are Ps spin, and as many again have to run at the same time to end: so each P is taken
    /// from a poll.
    #[test]
    fn as_many_spinners_as_ps_lose_them_all_and_no_more_ps_are_in_use() {
        for procs in 1..=3 {
            let runtime = Builder::new().procs(procs).build();
            let stop = Arc::new(AtomicBool::new(false));
            let (spinning, arrived) =
                (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
            let spinner = |_| {
                let (stop, spinning) = (stop.clone(), spinning.clone());
                runtime.go(async move {
                    spinning.fetch_add(1, Ordering::AcqRel);
                    spin_until(|| stop.load(Ordering::Acquire));
                })
            };
            let mut all: Vec<_> = (0..procs).map(spinner).collect();
            spin_until(|| spinning.load(Ordering::Acquire) == procs);
            let other = |_| {
                let arrived = arrived.clone();
                runtime.go(async move {
                    arrived.fetch_add(1, Ordering::AcqRel);
                    spin_until(|| arrived.load(Ordering::Acquire) == procs);
                })
            };
            all.extend((0..procs).map(other));
            let mut most = owned(runtime.shared());
            while arrived.load(Ordering::Acquire) < procs {
                most = most.max(owned(runtime.shared()));
                std::thread::yield_now();
            }
            stop.store(true, Ordering::Release);
            runtime.block_on(async {
                for one in all {
                    one.await.expect("no panic");
                }
            });
            let retakes = runtime.metrics().retakes;
            assert!(retakes >= procs as u64, "{retakes} retakes of {procs} Ps");
            assert_eq!(most, procs, "all Ps are in use, and no more");
        }
    }
}
