//! A monitor polls a stop channel and a mutex; whoever stops it sends with the mutex held.

use gmp::sync::Mutex;
use gmp::{Chan, chan, go, select};
use std::sync::Arc;

async fn monitor(lock: Arc<Mutex<()>>, stop: Chan<()>) {
    loop {
        select! {
            recv(stop) -> _ => return,
            default => drop(lock.lock().await),
        }
    }
}

/// The monitor has taken the default arm when the other, which owns the mutex, starts to send.
pub(crate) async fn bug() {
    let (lock, stop) = (Arc::new(Mutex::new(())), chan(0));
    drop(go(monitor(lock.clone(), stop.clone())));
    drop(go(async move {
        let _held = lock.lock().await;
        stop.send(()).await;
    }));
}

/// It closes the channel.
pub(crate) async fn control() {
    let (lock, stop) = (Arc::new(Mutex::new(())), chan(0));
    drop(go(monitor(lock.clone(), stop.clone())));
    drop(go(async move {
        let _held = lock.lock().await;
        stop.close();
    }));
}
