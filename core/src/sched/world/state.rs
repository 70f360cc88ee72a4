//! The state of a schedule: who is ready, who has the baton, and what the policy says is next.

use std::sync::Arc;

use super::pace::Pace;
use crate::g::GRef;
use crate::inspect::GoroutineId;
use crate::sched::baton::{Pool, Seat};
use crate::sched::policy::{Choice, Event, Options, Policy};
use crate::sched::shared::Shared;
use crate::time::clock::Nanos;

/// Operations in a row that release nothing after which the next one is a point all the same.
pub(super) const IN_A_ROW: u32 = 16;

/// The state of a schedule. The policy is called under its lock, and uses nothing of the runtime.
#[derive(Default)]
pub(super) struct State {
    pub(super) policy: Option<Box<dyn Policy>>,
    pub(super) traces: bool,
    /// Ready goroutines and their numbers, the one that has been so for longest first.
    pub(super) ready: Vec<Ready>,
    pub(super) numbers: Vec<u32>,
    /// The goroutines of the schedule with their numbers, by id.
    pub(super) known: Vec<(GoroutineId, u32)>,
    /// Who runs.
    pub(super) current: Option<u32>,
    /// Nothing has happened since the policy decided.
    pub(super) fresh: bool,
    /// Who runs next, decided already: an index into `ready`.
    pub(super) chosen: Option<usize>,
    /// Timers that are due later do not fire.
    pub(super) until: Nanos,
    pub(super) pace: Pace,
    pub(super) panics: u32,
    pub(super) outside: bool,
    /// Whatever becomes ready now does so from outside.
    pub(super) asleep: bool,
    pub(super) quiet: bool,
    /// Since the policy decided, the running goroutine has done something that others may notice, and how
    /// many operations it has done.
    pub(super) released: bool,
    pub(super) in_a_row: u32,
    /// Operations at which a poll could have been suspended.
    pub(super) inner_points: u64,
    /// The poll cannot be suspended: it is that of another goroutine, on the thread of the body.
    pub(super) stays: bool,
    /// It went on and on inside one poll.
    pub(super) runaway: bool,
    /// When the body ran last.
    pub(super) body_since: Nanos,
    /// Who acts prints a panic, which takes a while.
    pub(super) tells: bool,
    /// `Some`: polls may be suspended.
    pub(super) threads: Option<Threads>,
}

/// Who is ready.
pub(super) enum Ready {
    /// A goroutine that is to be polled.
    G(GRef),
    /// One whose poll is suspended on this thread.
    Poll(Arc<Seat>),
}

/// The threads of a schedule in which polls may be suspended.
pub(super) struct Threads {
    pub(super) shared: Arc<Shared>,
    pub(super) pool: Arc<Pool>,
    /// The thread that plays; it polls the body and nothing else.
    pub(super) root: Arc<Seat>,
    /// Who has the baton.
    pub(super) holder: Arc<Seat>,
    /// Spare threads in the schedule.
    pub(super) spares: usize,
    /// Threads inside the poll of a goroutine from which the baton was taken.
    pub(super) lost: Vec<(Arc<Seat>, u32)>,
    /// Grows with everything that happens.
    pub(super) moves: u64,
    /// The baton was taken from somebody: the schedule is not what the policy decided.
    pub(super) spoiled: bool,
}

/// On whose behalf the next thing is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// The thread that plays.
    Root,
    /// A spare thread.
    Spare,
    /// A thread inside a poll, which can do nothing else.
    Poll,
}

/// Who asks what happens next.
#[derive(Clone, Copy)]
pub(super) enum Asks {
    /// Nobody runs.
    Nobody,
    /// This goroutine is about to do something that it awaits.
    Awaits(u32),
    /// This one is inside a poll. If that is pinned it goes on in any case.
    Inside { g: u32, pinned: bool },
}

/// How a schedule went.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    /// Operations and dispatches.
    pub(crate) steps: u64,
    /// Goroutines that panicked, the body apart.
    pub(crate) panics: u32,
    /// A thread that is no part of the schedule made a goroutine ready.
    pub(crate) outside: bool,
    /// Operations at which a poll could have been suspended.
    pub(crate) inner_points: u64,
    /// A goroutine went on and on inside one poll.
    pub(crate) runaway: bool,
    /// When the body ran last.
    pub(crate) body_since: Nanos,
    /// The schedule is not what the policy decided.
    pub(crate) spoiled: bool,
}

