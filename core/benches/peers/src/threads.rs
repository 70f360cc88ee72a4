//! The cases with channels on OS threads: crossbeam-channel, whose operations block their thread.
//!
//! As many CPUs may be used as the other peers have threads. Cases without channels are the system's, and a
//! chain of 500 filters would be 500 threads: they are not here.

use std::thread::{JoinHandle, spawn};

use crossbeam_channel::{Receiver, Sender, bounded, select};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::work::job;

/// Runs the case; `None` if it is not one of channels.
pub fn run(case: &str, n: u64, procs: usize) -> Option<u64> {
    let main: fn(u64) -> u64 = match case {
        "pingpong" => pingpong,
        "stream" => |n| stream(0, n),
        "spsc_128" => |n| stream(128, n),
        "mpmc_4x4" => mpmc,
        "select_2" => select_two,
        "workers_8" => |n| workers(8, n),
        "workers_24" => |n| workers(24, n),
        "workers_32" => |n| workers(32, n),
        _ => return None,
    };
    confine(procs);
    Some(main(n))
}

/// Lets this process use `cpus` of the CPUs that it may use.
fn confine(cpus: usize) {
    let allowed = sched_getaffinity(None).expect("the system tells the CPUs");
    let mut some = CpuSet::new();
    let may_use = (0..CpuSet::MAX_CPU).filter(|cpu| allowed.is_set(*cpu)).take(cpus);
    may_use.for_each(|cpu| some.set(cpu));
    sched_setaffinity(None, &some).expect("the CPUs are allowed");
}

fn join_all(threads: impl IntoIterator<Item = JoinHandle<u64>>) -> u64 {
    threads.into_iter().map(|thread| thread.join().expect("it ended well")).sum()
}

fn pingpong(n: u64) -> u64 {
    let ((to, there), (back, from)) = (bounded(0), bounded(0));
    let echo = spawn(move || there.into_iter().map(|value: u64| back.send(value + 1)).count());
    let mut sum = 0;
    for i in 0..n {
        to.send(i).expect("open");
        sum += from.recv().unwrap_or(0) - i;
    }
    drop(to);
    echo.join().expect("it ended well");
    sum
}

fn produce(tx: Sender<u64>, n: u64) -> JoinHandle<u64> {
    spawn(move || (0..n).map(|i| tx.send(i).map_or(1, |()| 0)).sum())
}

fn consume(rx: Receiver<u64>) -> JoinHandle<u64> {
    spawn(move || rx.into_iter().sum())
}

fn stream(cap: usize, n: u64) -> u64 {
    let (tx, rx) = bounded(cap);
    join_all([consume(rx), produce(tx, n)])
}

fn mpmc(n: u64) -> u64 {
    let (tx, rx) = bounded(128);
    let ends = (0..4).flat_map(|_| [consume(rx.clone()), produce(tx.clone(), n / 4)]);
    let ends: Vec<_> = ends.collect();
    drop((tx, rx));
    join_all(ends)
}

fn select_two(n: u64) -> u64 {
    let ((tx1, rx1), (tx2, rx2)) = (bounded(0), bounded(0));
    let producers = [produce(tx1, n / 2), produce(tx2, n / 2)];
    // The last value of one may come before that of the other: a closed channel has no more.
    let (mut left, mut sum) = (n, 0);
    while left > 0 {
        let value = select! { recv(rx1) -> value => value, recv(rx2) -> value => value };
        if let Ok(value) = value {
            sum += value;
            left -= 1;
        }
    }
    sum + join_all(producers)
}

fn workers(count: u64, n: u64) -> u64 {
    let (tx, rx) = bounded::<u64>(1024);
    let work = |rx: Receiver<u64>| spawn(move || rx.into_iter().map(job).sum());
    let pool: Vec<_> = (0..count).map(|_| work(rx.clone())).collect();
    for i in 0..n {
        tx.send(i).expect("open");
    }
    drop((tx, rx));
    join_all(pool)
}
