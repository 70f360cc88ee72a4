//! kubernetes 58107: workers wait for work with a read lock held, a writer keeps asking for it.

use std::sync::Arc;
use std::time::Duration;

use gmp::go;
use gmp::sync::{Cond, Mutex, RwLock};
use gmp::time::sleep;

/// The original has 100,000, which are only there to make a rare race likely.
const ROUNDS: u32 = 20;

#[derive(Default)]
struct Queue {
    filled: Mutex<bool>,
    cond: Cond,
}

pub(crate) async fn kernel(control: bool) {
    let workers = Arc::new(RwLock::new(()));
    let queues = [Arc::new(Queue::default()), Arc::new(Queue::default())];
    let (lock, waiting) = (workers.clone(), queues.clone());
    go(async move {
        for queue in waiting {
            let lock = lock.clone();
            go(async move {
                if control {
                    queue.get_filled().await;
                    drop(lock.read().await);
                } else {
                    let _guard = lock.read().await;
                    queue.get().await;
                }
            });
        }
    });
    go(async move {
        for _ in 0..ROUNDS {
            let guard = workers.write().await;
            sleep(Duration::from_nanos(1)).await;
            drop(guard);
        }
    });
    for _ in 0..ROUNDS {
        for queue in &queues {
            if control {
                queue.put_filled().await;
            } else {
                queue.cond.signal();
            }
        }
    }
}

impl Queue {
    /// Waits one time, whatever there is.
    async fn get(&self) {
        let guard = self.filled.lock().await;
        drop(self.cond.wait(guard).await);
    }

    async fn get_filled(&self) {
        let mut filled = self.filled.lock().await;
        while !*filled {
            filled = self.cond.wait(filled).await;
        }
    }

    async fn put_filled(&self) {
        let mut filled = self.filled.lock().await;
        *filled = true;
        self.cond.signal();
    }
}
