//! kubernetes 70277: a function waits for the end of its poller on a channel that is closed when the
//! function has returned.

use std::time::Duration;

use gmp::time::{Ticker, after};
use gmp::{Chan, chan, go, select};

use super::support::MILLI;

pub(crate) async fn kernel(control: bool) {
    let stop = chan::<()>(0);
    let remembered = wait_for(&stop, control).await;
    remembered.recv().await;
    stop.close();
}

/// Waits until the condition holds, which it does at once. The poller ends with the channel returned.
async fn wait_for(stop: &Chan<()>, control: bool) -> Chan<()> {
    let done = if control { chan(0) } else { stop.clone() };
    poller(done.clone()).recv().await;
    if control {
        done.close();
    }
    done
}

/// Ticks until `done` is closed, for 20 seconds at most.
fn poller(done: Chan<()>) -> Chan<()> {
    let ticks = chan::<()>(0);
    let tell = ticks.clone();
    go(async move {
        let ticker = Ticker::new(MILLI);
        let limit = after(Duration::from_secs(20));
        loop {
            select! {
                recv(ticker.chan()) -> _ => {
                    select! {
                        send(tell, ()) => {}
                        default => {}
                    }
                }
                recv(limit) -> _ => break,
                recv(done) -> _ => break,
            }
        }
        ticker.stop();
        tell.close();
    });
    ticks
}
