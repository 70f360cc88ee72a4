//! A queue whose consumer waits for the end with the queue's lock held.

use gmp::sync::{Cond, OwnedRwLockWriteGuard, RwLock};
use gmp::{Chan, chan, go};
use std::sync::Arc;

type Pending = Arc<RwLock<Vec<u32>>>;

async fn run(unlocks_first: bool) {
    let pending = Pending::default();
    let changed = Arc::new(Cond::new());
    let stop: Chan<()> = chan(0);
    // The guard of whoever sends is released by whoever receives.
    let result: Chan<OwnedRwLockWriteGuard<Vec<u32>>> = chan(1);
    {
        let mut list = pending.write().await;
        list.push(1);
        changed.broadcast();
    }
    let (queue, end) = (pending.clone(), stop.clone());
    drop(go(async move {
        let mut list = queue.write_owned().await;
        while list.is_empty() {
            list = changed.wait(list).await;
        }
        let held = (!unlocks_first).then_some(list);
        end.recv().await;
        drop(held);
    }));
    let sender = result.clone();
    drop(go(async move {
        let guard = pending.write_owned().await;
        let _ = sender.try_send(guard);
        sender.close();
    }));
    let guard = result.recv().await;
    drop(guard);
    stop.close();
}

/// The consumer gets the lock first.
pub(crate) async fn bug() {
    run(false).await;
}

/// The consumer unlocks before it waits for the end.
pub(crate) async fn control() {
    run(true).await;
}
