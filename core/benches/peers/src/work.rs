//! The cases as async programs, generic over the runtime and the channel. Each returns its check sum.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use crate::meter;
use crate::peer::{Line, Lock, Rt, Shared, Tree};

/// Counts down from all parties; the last one says so.
struct Latch<L: Line> {
    left: AtomicU64,
    done: L::Tx,
}

impl<L: Line> Latch<L> {
    fn new(parties: u64) -> (Arc<Self>, L::Rx) {
        let (done, wait) = L::make(1);
        (Arc::new(Self { left: AtomicU64::new(parties), done }), wait)
    }

    async fn leave(&self) {
        if self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            L::send(&self.done, 1).await;
        }
    }
}

/// Starts a task and joins it, one after the other.
pub async fn spawn_join<R: Rt>(n: u64) -> u64 {
    let mut sum = 0;
    for i in 0..n {
        sum += R::go(async move { i & 1 }).await;
    }
    sum
}

/// Starts `n` tasks and returns a future that waits for the last.
pub fn spawn_all<R: Rt, L: Line>(n: u64) -> impl Future<Output = u64> + Send + 'static {
    let (latch, mut wait) = Latch::<L>::new(n);
    for _ in 0..n {
        let latch = latch.clone();
        R::detach(async move { latch.leave().await });
    }
    async move {
        L::recv(&mut wait).await;
        n - latch.left.load(Ordering::Acquire)
    }
}

/// `n` yields by 100 tasks.
pub async fn yields<R: Rt>(n: u64) -> u64 {
    let tasks: Vec<_> = (0..100)
        .map(|_| {
            R::go(async move {
                for _ in 0..n / 100 {
                    R::yield_now().await;
                }
                n / 100
            })
        })
        .collect();
    join_all(tasks).await
}

async fn join_all<F: Future<Output = u64>>(tasks: Vec<F>) -> u64 {
    let mut sum = 0;
    for task in tasks {
        sum += task.await;
    }
    sum
}

/// There and back, `n` times.
pub async fn pingpong<R: Rt, L: Line>(n: u64) -> u64 {
    let (to, mut there) = L::make(0);
    let (back, mut from) = L::make(0);
    let echo = R::go(async move {
        while let Some(value) = L::recv(&mut there).await {
            L::send(&back, value + 1).await;
        }
        0
    });
    let mut sum = 0;
    for i in 0..n {
        L::send(&to, i).await;
        sum += L::recv(&mut from).await.unwrap_or(0) - i;
    }
    L::close(to);
    sum + echo.await
}

async fn produce<L: Line>(tx: L::Tx, n: u64) -> u64 {
    for i in 0..n {
        L::send(&tx, i).await;
    }
    0
}

async fn consume<L: Line>(mut rx: L::Rx) -> u64 {
    let mut sum = 0;
    while let Some(value) = L::recv(&mut rx).await {
        sum += value;
    }
    sum
}

/// One producer, one consumer.
pub async fn stream<R: Rt, L: Line>(cap: usize, n: u64) -> u64 {
    let (tx, rx) = L::make(cap);
    let consumer = R::go(consume::<L>(rx));
    R::go(produce::<L>(tx.clone(), n)).await;
    L::close(tx);
    consumer.await
}

/// Four producers, four consumers.
pub async fn mpmc<R: Rt, L: Shared>(n: u64) -> u64 {
    let (tx, rx) = L::make(128);
    let consumers: Vec<_> = (0..4).map(|_| R::go(consume::<L>(L::share(&rx)))).collect();
    drop(rx);
    let producers: Vec<_> = (0..4).map(|_| R::go(produce::<L>(tx.clone(), n / 4))).collect();
    join_all(producers).await;
    L::close(tx);
    join_all(consumers).await
}

