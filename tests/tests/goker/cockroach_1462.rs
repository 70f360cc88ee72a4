//! cockroach 1462: a producer sends without looking at the stop of its consumer.

use std::future::Future;
use std::sync::Arc;

use gmp::sync::{Mutex, WaitGroup};
use gmp::{Chan, chan, go, select};

struct Stopper {
    stop: Chan<()>,
    stopped: Chan<()>,
    workers: WaitGroup,
    draining: Mutex<bool>,
}

pub(crate) async fn kernel(control: bool) {
    let stopper = Arc::new(Stopper {
        stop: chan(0),
        stopped: chan(0),
        workers: WaitGroup::new(),
        draining: Mutex::new(false),
    });
    let events = chan(0);
    stopper.run_worker(produce(stopper.stop.clone(), events.clone(), control));
    stopper.run_worker(consume(stopper.stop.clone(), events));
    stopper.stop().await;
}

async fn produce(stop: Chan<()>, events: Chan<()>, control: bool) {
    loop {
        if control {
            select! {
                recv(stop) -> _ => return,
                send(events, ()) => {}
            }
        } else {
            select! {
                recv(stop) -> _ => return,
                default => events.send(()).await,
            }
        }
    }
}

async fn consume(stop: Chan<()>, events: Chan<()>) {
    loop {
        select! {
            recv(events) -> _ => {}
            recv(stop) -> _ => return,
        }
    }
}

impl Stopper {
    fn run_worker(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.workers.add(1);
        let workers = self.workers.clone();
        go(async move {
            work.await;
            workers.done();
        });
    }

    async fn stop(&self) {
        *self.draining.lock().await = true;
        self.stop.close();
        self.workers.wait().await;
        let _guard = self.draining.lock().await;
        self.stopped.close();
    }
}
