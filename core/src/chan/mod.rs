//! Channels: `Chan<T>` with Go's semantics, `Sender`/`Receiver` that close by drop, `select!`, and
//! `Select` for arms known at run time.

mod after;
mod arms;
mod cases;
mod checked;
mod ends;
mod error;
mod few;
mod handle;
#[cfg(all(test, loom))]
mod models;
mod queue;
mod recv;
mod ring;
mod select;
mod send;
mod sink;
mod ticker;
mod timer;
mod wait;

pub use after::after;
pub use arms::{Arm, FutureArm, RecvArm, SendArm};
pub use cases::{Select, Source, Target, Waiting};
pub use checked::Checked;
pub use ends::{Receiver, Sender, channel};
pub use error::{CloseError, SendError, TryRecvError, TrySendError};
pub use handle::{Chan, chan};
pub use recv::{Range, Recv};
#[doc(hidden)]
pub use select::Select as SelectArms;
pub use select::{ArmList, Entries, NoArms};
pub use send::{Send, SendChecked};
pub use sink::SendSink;
pub use ticker::{Ticker, tick};
pub use timer::Timer;
