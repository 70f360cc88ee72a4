//! Before `main`: the thread baseline, and the panic hook that names the goroutine.

use std::panic::{set_hook, take_hook};

use crate::leak::census;

/// Runs before `main`, in every binary that links the harness: it records and prepares, nothing more.
#[ctor::ctor(unsafe)]
fn before_main() {
    census::take_baseline();
    let before = take_hook();
    set_hook(Box::new(move |info| {
        if let Some((id, at)) = gmp_core::snapshot::who() {
            eprintln!("\ngoroutine {id}, started at {at}, panicked:");
        }
        before(info);
    }));
}
