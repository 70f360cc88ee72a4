//! What is kept too long: pools that get nothing back, wait groups in a map.

use gmp::sync::{Map, Pool, WaitGroup};
use gmp::{Sender, channel, go, yield_now};

use crate::support::keep;

/// Keeps `value` as long as the process runs, as a static does, but one for each run.
fn forever<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

/// A connection: a goroutine that works off what is sent to it, until its sender is dropped.
fn connect() -> Sender<u32> {
    let (requests, work) = channel(4);
    drop(go(async move { while work.recv().await.is_some() {} }));
    requests
}

/// Serves three requests, each with a connection of the pool.
async fn serve(pool: &Pool<Sender<u32>>, done: impl Fn(Sender<u32>)) {
    for request in 0..3 {
        let connection = pool.get();
        connection.send(request).await.unwrap();
        done(connection);
    }
}

// Each request makes a connection of its own, and their goroutines wait for work that never comes.
#[gmp::test(expect_leak("3 chan receive: Reachable"))]
async fn pool_without_put() {
    let pool = Pool::<Sender<u32>>::new(connect);
    serve(&pool, keep).await;
    assert_eq!(pool.kept(), 0);
}

#[gmp::test]
async fn pool_without_put_fixed() {
    let pool = Pool::<Sender<u32>>::new(connect);
    serve(&pool, |connection| pool.put(connection)).await;
    assert_eq!(pool.kept(), 1, "one connection serves all requests");
}

// The guard gives back what an early return or a panic would forget.
#[gmp::test]
async fn pool_without_put_fixed_by_a_guard() {
    let pool = Pool::<Sender<u32>>::new(connect);
    for request in 0..3 {
        let connection = pool.lend();
        connection.send(request).await.unwrap();
    }
    assert_eq!(pool.kept(), 1);
}

// A pool that lives as long as the process keeps its connections, unless its generations end.
#[gmp::test(expect_leak("chan receive: Reachable"))]
async fn pool_that_never_ages() {
    let pool = forever(Pool::<Sender<u32>>::new(connect));
    serve(pool, |connection| pool.put(connection)).await;
}

#[gmp::test]
async fn pool_that_never_ages_fixed() {
    let pool = forever(Pool::<Sender<u32>>::new(connect));
    serve(pool, |connection| pool.put(connection)).await;
    pool.age();
    pool.age();
}

/// The wait groups of the jobs that run, by name.
type Jobs = Map<&'static str, WaitGroup>;

/// Starts a job of two steps, and one goroutine that waits for it. The second step never ends if the
/// job is cancelled: whoever cancels should end the wait group as well.
async fn start(jobs: &'static Jobs, name: &'static str, is_cancelled: bool) {
    let group = WaitGroup::new();
    group.add(2);
    jobs.store(name, group.clone());
    drop(go(async move {
        group.done();
        if !is_cancelled {
            group.done();
        }
    }));
    let group = jobs.load(name).expect("it was stored");
    drop(go(async move { group.wait().await }));
    yield_now().await;
}

// The map in a static outlives every job: the count could still be brought to zero through it.
#[gmp::test(expect_leak("sync.WaitGroup.Wait: Reachable"))]
async fn wait_groups_in_a_map() {
    let jobs = forever(Jobs::new());
    for (name, is_cancelled) in [("one", false), ("two", true), ("three", false)] {
        start(jobs, name, is_cancelled).await;
    }
}

// Removed from the map, but never ended: nobody can end it any more.
#[gmp::test(expect_leak("sync.WaitGroup.Wait: Proven"))]
async fn wait_groups_in_a_map_removed_only() {
    let jobs = forever(Jobs::new());
    start(jobs, "one", true).await;
    jobs.delete("one");
}

#[gmp::test]
async fn wait_groups_in_a_map_fixed() {
    let jobs = forever(Jobs::new());
    for (name, is_cancelled) in [("one", false), ("two", true), ("three", false)] {
        start(jobs, name, is_cancelled).await;
        let group = jobs.load_and_delete(name).expect("it was stored");
        if is_cancelled {
            group.done();
        }
    }
}
