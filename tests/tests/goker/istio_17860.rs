//! istio 17860: an agent that has ended is told how its proxies ended.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use gmp::context::{Context, background, with_cancel};
use gmp::sync::Mutex;
use gmp::time::{Ticker, after, sleep};
use gmp::{Chan, chan, go, select};

#[derive(Clone)]
struct Agent {
    epochs: Arc<Mutex<Epochs>>,
    statuses: Chan<u32>,
    context: Context,
}

#[derive(Default)]
struct Epochs {
    last: u32,
    active: BTreeSet<u32>,
}

pub(crate) async fn kernel(control: bool) {
    let (context, cancel) = with_cancel(&background());
    let agent = Agent { epochs: Arc::default(), statuses: chan(0), context };
    let runner = agent.clone();
    go(async move { runner.run().await });
    agent.restart(control).await;
    let again = agent.clone();
    go(async move { again.restart(control).await });
    sleep(Duration::from_nanos(200)).await;
    cancel.cancel();
}

impl Agent {
    async fn run(&self) {
        loop {
            select! {
                recv(self.statuses) -> epoch => {
                    let mut epochs = self.epochs.lock().await;
                    epochs.active.remove(&epoch.expect("never closed"));
                    if epochs.active.is_empty() {
                        return;
                    }
                }
                _ = self.context.done() => return,
            }
        }
    }

    async fn restart(&self, control: bool) {
        let mut epochs = self.epochs.lock().await;
        if !epochs.active.is_empty() {
            wait_until_live().await;
        }
        epochs.last += 1;
        let epoch = epochs.last;
        epochs.active.insert(epoch);
        let agent = self.clone();
        go(async move { agent.run_proxy(epoch, control).await });
    }

    async fn run_proxy(&self, epoch: u32, control: bool) {
        if control {
            select! {
                send(self.statuses, epoch) => {}
                _ = self.context.done() => {}
            }
        } else {
            self.statuses.send(epoch).await;
        }
    }
}

/// Looks again and again whether the proxy lives, which it never does, and gives up.
async fn wait_until_live() {
    let ticker = Ticker::new(Duration::from_nanos(30));
    let limit = after(Duration::from_nanos(100));
    loop {
        select! {
            recv(ticker.chan()) -> _ => {}
            recv(limit) -> _ => break,
        }
    }
    ticker.stop();
}
