//! Plain data that everything may fill in and the leak detector reads: ids, reasons, records.

pub(crate) mod anchor;
mod context;
mod ids;
mod metrics;
mod operation;
mod panics;
mod reason;
mod record;
mod residue;
mod timer;
mod watch;

pub(crate) use anchor::Anchor;
pub use anchor::{Capability, Figure, IoWant, Site, WaitInfo};
pub(crate) use context::ContextView;
pub use context::{ContextInfo, ContextState, ContextUse};
pub use ids::{GoroutineId, PrimitiveId};
pub(crate) use metrics::BUCKETS;
pub use metrics::{Histogram, Metrics, ProcMetrics};
pub use operation::Operation;
pub use panics::PanicNote;
pub use reason::{PrimitiveKind, WaitReason};
pub(crate) use record::Drain;
pub use record::Record;
pub use residue::Residue;
pub use timer::TimerInfo;
pub(crate) use timer::TimerView;
pub use watch::{Held, Reaping, Spawned, Tick, Watch};

/// A source position, as `#[track_caller]` delivers it.
pub type Location = &'static core::panic::Location<'static>;
