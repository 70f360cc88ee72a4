//! Long runs of the scheduler: what only shows after millions of goroutines, beside a busy machine, or while
//! nothing happens. `cargo bench -p gmp-core --bench soak -- CASE [N]` runs one, see `ci/soak/scheduler.sh`.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use gmp_core::runtime::{Builder, Runtime};
use gmp_core::time::{Timer, sleep};
use gmp_core::{JoinHandle, chan, go, yield_now};

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let n = |default| args.get(1).map_or(default, |n| n.parse().expect("a number"));
    match args.first().map(String::as_str) {
        Some("goroutines") => goroutines(n(10_000_000)),
        Some("polls") => polls(n(10_000)),
        Some("start") => start(n(200)),
        Some("pauses") => pauses(n(500)),
        Some("idle") => idle(n(10)),
        Some("timers") => timers(n(1_000_000)),
        Some("blocking") => blocking_calls(n(10_000_000)),
        Some("dispatches") => dispatches(n(4_000_000)),
        _ => println!(
            "usage: soak goroutines|polls|start|pauses|idle|timers|blocking|dispatches [N]"
        ),
    }
}

fn with_procs(procs: usize) -> Runtime {
    Builder::new().procs(procs).build()
}

fn join(runtime: &Runtime, all: Vec<JoinHandle<()>>) {
    runtime.block_on(async {
        for one in all {
            one.await.expect("no panic");
        }
    });
}

/// The field `name` of `/proc/self/status`, in KiB.
fn status(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|l| l.split_whitespace().nth(1)).and_then(|n| n.parse().ok()).unwrap_or(0)
}

/// CPU time of the process or of this thread.
fn cpu(path: &str) -> Duration {
    let stat = std::fs::read_to_string(path).unwrap_or_default();
    let ran = stat.split_whitespace().next().and_then(|n| n.parse().ok());
    Duration::from_nanos(ran.unwrap_or(0))
}

/// Prints how long `what` took, and gives the 99th percentile.
fn show(what: &str, times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    let at = |share: usize| times[(times.len() * share / 100).min(times.len() - 1)];
    let (p50, p99, longest) = (at(50), at(99), at(100));
    println!("{what}: p50 {p50:.1?}, p99 {p99:.1?}, longest {longest:.1?}");
    p99
}

/// Starts `n` goroutines that wait, are woken and end, some thousand alive at a time: memory must not grow
/// after the first tenth.
fn goroutines(n: u64) {
    const WAVE: u64 = 10_000;
    let runtime = with_procs(2);
    let wave = || {
        let ch = chan::<u64>(0);
        let all: Vec<_> = (0..WAVE)
            .map(|_| ch.clone())
            .map(|ch| runtime.go(async move { ch.recv().await.unwrap_or(0) }))
            .collect();
        runtime.block_on(async {
            for i in 0..WAVE / 2 {
                ch.send(i).await;
            }
            ch.close();
            for one in all {
                black_box(one.await.expect("no panic"));
            }
        });
    };
    let began = Instant::now();
    (0..n / 10 / WAVE).for_each(|_| wave());
    let before = status("VmRSS");
    (0..n * 9 / 10 / WAVE).for_each(|_| wave());
    let after = status("VmRSS");
    println!(
        "{n} goroutines in {:.1?}: {before} KiB resident after a tenth, {after} KiB at the end",
        began.elapsed()
    );
    assert!(after < before + before / 10 + 1024, "memory grows");
    assert_eq!(runtime.metrics().goroutines, 0);
}

/// `n` polls that use a millisecond of CPU each, beside as many threads as to keep the machine busy eight
/// times over: none may lose its P.
fn polls(n: u64) {
    let runtime = with_procs(2);
    let stop = Arc::new(AtomicBool::new(false));
    let load: Vec<_> = (0..8 * thread::available_parallelism().map_or(1, usize::from))
        .map(|_| stop.clone())
        .map(|stop| {
            thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    core::hint::spin_loop();
                }
            })
        })
        .collect();
    let mut longest = Duration::ZERO;
    let all: Vec<_> = (0..4)
        .map(|_| {
            runtime.go(async move {
                let mut longest = Duration::ZERO;
                for _ in 0..n / 4 {
                    let began = (Instant::now(), cpu("/proc/thread-self/schedstat"));
                    while cpu("/proc/thread-self/schedstat") - began.1 < Duration::from_millis(1) {
                        (0..1_000).for_each(|_| core::hint::spin_loop());
                    }
                    longest = longest.max(began.0.elapsed());
                    yield_now().await;
                }
                longest
            })
        })
        .collect();
    runtime.block_on(async {
        for one in all {
            longest = longest.max(one.await.expect("no panic"));
        }
    });
    stop.store(true, Ordering::Relaxed);
    load.into_iter().for_each(|thread| thread.join().expect("no panic"));
    let metrics = runtime.metrics();
    println!(
        "{n} polls of 1 ms CPU, up to {longest:.1?} by the wall: {} retakes, {} of them from a poll that had just begun",
        metrics.retakes, metrics.false_retakes
    );
    assert_eq!(metrics.retakes, 0, "no poll has used a slice");
}

