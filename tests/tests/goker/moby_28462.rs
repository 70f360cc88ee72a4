//! moby 28462: a monitor is told to stop with the lock held that it takes between two looks.

use std::sync::Arc;

use gmp::sync::Mutex;
use gmp::{chan, go, select};

pub(crate) async fn kernel(control: bool) {
    let container = Arc::new(Mutex::new(()));
    let stop = chan(0);
    let (monitored, stopped) = (container.clone(), stop.clone());
    go(async move {
        loop {
            select! {
                recv(stopped) -> _ => return,
                default => {
                    drop(monitored.lock().await);
                }
            }
        }
    });
    go(async move {
        let _guard = container.lock().await;
        if control {
            stop.close();
        } else {
            stop.send(()).await;
        }
    });
}
