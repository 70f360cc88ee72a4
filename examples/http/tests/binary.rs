//! The program itself: it is started, asked over HTTP, told to end by a signal, and ends as it should.
#![cfg(unix)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

/// Far more than anything here takes.
const LIMIT: Duration = Duration::from_secs(60);

/// If the system has more of them than one, an address where nobody else listens: a port that was closed is nobody's.
const HOST: &str = if cfg!(target_os = "linux") { "127.0.0.22:0" } else { "127.0.0.1:0" };

/// The running service. It is killed if the test fails.
struct Service {
    child: Child,
    lines: Receiver<String>,
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Service {
    /// Starts it on a free port, and gives the port's address.
    fn start() -> (Self, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gmp-example-http"));
        let mut child = command.arg(HOST).stdout(Stdio::piped()).spawn().expect("it was built");
        let out = BufReader::new(child.stdout.take().expect("a pipe"));
        let (tell, lines) = channel();
        std::thread::spawn(move || {
            out.lines().map_while(Result::ok).for_each(|line| drop(tell.send(line)));
        });
        let service = Self { child, lines };
        let line = service.line();
        let address = line.strip_prefix("listening on http://").expect(&line).to_owned();
        (service, address)
    }

    /// The next line that it prints.
    fn line(&self) -> String {
        self.lines.recv_timeout(LIMIT).expect("it prints something")
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        let kill = Command::new("kill").args([signal, &pid]).status();
        assert!(kill.expect("a program of every system").success());
    }

    /// It has printed all, and has exited well.
    fn ended(mut self) {
        assert_eq!(self.line(), "bye");
        assert_eq!(self.lines.recv_timeout(LIMIT), Err(RecvTimeoutError::Disconnected));
        assert!(self.child.wait().expect("a child").success());
    }
}

fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).expect("listening");
    stream.set_read_timeout(Some(LIMIT)).expect("not zero");
    stream
}

/// Sends a text and reads until what came back ends with `end`.
fn ask(mut stream: &TcpStream, text: &str, end: &str) -> String {
    stream.write_all(text.as_bytes()).expect("open");
    let (mut all, mut buf) = (String::new(), [0; 256]);
    while !all.ends_with(end) {
        let n = stream.read(&mut buf).expect("in time");
        assert_ne!(n, 0, "{all}");
        all.push_str(std::str::from_utf8(&buf[..n]).expect("text"));
    }
    all
}

/// Reads the end of a connection.
fn is_closed(mut stream: &TcpStream) {
    assert_eq!(stream.read(&mut [0]).expect("in time"), 0);
}

#[test]
fn it_answers_a_client_until_it_is_told_to_end() {
    for (signal, name) in [("-TERM", "SIGTERM"), ("-INT", "SIGINT")] {
        let (service, address) = Service::start();
        let mut answer = ureq::post(format!("http://{address}/count"))
            .send("how many words")
            .expect("an answer");
        assert_eq!(answer.body_mut().read_to_string().expect("text"), "3\n");
        // One connection is idle, another is in the middle of a request.
        let (idle, busy) = (connect(&address), connect(&address));
        ask(&idle, "GET /health HTTP/1.1\r\nhost: test\r\n\r\n", "well\n");
        let head = "POST /count HTTP/1.1\r\nhost: test\r\ncontent-length: 11\r\n\
                    expect: 100-continue\r\n\r\n";
        assert!(ask(&busy, head, "\r\n\r\n").starts_with("HTTP/1.1 100"));
        service.signal(signal);
        assert_eq!(
            service.line(),
            format!("{name}: no new requests, those under way are finished")
        );
        is_closed(&idle);
        assert!(ask(&busy, "to be or no", "\r\n\r\n4\n").starts_with("HTTP/1.1 200"));
        is_closed(&busy);
        service.ended();
        assert!(TcpStream::connect(address).is_err(), "nobody listens any more");
    }
}

#[test]
fn an_address_that_is_taken_is_said_and_the_program_fails() {
    let (_service, address) = Service::start();
    let second = Command::new(env!("CARGO_BIN_EXE_gmp-example-http")).arg(address).output();
    let second = second.expect("it was built");
    assert_eq!(second.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&second.stderr).contains("AddrInUse"));
}
