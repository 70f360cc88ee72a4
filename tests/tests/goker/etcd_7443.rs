//! A balancer tells its only reader of addresses about a change, and that reader is the one that causes it.

use gmp::sync::{Mutex, RwLock};
use gmp::{Chan, chan, go};
use std::collections::BTreeMap;
use std::sync::Arc;

type Address = u32;
/// The mutex of a connection, and the address that its down action is for.
type Conn = Arc<Mutex<Option<Address>>>;

#[derive(Default)]
struct State {
    closed: bool,
    /// Zero also means that nothing is pinned.
    pin: Address,
}

struct Balancer {
    state: RwLock<State>,
    notify: Chan<Vec<Address>>,
    blocks: bool,
}

impl Balancer {
    async fn tell(&self, addresses: Vec<Address>) {
        if self.blocks {
            let _ = self.notify.send_checked(addresses).await;
        } else {
            let _ = self.notify.try_send(addresses);
        }
    }

    async fn up(&self, address: Address) -> Option<Address> {
        let mut state = self.state.write().await;
        if state.closed {
            return None;
        }
        if state.pin == 0 {
            state.pin = address;
            self.tell(vec![address]).await;
        }
        Some(address)
    }

    async fn down(&self, address: Address) {
        let mut state = self.state.write().await;
        if state.pin == address {
            state.pin = 0;
            self.tell(vec![0, 1, 2]).await;
        }
    }

    async fn close(&self) {
        let mut state = self.state.write().await;
        if !state.closed {
            state.closed = true;
            self.notify.close();
            state.pin = 0;
        }
    }
}

struct Client {
    balancer: Balancer,
    conns: RwLock<Option<BTreeMap<Address, Conn>>>,
}

impl Client {
    async fn take_down(&self, conn: &Conn) {
        let mut down = conn.lock().await;
        if let Some(address) = down.take() {
            self.balancer.down(address).await;
        }
    }

    async fn watch(self: Arc<Self>) {
        while let Some(listed) = self.balancer.notify.recv().await {
            let mut gone = Vec::new();
            let mut added = listed.clone();
            if let Some(table) = &mut *self.conns.write().await {
                added.retain(|address| !table.contains_key(address));
                let old: Vec<Address> =
                    table.keys().copied().filter(|address| !listed.contains(address)).collect();
                gone.extend(old.iter().filter_map(|address| table.remove(address)));
            }
            for address in added {
                let conn = Conn::default();
                let mut conns = self.conns.write().await;
                let Some(table) = &mut *conns else { continue };
                table.insert(address, conn.clone());
                drop(conns);
                let client = self.clone();
                drop(go(async move {
                    let mut down = conn.lock().await;
                    *down = client.balancer.up(address).await;
                }));
            }
            for conn in &gone {
                self.take_down(conn).await;
            }
        }
    }

    async fn close(self: Arc<Self>) {
        let conns = self.conns.write().await.take();
        self.balancer.close().await;
        for conn in conns.unwrap_or_default().values() {
            self.take_down(conn).await;
        }
    }
}

async fn run(blocks: bool) {
    let notify = chan(if blocks { 1 } else { 16 });
    notify.send(vec![0, 1, 2]).await;
    let client = Arc::new(Client {
        balancer: Balancer { state: RwLock::default(), notify, blocks },
        conns: RwLock::new(Some(BTreeMap::new())),
    });
    drop(go(client.clone().watch()));
    let ended: Chan<()> = chan(0);
    let (closer, end) = (client.clone(), ended.clone());
    drop(go(async move {
        closer.balancer.close().await;
        end.close();
    }));
    drop(go(client.close()));
    ended.recv().await;
}

/// The watcher, the only receiver, sends on the full channel.
pub(crate) async fn bug() {
    run(true).await;
}

/// The channel is wide, and nobody waits to send on it.
pub(crate) async fn control() {
    run(false).await;
}
