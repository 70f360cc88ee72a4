//! kubernetes 5316: who waits for a result gives up before the result is there.

use std::time::Duration;

use gmp::time::{after, sleep};
use gmp::{chan, choose, go, select};

use super::support::MILLI;

pub(crate) async fn kernel(control: bool) {
    go(async move {
        let (ok, error) = (chan(usize::from(control)), chan(usize::from(control)));
        let (tell_ok, tell_error) = (ok.clone(), error.clone());
        go(async move {
            sleep(Duration::from_millis(2)).await;
            if choose(2) == 0 { tell_error.send(()).await } else { tell_ok.send(()).await }
        });
        select! {
            recv(ok) -> _ => {}
            recv(error) -> _ => {}
            recv(after(MILLI)) -> _ => {}
        }
    });
}
