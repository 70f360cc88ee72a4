//! hugo 3251: a lock per URL is taken with the lock of the table held, and given back under it too.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gmp::go;
use gmp::sync::{Mutex, OwnedMutexGuard, RwLock, WaitGroup};
use gmp::time::sleep;

const WORKERS: i64 = 50;
const URL: &str = "https://gohugo.example";

#[derive(Default)]
struct Urls {
    table: RwLock<BTreeMap<&'static str, Arc<Mutex<()>>>>,
}

pub(crate) async fn kernel(control: bool) {
    let urls = Arc::new(Urls::default());
    for _ in 0..2 {
        let group = WaitGroup::new();
        group.add(WORKERS);
        for _ in 0..WORKERS {
            let (urls, group) = (urls.clone(), group.clone());
            go(async move {
                for _ in 0..10 {
                    let guard = urls.lock(control).await;
                    urls.unlock(guard).await;
                    sleep(Duration::from_nanos(300)).await;
                }
                group.done();
            });
        }
        group.wait().await;
    }
}

impl Urls {
    async fn lock(&self, control: bool) -> OwnedMutexGuard<()> {
        let mut table = self.table.write().await;
        let url = table.entry(URL).or_default().clone();
        if control {
            drop(table);
            return url.lock_owned().await;
        }
        let guard = url.lock_owned().await;
        drop(table);
        guard
    }

    async fn unlock(&self, guard: OwnedMutexGuard<()>) {
        let table = self.table.read().await;
        drop(guard);
        drop(table);
    }
}
