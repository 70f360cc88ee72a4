//! The netpoll: where Ms learn that a descriptor is ready, and where one of them sleeps meanwhile.
//!
//! The scheduler knows only [`Netpoll`], which does nothing without the feature `net`. See "The network" in
//! `sched/README.md` for who looks when.

#[cfg(all(feature = "net", not(loom)))]
mod door;
#[cfg(not(all(feature = "net", not(loom))))]
mod off;

#[cfg(all(feature = "net", not(loom), target_os = "linux", not(gmp_portable_netpoll)))]
#[path = "epoll.rs"]
mod system;
#[cfg(all(feature = "net", not(loom), any(not(target_os = "linux"), gmp_portable_netpoll)))]
#[path = "portable.rs"]
mod system;

#[cfg(all(feature = "net", not(loom)))]
mod deadline;
#[cfg(any(feature = "net", loom))]
mod edges;
#[cfg(all(feature = "net", not(loom)))]
mod operation;
#[cfg(all(feature = "net", not(loom)))]
mod reactor;
#[cfg(all(feature = "net", not(loom)))]
mod slot;
#[cfg(all(feature = "net", not(loom)))]
mod source;

#[cfg(all(feature = "net", not(loom)))]
pub(crate) use door::{Netpoll, anybody_waits};
#[cfg(not(all(feature = "net", not(loom))))]
pub(crate) use off::{Netpoll, anybody_waits};
#[cfg(all(feature = "net", not(loom)))]
pub(crate) use operation::Attempt;
#[cfg(all(feature = "net", not(loom)))]
pub(crate) use source::{Names, Object, Source};
