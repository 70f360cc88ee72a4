//! moby 36114: a helper locks what its caller has locked.

use std::sync::Arc;

use gmp::go;
use gmp::sync::Mutex;

pub(crate) async fn kernel(control: bool) {
    let service = Arc::new(Mutex::new(0));
    go(async move {
        let mut guard = service.lock().await;
        if control {
            hot_add(&mut guard);
        } else {
            locked_hot_add(&service).await;
        }
    });
}

async fn locked_hot_add(service: &Mutex<u32>) {
    hot_add(&mut *service.lock().await);
}

/// Wants the lock to be held.
fn hot_add(disks: &mut u32) {
    *disks += 1;
}
