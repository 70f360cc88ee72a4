//! Runs the service until it is interrupted, or told to terminate, where the system has signals.
//!
//! ```sh
//! cargo run -p gmp-example-http -- 127.0.0.1:8080
//! curl --data 'how many words' http://127.0.0.1:8080/count
//! ```

use gmp::context::{background, with_cancel};
use gmp::net::TcpListener;
use gmp_example_http::{Settings, serve};

fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let procs = std::thread::available_parallelism().map_or(1, usize::from);
    gmp::runtime::Builder::new().procs(procs).build().block_on(async {
        let (ctx, cancel) = with_cancel(&background());
        let _until = end_on_signals(cancel)?;
        let listener = TcpListener::bind(address.as_str())?;
        println!("listening on http://{}", listener.local_addr()?);
        serve(ctx, listener, Settings::default()).await?;
        println!("bye");
        Ok(())
    })
}

/// Cancels the context of the service at the first signal that asks for its end.
#[cfg(unix)]
fn end_on_signals(cancel: gmp::context::Cancel) -> std::io::Result<gmp::signal::Notify> {
    use gmp::signal::{Signal, notify};
    let signals = gmp::chan(1);
    let until = notify(&signals, [Signal::INTERRUPT, Signal::TERMINATE])?;
    gmp::go(async move {
        if let Some(signal) = signals.recv().await {
            println!("{signal}: no new requests, those under way are finished");
            cancel.cancel();
        }
    });
    Ok(until)
}

/// Without signals it is served until the process is ended.
#[cfg(not(unix))]
fn end_on_signals(cancel: gmp::context::Cancel) -> std::io::Result<gmp::context::Cancel> {
    Ok(cancel)
}
