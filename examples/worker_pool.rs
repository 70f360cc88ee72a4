//! A pool of eight workers on one queue: Go's semantics, and a WaitGroup that tells when all are done.

use gmp::sync::WaitGroup;
use gmp::{Chan, chan, go};

/// Takes numbers until the queue is closed, and sends their squares.
async fn worker(numbers: Chan<u64>, squares: Chan<u64>) {
    while let Some(number) = numbers.recv().await {
        squares.send(number * number).await;
    }
}

#[gmp::main]
async fn main() {
    let (numbers, squares) = (chan(1_024), chan(1_024));
    let workers = WaitGroup::new();
    for _ in 0..8 {
        workers.go(worker(numbers.clone(), squares.clone()));
    }
    go(async move {
        for number in 1..=1_000 {
            numbers.send(number).await;
        }
        numbers.close();
    });
    let all = squares.clone();
    go(async move {
        workers.wait().await;
        all.close();
    });

    let mut sum = 0;
    while let Some(square) = squares.recv().await {
        sum += square;
    }
    println!("sum of the first 1000 squares: {sum}");
    assert_eq!(sum, 1_000 * 1_001 * 2_001 / 6);
}
