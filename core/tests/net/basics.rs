//! What only TCP and UDP sockets do, and what the runtime knows of all of them.

use std::io::ErrorKind;
use std::time::Duration;

use gmp_core::inspect::{Figure, IoWant, PrimitiveKind, WaitReason};
use gmp_core::net::{TcpListener, TcpStream, UdpSocket};
use gmp_core::{go, snapshot, yield_now};

use super::{listen, listen_apart, on_each_runtime, pair};

#[test]
fn peeked_bytes_stay_and_options_are_those_of_the_system() {
    on_each_runtime(|| async {
        let (near, far) = pair().await.expect("loopback");
        near.write_all(b"x").await.expect("open");
        let mut buf = [0; 4];
        assert_eq!(far.peek(&mut buf).await.expect("open"), 1);
        assert_eq!(far.read(&mut buf).await.expect("open"), 1);
        assert!(near.nodelay().expect("open"), "as in Go");
        near.set_nodelay(false).expect("open");
        assert!(!near.nodelay().expect("open"));
        assert_eq!(near.peer_addr().expect("open"), far.local_addr().expect("open"));
        assert!(near.take_error().expect("open").is_none());
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
fn a_datagram_is_looked_at_cut_off_and_no_more_once_it_is_closed() {
    on_each_runtime(|| async {
        let socket = || UdpSocket::bind("127.0.0.1:0").expect("a free port");
        let (near, far) = (socket(), std::sync::Arc::new(socket()));
        let (from, to) = (near.local_addr().expect("bound"), far.local_addr().expect("bound"));
        near.send_to(b"first", to).await.expect("room");
        near.send_to(b"second", to).await.expect("room");
        let mut buf = [0; 3];
        assert_eq!(far.peek_from(&mut buf).await.expect("open"), (3, from));
        assert_eq!(far.recv_from(&mut buf).await.expect("open"), (3, from));
        assert_eq!(&buf, b"fir");
        // What did not fit is lost: the next is the next.
        assert_eq!(far.recv_from(&mut buf).await.expect("open"), (3, from));
        assert_eq!(&buf, b"sec");
        far.as_std().set_broadcast(true).expect("an option of the system");
        assert!(far.as_std().broadcast().expect("open"));
        let waits = far.clone();
        let waiting = go(async move { waits.recv(&mut [0]).await.expect_err("closed").kind() });
        yield_now().await;
        far.close();
        assert_eq!(waiting.await.expect("no panic"), ErrorKind::NotConnected);
        assert_eq!(far.send_to(b"x", from).await.expect_err("too").kind(), ErrorKind::NotConnected);
    });
}

#[test]
fn names_are_looked_up_and_the_addresses_tried_one_after_the_other() {
    on_each_runtime(|| async {
        let (listener, address) = listen();
        // It may stand for an address of version 6 first, where nobody listens.
        let near = TcpStream::connect(format!("localhost:{}", address.port())).await;
        let near = near.expect("one of its addresses");
        assert_eq!(near.peer_addr().expect("open"), address);
        drop(listener.accept().await.expect("connected"));
        let refused = {
            let (closed, address) = listen_apart(11);
            drop(closed);
            address
        };
        let near = TcpStream::connect(&[refused, address][..]).await.expect("the second");
        assert_eq!(near.peer_addr().expect("open"), address);
        drop(listener.accept().await.expect("connected"));
        assert!(TcpStream::connect("no port").await.is_err());
    });
}

#[test]
fn addresses_of_version_6_are_connected_to() {
    on_each_runtime(|| async {
        let listener = match TcpListener::bind("[::1]:0") {
            Ok(listener) => listener,
            Err(error) => return println!("skipped: this system has no IPv6: {error}"),
        };
        let address = listener.local_addr().expect("bound");
        let near = TcpStream::connect(address).await.expect("listening");
        let (far, from) = listener.accept().await.expect("connected");
        assert_eq!((near.local_addr().expect("open"), address.is_ipv6()), (from, true));
        near.write_all(b"x").await.expect("open");
        far.read_exact(&mut [0]).await.expect("open");
    });
}

#[test]
fn nobody_listens_and_no_address_are_errors() {
    on_each_runtime(|| async {
        let (listener, address) = listen_apart(12);
        drop(listener);
        let refused = TcpStream::connect(address).await.expect_err("closed");
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        let none = TcpStream::connect(&[][..]).await.expect_err("none");
        assert_eq!(none.kind(), ErrorKind::InvalidInput);
    });
}

#[test]
fn a_listener_that_is_closed_refuses_and_one_with_a_deadline_waits_no_longer() {
    on_each_runtime(|| async {
        let (listener, address) = listen_apart(13);
        listener.set_deadline(Some(gmp_core::time::now() + Duration::from_millis(2)));
        assert_eq!(listener.accept().await.expect_err("late").kind(), ErrorKind::TimedOut);
        listener.close();
        assert!(TcpStream::connect(address).await.is_err(), "nobody listens");
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
