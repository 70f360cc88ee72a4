//! What the cases need of an async runtime and of a channel: thin names, no work of their own.

use std::future::Future;
use std::ops::DerefMut;
use std::time::Duration;

/// A runtime of futures.
pub trait Rt: 'static {
    /// Its mutex.
    type Lock: Lock;
    /// Runs `main` as a task of the runtime, with `procs` threads.
    fn run<F>(procs: usize, main: F) -> u64
    where
        F: Future<Output = u64> + Send + 'static;
    /// Runs `outside` on a plain thread beside the runtime, then waits for the task it returns.
    fn run_outside<F>(procs: usize, outside: impl FnOnce() -> F) -> u64
    where
        F: Future<Output = u64> + Send + 'static;
    /// Starts a task and returns its join handle.
    fn go<F>(future: F) -> impl Future<Output = F::Output> + Send + 'static
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static;
    /// Starts a task that nobody joins.
    fn detach<F>(future: F)
    where
        F: Future<Output = ()> + Send + 'static;
    /// Lets others run.
    fn yield_now() -> impl Future<Output = ()> + Send;
    /// Runs `f`, which blocks its thread.
    fn block(f: fn()) -> impl Future<Output = ()> + Send;
    /// Sleeps.
    fn sleep(duration: Duration) -> impl Future<Output = ()> + Send;
    /// The first of two that is done, in fair order.
    fn race<T, A, B>(a: A, b: B) -> impl Future<Output = T> + Send
    where
        T: Send,
        A: Future<Output = T> + Send,
        B: Future<Output = T> + Send;
}

/// A mutex whose lock is awaited.
pub trait Lock: Send + Sync + 'static {
    /// Its guard.
    type Guard<'a>: DerefMut<Target = u64> + Send;
    /// A free mutex.
    fn new() -> Self;
    /// Locks it.
    fn lock(&self) -> impl Future<Output = Self::Guard<'_>> + Send;
}

/// A channel of numbers.
pub trait Line: 'static {
    /// The end that sends.
    type Tx: Clone + Send + Sync + 'static;
    /// The end that receives.
    type Rx: Send + 'static;
    /// A channel with `cap` slots; 0 asks for a rendezvous, or for what comes closest.
    fn make(cap: usize) -> (Self::Tx, Self::Rx);
    /// Sends.
    fn send(tx: &Self::Tx, value: u64) -> impl Future<Output = ()> + Send;
    /// Receives; `None` once it is closed and empty.
    fn recv(rx: &mut Self::Rx) -> impl Future<Output = Option<u64>> + Send;
    /// Closes it, by the last sender.
    fn close(tx: Self::Tx);
    /// Receives from whichever of two is ready.
    fn select<R: Rt>(
        a: &mut Self::Rx,
        b: &mut Self::Rx,
    ) -> impl Future<Output = Option<u64>> + Send {
        R::race(Self::recv(a), Self::recv(b))
    }
}

/// A channel that many may receive from.
pub trait Shared: Line {
    /// One more receiver.
    fn share(rx: &Self::Rx) -> Self::Rx;
}

/// Contexts, or what comes closest.
pub trait Tree: 'static {
    /// A node.
    type Node: Send;
    /// A new root.
    fn root() -> Self::Node;
    /// A node below.
    fn child(node: &Self::Node) -> Self::Node;
    /// Cancels it and all below.
    fn cancel(node: &Self::Node);
    /// Whether it is cancelled.
    fn is_cancelled(node: &Self::Node) -> bool;
}
