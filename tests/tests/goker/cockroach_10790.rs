//! cockroach 10790: who drains a channel after a cancellation has no sender left.

use gmp::context::{Context, background, with_cancel};
use gmp::{Chan, chan, go, select};

type Channels = [Chan<()>; 2];

pub(crate) async fn kernel(control: bool) {
    let channels: Channels = [chan(0), chan(0)];
    let quiesce = chan::<()>(0);
    let (context, cancel) = with_cancel(&background());
    go(help(channels.clone(), context.clone()));
    go(begin_commands(channels, context, quiesce.clone(), control));
    go(async move { cancel.cancel() });
    quiesce.close();
}

async fn help(channels: Channels, context: Context) {
    for channel in &channels {
        select! {
            send(channel, ()) => {}
            _ = context.done() => return,
        }
    }
}

async fn begin_commands(channels: Channels, context: Context, quiesce: Chan<()>, control: bool) {
    for channel in &channels {
        select! {
            recv(channel) -> _ => {}
            _ = context.done() => {
                go(drain(channels.clone(), quiesce.clone(), control));
            }
        }
    }
}

async fn drain(channels: Channels, quiesce: Chan<()>, control: bool) {
    for channel in &channels {
        if control {
            select! {
                recv(channel) -> _ => {}
                recv(quiesce) -> _ => {}
            }
        } else {
            channel.recv().await;
        }
    }
}
