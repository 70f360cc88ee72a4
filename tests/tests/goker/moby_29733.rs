//! moby 29733: plugins are waited for in two rounds, and none is activated in the first.

use std::sync::Arc;

use gmp::sync::Mutex;

use super::moby_30408::{Plugin, wait_for};

pub(crate) async fn kernel(control: bool) {
    let plugins = Mutex::new(Arc::<Plugin>::default());
    let plugin = plugins.lock().await.clone();
    for _ in 0..2 {
        wait_for(&plugin, control).await;
        plugins.lock().await.reset().await;
    }
}
