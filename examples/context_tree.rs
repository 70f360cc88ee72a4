//! A request's context and where its chain breaks: one goroutine derives its context from
//! `background()` instead of the one it was given, and cancelling the request never reaches it.
//!
//! The report draws the context tree and says which line to change.

use std::process::ExitCode;
use std::time::Duration;

use gmp::context::{Context, background, with_cancel, with_timeout};
use gmp::go;
use gmp::leak::{CheckError, examine};
use gmp::report::text::{Style, render};

/// Reads a row, or stops when the request is over.
async fn query(ctx: Context) {
    let (ctx, _cancel) = with_timeout(&ctx, Duration::from_secs(5));
    ctx.done().await;
}

/// Writes an audit record. The bug: it starts a chain of its own.
async fn audit(request: Context) {
    if request.err().is_some() {
        return;
    }
    let (ctx, _cancel) = with_cancel(&background());
    ctx.done().await;
}

async fn handle_request() {
    let (request, cancel) = with_cancel(&gmp::test::context());
    go(query(request.clone()));
    go(audit(request));
    gmp::yield_now().await;
    cancel.cancel();
}

fn main() -> Result<ExitCode, CheckError> {
    let report = examine("handle_request", handle_request)?;
    println!("{}", render(&report, &Style::detect()));
    let broken = report.contexts.iter().any(|root| root.broken_from.is_some());
    let found = report.findings.len() == 1 && broken;
    println!(
        "{}",
        if found { "As expected: `audit` is out of reach." } else { "Not as expected." }
    );
    Ok(if found { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
