//! The service under `#[gmp::test]`: what it answers, how it ends, and the leak that was put into it.

use std::net::SocketAddr;
use std::time::Duration;

use gmp::context::with_cancel;
use gmp::net::{TcpListener, TcpStream};
use gmp::{Chan, chan, go};
use gmp_example_http::{Settings, serve};

/// Starts the service below the context of the test. It ends when the test does.
fn start(settings: Settings) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    go(serve(gmp::test::context(), listener, settings));
    address
}

/// What a client of another kind, on a thread of its own, gets.
async fn ask(ask: impl FnOnce(&ureq::Agent) -> (u16, String) + Send + 'static) -> (u16, String) {
    let answer: Chan<(u16, String)> = chan(1);
    let to = answer.clone();
    std::thread::spawn(move || {
        let config = ureq::Agent::config_builder().http_status_as_error(false).build();
        drop(to.try_send(ask(&config.into())));
    });
    answer.recv().await.expect("the client ends")
}

async fn get(url: String) -> (u16, String) {
    ask(move |agent| {
        let mut response = agent.get(url).call().expect("an answer");
        (response.status().as_u16(), response.body_mut().read_to_string().expect("text"))
    })
    .await
}

#[gmp::test]
async fn words_are_counted_and_unknown_pages_refused() {
    let address = start(Settings::default());
    let count = ask(move |agent| {
        let text = "three words here ".repeat(1_000);
        let url = format!("http://{address}/count");
        let mut response = agent.post(url).send(text).expect("an answer");
        (response.status().as_u16(), response.body_mut().read_to_string().expect("text"))
    });
    assert_eq!(count.await, (200, "3000\n".to_owned()));
    assert_eq!(get(format!("http://{address}/health")).await, (200, "well\n".to_owned()));
    assert_eq!(get(format!("http://{address}/nothing")).await.0, 404);
}

#[gmp::test]
async fn a_text_up_to_the_limit_is_counted_and_a_longer_one_refused() {
    const LIMIT: usize = 1 << 20;
    let address = start(Settings::default());
    let post = |len: usize| {
        ask(move |agent| {
            let url = format!("http://{address}/count");
            let mut response = agent.post(url).send("a".repeat(len)).expect("an answer");
            (response.status().as_u16(), response.body_mut().read_to_string().expect("text"))
        })
    };
    assert_eq!(post(LIMIT).await, (200, "1\n".to_owned()));
    let (status, text) = post(LIMIT + 1).await;
    assert!(status == 400 && text.contains("at most 1 MiB"), "{status}: {text}");
}

/// One request on a connection of its own: the status that comes back.
async fn count(address: SocketAddr) -> String {
    let stream = TcpStream::connect(address).await.expect("listening");
    let request = "POST /count HTTP/1.1\r\nhost: test\r\ncontent-length: 3\r\n\r\nabc";
    stream.write_all(request.as_bytes()).await.expect("open");
    let mut head = [0; 12];
    stream.read_exact(&mut head).await.expect("an answer");
    String::from_utf8_lossy(&head).into_owned()
}

// Nobody works: the queue fills up, and who finds no room waits for it as long as the request may take.
#[gmp::test]
async fn requests_that_a_full_pool_cannot_take_end_at_their_limit() {
    let limit = Duration::from_millis(50);
    let address = start(Settings { workers: 0, limit, ..Settings::default() });
    // More than the queue has room for.
    let clients: Vec<_> = (0..80).map(|_| go(count(address))).collect();
    for client in clients {
        assert_eq!(client.await.expect("no panic"), "HTTP/1.1 503");
    }
    assert_eq!(get(format!("http://{address}/health")).await.0, 200, "others are served");
}

