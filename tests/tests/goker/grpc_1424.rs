//! grpc 1424: the goroutine that somebody waits for returns without saying so.

use gmp::{chan, go};

pub(crate) async fn kernel(control: bool) {
    let addresses = chan::<Vec<u32>>(0);
    let done = chan::<()>(0);
    go(async move {
        let wait = chan::<()>(1);
        let from = addresses.clone();
        go(async move {
            let tell = done.clone();
            go(async move {
                while let Some(batch) = from.recv().await {
                    drop(batch);
                }
                if control {
                    tell.close();
                }
            });
            done.recv().await;
            wait.close();
        });
        addresses.close();
    });
}
