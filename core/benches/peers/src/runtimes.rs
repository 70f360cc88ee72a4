//! gmp, tokio and smol as [`Rt`], and their contexts as [`Tree`].

use std::future::Future;
use std::sync::OnceLock;
use std::time::Duration;

use crate::peer::{Lock, Rt, Tree};

/// gmp.
pub struct Gmp;
/// tokio with its multi-threaded runtime.
pub struct Tokio;
/// tokio with its runtime of one thread.
pub struct TokioCurrent;
/// smol with its global executor.
pub struct Smol;

impl Rt for Gmp {
    type Lock = gmp_core::sync::Mutex<u64>;
    fn run<F>(procs: usize, main: F) -> u64
    where
        F: Future<Output = u64> + Send + 'static,
    {
        let runtime = gmp_runtime(procs);
        runtime.block_on(runtime.go(main)).expect("the goroutine ended well")
    }
    fn run_outside<F>(_procs: usize, outside: impl FnOnce() -> F) -> u64
    where
        F: Future<Output = u64> + Send + 'static,
    {
        gmp_core::block_on(outside())
    }
    fn go<F>(future: F) -> impl Future<Output = F::Output> + Send + 'static
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let task = gmp_core::go(future);
        async move { task.await.expect("the goroutine ended well") }
    }
    fn detach<F>(future: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        gmp_core::go(future);
    }
    fn yield_now() -> impl Future<Output = ()> + Send {
        gmp_core::yield_now()
    }
    async fn block(f: fn()) {
        gmp_core::runtime::blocking(f);
    }
    fn sleep(duration: Duration) -> impl Future<Output = ()> + Send {
        gmp_core::time::sleep(duration)
    }
    async fn race<T, A, B>(a: A, b: B) -> T
    where
        T: Send,
        A: Future<Output = T> + Send,
        B: Future<Output = T> + Send,
    {
        gmp_core::select! { value = a => value, value = b => value }
    }
}

impl Lock for gmp_core::sync::Mutex<u64> {
    type Guard<'a> = gmp_core::sync::MutexGuard<'a, u64>;
    fn new() -> Self {
        Self::new(0)
    }
    fn lock(&self) -> impl Future<Output = Self::Guard<'_>> + Send {
        Self::lock(self)
    }
}

/// The runtime is never taken apart: that is not measured.
fn gmp_runtime(procs: usize) -> &'static gmp_core::runtime::Runtime {
    static RUNTIME: OnceLock<gmp_core::runtime::Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| gmp_core::runtime::Builder::new().procs(procs).build())
}

fn tokio_runtime(procs: Option<usize>) -> &'static tokio::runtime::Runtime {
    static RUNTIME: OnceLock<tokio::runtime::Runtime> = OnceLock::new();
    let build = || match procs {
        Some(procs) => tokio::runtime::Builder::new_multi_thread()
            .worker_threads(procs)
            .enable_time()
            .enable_io()
            .build(),
        None => tokio::runtime::Builder::new_current_thread().enable_time().enable_io().build(),
    };
    RUNTIME.get_or_init(|| build().expect("a tokio runtime"))
}

