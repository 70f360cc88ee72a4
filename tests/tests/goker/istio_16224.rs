//! istio 16224: an event handler reports with the lock held to a receiver that locks first.

use std::sync::Arc;

use gmp::sync::Mutex;
use gmp::{Chan, chan, go, select};

#[derive(Clone)]
struct Monitor {
    lock: Arc<Mutex<()>>,
    events: Chan<()>,
    done: Chan<()>,
    stop: Chan<()>,
}

pub(crate) async fn kernel(control: bool) {
    let monitor =
        Monitor { lock: Arc::default(), events: chan(0), done: chan(0), stop: chan(0) };
    let runner = monitor.clone();
    go(async move { runner.run(control).await });
    monitor.events.send(()).await;
    drop(monitor.lock.lock().await);
    monitor.done.recv().await;
    monitor.stop.close();
}

impl Monitor {
    async fn run(&self, control: bool) {
        loop {
            select! {
                recv(self.stop) -> _ => {
                    if !control && self.events.recv().await.is_some() {
                        self.events.close();
                    }
                    return;
                }
                recv(self.events) -> _ => self.handle(control).await,
            }
        }
    }

    async fn handle(&self, control: bool) {
        let guard = self.lock.lock().await;
        if control {
            drop(guard);
            self.done.send(()).await;
        } else {
            self.done.send(()).await;
            drop(guard);
        }
    }
}
