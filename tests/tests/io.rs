//! The detector and the network: who waits for it is External, or Timer with a deadline, and is evidence.

use std::time::Duration;

use gmp::go;
use gmp::net::{TcpListener, TcpStream, UdpSocket};
#[cfg(unix)]
use gmp::process::Command;

#[cfg(unix)]
const PAIR: u32 = line!();
async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    let near = TcpStream::connect(address).await.expect("listening");
    (near, listener.accept().await.expect("connected").0)
}

#[gmp::test(linger = "1ms", expect_leak("1 IO wait: External"))]
async fn a_reader_whose_peer_is_silent() {
    let (near, far) = pair().await;
    go(async move {
        let _near = near;
        far.read(&mut [0]).await.map(drop)
    });
}

#[gmp::test(linger = "1ms", expect_leak("1 IO wait: Timer"))]
async fn a_reader_with_a_deadline_that_is_far() {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    socket.set_read_deadline(Some(gmp::time::now() + Duration::from_secs(60)));
    go(async move { socket.recv(&mut [0]).await.map(drop) });
}

#[cfg(unix)]
#[gmp::test(linger = "1ms", expect_leak("1 IO wait: External"))]
async fn whoever_waits_for_a_child() {
    let mut sleep = Command::new("sleep");
    let child = sleep.arg("1000").kill_on_drop(true).spawn().expect("sleep");
    go(async move {
        let mut child = child;
        child.wait().await.map(drop)
    });
}

#[cfg(unix)]
#[gmp::test(linger = "10s")]
async fn what_is_under_way_when_the_body_ends_is_waited_for() {
    let (near, far) = pair().await;
    go(async move { far.read_exact(&mut [0; 1]).await.expect("open") });
    go(async move {
        // A process of its own: nothing in this one is ready meanwhile.
        let status = Command::new("true").status().await.expect("a program of every system");
        assert!(status.success());
        near.write_all(b"x").await.expect("open");
    });
}

#[gmp::test]
async fn a_body_that_waits_for_the_network_is_not_asleep() {
    let (near, far) = pair().await;
    let near = near.into_std().expect("alone");
    let thread = std::thread::spawn(move || std::io::Write::write_all(&mut &near, b"x"));
    far.read_exact(&mut [0; 1]).await.expect("open");
    thread.join().expect("no panic").expect("open");
}

#[cfg(unix)]
#[gmp::test]
async fn a_body_that_waits_for_a_signal_is_not_asleep() {
    use gmp::signal::{self, Signal};
    let signals = gmp::chan(1);
    let _notify = signal::notify(&signals, [Signal::USER_1]).expect("can be caught");
    // Neither a thread nor a goroutine of this process knows that it comes.
    let mut kill = std::process::Command::new("sh");
    let mut child = kill.args(["-c", "kill -USR1 $PPID"]).spawn().expect("a shell");
    assert_eq!(signals.recv().await, Some(Signal::USER_1));
    assert!(child.wait().expect("a child").success());
}

#[cfg(target_os = "linux")]
mod reports {
    //! What reports say about who waits for the network, for a child and for a timer.

    use std::net::SocketAddr;
    use std::sync::{Arc, Mutex};

    use gmp::__private::{Submission, examine, inventory};
    use gmp::leak::{Report, Verdict};
    use gmp::net::{UnixListener, UnixStream};
    use gmp::process::Stdio;
    use gmp::report::finding::Figure;
    use gmp::time::{Ticker, Timer, sleep};
    use gmp::yield_now;

    use super::*;

    /// Reads until somebody else ends it.
    macro_rules! reads {
        ($what:ident) => {
            go(async move { $what.read(&mut [0]).await.map(drop) })
        };
    }