/// What is to be done next.
pub(super) enum Next {
    /// This one is polled. It is kept to see what became of it, if somebody wants to know.
    Run {
        g: GRef,
        kept: Option<GRef>,
    },
    /// Another thread does it.
    Pass(Arc<Seat>),
    Fire,
    Nothing,
    /// Nothing, before a thread that lost the baton has come to its next point.
    Wait,
    /// The schedule has taken too many steps without anything new, or somebody outside has a hand in it.
    Over,
}

/// The element at `i`; those behind it move up.
fn take_out<T>(all: &mut Vec<T>, i: usize) -> T {
    /// So many are moved one by one: that takes no call.
    const FEW: usize = 8;
    if all.len() - i > FEW {
        return all.remove(i);
    }
    for k in i + 1..all.len() {
        all.swap(k - 1, k);
    }
    all.pop().expect("there is one at `i`")
}

impl Threads {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let root = Seat::here();
        Self {
            shared,
            pool: Pool::here(),
            holder: root.clone(),
            root,
            spares: 0,
            lost: Vec::new(),
            moves: 0,
            spoiled: false,
        }
    }

    /// A spare thread, which takes part from now on.
    fn spare(&mut self) -> Arc<Seat> {
        self.spares += 1;
        self.pool.hire(&self.shared)
    }
}

impl State {
    pub(super) fn is_over(&self) -> bool {
        self.pace.is_over() || self.outside
    }

    /// Counts an operation inside a poll. True if there were far too many.
    pub(super) fn is_runaway(&mut self) -> bool {
        let far = self.pace.step_inside();
        self.runaway |= far;
        far
    }

    pub(super) fn trace(&mut self, event: impl FnOnce() -> Event) {
        if self.traces
            && let Some(policy) = &mut self.policy
        {
            policy.event(event());
        }
    }

    /// Appends a goroutine that is ready.
    #[inline]
    pub(super) fn push(&mut self, g: GRef) {
        self.outside |= self.asleep;
        let number = self.number_of(&g);
        self.push_as(g, number);
    }

    /// Appends the goroutine with this number, which is ready.
    #[inline]
    pub(super) fn push_as(&mut self, g: GRef, number: u32) {
        debug_assert_eq!(self.number_of(&g), number);
        self.ready.push(Ready::G(g));
        self.numbers.push(number);
    }

    /// The number of `g`, which is new or known.
    #[inline]
    pub(super) fn number_of(&mut self, g: &GRef) -> u32 {
        let id = g.id();
        // While nobody else starts goroutines, ids are those of the schedule in a row.
        let first = self.known.first().map_or(id, |(first, _)| *first);
        let guess = id.get().wrapping_sub(first.get()) as usize;
        match self.known.get(guess) {
            Some((known, number)) if *known == id => return *number,
            _ => {}
        }
        let place = match self.known.last() {
            Some((last, _)) if *last >= id => self.known.binary_search_by_key(&id, |k| k.0),
            _ => Err(self.known.len()),
        };
        match place {
            Ok(place) => self.known[place].1,
            Err(place) => {
                let number = self.known.len() as u32;
                self.known.insert(place, (id, number));
                self.pace.starts(number, g.created_at());
                if let Some(policy) = &mut self.policy {
                    policy.started(number, id, g.created_at());
                }
                number
            }
        }
    }

    /// The next thing that happens, asked for by `role`.
    #[inline(always)]
    pub(super) fn next(&mut self, role: Role, timer: Nanos) -> Next {
        let suspended = |ready: &Ready| matches!(ready, Ready::Poll(_));
        let i = match self.chosen.take() {
            Some(i) => i,
            // Polls that are suspended come to their end first.
            None if self.is_over() => match self.ready.iter().position(suspended) {
                Some(i) => i,
                None => return self.pass_to_root(role, Next::Over),
            },
            None => match self.decide(Asks::Nobody, timer <= self.until) {
                Some(Choice::Ready(i)) => i,
                Some(Choice::Timer) => return Next::Fire,
                Some(Choice::Current) | None => return self.pass_to_root(role, Next::Nothing),
            },
        };
        if self.threads.is_none() {
            return self.dispatch(i);
        }
        let body = self.numbers[i] == 0;
        let stays = !body && role == Role::Root && self.may_stay(self.numbers[i]);
        let here = match &self.ready[i] {
            Ready::Poll(_) => true,
            Ready::G(_) if body => role == Role::Root,
            Ready::G(_) => role == Role::Spare || stays,
        };
        if here {
            self.stays = stays;
            return self.dispatch(i);
        }
        // Whoever gets the baton finds what was chosen.
        self.chosen = Some(i);
        match &mut self.threads {
            None => self.dispatch(i),
            Some(threads) => {
                let to = if body { threads.root.clone() } else { threads.spare() };
                threads.holder = to.clone();
                Next::Pass(to)
            }
        }
    }

