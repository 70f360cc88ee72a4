//! moby 7559: the next round of a loop locks what the failed one did not unlock.

use std::io;
use std::sync::Arc;

use gmp::go;
use gmp::sync::Mutex;

use super::support::keep_locked;

pub(crate) async fn kernel(control: bool) {
    let connections = Arc::new(Mutex::new(()));
    go(async move {
        for round in 0..2 {
            let guard = connections.lock().await;
            match open_socket() {
                Err(_) if control => drop(guard),
                Err(_) => keep_locked(guard),
                Ok(()) if round == 0 => break,
                Ok(()) => {}
            }
        }
    });
}

/// Opens a socket without an address, which always fails.
fn open_socket() -> io::Result<()> {
    Err(io::ErrorKind::AddrNotAvailable.into())
}
