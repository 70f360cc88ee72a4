//! Channels: `Chan<T>` with Go's semantics, `Sender`/`Receiver` that close by drop, and `select!`.

mod after;
mod arms;
mod ends;
mod error;
mod handle;
mod queue;
mod recv;
mod select;
mod send;
mod wait;

pub use after::after;
pub use arms::{Arm, FutureArm, RecvArm, SendArm};
pub use ends::{Receiver, Sender, channel};
pub use error::{CloseError, SendError, TryRecvError, TrySendError};
pub use handle::{Chan, chan};
pub use recv::{Range, Recv};
pub use select::{ArmList, NoArms, PinnedArm, Select};
pub use send::{Send, SendChecked};
