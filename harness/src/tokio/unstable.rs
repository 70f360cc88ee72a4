//! With `--cfg tokio_unstable` tokio tells of each task where it was spawned.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use ::tokio::runtime::Builder;
use ::tokio::task::Id;
use gmp_core::runtime::Scope;
use gmp_core::runtime::host::Hosted;

use super::session::Session;
use super::stranger::{Stranger, stand_in};
use super::tracked::spawns_ours;

/// Makes a goroutine of each task that is not one already.
pub(super) fn watch_tasks(builder: &mut Builder, scope: &Arc<Scope>) {
    let session = Session::of(scope);
    let scope = Arc::downgrade(scope);
    let all: Arc<Mutex<HashMap<Id, Hosted<Stranger>>>> = Arc::default();
    let (spawned, of_spawned) = (all.clone(), session.clone());
    builder.on_task_spawn(move |task| {
        if spawns_ours() {
            return;
        }
        let Some(scope) = scope.upgrade().filter(|scope| !scope.is_closed()) else { return };
        let hosted = stand_in(&scope, &of_spawned, task.spawned_at());
        of_spawned.count_task(1);
        spawned.lock().unwrap_or_else(PoisonError::into_inner).insert(task.id(), hosted);
    });
    builder.on_task_terminate(move |task| {
        let ended = all.lock().unwrap_or_else(PoisonError::into_inner).remove(&task.id());
        if ended.is_some() {
            session.count_task(-1);
        }
        drop(ended);
    });
}
