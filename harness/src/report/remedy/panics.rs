//! What to do about panics that have a well-known cause.

/// Parts of the messages of well-known panics, and the cure.
const KNOWN: &[(&str, &str)] = &[
    (
        "there is no reactor running",
        "It needs a tokio runtime, and a test has one if it says so: write `#[gmp::test(tokio)]` (feature \
         `tokio` of gmp). On a plain thread, enter one first: `let _in = handle.enter();`.",
    ),
    (
        "Cannot drop a runtime in a context where blocking is not allowed",
        "A tokio runtime was dropped inside an `async` function, where its drop may not wait. Call \
         `runtime.shutdown_background()`, or build and drop it inside `gmp::tokio::spawn_blocking`.",
    ),
    (
        "Cannot start a runtime from within a runtime",
        "The test has a tokio runtime already, and this is one of its threads. Await the future instead of \
         `block_on`, or do it inside `gmp::tokio::spawn_blocking`.",
    ),
];

/// The cure of a panic with this message, if it is known.
pub(crate) fn of_panic(message: &str) -> Option<&'static str> {
    KNOWN.iter().find(|(part, _)| message.contains(part)).map(|(_, cure)| *cure)
}
