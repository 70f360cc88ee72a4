//! What every stream does, whichever kind it is: the module above says of which these tests are.

use std::io::{ErrorKind, IoSlice, IoSliceMut};
use std::net::Shutdown;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future;
use gmp_core::time::now;
use gmp_core::{go, select, yield_now};

use super::{Stream, connect, listen, pair};
use crate::on_each_runtime;

/// Sends back what comes, until the end.
async fn echo(stream: Stream) {
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
        let address = Arc::new(address);
        let server = go(async move {
            for _ in 0..8 {
                let (stream, _) = listener.accept().await.expect("listening");
                go(echo(stream));
            }
        });
        let clients: Vec<_> = (0..8u8)
            .map(|i| {
                let address = address.clone();
                go(async move {
                    let stream = connect(&address).await.expect("listening");
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
        let (near, far) = pair().await.expect("connected");
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
        let (near, far) = pair().await.expect("connected");
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
        let (near, far) = pair().await.expect("connected");
        let sent = [IoSlice::new(b"ab"), IoSlice::new(b""), IoSlice::new(b"cde")];
        assert_eq!(near.write_vectored(&sent).await.expect("open"), 5);
        let (mut a, mut b) = ([0; 3], [0; 8]);
        let mut got = [IoSliceMut::new(&mut a), IoSliceMut::new(&mut b)];
        assert_eq!(far.read_vectored(&mut got).await.expect("open"), 5);
        assert_eq!((&a, &b[..2]), (b"abc", &b"de"[..]));
    });
}

#[test]
fn halves_go_to_two_goroutines_and_the_one_that_writes_ends_writing() {
    on_each_runtime(|| async {
        let (near, far) = pair().await.expect("connected");
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
        let (_, other) = pair().await.expect("connected").0.into_split();
        let error = read.reunite(other).expect_err("of two streams");
        let stream = error.0.reunite(write).expect("of one");
        stream.shutdown(Shutdown::Write).expect("open");
        copy.await.expect("no panic");
        assert_eq!(stream.read(&mut back).await.expect("ended"), 0);
    });
}

#[test]
fn closing_a_listener_releases_all_who_accept() {
    on_each_runtime(|| async {
        let (listener, _address) = listen();
        let listener = Arc::new(listener);
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
    });
}

#[test]
fn an_operation_that_is_dropped_leaves_the_bytes_to_the_next() {
    on_each_runtime(|| async {
        let (near, far) = pair().await.expect("connected");
        for round in 0..20u8 {
            let mut buf = [0; 4];
            select! {
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
fn a_deadline_ends_the_wait_of_its_direction_until_it_is_moved() {
    on_each_runtime(|| async {
        let (near, far) = pair().await.expect("connected");
        let (near, soon) = (Arc::new(near), Some(now() + Duration::from_millis(2)));
        let reads = near.clone();
        let reader = go(async move { reads.read(&mut [0]).await.expect_err("silent").kind() });
        yield_now().await;
        // Set while somebody waits.
        near.set_read_deadline(soon);
        assert_eq!(reader.await.expect("no panic"), ErrorKind::TimedOut);
        assert_eq!(near.read(&mut [0]).await.expect_err("still").kind(), ErrorKind::TimedOut);
        near.write_all(b"x").await.expect("the other direction has none");
        near.set_read_deadline(None);
        far.write_all(b"y").await.expect("open");
        near.read_exact(&mut [0]).await.expect("it was moved");
        near.set_write_deadline(soon);
        let full = async { while near.write_all(&[0; 1 << 16]).await.is_ok() {} };
        full.await;
        assert_eq!(near.write(b"x").await.expect_err("still").kind(), ErrorKind::TimedOut);
        near.set_deadline(now().checked_sub(Duration::from_millis(1)));
        assert_eq!(near.read(&mut [0]).await.expect_err("past").kind(), ErrorKind::TimedOut);
    });
}

#[test]
fn the_end_of_reading_releases_who_reads_and_writing_goes_on() {
    on_each_runtime(|| async {
        let (near, far) = pair().await.expect("connected");
        let near = Arc::new(near);
        let reads = near.clone();
        let reader = go(async move { reads.read(&mut [0]).await.expect("the end") });
        yield_now().await;
        near.shutdown(Shutdown::Read).expect("connected");
        assert_eq!(reader.await.expect("no panic"), 0);
        near.write_all(b"x").await.expect("that direction is open");
        far.read_exact(&mut [0]).await.expect("open");
    });
}

#[test]
fn the_end_of_both_releases_who_reads_and_who_writes() {
    on_each_runtime(|| async {
        let (near, far) = pair().await.expect("connected");
        let near = Arc::new(near);
        let (reads, writes) = (near.clone(), near.clone());
        let reader = go(async move { reads.read(&mut [0]).await });
        let writer = go(async move {
            loop {
                if let Err(error) = writes.write_all(&[0; 1 << 16]).await {
                    return error.kind();
                }
            }
        });
        yield_now().await;
        near.shutdown(Shutdown::Both).expect("connected");
        assert!(matches!(reader.await.expect("no panic"), Ok(0)));
        assert_eq!(writer.await.expect("no panic"), ErrorKind::BrokenPipe);
        // The peer reads what was sent, and then the end.
        let mut buf = vec![0; 1 << 16];
        while let 1.. = far.read(&mut buf).await.expect("an end, and no reset") {}
    });
}

#[test]
fn halves_that_borrow_read_and_write_at_a_time() {
    on_each_runtime(|| async {
        let (mut near, far) = pair().await.expect("connected");
        let echo = go(echo(far));
        let (read, write) = near.split();
        let mut back = vec![0; 1 << 20];
        let sent = write.write_all(&[3; 1 << 20]);
        let (sent, got) = future::join(sent, read.read_exact(&mut back)).await;
        sent.and(got).expect("open");
        assert!(back.iter().all(|byte| *byte == 3));
        near.shutdown(Shutdown::Write).expect("open");
        echo.await.expect("no panic");
    });
}

#[test]
fn it_goes_to_std_and_back() {
    on_each_runtime(|| async {
        let (near, far) = pair().await.expect("connected");
        let far = Stream::from_std(far.into_std().expect("alone")).expect("a socket");
        near.write_all(b"x").await.expect("open");
        far.read_exact(&mut [0]).await.expect("open");
    });
}

#[test]
fn futures_io_reads_and_writes_with_one_task_for_each_direction() {
    use futures_util::io::{AsyncReadExt, AsyncWriteExt};
    on_each_runtime(|| async {
        let (near, far) = pair().await.expect("connected");
        let (mut read, mut write) = far.into_split();
        let echo = go(async move {
            let copied = futures_util::io::copy(&mut read, &mut write).await.expect("open");
            write.close().await.expect("open");
            copied
        });
        let (mut reads, mut writes) = (&near, &near);
        let sent = async {
            AsyncWriteExt::write_all(&mut writes, &[1; 1 << 20]).await.expect("open");
            AsyncWriteExt::close(&mut writes).await.expect("open");
        };
        let mut all = Vec::new();
        let got = AsyncReadExt::read_to_end(&mut reads, &mut all);
        let ((), got) = future::join(sent, got).await;
        assert_eq!((got.expect("ended"), echo.await.expect("no panic")), (1 << 20, 1 << 20));
        assert!(all.iter().all(|byte| *byte == 1));
    });
}

#[test]
fn tokio_io_reads_and_writes_without_tokio() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    on_each_runtime(|| async {
        let (mut near, far) = pair().await.expect("connected");
        let echo = go(async move {
            let (mut read, mut write) = far.into_split();
            tokio::io::copy(&mut read, &mut write).await.expect("open")
        });
        AsyncWriteExt::write_all(&mut near, b"hello").await.expect("open");
        AsyncWriteExt::shutdown(&mut near).await.expect("open");
        let mut all = String::new();
        AsyncReadExt::read_to_string(&mut near, &mut all).await.expect("ended");
        assert_eq!((all.as_str(), echo.await.expect("no panic")), ("hello", 5));
    });
}

#[test]
fn hyper_reads_and_writes() {
    use hyper::rt::{Read, ReadBuf, Write};
    use std::future::poll_fn;
    use std::pin::Pin;
    on_each_runtime(|| async {
        let (mut near, far) = pair().await.expect("connected");
        let echo = go(echo(far));
        assert!(near.is_write_vectored());
        let sent = [IoSlice::new(b"he"), IoSlice::new(b"llo")];
        let wrote = poll_fn(|cx| Pin::new(&mut near).poll_write_vectored(cx, &sent));
        assert_eq!(wrote.await.expect("room"), 5);
        poll_fn(|cx| Pin::new(&mut near).poll_flush(cx)).await.expect("nothing is kept back");
        // Less room than was sent: the rest stays.
        for expected in [&b"hel"[..], b"lo"] {
            let mut room = [0; 3];
            let mut buf = ReadBuf::new(&mut room);
            let read = poll_fn(|cx| Pin::new(&mut near).poll_read(cx, buf.unfilled()));
            read.await.expect("open");
            assert_eq!(buf.filled(), expected);
        }
        poll_fn(|cx| Pin::new(&mut near).poll_shutdown(cx)).await.expect("open");
        echo.await.expect("no panic");
    });
}

#[test]
fn a_stream_polled_by_another_runtime_is_woken_too() {
    let (near, far) = gmp_core::block_on(pair()).expect("connected");
    // The executor of futures is no runtime of ours: the global one watches for it.
    let reader = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("tokio");
        runtime.block_on(async move {
            let mut buf = [0; 4];
            far.read_exact(&mut buf).await.map(|()| buf)
        })
    });
    gmp_core::block_on(async { near.write_all(b"ping").await }).expect("open");
    assert_eq!(&reader.join().expect("no panic").expect("open"), b"ping");
}
