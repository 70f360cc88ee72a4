//! etcd 7492: tokens are handed to their keeper with the lock held that the keeper takes to expire them.

use std::sync::Arc;
use std::time::Duration;

use gmp::sync::{RwLock, WaitGroup};
use gmp::time::Ticker;
use gmp::{Chan, chan, go, select};

#[derive(Clone)]
struct Auth {
    lock: Arc<RwLock<()>>,
    add: Chan<()>,
    stop: Chan<Chan<()>>,
}

pub(crate) async fn kernel(control: bool) {
    let auth = Auth { lock: Arc::default(), add: chan(1), stop: chan(0) };
    let keeper = auth.clone();
    go(async move { keeper.keep_tokens().await });
    let group = WaitGroup::new();
    group.add(3);
    for _ in 0..3 {
        let (auth, group) = (auth.clone(), group.clone());
        go(async move {
            auth.assign(control).await;
            group.done();
        });
    }
    group.wait().await;
    auth.disable().await;
}

impl Auth {
    async fn keep_tokens(&self) {
        let mut tokens = 0;
        let ticker = Ticker::new(Duration::from_nanos(1));
        loop {
            select! {
                recv(self.add) -> _ => tokens += 1,
                recv(ticker.chan()) -> _ => {
                    for _ in 0..std::mem::take(&mut tokens) {
                        drop(self.lock.write().await);
                    }
                }
                recv(self.stop) -> stopped => {
                    ticker.stop();
                    return stopped.expect("never closed").send(()).await;
                }
            }
        }
    }

    async fn assign(&self, control: bool) {
        let guard = self.lock.write().await;
        if control {
            drop(guard);
            self.add.send(()).await;
        } else {
            self.add.send(()).await;
            drop(guard);
        }
    }

    async fn disable(&self) {
        let stopped = chan(0);
        self.stop.send(stopped.clone()).await;
        stopped.recv().await;
        self.stop.close();
        drop(self.lock.write().await);
    }
}
