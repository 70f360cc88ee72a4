//! The streams through the traits of others.

use futures_util::future;
use gmp_core::go;

use super::{on_each_runtime, pair};

#[test]
fn futures_io_reads_and_writes_with_one_task_for_each_direction() {
    use futures_util::io::{AsyncReadExt, AsyncWriteExt};
    on_each_runtime(|| async {
        let (near, far) = pair().await.expect("loopback");
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
        let (mut near, far) = pair().await.expect("loopback");
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
fn a_stream_polled_by_another_runtime_is_woken_too() {
    let (near, far) = gmp_core::block_on(pair()).expect("loopback");
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
