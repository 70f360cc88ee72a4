//! kubernetes 10182: statuses are sent with the lock held that their receiver takes for each.

use std::sync::Arc;

use gmp::sync::RwLock;
use gmp::{chan, go};

pub(crate) async fn kernel(control: bool) {
    let lock = Arc::new(RwLock::new(()));
    let statuses = chan(0);
    let (syncer, source) = (lock.clone(), statuses.clone());
    go(async move {
        go(async move {
            for _ in 0..2 {
                source.recv().await;
                drop(syncer.write().await);
            }
        });
    });
    for _ in 0..2 {
        let (lock, statuses) = (lock.clone(), statuses.clone());
        go(async move {
            let guard = lock.write().await;
            if control {
                drop(guard);
                statuses.send(()).await;
            } else {
                statuses.send(()).await;
                drop(guard);
            }
        });
    }
}
