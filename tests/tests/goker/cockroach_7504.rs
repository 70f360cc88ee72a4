//! Two goroutines take a table's mutex and a lease's mutex in opposite order.

use gmp::go;
use gmp::sync::{Mutex, WaitGroup};
use std::collections::HashMap;
use std::sync::Arc;

type Lease = Arc<Mutex<()>>;

struct Leases {
    names: Mutex<HashMap<u32, Lease>>,
    table: Mutex<Vec<Lease>>,
}

async fn run(releases_first: bool) {
    let lease = Lease::default();
    let leases = Arc::new(Leases {
        names: Mutex::new(HashMap::from([(0, lease.clone())])),
        table: Mutex::new(vec![lease]),
    });
    let group = Arc::new(WaitGroup::new());
    group.add(2);
    let (one, done) = (leases.clone(), group.clone());
    drop(go(async move {
        let names = one.names.lock().await;
        if let Some(lease) = names.get(&0) {
            drop(lease.lock().await);
        }
        drop(names);
        done.done();
    }));
    let (two, done) = (leases, group.clone());
    drop(go(async move {
        let mut table = two.table.lock().await;
        let lease = table[0].clone();
        let mut held = Some(lease.lock().await);
        table.remove(0);
        if releases_first {
            held = None;
        }
        two.names.lock().await.remove(&0);
        drop(held);
        drop(table);
        done.done();
    }));
    group.wait().await;
}

/// G1 owns the names and wants the lease; G2 owns the lease and wants the names.
pub(crate) async fn bug() {
    run(false).await;
}

/// G2 releases the lease before it takes the names.
pub(crate) async fn control() {
    run(true).await;
}
