//! Reading, writing, accepting and connecting.

use std::io::{ErrorKind, IoSlice, IoSliceMut};
use std::net::Shutdown;

use gmp_core::inspect::{Figure, IoWant, PrimitiveKind, WaitReason};
use gmp_core::net::{TcpListener, TcpStream, UdpSocket, UnixListener, UnixStream};
use gmp_core::{go, snapshot, yield_now};

use super::{listen, on_each_runtime, pair};

/// Sends back what comes, until the end.
async fn echo(stream: TcpStream) {
    let mut buf = [0; 64];
    loop {
        match stream.read(&mut buf).await.expect("open") {
            0 => return,
            n => stream.write_all(&buf[..n]).await.expect("open"),
        }
    }
}

#[test]
fn what_is_written_comes_back_from_an_echo() {
    on_each_runtime(|| async {
        let (listener, address) = listen();
        let server = go(async move {
            for _ in 0..8 {
                let (stream, _) = listener.accept().await.expect("listening");
                go(echo(stream));
            }
        });
        let clients: Vec<_> = (0..8u8)
            .map(|i| {
                go(async move {
                    let stream = TcpStream::connect(address).await.expect("listening");
                    for round in 0..50u8 {
                        let sent = [i, round, i ^ round];
                        stream.write_all(&sent).await.expect("open");
                        let mut back = [0; 3];
                        stream.read_exact(&mut back).await.expect("open");
                        assert_eq!(back, sent);
                    }
                })
            })
            .collect();
        for client in clients {
            client.await.expect("no panic");
        }
        server.await.expect("no panic");
    });
}

#[test]
fn a_writer_waits_for_a_peer_that_does_not_read_and_loses_nothing() {
    const LEN: usize = 8 << 20;
    on_each_runtime(|| async {
        let (near, far) = pair().await.expect("loopback");
        let writer = go(async move {
            let data: Vec<u8> = (0..LEN).map(|i| (i / 7) as u8).collect();
            near.write_all(&data).await.expect("open");
        });
        // The writer has to wait: no buffer of the system is that large.
        for _ in 0..10 {
            yield_now().await;
        }
        let mut data = vec![0; LEN];
        far.read_exact(&mut data).await.expect("open");
        assert!(data.iter().enumerate().all(|(i, byte)| *byte == (i / 7) as u8));
        writer.await.expect("no panic");
        assert_eq!(far.read(&mut [0]).await.expect("ended"), 0);
    });
}

#[test]
fn a_half_close_ends_one_direction_only() {
    on_each_runtime(|| async {
        let (near, far) = pair().await.expect("loopback");
        let reader = go(async move {
            let mut all = Vec::new();
            let mut buf = [0; 4];
            while let n @ 1.. = far.read(&mut buf).await.expect("open") {
                all.extend_from_slice(&buf[..n]);
            }
            far.write_all(b"bye").await.expect("that direction is open");
            all
        });
        near.write_all(b"one two three").await.expect("open");
        near.shutdown(Shutdown::Write).expect("connected");
        let mut back = [0; 3];
        near.read_exact(&mut back).await.expect("open");
        assert_eq!((&back, &*reader.await.expect("no panic")), (b"bye", &b"one two three"[..]));
    });
}

#[test]
fn several_buffers_are_written_and_read_in_order() {
    on_each_runtime(|| async {
        let (near, far) = pair().await.expect("loopback");
        let sent = [IoSlice::new(b"ab"), IoSlice::new(b""), IoSlice::new(b"cde")];
        assert_eq!(near.write_vectored(&sent).await.expect("open"), 5);
        let (mut a, mut b) = ([0; 3], [0; 8]);
        let mut got = [IoSliceMut::new(&mut a), IoSliceMut::new(&mut b)];
        assert_eq!(far.read_vectored(&mut got).await.expect("open"), 5);
        assert_eq!((&a, &b[..2]), (b"abc", &b"de"[..]));
        assert_eq!(near.peer_addr().expect("open"), far.local_addr().expect("open"));
    });
}

#[test]
fn halves_go_to_two_goroutines_and_the_one_that_writes_ends_writing() {
    on_each_runtime(|| async {
        let (near, far) = pair().await.expect("loopback");
        let (read, write) = near.into_split();
        let (far_read, far_write) = far.into_split();
        let copy = go(async move {
            let mut buf = [0; 16];
            while let n @ 1.. = far_read.read(&mut buf).await.expect("open") {
                far_write.write_all(&buf[..n]).await.expect("open");
            }
        });
        write.write_all(b"there and back").await.expect("open");
        let mut back = [0; 14];
        read.read_exact(&mut back).await.expect("open");
        assert_eq!(&back, b"there and back");
        let (_, other) = pair().await.expect("loopback").0.into_split();
        let error = read.reunite(other).expect_err("of two streams");
        let stream = error.0.reunite(write).expect("of one");
        stream.shutdown(Shutdown::Write).expect("open");
        copy.await.expect("no panic");
        assert_eq!(stream.read(&mut back).await.expect("ended"), 0);
    });
}

#[test]
fn peeked_bytes_stay_and_a_stream_goes_to_std_and_back() {
    on_each_runtime(|| async {
        let (near, far) = pair().await.expect("loopback");
        let far = TcpStream::from_std(far.into_std().expect("alone")).expect("a socket");
        near.write_all(b"x").await.expect("open");
        let mut buf = [0; 4];
        assert_eq!(far.peek(&mut buf).await.expect("open"), 1);
        assert_eq!(far.read(&mut buf).await.expect("open"), 1);
        assert!(near.nodelay().expect("open"), "as in Go");
    });
}

