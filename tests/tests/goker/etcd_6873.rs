//! etcd 6873: stopping waits for a goroutine with the lock held that this goroutine needs to end.

use std::sync::Arc;

use gmp::sync::Mutex;
use gmp::{chan, go, select};

pub(crate) async fn kernel(control: bool) {
    let lock = Arc::new(Mutex::new(()));
    let (updates, ended) = (chan(1), chan::<()>(0));
    let (coalescer, source, end) = (lock.clone(), updates.clone(), ended.clone());
    go(async move {
        while let Some(()) = source.recv().await {
            drop(coalescer.lock().await);
        }
        end.close();
    });
    select! {
        send(updates, ()) => {}
        default => {}
    }
    go(async move {
        let guard = lock.lock().await;
        updates.close();
        if control {
            drop(guard);
            ended.recv().await;
        } else {
            ended.recv().await;
            drop(guard);
        }
    });
}
