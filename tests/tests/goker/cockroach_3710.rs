//! cockroach 3710: replicas are queued under a read lock of the store, and queueing reads it again.

use std::sync::Arc;

use gmp::go;
use gmp::sync::{Mutex, RwLock};

struct Store {
    replicas: RwLock<Vec<u32>>,
    queue: Mutex<Vec<u32>>,
}

pub(crate) async fn kernel(control: bool) {
    let store =
        Arc::new(Store { replicas: RwLock::new(vec![0, 1]), queue: Mutex::new(Vec::new()) });
    let leader = store.clone();
    go(async move { leader.force_log_truncation(control).await });
    go(async move {
        go(async move {
            let replicas = store.replicas.write().await;
            let _copy = replicas.clone();
        });
    });
}

impl Store {
    async fn force_log_truncation(&self, control: bool) {
        let replicas = self.replicas.read().await;
        for &replica in &*replicas {
            let mut queue = self.queue.lock().await;
            if !control {
                drop(self.replicas.read().await);
            }
            queue.push(replica);
        }
    }
}
