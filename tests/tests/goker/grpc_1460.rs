//! grpc 1460: a transport without streams sleeps with its lock held; a new stream needs it to wake it.

use std::sync::Arc;

use gmp::sync::Mutex;
use gmp::{chan, go, select};

pub(crate) async fn kernel(control: bool) {
    let streams = Arc::new(Mutex::new(Vec::<u32>::new()));
    let wake = chan(usize::from(control));
    let (active, awake) = (streams.clone(), wake.clone());
    go(async move {
        let guard = active.lock().await;
        if !guard.is_empty() {
            return;
        }
        if control {
            drop(guard);
            awake.recv().await;
        } else {
            awake.recv().await;
            drop(guard);
        }
    });
    go(async move {
        let mut streams = streams.lock().await;
        streams.push(1);
        if streams.len() == 1 {
            select! {
                send(wake, ()) => {}
                default => {}
            }
        }
    });
}
