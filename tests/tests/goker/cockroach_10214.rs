//! Two goroutines take a store's mutex and a replica's mutex in opposite order.

use gmp::go;
use gmp::sync::Mutex;
use std::sync::Arc;

#[derive(Default)]
struct Replica {
    b: Mutex<()>,
    c: Mutex<()>,
}

#[derive(Default)]
struct Store {
    a: Mutex<()>,
    replicas: [Replica; 2],
}

async fn heartbeats(store: &Store) {
    for replica in &store.replicas {
        drop(replica.b.lock().await);
    }
}

async fn tick(store: Arc<Store>) {
    let _b = store.replicas[0].b.lock().await;
    let _c = store.replicas[0].c.lock().await;
    for _ in 0..2 {
        drop(store.a.lock().await);
    }
}

/// G1 owns A and wants B; G2 owns B and wants A.
pub(crate) async fn bug() {
    let store = Arc::new(Store::default());
    let first = store.clone();
    drop(go(async move {
        let _a = first.a.lock().await;
        for _ in 0..2 {
            heartbeats(&first).await;
        }
    }));
    drop(go(tick(store)));
}

/// G1 releases A before it takes the replicas' mutexes.
pub(crate) async fn control() {
    let store = Arc::new(Store::default());
    let first = store.clone();
    drop(go(async move {
        drop(first.a.lock().await);
        for _ in 0..2 {
            heartbeats(&first).await;
        }
    }));
    drop(go(tick(store)));
}