/// Two producers, one consumer that selects.
pub async fn select<R: Rt, L: Line>(n: u64) -> u64 {
    let ((tx1, mut rx1), (tx2, mut rx2)) = (L::make(0), L::make(0));
    let producers = [tx1.clone(), tx2.clone()].map(|tx| R::go(produce::<L>(tx, n / 2)));
    let mut sum = 0;
    for _ in 0..n {
        sum += L::select::<R>(&mut rx1, &mut rx2).await.unwrap_or(0);
    }
    join_all(producers.into()).await;
    drop((tx1, tx2));
    sum
}

/// Locks and unlocks, alone.
pub async fn mutex_free<R: Rt>(n: u64) -> u64 {
    let lock = Arc::new(R::Lock::new());
    for _ in 0..n {
        *lock.lock().await += 1;
    }
    *lock.lock().await
}

/// Locks and unlocks, 100 tasks; every 8th time the holder yields.
pub async fn mutex_100<R: Rt>(n: u64) -> u64 {
    let lock = Arc::new(R::Lock::new());
    let tasks: Vec<_> = (0..100)
        .map(|_| {
            let lock = lock.clone();
            R::go(async move {
                for i in 0..n / 100 {
                    let mut guard = lock.lock().await;
                    *guard += 1;
                    if i % 8 == 0 {
                        R::yield_now().await;
                    }
                }
                0
            })
        })
        .collect();
    join_all(tasks).await;
    *lock.lock().await
}

/// A tree of tasks, ten children each; the leaves' numbers are summed up.
pub fn skynet<R: Rt>(first: u64, size: u64) -> std::pin::Pin<Box<dyn Future<Output = u64> + Send>> {
    Box::pin(async move {
        if size == 1 {
            return first;
        }
        let size = size / 10;
        let children: Vec<_> =
            (0..10).map(|i| R::go(skynet::<R>(first + i * size, size))).collect();
        join_all(children).await
    })
}

/// The sum of the first `n` primes.
pub async fn sieve<R: Rt, L: Line>(n: u64) -> u64 {
    let (tx, mut rx) = L::make(0);
    let (stop, stopped) = (Arc::new(AtomicU64::new(0)), Latch::<L>::new(n + 1));
    let ((latch, mut wait), halt) = (stopped, stop.clone());
    let generator = latch.clone();
    R::detach(async move {
        for i in 2.. {
            if halt.load(Ordering::Relaxed) == 1 {
                break;
            }
            L::send(&tx, i).await;
        }
        L::close(tx);
        generator.leave().await;
    });
    let mut sum = 0;
    for _ in 0..n {
        let prime = L::recv(&mut rx).await.unwrap_or(0);
        sum += prime;
        let (tx, next) = L::make(0);
        let (mut input, latch) = (std::mem::replace(&mut rx, next), latch.clone());
        R::detach(async move {
            while let Some(value) = L::recv(&mut input).await {
                if value % prime != 0 {
                    L::send(&tx, value).await;
                }
            }
            L::close(tx);
            latch.leave().await;
        });
    }
    stop.store(1, Ordering::Relaxed);
    while L::recv(&mut rx).await.is_some() {}
    L::recv(&mut wait).await;
    sum
}

/// A little work, the same in every language.
pub fn job(seed: u64) -> u64 {
    (0..4).fold(seed, |x, _| (x ^ (x >> 7)).wrapping_mul(0x9E37_79B9) & 0xFFFF_FFFF)
}

/// One producer, 1,024 slots, many workers.
pub async fn workers<R: Rt, L: Shared>(workers: u64, n: u64) -> u64 {
    let (tx, rx) = L::make(1024);
    let pool: Vec<_> = (0..workers)
        .map(|_| {
            let mut rx = L::share(&rx);
            R::go(async move {
                let mut sum = 0;
                while let Some(seed) = L::recv(&mut rx).await {
                    sum += job(seed);
                }
                sum
            })
        })
        .collect();
    drop(rx);
    for i in 0..n {
        L::send(&tx, i).await;
    }
    L::close(tx);
    join_all(pool).await
}

