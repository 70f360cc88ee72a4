//! A pipeline that can be cancelled: numbers flow through stages until somebody has seen enough.
//!
//! Every stage selects between its channel and the context, so that nothing stays behind.

use gmp::context::{Context, background, with_cancel};
use gmp::sync::WaitGroup;
use gmp::{Chan, chan};

/// Sends 2, 3, 4, ...
async fn count(ctx: Context, out: Chan<u64>) {
    for number in 2.. {
        gmp::select! {
            send(out, number) => (),
            _ = ctx.done() => return,
        }
    }
}

/// Passes on what `prime` does not divide.
async fn filter(ctx: Context, prime: u64, input: Chan<u64>, out: Chan<u64>) {
    loop {
        let number = gmp::select! {
            recv(input) -> number => number,
            _ = ctx.done() => None,
        };
        let Some(number) = number else { return };
        if number % prime == 0 {
            continue;
        }
        gmp::select! {
            send(out, number) => (),
            _ = ctx.done() => return,
        }
    }
}

#[gmp::main]
async fn main() {
    let (ctx, cancel) = with_cancel(&background());
    let stages = WaitGroup::new();
    let mut numbers = chan(0);
    stages.go(count(ctx.clone(), numbers.clone()));

    let mut primes = Vec::new();
    while primes.len() < 12 {
        let Some(prime) = numbers.recv().await else { break };
        primes.push(prime);
        let filtered = chan(0);
        stages.go(filter(ctx.clone(), prime, numbers, filtered.clone()));
        numbers = filtered;
    }
    cancel.cancel();
    stages.wait().await;
    println!("{primes:?}");
    assert_eq!(primes.last(), Some(&37));
}
