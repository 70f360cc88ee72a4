//! The streams of Unix sockets, for the tests of all streams.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use gmp_core::net::UnixListener;
pub(crate) use gmp_core::net::UnixStream as Stream;

/// Where a listener is found. The file goes with it.
pub(crate) struct Path(PathBuf);

impl Drop for Path {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

pub(crate) fn listen() -> (UnixListener, Path) {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let name =
        format!("gmp-net-{}-{}.sock", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let path = std::env::temp_dir().join(name);
    (UnixListener::bind(&path).expect("a free path"), Path(path))
}

pub(crate) async fn connect(to: &Path) -> io::Result<Stream> {
    Stream::connect(&to.0).await
}

/// Both ends of a connection: who connected, and who accepted.
pub(crate) async fn pair() -> io::Result<(Stream, Stream)> {
    let (listener, path) = listen();
    let near = connect(&path).await?;
    Ok((near, listener.accept().await?.0))
}

#[test]
fn both_ends_know_the_path_and_an_accept_may_have_a_deadline() {
    use std::io::ErrorKind;
    use std::time::Duration;

    super::on_each_runtime(|| async {
        let (listener, path) = listen();
        let near = connect(&path).await.expect("listening");
        assert_eq!(listener.local_addr().expect("bound").as_pathname(), Some(&*path.0));
        assert_eq!(near.peer_addr().expect("open").as_pathname(), Some(&*path.0));
        assert!(near.local_addr().expect("open").is_unnamed());
        listener.accept().await.map(drop).expect("connected");
        listener.set_deadline(Some(gmp_core::time::now() + Duration::from_millis(2)));
        assert_eq!(listener.accept().await.expect_err("late").kind(), ErrorKind::TimedOut);
        let taken = UnixListener::bind(&path.0).expect_err("it is taken");
        assert_eq!(taken.kind(), ErrorKind::AddrInUse);
        drop(listener);
        let refused = connect(&path).await.expect_err("nobody listens");
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    });
}

#[path = "streams.rs"]
mod streams;
