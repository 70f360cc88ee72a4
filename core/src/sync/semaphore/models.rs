//! Models of permits that are taken, given back and left by waiters.

use super::Semaphore;
use crate::sys::model::{Track, block_on, poll_once};
use loom::sync::Arc;
use loom::thread;

/// Takes all permits and uses what they guard.
async fn enter(shared: &(Semaphore, Track)) {
    let permits = shared.0.acquire(2).await;
    shared.1.begin().end();
    drop(permits);
}

#[test]
fn permits_are_held_by_one_at_a_time() {
    loom::model(|| {
        let shared = Arc::new((Semaphore::new(2), Track::new()));
        let other = shared.clone();
        let thread = thread::spawn(move || block_on(enter(&other)));
        block_on(enter(&shared));
        thread.join().expect("the other");
        assert_eq!(shared.0.available(), 2);
    });
}

#[test]
fn a_waiter_that_goes_lets_the_one_behind_in() {
    loom::model(|| {
        let shared = Arc::new((Semaphore::new(2), Track::new()));
        let permit = shared.0.try_acquire(1).expect("free");
        let mut greedy = Box::pin(shared.0.acquire(2));
        assert!(poll_once(greedy.as_mut()).is_pending());
        let other = shared.clone();
        let thread = thread::spawn(move || drop(block_on(other.0.acquire(1))));
        drop(greedy);
        thread.join().expect("the one behind");
        drop(permit);
        assert_eq!(shared.0.available(), 2);
    });
}

#[test]
fn a_waiter_that_goes_passes_its_permits_on() {
    loom::model(|| {
        let shared = Arc::new((Semaphore::new(2), Track::new()));
        let permit = shared.0.try_acquire(1).expect("free");
        let mut first = Box::pin(shared.0.acquire(2));
        assert!(poll_once(first.as_mut()).is_pending());
        let other = shared.clone();
        let thread = thread::spawn(move || block_on(enter(&other)));
        drop(permit);
        drop(first);
        thread.join().expect("the other");
        assert_eq!(shared.0.available(), 2);
    });
}
