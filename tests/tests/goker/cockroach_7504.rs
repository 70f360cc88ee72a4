//! cockroach 7504: a lease is looked up by name, then locked; and locked, then removed by name.

use std::collections::BTreeMap;
use std::sync::Arc;

use gmp::go;
use gmp::sync::{Mutex, WaitGroup};

struct Leases {
    names: Mutex<BTreeMap<u32, Arc<Mutex<()>>>>,
    table: Mutex<Vec<Arc<Mutex<()>>>>,
}

pub(crate) async fn kernel(control: bool) {
    let lease = Arc::new(Mutex::new(()));
    let leases = Arc::new(Leases {
        names: Mutex::new(BTreeMap::from([(0, lease.clone())])),
        table: Mutex::new(vec![lease]),
    });
    let group = WaitGroup::new();
    group.add(2);
    let (finder, done) = (leases.clone(), group.clone());
    go(async move {
        finder.find().await;
        done.done();
    });
    let done = group.clone();
    go(async move {
        leases.release(control).await;
        done.done();
    });
    group.wait().await;
}

impl Leases {
    async fn find(&self) {
        let names = self.names.lock().await;
        if let Some(lease) = names.get(&0) {
            drop(lease.lock().await);
        }
    }

    async fn release(&self, control: bool) {
        let mut table = self.table.lock().await;
        let lease = table[0].clone();
        let mut guard = Some(lease.lock().await);
        table.remove(0);
        if control {
            guard = None;
        }
        self.names.lock().await.remove(&0);
        drop(guard);
    }
}
