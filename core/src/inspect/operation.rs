//! What a goroutine does at a point where another could run instead.

use core::fmt;

use super::WaitReason;

/// An operation of the runtime, as a policy and the table of an exploration see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// One that is awaited: what its goroutine waits for if it has to wait.
    Await(WaitReason),
    /// Starting a goroutine.
    Go,
    /// `yield_now`.
    Yield,
    /// Giving a lock back: its guard is dropped.
    Unlock,
    /// Trying to lock without waiting.
    TryLock,
    /// Closing a channel.
    Close,
    /// Dropping the last sender or receiver of a channel, which closes it.
    DropEnd,
    /// Trying to send without waiting.
    TrySend,
    /// Trying to receive without waiting.
    TryReceive,
    /// Adding to a `WaitGroup`.
    Add,
    /// Taking from the count of a `WaitGroup`.
    Done,
    /// The same at the end of a goroutine that is counted.
    DropDone,
    /// Waking one that waits on a `Cond`.
    Signal,
    /// Waking all that wait on a `Cond`.
    Broadcast,
    /// Giving permits of a `Semaphore` back.
    Release,
    /// The same by dropping them.
    DropPermit,
    /// Trying to take permits without waiting.
    TryAcquire,
    /// Cancelling a context.
    Cancel,
    /// Looking at what others change: a context, a channel, a goroutine, a `Value`, a `Map`.
    Look,
    /// Changing a `Value`, a `Map`, a `Pool` or a `SingleFlight`.
    Store,
    /// Stopping or changing a timer.
    Timer,
    /// Aborting a goroutine.
    Abort,
}

impl Operation {
    /// The words of reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Await(WaitReason::MutexLock) => "lock",
            Self::Await(WaitReason::RwLockRead) => "read lock",
            Self::Await(WaitReason::RwLockWrite) => "write lock",
            Self::Await(WaitReason::ChanReceive | WaitReason::ChanReceiveNil) => "receive",
            Self::Await(WaitReason::ChanSend | WaitReason::ChanSendNil) => "send",
            Self::Await(WaitReason::WaitGroupWait) => "wait (group)",
            Self::Await(WaitReason::CondWait) => "wait (cond)",
            Self::Await(WaitReason::Semacquire) => "acquire",
            Self::Await(WaitReason::OnceDo) => "once",
            Self::Await(reason) => reason.as_str(),
            Self::Go => "go",
            Self::Yield => "yield",
            Self::Unlock => "unlock",
            Self::TryLock => "try lock",
            Self::Close | Self::DropEnd => "close",
            Self::TrySend => "try send",
            Self::TryReceive => "try receive",
            Self::Add => "add",
            Self::Done | Self::DropDone => "done",
            Self::Signal => "signal",
            Self::Broadcast => "broadcast",
            Self::Release | Self::DropPermit => "release",
            Self::TryAcquire => "try acquire",
            Self::Cancel => "cancel",
            Self::Look => "look",
            Self::Store => "store",
            Self::Timer => "timer",
            Self::Abort => "abort",
        }
    }

    /// Whether something is dropped. The line of the operation is the one that made what is dropped.
    pub const fn is_a_drop(self) -> bool {
        matches!(self, Self::Unlock | Self::DropEnd | Self::DropDone | Self::DropPermit)
    }

    /// Whether it may let another goroutine go on, or change what another one finds.
    pub const fn releases(self) -> bool {
        !matches!(self, Self::Look | Self::Yield)
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
