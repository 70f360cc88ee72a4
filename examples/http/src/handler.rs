//! What the service answers.

use std::convert::Infallible;
use std::sync::Arc;

use gmp::context::{Context, with_timeout};
use gmp::{Chan, chan, go, select};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode};

use crate::{Pool, Settings};

/// The longest text that is taken.
const LONGEST: usize = 1 << 20;

/// Answers one request, with a context of its own.
pub(crate) async fn handle(
    of_connection: Context,
    shared: Arc<(Settings, Pool)>,
    request: Request<Incoming>,
) -> Result<Response<String>, Infallible> {
    let (settings, pool) = &*shared;
    let (ctx, cancel) = with_timeout(&of_connection, settings.limit);
    // Also when the client goes away: then hyper drops this future here.
    let _done = CancelOnDrop(cancel);
    let (status, text) = match (request.method(), request.uri().path()) {
        (&Method::GET, "/health") => (StatusCode::OK, "well\n".to_owned()),
        (&Method::POST, "/count") => count(&ctx, pool, request).await,
        (&Method::GET, "/never") => never(&ctx, settings.ignore_cancellation).await,
        _ => (StatusCode::NOT_FOUND, "no such page\n".to_owned()),
    };
    Ok(answer(status, text))
}

/// Cancels the context of a request when its handler is done or dropped.
struct CancelOnDrop(gmp::context::Cancel);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

fn answer(status: StatusCode, text: String) -> Response<String> {
    let mut response = Response::new(text);
    *response.status_mut() = status;
    response
}

async fn count(ctx: &Context, pool: &Pool, request: Request<Incoming>) -> (StatusCode, String) {
    let body = select! {
        body = Limited::new(request.into_body(), LONGEST).collect() => body,
        _ = ctx.done() => return too_late(),
    };
    let Ok(body) = body else {
        return (StatusCode::BAD_REQUEST, "a text of at most 1 MiB, please\n".to_owned());
    };
    let text = String::from_utf8_lossy(&body.to_bytes()).into_owned();
    match pool.count(ctx, text).await {
        Some(words) => (StatusCode::OK, format!("{words}\n")),
        None => too_late(),
    }
}

/// Asks somebody who never answers, for as long as the request lasts.
async fn never(ctx: &Context, ignore_cancellation: bool) -> (StatusCode, String) {
    let (questions, answers) = (chan(0), chan(0));
    go(oracle(ctx.clone(), questions.clone(), answers.clone(), ignore_cancellation));
    select! {
        send(questions, "why?") => {},
        _ = ctx.done() => return too_late(),
    }
    select! {
        recv(answers) -> _answer => (StatusCode::OK, "found\n".to_owned()),
        _ = ctx.done() => too_late(),
    }
}

/// Takes questions for a request and never has an answer.
async fn oracle(
    ctx: Context,
    questions: Chan<&'static str>,
    _answers: Chan<u32>,
    ignore_cancellation: bool,
) {
    if ignore_cancellation {
        // The mistake: nobody closes `questions` when the request is cancelled.
        while questions.recv().await.is_some() {}
        return;
    }
    loop {
        select! {
            recv(questions) -> question => if question.is_none() { return },
            _ = ctx.done() => return,
        }
    }
}

fn too_late() -> (StatusCode, String) {
    (StatusCode::SERVICE_UNAVAILABLE, "the request was cancelled\n".to_owned())
}
