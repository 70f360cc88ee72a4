//! istio 18454: a timer that has fired and was read is drained before it is set again.

use std::sync::Arc;
use std::time::Duration;

use gmp::context::{Cancel, Context, background, with_cancel};
use gmp::sync::Mutex;
use gmp::time::Timer;
use gmp::{Chan, chan, go, select};

const EVENTS: u32 = 1024;
const DEBOUNCE: Duration = Duration::from_nanos(1);

struct Worker {
    /// Whether the timer was made.
    armed: Mutex<bool>,
    reset: Chan<()>,
    loop_context: Context,
    loop_cancel: Cancel,
}

pub(crate) async fn kernel(control: bool) {
    let events = chan(EVENTS as usize);
    for event in 0..EVENTS {
        events.send(event).await;
    }
    let (context, cancel) = with_cancel(&background());
    let (loop_context, loop_cancel) = with_cancel(&background());
    let worker =
        Arc::new(Worker { armed: Mutex::new(false), reset: chan(1), loop_context, loop_cancel });
    go(async move { worker.process(&context, &events, control).await });
    cancel.cancel();
}

impl Worker {
    async fn process(self: &Arc<Self>, context: &Context, events: &Chan<u32>, control: bool) {
        loop {
            select! {
                _ = context.done() => break,
                recv(events) -> _ => self.on_change(control).await,
            }
        }
        self.loop_cancel.cancel();
    }

    async fn on_change(self: &Arc<Self>, control: bool) {
        let mut armed = self.armed.lock().await;
        if *armed {
            drop(armed);
            self.reset.send(()).await;
            return;
        }
        *armed = true;
        let (worker, timer) = (self.clone(), Timer::new(DEBOUNCE));
        go(async move { worker.debounce(timer, control).await });
    }

    async fn debounce(&self, timer: Timer, control: bool) {
        loop {
            select! {
                recv(timer.chan()) -> _ => {}
                recv(self.reset) -> _ => {
                    if !timer.stop() {
                        drain(&timer, control).await;
                    }
                    timer.reset(DEBOUNCE);
                }
                _ = self.loop_context.done() => {
                    timer.stop();
                    return;
                }
            }
        }
    }
}

async fn drain(timer: &Timer, control: bool) {
    if control {
        let _ = timer.chan().try_recv();
    } else {
        timer.chan().recv().await;
    }
}
