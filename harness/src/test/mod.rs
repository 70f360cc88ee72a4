//! What `#[gmp::test]` calls: the descriptor of a test, its run on two threads, and the judgement.

mod alarm;
pub(crate) mod baseline;
pub(crate) mod context;
mod descriptor;
mod entry;
mod expect;
mod mimic;
mod several;
mod standstill;
mod supervise;
pub(crate) mod tally;

pub use context::context;
#[doc(hidden)]
pub use descriptor::{
    Body, Clock, Descriptor, ExpectLeak, Explore, Outcome, ShouldPanic, Spec, Submission, Tokio,
    TokioFlavor, box_body, outcome,
};
pub use entry::examine_body;
#[cfg(feature = "tokio")]
pub(crate) use entry::examine_call;
#[doc(hidden)]
pub use entry::{examine, rerun, run};
#[doc(hidden)]
pub use mimic::main;
#[cfg(feature = "tokio")]
pub(crate) use supervise::{Call, MakeFuture, Run, end as end_of_thread};
