//! Go's deadlines of sockets.

/// <https://github.com/golang/go/blob/master/src/net/timeout_test.go>
///
/// Left out: `Dial` with a time limit, which is `gmp::time::timeout` around `connect`, and its limit of the
/// largest duration.
mod timeout_test {
    use std::io::{self, ErrorKind};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    use gmp::net::{TcpListener, TcpStream, UdpSocket};
    use gmp::time::{Instant, now};
    use gmp::{go, yield_now};

    const MS: Duration = Duration::from_millis(1);

    fn past() -> Option<Instant> {
        now().checked_sub(5 * MS)
    }

    fn later(by: Duration) -> Option<Instant> {
        Some(now() + by)
    }

    #[track_caller]
    fn timed_out<T: std::fmt::Debug>(result: io::Result<T>) {
        let error = result.expect_err("its deadline has passed");
        assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
    }

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        let near = TcpStream::connect(address).await.expect("listening");
        (near, listener.accept().await.expect("connected").0)
    }

    // TestAcceptTimeout
    #[gmp::test]
    async fn accept_fails_when_its_deadline_passes_and_again_until_it_is_moved() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        for deadline in [past(), later(5 * MS)] {
            listener.set_deadline(deadline);
            timed_out(listener.accept().await);
            timed_out(listener.accept().await);
        }
        let address = listener.local_addr().expect("bound");
        let _near = TcpStream::connect(address).await.expect("listening");
        timed_out(listener.accept().await);
        listener.set_deadline(None);
        assert!(listener.accept().await.is_ok(), "the connection waited in line");
    }

    // TestAcceptTimeoutMustReturn
    #[gmp::test]
    async fn the_last_deadline_set_counts() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let begin = now();
        listener.set_deadline(past());
        listener.set_deadline(None);
        listener.set_deadline(later(10 * MS));
        timed_out(listener.accept().await);
        assert!(now() - begin >= 10 * MS);
    }

    // TestAcceptTimeoutMustNotReturn
    #[gmp::test]
    async fn accept_waits_once_a_past_deadline_is_taken_away() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        listener.set_deadline(past());
        listener.set_deadline(None);
        let accepting = go(async move { listener.accept().await.map(drop) });
        yield_now().await;
        let _near = TcpStream::connect(address).await.expect("listening");
        assert!(accepting.await.expect("no panic").is_ok());
    }

    // TestReadTimeout
    #[gmp::test]
    async fn a_read_fails_once_its_deadline_has_passed_though_there_is_something_to_read() {
        let (near, far) = pair().await;
        far.write_all(b"to be read").await.expect("open");
        let mut one = [0];
        for _ in 0..2 {
            near.set_read_deadline(past());
            timed_out(near.read(&mut one).await);
            timed_out(near.read(&mut one).await);
            near.set_read_deadline(later(Duration::from_secs(3_600)));
            assert_eq!(near.read(&mut one).await.expect("revived"), 1);
        }
        near.set_read_deadline(later(MS));
        while near.read(&mut one).await.is_ok() {}
        timed_out(near.read(&mut one).await);
    }

    // TestReadTimeoutMustNotReturn, TestWriteTimeoutMustNotReturn
    #[gmp::test]
    async fn the_deadline_of_one_direction_leaves_the_other_alone() {
        let (near, far) = pair().await;
        let near = Arc::new(near);
        near.set_deadline(past());
        near.set_write_deadline(past());
        near.set_read_deadline(None);
        let reader = near.clone();
        let reading = go(async move { reader.read(&mut [0; 8]).await });
        yield_now().await;
        timed_out(near.write(b"x").await);
        far.write_all(b"late").await.expect("open");
        assert_eq!(reading.await.expect("no panic").expect("no deadline"), 4);
        near.set_deadline(past());
        near.set_write_deadline(None);
        timed_out(near.read(&mut [0; 8]).await);
        near.write_all(b"goes").await.expect("no deadline");
    }

    // TestReadFromTimeout, TestWriteToTimeout
    #[gmp::test]
    async fn datagrams_have_the_same_deadlines() {
        let (a, b) = (UdpSocket::bind("127.0.0.1:0"), UdpSocket::bind("127.0.0.1:0"));
        let (a, b) = (a.expect("a free port"), b.expect("a free port"));
        let to = b.local_addr().expect("bound");
        for deadline in [past(), later(2 * MS)] {
            b.set_read_deadline(deadline);
            timed_out(b.recv_from(&mut [0; 8]).await);
            timed_out(b.recv_from(&mut [0; 8]).await);
        }
        a.set_write_deadline(past());
        timed_out(a.send_to(b"x", to).await);
        a.set_write_deadline(None);
        a.send_to(b"x", to).await.expect("revived");
        timed_out(b.recv_from(&mut [0; 8]).await);
        b.set_read_deadline(None);
        assert_eq!(b.recv_from(&mut [0; 8]).await.expect("revived").0, 1);
    }

    // TestWriteTimeout, TestWriteTimeoutFluctuation
    #[gmp::test]
    async fn a_write_that_waits_for_room_fails_when_its_deadline_passes() {
        let (near, _far) = pair().await;
        near.set_write_deadline(past());
        timed_out(near.write(b"x").await);
        for by in [MS, 5 * MS, 10 * MS] {
            let deadline = now() + by;
            near.set_write_deadline(Some(deadline));
            // Nobody reads: at last there is no room.
            let failed = loop {
                if let Err(error) = near.write(&[0; 4096]).await {
                    break error;
                }
            };
            assert_eq!(failed.kind(), ErrorKind::TimedOut);
            assert!(now() >= deadline, "not before its time");
        }
    }

    // TestReadTimeoutFluctuation, TestReadFromTimeoutFluctuation
    #[gmp::test]
    async fn no_deadline_however_short_fires_before_its_moment() {
        let (near, _far) = pair().await;
        let udp = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        for micros in [1, 10, 100, 500, 1_000, 2_500, 5_000] {
            let deadline = now() + Duration::from_micros(micros);
            near.set_read_deadline(Some(deadline));
            timed_out(near.read(&mut [0]).await);
            assert!(now() >= deadline);
            let deadline = now() + Duration::from_micros(micros);
            udp.set_read_deadline(Some(deadline));
            timed_out(udp.recv(&mut [0]).await);
            assert!(now() >= deadline);
        }
    }

    /// Reads from a peer that never stops to write, for as long as the deadline lets it.
    async fn various() {
        for micros in [1, 100, 1_000, 5_000, 20_000] {
            let (near, far) = pair().await;
            let writer = go(async move { while far.write_all(&[1; 1024]).await.is_ok() {} });
            let deadline = now() + Duration::from_micros(micros);
            near.set_deadline(Some(deadline));
            let mut buf = [0; 512];
            let failed = loop {
                if let Err(error) = near.read(&mut buf).await {
                    break error;
                }
            };
            assert_eq!(failed.kind(), ErrorKind::TimedOut);
            assert!(now() >= deadline);
            drop(near);
            writer.await.expect("it ends with the connection");
        }
    }

    // TestVariousDeadlines
    #[gmp::test]
    async fn a_stream_that_never_runs_dry_is_read_until_the_deadline() {
        various().await;
    }

    // TestVariousDeadlines1Proc, TestVariousDeadlines4Proc
    #[test]
    fn the_same_with_one_and_with_four_ps_of_their_own() {
        for procs in [1, 4] {
            gmp::runtime::Builder::new().procs(procs).build().block_on(various());
        }
    }

    // TestReadWriteProlongedTimeout
    #[gmp::test]
    async fn a_deadline_that_is_moved_on_and_on_never_fires() {
        let (near, far) = pair().await;
        let near = Arc::new(near);
        let mover = near.clone();
        let moving = go(async move {
            for _ in 0..200 {
                mover.set_deadline(later(Duration::from_secs(60)));
                yield_now().await;
            }
        });
        for round in 0..200u8 {
            near.set_deadline(later(Duration::from_secs(60)));
            near.write_all(&[round]).await.expect("in time");
            let mut one = [0];
            far.read_exact(&mut one).await.expect("open");
            far.write_all(&one).await.expect("open");
            near.read_exact(&mut one).await.expect("in time");
            assert_eq!(one, [round]);
        }
        moving.await.expect("no panic");
    }

    // TestReadWriteDeadlineRace
    #[test]
    fn deadlines_are_set_while_both_directions_are_in_use() {
        gmp::runtime::Builder::new().procs(4).build().block_on(async {
            let (near, far) = pair().await;
            let near = Arc::new(near);
            let [setter, reader, writer] = [(); 3].map(|()| near.clone());
            let over = Arc::new(AtomicBool::new(false));
            let is_over = over.clone();
            let all = [
                go(async move {
                    for _ in 0..300 {
                        setter.set_read_deadline(later(Duration::from_micros(20)));
                        setter.set_write_deadline(past());
                        yield_now().await;
                    }
                    setter.set_deadline(past());
                    over.store(true, Ordering::SeqCst);
                }),
                go(async move {
                    while !is_over.load(Ordering::SeqCst) {
                        let _ = reader.read(&mut [0]).await;
                        yield_now().await;
                    }
                }),
                go(async move {
                    for _ in 0..300 {
                        let _ = writer.write(b"x").await;
                        yield_now().await;
                    }
                }),
            ];
            for one in all {
                one.await.expect("no panic");
            }
            timed_out(near.read(&mut [0]).await);
            timed_out(near.write(b"x").await);
            drop(far);
        });
    }

    // TestConcurrentSetDeadline
    #[test]
    fn many_goroutines_move_many_deadlines_and_each_listener_fails_in_the_end() {
        const LISTENERS: usize = 16;
        const MOVERS: u32 = 8;
        gmp::runtime::Builder::new().procs(4).build().block_on(async {
            let listener = |_| Arc::new(TcpListener::bind("127.0.0.1:0").expect("a free port"));
            let all: Vec<_> = (0..LISTENERS).map(listener).collect();
            let movers: Vec<_> = (0..MOVERS)
                .map(|mover| {
                    let all = all.clone();
                    go(async move {
                        for round in 0..20 {
                            for (i, listener) in all.iter().enumerate() {
                                let far = Duration::from_secs(3_600) + (mover + round) * MS;
                                listener.set_deadline(later(far + i as u32 * MS));
                            }
                            yield_now().await;
                        }
                    })
                })
                .collect();
            for mover in movers {
                mover.await.expect("no panic");
            }
            for listener in &all {
                listener.set_deadline(later(MS));
            }
            for listener in all {
                timed_out(listener.accept().await);
            }
        });
    }
}
