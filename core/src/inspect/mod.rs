//! Plain data that everything may fill in and the leak detector reads: ids, reasons, records, scopes.

mod ids;
mod reason;

pub use ids::{GoroutineId, PrimitiveId};
pub use reason::{PrimitiveKind, WaitReason};

/// A source position, as `#[track_caller]` delivers it.
pub type Location = &'static core::panic::Location<'static>;
