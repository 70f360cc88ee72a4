//! moby 25384: all plugins are waited for after the first was started.

use gmp::go;
use gmp::sync::WaitGroup;

pub(crate) async fn kernel(control: bool) {
    go(async move {
        let group = WaitGroup::new();
        group.add(2);
        for _ in 0..2 {
            let done = group.clone();
            go(async move { done.done() });
            if !control {
                group.wait().await;
            }
        }
        if control {
            group.wait().await;
        }
    });
}