/// How long a goroutine waits for its start while as many as there are Ps spin for 200 ms, `n` times.
fn start(n: u64) {
    for procs in [1, 2] {
        let runtime = with_procs(procs);
        let mut waits: Vec<Duration> = (0..n)
            .map(|_| {
                let stop = Arc::new(AtomicBool::new(false));
                let spinning = Arc::new(AtomicUsize::new(0));
                let spinners: Vec<_> = (0..procs)
                    .map(|_| (stop.clone(), spinning.clone()))
                    .map(|(stop, spinning)| {
                        runtime.go(async move {
                            spinning.fetch_add(1, Ordering::Relaxed);
                            let began = Instant::now();
                            while began.elapsed() < Duration::from_millis(200)
                                && !stop.load(Ordering::Relaxed)
                            {
                                core::hint::spin_loop();
                            }
                        })
                    })
                    .collect();
                // Until all of them spin.
                while spinning.load(Ordering::Relaxed) < procs {
                    thread::yield_now();
                }
                let asked = Instant::now();
                let started = runtime.go(async move { asked.elapsed() });
                let wait = runtime.block_on(started).expect("no panic");
                stop.store(true, Ordering::Relaxed);
                join(&runtime, spinners);
                wait
            })
            .collect();
        let p99 = show(&format!("start beside {procs} spinners on {procs} Ps"), &mut waits);
        assert!(p99 <= Duration::from_millis(20), "a goroutine starts within 20 ms");
    }
}

/// How long a pause waits, `n` times: beside twice as many goroutines with short polls as there are Ps, and beside one
/// poll a P that does not end before the pause, which has to be named.
fn pauses(n: u64) {
    for procs in [1, 2, 4, 16] {
        let runtime = with_procs(procs);
        let paused = |what: &str, wanted: Option<usize>| {
            let asked = Instant::now();
            let paused = runtime.handle().pause();
            let took = asked.elapsed();
            let running = paused.running().len();
            assert!(wanted.is_none_or(|wanted| running == wanted), "{what}: {running} are named");
            (took, running)
        };
        let (stop, polls) = <(Arc<AtomicBool>, Arc<AtomicUsize>)>::default();
        let short: Vec<_> = (0..2 * procs)
            .map(|_| (stop.clone(), polls.clone()))
            .map(|(stop, polls)| {
                runtime.go(async move {
                    while !stop.load(Ordering::Relaxed) {
                        polls.fetch_add(1, Ordering::Relaxed);
                        (0..1_000).for_each(|_| core::hint::spin_loop());
                        yield_now().await;
                    }
                })
            })
            .collect();
        let (mut times, named): (Vec<_>, Vec<_>) = (0..n)
            .map(|_| {
                // Until all Ps are in use again.
                let wanted = polls.load(Ordering::Relaxed) + 100 * procs;
                while polls.load(Ordering::Relaxed) < wanted || runtime.metrics().idle_procs != 0 {
                    thread::yield_now();
                }
                paused("short polls", None)
            })
            .unzip();
        let named: usize = named.iter().sum();
        let what = format!("pause beside short polls on {procs} Ps, {named} named in {n}");
        let p99 = show(&what, &mut times);
        assert!(p99 <= Duration::from_millis(10), "the Ps park within 10 ms");
        stop.store(true, Ordering::Relaxed);
        join(&runtime, short);
        let mut times: Vec<_> = (0..n / 10 + 1)
            .map(|_| {
                let (stop, spinning) = <(Arc<AtomicBool>, Arc<AtomicUsize>)>::default();
                let long = (0..procs).map(|_| (stop.clone(), spinning.clone()));
                let long = long.map(|(stop, spinning)| {
                    runtime.go(async move {
                        spinning.fetch_add(1, Ordering::Relaxed);
                        while !stop.load(Ordering::Relaxed) {
                            core::hint::spin_loop();
                        }
                    })
                });
                let long: Vec<_> = long.collect();
                while spinning.load(Ordering::Relaxed) < procs {
                    thread::yield_now();
                }
                let (took, _) = paused("long polls", Some(procs));
                stop.store(true, Ordering::Relaxed);
                join(&runtime, long);
                took
            })
            .collect();
        let what = format!("pause beside {procs} long polls on {procs} Ps, all named");
        let p99 = show(&what, &mut times);
        assert!(
            p99 <= Duration::from_millis(20),
            "it waits 10 ms for them, and for a thread to run"
        );
    }
}

