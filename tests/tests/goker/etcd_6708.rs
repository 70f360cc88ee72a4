//! etcd 6708: the leader is asked for with the lock held, and that reads under the same lock.

use std::sync::Arc;

use gmp::sync::RwLock;

struct Client {
    lock: RwLock<()>,
}

pub(crate) async fn kernel(control: bool) {
    let client = Arc::new(Client { lock: RwLock::new(()) });
    client.sync(control).await;
}

impl Client {
    async fn sync(&self, control: bool) {
        if control {
            self.choose_endpoint().await;
            drop(self.lock.write().await);
        } else {
            let _guard = self.lock.write().await;
            self.choose_endpoint().await;
        }
    }

    /// Prefers the leader, so it has to ask who that is.
    async fn choose_endpoint(&self) {
        self.ask_leader().await;
    }

    async fn ask_leader(&self) {
        drop(self.lock.read().await);
    }
}
