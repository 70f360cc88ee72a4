//! moby 30408: a plugin is waited for that is never activated.

use std::sync::Arc;

use gmp::sync::{Cond, Mutex};
use gmp::{chan, go};

pub(crate) async fn kernel(control: bool) {
    wait_for(&Arc::default(), control).await;
}

/// Waits until `plugin` is activated, in a goroutine, and for that.
pub(crate) async fn wait_for(plugin: &Arc<Plugin>, control: bool) {
    let done = chan::<()>(0);
    let (waiting, tell) = (plugin.clone(), done.clone());
    go(async move {
        waiting.wait_active().await;
        tell.close();
    });
    if control {
        let plugin = plugin.clone();
        go(async move { plugin.activate().await });
    }
    done.recv().await;
}

#[derive(Default)]
pub(crate) struct Plugin {
    activated: Mutex<bool>,
    changed: Cond,
}

impl Plugin {
    async fn wait_active(&self) {
        let mut activated = self.activated.lock().await;
        while !*activated {
            activated = self.changed.wait(activated).await;
        }
    }

    async fn activate(&self) {
        *self.activated.lock().await = true;
        self.changed.broadcast();
    }

    pub(crate) async fn reset(&self) {
        *self.activated.lock().await = false;
    }
}
