//! The attribute macros of gmp: `#[gmp::test]` and `#[gmp::main]`.
//!
//! Use them through the crate `gmp`, which re-exports them and holds what they expand to.

mod attributes;
mod duration;
mod errors;
mod expect;
mod explore;
mod function;
mod main_;
mod options;
mod test;
mod tokio;

use proc_macro::TokenStream;

/// Runs a function as a test on a runtime of its own and fails when a goroutine outlives it.
///
/// It sits on an `async fn` or a plain `fn` without arguments that returns any
/// [`Termination`](std::process::Termination), such as `()` or `Result<(), E>`. It serves the
/// built-in harness as well as `harness = false` targets that call `gmp::test_main!()`.
///
/// # Options
///
/// | option | meaning |
/// |---|---|
/// | `timeout = "60s"` | how long the body may take |
/// | `linger = "100ms"` | how long to wait for goroutines that something may still wake |
/// | `clock = "virtual"` | time stands still while something runs, and moves straight to the next timer when everything is parked; also while somebody outside (a live waker clone, an OS thread that started during the test, a call that is not gmp's) may make a goroutine ready, unless it says `"virtual, ignoring external"`. After the body it moves by `linger` at most |
/// | `procs = 4` | goroutines run on so many Ps at a time, on threads of their own. One P if not given: then the order of everything is the same in every run. `clock = "virtual"` and `explore` need one |
/// | `explore(schedules = 1000, ..)` | many schedules instead of one, with the feature `explore`, see `gmp::explore` |
/// | `severity(GMP102 = "deny", Timer = "warn", ..)` | what a finding with this code or verdict means: `deny` fails the test |
/// | `ignore("rule", ..)` | leaks that match one of these rules are counted, but do not fail the test |
/// | `expect_leak` | the test fails unless something leaks |
/// | `expect_leak("2 chan receive: Proven", ..)` | the test fails unless exactly these leak |
/// | `probe_cancel` | a test that leaks runs a second time, with the contexts of what is left cancelled: the report says which goroutines end then and which ignore it. No verdict depends on it. `GMP_LEAK_PROBE_CANCEL=on` asks for it everywhere |
/// | `tokio` | the body runs on a tokio runtime (feature `tokio`); `tokio(flavor = "multi_thread", worker_threads = 2)` and `tokio(start_paused = true)` as `#[tokio::test]` has them |
/// | `crate = some::path` | where gmp is found, for crates that re-export it |
///
/// A duration is a string of numbers with a unit (`ns`, `us`, `ms`, `s`, `m`, `h`), such as
/// `"1.5s"` or `"1m30s"`. An expectation is `"[count ]wait reason[: Verdict]"`.
///
/// `#[should_panic]` and `#[ignore]` mean what they mean beside `#[test]`. A plain `#[test]` below
/// this attribute is absorbed, so adding `#[gmp::test]` above it is enough.
///
/// # Errors
///
/// A wrong option, an argument, a generic parameter, a second `#[gmp::test]`, or the test attribute
/// of another runtime is a compile error that points at it.
///
/// # Example
///
/// ```ignore
/// #[gmp::test(timeout = "5s")]
/// async fn answers() -> Result<(), std::num::ParseIntError> {
///     let ch = gmp::chan(1);
///     ch.send("42").await;
///     assert_eq!(ch.recv().await.unwrap().parse::<u32>()?, 42);
///     Ok(())
/// }
/// ```
#[proc_macro_attribute]
pub fn test(options: TokenStream, item: TokenStream) -> TokenStream {
    test::expand(options.into(), item.into()).into()
}

/// Runs an `async fn main` as the main goroutine of a fresh runtime.
///
/// The function keeps its name and return type; it becomes a plain function that returns when the
/// main goroutine has returned.
///
/// # Options
///
/// `crate = some::path` says where gmp is found, for crates that re-export it.
///
/// # Errors
///
/// A function that is not `async`, takes arguments or has generic parameters, and an unknown option
/// are compile errors that point at the place.
///
/// # Example
///
/// ```ignore
/// #[gmp::main]
/// async fn main() {
///     let answers = gmp::chan(0);
///     let worker = answers.clone();
///     gmp::go(async move { worker.send(6 * 7).await });
///     println!("{:?}", answers.recv().await);
/// }
/// ```
#[proc_macro_attribute]
pub fn main(options: TokenStream, item: TokenStream) -> TokenStream {
    main_::expand(options.into(), item.into()).into()
}
