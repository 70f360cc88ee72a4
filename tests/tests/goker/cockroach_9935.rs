//! cockroach 9935: the way out of an error locks what the failed operation has locked.

use std::sync::Arc;

use gmp::go;
use gmp::sync::Mutex;

pub(crate) async fn kernel(control: bool) {
    with_draw(gmp::choose(8), control);
}

/// The variant whose draw is an error.
pub(crate) async fn always(control: bool) {
    with_draw(1, control);
}

/// The variant whose draw is none.
pub(crate) async fn never(control: bool) {
    with_draw(4, control);
}

fn with_draw(draw: usize, control: bool) {
    let log = Arc::new(Mutex::new(()));
    go(async move {
        let guard = log.lock().await;
        if draw.is_multiple_of(4) {
            return;
        }
        if control {
            drop(guard);
        }
        exit(&log).await;
    });
}

async fn exit(log: &Mutex<()>) {
    drop(log.lock().await);
}
