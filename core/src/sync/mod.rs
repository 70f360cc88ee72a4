//! What goroutines share: locks and counters with Go's semantics.

mod guard;
mod lock;
mod mutex;
mod waitgroup;

pub use guard::{MutexGuard, OwnedMutexGuard};
pub use lock::{Lock, LockOwned};
pub use mutex::Mutex;
pub use waitgroup::{Wait, WaitGroup};
