//! grpc 862: a connection that was given up is dialled on and on under a context of its own.

use std::time::Duration;

use gmp::context::{Context, background, with_cancel, with_timeout};
use gmp::time::{after, now};
use gmp::{go, select};

struct Connection;

impl Connection {
    fn close(self) {}
}

pub(crate) async fn kernel(control: bool) {
    let (outer, cancel) = with_cancel(&background());
    go(async move {
        let (own, stop) = with_cancel(&background());
        go(reset_transport(own));
        hang_up(&outer, None);
        if control {
            stop.cancel();
        }
    });
    go(async move { cancel.cancel() });
}

/// The variant that waits for the context alone, and so is blocked for good.
pub(crate) async fn plain_wait(control: bool) {
    let (outer, cancel) = with_cancel(&background());
    go(async move {
        let (own, stop) = with_cancel(&background());
        go(async move {
            let (child, _stop) = with_cancel(&own);
            child.done().await;
        });
        hang_up(&outer, None);
        if control {
            stop.cancel();
        }
    });
    go(async move { cancel.cancel() });
}

/// Closes the connection if the context is done. There is none yet.
fn hang_up(context: &Context, connection: Option<Connection>) {
    if context.err().is_some()
        && let Some(connection) = connection
    {
        connection.close();
    }
}

/// Tries again after longer and longer pauses.
async fn reset_transport(context: Context) {
    let (child, _stop) = with_cancel(&context);
    for round in 1.. {
        let begin = now();
        let (_attempt, cancel) = with_timeout(&child, Duration::from_nanos(10));
        cancel.cancel();
        let pause = Duration::from_nanos(2 * round).saturating_sub(now() - begin);
        select! {
            recv(after(pause)) -> _ => {}
            _ = child.done() => return,
        }
    }
}
