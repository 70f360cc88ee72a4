//! The figures of the harness, measured side by side in one run: the cost of a clean test, the time to a
//! verdict, the memory of a parked goroutine. `cargo bench -p gmp --bench figures`. It fails if a verdict takes longer
//! than it may.

use std::hint::black_box;
use std::thread;
use std::time::{Duration, Instant};

use gmp::__private::{Body, Clock, Descriptor, Outcome, ShouldPanic, Spec, box_body, examine, run};
use gmp::{Chan, chan, go};

const TESTS: usize = 1_000;
const PARKED: usize = 1_000_000;

/// How many are stuck, how often that is tried, and how long the least of the verdicts may take: of many runs on a
/// machine that does other things too, the least says what the program costs.
const VERDICTS: [(usize, usize, Duration); 3] = [
    (1, 200, Duration::from_millis(1)),
    (10_000, 20, Duration::from_millis(50)),
    (PARKED, 3, Duration::from_secs(2)),
];

fn main() {
    // `cargo test` runs benches as well, with an argument that asks for a quick look.
    let quick = std::env::args().any(|argument| argument == "--test") || cfg!(debug_assertions);
    let scale = if quick { 100 } else { 1 };
    clean_test(TESTS / scale);
    let mut late = false;
    for (goroutines, runs, bar) in VERDICTS {
        let goroutines = if goroutines == PARKED { PARKED / scale } else { goroutines };
        late |= verdict(goroutines, usize::div_ceil(runs, scale)) > bar;
    }
    parked(PARKED / scale);
    // A quick look is one run of a program that is not optimized.
    if late && !quick {
        eprintln!("a verdict took longer than it may");
        std::process::exit(1);
    }
}

/// A test that never ran; it lives as long as the process, as tests do.
fn test(body: Body) -> &'static Descriptor {
    Box::leak(Box::new(Descriptor::new(Spec {
        module_path: module_path!(),
        name: "bench",
        file: file!(),
        manifest_dir: None,
        line: line!(),
        body,
        timeout: None,
        linger: None,
        clock: Clock::Real,
        procs: 1,
        ignore_rules: &[],
        severities: &[],
        probe_cancel: false,
        expect_leak: None,
        explore: None,
        tokio: None,
        should_panic: ShouldPanic::No,
        ignored: None,
    })))
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// Runs `f` on a thread of its own, as the built-in harness runs a test, and times it.
fn on_thread(f: impl FnOnce() + Send + 'static) -> Duration {
    let begin = Instant::now();
    thread::spawn(f).join().expect("the test passes");
    begin.elapsed()
}

async fn body() {
    let ch = chan(1);
    ch.send(1).await;
    black_box(ch.recv().await);
}

fn clean_test(n: usize) {
    let (mut plain, mut ours, mut sync, mut start) = (vec![], vec![], vec![], vec![]);
    for _ in 0..n {
        plain.push(on_thread(|| {
            black_box(1);
        }));
        ours.push(on_thread(|| run(test(Body::Async(|| box_body(body()))))));
        sync.push(on_thread(|| run(test(Body::Sync(|| gmp::__private::outcome(()))))));
        start.push(on_thread(|| {
            let name = "bench".to_string();
            thread::Builder::new().name(name).spawn(|| ()).expect("a thread").join().expect("ends");
        }));
    }
    let (plain, ours, sync, start) = (median(plain), median(ours), median(sync), median(start));
    println!("clean test, median of {n}, each on a thread of its own:");
    println!("  #[test]                          {:>8.1} us", micros(plain));
    let extra = |time: Duration| micros(time) - micros(plain);
    println!("  #[gmp::test] async fn, over it   {:>8.1} us", extra(ours));
    println!("  #[gmp::test] fn, over it         {:>8.1} us", extra(sync));
    println!("  one more thread start, over it   {:>8.1} us", extra(start));
}

async fn stuck(ch: Chan<u32>) {
    ch.recv().await;
}

/// From the body's end to the last verdict, symbols apart: the least of the runs.
fn verdict(goroutines: usize, runs: usize) -> Duration {
    fn leaky<const N: usize>() -> std::pin::Pin<Box<dyn Future<Output = Outcome>>> {
        box_body(async {
            let ch = chan(0);
            for _ in 0..N {
                drop(go(stuck(ch.clone())));
            }
            gmp::yield_now().await;
        })
    }
    let body = match goroutines {
        1 => leaky::<1>,
        10_000 => leaky::<10_000>,
        _ => leaky::<1_000_000>,
    };
    let (mut took, mut report) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        let told = examine(test(Body::Async(body)));
        assert!(told.findings.iter().all(|finding| finding.verdict.name() == "Proven"));
        took.push(told.verdict_after);
        report.push(told.to_string().len());
    }
    let least = took.iter().min().copied().unwrap_or_default();
    let label = format!("verdict Proven, {goroutines} stuck, median of {runs}:");
    println!("{label:<50} {:>10.1} us", micros(median(took)));
    println!("  least: {:.1} us; the report has {} bytes", micros(least), report[0]);
    if let Some(peak) = peak_resident() {
        println!(
            "  most memory resident until here: {:>18.1} MiB",
            peak as f64 / f64::from(1 << 20)
        );
    }
    least
}

/// The most bytes that were resident at any time.
fn peak_resident() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.split_whitespace().next()?.parse::<usize>().ok()? * 1024)
}

/// Resident bytes of the process.
fn resident() -> Option<usize> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: usize = statm.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * 4096)
}

fn parked(n: usize) {
    async fn worker(ch: Chan<u32>) {
        ch.recv().await;
    }
    gmp::block_on(async move {
        let ch = chan(0);
        let before = resident();
        for _ in 0..n {
            drop(go(worker(ch.clone())));
        }
        gmp::yield_now().await;
        let after = resident();
        match before.zip(after) {
            Some((before, after)) => {
                let each = (after - before) as f64 / n as f64;
                println!("parked goroutine, resident, {n} of them: {each:>10.1} bytes");
            }
            None => println!("parked goroutine: this system does not tell resident memory"),
        }
        ch.close();
    });
}
