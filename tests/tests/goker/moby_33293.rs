//! moby 33293: an error is sent before the caller has the channel to receive it from.

use gmp::{Chan, chan, choose, go};

pub(crate) async fn kernel(control: bool) {
    with_draw(choose(2) == 0, control);
}

/// The variant whose draw is an error.
pub(crate) async fn always(control: bool) {
    with_draw(true, control);
}

/// The variant whose draw is none.
pub(crate) async fn never(control: bool) {
    with_draw(false, control);
}

fn with_draw(fails: bool, control: bool) {
    go(async move {
        drop(wait(fails, control).await);
    });
}

async fn wait(fails: bool, control: bool) -> Chan<&'static str> {
    let errors = chan(usize::from(control));
    if fails {
        errors.send("no such container").await;
    }
    errors
}
