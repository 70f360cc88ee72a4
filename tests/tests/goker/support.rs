//! What the kernels share.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

/// One millisecond.
pub(crate) const MILLI: Duration = Duration::from_millis(1);

/// Something to be awaited that was put into a box.
pub(crate) type Job = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Leaves the place where a lock was taken without unlocking.
pub(crate) fn keep_locked<G>(guard: G) {
    std::mem::forget(guard);
}
