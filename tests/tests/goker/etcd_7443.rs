//! etcd 7443: a balancer sends to its watcher with the lock held, and the watcher calls the balancer.

use std::collections::BTreeMap;
use std::sync::Arc;

use gmp::sync::{Mutex, RwLock};
use gmp::{Chan, chan, go};

const ADDRESSES: [u32; 3] = [0, 1, 2];

/// What ends the use of an address.
struct Down(u32);

struct Pin {
    closed: bool,
    /// The address in use. Zero is an address, and also says that there is none.
    address: u32,
}

struct Balancer {
    pin: RwLock<Pin>,
    notify: Chan<Vec<u32>>,
    control: bool,
}

type Connections = BTreeMap<u32, Arc<Mutex<Option<Down>>>>;

struct Client {
    balancer: Balancer,
    /// `None` once it is closed.
    connections: RwLock<Option<Connections>>,
}

pub(crate) async fn kernel(control: bool) {
    let notify = chan(if control { 16 } else { 1 });
    notify.send(ADDRESSES.to_vec()).await;
    let pin = RwLock::new(Pin { closed: false, address: 0 });
    let balancer = Balancer { pin, notify, control };
    let connections = RwLock::new(Some(Connections::new()));
    let client = Arc::new(Client { balancer, connections });

    let watcher = client.clone();
    go(async move { watcher.watch().await });
    let done = chan::<()>(0);
    let (closer, tell) = (client.clone(), done.clone());
    go(async move {
        closer.balancer.close().await;
        tell.close();
    });
    go(async move { client.close().await });
    done.recv().await;
}

impl Balancer {
    async fn up(&self, address: u32) -> Option<Down> {
        let mut pin = self.pin.write().await;
        if pin.closed {
            return None;
        }
        if pin.address == 0 {
            pin.address = address;
            self.tell(vec![address]).await;
        }
        Some(Down(address))
    }

    async fn down(&self, Down(address): Down) {
        let mut pin = self.pin.write().await;
        if pin.address == address {
            pin.address = 0;
            self.tell(ADDRESSES.to_vec()).await;
        }
    }

    /// Tells the watcher. That the channel may be closed is fine.
    async fn tell(&self, addresses: Vec<u32>) {
        if self.control {
            let _ = self.notify.try_send(addresses);
        } else {
            let _ = self.notify.send_checked(addresses).await;
        }
    }

    async fn close(&self) {
        let mut pin = self.pin.write().await;
        if !pin.closed {
            pin.closed = true;
            self.notify.close();
            pin.address = 0;
        }
    }
}

impl Client {
    async fn watch(self: &Arc<Self>) {
        while let Some(listed) = self.balancer.notify.recv().await {
            let (added, deleted) = self.compare(&listed).await;
            for address in added {
                self.connect(address).await;
            }
            for connection in deleted {
                self.tear_down(&connection).await;
            }
        }
    }

    /// The addresses that are new, and the connections that are not listed, taken out of the table.
    async fn compare(&self, listed: &[u32]) -> (Vec<u32>, Vec<Arc<Mutex<Option<Down>>>>) {
        let mut table = self.connections.write().await;
        let Some(table) = table.as_mut() else { return (listed.to_vec(), Vec::new()) };
        let is_new = |address: &u32| !table.contains_key(address);
        let added = listed.iter().copied().filter(is_new).collect();
        let mut deleted = Vec::new();
        table.retain(|address, connection| {
            let stays = listed.contains(address);
            if !stays {
                deleted.push(connection.clone());
            }
            stays
        });
        (added, deleted)
    }

    async fn connect(self: &Arc<Self>, address: u32) {
        let connection = Arc::new(Mutex::new(None));
        match self.connections.write().await.as_mut() {
            Some(table) => table.insert(address, connection.clone()),
            None => return,
        };
        let client = self.clone();
        go(async move {
            let mut down = connection.lock().await;
            *down = client.balancer.up(address).await;
        });
    }

    async fn tear_down(&self, connection: &Mutex<Option<Down>>) {
        let mut connection = connection.lock().await;
        if let Some(down) = connection.take() {
            self.balancer.down(down).await;
        }
    }

    async fn close(&self) {
        let table = self.connections.write().await.take();
        self.balancer.close().await;
        for connection in table.into_iter().flat_map(Connections::into_values) {
            self.tear_down(&connection).await;
        }
    }
}
