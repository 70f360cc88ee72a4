//! cockroach 16167: a read lock is taken a second time while a writer may have come in between.

use std::sync::Arc;

use gmp::go;
use gmp::sync::{RwLock, RwLockReadGuard};

struct Executor {
    config: RwLock<()>,
}

pub(crate) async fn kernel(control: bool) {
    let executor = Arc::new(Executor { config: RwLock::new(()) });
    let updater = executor.clone();
    go(async move {
        drop(updater.config.write().await);
    });
    let _outer = executor.lock_of_cond().await;
    executor.execute(control).await;
}

impl Executor {
    /// The lock of the condition variable is the read side.
    async fn lock_of_cond(&self) -> RwLockReadGuard<'_, ()> {
        self.config.read().await
    }

    async fn execute(&self, control: bool) {
        if !control {
            drop(self.config.read().await);
        }
    }
}
