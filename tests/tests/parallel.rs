//! Tests that run at the same time, sixteen on runtimes of gmp and sixteen on tokio, each of which expects exactly its own leaks: whoever were blamed for
//! another's would fail. `ci/soak/parallel.sh` runs them a thousand times.

use std::sync::Arc;
use std::time::Duration;

use gmp::sync::{Mutex, WaitGroup};
use gmp::time::sleep;
use gmp::{chan, go, yield_now};

/// Starts goroutines that end, so that tests overlap while they start and judge.
async fn bustle() {
    let done = chan(0);
    for _ in 0..50 {
        let done = done.clone();
        go(async move {
            yield_now().await;
            done.send(()).await;
        });
    }
    for _ in 0..50 {
        done.recv().await;
        yield_now().await;
    }
}

/// Two tests: one leaks what its attribute says, the other does the same without a leak.
macro_rules! pair {
    ($name:ident, $expected:literal, $leaks:expr, $ends:expr) => {
        mod $name {
            use super::*;

            #[gmp::test(linger = "20ms", expect_leak($expected))]
            async fn leaks() {
                bustle().await;
                $leaks;
                bustle().await;
            }

            #[gmp::test(linger = "10s")]
            async fn ends() {
                bustle().await;
                $ends;
                bustle().await;
            }
        }
    };
}

fn receive() -> gmp::Chan<u32> {
    let ch = chan(0);
    let receives = ch.clone();
    go(async move { receives.recv().await });
    ch
}

pair!(receives, "chan receive: Proven", drop(receive()), receive().close());

fn send(count: usize) -> gmp::Chan<usize> {
    let ch = chan(0);
    for n in 0..count {
        let sends = ch.clone();
        go(async move { sends.send(n).await });
    }
    ch
}

pair!(sends, "7 chan send: Proven", drop(send(7)), {
    let ch = send(7);
    for _ in 0..7 {
        ch.recv().await;
    }
});

fn wait() -> WaitGroup {
    let wg = WaitGroup::new();
    wg.add(1);
    let waits = wg.clone();
    go(async move { waits.wait().await });
    wg
}

pair!(waits, "sync.WaitGroup.Wait: Proven", drop(wait()), wait().done());

async fn lock(forgets: bool) {
    let mutex = Arc::new(Mutex::new(0));
    let guard = mutex.clone().lock_owned().await;
    if forgets {
        core::mem::forget(guard);
    }
    go(async move { *mutex.lock().await += 1 });
}

// A forgotten guard keeps its mutex.
pair!(locks, "sync.Mutex.Lock: Reachable", lock(true).await, lock(false).await);

pair!(
    sleeps,
    "2 sleep: Timer",
    drop((go(sleep(Duration::from_secs(3600))), go(sleep(Duration::from_secs(3600))))),
    drop((go(sleep(Duration::from_millis(1))), go(sleep(Duration::from_millis(5)))))
);

/// What somebody foreign may still wake; kept by no other test.
fn foreign() -> futures_channel::oneshot::Sender<()> {
    let (tx, rx) = futures_channel::oneshot::channel();
    go(rx);
    tx
}

pair!(external, "external: External", core::mem::forget(foreign()), drop(foreign()));

pair!(
    yields,
    "runnable: Running",
    drop(go(async {
        loop {
            yield_now().await;
        }
    })),
    drop(go(async {
        for _ in 0..1000 {
            yield_now().await;
        }
    }))
);

mod bodies {
    use super::*;

    #[gmp::test(timeout = "1h", expect_leak("chan receive: Proven"))]
    async fn sleeps() {
        bustle().await;
        chan::<u32>(0).recv().await;
    }

    #[gmp::test]
    fn ends() {
        let ch = chan(0);
        let sends = ch.clone();
        go(async move {
            bustle().await;
            sends.send(1).await;
        });
        assert_eq!(ch.blocking_recv(), Some(1));
    }
}

/// The same on tokio: bodies, and guards inside tests of tokio's own.
mod on_tokio {
    use super::*;
    use gmp::tokio::{JoinSet, spawn, spawn_blocking};

    /// Spawns tasks that end, so that tests overlap while they spawn and judge.
    async fn bustle() {
        let mut set: JoinSet<()> = (0..20).map(|_| tokio::task::yield_now()).collect();
        while set.join_next().await.is_some() {}
        spawn_blocking(|| ()).await.unwrap();
    }

    /// Four tests: two bodies, on one thread and on workers, and a guard that is clean and one that is not.
    macro_rules! four {
        ($name:ident, $expected:literal, $leaks:expr, $ends:expr) => {
            mod $name {
                use super::*;

                #[gmp::test(tokio, linger = "20ms", expect_leak($expected))]
                async fn leaks() {
                    bustle().await;
                    $leaks;
                    bustle().await;
                }

                #[gmp::test(tokio(flavor = "multi_thread", worker_threads = 2), linger = "10s")]
                async fn ends() {
                    bustle().await;
                    $ends;
                    bustle().await;
                }

                #[tokio::test]
                async fn leaks_below_a_guard() {
                    let linger = Duration::from_millis(20);
                    let guard = gmp::leak::guard!(gmp::leak::Options::new().linger(linger));
                    bustle().await;
                    $leaks;
                    bustle().await;
                    let Err(gmp::leak::CheckError::Leaks { report }) = guard.check_async().await
                    else {
                        panic!("it leaks")
                    };
                    let expected = concat!($expected, "\n");
                    let found =
                        report.groups().map(|one| format!("{}: {}\n", one.reason, one.verdict));
                    assert_eq!(found.collect::<String>(), expected, "{report}");
                }

                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn ends_below_a_guard() {
                    let linger = Duration::from_secs(10);
                    let _guard = gmp::leak::guard!(gmp::leak::Options::new().linger(linger));
                    bustle().await;
                    $ends;
                    bustle().await;
                }
            }
        };
    }

    fn receive() -> gmp::Chan<u32> {
        let ch = chan(0);
        let receives = ch.clone();
        spawn(async move { receives.recv().await });
        ch
    }

    four!(receives, "chan receive: Proven", drop(receive()), receive().close());

    fn oneshot() -> tokio::sync::oneshot::Sender<()> {
        let (tell, told) = tokio::sync::oneshot::channel();
        spawn(told);
        tell
    }

    four!(external, "external: External", core::mem::forget(oneshot()), drop(oneshot()));

    fn stranger() -> tokio::sync::oneshot::Sender<()> {
        let (tell, told) = tokio::sync::oneshot::channel();
        tokio::spawn(told);
        tell
    }

    four!(strangers, "external: External", core::mem::forget(stranger()), drop(stranger()));

    four!(
        forgotten,
        "no waker kept: Proven",
        drop(spawn(core::future::pending::<()>())),
        spawn(core::future::pending::<()>()).abort()
    );
}
