//! cockroach 10214: one goroutine locks the coalesced heartbeats and then a replica, the other the
//! replica and then the heartbeats.

use std::sync::Arc;

use gmp::go;
use gmp::sync::Mutex;

#[derive(Default)]
struct Store {
    heartbeats: Mutex<()>,
    replicas: [Replica; 2],
}

#[derive(Default)]
struct Replica {
    raft: Mutex<()>,
    state: Mutex<()>,
}

pub(crate) async fn kernel(control: bool) {
    let store = Arc::new(Store::default());
    let sender = store.clone();
    go(async move { sender.send_heartbeats(control).await });
    go(async move {
        let _raft = store.replicas[0].raft.lock().await;
        let _state = store.replicas[0].state.lock().await;
        for _ in 0..2 {
            drop(store.heartbeats.lock().await);
        }
    });
}

impl Store {
    async fn send_heartbeats(&self, control: bool) {
        let guard = self.heartbeats.lock().await;
        if control {
            drop(guard);
            return self.report_unreachable().await;
        }
        self.report_unreachable().await;
        drop(guard);
    }

    async fn report_unreachable(&self) {
        for _ in 0..2 {
            for replica in &self.replicas {
                drop(replica.raft.lock().await);
            }
        }
    }
}
