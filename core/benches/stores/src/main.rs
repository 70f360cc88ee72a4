//! `sync::Map` beside dashmap, papaya and scc, and `sync::Value` beside arc-swap: ns of CPU time an operation.
//!
//! ```sh
//! cargo run --release --manifest-path core/benches/stores/Cargo.toml
//! ```
//!
//! Every figure is the least of several rounds, in which all have their turn: so a busy machine disturbs all, and none
//! for long. The work is done by one goroutine on each P, which lets others run after every 512th operation. Values are
//! given out as `Arc`s by all of them, as `Map` and `Value` do it: what is read stays valid for as long as it is wanted.

mod stores;

use std::sync::Arc;

use gmp_core::runtime::Builder;
use gmp_core::yield_now;
use rustix::time::{ClockId, clock_gettime};

use stores::{Cell, Map};

const ROUNDS: usize = 15;
const OPS: u64 = 300_000;
const KEYS: u64 = 10_000;

/// How many of 1,000 operations change something.
const SHARES: [(&str, u64); 3] = [("read only", 0), ("read mostly", 10), ("half of each", 500)];

fn cpu_nanos() -> u64 {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// Marsaglia's xorshift64*, to choose keys and what is done.
fn random(state: &mut u64) -> u64 {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16
}

/// CPU time of one operation, done by a goroutine on each of `procs` Ps.
fn measure(procs: usize, op: impl Fn(&mut u64) + Clone + Send + 'static) -> f64 {
    let runtime = Builder::new().procs(procs).build();
    let work = move |seed: u64, op: Box<dyn Fn(&mut u64) + Send>| async move {
        let mut state = seed;
        for n in 0..OPS {
            op(&mut state);
            if n % 512 == 511 {
                yield_now().await;
            }
        }
    };
    let before = cpu_nanos();
    let all: Vec<_> =
        (1..=procs).map(|seed| runtime.go(work(seed as u64 * 77, Box::new(op.clone())))).collect();
    runtime.block_on(async {
        for one in all {
            one.await.expect("it ends well");
        }
    });
    (cpu_nanos() - before) as f64 / (OPS * procs as u64) as f64
}

fn map<M: Map>(procs: usize, writes: u64) -> f64 {
    let map = Arc::new(M::new());
    (0..KEYS).for_each(|key| map.store(key, key));
    measure(procs, move |state| {
        let (key, what) = (random(state) % KEYS, random(state) % 1000);
        if what >= writes {
            std::hint::black_box(map.load(key));
        } else if what % 4 == 0 {
            map.delete(key);
        } else {
            map.store(key, what);
        }
    })
}

fn cell<C: Cell>(procs: usize, writes: u64) -> f64 {
    let cell = Arc::new(C::new(7));
    measure(procs, move |state| {
        let what = random(state) % 1000;
        if what >= writes {
            std::hint::black_box(cell.load());
        } else {
            cell.store(what);
        }
    })
}

type Measure = fn(usize, u64) -> f64;

/// One table: a line for each kind of work, the first column is gmp, the others with gmp's part of theirs.
fn table(title: &str, peers: &[(&str, Measure)]) {
    println!("\n| {title} | {} |", peers.iter().map(|p| p.0).collect::<Vec<_>>().join(" | "));
    println!("|---|{}", "---|".repeat(peers.len()));
    for procs in [1, 2] {
        for (name, writes) in SHARES {
            let mut least = vec![f64::INFINITY; peers.len()];
            for _ in 0..ROUNDS {
                for (least, (_, measure)) in least.iter_mut().zip(peers) {
                    *least = least.min(measure(procs, writes));
                }
            }
            let cells = least.iter().enumerate().map(|(n, took)| match n {
                0 => format!("{took:.1}"),
                _ => format!("{took:.1} ({:.2})", least[0] / took),
            });
            println!("| {name}, {procs} | {} |", cells.collect::<Vec<_>>().join(" | "));
        }
    }
}

fn main() {
    println!("ns of CPU time an operation, the least of {ROUNDS} rounds (gmp / peer)");
    table(
        "map, threads",
        &[
            ("gmp", map::<gmp_core::sync::Map<u64, u64>>),
            ("dashmap", map::<dashmap::DashMap<u64, Arc<u64>>>),
            ("papaya", map::<papaya::HashMap<u64, Arc<u64>>>),
            ("scc", map::<scc::HashMap<u64, Arc<u64>>>),
        ],
    );
    table(
        "value, threads",
        &[
            ("gmp", cell::<gmp_core::sync::Value<u64>>),
            ("arc-swap", cell::<arc_swap::ArcSwap<u64>>),
        ],
    );
}
