//! syncthing 4829: the observers of a mapping are told while its lock is held, and they read it.

use std::collections::BTreeMap;
use std::sync::Arc;

use gmp::sync::RwLock;

#[derive(Default)]
struct Mapping {
    addresses: RwLock<BTreeMap<&'static str, u16>>,
}

pub(crate) async fn kernel(control: bool) {
    let service = RwLock::new(Vec::new());
    let mapping = Arc::new(Mapping::default());
    service.write().await.push(mapping.clone());
    mapping.addresses.write().await.insert("router", 22_000);
    remove(&service, control).await;
}

async fn remove(service: &RwLock<Vec<Arc<Mapping>>>, control: bool) {
    let mappings = service.write().await;
    for mapping in &*mappings {
        mapping.clear(control).await;
    }
}

impl Mapping {
    async fn clear(&self, control: bool) {
        let mut addresses = self.addresses.write().await;
        let removed: Vec<_> = std::mem::take(&mut *addresses).into_iter().collect();
        if removed.is_empty() {
            return;
        }
        if control {
            drop(addresses);
        }
        self.notify().await;
    }

    async fn notify(&self) {
        drop(self.addresses.read().await);
    }
}
