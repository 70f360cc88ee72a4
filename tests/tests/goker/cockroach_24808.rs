//! cockroach 24808: a compactor is told twice before it reads the first time.

use gmp::{Chan, chan, go, select};

struct Compactor {
    work: Chan<()>,
    stop: Chan<()>,
}

pub(crate) async fn kernel(control: bool) {
    let compactor = Compactor { work: chan(1), stop: chan(0) };
    compactor.work.send(()).await;
    compactor.start(control).await;
    compactor.stop.close();
}

impl Compactor {
    async fn start(&self, control: bool) {
        if control {
            // Full is fine: there is something to do already.
            let _ = self.work.try_send(());
        } else {
            self.work.send(()).await;
        }
        let (work, stop) = (self.work.clone(), self.stop.clone());
        go(async move {
            loop {
                select! {
                    recv(stop) -> _ => return,
                    recv(work) -> _ => {}
                }
            }
        });
    }
}
