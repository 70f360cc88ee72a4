//! The head of every primitive: from a leaf it leads to the record and to the live figures.

use core::ptr::NonNull;
use core::time::Duration;
use std::sync::Arc;

use super::{GoroutineId, Location, PrimitiveKind, Record, TimerInfo, WaitReason};

/// What can release a waiting goroutine. Each primitive kind uses one or both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Capability {
    /// Channel: live `Chan` or `Sender` handles. Lock: its guards. Once: its runner. WaitGroup, Cond,
    /// Semaphore: the core. Context: cancel handles.
    Release = 0,
    /// Channel: live `Receiver` handles (they release a sender).
    Receive = 1,
    /// RwLock: writers in line. One that gives up lets readers in.
    GiveUp = 2,
}

/// What one line did to a primitive, summed up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Site {
    /// The line.
    pub at: Location,
    /// Sum of `add`s, or minus the number of `done`s.
    pub amount: i64,
}

/// The live figures of a primitive, read while a leaf waits on it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Figure {
    /// A channel.
    Chan {
        /// Values in the buffer.
        len: usize,
        /// Capacity.
        cap: usize,
        /// Handles that can send.
        senders: usize,
        /// Handles that can receive.
        receivers: usize,
        /// Made by `channel()`: its ends close it by drop.
        pair: bool,
    },
    /// A mutex; holder and line are in the record.
    Mutex,
    /// A RwLock.
    RwLock {
        /// Who holds its guards, and since which line.
        holders: Vec<(Option<GoroutineId>, Location)>,
        /// The one holder is a writer.
        writer: bool,
        /// Writers in line; they stop new readers.
        pending_writers: usize,
    },
    /// A Cond: nothing but who waits.
    Cond,
    /// A Once, or a call of a SingleFlight; its runner and the runner's line are in the record.
    Once,
    /// A semaphore; the lines that took permits are in the record.
    Semaphore {
        /// Permits that nobody holds.
        free: u64,
        /// All permits.
        size: u64,
        /// How many this waiter wants.
        wants: u64,
    },
    /// A WaitGroup; the lines are in the record.
    WaitGroup {
        /// The counter.
        counter: i64,
    },
    /// The channel of a timer or a ticker.
    TimerChan {
        /// The timer.
        timer: TimerInfo,
        /// Handles of the channel; whoever has the timer itself has one.
        handles: usize,
    },
    /// A sleep.
    Timer {
        /// Time until it fires.
        due_in: Duration,
    },
    /// A context.
    Context {
        /// Live cancel handles of it and of its ancestors.
        cancel_handles: usize,
        /// Time until the nearest deadline of it or an ancestor.
        deadline_in: Option<Duration>,
    },
    /// A goroutine that is joined.
    Goroutine {
        /// Which.
        target: GoroutineId,
    },
    /// A socket, a pipe or a process: the world outside releases it.
    Io {
        /// What it is.
        kind: PrimitiveKind,
        /// Its own address, if it has one.
        local: Option<String>,
        /// The address of the other end, if it has one.
        peer: Option<String>,
        /// What is waited for.
        want: IoWant,
    },
    /// A nil channel, or a select without arms: nothing can ever release it.
    Nil,
}

/// What a goroutine waits to do with a socket, a pipe or a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum IoWant {
    /// To read.
    Read,
    /// To write.
    Write,
    /// To accept a connection.
    Accept,
    /// To be connected.
    Connect,
    /// To see it end.
    Exit,
}

impl IoWant {
    /// The words printed in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "waiting to read",
            Self::Write => "waiting to write",
            Self::Accept => "waiting for a connection",
            Self::Connect => "waiting to be connected",
            Self::Exit => "waiting until it exits",
        }
    }
}

/// One thing a parked goroutine waits for.
#[derive(Clone)]
pub struct WaitInfo {
    /// Why.
    pub reason: WaitReason,
    /// It is an arm of a `select!`.
    pub in_select: bool,
    /// The user's line.
    pub at: Location,
    /// The figures of the primitive.
    pub figure: Figure,
    /// The record of the primitive; `None` if no scope watched when it was made.
    pub record: Option<Arc<Record>>,
    /// Whatever could release this leaf. Empty with `complete`: nothing can.
    pub capabilities: Vec<(Arc<Record>, Capability)>,
    /// Time until an armed timer or deadline releases this leaf by itself; `None` if none will.
    pub due_in: Option<Duration>,
    /// `capabilities` names them all. Otherwise somebody unseen may hold one.
    pub complete: bool,
}

/// Reports what the leaf at the second pointer waits for on the primitive at the first.
///
/// # Safety
/// Both are alive for the call: the leaf is registered on the primitive and its goroutine frozen.
pub(crate) type Describe = unsafe fn(NonNull<Anchor>, NonNull<()>, &mut dyn FnMut(WaitInfo));

/// The first field of every primitive's heap part.
pub(crate) struct Anchor {
    pub(crate) describe: Describe,
    pub(crate) record: Option<Arc<Record>>,
}

impl Anchor {
    /// Notes an operation by a thread that may not be the reaper.
    #[inline]
    pub(crate) fn touch(&self) {
        if let Some(record) = &self.record {
            record.touch();
        }
    }

    /// A handle with `capability` goes.
    #[inline]
    pub(crate) fn let_go(&self, capability: Capability) {
        if let Some(record) = &self.record {
            record.let_go(capability);
        }
    }

    /// A handle was cloned at this line.
    #[inline]
    pub(crate) fn cloned(&self, at: Location) {
        if let Some(record) = &self.record {
            record.touch();
            record.note_clone(at);
        }
    }

    /// The primitive is dropped with `amount` undone.
    #[inline]
    pub(crate) fn left_undone(&self, amount: i64) {
        if let Some(record) = &self.record {
            record.left_undone(amount);
        }
    }

    /// Logs the death of a capability.
    #[inline]
    pub(crate) fn died(&self, capability: Capability) {
        if let Some(record) = &self.record {
            record.died(capability);
        }
    }

    /// The capability of this one primitive, as a leaf's whole wait set.
    pub(crate) fn only(&self, capability: Capability) -> Vec<(Arc<Record>, Capability)> {
        self.record.iter().map(|r| (r.clone(), capability)).collect()
    }
}
