//! grpc 660: a benchmark stops in the middle of a round and leaves its worker with the result.

use gmp::{chan, go, select};

pub(crate) async fn kernel(control: bool) {
    let stop = chan(0);
    let halt = stop.clone();
    go(async move {
        loop {
            let done = chan(usize::from(control));
            let tell = done.clone();
            go(async move { tell.send(()).await });
            select! {
                recv(stop) -> _ => return,
                recv(done) -> _ => {}
            }
        }
    });
    go(async move { halt.send(()).await });
}