/// Both flavours of tokio differ only in the runtime that is built.
macro_rules! tokio_flavour {
    ($name:ident, $procs:ident => $threads:expr) => {
        impl Rt for $name {
            type Lock = tokio::sync::Mutex<u64>;
            fn run<F>($procs: usize, main: F) -> u64
            where
                F: Future<Output = u64> + Send + 'static,
            {
                let runtime = tokio_runtime($threads);
                runtime.block_on(runtime.spawn(main)).expect("the task ended well")
            }
            fn run_outside<F>($procs: usize, outside: impl FnOnce() -> F) -> u64
            where
                F: Future<Output = u64> + Send + 'static,
            {
                let runtime = tokio_runtime($threads);
                let _entered = runtime.enter();
                runtime.block_on(outside())
            }
            fn go<F>(future: F) -> impl Future<Output = F::Output> + Send + 'static
            where
                F: Future + Send + 'static,
                F::Output: Send + 'static,
            {
                let task = tokio::spawn(future);
                async move { task.await.expect("the task ended well") }
            }
            fn detach<F>(future: F)
            where
                F: Future<Output = ()> + Send + 'static,
            {
                drop(tokio::spawn(future));
            }
            fn yield_now() -> impl Future<Output = ()> + Send {
                tokio::task::yield_now()
            }
            async fn block(f: fn()) {
                tokio::task::spawn_blocking(f).await.expect("the call ended well");
            }
            fn sleep(duration: Duration) -> impl Future<Output = ()> + Send {
                tokio::time::sleep(duration)
            }
            async fn race<T, A, B>(a: A, b: B) -> T
            where
                T: Send,
                A: Future<Output = T> + Send,
                B: Future<Output = T> + Send,
            {
                tokio::select! { value = a => value, value = b => value }
            }
        }
    };
}

tokio_flavour!(Tokio, procs => Some(procs));
tokio_flavour!(TokioCurrent, _procs => None);

impl Lock for tokio::sync::Mutex<u64> {
    type Guard<'a> = tokio::sync::MutexGuard<'a, u64>;
    fn new() -> Self {
        Self::new(0)
    }
    fn lock(&self) -> impl Future<Output = Self::Guard<'_>> + Send {
        Self::lock(self)
    }
}

/// The parent sets `SMOL_THREADS`, which smol's global executor reads.
impl Rt for Smol {
    type Lock = smol::lock::Mutex<u64>;
    fn run<F>(_procs: usize, main: F) -> u64
    where
        F: Future<Output = u64> + Send + 'static,
    {
        smol::future::block_on(smol::spawn(main))
    }
    fn run_outside<F>(_procs: usize, outside: impl FnOnce() -> F) -> u64
    where
        F: Future<Output = u64> + Send + 'static,
    {
        smol::future::block_on(outside())
    }
    fn go<F>(future: F) -> impl Future<Output = F::Output> + Send + 'static
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        smol::spawn(future)
    }
    fn detach<F>(future: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        smol::spawn(future).detach();
    }
    fn yield_now() -> impl Future<Output = ()> + Send {
        smol::future::yield_now()
    }
    fn block(f: fn()) -> impl Future<Output = ()> + Send {
        smol::unblock(f)
    }
    async fn sleep(duration: Duration) {
        smol::Timer::after(duration).await;
    }
    fn race<T, A, B>(a: A, b: B) -> impl Future<Output = T> + Send
    where
        T: Send,
        A: Future<Output = T> + Send,
        B: Future<Output = T> + Send,
    {
        smol::future::race(a, b)
    }
}

impl Lock for smol::lock::Mutex<u64> {
    type Guard<'a> = smol::lock::MutexGuard<'a, u64>;
    fn new() -> Self {
        Self::new(0)
    }
    fn lock(&self) -> impl Future<Output = Self::Guard<'_>> + Send {
        Self::lock(self)
    }
}

impl Tree for Gmp {
    type Node = (gmp_core::context::Context, gmp_core::context::Cancel);
    fn root() -> Self::Node {
        gmp_core::context::with_cancel(&gmp_core::context::background())
    }
    fn child(node: &Self::Node) -> Self::Node {
        gmp_core::context::with_cancel(&node.0)
    }
    fn cancel(node: &Self::Node) {
        node.1.cancel();
    }
    fn is_cancelled(node: &Self::Node) -> bool {
        node.0.err().is_some()
    }
}

impl Tree for Tokio {
    type Node = tokio_util::sync::CancellationToken;
    fn root() -> Self::Node {
        Self::Node::new()
    }
    fn child(node: &Self::Node) -> Self::Node {
        node.child_token()
    }
    fn cancel(node: &Self::Node) {
        node.cancel();
    }
    fn is_cancelled(node: &Self::Node) -> bool {
        node.is_cancelled()
    }
}