#[test]
fn udp_datagrams_keep_their_borders_and_any_of_several_receivers_gets_each() {
    on_each_runtime(|| async {
        let receiver = std::sync::Arc::new(UdpSocket::bind("127.0.0.1:0").expect("a free port"));
        let to = receiver.local_addr().expect("bound");
        let all: Vec<_> = (0..4)
            .map(|_| {
                let receiver = receiver.clone();
                go(async move {
                    let mut buf = [0; 8];
                    let (n, _) = receiver.recv_from(&mut buf).await.expect("open");
                    buf[..n].to_vec()
                })
            })
            .collect();
        let sender = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        sender.connect(to).expect("bound");
        for text in [&b"a"[..], b"bb", b"ccc", b"dddd"] {
            sender.send(text).await.expect("room");
        }
        let mut got = Vec::new();
        for one in all {
            got.push(one.await.expect("no panic"));
        }
        got.sort();
        assert_eq!(got, [&b"a"[..], b"bb", b"ccc", b"dddd"]);
    });
}

#[test]
fn unix_connections_are_accepted_and_end() {
    on_each_runtime(|| async {
        let path = std::env::temp_dir().join(format!(
            "gmp-net-{}-{:?}.sock",
            std::process::id(),
            std::thread::current().id()
        ));
        let listener = UnixListener::bind(&path).expect("a free path");
        let server = go(async move { listener.accept().await.expect("listening").0 });
        let near = UnixStream::connect(path.clone()).await.expect("listening");
        let far = server.await.expect("no panic");
        far.write_all(b"hello").await.expect("open");
        drop(far);
        let mut buf = [0; 8];
        assert_eq!(near.read(&mut buf).await.expect("open"), 5);
        assert_eq!(near.read(&mut buf).await.expect("ended"), 0);
        std::fs::remove_file(path).expect("made above");
    });
}

#[test]
fn nobody_listens_and_no_address_are_errors() {
    on_each_runtime(|| async {
        let (listener, address) = listen();
        drop(listener);
        let refused = TcpStream::connect(address).await.expect_err("closed");
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        let none = TcpStream::connect(&[][..]).await.expect_err("none");
        assert_eq!(none.kind(), ErrorKind::InvalidInput);
    });
}

#[test]
fn closing_a_listener_releases_all_who_accept() {
    on_each_runtime(|| async {
        let (listener, address) = listen();
        let listener = std::sync::Arc::new(listener);
        let waiting: Vec<_> = (0..3)
            .map(|_| {
                let listener = listener.clone();
                go(async move { listener.accept().await.expect_err("closed").kind() })
            })
            .collect();
        yield_now().await;
        listener.close();
        for one in waiting {
            assert_eq!(one.await.expect("no panic"), ErrorKind::NotConnected);
        }
        assert!(listener.accept().await.is_err(), "it stays closed");
        assert!(TcpStream::connect(address).await.is_err(), "nobody listens");
    });
}

#[test]
fn an_operation_that_is_dropped_leaves_the_bytes_to_the_next() {
    on_each_runtime(|| async {
        let (near, far) = pair().await.expect("loopback");
        for round in 0..20u8 {
            let mut buf = [0; 4];
            gmp_core::select! {
                biased;
                read = far.read(&mut buf) => panic!("nothing was sent: {read:?}"),
                _ = yield_now() => {},
            }
            near.write_all(&[round]).await.expect("open");
            assert_eq!(far.read(&mut buf).await.expect("open"), 1);
            assert_eq!(buf[0], round);
        }
    });
}

#[test]
fn a_socket_serves_one_runtime_after_another() {
    let (listener, address) = listen();
    for procs in [None, Some(1), None, Some(2)] {
        let body = async {
            let client = go(async move { TcpStream::connect(address).await.map(drop) });
            listener.accept().await.expect("listening");
            client.await.expect("no panic").expect("listening");
        };
        match procs {
            None => gmp_core::block_on(body),
            Some(n) => gmp_core::runtime::Builder::new().procs(n).build().block_on(body),
        }
    }
}

#[test]
fn a_goroutine_that_waits_names_the_socket_and_what_it_waits_for() {
    let runtime = gmp_core::runtime::Builder::new().watch(true).build();
    let addresses = runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let (near, far) = pair().await.expect("loopback");
        let ends = (far.local_addr().unwrap(), far.peer_addr().unwrap());
        let own = listener.local_addr().unwrap();
        go(async move { listener.accept().await.map(drop) });
        go(async move {
            let _near = near;
            far.read(&mut [0; 1]).await.map(drop)
        });
        yield_now().await;
        yield_now().await;
        (own, ends)
    });
    runtime.scope().close();
    let frozen = snapshot::freeze(runtime.scope());
    let waits: Vec<_> = frozen.iter().flat_map(|g| g.waits()).collect();
    assert_eq!(waits.len(), 2);
    for wait in &waits {
        assert_eq!((wait.reason, wait.complete), (WaitReason::IoWait, false));
        assert!(wait.at.file().ends_with("basics.rs") && wait.record.is_some());
    }
    let io = |wait: &gmp_core::inspect::WaitInfo| match &wait.figure {
        Figure::Io { kind, local, peer, want } => (*kind, local.clone(), peer.clone(), *want),
        other => panic!("{other:?}"),
    };
    let (own, (local, peer)) = addresses;
    let (own, local, peer) = (own.to_string(), local.to_string(), peer.to_string());
    assert_eq!(io(&waits[0]), (PrimitiveKind::TcpListener, Some(own), None, IoWant::Accept));
    assert_eq!(io(&waits[1]), (PrimitiveKind::TcpStream, Some(local), Some(peer), IoWant::Read));
}
