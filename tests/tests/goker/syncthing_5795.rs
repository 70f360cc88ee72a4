//! syncthing 5795: a dispatcher closes the connection, which waits for the dispatcher to end.

use std::sync::Arc;

use gmp::sync::Once;
use gmp::{Chan, chan, go, select};

enum Message {
    ClusterConfig,
}

#[derive(Clone)]
struct Connection {
    inbox: Chan<Message>,
    closed: Chan<()>,
    stopped: Chan<()>,
    once: Arc<Once>,
}

pub(crate) async fn kernel(control: bool) {
    let connection = Connection {
        inbox: chan(0),
        closed: chan(0),
        stopped: chan(0),
        once: Arc::new(Once::new()),
    };
    let reader = connection.clone();
    go(async move { reader.read().await });
    let dispatcher = connection.clone();
    go(async move { dispatcher.dispatch(control).await });
    connection.inbox.send(Message::ClusterConfig).await;
    connection.stopped.recv().await;
}

impl Connection {
    async fn read(&self) {
        loop {
            select! {
                recv(self.closed) -> _ => return,
                default => {}
            }
        }
    }

    async fn dispatch(&self, control: bool) {
        loop {
            let message = select! {
                recv(self.inbox) -> message => message,
                recv(self.closed) -> _ => None,
            };
            match message {
                Some(Message::ClusterConfig) if control => {
                    let connection = self.clone();
                    go(async move { connection.close().await });
                }
                Some(Message::ClusterConfig) => self.close().await,
                None => break,
            }
        }
        self.stopped.close();
    }

    async fn close(&self) {
        let close = || async {
            self.closed.close();
            self.stopped.recv().await;
        };
        self.once.call(close).await;
    }
}