#[gmp::test]
async fn many_clients_are_served_at_a_time() {
    let address = start(Settings { workers: 2, ..Settings::default() });
    let clients: Vec<_> = (1..=20)
        .map(|n| {
            go(ask(move |agent| {
                let url = format!("http://{address}/count");
                let mut response = agent.post(url).send("word ".repeat(n)).expect("an answer");
                (response.status().as_u16(), response.body_mut().read_to_string().expect("text"))
            }))
        })
        .collect();
    for (n, client) in (1..).zip(clients) {
        assert_eq!(client.await.expect("no panic"), (200, format!("{n}\n")));
    }
}

#[gmp::test]
async fn a_request_that_takes_too_long_is_cancelled() {
    let address = start(Settings { limit: Duration::from_millis(5), ..Settings::default() });
    assert_eq!(get(format!("http://{address}/never")).await.0, 503);
}

#[gmp::test]
async fn the_end_of_the_service_waits_for_the_request_under_way() {
    // If the system has more of them than one, an address where nobody else listens: once this is closed nobody answers.
    let host = if cfg!(target_os = "linux") { "127.0.0.21:0" } else { "127.0.0.1:0" };
    let listener = TcpListener::bind(host).expect("a free port");
    let address = listener.local_addr().expect("bound");
    let (ctx, cancel) = with_cancel(&gmp::test::context());
    let service = go(serve(ctx, listener, Settings::default()));
    let stream = TcpStream::connect(address).await.expect("listening");
    let head =
        "POST /count HTTP/1.1\r\nhost: test\r\ncontent-length: 11\r\nexpect: 100-continue\r\n\r\n";
    stream.write_all(head.as_bytes()).await.expect("open");
    // The handler asks for the body: the request is under way.
    let mut buf = [0; 256];
    let n = stream.read(&mut buf).await.expect("open");
    assert!(buf[..n].starts_with(b"HTTP/1.1 100"));
    cancel.cancel();
    stream.write_all(b"to be or no").await.expect("open");
    let mut all = Vec::new();
    while let n @ 1.. = stream.read(&mut buf).await.expect("open") {
        all.extend_from_slice(&buf[..n]);
    }
    let text = String::from_utf8(all).expect("text");
    assert!(text.starts_with("HTTP/1.1 200") && text.ends_with("\r\n\r\n4\n"), "{text}");
    service.await.expect("no panic").expect("it ends well");
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens any more");
}

#[gmp::test]
async fn a_connection_that_is_idle_does_not_keep_the_service_from_ending() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    let (ctx, cancel) = with_cancel(&gmp::test::context());
    let service = go(serve(ctx, listener, Settings::default()));
    let (kept, silent) = (TcpStream::connect(address).await, TcpStream::connect(address).await);
    let (kept, silent) = (kept.expect("listening"), silent.expect("listening"));
    let mut buf = [0; 256];
    kept.write_all(b"GET /health HTTP/1.1\r\nhost: test\r\n\r\n").await.expect("open");
    let n = kept.read(&mut buf).await.expect("open");
    assert!(buf[..n].starts_with(b"HTTP/1.1 200") && buf[..n].ends_with(b"well\n"));
    cancel.cancel();
    service.await.expect("no panic").expect("it ends well");
    for stream in [kept, silent] {
        assert_eq!(stream.read(&mut buf).await.expect("closed, not reset"), 0);
    }
}

#[gmp::test]
async fn a_client_that_goes_away_cancels_its_request() {
    let address = start(Settings::default());
    let stream = TcpStream::connect(address).await.expect("listening");
    stream.write_all(b"GET /never HTTP/1.1\r\nhost: test\r\n\r\n").await.expect("open");
    drop(stream);
    // Nothing of it is left when the test ends: that is what is tested.
    assert_eq!(get(format!("http://{address}/health")).await.0, 200);
}

// The detector finds the goroutine that the handler forgot.
#[gmp::test(expect_leak("1 chan receive: Proven"))]
async fn a_handler_that_ignores_cancellation_leaks_a_goroutine() {
    let limit = Duration::from_millis(5);
    let address = start(Settings { limit, ignore_cancellation: true, ..Settings::default() });
    assert_eq!(get(format!("http://{address}/never")).await.0, 503);
}