/// Goroutines that start `n` tasks: each starts its share, and lets others run after every 64th.
pub async fn fan<R: Rt, L: Line>(shares: Vec<u64>) -> u64 {
    let n = shares.iter().sum();
    let (latch, mut wait) = Latch::<L>::new(n);
    for share in shares {
        let latch = latch.clone();
        R::detach(async move {
            for i in 0..share {
                let latch = latch.clone();
                R::detach(async move {
                    std::hint::black_box(job(i));
                    latch.leave().await;
                });
                if i % 64 == 63 {
                    R::yield_now().await;
                }
            }
        });
    }
    L::recv(&mut wait).await;
    n - latch.left.load(Ordering::Acquire)
}

/// `parts` equal shares of `n`.
pub fn equal_shares(n: u64, parts: u64) -> Vec<u64> {
    (0..parts).map(|i| n / parts + u64::from(i < n % parts)).collect()
}

/// `n` times: as many tasks spin for 200 ms as there are threads, and one of them starts another task; how
/// long it takes at most until that has started. They stop when it has.
pub async fn start_beside_spinners<R: Rt>(procs: u64, n: u64) -> u64 {
    let mut longest = 0;
    for _ in 0..n {
        let beside = Arc::new(Beside::default());
        let spinners = (0..procs).map(|i| R::go(beside.clone().spin::<R>(i == 0, procs))).collect();
        join_all(spinners).await;
        while beside.started.load(Ordering::Acquire) == 0 {
            R::yield_now().await;
        }
        longest = longest.max(beside.started.load(Ordering::Acquire));
    }
    meter::record(longest);
    n
}

/// What spinners share with the task that is started beside them.
#[derive(Default)]
struct Beside {
    spinning: AtomicU64,
    /// Nanoseconds it took to start.
    started: AtomicU64,
}

impl Beside {
    async fn spin<R: Rt>(self: Arc<Self>, starts: bool, procs: u64) -> u64 {
        self.spinning.fetch_add(1, Ordering::AcqRel);
        while self.spinning.load(Ordering::Acquire) != procs {
            std::hint::spin_loop();
        }
        let begin = Instant::now();
        if starts {
            let beside = self.clone();
            R::detach(async move {
                let took = begin.elapsed().as_nanos() as u64;
                beside.started.store(took, Ordering::Release);
            });
        }
        while begin.elapsed() < SPIN && self.started.load(Ordering::Acquire) == 0 {
            std::hint::spin_loop();
        }
        0
    }
}

const SPIN: Duration = Duration::from_millis(200);

/// `n` locks of a mutex that another task takes over and over and holds while it sleeps: how long each takes.
pub async fn mutex_hog<R: Rt>(n: u64) -> u64 {
    let (lock, stop) = (Arc::new(R::Lock::new()), Arc::new(AtomicU64::new(0)));
    let (hogged, until) = (lock.clone(), stop.clone());
    let hog = R::go(async move {
        while until.load(Ordering::Acquire) == 0 {
            let _guard = hogged.lock().await;
            R::sleep(HOLD).await;
        }
        0
    });
    let mut waits = Vec::new();
    for _ in 0..n {
        R::sleep(HOLD).await;
        let begin = Instant::now();
        let guard = lock.lock().await;
        waits.push(begin.elapsed().as_nanos() as u64);
        drop(guard);
    }
    stop.store(1, Ordering::Release);
    let locked = waits.len() as u64;
    meter::record(meter::percentile_99(waits));
    locked + hog.await
}

const HOLD: Duration = Duration::from_micros(100);

