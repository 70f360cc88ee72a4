//! kubernetes 26980: a listener waits to be stopped with the lock held that its stopper needs.

use std::sync::Arc;

use gmp::sync::{Cond, OwnedRwLockWriteGuard, RwLock};
use gmp::{Chan, chan, go, select};

#[derive(Default)]
struct Listener {
    pending: Arc<RwLock<Vec<u32>>>,
    filled: Cond,
}

pub(crate) async fn kernel(control: bool) {
    let listener = Arc::new(Listener::default());
    let stop = chan::<()>(0);
    // The result is that the lock is taken, for the receiver to release. The slot stands for the
    // variable that the original closes its channel after: giving never waits.
    let result = chan::<OwnedRwLockWriteGuard<Vec<u32>>>(1);
    listener.add(1).await;
    let (popper, stopped) = (listener.clone(), stop.clone());
    go(async move { popper.pop(&stopped, control).await });
    let tell = result.clone();
    go(async move {
        let guard = listener.pending.clone().write_owned().await;
        tell.send(guard).await;
        tell.close();
    });
    drop(result.recv().await);
    stop.close();
}

impl Listener {
    async fn add(&self, notification: u32) {
        let mut pending = self.pending.write().await;
        pending.push(notification);
        self.filled.broadcast();
    }

    async fn pop(&self, stop: &Chan<()>, control: bool) {
        let mut pending = Some(self.pending.write().await);
        while let Some(guard) = pending.take_if(|pending| pending.is_empty()) {
            pending = Some(self.filled.wait(guard).await);
        }
        if control {
            pending = None;
        }
        select! {
            recv(stop) -> _ => {}
        }
        drop(pending);
    }
}
