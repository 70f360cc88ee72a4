//! moby 4395: the result of a function that runs beside its caller, who does not want it.

use gmp::{Chan, chan, go};

pub(crate) async fn kernel(control: bool) {
    drop(go_run(|| 1, control));
}

fn go_run(f: fn() -> u32, control: bool) -> Chan<u32> {
    let results = chan(usize::from(control));
    let tell = results.clone();
    go(async move { tell.send(f()).await });
    results
}