/// `n` sleeps of 1 ms, a tenth of them by each of 10 tasks: how late they end.
pub async fn sleep_overshoot<R: Rt>(n: u64) -> u64 {
    const SLEEP: Duration = Duration::from_millis(1);
    let tasks: Vec<_> = (0..10)
        .map(|_| {
            R::go(async move {
                let mut late = Vec::new();
                for _ in 0..n / 10 {
                    let begin = Instant::now();
                    R::sleep(SLEEP).await;
                    late.push(begin.elapsed().saturating_sub(SLEEP).as_nanos() as u64);
                }
                late
            })
        })
        .collect();
    let mut late = Vec::new();
    for task in tasks {
        late.extend(task.await);
    }
    let slept = late.len() as u64;
    meter::record(meter::percentile_99(late));
    slept
}

/// `n` tasks that each block their thread for 10 ms.
pub async fn blocking<R: Rt>(n: u64) -> u64 {
    let sleep = || std::thread::sleep(Duration::from_millis(10));
    let tasks = (0..n)
        .map(|_| {
            R::go(async move {
                R::block(sleep).await;
                1
            })
        })
        .collect();
    join_all(tasks).await
}

/// `n` tasks that sleep 1 ms.
pub async fn sleeps<R: Rt, L: Line>(n: u64) -> u64 {
    let (latch, mut wait) = Latch::<L>::new(n);
    for _ in 0..n {
        let latch = latch.clone();
        R::detach(async move {
            R::sleep(Duration::from_millis(1)).await;
            latch.leave().await;
        });
    }
    L::recv(&mut wait).await;
    n - latch.left.load(Ordering::Acquire)
}

/// Arms a timer of an hour and stops it.
pub async fn timer_cancel<R: Rt>(n: u64) -> u64 {
    let mut armed = 0;
    for _ in 0..n {
        let mut sleep = pin!(R::sleep(Duration::from_secs(3600)));
        let pending = poll_fn(|cx| Poll::Ready(sleep.as_mut().poll(cx).is_pending())).await;
        armed += u64::from(pending);
    }
    armed
}

/// Makes and cancels contexts, one by one.
pub async fn ctx_cancel<T: Tree>(n: u64) -> u64 {
    let mut cancelled = 0;
    for _ in 0..n {
        let node = T::root();
        T::cancel(&node);
        cancelled += u64::from(T::is_cancelled(&node));
    }
    cancelled
}

/// Trees of 1,000: ten below the root, 99 below each.
pub async fn ctx_tree<T: Tree>(n: u64) -> u64 {
    let mut cancelled = 0;
    for _ in 0..n / 1000 {
        let root = T::root();
        let mut nodes = Vec::with_capacity(1000);
        for _ in 0..10 {
            let branch = T::child(&root);
            nodes.extend((0..99).map(|_| T::child(&branch)));
            nodes.push(branch);
        }
        T::cancel(&root);
        cancelled += nodes.iter().filter(|node| T::is_cancelled(node)).count() as u64;
    }
    cancelled
}

/// `n` tasks parked on one channel: their memory, and then all of them are released. They hold the
/// receiver and nothing else.
pub async fn parked<R: Rt, L: Shared>(n: u64) -> u64 {
    static STARTED: AtomicU64 = AtomicU64::new(0);
    static ENDED: AtomicU64 = AtomicU64::new(0);
    async fn reach<R: Rt>(count: &AtomicU64, n: u64) {
        while count.load(Ordering::Relaxed) != n {
            R::yield_now().await;
        }
        // The last task may still be on its way in or out.
        R::sleep(Duration::from_millis(20)).await;
    }

    let (tx, rx) = L::make(1);
    let before = meter::resident();
    for _ in 0..n {
        let mut rx = L::share(&rx);
        R::detach(async move {
            STARTED.fetch_add(1, Ordering::Relaxed);
            L::recv(&mut rx).await;
            ENDED.fetch_add(1, Ordering::Relaxed);
        });
    }
    reach::<R>(&STARTED, n).await;
    meter::record(meter::resident().saturating_sub(before));
    L::close(tx);
    reach::<R>(&ENDED, n).await;
    ENDED.load(Ordering::Relaxed)
}
