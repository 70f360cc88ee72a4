//! kubernetes 1321: events are sent to watchers with the lock held that a watcher needs to stop.

use std::collections::BTreeMap;
use std::sync::Arc;

use gmp::sync::Mutex;
use gmp::{Chan, chan, go, select};

#[derive(Clone)]
struct Watcher {
    result: Chan<()>,
    /// Closed before stopping takes the lock; only the control has it.
    stop: Option<Chan<()>>,
}

#[derive(Default)]
struct Mux {
    lock: Mutex<()>,
    watchers: Mutex<BTreeMap<u32, Watcher>>,
}

pub(crate) async fn kernel(control: bool) {
    let mux = Arc::new(Mux::default());
    go(async move {
        let distributor = mux.clone();
        go(async move { distributor.distribute().await });
        let watcher = mux.watch(0, control).await;
        mux.stop(0, watcher).await;
    });
}

impl Mux {
    async fn distribute(&self) {
        for _ in 0..100 {
            let _guard = self.lock.lock().await;
            let watchers = self.watchers.lock().await;
            for watcher in watchers.values() {
                watcher.tell().await;
            }
        }
    }

    async fn watch(&self, id: u32, control: bool) -> Watcher {
        let watcher = Watcher { result: chan(0), stop: control.then(|| chan(0)) };
        self.watchers.lock().await.insert(id, watcher.clone());
        watcher
    }

    async fn stop(&self, id: u32, watcher: Watcher) {
        if let Some(stop) = watcher.stop {
            stop.close();
        }
        let _guard = self.lock.lock().await;
        self.watchers.lock().await.remove(&id);
        watcher.result.close();
    }
}

impl Watcher {
    async fn tell(&self) {
        match &self.stop {
            None => self.result.send(()).await,
            Some(stop) => select! {
                send(self.result, ()) => {}
                recv(stop) -> _ => {}
            },
        }
    }
}
