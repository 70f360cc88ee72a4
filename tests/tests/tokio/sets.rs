//! `gmp::tokio::JoinSet`: what tokio's own can do, with tasks that are seen.

use std::collections::HashMap;
use std::future::poll_fn;

use gmp::tokio::JoinSet;
use tokio::runtime::{Builder, Handle};
use tokio::task::LocalSet;

use super::{is_spawned_at, on_each, one};

#[gmp::test(tokio)]
async fn a_set_is_made_of_futures_and_joined_as_a_whole() {
    let mut set: JoinSet<u32> = (1..=3).map(|number| async move { number }).collect();
    set.spawn_blocking(|| 4);
    assert!(format!("{set:?}").starts_with("JoinSet"));
    let mut all = set.join_all().await;
    all.sort_unstable();
    assert_eq!(all, [1, 2, 3, 4]);
}

#[gmp::test(tokio)]
async fn tasks_are_told_apart_by_their_ids() {
    let mut set = JoinSet::default();
    let ids: HashMap<_, _> = (0..4).map(|n| (set.spawn(async move { n }).id(), n)).collect();
    while let Some(joined) = set.join_next_with_id().await {
        let (id, number) = joined.unwrap();
        assert_eq!(ids.get(&id), Some(&number));
    }
    let id = set.spawn(async { 9 }).id();
    let joined = loop {
        match set.try_join_next_with_id() {
            Some(joined) => break joined,
            None => tokio::task::yield_now().await,
        }
    };
    assert_eq!(joined.unwrap(), (id, 9));
}

#[gmp::test(tokio)]
async fn what_has_ended_can_be_taken_without_waiting() {
    let mut set = JoinSet::new();
    assert!(set.try_join_next().is_none());
    set.spawn(async { 1 });
    assert!(set.try_join_next().is_none(), "it had no turn yet");
    tokio::task::yield_now().await;
    assert_eq!(set.try_join_next().unwrap().unwrap(), 1);
    set.spawn(async { 2 });
    assert_eq!(poll_fn(|cx| set.poll_join_next(cx)).await.unwrap().unwrap(), 2);
    assert!(poll_fn(|cx| set.poll_join_next(cx)).await.is_none());
}

#[gmp::test(tokio)]
async fn a_shutdown_ends_all_and_leaves_an_empty_set() {
    let mut set = JoinSet::new();
    for _ in 0..3 {
        set.spawn(std::future::pending::<()>());
    }
    set.shutdown().await;
    assert!(set.is_empty());
    let mut inner = {
        set.spawn(async {});
        set.into_inner()
    };
    inner.join_next().await.unwrap().unwrap();
}

#[gmp::test(tokio)]
async fn local_tasks_need_not_be_send() {
    let shared = std::rc::Rc::new(5);
    let (mut set, local) = (JoinSet::new(), LocalSet::new());
    let own = shared.clone();
    set.spawn_local_on(async move { *own }, &local);
    let sum = local.run_until(async move {
        let own = shared.clone();
        set.spawn_local(async move { *own + 1 });
        set.join_all().await.iter().sum::<i32>()
    });
    assert_eq!(sum.await, 11);
}

#[gmp::test(tokio)]
async fn tasks_and_calls_may_run_on_another_runtime() {
    let other = Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let mut set = JoinSet::new();
    set.spawn_on(async { Handle::current().id() }, other.handle());
    set.spawn_blocking_on(|| Handle::current().id(), other.handle());
    let ids = set.join_all().await;
    assert_eq!(ids, [other.handle().id(); 2]);
    other.shutdown_background();
}

#[test]
fn each_way_to_spawn_has_its_line() {
    on_each(
        "spawn_on",
        || async {
            let mut set = JoinSet::new();
            set.spawn_on(std::future::pending::<()>(), &Handle::current());
            set.detach_all();
        },
        |report| is_spawned_at(one(report), "set.spawn_on(std"),
    );
    on_each(
        "from an iterator",
        || async {
            let mut set: JoinSet<()> = [std::future::pending()].into_iter().collect();
            set.detach_all();
        },
        // Where the set is made of them: `collect` is not told who calls it.
        |report| assert_eq!(one(report).count, 1, "{report}"),
    );
    on_each(
        "spawn_local_on",
        || async {
            let (mut set, local) = (JoinSet::new(), LocalSet::new());
            set.spawn_local_on(std::future::pending::<()>(), &local);
            set.detach_all();
            std::mem::forget(local);
        },
        |report| is_spawned_at(one(report), "set.spawn_local_on(std"),
    );
}
