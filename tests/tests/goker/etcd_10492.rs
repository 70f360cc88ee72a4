//! etcd 10492: a callback that is called with the lock held takes the same lock.

use std::sync::Arc;

use gmp::sync::RwLock;

use super::support::Job;

type Checkpoint = fn(Arc<RwLock<Lessor>>) -> Job;

#[derive(Default)]
struct Lessor {
    checkpoint: Option<Checkpoint>,
}

pub(crate) async fn kernel(control: bool) {
    let lessor = Arc::new(RwLock::new(Lessor::default()));
    lessor.write().await.checkpoint = Some(|lessor| {
        Box::pin(async move {
            drop(lessor.write().await);
        })
    });
    drop(lessor.write().await);
    renew(&lessor, control).await;
}

async fn renew(lessor: &Arc<RwLock<Lessor>>, control: bool) {
    let guard = lessor.write().await;
    if let Some(checkpoint) = guard.checkpoint {
        if control {
            drop(guard);
        }
        checkpoint(lessor.clone()).await;
    }
}
