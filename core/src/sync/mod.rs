//! What goroutines share: locks and counters with Go's semantics.

mod cond;
mod errgroup;
mod guard;
mod lock;
mod map;
mod mutex;
mod once;
mod once_value;
mod pool;
mod rwlock;
mod seat;
mod semaphore;
mod shards;
mod singleflight;
mod value;
mod waitgroup;

pub use cond::{Cond, Relock};
pub use errgroup::ErrGroup;
pub use guard::{MutexGuard, OwnedMutexGuard};
pub use lock::{Lock, LockOwned};
pub use map::Map;
pub use mutex::Mutex;
pub use once::Once;
pub use once_value::OnceValue;
pub use pool::{Lent, Pool};
pub use rwlock::{
    OwnedRwLockReadGuard, OwnedRwLockWriteGuard, ReadLock, ReadLockOwned, RwLock, RwLockReadGuard,
    RwLockWriteGuard, WriteLock, WriteLockOwned,
};
pub use semaphore::{Acquire, AcquireOwned, OwnedPermit, Permit, Semaphore};
pub use singleflight::{Shared, SingleFlight};
pub use value::Value;
pub use waitgroup::{Wait, WaitGroup, WaitGroupError};
