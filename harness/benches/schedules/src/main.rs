//! Schedules a second of gmp's exploration and of shuttle, on the same two programs, in turns in one process.
//!
//! `cargo run --release` here prints a table. Figures of a machine that does other work are worth little; the
//! ratio of two that ran in turns is worth more. With `--bar 5` it fails if a ratio is below 5.

use std::sync::Arc;
use std::time::{Duration, Instant};

use gmp::explore::{Explorer, Strategy};

/// Turns of each program on each side.
const TURNS: usize = 9;
/// Schedules in a turn.
const SCHEDULES: usize = 20_000;

/// Three goroutines, each of which locks and unlocks one mutex five times.
async fn locks() {
    let mutex = Arc::new(gmp::sync::Mutex::new(0));
    let workers: Vec<_> = (0..3)
        .map(|_| {
            let mutex = mutex.clone();
            gmp::go(async move {
                for _ in 0..5 {
                    *mutex.lock().await += 1;
                }
            })
        })
        .collect();
    for worker in workers {
        worker.await.unwrap();
    }
}

/// The same with the threads of shuttle.
fn shuttle_locks() {
    let mutex = Arc::new(shuttle::sync::Mutex::new(0));
    let workers: Vec<_> = (0..3)
        .map(|_| {
            let mutex = mutex.clone();
            shuttle::thread::spawn(move || {
                for _ in 0..5 {
                    *mutex.lock().unwrap() += 1;
                }
            })
        })
        .collect();
    for worker in workers {
        worker.join().unwrap();
    }
}

/// Two senders of five values each, a channel with one slot, and the body that receives them.
async fn senders() {
    let ch = gmp::chan(1);
    for _ in 0..2 {
        let ch = ch.clone();
        drop(gmp::go(async move {
            for i in 0..5 {
                ch.send(i).await;
            }
        }));
    }
    for _ in 0..10 {
        ch.recv().await.unwrap();
    }
}

/// The same with the threads of shuttle.
fn shuttle_senders() {
    let (sender, receiver) = shuttle::sync::mpsc::sync_channel(1);
    for _ in 0..2 {
        let sender = sender.clone();
        shuttle::thread::spawn(move || {
            for i in 0..5 {
                sender.send(i).unwrap();
            }
        });
    }
    for _ in 0..10 {
        receiver.recv().unwrap();
    }
}

fn gmp_turn<F: Future<Output = ()> + 'static>(strategy: Strategy, body: fn() -> F) -> Duration {
    let explorer = Explorer::new("bench").strategy(strategy).schedules(SCHEDULES as u64);
    let outcome = explorer.run(body);
    assert!(outcome.finding.is_none() && outcome.trouble.is_none());
    outcome.elapsed
}

fn shuttle_turn(pct: bool, body: fn()) -> Duration {
    let began = Instant::now();
    if pct {
        shuttle::check_pct(body, SCHEDULES, 3);
    } else {
        shuttle::check_random(body, SCHEDULES);
    }
    began.elapsed()
}

fn median(mut turns: Vec<Duration>) -> f64 {
    turns.sort();
    SCHEDULES as f64 / turns[turns.len() / 2].as_secs_f64()
}

/// Turns of one program on one side.
type Side<'a> = &'a dyn Fn() -> Duration;

/// Prints a row. How many times as fast it is.
fn row(name: &str, ours: Side<'_>, theirs: Side<'_>) -> f64 {
    let turns: Vec<_> = (0..TURNS).map(|_| (ours(), theirs())).collect();
    let (ours, theirs): (Vec<_>, Vec<_>) = turns.into_iter().unzip();
    let (ours, theirs) = (median(ours), median(theirs));
    println!("{name:32} {ours:>12.0} {theirs:>12.0} {:>8.1}", ours / theirs);
    ours / theirs
}

fn main() {
    let (walk, pct) = (Strategy::Random, Strategy::Pct);
    let rows: [(&str, Side<'_>, Side<'_>); 4] = [
        ("3 x 5 locks, random", &|| gmp_turn(walk, locks), &|| shuttle_turn(false, shuttle_locks)),
        ("3 x 5 locks, pct", &|| gmp_turn(pct, locks), &|| shuttle_turn(true, shuttle_locks)),
        ("2 senders x 5, random", &|| gmp_turn(walk, senders), &|| {
            shuttle_turn(false, shuttle_senders)
        }),
        ("2 senders x 5, pct", &|| gmp_turn(pct, senders), &|| shuttle_turn(true, shuttle_senders)),
    ];
    let mut args = std::env::args().skip(1).peekable();
    let bar = args.next_if(|arg| arg == "--bar").map(|_| {
        let bar = args.next().and_then(|bar| bar.parse::<f64>().ok());
        bar.expect("`--bar` is followed by a number")
    });
    // For a profiler: one turn of one side of the row with this number.
    if let Some(number) = args.next() {
        let (_, ours, theirs) = rows[number.parse::<usize>().expect("the number of a row")];
        let side = if args.next().as_deref() == Some("shuttle") { theirs } else { ours };
        println!("{:?}", side());
        return;
    }
    println!("{:32} {:>12} {:>12} {:>8}", "schedules a second", "gmp", "shuttle", "times");
    let ratios = rows.map(|(name, ours, theirs)| row(name, ours, theirs));
    let lowest = ratios.into_iter().fold(f64::INFINITY, f64::min);
    if let Some(bar) = bar.filter(|bar| lowest < *bar) {
        eprintln!("{lowest:.1} times is below the bar of {bar}");
        std::process::exit(1);
    }
}
