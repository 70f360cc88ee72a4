//! moby 4951: a device is removed with its own lock held, but without that of the set for a while.

use std::sync::Arc;
use std::time::Duration;

use gmp::go;
use gmp::sync::Mutex;
use gmp::time::sleep;

struct Devices {
    set: Mutex<[Arc<Mutex<()>>; 2]>,
}

pub(crate) async fn kernel(control: bool) {
    let devices = Arc::new(Devices { set: Mutex::new(Default::default()) });
    for _ in 0..2 {
        let devices = devices.clone();
        go(async move {
            if control { devices.remove_in_order().await } else { devices.remove().await }
        });
    }
}

impl Devices {
    async fn remove(&self) {
        let set = self.set.lock().await;
        let device = set[1].clone();
        let guard = device.lock().await;
        drop(set);
        sleep(Duration::from_nanos(300)).await;
        let set = self.set.lock().await;
        drop(guard);
        drop(set);
    }

    /// Takes the device before the set.
    async fn remove_in_order(&self) {
        let device = self.set.lock().await[1].clone();
        let guard = device.lock().await;
        drop(self.set.lock().await);
        sleep(Duration::from_nanos(300)).await;
        let set = self.set.lock().await;
        drop(guard);
        drop(set);
    }
}
