//! A read lock inside a read lock, with a writer that comes in between.

use gmp::go;
use gmp::sync::{Mutex, RwLock};
use std::sync::Arc;

#[derive(Default)]
struct Store {
    lock: RwLock<()>,
    queue: Mutex<()>,
}

async fn run(inner: bool) {
    let store = Arc::new(Store::default());
    let scan = store.clone();
    drop(go(async move {
        let _outer = scan.lock.read().await;
        for _replica in 0..2 {
            let _queue = scan.queue.lock().await;
            if inner {
                drop(scan.lock.read().await);
            }
        }
    }));
    drop(go(async move {
        drop(go(async move {
            drop(store.lock.write().await);
        }));
    }));
}

/// The writer's request arrives between the outer and an inner read lock.
pub(crate) async fn bug() {
    run(true).await;
}

/// No inner read lock.
pub(crate) async fn control() {
    run(false).await;
}