    /// A listener that has no room for another connection.
    async fn full() -> (std::net::TcpListener, Vec<TcpStream>) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        rustix::net::listen(&listener, 0).expect("it listens");
        let address = listener.local_addr().expect("bound");
        let one = TcpStream::connect(address).await.expect("room for one");
        (listener, vec![one])
    }

    /// The report on the submitted test `name`.
    fn report(name: &str) -> Report {
        let all = inventory::iter::<Submission>();
        let mut all = all.map(|submission| submission.0);
        examine(all.find(|descriptor| descriptor.path() == name).expect("submitted"))
    }

    /// The text with the numbers of goroutines and primitives, and with how long was waited, left out.
    fn steady(text: &str) -> String {
        let mut steady = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['G', '#']) {
            let (before, after) = rest.split_at(at + 1);
            steady.push_str(before);
            let is_id = !before[..at].ends_with(|c: char| c.is_alphanumeric());
            rest =
                if is_id { after.trim_start_matches(|c: char| c.is_ascii_digit()) } else { after };
        }
        steady + rest
    }

    /// What a report writes behind `= name: ` in each finding, on one line each.
    fn entries(text: &str) -> Vec<(String, String)> {
        let findings = text.split("\n\n").filter(|block| block.starts_with("leak["));
        let all = findings.map(|block| {
            let mut entries: Vec<String> = Vec::new();
            let mut open = false;
            for line in block.lines() {
                let text = line.trim_start();
                if let Some(entry) = text.strip_prefix("= ") {
                    entries.push(entry.to_owned());
                    open = true;
                } else if open && line.len() - text.len() > 8 {
                    let last = entries.last_mut().expect("it is open");
                    *last = format!("{last} {text}");
                } else {
                    open = false;
                }
            }
            assert_eq!(entries.len(), 2, "{block}");
            let fix = entries.pop().expect("two");
            (entries.pop().expect("two"), fix.strip_prefix("fix: ").expect("the last").to_owned())
        });
        all.collect()
    }

    /// Leaves out how long something was waited for.
    fn since_left_out(figure: &str) -> String {
        let (before, after) = figure.split_once(" for ").expect("since when");
        // "for a connection for 3 ms" has it twice.
        match after.split_once(" for ") {
            Some((more, after)) => {
                format!("{before} for {more}{}", &after[after.find(',').expect("more")..])
            }
            None => format!("{before}{}", &after[after.find(',').expect("more")..]),
        }
    }

    /// Addresses of the sockets of the test below, and the child.
    #[derive(Clone, Default)]
    struct Known(Arc<Mutex<(Vec<SocketAddr>, u32)>>);

    #[test]
    fn the_socket_both_addresses_the_direction_and_since_when_are_named() {
        let known = Known::default();
        let tell = known.clone();
        let line = line!();
        let report = gmp::leak::examine("waits", move || async move {
            let mut addresses = Vec::new();
            let (near, far) = pair().await;
            addresses.extend([far.local_addr().unwrap(), far.peer_addr().unwrap()]);
            reads!(far);
            let (other, reader) = pair().await;
            addresses.extend([other.local_addr().unwrap(), other.peer_addr().unwrap()]);
            go(async move { while other.write_all(&[0; 4096]).await.is_ok() {} });
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            addresses.push(listener.local_addr().unwrap());
            go(async move { listener.accept().await.map(drop) });
            let full = full().await;
            let to = full.0.local_addr().unwrap();
            addresses.push(to);
            // Until the first has arrived there is room for another.
            go(async move { while TcpStream::connect(to).await.map(std::mem::forget).is_ok() {} });
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            addresses.push(socket.local_addr().unwrap());
            go(async move { socket.recv(&mut [0]).await.map(drop) });
            let (a, b) = UnixStream::pair().unwrap();
            reads!(b);
            let mut cat = Command::new("cat");
            let mut child = cat.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
            let (input, output) = (child.stdin.take(), child.stdout.take().unwrap());
            let pid = child.id();
            go(async move { child.wait().await.map(drop) });
            reads!(output);
            yield_now().await;
            yield_now().await;
            *tell.0.lock().unwrap() = (addresses, pid);
            // They wait until the check is over.
            std::mem::forget((near, reader, full, a, input));
        });
        let report = report.expect("good settings");
        for found in &report.findings {
            assert_eq!(found.verdict, Verdict::External);
            let waits = found.waits.iter().filter_map(|wait| wait.primitive.as_ref());
            let since: Vec<_> = waits
                .map(|primitive| match &primitive.figure {
                    Figure::Io { since, .. } => *since,
                    other => panic!("{other:?}"),
                })
                .collect();
            // As long as the check has lingered for it.
            assert!(since.len() == 1 && since[0] >= Duration::from_millis(50), "{since:?}");
        }
        let (at, pid) = known.0.lock().unwrap().clone();
        let here =
            |plus: u32, column: u32| format!("made at tests/tests/io.rs:{}:{column}", line + plus);
        let made_in_pair =
            |line: u32, column: u32| format!("made at tests/tests/io.rs:{line}:{column}");
        let beside =
            "in a `select!` beside `ctx.done()`, or close that end before the test returns.";
        let silent = |who: &str| {
            format!(
                "Nothing came from the other end{who}, and it has not ended. Set a read deadline, read {beside}"
            )
        };
        let local_peer = |n: usize| format!("local {}, peer {}", at[n], at[n + 1]);
        let expected = [
            (
                format!("tcp #: waiting to read, {}, {}", local_peer(0), made_in_pair(PAIR + 5, 21)),
                silent(&format!(" ({})", at[1])),
            ),
            (
                format!("tcp #: waiting to write, {}, {}", local_peer(2), made_in_pair(PAIR + 4, 16)),
                format!(
                    "No room to write: the other end ({}) does not read. Set a write deadline, write {beside}",
                    at[3]
                ),
            ),
            (
                format!("tcp-listener #: waiting for a connection, local {}, {}", at[4], here(9, 28)),
                "Nobody connects any more. Accept in a `select!` beside `ctx.done()`, or `close()` the \
                 listener when the service ends."
                    .to_owned(),
            ),
            (
                format!("tcp #: waiting to be connected, peer {}, {}", at[5], here(16, 35)),
                format!(
                    "No answer came from the other end ({}). Put `gmp::time::timeout` around the connecting, \
                     or do it in a `select!` beside `ctx.done()`.",
                    at[5]
                ),
            ),
            (format!("udp #: waiting to read, local {}, {}", at[6], here(17, 26)), silent("")),
            (format!("unix #: waiting to read, {}", here(20, 26)), silent("")),
            (
                format!("process #: waiting until it exits, pid {pid}, {}", here(23, 78)),
                "The child has not exited. Kill it, start it with `kill_on_drop(true)`, or wait for it in \
                 a `select!` beside `ctx.done()`."
                    .to_owned(),
            ),
            (format!("pipe #: waiting to read, {}", here(23, 78)), silent("")),
        ];
        let told = entries(&steady(&report.to_string()));
        let mut told: Vec<_> =
            told.into_iter().map(|(figure, fix)| (since_left_out(&figure), fix)).collect();
        // Only the system knows the port that it connects from.
        let connects = &mut told[3].0;
        let (local, peer) = connects.split_once(", peer ").expect("both");
        let (wants, _) = local.split_once(", local 127.0.0.1:").expect("its own end");
        *connects = format!("{wants}, peer {peer}");
        for (told, expected) in told.iter().zip(&expected) {
            assert_eq!(told, expected);
        }
        assert_eq!(told.len(), expected.len(), "{report}");
    }

    const TIMERS: u32 = line!();
    #[gmp::test(clock = "virtual", linger = "1h", expect_leak)]
    async fn timers() {
        go(sleep(Duration::from_secs(36_000)));
        let timer = Timer::new(Duration::from_secs(7_200));
        go(async move { timer.recv().await });
        let ticker = Ticker::new(Duration::from_secs(10_800));
        go(async move { ticker.recv().await });
    }

    #[test]
    fn a_timer_is_shown_with_the_time_left_and_its_line() {
        let text = steady(&report("reports::timers").to_string());
        let (findings, _) = text.split_once("\n\nstock").expect("what follows the findings");
        let [sleeper, timer, receiver, ticker, ticked] = [3, 4, 5, 6, 7].map(|plus| TIMERS + plus);
        let expected = format!(
            "\
Error: gmp: 3 goroutines leaked in reports::timers: G in sleep at tests/tests/io.rs:{sleeper} (Timer), G in chan \
receive at tests/tests/io.rs:{receiver} (Timer) and G in chan receive at tests/tests/io.rs:{ticked} (Timer)

leak[GMP014, Timer]: 1 goroutine is in sleep: G
    = timer: due in 10 h
   --> tests/tests/io.rs:{sleeper}:12
{sleeper} | go(sleep(Duration::from_secs(36_000)));
    |    ^^^^^ sleep
   ::: tests/tests/io.rs:{sleeper}:9
{sleeper} | go(sleep(Duration::from_secs(36_000)));
    | -- started here by G
    = fix: Its timer, due in 10 h, outlives the test. Wait in a `select!` for it
           and for `ctx.done()`, or keep the `JoinHandle` from
           tests/tests/io.rs:{sleeper} and `abort()` it.

leak[GMP014, Timer]: 1 goroutine is in chan receive: G
    = timer #: due in 2 h, 1 handle, made at tests/tests/io.rs:{timer}:21
   --> tests/tests/io.rs:{receiver}:31 in io::reports::timers
{receiver} | go(async move {{ timer.recv().await }});
    |                       ^^^^ chan receive on timer #
   ::: tests/tests/io.rs:{receiver}:9
{receiver} | go(async move {{ timer.recv().await }});
    | -- started here by G
    = fix: Its timer, due in 2 h, outlives the test. Wait in a `select!` for it
           and for `ctx.done()`, or keep the `JoinHandle` from
           tests/tests/io.rs:{receiver} and `abort()` it.

leak[GMP014, Timer]: 1 goroutine is in chan receive: G
    = ticker #: due in 3 h, every 3 h, 1 handle, made at
           tests/tests/io.rs:{ticker}:22
   --> tests/tests/io.rs:{ticked}:32 in io::reports::timers
{ticked} | go(async move {{ ticker.recv().await }});
    |                        ^^^^ chan receive on ticker #
   ::: tests/tests/io.rs:{ticked}:9
{ticked} | go(async move {{ ticker.recv().await }});
    | -- started here by G
    = fix: A ticker never ends by itself, and stopping it does not close its
           channel. Receive from `ticker` in a `select!` beside `ctx.done()`,
           and stop it when the loop ends."
        );
        assert_eq!(findings, expected);
    }

    #[gmp::test(
        linger = "1ms",
        ignore(
            "tcp:*/io.rs",
            "tcp-listener:*/io.rs",
            "udp:*/io.rs",
            "unix:*/io.rs",
            "unix-listener:*/io.rs",
            "pipe:*/io.rs",
            "process:*/io.rs"
        )
    )]
    async fn allowed() {
        let (near, far) = pair().await;
        reads!(far);
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        go(async move { listener.accept().await.map(drop) });
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        go(async move { socket.recv(&mut [0]).await.map(drop) });
        let (a, b) = UnixStream::pair().expect("a pair");
        reads!(b);
        let path = std::env::temp_dir().join(format!("gmp-io-{}.sock", std::process::id()));
        let listener = UnixListener::bind(&path).expect("a free path");
        std::fs::remove_file(path).expect("made just now");
        go(async move { listener.accept().await.map(drop) });
        let mut cat = Command::new("cat");
        let mut child = cat.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("cat");
        let (input, output) = (child.stdin.take(), child.stdout.take().expect("a pipe"));
        reads!(output);
        go(async move { child.wait().await.map(drop) });
        std::mem::forget((near, a, input));
    }

    #[test]
    fn each_kind_of_rule_hides_what_it_speaks_of_and_nothing_else() {
        let report = report("reports::allowed");
        let hidden: Vec<_> =
            report.hidden.iter().map(|hidden| (hidden.rule.as_str(), hidden.count)).collect();
        let expected = [
            ("tcp:*/io.rs", 1),
            ("tcp-listener:*/io.rs", 1),
            ("udp:*/io.rs", 1),
            ("unix:*/io.rs", 1),
            ("unix-listener:*/io.rs", 1),
            ("pipe:*/io.rs", 1),
            ("process:*/io.rs", 1),
        ];
        assert_eq!(hidden, expected, "{report}");
    }
}
