//! grpc 3017: a timer that fires too late to be stopped finds its work cancelled and keeps the lock.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use gmp::sync::Mutex;
use gmp::time::{AfterFunc, after_func};
use gmp::{chan, go};

use super::support::keep_locked;

const ADDRESS: u32 = 1;

#[derive(Default)]
struct Cache {
    removed: BTreeMap<u32, Entry>,
    addresses: BTreeMap<u32, u32>,
}

struct Entry {
    connection: u32,
    timer: AfterFunc,
    /// Only looked at with the lock held.
    abort: Arc<AtomicBool>,
}

type Shared = Arc<Mutex<Cache>>;

pub(crate) async fn kernel(control: bool) {
    let cache = Shared::default();
    let done = chan::<()>(0);
    let mut connection = new(&cache, ADDRESS).await;
    let tell = done.clone();
    go(async move {
        for _ in 0..1000 {
            remove(&cache, connection, control).await;
            connection = new(&cache, ADDRESS).await;
        }
        tell.close();
    });
    done.recv().await;
}

async fn new(cache: &Shared, address: u32) -> u32 {
    let mut cache = cache.lock().await;
    if let Some(entry) = cache.removed.remove(&address) {
        if !entry.timer.stop() {
            entry.abort.store(true, Ordering::Relaxed);
        }
        return entry.connection;
    }
    cache.addresses.insert(1, address);
    1
}

async fn remove(shared: &Shared, connection: u32, control: bool) {
    let mut cache = shared.lock().await;
    let Some(&address) = cache.addresses.get(&connection) else { return };
    if cache.removed.contains_key(&address) {
        return;
    }
    let abort = Arc::new(AtomicBool::new(false));
    let (shared, aborted) = (shared.clone(), abort.clone());
    let timer = after_func(Duration::from_nanos(1), move || {
        expire(shared.clone(), aborted.clone(), connection, control)
    });
    cache.removed.insert(address, Entry { connection, timer, abort });
}

async fn expire(cache: Shared, abort: Arc<AtomicBool>, connection: u32, control: bool) {
    let mut guard = cache.lock().await;
    if abort.load(Ordering::Relaxed) {
        if !control {
            keep_locked(guard);
        }
        return;
    }
    if let Some(address) = guard.addresses.remove(&connection) {
        guard.removed.remove(&address);
    }
}
