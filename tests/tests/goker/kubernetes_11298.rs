//! kubernetes 11298: the last signal is given before the last waiter waits.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use gmp::sync::{Cond, Mutex, OwnedMutexGuard};
use gmp::time::{after as tick, sleep};
use gmp::{Chan, chan, go, select};

type Guard = OwnedMutexGuard<bool>;

#[derive(Default)]
struct Notifier {
    /// Whether the signals have ended; only the control looks at it.
    stopped: Arc<Mutex<bool>>,
    cond: Cond,
}

pub(crate) async fn kernel(control: bool) {
    let notifier = Arc::new(Notifier::default());
    let abort = chan::<()>(0);
    let closer = abort.clone();
    let done = if control {
        after(async move { notifier.wait_for_signaller(abort).await })
    } else {
        after(async move { notifier.notify(abort).await })
    };
    go(async move {
        sleep(Duration::from_nanos(300)).await;
        closer.close();
    });
    done.recv().await;
}

/// Runs `f` in a goroutine. What it gives can be received once, then the channel is closed. The slot
/// stands for a variable of the original: giving never waits.
fn after<T: Send + 'static>(f: impl Future<Output = T> + Send + 'static) -> Chan<T> {
    let done = chan(1);
    let tell = done.clone();
    go(async move {
        tell.send(f.await).await;
        tell.close();
    });
    done
}

/// Runs `f` again and again until `stop` is closed.
async fn until<F: Future<Output = ()> + Send>(mut f: impl FnMut() -> F, stop: &Chan<()>) {
    while !is_closed(stop).await {
        f().await;
        select! {
            recv(stop) -> _ => {}
            recv(tick(Duration::ZERO)) -> _ => {}
        }
    }
}

async fn is_closed<T: Send>(stop: &Chan<T>) -> bool {
    select! {
        recv(stop) -> _ => true,
        default => false,
    }
}

impl Notifier {
    async fn notify(self: Arc<Self>, abort: Chan<()>) {
        let signaller = self.clone();
        let stop = abort.clone();
        let finished = after(async move { signaller.signal_until(&stop).await });
        until(|| self.service(&finished), &abort).await;
    }

    /// Signals all the time.
    async fn signal_until(&self, abort: &Chan<()>) {
        let signal = || async {
            while !is_closed(abort).await {
                let guard = self.stopped.lock().await;
                self.cond.signal();
                drop(guard);
            }
        };
        until(signal, abort).await;
    }

    /// Waits with the lock held for a waiter, which has the lock meanwhile and gives it back.
    async fn service(self: &Arc<Self>, finished: &Chan<()>) {
        let mut guard = self.stopped.clone().lock_owned().await;
        while !is_closed(finished).await {
            let notifier = self.clone();
            let waiter = after(async move { notifier.wait(guard).await });
            let next = select! {
                recv(finished) -> _ => {
                    self.cond.signal();
                    waiter.recv().await;
                    return;
                }
                recv(waiter) -> guard => guard,
            };
            guard = next.expect("a waiter gives the lock back");
        }
    }

    async fn wait(&self, guard: Guard) -> Guard {
        self.cond.wait(guard).await
    }

    /// The control: waits by itself until the signals have ended.
    async fn wait_for_signaller(self: Arc<Self>, abort: Chan<()>) {
        let signaller = self.clone();
        go(async move {
            signaller.signal_until(&abort).await;
            *signaller.stopped.lock().await = true;
            signaller.cond.broadcast();
        });
        let mut stopped = self.stopped.lock().await;
        while !*stopped {
            stopped = self.cond.wait(stopped).await;
        }
    }
}