/// The CPU of a process whose goroutines are all parked, one of them on a timer, over `n` seconds.
fn idle(n: u64) {
    let runtime = with_procs(2);
    let all: Vec<_> = (0..100).map(|_| runtime.go(async { chan::<u8>(0).recv().await })).collect();
    let timer = runtime.go(sleep(Duration::from_secs(3600)));
    runtime.block_on(async { go(yield_now()).await.expect("no panic") });
    thread::sleep(Duration::from_millis(100));
    let (before, began) = (process_cpu(), Instant::now());
    thread::sleep(Duration::from_secs(n));
    let (used, lasted) = (process_cpu() - before, began.elapsed());
    let share = used.as_secs_f64() / lasted.as_secs_f64();
    println!("idle for {lasted:.1?}: {used:.1?} of CPU, {:.4} %", 100.0 * share);
    assert!(share < 0.001, "an idle process uses a tenth of a percent");
    drop((all, timer));
}

/// What `blocking` costs when nobody needs the P, beside a plain call.
fn blocking_calls(n: u64) {
    let runtime = with_procs(1);
    let timed = |call: fn(u64) -> u64| {
        let timed = runtime.go(async move {
            let began = Instant::now();
            (0..n).for_each(|i| _ = black_box(call(black_box(i))));
            began.elapsed().as_nanos() as f64 / n as f64
        });
        runtime.block_on(timed).expect("no panic")
    };
    let (plain, blocking) = (timed(|i| i + 1), timed(|i| gmp_core::blocking(|| i + 1)));
    println!("{n} calls: {plain:.1} ns each, {blocking:.1} ns through `blocking`");
}

/// What a dispatch costs, and where it came from: each P has its own work, 16 goroutines on one P share theirs out,
/// or one of two has nine tenths of it.
fn dispatches(n: u64) {
    type Shares = fn(u64) -> Vec<u64>;
    let cases: [(&str, Shares); 3] = [
        ("local", |n| vec![n / 2; 2]),
        ("balanced", |n| vec![n / 16; 16]),
        ("skewed", |n| vec![n / 10 * 9, n / 10]),
    ];
    for (name, shares) in cases {
        let runtime = with_procs(2);
        let shares = shares(n);
        let left = Arc::new(AtomicUsize::new(shares.iter().sum::<u64>() as usize));
        let done = chan::<()>(1);
        let began = Instant::now();
        for share in shares {
            let (left, done) = (left.clone(), done.clone());
            drop(runtime.go(async move {
                for i in 0..share {
                    let (left, done) = (left.clone(), done.clone());
                    drop(go(async move {
                        if left.fetch_sub(1, Ordering::AcqRel) == 1 {
                            done.send(()).await;
                        }
                    }));
                    if i % 64 == 63 {
                        yield_now().await;
                    }
                }
            }));
        }
        runtime.block_on(done.recv());
        let each = began.elapsed().as_nanos() as f64 / n as f64;
        let metrics = runtime.metrics();
        let total = metrics.total();
        let local = 100.0 * total.local as f64 / total.dispatches() as f64;
        println!(
            "dispatch, {name}: {each:.0} ns each with its start, {local:.1} % from the own queue, {} stolen, ready \
             for {:.1?} (median)",
            total.stolen,
            metrics.ready_to_run.quantile(0.5)
        );
    }
}

/// Arms `n` timers and stops them in another order: what each takes, and how long that lasts.
fn timers(n: u64) {
    let runtime = with_procs(2);
    runtime.block_on(async {
        let before = status("VmRSS");
        let began = Instant::now();
        let timers: Vec<_> = (0..n).map(|_| Timer::new(Duration::from_secs(3600))).collect();
        let armed = began.elapsed();
        let bytes = (status("VmRSS") - before) * 1024 / n;
        // A step that has no divisor in common with `n` comes by all of them.
        let step = (n / 3..).find(|step| gcd(*step, n) == 1).expect("there are primes");
        let began = Instant::now();
        let stopped = (0..n).filter(|i| timers[(i * step % n) as usize].stop()).count();
        let took = began.elapsed();
        assert_eq!(stopped as u64, n);
        let each = |time: Duration| time.as_nanos() as u64 / n;
        println!(
            "{n} timers: {bytes} bytes each, {} ns to arm one, {} ns to stop one",
            each(armed),
            each(took)
        );
    });
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// The CPU of all threads.
fn process_cpu() -> Duration {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    tasks.map(|task| cpu(&task.path().join("schedstat").to_string_lossy())).sum()
}