    /// Whether the thread that plays may poll `g`, which is not the body: nobody will want to leave that poll, and
    /// nobody waits for the baton who could need it back.
    fn may_stay(&mut self, g: u32) -> bool {
        let waits = |ready: &Ready| matches!(ready, Ready::Poll(_));
        self.threads.as_ref().is_some_and(|threads| threads.lost.is_empty())
            && !self.ready.iter().any(waits)
            && self.policy.as_mut().is_some_and(|policy| !policy.may_leave(g))
    }

    /// `next`, if the thread that plays asks for it; else that thread has to.
    pub(super) fn pass_to_root(&mut self, role: Role, next: Next) -> Next {
        match &mut self.threads {
            Some(threads) if !threads.lost.is_empty() => Next::Wait,
            Some(threads) if role != Role::Root => {
                threads.holder = threads.root.clone();
                Next::Pass(threads.root.clone())
            }
            _ => next,
        }
    }

    /// Lets the ready goroutine at `i` run.
    #[inline(always)]
    pub(super) fn dispatch(&mut self, i: usize) -> Next {
        let (ready, number) = (take_out(&mut self.ready, i), take_out(&mut self.numbers, i));
        self.current = Some(number);
        (self.fresh, self.released, self.in_a_row) = (true, false, 0);
        self.trace(|| Event::Runs(number));
        match ready {
            Ready::G(g) => Next::Run { kept: self.traces.then(|| g.clone()), g },
            Ready::Poll(seat) => {
                if let Some(threads) = &mut self.threads {
                    threads.holder = seat.clone();
                }
                Next::Pass(seat)
            }
        }
    }

    /// Takes the baton from a thread that came to no point, for the poll of `g` on the thread of `seat`. False
    /// if it was given meanwhile.
    pub(super) fn take_back(&mut self, seat: &Arc<Seat>, g: u32) -> bool {
        let own = |ready: &Ready| matches!(ready, Ready::Poll(poll) if Arc::ptr_eq(poll, seat));
        let Some(i) = self.ready.iter().position(own) else { return false };
        let Some(threads) = &mut self.threads else { return false };
        let holder = core::mem::replace(&mut threads.holder, seat.clone());
        threads.lost.push((holder, self.current.unwrap_or(0)));
        threads.spoiled = true;
        self.ready.remove(i);
        self.numbers.remove(i);
        self.chosen = None;
        self.current = Some(g);
        true
    }

    /// What happens next; `None` if nothing can.
    #[inline(always)]
    pub(super) fn decide(&mut self, asks: Asks, timer: bool) -> Option<Choice> {
        self.pace.step();
        (self.released, self.in_a_row) = (false, 0);
        let (current, inside, pinned) = match asks {
            Asks::Nobody => (None, false, false),
            Asks::Awaits(g) => (Some(g), false, false),
            Asks::Inside { g, pinned } => (Some(g), true, pinned || self.stays),
        };
        let ready = &self.numbers[..];
        match (current, ready.len(), timer) {
            (None, 0, false) => return None,
            (None, 0, true) => return Some(Choice::Timer),
            (None, 1, false) => return Some(Choice::Ready(0)),
            (Some(_), 0, false) => return Some(Choice::Current),
            _ => {}
        }
        let policy = self.policy.as_mut()?;
        let choice = policy.next(Options { current, ready, timer, pinned, inside });
        if pinned {
            return Some(Choice::Current);
        }
        // A policy that names something that is not there gets what is.
        Some(match choice {
            Choice::Ready(i) if i < ready.len() => choice,
            Choice::Timer if timer => choice,
            _ if current.is_some() => Choice::Current,
            _ if ready.is_empty() => Choice::Timer,
            _ => Choice::Ready(0),
        })
    }
}
