//! Why a goroutine waits and on what kind of primitive, in Go's words.

use core::fmt;

/// Why a goroutine is parked. `Display` prints the words Go uses in its goroutine dumps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum WaitReason {
    /// Receiving from a channel.
    ChanReceive,
    /// Sending to a channel.
    ChanSend,
    /// Receiving from a nil channel.
    ChanReceiveNil,
    /// Sending to a nil channel.
    ChanSendNil,
    /// A `select!` with at least one arm.
    Select,
    /// A `select!` without arms.
    SelectNoCases,
    /// Locking a `Mutex`.
    MutexLock,
    /// Locking a `RwLock` for reading.
    RwLockRead,
    /// Locking a `RwLock` for writing.
    RwLockWrite,
    /// Waiting for a `WaitGroup`.
    WaitGroupWait,
    /// Waiting for a `Cond` to be signalled.
    CondWait,
    /// Waiting for the goroutine that runs a `Once` or an `OnceValue`.
    OnceDo,
    /// Acquiring permits of a `Semaphore`.
    Semacquire,
    /// Waiting for the goroutine that does the work of a `SingleFlight`.
    SingleFlightDo,
    /// Asleep until a timer fires.
    Sleep,
    /// Waiting until a context is done.
    ContextDone,
    /// Joining another goroutine.
    Join,
    /// Waiting for a socket, a pipe or a process.
    IoWait,
    /// Parked with a live waker that somebody else holds.
    External,
    /// Parked with neither a leaf nor a waker: nothing can ever make it ready.
    NoWaker,
    /// Runnable, but not running yet.
    Runnable,
    /// Inside a poll.
    Running,
}

impl WaitReason {
    /// The words printed in reports and accepted by rules and expectations.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ChanReceive => "chan receive",
            Self::ChanSend => "chan send",
            Self::ChanReceiveNil => "chan receive (nil chan)",
            Self::ChanSendNil => "chan send (nil chan)",
            Self::Select => "select",
            Self::SelectNoCases => "select (no cases)",
            Self::MutexLock => "sync.Mutex.Lock",
            Self::RwLockRead => "sync.RWMutex.RLock",
            Self::RwLockWrite => "sync.RWMutex.Lock",
            Self::WaitGroupWait => "sync.WaitGroup.Wait",
            Self::CondWait => "sync.Cond.Wait",
            Self::OnceDo => "sync.Once.Do",
            Self::Semacquire => "semacquire",
            Self::SingleFlightDo => "singleflight.Do",
            Self::Sleep => "sleep",
            Self::ContextDone => "context done",
            Self::Join => "join",
            Self::IoWait => "IO wait",
            Self::External => "external",
            Self::NoWaker => "no waker kept",
            Self::Runnable => "runnable",
            Self::Running => "running",
        }
    }
}

impl WaitReason {
    /// All reasons, in the order of their numbers.
    const ALL: [Self; 22] = [
        Self::ChanReceive,
        Self::ChanSend,
        Self::ChanReceiveNil,
        Self::ChanSendNil,
        Self::Select,
        Self::SelectNoCases,
        Self::MutexLock,
        Self::RwLockRead,
        Self::RwLockWrite,
        Self::WaitGroupWait,
        Self::CondWait,
        Self::OnceDo,
        Self::Semacquire,
        Self::SingleFlightDo,
        Self::Sleep,
        Self::ContextDone,
        Self::Join,
        Self::IoWait,
        Self::External,
        Self::NoWaker,
        Self::Runnable,
        Self::Running,
    ];

    /// The reason with this number. Numbers come from `as u8` only.
    pub(crate) fn from_u8(number: u8) -> Self {
        Self::ALL[usize::from(number)]
    }
}

impl fmt::Display for WaitReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The kinds of primitive that the inspection knows. `Display` prints the word used in reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum PrimitiveKind {
    /// `Chan<T>`, or the pair made by `channel()`.
    Chan,
    /// `sync::Mutex`.
    Mutex,
    /// `sync::RwLock`.
    RwLock,
    /// `sync::WaitGroup`.
    WaitGroup,
    /// `sync::Cond`.
    Cond,
    /// `sync::Once` or `sync::OnceValue`.
    Once,
    /// `sync::Semaphore`.
    Semaphore,
    /// One call of a `sync::SingleFlight`.
    SingleFlight,
    /// A timer that fires once: `Timer`, `after`, `after_func`.
    Timer,
    /// A timer that fires again and again: `Ticker`, `tick`.
    Ticker,
    /// A `Context`.
    Context,
    /// A goroutine, as the target of a join.
    Goroutine,
    /// A TCP connection.
    TcpStream,
    /// A TCP listener.
    TcpListener,
    /// A UDP socket.
    UdpSocket,
    /// A Unix connection.
    UnixStream,
    /// A Unix listener.
    UnixListener,
    /// One end of a pipe.
    Pipe,
    /// A child process.
    Process,
}

impl PrimitiveKind {
    /// The word printed in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Chan => "chan",
            Self::Mutex => "mutex",
            Self::RwLock => "rwlock",
            Self::WaitGroup => "waitgroup",
            Self::Cond => "cond",
            Self::Once => "once",
            Self::Semaphore => "semaphore",
            Self::SingleFlight => "singleflight",
            Self::Timer => "timer",
            Self::Ticker => "ticker",
            Self::Context => "context",
            Self::Goroutine => "goroutine",
            Self::TcpStream => "tcp",
            Self::TcpListener => "tcp-listener",
            Self::UdpSocket => "udp",
            Self::UnixStream => "unix",
            Self::UnixListener => "unix-listener",
            Self::Pipe => "pipe",
            Self::Process => "process",
        }
    }
}

impl fmt::Display for PrimitiveKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
