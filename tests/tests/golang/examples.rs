//! Go's examples whose output is fixed: what they print is collected here, and compared line by line.

use std::sync::{Arc, Mutex as StdMutex};
use std::time::Duration;

use gmp::context::{
    Context, Key, after_func, background, with_cancel, with_cancel_cause, with_deadline,
    with_timeout, with_value,
};
use gmp::sync::{Cond, Mutex, Once, OnceValue, Pool, WaitGroup};
use gmp::time::{after, now};
use gmp::{Chan, chan, go, select};

/// What an example has printed.
#[derive(Clone, Default)]
struct Output(Arc<StdMutex<Vec<String>>>);

impl Output {
    fn print(&self, line: impl ToString) {
        self.0.lock().unwrap().push(line.to_string());
    }

    /// Compares it with the lines that Go's file gives.
    #[track_caller]
    fn is(&self, lines: &[&str]) {
        assert_eq!(*self.0.lock().unwrap(), lines);
    }
}

/// <https://github.com/golang/go/blob/master/src/sync/example_test.go>
///
/// Left out: the example of `WaitGroup`, which prints nothing; that of `OnceValues` reads a file, here a pair is made.
mod sync_example_test {
    use super::*;

    /// Runs `call` in ten goroutines and waits for all.
    async fn by_ten<F: Future<Output = ()> + Send + 'static>(call: impl Fn() -> F) {
        let done = chan::<bool>(0);
        for _ in 0..10 {
            let (called, done) = (call(), done.clone());
            drop(go(async move {
                called.await;
                done.send(true).await;
            }));
        }
        for _ in 0..10 {
            done.recv().await;
        }
    }

    #[gmp::test]
    async fn once() {
        let (output, once) = (Output::default(), Arc::new(Once::new()));
        by_ten(|| {
            let (output, once) = (output.clone(), once.clone());
            async move { once.call(async || output.print("Only once")).await }
        })
        .await;
        output.is(&["Only once"]);
    }

    #[gmp::test]
    async fn once_value() {
        let output = Output::default();
        let print = output.clone();
        let once = Arc::new(OnceValue::new(move || {
            let print = print.clone();
            async move {
                let sum = (0..1000).sum::<u32>();
                print.print(format!("Computed once: {sum}"));
                sum
            }
        }));
        by_ten(|| {
            let once = once.clone();
            async move { assert_eq!(*once.get().await, 499_500) }
        })
        .await;
        output.is(&["Computed once: 499500"]);
    }

    #[gmp::test]
    async fn once_values() {
        let output = Output::default();
        let print = output.clone();
        let once = Arc::new(OnceValue::new(move || {
            print.print("Reading file once");
            async { ("content", None::<String>) }
        }));
        by_ten(|| {
            let once = once.clone();
            async move { assert_eq!(*once.get().await, ("content", None)) }
        })
        .await;
        output.is(&["Reading file once"]);
    }
}

/// <https://github.com/golang/go/blob/master/src/sync/example_pool_test.go>
mod example_pool_test {
    use super::*;

    fn log(pool: &Pool<String>, output: &Output, key: &str, value: &str) {
        let mut line = pool.lend();
        line.clear();
        line.push_str("2006-01-02T15:04:05Z ");
        line.push_str(&format!("{key}={value}"));
        output.print(&*line);
    }

    #[gmp::test]
    async fn pool() {
        let (output, pool) = (Output::default(), Pool::new(String::new as fn() -> String));
        log(&pool, &output, "path", "/search?q=flowers");
        output.is(&["2006-01-02T15:04:05Z path=/search?q=flowers"]);
        assert_eq!(pool.kept(), 1, "it was put back");
    }
}

/// <https://github.com/golang/go/blob/master/src/context/example_test.go>
///
/// Left out: the connection of `AfterFunc`, whose deadlines are among the facts of package `net`.
mod context_example_test {
    use super::*;

    async fn count(ctx: Context, to: Chan<u32>) {
        for n in 1.. {
            select! {
                send(to, n) => {}
                _ = ctx.done() => return,
            }
        }
    }

    #[gmp::test]
    async fn with_cancel_prevents_a_leak() {
        let output = Output::default();
        let (ctx, cancel) = with_cancel(&background());
        let numbers = chan(0);
        drop(go(count(ctx, numbers.clone())));
        while let Some(n) = numbers.recv().await {
            output.print(n);
            if n == 5 {
                break;
            }
        }
        cancel.cancel();
        output.is(&["1", "2", "3", "4", "5"]);
    }

    #[gmp::test]
    async fn with_a_deadline_or_a_timeout_work_is_abandoned() {
        let limit = Duration::from_millis(2);
        let by_deadline = with_deadline(&background(), now() + limit);
        let by_timeout = with_timeout(&background(), limit);
        for (ctx, _cancel) in [by_deadline, by_timeout] {
            let output = Output::default();
            select! {
                recv(after(Duration::from_secs(3_600))) -> _ => output.print("overslept"),
                error = ctx.done() => output.print(error),
            }
            output.is(&["context deadline exceeded"]);
        }
    }

    struct Language;
    impl Key for Language {
        type Value = &'static str;
    }

    struct Color;
    impl Key for Color {
        type Value = &'static str;
    }

    fn look<K: Key<Value = &'static str>>(output: &Output, ctx: &Context, name: &str) {
        output.print(match ctx.value::<K>() {
            Some(value) => format!("found value: {value}"),
            None => format!("key not found: {name}"),
        });
    }

    #[gmp::test]
    async fn with_a_value() {
        let output = Output::default();
        let ctx = with_value::<Language>(&background(), "Go");
        look::<Language>(&output, &ctx, "language");
        look::<Color>(&output, &ctx, "color");
        output.is(&["found value: Go", "key not found: color"]);
    }

    #[gmp::test]
    async fn after_func_ends_the_wait_for_a_condition() {
        let (output, wg) = (Output::default(), WaitGroup::new());
        let shared = Arc::new((Mutex::new(()), Cond::new()));
        for _ in 0..4 {
            let (output, shared) = (output.clone(), shared.clone());
            wg.go(async move {
                let (ctx, _cancel) = with_timeout(&background(), Duration::from_millis(1));
                let (mutex, cond) = &*shared;
                let tells = shared.clone();
                let mut guard = mutex.lock().await;
                // With the lock, so that the broadcast does not come before the wait.
                let stop = after_func(&ctx, async move {
                    let _guard = tells.0.lock().await;
                    tells.1.broadcast();
                });
                while ctx.err().is_none() {
                    guard = cond.wait(guard).await;
                }
                stop.stop();
                output.print(ctx.err().unwrap());
            });
        }
        wg.wait().await;
        output.is(&["context deadline exceeded"; 4]);
    }

    #[gmp::test]
    async fn after_func_merges_two_contexts() {
        let output = Output::default();
        let (first, _cancel_first) = with_cancel_cause(&background());
        let (second, cancel_second) = with_cancel_cause(&background());
        let (merged, cancel) = with_cancel_cause(&first);
        let other = second.clone();
        let _stop = after_func(&second, async move {
            cancel.cancel_with(other.cause().unwrap());
        });
        cancel_second.cancel_with("ctx2 canceled");
        merged.done().await;
        output.print(merged.cause().unwrap());
        output.is(&["ctx2 canceled"]);
    }
}
