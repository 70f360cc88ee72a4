//! Who decides what happens next on a runtime that is explored: a policy in place of Go's order.

use crate::inspect::{GoroutineId, Location, Operation};

/// What may happen next.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// The goroutine that runs and may go on.
    pub current: Option<u32>,
    /// The goroutines that are ready, the one that has been so for longest first. The current one is not
    /// among them.
    pub ready: &'a [u32],
    /// Whether the next timer may fire.
    pub timer: bool,
    /// The current goroutine goes on whatever is said: the decision counts, so that others keep their
    /// numbers.
    pub pinned: bool,
    /// The current goroutine is inside a poll, which is suspended if another is chosen.
    pub inside: bool,
}

/// What happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// The current goroutine goes on.
    Current,
    /// The ready goroutine at this index runs.
    Ready(usize),
    /// The next timer fires.
    Timer,
}

/// Something that happens, for a policy that traces.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A goroutine begins to run, or goes on.
    Runs(u32),
    /// A goroutine does an operation.
    Does {
        /// Its number.
        g: u32,
        /// What it does.
        operation: Operation,
        /// The line; that which made it where a value is dropped.
        at: Option<Location>,
    },
    /// A goroutine stops running.
    Stops {
        /// Its number.
        g: u32,
        /// How it stopped.
        how: Stop,
    },
    /// A goroutine has panicked.
    Panics(u32),
    /// The next timer has fired.
    Fires,
    /// A choice among equals was made.
    Chose {
        /// Who made it.
        g: Option<u32>,
        /// How many there were.
        of: usize,
        /// Which.
        which: usize,
    },
}

/// How a goroutine stopped running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// It is done.
    Done,
    /// It waits.
    Parked,
    /// It is ready.
    Ready,
}

/// Decides everything that is not determined on one P: who runs, whether who runs goes on, whether the next
/// timer fires, and choices among equals.
///
/// Goroutines have numbers: the body of a schedule is 0, others are counted as they are started. A policy
/// must not use the runtime.
pub trait Policy: core::any::Any + Send {
    /// Decides what happens next. There are at least two possibilities.
    fn next(&mut self, options: Options<'_>) -> Choice;

    /// One of `n`, which is at least two.
    fn choose(&mut self, n: usize) -> usize;

    /// Whether the goroutine `g`, which is about to be polled, may be left inside that poll. If not, that it goes
    /// on is all that is asked for there, [pinned](Options::pinned); it saves a thread.
    fn may_leave(&mut self, g: u32) -> bool {
        let _ = g;
        true
    }

    /// A poll that was suspended before `operation` held what somebody else needed. It may be chance once.
    fn held(&mut self, operation: Operation, at: Option<Location>) {
        let _ = (operation, at);
    }

    /// Whether no poll is to be suspended before `operation`: [`held`](Self::held) was told of it too often.
    fn is_pinned(&self, operation: Operation, at: Option<Location>) -> bool {
        let _ = (operation, at);
        false
    }

    /// A goroutine was started.
    fn started(&mut self, g: u32, id: GoroutineId, at: Location);

    /// A goroutine yields, or took the default arm of a select: it has nothing to do for the moment.
    fn idles(&mut self, g: u32);

    /// Whether [`event`](Self::event) is to be called.
    fn traces(&self) -> bool {
        false
    }

    /// Is told what happens, in order.
    fn event(&mut self, event: Event) {
        let _ = event;
    }
}
