//! Go's own cases: the facts that Go's tests of channels, `select`, `sync`, `context` and the scheduler state, written
//! anew. One module for each Go file, with its address above it; what is left out says why.
//! None of the programs in `test/chan` prints anything when it is right; what Go's examples print is compared with ours.
//!
//! Files of package `sync` without a module: `runtime_sema_test.go`, benchmarks of the runtime's own semaphore, which is
//! not public; `map_bench_test.go`, benchmarks (ours are in `core/benches`); `map_reference_test.go`, other maps to
//! compare with, in whose place `map_test` here takes a plain one.

mod chan_programs;
mod chan_select;
mod context;
mod crash;
mod examples;
mod net_timeout;
mod power_series;
mod procs;
mod runtime_chan;
mod runtime_proc;
mod sync;
mod sync_stores;
mod synctest;
mod time_sleep;
mod time_tick;

use std::panic::AssertUnwindSafe;

/// The text of the panic that `future` ends with.
async fn panic_of<F: Future<Output = ()> + Send + 'static>(future: F) -> String {
    let error = gmp::go(future).await.expect_err("it should have panicked");
    text(&*error.try_into_panic().expect("a panic"))
}

/// The text of the panic that `f` ends with.
fn panic_in(f: impl FnOnce()) -> String {
    text(&*std::panic::catch_unwind(AssertUnwindSafe(f)).expect_err("it should have panicked"))
}

fn text(payload: &(dyn std::any::Any + Send)) -> String {
    match payload.downcast_ref::<&str>() {
        Some(text) => (*text).to_owned(),
        None => payload.downcast_ref::<String>().expect("a text").clone(),
    }
}
