//! Programs that nobody here wrote: a service on axum with a client, and a pool of bb8.
//!
//! Each test is run `GMP_TOKIO_RUNS` times, a few times by default.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use gmp::leak::{Report, Verdict};
use gmp::tokio::{Flavor, Settings, examine, spawn};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};

/// What the handlers share.
#[derive(Clone)]
struct Service {
    /// Somebody may count the visits, in the background.
    visits: Option<mpsc::Sender<()>>,
}

async fn visit(State(service): State<Service>) -> &'static str {
    if let Some(visits) = &service.visits {
        visits.send(()).await.expect("somebody counts");
    }
    "hello"
}

async fn counts(mut visits: mpsc::Receiver<()>) {
    while visits.recv().await.is_some() {}
}

/// One request, on a connection of its own.
async fn ask(address: std::net::SocketAddr) -> String {
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    let request = "GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("it answers");
    answer
}

/// Serves a few requests. Who counts is kept if `leaks` says so.
async fn serves(leaks: Leak) {
    let (visits, seen) = mpsc::channel(1);
    spawn(counts(seen));
    let kept = visits.clone();
    let app = Router::new().route("/", get(visit)).with_state(Service { visits: Some(visits) });
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    let (stop, stopped) = oneshot::channel::<()>();
    let server = spawn(async move {
        let stops = async move { _ = stopped.await };
        axum::serve(listener, app).with_graceful_shutdown(stops).await
    });
    let clients: Vec<_> = (0..3).map(|_| spawn(ask(address))).collect();
    for client in clients {
        assert!(client.await.expect("no panic").ends_with("hello"));
    }
    if leaks == Leak::Server {
        std::mem::forget(stop);
        drop(kept);
        return;
    }
    stop.send(()).expect("it waits");
    server.await.expect("no panic").expect("it served");
    if leaks == Leak::Counter {
        std::mem::forget(kept);
    }
}

/// What a test forgets.
#[derive(Clone, Copy, PartialEq)]
enum Leak {
    Nothing,
    /// To drop a sender, so that whoever counts goes on to wait.
    Counter,
    /// To stop the server.
    Server,
}

fn runs() -> usize {
    let runs = std::env::var("GMP_TOKIO_RUNS").ok();
    runs.map_or(3, |runs| runs.parse().expect("GMP_TOKIO_RUNS is a number"))
}

/// Runs `body` often, on each flavour in turn.
fn often<B, F>(name: &str, body: B, look: impl Fn(&Report))
where
    B: Fn() -> F + Clone + Send + 'static,
    F: Future<Output = ()> + 'static,
{
    for run in 0..runs() {
        let flavor = if run % 2 == 0 { Flavor::CurrentThread } else { Flavor::MultiThread };
        let settings = Settings { flavor, worker_threads: None, start_paused: false };
        let body = body.clone();
        let report = examine(&format!("{name}, run {run}"), settings, body);
        look(&report.expect("the settings are valid"));
    }
}

#[test]
fn a_service_that_is_stopped_leaves_nothing() {
    often(
        "a clean service",
        || serves(Leak::Nothing),
        |report| {
            assert!(report.is_clean(), "{report}");
        },
    );
}

#[test]
fn a_task_that_a_service_leaves_behind_is_named() {
    often(
        "a counter",
        || serves(Leak::Counter),
        |report| {
            let finding = super::one(report);
            assert_eq!((finding.count, &finding.verdict), (1, &Verdict::External), "{report}");
            super::is_spawned_at(finding, "spawn(counts(seen))");
            let mut frames = finding.stacks.iter().flatten();
            assert!(frames.any(|frame| frame.function.ends_with("served::counts")), "{report}");
        },
    );
}

#[test]
fn a_service_that_is_not_stopped_is_named() {
    often(
        "a server",
        || serves(Leak::Server),
        |report| {
            let server = report.groups().find(|finding| {
                finding.stacks.iter().flatten().any(|frame| frame.function.starts_with("axum::"))
            });
            let server = server.unwrap_or_else(|| panic!("no server: {report}"));
            super::is_spawned_at(server, "let server = spawn(async move {");
            assert_eq!(server.verdict, Verdict::External);
        },
    );
}

/// Connections that count how many of them there are.
struct Connects(Arc<()>);

impl bb8::ManageConnection for Connects {
    type Connection = Arc<()>;
    type Error = std::convert::Infallible;

    async fn connect(&self) -> Result<Arc<()>, Self::Error> {
        Ok(self.0.clone())
    }

    async fn is_valid(&self, _: &mut Arc<()>) -> Result<(), Self::Error> {
        Ok(())
    }

    fn has_broken(&self, _: &mut Arc<()>) -> bool {
        false
    }
}

#[test]
fn a_pool_that_is_dropped_leaves_nothing_and_one_that_runs_dry_is_named() {
    async fn takes(pool: bb8::Pool<Connects>) {
        let connection = pool.get().await.expect("the pool has one");
        drop(connection);
    }
    let pool = |keeps: bool| async move {
        // Connections that may grow old have a task that looks after them, for up to 30 s after the pool.
        let pool = bb8::Pool::builder().max_size(1).max_lifetime(None).idle_timeout(None);
        let pool = pool.build(Connects(Arc::new(()))).await.unwrap();
        takes(pool.clone()).await;
        if keeps {
            let connection = pool.get_owned().await.expect("the pool has one");
            spawn(takes(pool));
            tokio::task::yield_now().await;
            std::mem::forget(connection);
        }
    };
    often("a clean pool", move || pool(false), |report| assert!(report.is_clean(), "{report}"));
    often(
        "a dry pool",
        move || pool(true),
        |report| {
            let takes = report.groups().find(|finding| {
                finding.stacks.iter().flatten().any(|frame| frame.function.ends_with("::takes"))
            });
            super::is_spawned_at(takes.unwrap_or_else(|| panic!("{report}")), "spawn(takes(pool))");
        },
    );
}
