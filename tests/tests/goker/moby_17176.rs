//! moby 17176: an early return keeps the lock.

use std::sync::Arc;

use gmp::sync::Mutex;
use gmp::time::after;
use gmp::{chan, go, select};

use super::support::{MILLI, keep_locked};

pub(crate) async fn kernel(control: bool) {
    let deleted = Arc::new(Mutex::new(0));
    let done = chan(usize::from(control));
    cleanup(&deleted, control).await;
    let (devices, tell) = (deleted.clone(), done.clone());
    go(async move {
        let _guard = devices.lock().await;
        tell.send(()).await;
    });
    select! {
        recv(after(MILLI)) -> _ => {}
        recv(done) -> _ => {}
    }
}

async fn cleanup(deleted: &Mutex<u32>, control: bool) {
    let guard = deleted.lock().await;
    if *guard == 0 && !control {
        keep_locked(guard);
    }
}
