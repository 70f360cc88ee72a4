//! grpc 1275: closing a stream does not end the goroutine that reads from it.

use std::time::Duration;

use gmp::time::Timer;
use gmp::{Chan, chan, go, select};

struct Stream {
    messages: Chan<u32>,
}

pub(crate) async fn kernel(control: bool) {
    let stream = Stream { messages: chan(0) };
    let done = chan::<()>(0);
    let (messages, tell) = (stream.messages.clone(), done.clone());
    go(async move {
        select! {
            recv(messages) -> _ => {}
        }
        tell.close();
    });
    if control {
        stream.messages.close();
    }
    let timer = Timer::new(Duration::from_nanos(300));
    select! {
        recv(done) -> _ => {
            if !timer.stop() {
                let _ = timer.chan().try_recv();
            }
        }
        recv(timer.chan()) -> _ => {}
    }
}
